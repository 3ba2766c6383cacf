/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * commit: the committer, which makes durable and then records (J1), and the thread that makes
 * zeros where the target does not read as zeros by itself (J6).  Decodes nothing, fetches
 * nothing.
 */
#include "copy/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Unsynced data is kept to what the disk syncs in half a second, so that a signal is answered
 * in time; until that is measured, to the least. */
enum { UNSYNCED_LEAST = 32 << 20, UNSYNCED_MOST = 1 << 30, SYNC_MS = 500, ZERO_BATCH = 64 };

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

bool
copy_is_dirty (const struct copy *c)
{
  size_t i;

  if (c->pending.n > 0 || c->pending.guest > 0 || c->unsynced > 0
      || c->hashed_to != c->committed.image_hashed_to)
    return true;
  for (i = 0; i < c->n_slots; i++)
    if (c->slots[i].state != SLOT_FREE && c->slots[i].changed)
      return true;
  return false;
}

/* Every segment before this is committed (and hashed) by the transaction that is being made. */
static uint64_t
watermark (const struct copy *c)
{
  uint64_t mark = c->planned_ord;
  size_t i;

  for (i = 0; i < c->n_slots; i++)
    if (c->slots[i].state != SLOT_FREE)
      mark = min_u64 (mark, c->slots[i].seg.ord);
  return mark;
}

/* Take all that is published; with the lock held. */
static int
snapshot (struct copy *c, struct pending *out, struct import_progress *p, uint64_t *unsynced)
{
  size_t i;

  *out = c->pending;
  c->pending = (struct pending){ 0 };
  for (i = 0; i < c->n_slots; i++) {
    struct slot *s = &c->slots[i];

    if (s->state == SLOT_FREE || !s->changed)
      continue;
    s->changed = false;
    if (pending_add (out, &s->published) == -1)
      return -1;
  }
  *p = c->committed;
  for (i = 0; i < out->n; i++)
    p->segments_committed += out->item[i].committed;
  p->guest_committed += out->guest;
  p->fetched = atomic_load (&c->fetched);
  p->zero_ord = c->zero_ord;
  p->zero_off = c->zero_off;
  p->image_hashed_to = c->hashed_to;
  p->image_hash_len = c->spec.imp->hash_image ? hash_save (&c->image, p->image_hash) : 0;
  p->done_to = watermark (c);
  *unsynced = c->unsynced;
  return 0;
}

/* How much may wait for the next sync, from how long this one took. */
static uint64_t
unsynced_limit (uint64_t bytes, int64_t ms, uint64_t limit)
{
  uint64_t can;

  if (bytes < UNSYNCED_LEAST / 4)
    return limit;
  can = bytes / (uint64_t)(ms < 1 ? 1 : ms) * SYNC_MS;
  return min_u64 (max_u64 (can, UNSYNCED_LEAST), UNSYNCED_MOST);
}

/* Of a device's first MiB, which is written last: what changed, for the journal to keep. */
static int
take_held (struct copy *c, struct import_progress *p, struct error *err)
{
  unsigned i;

  p->held = c->held;
  p->n_held = 0;
  if (target_holds_back (c->spec.target) == 0)
    return 0;
  if (c->held_bytes == NULL)
    c->held_bytes = malloc (TARGET_HELD_PIECES * (size_t)TARGET_HELD_SIZE);
  if (c->held_bytes == NULL)
    return fail_memory (err, "the first MiB of the device");
  for (i = 0; i < TARGET_HELD_PIECES; i++) {
    uint8_t *bytes = c->held_bytes + i * (size_t)TARGET_HELD_SIZE;

    if (target_held_changed (c->spec.target, i, bytes))
      c->held[p->n_held++] = (struct held_piece){ i, bytes, TARGET_HELD_SIZE };
  }
  return 0;
}

/* J1: sync, then commit.  ALL was published before the sync began. */
static int
sync_and_record (struct copy *c, const struct pending *all, struct import_progress *p,
                 uint64_t unsynced, struct error *err)
{
  int64_t begun = monotonic_ms ();

#ifdef SEEDED_BUG_COMMIT_BEFORE_SYNC
  if (journal_commit (c->spec.journal, c->spec.imp->no, all->item, all->n, p, err) == -1)
    return -1;
#endif
  if (c->spec.kept != NULL)
    kept_sync (c->spec.kept);
  if (target_sync (c->spec.target, err) == -1)
    return -1;
  pthread_mutex_lock (&c->lock);
  c->unsynced -= unsynced;
  c->unsynced_limit = unsynced_limit (unsynced, monotonic_ms () - begun, c->unsynced_limit);
  pthread_cond_broadcast (&c->done);
  pthread_mutex_unlock (&c->lock);
  p->target_run = target_mark (c->spec.target).run;
  p->target_epoch = target_mark (c->spec.target).epoch;
  if (take_held (c, p, err) == -1)
    return -1;
#ifdef SEEDED_BUG_COMMIT_BEFORE_SYNC
  return 0;
#else
  return journal_commit (c->spec.journal, c->spec.imp->no, all->item, all->n, p, err);
#endif
}

