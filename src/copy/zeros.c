/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zeros: see zeros.h.
 */
#include "copy/zeros.h"

#include "copy/outlets.h"

enum { ZERO_BATCH = 64, ZERO_PIECE = 64 << 20 };

/* RUN, the next one, reads as zeros from OFF on.  1: the copy ends. */
static int
zero_run (struct zeros *z, const struct extent *run, uint64_t off, struct error *err)
{
  const struct copy_spec *spec = &z->facts->spec;
  bool skip = outlets_all_read_zero (z->facts->outlets)
              || (z->facts->imp.keep_holes && run->kind == EXTENT_HOLE);
  bool ends;

  while (off < run->len) {
    uint64_t n = skip ? run->len - off : min_u64 (run->len - off, ZERO_PIECE);
    guest_off at = { run->guest.v + off };

    if (!skip && outlets_zero (z->facts->outlets, at, n, spec->stop, err) == -1)
      return -1;
    off += n;
    mutex_lock (&z->team->lock);
    progress_zeroed (z->progress, n, skip ? 0 : n, off == run->len);
    ends = team_ends (z->team);
    mutex_unlock (&z->team->lock);
    if (ends)
      return 1;
  }
  return 0;
}

/* In a stream the zero runs are known at its end. */
static bool
wait_for_runs (struct zeros *z)
{
  bool known;

  mutex_lock (&z->team->lock);
  while (!z->known && !team_ends (z->team))
    mutex_wait (&z->team->lock, &z->team->done);
  known = z->known;
  mutex_unlock (&z->team->lock);
  return known;
}

static int
zero_all (struct zeros *z, struct error *err)
{
  const struct journal_import *imp = &z->facts->imp;
  OWN (journal_reader) reader = NULL;
  struct extent runs[ZERO_BATCH];
  uint64_t ord = imp->now.zero_ord, off = imp->now.zero_off;
  size_t n, i;
  int rc;

  if (!wait_for_runs (z))
    return 1;
  if (journal_reader_open (&reader, journal_path (z->facts->spec.journal), imp->no, err) == -1)
    return -1;
  for (;;) {
    if (journal_zeros (reader, ord, runs, ZERO_BATCH, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    for (i = 0; i < n; i++, ord++) {
      rc = zero_run (z, &runs[i], off, err);
      if (rc != 0)
        return rc;
      off = 0;
    }
  }
}

static void *
zeros_main (void *zeros)
{
  struct zeros *z = zeros;
  struct error err;
  int rc = zero_all (z, &err);

  mutex_lock (&z->team->lock);
  if (rc == -1)
    team_fail (z->team, &err);
  z->done = rc == 0;
  team_tell_done (z->team);
  mutex_unlock (&z->team->lock);
  return NULL;
}

int
zeros_start (struct zeros *z, struct error *err)
{
  if (pthread_create (&z->thread, NULL, zeros_main, z) != 0)
    return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  z->runs = true;
  return 0;
}

void
zeros_join (struct zeros *z)
{
  if (z->runs)
    pthread_join (z->thread, NULL);
  z->runs = false;
}

void
zeros_tell_known (struct zeros *z)
{
  assert (team_held (z->team));
  z->known = true;
  pthread_cond_broadcast (&z->team->done);
}
