/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy: the life of a copy (copy.h), and of the slots of its pool.  The plan is in plan.c;
 * decodes nothing, writes nothing, commits nothing itself.
 */
#include "copy/slot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum {
  SLOTS_MAX = 4096,
  ARENA_MOST = 4 << 20,
  DRAIN_MS = 1000, /* of what a stop may take, for what has come but is not written */
  LOOK_MS = 100    /* a stop may come from a signal handler, and wakes nobody */
};

/* ---- Slots ------------------------------------------------------------------------------ */

void
copy_fail (struct copy *c, const struct error *err)
{
  if (!c->failed)
    c->error = *err;
  c->failed = true;
  pthread_cond_broadcast (&c->done);
  pthread_cond_broadcast (&c->tick);
  copy_wake (c);
}

void
copy_wake (struct copy *c)
{
  if (c->spec.sources != NULL)
    source_wake (c->spec.sources[c->layer]);
}

void
slot_queue (struct copy *c, struct slot *s)
{
  if (s->state == SLOT_QUEUED || s->state == SLOT_BUSY_AGAIN)
    return;
  if (s->state == SLOT_BUSY) {
    s->state = SLOT_BUSY_AGAIN;
    return;
  }
  s->state = SLOT_QUEUED;
  s->next_queued = NULL;
  *c->queue_end = s;
  c->queue_end = &s->next_queued;
  pthread_cond_signal (&c->work);
}

void
slot_retire (struct copy *c, struct slot *s)
{
  struct error err;
  int rc = 0;

  if (!s->written || !s->hashed || s->state != SLOT_IDLE)
    return;
  if (s->changed)
    rc = pending_add (&c->pending, &s->published);
  if (rc == -1) {
    fail_memory (&err, "progress");
    copy_fail (c, &err);
    return;
  }
  s->state = SLOT_FREE;
  pthread_cond_signal (&c->work); /* the next segment's bytes may wait to be hashed */
}

size_t
slots_free (struct copy *c)
{
  size_t i, n = 0;

  for (i = 0; i < c->n_slots; i++)
    n += c->slots[i].state == SLOT_FREE;
  return n;
}

/* Where S has to be fetched from: the first byte that is not committed, or not hashed. */
host_off
slot_base (const struct copy *c, const struct segment *seg)
{
  host_off base = seg->need.at;

  if (seg->committed)
    base.v = host_end (seg->need);
  else
    base.v = max_u64 (base.v, seg->committed_to.v);
  if (c->spec.imp->hash_image && seg->layer == 0)
    base.v = min_u64 (base.v, max_u64 (seg->at.v, c->spec.imp->now.image_hashed_to));
  return base;
}

/* Take up SEG where it was left. */
static int
slot_fill (struct copy *c, struct slot *s, const struct segment *seg, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  bool hash = imp->hash_image && seg->layer == 0;

  s->seg = *seg;
  s->base = slot_base (c, seg);
  s->len = host_end (seg->need) - s->base.v;
  s->part[0] = (struct slot_part){ .end = s->len };
  s->n_parts = 1;
  s->written = seg->committed;
  s->hashed
      = !hash
        || min_u64 (seg->at.v + c->segment_size, c->image_len) <= imp->now.image_hashed_to;
  s->changed = false;
  s->next = seg->committed_extents;
  s->into = 0;
  s->resume_to = seg->committed_to;
  s->guest_put = s->guest_published = 0;
  s->state = SLOT_IDLE;
  if (s->len > c->buffer_size || (hash && seg->at.v / c->segment_size != seg->ord))
    return fail (
        err, ERR_JOURNAL_CORRUPT,
        "%s: segment %llu is not where it should be, or too long; restore the journal, or "
        "forget the import and start again",
        journal_path (c->spec.journal), (unsigned long long)seg->ord);
  if (seg->committed || seg->hash_len == 0)
    digest_init (&s->digest);
  else if (!digest_load (&s->digest, seg->hash, seg->hash_len))
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: segment %llu has no valid digest state; restore the journal, or forget "
                 "the import and start again",
                 journal_path (c->spec.journal), (unsigned long long)seg->ord);
  return 0;
}

struct slot *
slot_take (struct copy *c, const struct segment *seg, struct error *err)
{
  size_t i;

  for (i = 0; i < c->n_slots; i++)
    if (c->slots[i].state == SLOT_FREE) {
      if (slot_fill (c, &c->slots[i], seg, err) == -1)
        return NULL;
      return &c->slots[i];
    }
  fail (err, ERR_INTERNAL, "no segment buffer is free");
  return NULL;
}

/* On a slow link a segment takes minutes: hand over what has come of it, so that the next
 * commit has it. */
