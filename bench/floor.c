/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * floor: what nobody can do without, each alone: a disk's bytes hashed, or written.  Holes of
 * the disk are left out.  The source lies in memory and is mapped before the clock starts.
 *
 *     floor hash IMAGE RAW          SHA-256 of both files, two at once, on one thread
 *     floor write RAW OUT           written by one thread; not synced
 *     floor direct RAW OUT THREADS  written past the cache, then one fdatasync
 *
 * Prints wall and CPU seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/extent.h"

enum { PIECE = 1 << 20, PAGE = 4096 };

struct piece {
  uint64_t at, len;
};

struct file {
  int fd;
  uint64_t len;
  const uint8_t *bytes;
  struct piece *pieces; /* where there is data */
  size_t n;
};

struct job {
  const struct file *from;
  int out;
  atomic_size_t next;
};

static void
die (const char *what)
{
  fprintf (stderr, "floor: %s: %s\n", what, strerror (errno));
  exit (1);
}

static double
seconds (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
note (struct file *f, uint64_t at, uint64_t len)
{
  f->pieces = realloc (f->pieces, (f->n + 1) * sizeof *f->pieces);
  if (f->pieces == NULL)
    die ("memory");
  f->pieces[f->n++] = (struct piece){ at, len };
}

static void
find_data (struct file *f)
{
  off_t at = 0, end;

  while ((at = lseek (f->fd, at, SEEK_DATA)) != -1) {
    end = lseek (f->fd, at, SEEK_HOLE);
    for (; at < end; at += PIECE)
      note (f, (uint64_t)at, min_u64 (PIECE, (uint64_t)(end - at)));
    at = end;
  }
}

static struct file
open_file (const char *path)
{
  struct file f = { .fd = open (path, O_RDONLY | O_CLOEXEC) };
  struct stat st;

  if (f.fd == -1 || fstat (f.fd, &st) == -1)
    die (path);
  f.len = (uint64_t)st.st_size;
  f.bytes = mmap (NULL, f.len, PROT_READ, MAP_SHARED | MAP_POPULATE, f.fd, 0);
  if (f.bytes == MAP_FAILED)
    die (path);
  find_data (&f);
  return f;
}

static void
hash (const struct file *image, const struct file *raw)
{
  struct digest a, b;
  size_t i, n = image->n > raw->n ? image->n : raw->n;

  digest_init (&a);
  digest_init (&b);
  for (i = 0; i < n; i++) {
    struct piece p = i < image->n ? image->pieces[i] : (struct piece){ 0, 0 };
    struct piece q = i < raw->n ? raw->pieces[i] : (struct piece){ 0, 0 };

    digest_update_two (&a, image->bytes + p.at, p.len, &b, raw->bytes + q.at, q.len);
  }
}

static void *
write_main (void *job)
{
  struct job *j = job;
  size_t i;

  while ((i = atomic_fetch_add (&j->next, 1)) < j->from->n) {
    struct piece p = j->from->pieces[i];

    p.len = align_up (p.len, PAGE); /* of what is mapped, the rest is zeros */
    if (pwrite (j->out, j->from->bytes + p.at, p.len, (off_t)p.at) != (ssize_t)p.len)
      die ("writing");
  }
  return NULL;
}

static void
write_all (const struct file *raw, int out, long threads)
{
  struct job j = { .from = raw, .out = out };
  pthread_t *t = calloc ((size_t)threads, sizeof *t);
  long i;

  if (t == NULL)
    die ("memory");
  for (i = 0; i < threads; i++)
    if (pthread_create (&t[i], NULL, write_main, &j) != 0)
      die ("a thread");
  for (i = 0; i < threads; i++)
    pthread_join (t[i], NULL);
  free (t);
}

int
main (int argc, char **argv)
{
  bool hashes = argc == 4 && strcmp (argv[1], "hash") == 0;
  bool direct = argc == 5 && strcmp (argv[1], "direct") == 0;
  double wall, cpu;
  struct file a, b;
  int out = -1;

  if (!hashes && !direct && (argc != 4 || strcmp (argv[1], "write") != 0)) {
    fprintf (stderr, "usage: floor hash IMAGE RAW | write RAW OUT | direct RAW OUT THREADS\n");
    return 2;
  }
  a = open_file (argv[2]);
  if (hashes)
    b = open_file (argv[3]);
  else
    out = open (argv[3], O_WRONLY | O_CREAT | O_TRUNC | (direct ? O_DIRECT : 0), 0666);
  if (!hashes && out == -1)
    die (argv[3]);
  wall = seconds (CLOCK_MONOTONIC);
  cpu = seconds (CLOCK_PROCESS_CPUTIME_ID);
  if (hashes)
    hash (&a, &b);
  else
    write_all (&a, out, direct ? atol (argv[4]) : 1);
  if (direct && fdatasync (out) == -1)
    die (argv[3]);
  printf ("%.3f %.3f\n", seconds (CLOCK_MONOTONIC) - wall,
          seconds (CLOCK_PROCESS_CPUTIME_ID) - cpu);
  return 0;
}
