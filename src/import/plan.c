/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * plan: what is asked of the network, and where it goes.  Takes segments from the journal in
 * host order, asks for runs of neighbours as long as buffers and the rate of the link allow,
 * and hands what comes to the workers.  One thread, the network's.
 */
#include "import/slot.h"

#include <string.h>

#include "base/clock.h"

/* Neighbouring segments of one request may lie this far apart: reading over the gap costs less
 * than a round trip. */
enum {
  RUN_GAP = 256 << 10,
  RUN_BYTES = 16 << 20,
  RUN_LEAST = 32 << 10,
  RUN_FIRST = 128 << 10,
  RUN_REST = 512 << 10, /* towards the end requests are not made smaller than this */
  SLOW_RATE = 256       /* bytes a millisecond of one request */
};

/* ---- What came over the network ------------------------------------------------------------
 */

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
continues (const struct copy *c, const struct run *run, const struct segment *seg,
           uint64_t want)
{
  uint64_t base = slot_base (c, seg).v, end = host_end (run->range);

  if (run->n == 0)
    return true;
  if (run->n == RUN_MAX || seg->layer != run->slots[0]->seg.layer || base < run->range.at.v)
    return false;
  return base < end || (base + RUN_LEAST <= run->range.at.v + want && base <= end + RUN_GAP);
}

/* Ask for the next part of S: to the end of what is wanted, or all of it where only a bit, or
 * bytes that the next segment begins with, would be left. */
static void
run_add (struct copy *c, struct run *run, struct slot *s, uint64_t want)
{
  unsigned k = atomic_load_explicit (&s->n_parts, memory_order_relaxed);
  uint64_t from = part_from (s, k), end = s->base.v + s->len;
  uint64_t to
      = run->n == 0 ? from + want : max_u64 (run->range.at.v + want, host_end (run->range));

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
int
plan_refill (struct copy *c, struct error *err)
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
    room = slots_free (c) * c->segment_size;
    pthread_mutex_unlock (&c->lock);
    if (c->open == NULL && (room == 0 || (room < want && source_busy (source) > 0)))
      return 0;
    if (run_start (c, want, err) == -1)
      return -1;
  }
}

void
plan_begin (struct copy *c)
{
  c->want = max_u64 (min_u64 (bytes_at (c, c->spec.first_rate), RUN_FIRST), RUN_LEAST);
}

bool
plan_done (const struct copy *c)
{
  return c->claimed_all && c->claim_n == 0 && c->open == NULL;
}
