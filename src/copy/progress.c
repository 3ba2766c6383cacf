/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * progress: see progress.h.
 */
#include "copy/progress.h"

#include <stdlib.h>

/* Unsynced data is kept to what the disk syncs in half a second, so that a signal is answered
 * in time; until that is measured, to the least. */
enum { UNSYNCED_LEAST = 32 << 20, UNSYNCED_MOST = 1 << 30, SYNC_MS = 500 };

int
pending_add (struct pending *p, const struct segment_progress *item)
{
  if (p->n == p->cap) {
    size_t cap = p->cap == 0 ? 64 : 2 * p->cap;
    void *more = realloc (p->item, cap * sizeof *p->item);

    if (more == NULL)
      return -1;
    p->item = more;
    p->cap = cap;
  }
  p->item[p->n++] = *item;
  return 0;
}

void
progress_open (struct progress *p, struct team *team, const struct journal_import *imp)
{
  p->team = team;
  p->committed.segments_committed = imp->now.segments_committed;
  p->committed.guest_committed = p->guest_written = imp->now.guest_committed;
  p->committed.zero_committed = imp->now.zero_committed;
  p->committed.fetched = imp->now.fetched;
  p->committed.zero_ord = p->zero_ord = imp->now.zero_ord;
  p->committed.zero_off = p->zero_off = imp->now.zero_off;
  p->committed.image_hashed_to = imp->now.image_hashed_to;
  p->unsynced_limit = UNSYNCED_LEAST;
  atomic_store (&p->fetched, imp->now.fetched);
}

void
progress_close (struct progress *p)
{
  free (p->pending.item);
  p->pending = (struct pending){ 0 };
}

void
progress_wrote (struct progress *p, uint64_t wrote)
{
  assert (team_held (p->team));
  p->unsynced += wrote;
}

void
progress_publish (struct progress *p, struct slot *s, const struct segment_progress *now)
{
  uint64_t guest = s->work.guest_put - s->life.guest_published;

  assert (team_held (p->team));
  assert (s->life.state == SLOT_BUSY || s->life.state == SLOT_AGAIN);
  assert (now->ord == s->seg.ord && now->committed_extents <= s->seg.extents);
  assert (now->committed_extents >= s->life.published.committed_extents);
  assert (!s->life.published.committed); /* it is counted once */
  assert (s->work.guest_put >= s->life.guest_published);
  s->life.guest_published = s->work.guest_put;
  s->life.published = *now;
  s->life.changed = true;
  s->life.written = now->committed;
  p->guest_written += guest;
  p->pending.guest += guest;
}

void
progress_zeroed (struct progress *p, uint64_t n, uint64_t wrote, bool last)
{
  assert (team_held (p->team) && wrote <= n);
  p->zero_off = last ? 0 : p->zero_off + n;
  p->zero_ord += last;
  p->guest_written += n;
  p->pending.guest += n;
  p->pending.zeros += n;
  p->unsynced += wrote;
}

bool
progress_is_pressed (const struct progress *p)
{
  assert (team_held (p->team));
  return p->unsynced > p->unsynced_limit;
}

/* How much may wait for the next sync, from how long this one took. */
static uint64_t
limit_after (uint64_t bytes, int64_t ms, uint64_t limit)
{
  uint64_t can;

  if (bytes < UNSYNCED_LEAST / 4)
    return limit;
  can = bytes / (uint64_t)(ms < 1 ? 1 : ms) * SYNC_MS;
  return min_u64 (max_u64 (can, UNSYNCED_LEAST), UNSYNCED_MOST);
}

void
progress_synced (struct progress *p, uint64_t bytes, int64_t ms)
{
  assert (team_held (p->team) && bytes <= p->unsynced);
  p->unsynced -= bytes;
  p->unsynced_limit = limit_after (bytes, ms, p->unsynced_limit);
}

void
progress_committed (struct progress *p, const struct import_progress *now)
{
  const struct import_progress *was = &p->committed;

  assert (team_held (p->team));
  assert (now->segments_committed >= was->segments_committed);
  assert (now->fetched >= was->fetched && now->image_hashed_to >= was->image_hashed_to);
  assert (now->zero_ord > was->zero_ord
          || (now->zero_ord == was->zero_ord && now->zero_off >= was->zero_off));
  assert (now->done_to >= was->done_to);
  p->committed = *now;
}
