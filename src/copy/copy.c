/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy: its life (copy.h): how much memory who gets, and how its parts begin, step, stop and
 * end.  Decodes nothing, writes nothing, asks for nothing and commits nothing itself.
 */
#include "copy/copy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "copy/committer.h"
#include "copy/outlets.h"
#include "copy/requests.h"
#include "copy/worker.h"
#include "copy/zeros.h"

enum {
  SLOTS_MAX = 4096,
  ARENA_MOST = 4 << 20,
  DRAIN_MS = 1000, /* of what a stop may take, for what has come but is not written */
  LOOK_MS = 100    /* a stop may come from a signal handler, and wakes nobody */
};

struct copy {
  struct copy_facts facts;
  struct outlets outlets;
  struct team team;
  struct progress progress;
  struct pool pool;
  struct image_hash image_hash;
  struct supply_real supply;
  struct requests requests;
  struct workers workers;
  struct committer committer;
  struct zeros zeros;
  int64_t last_tick; /* when what had come was handed over last */
};

/* ---- Step ---------------------------------------------------------------------------------
 */

/* Of the source in use. */
static struct source *
source_of (const struct copy *c)
{
  return c->facts.spec.sources[c->requests.runs.layer];
}

static void
wake (void *copy)
{
  const struct copy *c = copy;

  if (!c->facts.streams)
    source_wake (source_of (c));
}

/* On a slow link a segment takes minutes: hand over what has come of it, so that the next
 * commit has it. */
static void
hand_over (struct copy *c)
{
  size_t i;

  mutex_lock (&c->team.lock);
  for (i = 0; i < c->pool.n; i++) {
    struct slot *s = &c->pool.slots[i];

    if (s->life.state != SLOT_FREE && !s->life.written && slot_filled (s) > 0)
      pool_queue (&c->pool, s);
  }
  c->image_hash.early = true;
  pthread_cond_broadcast (&c->team.work);
  pthread_cond_signal (&c->team.tick);
  mutex_unlock (&c->team.lock);
}

/* Wait for the committer to have committed all that is published.  1: it may not yet, and what
 * the journal's check will say is the caller's to look at. */
static int
settle (struct copy *c, struct error *err)
{
  bool may = true;
  int rc;

  mutex_lock (&c->team.lock);
  while (may && !c->team.failed
         && (c->committer.at_work || committer_is_behind (&c->committer))) {
    committer_ask (&c->committer);
    may = atomic_load (c->facts.spec.may_commit);
    team_wait_done (&c->team, 1000);
  }
  rc = team_result (&c->team, err) == -1 ? -1 : !may;
  mutex_unlock (&c->team.lock);
  return rc;
}

static uint64_t
fetched_now (const struct copy *c)
{
  uint64_t sum = c->facts.imp.now.fetched;
  unsigned i;

  for (i = 0; i < c->facts.imp.layers; i++)
    sum += source_fetched (c->facts.spec.sources[i]);
  return sum;
}

static int
step_network (struct copy *c, int timeout_ms, struct error *err)
{
  int64_t now;

  requests_watch (&c->requests);
  if (requests_refill (&c->requests, err) == -1
      || source_step (source_of (c), timeout_ms, err) == -1)
    return -1;
  atomic_store (&c->progress.fetched, fetched_now (c));
  now = monotonic_ms ();
  if (now - c->last_tick >= c->facts.spec.commit_interval_ms / 2) {
    c->last_tick = now;
    hand_over (c);
  }
  return 0;
}

/* With the lock held: every byte is written. */
static bool
is_written (const struct copy *c)
{
  bool asked = c->facts.streams ? c->zeros.known : requests_done (&c->requests);

  return asked && pool_is_empty (&c->pool) && c->zeros.done;
}

