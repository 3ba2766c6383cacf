/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan: what is asked of the network, and where it goes.  Takes segments from the journal in
 * host order, asks for runs of neighbours, and hands what comes to the workers.  One thread,
 * the network's.
 *
 * A request that is short wastes round trips; one that is long lets much come out of order,
 * which a kill makes worth nothing, and leaves connections idle at the end.  So requests are as
 * long as round trips make it worth while, and what turns out too long is cut: when the link is
 * slower than was thought, and when another connection has nothing left to ask for.
 */
#include "copy/slot.h"

#include <string.h>

#include "base/clock.h"

/* Neighbouring segments of one request may lie RUN_GAP apart: reading over the gap costs less
 * than a round trip. */
enum {
  RUN_GAP = 256 << 10,
  RUN_BYTES = 16 << 20,
  RUN_NEAR = 2 << 20, /* enough where a round trip costs next to nothing */
  RUN_FIRST = 256 << 10,
  RUN_LEAST = 32 << 10,
  RUN_REST = 512 << 10, /* towards the end requests are not made smaller than this */
  RUN_TRIPS = 16,       /* a request takes so many round trips, at least */
  SLOW_RATE = 256,      /* bytes a millisecond of one request */
  NEAR_MS = 3,
  WATCH_MS = 50,
  SPLIT_MS = 250, /* what is left of a request must take longer than this to be worth a cut */
  PATIENCE_MS = 2000 /* without a byte it is somebody else's turn */
};

static uint64_t
part_from (const struct slot *s, unsigned part)
{
  return s->base.v + (part == 0 ? 0 : s->part[part - 1].end);
}

static uint64_t
part_end (const struct slot *s, unsigned part)
{
  return s->base.v + s->part[part].end;
}

static bool
part_whole (struct slot *s, unsigned part)
{
  return part_from (s, part) + atomic_load_explicit (&s->part[part].there, memory_order_relaxed)
         == part_end (s, part);
}

/* The first part of S that was not asked for, or their number. */
static unsigned
part_open (const struct slot *s)
{
  unsigned k = 0;

  while (k < s->n_parts && s->part[k].asked)
    k++;
  return k;
}

/* Host offset AT within part K of S: what lies behind it is a part of its own, not asked for.
 */
static void
part_split (struct copy *c, struct slot *s, unsigned k, uint64_t at)
{
  size_t i, j;
  unsigned n;

  pthread_mutex_lock (&c->lock);
  for (n = s->n_parts++; n > k; n--) {
    s->part[n].end = s->part[n - 1].end;
    s->part[n].asked = s->part[n - 1].asked;
    atomic_store (&s->part[n].there, atomic_load (&s->part[n - 1].there));
  }
  s->part[k].end = at - s->base.v;
  s->part[k + 1].asked = false;
  atomic_store (&s->part[k + 1].there, 0);
  pthread_mutex_unlock (&c->lock);
  for (i = 0; i < COPY_RUNS; i++)
    for (j = 0; j < c->runs[i].n; j++)
      if (c->runs[i].slots[j] == s && c->runs[i].part[j] > k)
        c->runs[i].part[j]++;
}

/* ---- How much to ask for ----------------------------------------------------------------- */

/* What a request at RATE (bytes a millisecond) brings in a commit interval; in a quarter of one
 * where the link is slow, so that little comes out of order and a kill costs little. */
static double
bytes_in_time (const struct copy *c, double rate)
{
  return rate * (double)c->spec.commit_interval_ms * (rate < SLOW_RATE ? 0.25 : 1);
}

/* Of a request's length, given its RATE. */
static uint64_t
bytes_at (const struct copy *c, double rate)
{
  double trips = rate * (double)source_round_trip_ms (c->spec.sources[c->layer]) * RUN_TRIPS;
  double bytes = trips > RUN_NEAR ? trips : RUN_NEAR, most = bytes_in_time (c, rate);

  bytes = bytes < most ? bytes : most;
  return bytes < RUN_LEAST ? RUN_LEAST : bytes < RUN_BYTES ? (uint64_t)bytes : RUN_BYTES;
}