int
copy_commit (struct copy *c, struct error *err)
{
  struct pending all = { 0 };
  struct import_progress p;
  uint64_t unsynced;
  int rc;

  pthread_mutex_lock (&c->lock);
  rc = snapshot (c, &all, &p, &unsynced);
  pthread_mutex_unlock (&c->lock);
  if (rc == -1) {
    free (all.item);
    return fail_memory (err, "a commit");
  }
  rc = sync_and_record (c, &all, &p, unsynced, err);
  free (all.item);
  if (rc == -1)
    return -1;
  pthread_mutex_lock (&c->lock);
  c->committed = p;
  pthread_mutex_unlock (&c->lock);
  return 0;
}

/* Waits until the interval is over, or a commit is asked for; false at the end. */
static bool
wait_for_turn (struct copy *c, int64_t due)
{
  while (!c->quit && !c->failed) {
    struct timespec until = { .tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000 };
    bool may = atomic_load (c->spec.may_commit);

    if (may && c->commit_now)
      return true;
    if (may && (monotonic_ms () >= due || c->unsynced > c->unsynced_limit / 2)
        && copy_is_dirty (c))
      return true;
    if (monotonic_ms () >= due) {
      due = monotonic_ms () + c->spec.commit_interval_ms / 2;
      continue;
    }
    pthread_cond_timedwait (&c->tick, &c->lock, &until);
  }
  return false;
}

void *
committer_main (void *copy)
{
  struct copy *c = copy;
  struct error err;

  pthread_mutex_lock (&c->lock);
  while (wait_for_turn (c, monotonic_ms () + c->spec.commit_interval_ms / 2)) {
    int rc;

    c->commit_now = false;
    c->committing = true;
    pthread_mutex_unlock (&c->lock);
    rc = copy_commit (c, &err);
    pthread_mutex_lock (&c->lock);
    c->committing = false;
    if (rc == -1) {
      c->abandon = true; /* T3: what is not committed now never will be by this process */
      copy_fail (c, &err);
    }
    pthread_cond_broadcast (&c->done);
    copy_wake (c);
  }
  pthread_mutex_unlock (&c->lock);
  return NULL;
}

/* ---- Zeros ------------------------------------------------------------------------------- */

static int
zero_run (struct copy *c, const struct extent *run, uint64_t off,
          const struct journal_import *imp, struct error *err)
{
  enum { PIECE = 64 << 20 };
  bool skip
      = target_reads_zero (c->spec.target) || (imp->keep_holes && run->kind == EXTENT_HOLE);

  while (off < run->len) {
    uint64_t n = skip ? run->len - off : min_u64 (run->len - off, PIECE);
    guest_off at = { run->guest.v + off };

    if (!skip && target_zero (c->spec.target, at, n, c->spec.stop, err) == -1)
      return -1;
    off += n;
    pthread_mutex_lock (&c->lock);
    c->zero_ord += off == run->len;
    c->zero_off = off == run->len ? 0 : off;
    c->guest_written += n;
    c->pending.guest += n;
    c->unsynced += skip ? 0 : n;
    if (c->quit || c->failed) {
      pthread_mutex_unlock (&c->lock);
      return 1;
    }
    pthread_mutex_unlock (&c->lock);
  }
  return 0;
}

/* In a stream the zero runs are known at its end. */
static bool
wait_for_map (struct copy *c)
{
  bool there;

  pthread_mutex_lock (&c->lock);
  while (!c->all_submitted && !c->quit && !c->failed)
    pthread_cond_wait (&c->done, &c->lock);
  there = c->all_submitted;
  pthread_mutex_unlock (&c->lock);
  return there;
}

static int
zero_all (struct copy *c, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  OWN (journal_reader) reader = NULL;
  struct extent runs[ZERO_BATCH];
  uint64_t off = imp->now.zero_off;
  size_t n, i;
  int rc;

  if (!wait_for_map (c))
    return 1;
  if (journal_reader_open (&reader, journal_path (c->spec.journal), c->spec.imp->no, err) == -1)
    return -1;
  for (;;) {
    if (journal_zeros (reader, c->zero_ord, runs, ZERO_BATCH, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    for (i = 0; i < n; i++) {
      rc = zero_run (c, &runs[i], off, imp, err);
      if (rc != 0)
        return rc;
      off = 0;
    }
  }
}

void *
zeroer_main (void *copy)
{
  struct copy *c = copy;
  struct error err;
  int rc = zero_all (c, &err);

  pthread_mutex_lock (&c->lock);
  if (rc == -1)
    copy_fail (c, &err);
  c->zero_done = rc == 0;
  pthread_cond_broadcast (&c->done);
  copy_wake (c);
  pthread_mutex_unlock (&c->lock);
  return NULL;
}