int
copy_step (struct copy *c, int timeout_ms, struct error *err)
{
  bool finished;
  int rc;

  if (!c->facts.streams && step_network (c, timeout_ms, err) == -1)
    return -1;
  mutex_lock (&c->team.lock);
  rc = team_result (&c->team, err);
  finished = is_written (c);
  if (!finished && rc == 0 && c->facts.streams)
    team_wait_done (&c->team, timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
  mutex_unlock (&c->team.lock);
  if (rc == -1)
    return -1;
  return finished ? settle (c, err) : 1;
}

/* ---- Stop ---------------------------------------------------------------------------------
 */

/* What has come is written, as far as the time goes; with the lock held. */
static void
drain (struct copy *c)
{
  int64_t until = monotonic_ms () + DRAIN_MS, left = DRAIN_MS;

  while (!pool_is_quiet (&c->pool) && !c->team.failed && left > 0) {
    team_wait_done (&c->team, left);
    left = until - monotonic_ms ();
  }
  atomic_store (&c->team.hurry, true);
  pool_drop_queue (&c->pool);
  pthread_cond_broadcast (&c->team.done);
  while (c->pool.busy > 0 || c->committer.at_work)
    mutex_wait (&c->team.lock, &c->team.done);
}

int
copy_stop (struct copy *c, struct error *err)
{
  bool abandon, failed;

  if (!c->facts.streams)
    source_cancel (source_of (c));
  hand_over (c);
  mutex_lock (&c->team.lock);
  drain (c);
  abandon = c->committer.abandon || !atomic_load (c->facts.spec.may_commit);
  failed = c->team.failed; /* then the committer has ended, and this thread takes its place */
  mutex_unlock (&c->team.lock);
  if (abandon)
    return 0;
  return failed ? committer_commit (&c->committer, err) : settle (c, err);
}

/* ---- A stream -----------------------------------------------------------------------------
 */

/* With the lock held: until a slot is free. */
static int
wait_for_slot (struct copy *c, struct error *err)
{
  const struct copy_spec *spec = &c->facts.spec;

  while (!c->team.failed && c->pool.n_free == 0) {
    if (atomic_load (spec->stop))
      return fail (err, ERR_INTERRUPTED, "interrupted");
    if (atomic_load (spec->check_over) && !atomic_load (spec->may_commit))
      return fail (err, ERR_INTERRUPTED, "the journal cannot be believed");
    if (spec->deadline_ms > 0 && monotonic_ms () >= spec->deadline_ms)
      return fail (err, ERR_MAX_TIME, "--max-time is over");
    team_wait_done (&c->team, LOOK_MS);
  }
  return team_result (&c->team, err);
}

int
copy_submit (struct copy *c, const struct segment *seg, const uint8_t *bytes, struct error *err)
{
  struct slot *s = NULL;
  int rc = -1;

  mutex_lock (&c->team.lock);
  if (wait_for_slot (c, err) == 0 && (s = pool_take (&c->pool, &c->facts, seg, err)) != NULL) {
    s->life.hashed = true; /* a stream is hashed as it comes */
    memcpy (s->buf, bytes + (s->base.v - seg->need.at.v), s->len);
    s->net.part[0].asked = true;
    atomic_store (&s->net.part[0].there, s->len);
    pool_queue (&c->pool, s);
    rc = 0;
  }
  mutex_unlock (&c->team.lock);
  return rc;
}

void
copy_submit_fetched (struct copy *c, uint64_t bytes)
{
  assert (c->facts.streams);
  atomic_store (&c->progress.fetched, c->facts.imp.now.fetched + bytes);
}

void
copy_submit_end (struct copy *c)
{
  mutex_lock (&c->team.lock);
  zeros_tell_known (&c->zeros);
  mutex_unlock (&c->team.lock);
}

/* ---- Questions ----------------------------------------------------------------------------
 */

void
copy_progress (struct copy *c, struct copy_progress *out)
{
  mutex_lock (&c->team.lock);
  out->guest_written = c->progress.guest_written;
  out->guest_committed = c->progress.committed.guest_committed;
  out->zero_committed = c->progress.committed.zero_committed;
  out->segments_committed = c->progress.committed.segments_committed;
  mutex_unlock (&c->team.lock);
}

bool
copy_lives (struct copy *c, unsigned outlet, struct error *why)
{
  return outlets_lives (&c->outlets, outlet, why);
}

bool
copy_image_checksum (struct copy *c, uint64_t image_len, struct checksum *out)
{
  bool whole;

  mutex_lock (&c->team.lock);
  whole = image_hash_checksum (&c->image_hash, image_len, out);
  mutex_unlock (&c->team.lock);
  return whole;
}

/* ---- Open and close -----------------------------------------------------------------------
 */

/* The largest cluster that is decoded, or what is taken for one. */
static size_t
arena_least (const struct copy_facts *f)
{
  size_t least = SECTOR;
  unsigned i;

  for (i = 0; i < f->imp.layers; i++)
    least = (size_t)max_u64 (least, UINT64_C (1) << f->spec.formats[i].cluster_bits);
  return least;
}

/* An eighth of the memory, at the most, is the workers' to decode into; there are fewer of them
 * rather than that they get too little.  Returns how many. */
static unsigned
plan_workers (const struct copy_facts *f, size_t *arena_size)
{
  uint64_t eighth = f->spec.memory / 8, least = arena_least (f), size;
  unsigned n = (unsigned)max_u64 (min_u64 (f->spec.workers, eighth / least), 1);

  size = min_u64 (align_down (eighth / n, least), ARENA_MOST);
  *arena_size = (size_t)max_u64 (size, least);
  return n;
}

/* Buffers for segments: as many as the memory that is LEFT allows, of the size that the largest
 * needs. */
static int
open_pool (struct copy *c, uint64_t left, struct error *err)
{
  uint64_t page = (uint64_t)sysconf (_SC_PAGESIZE), memory = c->facts.spec.memory;
  uint64_t size = align_up (max_u64 (c->facts.imp.need_max, page), page);
  uint64_t n = min_u64 (left / size, SLOTS_MAX);
  char have[24], least[24];

  if (!c->facts.streams)
    n = min_u64 (n, max_u64 (c->facts.imp.segments, 2));
  if (n < 2)
    return fail (err, ERR_USAGE, "--memory %s is too little for this image: give at least %s",
                 format_size (have, memory),
                 format_size (least, 3 * max_u64 (size, arena_least (&c->facts))));
  return pool_open (&c->pool, &c->team, (size_t)n, size, err);
}

static int
open_facts (struct copy_facts *f, const struct copy_spec *spec, struct error *err)
{
  OWN_MEM struct journal_layer *layer = malloc (sizeof *layer);

  f->spec = *spec;
  f->imp = *spec->imp;
  f->spec.imp = &f->imp;
  f->streams = spec->sources == NULL;
  if (layer == NULL)
    return fail_memory (err, "a copy");
  if (journal_get_layer (spec->journal, f->imp.no, 0, layer, err) == -1)
    return -1;
  f->image_len = layer->length;
  f->segment_size = layer->segment_size;
  return 0;
}

/* Who works with what. */
static void
connect_parts (struct copy *c)
{
  c->workers = (struct workers){ .facts = &c->facts,
                                 .team = &c->team,
                                 .pool = &c->pool,
                                 .image_hash = &c->image_hash,
                                 .progress = &c->progress };
  c->committer = (struct committer){ .facts = &c->facts,
                                     .team = &c->team,
                                     .pool = &c->pool,
                                     .image_hash = &c->image_hash,
                                     .progress = &c->progress };
  c->zeros = (struct zeros){
    .facts = &c->facts, .team = &c->team, .progress = &c->progress, .known = !c->facts.streams
  };
}

static int
open_parts (struct copy *c, struct error *err)
{
  unsigned n = plan_workers (&c->facts, &c->workers.arena_size);
  uint64_t memory = c->facts.spec.memory;

  progress_open (&c->progress, &c->team, &c->facts.imp);
  c->last_tick = monotonic_ms ();
  if (open_pool (c, memory - min_u64 (memory, n * c->workers.arena_size), err) == -1
      || image_hash_open (&c->image_hash, &c->facts, &c->team, err) == -1
      || supply_open (&c->supply, &c->facts, err) == -1)
    return -1;
  requests_open (&c->requests, &c->facts, &c->supply.supply, &c->pool, &c->progress);
  if (workers_start (&c->workers, n, err) == -1 || committer_start (&c->committer, err) == -1
      || zeros_start (&c->zeros, err) == -1)
    return -1;
  return 0;
}

int
copy_open (struct copy **out, const struct copy_spec *spec, struct error *err)
{
  OWN (copy) c = calloc (1, sizeof *c);

  if (c == NULL)
    return fail_memory (err, "a copy");
  team_init (&c->team, wake, c);
  if (open_facts (&c->facts, spec, err) == -1)
    return -1;
  outlets_open (&c->outlets, spec);
  c->facts.outlets = &c->outlets;
  connect_parts (c);
  if (open_parts (c, err) == -1)
    return -1;
  *out = c;
  c = NULL;
  return 0;
}

void
copy_close (struct copy *c)
{
  if (c == NULL)
    return;
  mutex_lock (&c->team.lock);
  team_quit (&c->team);
  mutex_unlock (&c->team.lock);
  workers_join (&c->workers);
  committer_join (&c->committer);
  zeros_join (&c->zeros);
  supply_close (&c->supply);
  pool_close (&c->pool);
  progress_close (&c->progress);
  outlets_close (&c->outlets);
  team_release (&c->team);
  free (c);
}
