/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy: the plan and the network's side of it (copy.h).  Takes segments from the journal in
 * host order, asks for runs of neighbours as long as buffers allow, and hands what comes to the
 * workers.  Decodes nothing, writes nothing, commits nothing itself.
 */
#include "import/slot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

/* Neighbouring segments of one request may lie this far apart: reading over the gap costs less
 * than a round trip. */
enum {
  RUN_GAP = 256 << 10,
  RUN_BYTES = 16 << 20,
  RUN_LEAST = 32 << 10,
  RUN_FIRST = 128 << 10,
  RUN_REST = 512 << 10, /* towards the end requests are not made smaller than this */
  SLOW_RATE = 256,      /* bytes a millisecond of one request */
  SLOTS_MAX = 4096
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

static size_t
free_slots (struct copy *c)
{
  size_t i, n = 0;

  for (i = 0; i < c->n_slots; i++)
    n += c->slots[i].state == SLOT_FREE;
  return n;
}

/* Where S has to be fetched from: the first byte that is not committed, or not hashed. */
static host_off
fetch_base (const struct copy *c, const struct segment *seg)
{
  host_off base = seg->need.at;

  if (seg->committed)
    base.v = host_end (seg->need);
  else
    base.v = max_u64 (base.v, seg->committed_to.v);
  if (c->spec.imp->hash_image && seg->layer == 0)
    base.v = min_u64 (base.v, max_u64 (seg->at.v, c->spec.imp->image_hashed_to));
  return base;
}

/* Take up SEG where it was left. */
static int
slot_fill (struct copy *c, struct slot *s, const struct segment *seg, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;
  bool hash = imp->hash_image && seg->layer == 0;

  s->seg = *seg;
  s->base = fetch_base (c, seg);
  s->len = host_end (seg->need) - s->base.v;
  atomic_store (&s->n_parts, 0);
  s->written = seg->committed;
  s->hashed = !hash || min_u64 (seg->at.v + c->segment_size, c->image_len) <= imp->image_hashed_to;
  s->changed = false;
  s->next = seg->committed_extents;
  s->into = 0;
  s->resume_to = seg->committed_to;
  s->guest_put = s->guest_published = 0;
  s->state = SLOT_IDLE;
  if (s->len > c->buffer_size)
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: segment %llu needs %llu bytes, more than any should; restore the journal, "
                 "or forget the import and start again",
                 journal_path (c->spec.journal), (unsigned long long)seg->ord,
                 (unsigned long long)s->len);
  if (seg->committed || seg->hash_len == 0 || !imp->digests)
    digest_init (&s->digest);
  else if (!digest_load (&s->digest, seg->hash, seg->hash_len))
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: segment %llu has no valid digest state; restore the journal, or forget "
                 "the import and start again",
                 journal_path (c->spec.journal), (unsigned long long)seg->ord);
  return 0;
}

static struct slot *
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

/* ---- What came over the network ------------------------------------------------------------ */

static uint64_t
part_from (const struct slot *s, unsigned part)
{
  return s->base.v + (part == 0 ? 0 : s->part[part - 1].end);
}

static bool
part_whole (struct slot *s, unsigned part)
{
  return part_from (s, part) + atomic_load_explicit (&s->part[part].there, memory_order_relaxed)
         == s->base.v + s->part[part].end;
}

/* S has all its bytes. */
static void
slot_complete (struct copy *c, struct slot *s)
{
  pthread_mutex_lock (&c->lock);
  if (s->written)
    pthread_cond_signal (&c->work);
  else
    slot_queue (c, s);
  pthread_mutex_unlock (&c->lock);
}

/* What a request at RATE (bytes a millisecond) brings in a commit interval; in a quarter of one
 * where the link is slow, so that little comes out of order and a kill costs little. */
static uint64_t
bytes_at (const struct copy *c, double rate)
{
  double bytes = rate * (double)c->spec.commit_interval_ms * (rate < SLOW_RATE ? 0.25 : 1);

  return bytes < RUN_BYTES ? (uint64_t)bytes : RUN_BYTES;
}

/* How long a request took decides how much the next one asks for: at once less, but at most
 * twice as much, because servers that limit the rate often let a request's first bytes by. */
static void
run_done (struct run *run)
{
  struct copy *c = run->c;
  int64_t ms = monotonic_ms () - run->asked_at;
  uint64_t want = bytes_at (c, (double)run->range.len / (double)(ms < 1 ? 1 : ms));

  if (want <= c->want || run->range.len >= c->want)
    c->want = max_u64 (min_u64 (want, 2 * c->want), RUN_LEAST);
  run->n = 0;
}

