/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * committer: see committer.h.
 */
#include "copy/committer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "copy/outlets.h"

bool
committer_is_behind (const struct committer *c)
{
  const struct progress *p = c->progress;

  assert (team_held (c->team));
  return p->pending.n > 0 || p->pending.guest > 0 || p->unsynced > 0
         || c->image_hash->to != p->committed.image_hashed_to || pool_has_changed (c->pool)
         || (c->facts->streams && atomic_load (&p->fetched) != p->committed.fetched);
}

void
committer_ask (struct committer *c)
{
  assert (team_held (c->team));
  if (c->at_work)
    return;
  c->asked = true;
  pthread_cond_signal (&c->team->tick);
}

/* ---- What is to be committed ---------------------------------------------------------------
 */

struct commit {
  struct pending all;
  struct import_progress progress;
  uint64_t unsynced;
};

/* Of slots in flight. */
static int
take_slots (struct pool *pool, struct pending *out)
{
  size_t i;

  for (i = 0; i < pool->n; i++) {
    struct slot *s = &pool->slots[i];

    if (!s->life.changed)
      continue;
    assert (s->life.state != SLOT_FREE && s->life.published.ord == s->seg.ord);
    s->life.changed = false;
    if (pending_add (out, &s->life.published) == -1)
      return -1;
  }
  return 0;
}

/* Take all that is published; with the lock held. */
static int
take_published (struct committer *c, struct commit *out)
{
  struct progress *from = c->progress;
  struct import_progress *p = &out->progress;
  size_t i;

  assert (team_held (c->team));
  out->all = from->pending;
  from->pending = (struct pending){ 0 };
  if (take_slots (c->pool, &out->all) == -1)
    return -1;
  *p = from->committed;
  for (i = 0; i < out->all.n; i++)
    p->segments_committed += out->all.item[i].committed;
  p->guest_committed += out->all.guest;
  p->zero_committed += out->all.zeros;
  p->fetched = atomic_load (&from->fetched);
  p->zero_ord = from->zero_ord;
  p->zero_off = from->zero_off;
  p->image_hashed_to = c->image_hash->to;
  p->image_hash_len
      = c->facts->imp.hash_image ? hash_save (&c->image_hash->hash, p->image_hash) : 0;
  p->done_to = pool_watermark (c->pool);
  out->unsynced = from->unsynced;
  return 0;
}

/* What is about to be written to the journal: it adds up, and takes nothing back. */
static void
check_commit (const struct commit *commit, const struct copy_facts *f)
{
  const struct import_progress *p = &commit->progress;
  size_t i;

  assert (!f->imp.hash_image || p->image_hash_len > 0);
  for (i = 0; i < commit->all.n; i++) {
    const struct segment_progress *s = &commit->all.item[i];

    assert (s->committed || s->ord >= p->done_to);
    assert (s->committed == s->digest_final || !journal_has_digest (&f->imp, s->ord));
  }
}

/* Of a device's first MiB, which is written last: what changed, for the journal to keep. */
static int
take_held (struct committer *c, struct target *target, struct import_progress *p,
           struct error *err)
{
  unsigned i;

  p->held = c->held;
  p->n_held = 0;
  if (target_holds_back (target) == 0)
    return 0;
  if (c->held_bytes == NULL)
    c->held_bytes = malloc (TARGET_HELD_PIECES * (size_t)TARGET_HELD_SIZE);
  if (c->held_bytes == NULL)
    return fail_memory (err, "the first MiB of the device");
  for (i = 0; i < TARGET_HELD_PIECES; i++) {
    uint8_t *bytes = c->held_bytes + i * (size_t)TARGET_HELD_SIZE;

    if (target_held_changed (target, i, bytes))
      c->held[p->n_held++] = (struct held_piece){ i, bytes, TARGET_HELD_SIZE };
  }
  return 0;
}

/* ---- Sync, then commit --------------------------------------------------------------------
 */

/* For each target that was synced: its import has come as far as its marker says. */
static int
record (struct committer *c, struct commit *commit, struct error *err)
{
  struct outlets *o = c->facts->outlets;
  unsigned i;