static void
hand_over (struct copy *c)
{
  size_t i;

  pthread_mutex_lock (&c->lock);
  for (i = 0; i < c->n_slots; i++)
    if (c->slots[i].state != SLOT_FREE && !c->slots[i].written
        && slot_filled (&c->slots[i]) > 0)
      slot_queue (c, &c->slots[i]);
  c->hash_early = true;
  pthread_cond_broadcast (&c->work);
  pthread_cond_signal (&c->tick);
  pthread_mutex_unlock (&c->lock);
}

/* ---- Open, step, stop, close ------------------------------------------------------------- */

static bool
all_written (struct copy *c)
{
  return slots_free (c) == c->n_slots && c->zero_done && c->queue == NULL && c->busy == 0;
}

/* With the lock held: for something to happen, at most MS. */
static void
wait_done (struct copy *c, int64_t ms)
{
  int64_t until = monotonic_ms () + ms;
  struct timespec t = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };

  pthread_cond_timedwait (&c->done, &c->lock, &t);
}

/* Wait for the committer to have committed all that is published.  1: it may not yet, and what
 * the journal's check will say is the caller's to look at. */
static int
settle (struct copy *c, struct error *err)
{
  bool may = true;
  int rc;

  pthread_mutex_lock (&c->lock);
  while (may && !c->failed && (c->committing || copy_is_dirty (c))) {
    if (!c->committing) { /* what runs may be the last one that is needed */
      c->commit_now = true;
      pthread_cond_signal (&c->tick);
    }
    may = atomic_load (c->spec.may_commit);
    wait_done (c, 1000);
  }
  if (c->failed)
    *err = c->error;
  rc = c->failed ? -1 : !may;
  pthread_mutex_unlock (&c->lock);
  return rc;
}

static uint64_t
fetched_now (const struct copy *c)
{
  uint64_t sum = 0;
  unsigned i;

  if (c->spec.sources == NULL)
    return 0;
  for (i = 0; i < c->spec.imp->layers; i++)
    sum += source_fetched (c->spec.sources[i]);
  return sum;
}

static int
step_network (struct copy *c, int timeout_ms, struct error *err)
{
  int64_t now;

  plan_watch (c);
  if (plan_refill (c, err) == -1)
    return -1;
  if (source_step (c->spec.sources[c->layer], timeout_ms, err) == -1)
    return -1;
  atomic_store (&c->fetched, c->spec.imp->now.fetched + fetched_now (c));
  now = monotonic_ms ();
  if (now - c->last_tick >= c->spec.commit_interval_ms / 2) {
    c->last_tick = now;
    hand_over (c);
  }
  return 0;
}

int
copy_step (struct copy *c, int timeout_ms, struct error *err)
{
  bool finished, failed;

  if (c->spec.sources != NULL && step_network (c, timeout_ms, err) == -1)
    return -1;
  pthread_mutex_lock (&c->lock);
  failed = c->failed;
  if (failed)
    *err = c->error;
  finished = plan_done (c) && all_written (c);
  if (!finished && !failed && c->spec.sources == NULL)
    wait_done (c, timeout_ms < LOOK_MS ? timeout_ms : LOOK_MS);
  pthread_mutex_unlock (&c->lock);
  if (failed)
    return -1;
  if (!finished)
    return 1;
  return settle (c, err);
}

/* What has come is written, as far as the time goes; with the lock held. */
static void
drain (struct copy *c)
{
  int64_t until = monotonic_ms () + DRAIN_MS, left = DRAIN_MS;

  while ((c->queue != NULL || c->busy > 0) && !c->failed && left > 0) {
    wait_done (c, left);
    left = until - monotonic_ms ();
  }
  atomic_store (&c->hurry, true);
  c->queue = NULL;
  c->queue_end = &c->queue;
  pthread_cond_broadcast (&c->done);
  while (c->busy > 0 || c->committing)
    pthread_cond_wait (&c->done, &c->lock);
}

int
copy_stop (struct copy *c, struct error *err)
{
  bool abandon, failed;

  if (c->spec.sources != NULL)
    source_cancel (c->spec.sources[c->layer]);
  hand_over (c);
  pthread_mutex_lock (&c->lock);
  drain (c);
  abandon = c->abandon || !atomic_load (c->spec.may_commit);
  failed = c->failed; /* then the committer has ended, and this thread takes its place */
  pthread_mutex_unlock (&c->lock);
  if (abandon)
    return 0;
  return failed ? copy_commit (c, err) : settle (c, err);
}