/* Bytes for the slots of a run.  The tail of one segment's last cluster is the head of the next
 * segment: both get it. */
static int
run_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct run *run = ctx;
  uint64_t end = at.v + len;
  size_t i;

  (void)err;
  for (i = run->first; i < run->n; i++) {
    struct slot *s = run->slots[i];
    struct slot_part *p = &s->part[run->part[i]];
    uint64_t begin = part_from (s, run->part[i]);
    uint64_t from = begin + atomic_load_explicit (&p->there, memory_order_relaxed);
    uint64_t to = min_u64 (end, s->base.v + p->end);

    if (begin >= end)
      break;
    if (from >= to)
      continue;
    memcpy (s->buf + (from - s->base.v), data + (from - at.v), to - from);
    atomic_store_explicit (&p->there, to - begin, memory_order_release);
    if (slot_filled (s) == s->len)
      slot_complete (run->c, s);
  }
  while (run->first < run->n && part_whole (run->slots[run->first], run->part[run->first]))
    run->first++;
  if (run->first == run->n)
    run_done (run);
  return 0;
}

/* ---- The plan --------------------------------------------------------------------------- */

/* The next segment to be fetched, or NULL behind the last. */
static int
peek_claim (struct copy *c, const struct segment **seg, struct error *err)
{
  *seg = NULL;
  if (c->claim_n == 0 && !c->claimed_all) {
    const struct journal_import *imp = c->spec.imp;
    uint64_t hashed_to = imp->hash_image ? imp->image_hashed_to : INT64_MAX;

    if (journal_claim (c->reader, imp->no, c->next_ord, hashed_to, c->claims, COPY_CLAIMS,
                       &c->claim_n, err)
        == -1)
      return -1;
    c->claim_first = 0;
    c->claimed_all = c->claim_n == 0;
    if (c->claim_n > 0)
      c->next_ord = c->claims[c->claim_n - 1].ord + 1;
  }
  if (c->claim_n > 0)
    *seg = &c->claims[c->claim_first];
  return 0;
}

static void
drop_claim (struct copy *c)
{
  c->claim_first++;
  c->claim_n--;
  c->segments_left -= c->segments_left > 0;
}

/* How many bytes the next request should bring, as far as buffers allow; less towards the end,
 * so that all connections end together. */
static uint64_t
run_bytes (const struct copy *c)
{
  unsigned connections = c->spec.connections;
  uint64_t share = max_u64 (c->n_slots * 3 / 4 / connections, 1) * c->segment_size;
  uint64_t rest = c->segments_left * c->segment_size / (2 * connections);

  return min_u64 (c->want, min_u64 (share, max_u64 (rest, RUN_REST)));
}

/* Does SEG belong into the request: near enough, and not only behind what is wanted? */
static bool
continues (const struct copy *c, const struct run *run, const struct segment *seg, uint64_t want)
{
  uint64_t base = fetch_base (c, seg).v, end = host_end (run->range);

  if (run->n == 0)
    return true;
  if (run->n == RUN_MAX || seg->layer != run->slots[0]->seg.layer || base < run->range.at.v)
    return false;
  return base < end || (run->range.len < want && base <= end + RUN_GAP);
}

/* Ask for the next part of S: to the end of what is wanted, or all of it where only a bit, or
 * bytes that the next segment begins with, would be left. */
static void
run_add (struct copy *c, struct run *run, struct slot *s, uint64_t want)
{
  unsigned k = atomic_load_explicit (&s->n_parts, memory_order_relaxed);
  uint64_t from = part_from (s, k), end = s->base.v + s->len;
  uint64_t to = run->n == 0 ? from + want : max_u64 (run->range.at.v + want, host_end (run->range));

  if (run->n == 0)
    run->range = (struct host_range){ { from }, 0 };
  if (k + 1 == PARTS_MAX || to + RUN_LEAST >= end || to >= s->seg.at.v + c->segment_size)
    to = end;
  s->part[k].end = to - s->base.v;
  atomic_store (&s->part[k].there, 0);
  atomic_store_explicit (&s->n_parts, k + 1, memory_order_release);
  run->slots[run->n] = s;
  run->part[run->n++] = k;
  run->range.len = max_u64 (run->range.len, to - run->range.at.v);
  c->open = to < end ? s : NULL;
}