  check_commit (commit, c->facts);
  for (i = 0; i < o->n; i++) {
    struct target_mark mark = target_mark (o->item[i].target);

    if (!outlets_lives (o, i, NULL))
      continue;
    commit->progress.target_run = mark.run;
    commit->progress.target_epoch = mark.epoch;
    if (take_held (c, o->item[i].target, &commit->progress, err) == -1
        || journal_commit (c->facts->spec.journal, o->item[i].import_no, commit->all.item,
                           commit->all.n, &commit->progress, err)
               == -1)
      return -1;
  }
  return 0;
}

/* J1: sync, then commit.  All of COMMIT was published before the sync began. */
static int
sync_and_record (struct committer *c, struct commit *commit, struct error *err)
{
  int64_t begun = monotonic_ms ();

#ifdef SEEDED_BUG_COMMIT_BEFORE_SYNC
  if (record (c, commit, err) == -1)
    return -1;
#endif
  if (c->facts->spec.kept != NULL)
    kept_sync (c->facts->spec.kept);
  if (outlets_sync (c->facts->outlets, err) == -1)
    return -1;
  mutex_lock (&c->team->lock);
  progress_synced (c->progress, commit->unsynced, monotonic_ms () - begun);
  pthread_cond_broadcast (&c->team->done);
  mutex_unlock (&c->team->lock);
#ifdef SEEDED_BUG_COMMIT_BEFORE_SYNC
  return 0;
#else
  return record (c, commit, err);
#endif
}

int
committer_commit (struct committer *c, struct error *err)
{
  struct commit commit = { 0 };
  int rc;

  mutex_lock (&c->team->lock);
  rc = take_published (c, &commit);
  mutex_unlock (&c->team->lock);
  if (rc == -1)
    fail_memory (err, "a commit");
  else
    rc = sync_and_record (c, &commit, err);
  free (commit.all.item);
  if (rc == -1)
    return -1;
  mutex_lock (&c->team->lock);
  progress_committed (c->progress, &commit.progress);
  mutex_unlock (&c->team->lock);
  return 0;
}

/* ---- The thread -------------------------------------------------------------------------- */

/* Waits until the interval is over, or a commit is asked for; false at the end. */
static bool
wait_for_turn (struct committer *c, int64_t due)
{
  int64_t half = c->facts->spec.commit_interval_ms / 2;

  while (!team_ends (c->team)) {
    bool may = atomic_load (c->facts->spec.may_commit);

    if (may && c->asked)
      return true;
    if (may
        && (monotonic_ms () >= due || c->progress->unsynced > c->progress->unsynced_limit / 2)
        && committer_is_behind (c))
      return true;
    if (monotonic_ms () >= due)
      due = monotonic_ms () + half;
    else
      mutex_wait_until (&c->team->lock, &c->team->tick, due);
  }
  return false;
}

/* With the lock held; off meanwhile. */
static void
take_turn (struct committer *c)
{
  struct error err;
  int rc;

  assert (!c->at_work && !c->abandon);
  c->asked = false;
  c->at_work = true;
  mutex_unlock (&c->team->lock);
  rc = committer_commit (c, &err);
  mutex_lock (&c->team->lock);
  c->at_work = false;
  if (rc == -1) {
    c->abandon = true;
    team_fail (c->team, &err);
  }
  team_tell_done (c->team);
}

static void *
committer_main (void *committer)
{
  struct committer *c = committer;

  mutex_lock (&c->team->lock);
  while (wait_for_turn (c, monotonic_ms () + c->facts->spec.commit_interval_ms / 2))
    take_turn (c);
  mutex_unlock (&c->team->lock);
  return NULL;
}

int
committer_start (struct committer *c, struct error *err)
{
  if (pthread_create (&c->thread, NULL, committer_main, c) != 0)
    return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  c->runs = true;
  return 0;
}

void
committer_join (struct committer *c)
{
  if (c->runs)
    pthread_join (c->thread, NULL);
  c->runs = false;
  free (c->held_bytes);
  c->held_bytes = NULL;
}
