/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * behind: what happens to written bytes afterwards.  Their write-back begins at once, so that
 * the sync is short; and when they have had time to reach the disk the page cache is told to
 * forget them: an import reads nothing back, and a machine that runs others' disks needs its
 * memory.  Pages that are used again and again are also much cheaper than ever new ones.
 *
 * Neither waits, and neither takes an error away from the sync that J1 rests on: only clean
 * pages are forgotten, and a failed write-back is noted in the file, not in its pages.
 */
#include "target/open_target.h"

#include <fcntl.h>

enum { BEHIND_BYTES = 64 << 20 };

/* Put the range into the ring; what falls out of it goes to *OLD. */
static bool
exchange (struct behind *b, struct guest_range r, struct guest_range *old)
{
  bool full;

  pthread_mutex_lock (&b->lock);
  if (r.len > 0) {
    b->range[b->head++ % BEHIND_MAX] = r;
    b->bytes += r.len;
  }
  full = b->bytes > BEHIND_BYTES || b->head - b->tail == BEHIND_MAX;
  if (full) {
    *old = b->range[b->tail++ % BEHIND_MAX];
    b->bytes -= old->len;
  }
  pthread_mutex_unlock (&b->lock);
  return full;
}

void
target_behind (struct target *t, uint64_t at, uint64_t len)
{
  struct guest_range r = { { at }, len }, old;

  if (len == 0 || t->nbd != NULL)
    return;
  /* WRITE only: with a flag to wait the call would swallow an error */
  sync_file_range (t->fd, (off_t)at, (off_t)len, SYNC_FILE_RANGE_WRITE);
  for (; exchange (&t->behind, r, &old); r.len = 0)
    posix_fadvise (t->fd, (off_t)old.at.v, (off_t)old.len, POSIX_FADV_DONTNEED);
}