/* At once less, but at most twice as much, because servers that limit the rate often let a
 * request's first bytes by. */
static void
learn (struct copy *c, const struct run *run)
{
  int64_t ms = monotonic_ms () - run->first_at;
  uint64_t want;

  c->rate = (double)run->range.len / (double)(ms < 1 ? 1 : ms);
  want = bytes_at (c, c->rate);
  if (want <= c->want || run->range.len >= c->want)
    c->want = min_u64 (want, 2 * c->want);
}

/* Nothing is known of a link that brought its first answer at once: where round trips are short
 * requests grow from small ones; elsewhere what is asked for is cut if it turns out too much.
 */
void
plan_begin (struct copy *c)
{
  const struct source *s = c->spec.sources == NULL ? NULL : c->spec.sources[0];

  c->patience_ms = PATIENCE_MS;
  if (s == NULL)
    return;
  if (source_first_rate (s) > 0)
    c->want = bytes_at (c, source_first_rate (s));
  else
    c->want = source_round_trip_ms (s) < NEAR_MS ? RUN_FIRST : RUN_BYTES;
}

/* How many bytes the next request should bring: as far as buffers allow, and so that towards
 * the end all connections end together. */
static uint64_t
run_bytes (const struct copy *c)
{
  unsigned connections = c->spec.connections;
  uint64_t share = max_u64 (c->n_slots / connections, 1) * c->segment_size;
  uint64_t rest = c->segments_left * c->segment_size;
  size_t i;

  for (i = 0; i < COPY_RUNS; i++)
    if (c->runs[i].n > 0)
      rest += c->runs[i].range.len - c->runs[i].got;
  return min_u64 (c->want, min_u64 (share, max_u64 (rest / connections, RUN_REST)));
}

/* ---- What was taken, and is not asked for ------------------------------------------------ */

/* To where its first open part belongs; out of it if it has none. */
static void
open_place (struct copy *c, struct slot *s)
{
  unsigned k = part_open (s);
  struct slot **p = &c->open;

  while (*p != NULL && *p != s)
    p = &(*p)->next_open;
  if (*p == s)
    *p = s->next_open;
  if (k == s->n_parts)
    return;
  p = &c->open;
  while (*p != NULL && part_from (*p, part_open (*p)) < part_from (s, k))
    p = &(*p)->next_open;
  s->next_open = *p;
  *p = s;
}

/* ---- What came over the network -----------------------------------------------------------
 */

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

static void
run_advance (struct run *run)
{
  while (run->first < run->n && part_whole (run->slots[run->first], run->part[run->first]))
    run->first++;
  if (run->first < run->n)
    return;
  if (run->got > 0)
    learn (run->c, run);
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

  if (run->n == 0 || at.v != run->range.at.v + run->got)
    return fail (err, ERR_INTERNAL,
                 "bytes at host offset %llu came that no request is for; resume goes on",
                 (unsigned long long)at.v);
  run->last_at = monotonic_ms ();
  if (run->got == 0)
    run->first_at = run->last_at;
  run->got += len;
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
  run_advance (run);
  return 0;
}

/* ---- Cutting ------------------------------------------------------------------------------
 */

/* RUN ends after LEN bytes, not less than it got, or before them where nobody wants the last of
 * them; the rest is open again.  False where a segment was cut too often. */
static bool
run_cut (struct run *run, uint64_t len)
{
  struct copy *c = run->c;
  uint64_t end = run->range.at.v + len, last = run->range.at.v + run->got;
  size_t i, n = run->n;

  for (i = run->first; i < n; i++)
    if (run->slots[i]->n_parts == PARTS_MAX)
      return false;
  for (i = run->first; i < n; i++) {
    struct slot *s = run->slots[i];
    unsigned k = run->part[i];

    if (part_from (s, k) >= end) {
      s->part[k].asked = false;
      run->n = min_u64 (run->n, i);
      open_place (c, s);
      continue;
    }
    if (part_end (s, k) > end) {
      part_split (c, s, k, end);
      open_place (c, s);
    }
    last = max_u64 (last, part_end (s, k));
  }
  /* A run is over with its last part, and so must its request be. */
  run->range.len = last - run->range.at.v;
  source_shorten (c->spec.sources[c->layer], run, run->range.len);
  run_advance (run);
  return true;
}

