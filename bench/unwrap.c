/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * unwrap: the room src/unwrap/ as a program.  Unpacks FILE to standard output, or to nowhere:
 *
 *     bench/unwrap [-n] [-j THREADS] [-w WINDOW] [-m MEMORY] FILE
 *
 * -n writes nothing, and says to standard error how fast it was.  A file that is refused ends
 * it with the exit status that an import would have.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "unwrap/unwrap.h"

enum { IN = 256 << 10, OUT = 1 << 20 };

struct job {
  int fd;
  bool quiet;
  struct unwrap_limits limits;
  uint8_t in[IN], out[OUT];
};

static int
end (const struct error *err)
{
  fprintf (stderr, "unwrap: %s\n", err->text);
  return error_status (err->code);
}

/* The next bytes of the file; 0 at its end. */
static size_t
more (struct job *j)
{
  ssize_t n = read (j->fd, j->in, IN);

  if (n == -1) {
    perror ("unwrap: read");
    exit (4);
  }
  return (size_t)n;
}

static void
put (const struct job *j, size_t len)
{
  size_t at = 0;

  while (!j->quiet && at < len) {
    ssize_t n = write (STDOUT_FILENO, j->out + at, len - at);

    if (n == -1) {
      perror ("unwrap: write");
      exit (6);
    }
    at += (size_t)n;
  }
}

static int
work (struct job *j, struct unwrap *u, size_t have, struct error *err)
{
  struct unwrap_io io = { j->in, have, NULL, 0 };
  bool last = have == 0;
  int rc;

  do {
    if (io.in_len == 0 && !last) {
      io.in = j->in;
      io.in_len = more (j);
      last = io.in_len == 0;
    }
    io.out = j->out;
    io.out_len = OUT;
    rc = unwrap_push (u, &io, last, err);
    put (j, OUT - io.out_len);
  } while (rc == 1);
  return rc;
}

static void
tell (const struct unwrap *u, int64_t ms)
{
  struct rusage used;

  getrusage (RUSAGE_SELF, &used);
  fprintf (stderr, "%s: %" PRIu64 " bytes to %" PRIu64 " in %" PRId64 " ms, %ld KiB at most\n",
           wrapper_name (unwrap_kind (u)), unwrap_taken (u), unwrap_given (u), ms,
           used.ru_maxrss);
}

static int
parse (int argc, char **argv, struct job *j, struct error *err)
{
  int c;

  j->limits.window = j->limits.memory = 64 << 20;
  j->limits.threads = 1;
  while ((c = getopt (argc, argv, "nj:w:m:")) != -1) {
    if (c == 'n')
      j->quiet = true;
    else if (c == 'j')
      j->limits.threads = (unsigned)atoi (optarg);
    else if (c == '?'
             || parse_size (optarg, c == 'w' ? &j->limits.window : &j->limits.memory, "size",
                            err)
                    == -1)
      return fail (err, ERR_USAGE, "unwrap [-n] [-j THREADS] [-w WINDOW] [-m MEMORY] FILE");
  }
  if (optind != argc - 1 || (j->fd = open (argv[optind], O_RDONLY)) == -1)
    return fail (err, ERR_USAGE, "there must be one FILE, that can be read");
  return 0;
}

int
main (int argc, char **argv)
{
  static struct job j;
  OWN (unwrap) u = NULL;
  struct error err;
  int64_t from = monotonic_ms ();
  size_t have;

  if (parse (argc, argv, &j, &err) == -1)
    return end (&err);
  have = more (&j);
  if (unwrap_new (&u, unwrap_recognise (j.in, have), &j.limits, &err) == -1
      || work (&j, u, have, &err) == -1)
    return end (&err);
  if (j.quiet)
    tell (u, monotonic_ms () - from);
  return 0;
}