/* A slot for the next segment, if it belongs into the request and a buffer is free. */
static int
run_take (struct copy *c, const struct run *run, uint64_t want, struct slot **out,
          struct error *err)
{
  const struct segment *seg;
  struct slot *s = NULL;
  int rc = 0;

  *out = NULL;
  if (peek_claim (c, &seg, err) == -1)
    return -1;
  if (seg == NULL || !continues (c, run, seg, want))
    return 0;
  pthread_mutex_lock (&c->lock);
  if (free_slots (c) > 0) {
    s = slot_take (c, seg, err);
    c->planned_ord = seg->ord + 1;
    rc = s == NULL ? -1 : 0;
  }
  pthread_mutex_unlock (&c->lock);
  if (s != NULL)
    drop_claim (c);
  *out = s;
  return rc;
}

static int
run_start (struct copy *c, uint64_t want, struct error *err)
{
  struct run *run = c->runs;
  struct slot *s = c->open;

  while (run->n > 0)
    run++; /* there are more than ranges in flight */
  run->c = c;
  run->first = 0;
  for (;;) {
    if (s == NULL && run_take (c, run, want, &s, err) == -1)
      return -1;
    if (s == NULL)
      break;
    run_add (c, run, s, want);
    if (c->open != NULL)
      break;
    s = NULL;
  }
  run->asked_at = monotonic_ms ();
  return source_get (c->spec.sources[c->layer], run->range, run_sink, run, err);
}

/* Keep every connection busy. */
static int
refill (struct copy *c, struct error *err)
{
  for (;;) {
    struct source *source = c->spec.sources[c->layer];
    const struct segment *seg;
    uint64_t room, want;

    if (source_idle (source) == 0)
      return 0;
    if (peek_claim (c, &seg, err) == -1)
      return -1;
    if (seg == NULL && c->open == NULL)
      return 0;
    if (c->open == NULL && seg->layer != c->layer) {
      if (source_busy (source) > 0)
        return 0;
      c->layer = seg->layer;
      continue;
    }
    want = run_bytes (c);
    pthread_mutex_lock (&c->lock);
    room = free_slots (c) * c->segment_size;
    pthread_mutex_unlock (&c->lock);
    if (c->open == NULL && (room == 0 || (room < want && source_busy (source) > 0)))
      return 0;
    if (run_start (c, want, err) == -1)
      return -1;
  }
}

/* On a slow link a segment takes minutes: hand over what has come of it, so that the next commit
 * has it. */
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
  return free_slots (c) == c->n_slots && c->zero_done && c->queue == NULL && c->busy == 0;
}

/* Wait for the committer to have committed all that is published. */
static int
settle (struct copy *c, struct error *err)
{
  pthread_mutex_lock (&c->lock);
  while (!c->failed && (c->committing || copy_is_dirty (c))) {
    struct timespec t;

    if (!c->committing) { /* what runs may be the last one that is needed */
      c->commit_now = true;
      pthread_cond_signal (&c->tick);
    }
    clock_gettime (CLOCK_MONOTONIC, &t);
    t.tv_sec++;
    pthread_cond_timedwait (&c->done, &c->lock, &t);
    if (atomic_load (c->spec.stop) && !atomic_load (c->spec.may_commit))
      break;
  }
  if (c->failed)
    *err = c->error;
  pthread_mutex_unlock (&c->lock);
  return c->failed ? -1 : 0;
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

  if (!c->claimed_all || c->claim_n > 0 || c->open != NULL)
    if (refill (c, err) == -1)
      return -1;
  if (source_step (c->spec.sources[c->layer], timeout_ms, err) == -1)
    return -1;
  atomic_store (&c->fetched, c->spec.imp->fetched + fetched_now (c));
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
  finished = c->claimed_all && c->claim_n == 0 && all_written (c);
  if (!finished && !failed && c->spec.sources == NULL) {
    struct timespec t;

    clock_gettime (CLOCK_MONOTONIC, &t);
    t.tv_sec++;
    pthread_cond_timedwait (&c->done, &c->lock, &t);
  }
  pthread_mutex_unlock (&c->lock);
  if (failed)
    return -1;
  if (!finished)
    return 1;
  return settle (c, err);
}

