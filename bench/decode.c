/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode: the floor that the processors set: decodes all clusters of an image that lies in
 * memory, on N threads, and throws the result away.  Plain clusters cost nothing here.  Knows
 * no network, no journal and no disk; uses the rooms qcow2 and source (for a local file) as
 * they are.
 *
 *     decode IMAGE [THREADS]       prints wall and CPU seconds, and MiB of the guest; default: all processors
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

#include "base/clock.h"
#include "image/walk.h"

enum { HEAD = 2 << 20, CLAIM = 64 };

struct bench {
  const uint8_t *image;
  struct map_layer layer;
  struct extent *extents;
  size_t n, room;
  atomic_size_t next;
  atomic_ullong decoded; /* bytes */
};

static void
die (const char *what)
{
  fprintf (stderr, "decode: %s: %s\n", what, strerror (errno));
  exit (1);
}

static void
die_of (const struct error *err)
{
  fprintf (stderr, "decode: %s\n", err->text);
  exit (1);
}

static int
note_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct bench *b = ctx;

  (void)err;
  if (e->kind != EXTENT_COMPRESSED)
    return 0;
  if (b->n == b->room) {
    b->room = b->room == 0 ? 4096 : 2 * b->room;
    b->extents = realloc (b->extents, b->room * sizeof *b->extents);
    if (b->extents == NULL)
      die ("memory");
  }
  b->extents[b->n++] = *e;
  return 0;
}

static void *
decode_main (void *ctx)
{
  struct bench *b = ctx;
  const struct qcow2_header *h = &b->layer.header;
  struct qcow2_decoder *d;
  struct error err;
  uint8_t *out = malloc (h->cluster_size);
  size_t i, end;

  if (out == NULL || qcow2_decoder_new (&d, h->compression, h->cluster_bits, &err) == -1)
    die ("memory");
  while ((i = atomic_fetch_add (&b->next, CLAIM)) < b->n)
    for (end = min_u64 (i + CLAIM, b->n); i < end; i++) {
      const struct extent *e = &b->extents[i];

      if (qcow2_decode (d, e->host, b->image + e->host.v, e->stored, out, &err) == -1)
        die_of (&err);
      atomic_fetch_add (&b->decoded, e->len);
    }
  qcow2_decoder_close (d);
  free (out);
  return NULL;
}

static void
read_map (struct bench *b, const char *path)
{
  const struct map_sink sink = { .extent = note_extent, .ctx = b };
  const struct source_options options = { .connections = 1 };
  uint64_t len = b->layer.file_len;
  struct source_identity id;
  uint8_t *head = malloc (HEAD);
  struct error err;
  size_t n;

  if (head == NULL)
    die ("memory");
  if (source_open (&b->layer.source, path, &options, &err) == -1
      || source_probe (b->layer.source, NULL, false, &id, head, HEAD, &n, &err) == -1
      || qcow2_header_parse (&b->layer.header, head, n, len, UINT64_MAX, &err) == -1)
    die_of (&err);
  free (head);
  qcow2_active_disk (&b->layer.header, &b->layer.disk);
  if (map_walk (&b->layer, 1, b->layer.disk.virtual_size, &sink, &err) == -1)
    die_of (&err);
  source_close (b->layer.source);
}

static void
open_image (struct bench *b, const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat st;

  if (fd == -1 || fstat (fd, &st) == -1)
    die (path);
  b->layer.file_len = (uint64_t)st.st_size;
  b->image = mmap (NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (b->image == MAP_FAILED)
    die (path);
  close (fd);
}

int
main (int argc, char **argv)
{
  struct bench b = { 0 };
  long threads = argc > 2 ? atol (argv[2]) : sysconf (_SC_NPROCESSORS_ONLN), i;
  pthread_t *t;
  int64_t begun;
  struct timespec started, ended;

  if (argc < 2 || threads < 1) {
    fprintf (stderr, "usage: decode IMAGE [THREADS]\n");
    return 2;
  }
  open_image (&b, argv[1]);
  read_map (&b, argv[1]);
  t = calloc ((size_t)threads, sizeof *t);
  if (t == NULL)
    die ("memory");
  begun = monotonic_ms ();
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &started);
  for (i = 0; i < threads; i++)
    if (pthread_create (&t[i], NULL, decode_main, &b) != 0)
      die ("a thread");
  for (i = 0; i < threads; i++)
    pthread_join (t[i], NULL);
  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &ended);
  printf ("%.3f %.3f %llu\n", (double)(monotonic_ms () - begun) / 1000,
          (double)(ended.tv_sec - started.tv_sec)
              + (double)(ended.tv_nsec - started.tv_nsec) / 1e9,
          (unsigned long long)atomic_load (&b.decoded) >> 20);
  return 0;
}