/* With the lock held: until a slot is free. */
static int
wait_for_slot (struct copy *c, struct error *err)
{
  while (!c->failed && slots_free (c) == 0) {
    if (atomic_load (c->spec.stop))
      return fail (err, ERR_INTERRUPTED, "interrupted");
    if (atomic_load (c->spec.check_over) && !atomic_load (c->spec.may_commit))
      return fail (err, ERR_INTERRUPTED, "the journal cannot be believed");
    if (c->spec.deadline_ms > 0 && monotonic_ms () >= c->spec.deadline_ms)
      return fail (err, ERR_MAX_TIME, "--max-time is over");
    wait_done (c, LOOK_MS);
  }
  if (c->failed)
    *err = c->error;
  return c->failed ? -1 : 0;
}

int
copy_submit (struct copy *c, const struct segment *seg, const uint8_t *bytes, struct error *err)
{
  struct slot *s = NULL;
  int rc = -1;

  pthread_mutex_lock (&c->lock);
  if (wait_for_slot (c, err) == 0 && (s = slot_take (c, seg, err)) != NULL) {
    s->hashed = true; /* a stream is hashed as it comes */
    memcpy (s->buf, bytes + (s->base.v - seg->need.at.v), s->len);
    s->part[0].asked = true;
    atomic_store (&s->part[0].there, s->len);
    c->planned_ord = max_u64 (c->planned_ord, seg->ord + 1);
    slot_queue (c, s);
    rc = 0;
  }
  pthread_mutex_unlock (&c->lock);
  return rc;
}

void
copy_submit_end (struct copy *c)
{
  pthread_mutex_lock (&c->lock);
  c->claimed_all = c->all_submitted = true;
  pthread_cond_broadcast (&c->done);
  pthread_mutex_unlock (&c->lock);
}

void
copy_progress (struct copy *c, struct copy_progress *out)
{
  pthread_mutex_lock (&c->lock);
  out->guest_written = c->guest_written;
  out->guest_committed = c->committed.guest_committed;
  out->segments_committed = c->committed.segments_committed;
  pthread_mutex_unlock (&c->lock);
}

bool
copy_image_checksum (struct copy *c, uint64_t image_len, struct checksum *out)
{
  bool whole;

  pthread_mutex_lock (&c->lock);
  whole = c->spec.imp->hash_image && c->hashed_to == image_len;
  if (whole)
    hash_peek (&c->image, out);
  pthread_mutex_unlock (&c->lock);
  return whole;
}

/* The largest cluster that is decoded. */
static size_t
arena_least (const struct copy *c)
{
  size_t least = SECTOR;
  unsigned i;

  for (i = 0; i < c->spec.imp->layers; i++)
    if (!c->spec.formats[i].raw)
      least = (size_t)max_u64 (least, UINT64_C (1) << c->spec.formats[i].cluster_bits);
  return least;
}

/* An eighth of the memory, at the most, is the workers' to decode into; there are fewer of them
 * rather than that they get too little.  Returns what is left for segments. */
static uint64_t
plan_arenas (struct copy *c)
{
  uint64_t eighth = c->spec.memory / 8, least = arena_least (c), size;

  c->n_workers = (unsigned)max_u64 (min_u64 (c->spec.workers, eighth / least), 1);
  size = min_u64 (align_down (eighth / c->n_workers, least), ARENA_MOST);
  c->arena_size = (size_t)max_u64 (size, least);
  return c->spec.memory - min_u64 (c->spec.memory, c->n_workers * c->arena_size);
}