int
copy_stop (struct copy *c, struct error *err)
{
  bool abandon, failed;

  if (c->spec.sources != NULL)
    source_cancel (c->spec.sources[c->layer]);
  hand_over (c);
  pthread_mutex_lock (&c->lock);
  while ((c->queue != NULL || c->busy > 0) && !c->failed)
    pthread_cond_wait (&c->done, &c->lock);
  while (c->busy > 0 || c->committing)
    pthread_cond_wait (&c->done, &c->lock);
  abandon = c->abandon || !atomic_load (c->spec.may_commit);
  failed = c->failed; /* then the committer has ended, and this thread takes its place */
  pthread_mutex_unlock (&c->lock);
  if (abandon)
    return 0;
  return failed ? copy_commit (c, err) : settle (c, err);
}

int
copy_submit (struct copy *c, const struct segment *seg, const uint8_t *bytes, struct error *err)
{
  struct slot *s = NULL;
  int rc = -1;

  pthread_mutex_lock (&c->lock);
  while (!c->failed && !atomic_load (c->spec.stop) && free_slots (c) == 0)
    pthread_cond_wait (&c->done, &c->lock);
  if (c->failed)
    *err = c->error;
  else if (atomic_load (c->spec.stop) && free_slots (c) == 0)
    fail (err, ERR_INTERRUPTED, "interrupted");
  else if ((s = slot_take (c, seg, err)) != NULL) {
    s->hashed = true; /* a stream is hashed as it comes */
    memcpy (s->buf, bytes + (s->base.v - seg->need.at.v), s->len);
    s->part[0].end = s->len;
    atomic_store (&s->part[0].there, s->len);
    atomic_store (&s->n_parts, 1);
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
  pthread_mutex_unlock (&c->lock);
}

bool
copy_image_digest (struct copy *c, uint64_t image_len, uint8_t out[DIGEST_SIZE])
{
  bool whole;

  pthread_mutex_lock (&c->lock);
  whole = c->spec.imp->hash_image && c->hashed_to == image_len;
  if (whole)
    digest_peek (&c->image, out);
  pthread_mutex_unlock (&c->lock);
  return whole;
}

/* Buffers for segments: as many as the memory allows, of the size that the largest needs. */
static int
open_slots (struct copy *c, struct error *err)
{
  uint64_t page = (uint64_t)sysconf (_SC_PAGESIZE), need = max_u64 (c->spec.imp->need_max, page);
  uint64_t n;
  char have[24], least[24];
  size_t i;

  c->buffer_size = align_up (need, page);
  n = min_u64 (c->spec.memory / c->buffer_size, SLOTS_MAX);
  if (c->spec.sources != NULL)
    n = min_u64 (n, max_u64 (c->spec.imp->segments, 2));
  if (n < 2)
    return fail (err, ERR_USAGE, "--memory %s is too little for this image: give at least %s",
                 format_size (have, c->spec.memory), format_size (least, 2 * c->buffer_size));
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

  p->segments_committed = imp->segments_committed;
  p->guest_committed = imp->guest_committed;
  p->fetched = imp->fetched;
  p->zero_ord = c->zero_ord = imp->zero_ord;
  p->zero_off = c->zero_off = imp->zero_off;
  p->image_hashed_to = c->hashed_to = imp->image_hashed_to;
  c->guest_written = imp->guest_committed;
  c->segments_left = imp->segments - min_u64 (imp->segments, imp->segments_committed);
  c->unsynced_limit = 32 << 20;
  c->last_tick = monotonic_ms ();
  c->want = max_u64 (min_u64 (bytes_at (c, c->spec.first_rate), RUN_FIRST), RUN_LEAST);
  atomic_store (&c->fetched, imp->fetched);
}

static int
open_image_digest (struct copy *c, struct error *err)
{
  const struct journal_import *imp = c->spec.imp;

  digest_init (&c->image);
  c->hash_ord = imp->image_hashed_to / c->segment_size;
  if (imp->image_hash_len > 0 && !digest_load (&c->image, imp->image_hash, imp->image_hash_len))
    return fail (err, ERR_JOURNAL_CORRUPT,
                 "%s: the image's digest state is not valid; restore the journal, or forget the "
                 "import and start again",
                 journal_path (c->spec.journal));
  return 0;
}

static int
open_threads (struct copy *c, struct error *err)
{
  unsigned i;

  c->threads = calloc (c->spec.workers, sizeof *c->threads);
  if (c->threads == NULL)
    return fail_memory (err, "threads");
  for (i = 0; i < c->spec.workers; i++, c->n_threads++)
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
  if (open_image_digest (c, err) == -1
      || journal_reader_open (&c->reader, journal_path (spec->journal), err) == -1
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