static bool
is_stuck (const struct run *run, int64_t now)
{
  return now - (run->got == 0 ? run->asked_at : run->last_at) > run->c->patience_ms;
}

static double
run_rate (const struct run *run, int64_t now)
{
  int64_t ms = now - run->first_at;

  return run->got == 0 ? 0 : (double)run->got / (double)(ms < 1 ? 1 : ms);
}

/* How long the rest of RUN will take, in milliseconds; -1: it cannot be told yet, because its
 * first bytes have just come. */
static double
run_rest_ms (const struct run *run, int64_t now)
{
  double rate = run_rate (run, now);

  if (is_stuck (run, now))
    return 1e12;
  if (rate == 0 || now - run->first_at < SPLIT_MS)
    return -1;
  return (double)(run->range.len - run->got) / rate;
}

/* A link that is slower than was thought when RUN was asked for. */
static void
shorten_slow (struct run *run, int64_t now)
{
  const struct copy *c = run->c;
  int64_t interval = c->spec.commit_interval_ms;
  double rate = run_rate (run, now);
  uint64_t len;

  if (run->got == 0 || now - run->first_at < interval
      || run_rest_ms (run, now) < (double)interval)
    return;
  len = max_u64 (align_up (run->got, COPY_GRAIN), (uint64_t)bytes_in_time (c, rate));
  if (len + RUN_LEAST < run->range.len)
    run_cut (run, len);
}

void
plan_watch (struct copy *c)
{
  int64_t now = monotonic_ms ();
  size_t i;

  if (now - c->last_watch < WATCH_MS)
    return;
  c->last_watch = now;
  for (i = 0; i < COPY_RUNS; i++)
    if (c->runs[i].n > 0)
      shorten_slow (&c->runs[i], now);
}

/* The run that all will wait for, if what is left of it is worth another request. */
static struct run *
longest (struct copy *c, int64_t now)
{
  double most = SPLIT_MS + 2 * (double)source_round_trip_ms (c->spec.sources[c->layer]);
  struct run *found = NULL;
  size_t i;

  for (i = 0; i < COPY_RUNS; i++) {
    struct run *run = &c->runs[i];

    if (run->n == 0 || run_rest_ms (run, now) <= most
        || (run->range.len - run->got < 2 * RUN_LEAST && !is_stuck (run, now)))
      continue;
    most = run_rest_ms (run, now);
    found = run;
  }
  return found;
}

/* A connection is idle, and nothing is left to ask for, or no buffer is free to take it: it
 * gets its share of what the slowest has before it, all of it where that one is stuck. */
static bool
split (struct copy *c)
{
  int64_t now = monotonic_ms ();
  struct run *run = longest (c, now);
  double rate, other;
  uint64_t left;

  if (run == NULL)
    return false;
  if (is_stuck (run, now)) {
    c->patience_ms *= 2; /* a server may take that long */
    return run_cut (run, run->got);
  }
  rate = run_rate (run, now);
  other = c->rate > rate ? c->rate : rate;
  left = (uint64_t)((double)(run->range.len - run->got) * rate / (rate + other));
  return run_cut (run, min_u64 (align_up (run->got + left, COPY_GRAIN), run->range.len));
}

/* ---- The plan -----------------------------------------------------------------------------
 */