/* Buffers for segments: as many as the memory allows, of the size that the largest needs. */
static int
open_slots (struct copy *c, struct error *err)
{
  uint64_t page = (uint64_t)sysconf (_SC_PAGESIZE),
           need = max_u64 (c->spec.imp->need_max, page);
  char have[24], least[24];
  uint64_t n;
  size_t i;

  c->buffer_size = align_up (need, page);
  n = min_u64 (plan_arenas (c) / c->buffer_size, SLOTS_MAX);
  if (c->spec.sources != NULL)
    n = min_u64 (n, max_u64 (c->spec.imp->segments, 2));
  if (n < 2)
    return fail (err, ERR_USAGE, "--memory %s is too little for this image: give at least %s",
                 format_size (have, c->spec.memory),
                 format_size (least, 3 * max_u64 (c->buffer_size, arena_least (c))));
  c->n_slots = (size_t)n;
  c->slots = calloc (c->n_slots, sizeof *c->slots);
  c->buffers = mmap (NULL, c->n_slots * c->buffer_size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (c->slots == NULL || c->buffers == MAP_FAILED) {
    c->buffers = c->buffers == MAP_FAILED ? NULL : c->buffers;
    return fail_memory (err, "segment buffers; give less --memory");
  }
  for (i = 0; i < c->n_slots; i++)
    c->slots[i].buf = c->buffers + i * c->buffer_size;
  return 0;
}

static void
init_progress (struct copy *c)
{
  const struct journal_import *imp = c->spec.imp;
  struct import_progress *p = &c->committed;

  p->segments_committed = imp->now.segments_committed;
  p->guest_committed = imp->now.guest_committed;
  p->fetched = imp->now.fetched;
  p->zero_ord = c->zero_ord = imp->now.zero_ord;
  p->zero_off = c->zero_off = imp->now.zero_off;
  p->image_hashed_to = c->hashed_to = imp->now.image_hashed_to;
  c->guest_written = imp->now.guest_committed;
  c->segments_left = imp->segments - min_u64 (imp->segments, imp->now.segments_committed);
  c->unsynced_limit = 32 << 20;
  c->last_tick = monotonic_ms ();
  plan_begin (c);
  atomic_store (&c->fetched, imp->now.fetched);
}

static int
open_image_hash (struct copy *c, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  enum hash_algorithm algorithm = checksum_text_algorithm (imp->expect_sha256);

  hash_init (&c->image, algorithm);
  c->hash_ord = imp->now.image_hashed_to / c->segment_size;
  if ((imp->now.image_hash_len > 0
       && !hash_load (&c->image, algorithm, imp->now.image_hash, imp->now.image_hash_len))
      || hash_count (&c->image) != imp->now.image_hashed_to)
    return fail (
        err, ERR_JOURNAL_CORRUPT,
        "%s: the image's digest state is not valid; restore the journal, or forget the "
        "import and start again",
        journal_path (c->spec.journal));
  return 0;
}

static int
open_threads (struct copy *c, struct error *err)
{
  unsigned i;

  c->threads = calloc (c->n_workers, sizeof *c->threads);
  if (c->threads == NULL)
    return fail_memory (err, "threads");
  for (i = 0; i < c->n_workers; i++, c->n_threads++)
    if (pthread_create (&c->threads[i], NULL, worker_main, c) != 0)
      return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  if (pthread_create (&c->committer, NULL, committer_main, c) != 0)
    return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  c->committer_runs = true;
  if (pthread_create (&c->zeroer, NULL, zeroer_main, c) != 0)
    return fail (err, ERR_NO_MEMORY, "cannot start a thread; give fewer --workers");
  c->zeroer_runs = true;
  return 0;
}

static int
copy_init (struct copy *c, struct error *err)
{
  struct journal_layer *layer = malloc (sizeof *layer);
  pthread_condattr_t attr;
  int rc;

  pthread_mutex_init (&c->lock, NULL);
  pthread_condattr_init (&attr);
  pthread_condattr_setclock (&attr, CLOCK_MONOTONIC);
  pthread_cond_init (&c->work, &attr);
  pthread_cond_init (&c->done, &attr);
  pthread_cond_init (&c->tick, &attr);
  pthread_condattr_destroy (&attr);
  c->queue_end = &c->queue;
  if (layer == NULL)
    return fail_memory (err, "a copy");
  rc = journal_get_layer (c->spec.journal, c->spec.imp->no, 0, layer, err);
  c->image_len = layer->length;
  c->segment_size = layer->segment_size;
  free (layer);
  return rc;
}

int
copy_open (struct copy **out, const struct copy_spec *spec, struct error *err)
{
  OWN (copy) c = calloc (1, sizeof *c);

  if (c == NULL)
    return fail_memory (err, "a copy");
  c->spec = *spec;
  c->imp = *spec->imp;
  c->spec.imp = &c->imp;
  c->all_submitted = spec->sources != NULL;
  if (copy_init (c, err) == -1 || open_slots (c, err) == -1)
    return -1;
  init_progress (c);
  if (open_image_hash (c, err) == -1
      || journal_reader_open (&c->reader, journal_path (spec->journal), spec->imp->no, err)
             == -1
      || open_threads (c, err) == -1)
    return -1;
  *out = c;
  c = NULL;
  return 0;
}

void
copy_close (struct copy *c)
{
  unsigned i;

  if (c == NULL)
    return;
  pthread_mutex_lock (&c->lock);
  c->quit = true;
  pthread_cond_broadcast (&c->work);
  pthread_cond_broadcast (&c->done);
  pthread_cond_broadcast (&c->tick);
  pthread_mutex_unlock (&c->lock);
  for (i = 0; i < c->n_threads; i++)
    pthread_join (c->threads[i], NULL);
  if (c->committer_runs)
    pthread_join (c->committer, NULL);
  if (c->zeroer_runs)
    pthread_join (c->zeroer, NULL);
  if (c->buffers != NULL)
    munmap (c->buffers, c->n_slots * c->buffer_size);
  journal_reader_close (c->reader);
  free (c->threads);
  free (c->slots);
  free (c->pending.item);
  free (c->held_bytes);
  pthread_cond_destroy (&c->work);
  pthread_cond_destroy (&c->done);
  pthread_cond_destroy (&c->tick);
  pthread_mutex_destroy (&c->lock);
  free (c);
}