/* The next segment to be fetched, or NULL behind the last. */
static int
peek_claim (struct copy *c, const struct segment **seg, struct error *err)
{
  *seg = NULL;
  if (c->claim_n == 0 && !c->claimed_all) {
    const struct journal_import *imp = c->spec.imp;
    uint64_t hashed_to = imp->hash_image ? imp->now.image_hashed_to : INT64_MAX;

    if (journal_claim (c->reader, c->next_ord, hashed_to, c->claims, COPY_CLAIMS, &c->claim_n,
                       err)
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

/* Does the slot that begins at BASE belong into the request: near enough, and not only behind
 * what is wanted? */
static bool
continues (const struct copy *c, const struct run *run, uint64_t base, uint64_t want)
{
  uint64_t end = host_end (run->range);
  uint64_t worth = want < c->segment_size ? RUN_LEAST : c->segment_size / 2;

  if (run->n == RUN_MAX || base < run->range.at.v)
    return false;
  return base < end || (base + worth <= run->range.at.v + want && base <= end + RUN_GAP);
}

/* Ask for the first open part of S: all of it, but where less than a segment is wanted. */
static void
run_add (struct copy *c, struct run *run, struct slot *s, uint64_t want)
{
  unsigned k = part_open (s);
  uint64_t from = part_from (s, k), end = part_end (s, k);
  uint64_t to
      = run->n == 0 ? from + want : max_u64 (run->range.at.v + want, host_end (run->range));

  if (run->n == 0)
    run->range = (struct host_range){ { from }, 0 };
  if (s->n_parts == PARTS_MAX || want >= c->segment_size || to + RUN_LEAST >= end
      || to >= s->seg.at.v + c->segment_size)
    to = end;
  if (to < end)
    part_split (c, s, k, to);
  s->part[k].asked = true;
  run->slots[run->n] = s;
  run->part[run->n++] = k;
  run->range.len = max_u64 (run->range.len, to - run->range.at.v);
  open_place (c, s);
}

/* What belongs into the request next: what is open, or a slot for the next segment if a buffer
 * is free.  *OUT NULL: nothing does. */
static int
run_take (struct copy *c, const struct run *run, uint64_t want, struct slot **out,
          struct error *err)
{
  const struct segment *seg;
  struct slot *s = c->open;
  int rc = 0;

  *out = NULL;
  if (s != NULL) {
    /* what was left between other requests is one of its own */
    if (run->n == 0 || (part_open (s) == 0 && continues (c, run, s->base.v, want)))
      *out = s;
    return 0;
  }
  if (peek_claim (c, &seg, err) == -1)
    return -1;
  if (seg == NULL || seg->layer != c->layer
      || (run->n > 0 && !continues (c, run, slot_base (c, seg).v, want)))
    return 0;
  pthread_mutex_lock (&c->lock);
  if (slots_free (c) > 0) {
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
  struct slot *s;

  while (run->n > 0)
    run++; /* there are more than ranges in flight */
  *run = (struct run){ .c = c, .asked_at = monotonic_ms () };
  do {
    if (run_take (c, run, want, &s, err) == -1)
      return -1;
    if (s != NULL)
      run_add (c, run, s, want);
  } while (s != NULL && c->open != s);
  return source_get (c->spec.sources[c->layer], run->range, run_sink, run, err);
}

/* Is there something to ask for now?  1; 0; -1. */
static int
ready (struct copy *c, uint64_t want, struct error *err)
{
  struct source *source = c->spec.sources[c->layer];
  const struct segment *seg;
  uint64_t room;

  if (c->open != NULL)
    return 1;
  if (peek_claim (c, &seg, err) == -1)
    return -1;
  if (seg == NULL || seg->layer != c->layer)
    return split (c);
  pthread_mutex_lock (&c->lock);
  room = slots_free (c) * c->segment_size;
  pthread_mutex_unlock (&c->lock);
  if (room >= want || (room > 0 && source_busy (source) == 0))
    return 1;
  return split (c);
}

/* Keep every connection busy.  One layer after the other. */
int
plan_refill (struct copy *c, struct error *err)
{
  const struct segment *seg;
  int rc = 1;

  while (rc == 1 && source_idle (c->spec.sources[c->layer]) > 0) {
    if (peek_claim (c, &seg, err) == -1)
      return -1;
    if (c->open == NULL && seg != NULL && seg->layer != c->layer
        && source_busy (c->spec.sources[c->layer]) == 0)
      c->layer = seg->layer;
    rc = ready (c, run_bytes (c), err);
    if (rc == 1 && run_start (c, run_bytes (c), err) == -1)
      return -1;
  }
  return rc == -1 ? -1 : 0;
}

bool
plan_done (const struct copy *c)
{
  return c->claimed_all && c->claim_n == 0 && c->open == NULL;
}
