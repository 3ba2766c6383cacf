/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * requests: see requests.h.  Where the numbers come from: HACKING.md.
 */
#include "copy/requests.h"

enum {
  RUN_GAP = 256 << 10,  /* reading over this costs less than a round trip */
  RUN_REST = 512 << 10, /* towards the end requests are not made smaller than this */
  WATCH_MS = 50
};

void
requests_open (struct requests *r, const struct copy_facts *f, const struct supply *supply,
               struct pool *pool, struct progress *progress)
{
  const struct journal_import *imp = &f->imp;
  struct supply_link link;

  r->facts = f;
  r->segments_left = imp->segments - min_u64 (imp->segments, imp->now.segments_committed);
  runs_open (&r->runs, supply, pool, progress);
  if (f->streams)
    return;
  link = supply->look (supply->ctx, 0);
  request_size_begin (&r->runs.size, f->spec.commit_interval_ms, &link);
}

static struct supply_link
link_of (const struct requests *r)
{
  const struct supply *supply = r->runs.supply;

  return supply->look (supply->ctx, r->runs.layer);
}

static int64_t
now_of (const struct requests *r)
{
  return r->runs.supply->now_ms (r->runs.supply->ctx);
}

/* As far as buffers allow, and so that towards the end all connections end together. */
uint64_t
requests_next_size (const struct requests *r)
{
  unsigned connections = r->facts->spec.connections;
  uint64_t share = max_u64 (r->runs.pool->n / connections, 1) * r->facts->segment_size;
  uint64_t rest = r->segments_left * r->facts->segment_size + runs_left (&r->runs);

  return min_u64 (r->runs.size.want, min_u64 (share, max_u64 (rest / connections, RUN_REST)));
}

/* ---- Cutting ----------------------------------------------------------------------------- */

/* A link that is slower than was thought when RUN was asked for. */
static void
shorten_slow (struct run *run, int64_t interval, int64_t now)
{
  double rate = run_rate (run, now);
  uint64_t len;

  if (run->got == 0 || now - run->first_at < interval
      || run_rest_ms (run, now) < (double)interval)
    return;
  len = max_u64 (align_up (run->got, COPY_GRAIN),
                 (uint64_t)request_size_in_time (&run->of->size, rate));
  if (len + RUN_LEAST < run->range.len)
    run_cut (run, len);
}

void
requests_watch (struct requests *r)
{
  int64_t now = now_of (r);
  size_t i;

  if (now - r->last_watch < WATCH_MS)
    return;
  r->last_watch = now;
  for (i = 0; i < RUNS_MAX; i++)
    if (r->runs.run[i].n > 0)
      shorten_slow (&r->runs.run[i], r->facts->spec.commit_interval_ms, now);
}

/* The run that all will wait for, if what is left of it is worth another request. */
static struct run *
longest (struct requests *r, int64_t now)
{
  double most = SPLIT_MS + 2 * (double)link_of (r).round_trip_ms;
  struct run *found = NULL;
  size_t i;

  for (i = 0; i < RUNS_MAX; i++) {
    struct run *run = &r->runs.run[i];

    if (run->n == 0 || run_rest_ms (run, now) <= most
        || (run->range.len - run->got < 2 * RUN_LEAST && !run_is_stuck (run, now)))
      continue;
    most = run_rest_ms (run, now);
    found = run;
  }
  return found;
}

/* A connection is idle, and nothing is left to ask for, or no buffer is free to take it: it
 * gets its share of what the slowest has before it, all of it where that one is stuck. */
static bool
split (struct requests *r)
{
  int64_t now = now_of (r);
  struct run *run = longest (r, now);
  double rate, other;
  uint64_t left;

  if (run == NULL)
    return false;
  if (run_is_stuck (run, now)) {
    r->runs.patience_ms *= 2; /* a server may take that long */
    return run_cut (run, run->got) && r->runs.open != NULL;
  }
  rate = run_rate (run, now);
  other = r->runs.size.rate > rate ? r->runs.size.rate : rate;
  left = (uint64_t)((double)(run->range.len - run->got) * rate / (rate + other));
  return run_cut (run, min_u64 (align_up (run->got + left, COPY_GRAIN), run->range.len))
         && r->runs.open != NULL;
}

/* ---- Segments ---------------------------------------------------------------------------- */

/* The next segment to be fetched, or NULL behind the last. */
static int
peek_claim (struct requests *r, const struct segment **seg, struct error *err)
{
  const struct supply *supply = r->runs.supply;

  *seg = NULL;
  if (r->claim_n == 0 && !r->claimed_all) {
    if (supply->claim (supply->ctx, r->next_ord, r->claims, CLAIMS_MAX, &r->claim_n, err) == -1)
      return -1;
    assert (r->claim_n <= CLAIMS_MAX);
    r->claim_first = 0;
    r->claimed_all = r->claim_n == 0;
    if (r->claim_n > 0) {
      assert (r->claims[0].ord >= r->next_ord);
      r->next_ord = r->claims[r->claim_n - 1].ord + 1;
    }
  }
  if (r->claim_n > 0)
    *seg = &r->claims[r->claim_first];
  return 0;
}

static void
drop_claim (struct requests *r)
{
  assert (r->claim_n > 0);
  r->claim_first++;
  r->claim_n--;
  r->segments_left -= r->segments_left > 0;
}

/* ---- One request --------------------------------------------------------------------------
 */

/* Does the slot that begins at BASE belong into the request: near enough, and not only behind
 * what is wanted? */
static bool
continues (const struct requests *r, const struct run *run, uint64_t base, uint64_t want)
{
  uint64_t end = host_end (run->range);
  uint64_t segment = r->facts->segment_size;
  uint64_t worth = want < segment ? RUN_LEAST : segment / 2;

  if (run->n == RUN_SLOTS || base < run->range.at.v)
    return false;
  return base < end || (base + worth <= run->range.at.v + want && base <= end + RUN_GAP);
}

/* Does the first open part of S?  What was left between other requests is one of its own,
 * unless its bytes come anyway: the tail that two segments need may have been cut. */
static bool
joins (const struct requests *r, const struct run *run, const struct slot *s, uint64_t want)
{
  unsigned k = slot_part_open (s);

  if (k == 0)
    return continues (r, run, s->base.v, want);
  return run->n < RUN_SLOTS && slot_part_from (s, k) < host_end (run->range);
}

/* Ask for the first open part of S: all of it, but where less than a segment is wanted. */
static void
run_add (const struct requests *r, struct run *run, struct slot *s, uint64_t want)
{
  unsigned k = slot_part_open (s);
  uint64_t from = slot_part_from (s, k), end = slot_part_end (s, k);
  uint64_t segment = r->facts->segment_size;
  uint64_t to
      = run->n == 0 ? from + want : max_u64 (run->range.at.v + want, host_end (run->range));

  if (s->net.n_parts == PARTS_MAX || want >= segment || to + RUN_LEAST >= end
      || to >= s->seg.at.v + segment)
    to = end;
  run_take_part (run, s, to);
}

/* A slot for the segment that is next, where one is free; NULL. */
static int
take_claim (struct requests *r, const struct segment *seg, struct slot **out, struct error *err)
{
  struct pool *pool = r->runs.pool;
  bool room;

  mutex_lock (&pool->team->lock);
  room = pool->n_free > 0;
  *out = room ? pool_take (pool, r->facts, seg, err) : NULL;
  mutex_unlock (&pool->team->lock);
  if (*out != NULL)
    drop_claim (r);
  return room && *out == NULL ? -1 : 0;
}

/* What belongs into the request next: what is open, or a slot for the next segment if a buffer
 * is free.  *OUT NULL: nothing does. */
static int
run_take (struct requests *r, const struct run *run, uint64_t want, struct slot **out,
          struct error *err)
{
  const struct segment *seg;
  struct slot *s = r->runs.open;

  *out = NULL;
  if (s != NULL) {
    if (run->n == 0 || joins (r, run, s, want))
      *out = s;
    return 0;
  }
  if (peek_claim (r, &seg, err) == -1)
    return -1;
  if (seg == NULL || seg->layer != r->runs.layer
      || (run->n > 0 && !continues (r, run, slot_base (r->facts, seg).v, want)))
    return 0;
  return take_claim (r, seg, out, err);
}

static int
run_start (struct requests *r, uint64_t want, struct error *err)
{
  struct run *run = run_begin (&r->runs);
  struct slot *s;

  do {
    if (run_take (r, run, want, &s, err) == -1)
      return -1;
    if (s != NULL)
      run_add (r, run, s, want);
  } while (s != NULL && r->runs.open != s);
  assert (run->n > 0);
  return run_ask (run, err);
}

/* ---- The plan -----------------------------------------------------------------------------
 */

/* Is there something to ask for now?  1; 0; -1. */
static int
ready (struct requests *r, uint64_t want, struct error *err)
{
  struct pool *pool = r->runs.pool;
  const struct segment *seg;
  uint64_t room;

  if (r->runs.open != NULL)
    return 1;
  if (peek_claim (r, &seg, err) == -1)
    return -1;
  if (seg == NULL || seg->layer != r->runs.layer)
    return split (r);
  mutex_lock (&pool->team->lock);
  room = pool->n_free * r->facts->segment_size;
  mutex_unlock (&pool->team->lock);
  if (room >= want || (room > 0 && link_of (r).busy == 0))
    return 1;
  return split (r);
}

/* One layer after the other. */
int
requests_refill (struct requests *r, struct error *err)
{
  const struct segment *seg;
  int rc = 1;

  while (rc == 1 && link_of (r).idle > 0) {
    if (peek_claim (r, &seg, err) == -1)
      return -1;
    if (r->runs.open == NULL && seg != NULL && seg->layer != r->runs.layer
        && link_of (r).busy == 0)
      r->runs.layer = seg->layer;
    rc = ready (r, requests_next_size (r), err);
    if (rc == 1 && run_start (r, requests_next_size (r), err) == -1)
      return -1;
  }
  return rc == -1 ? -1 : 0;
}

bool
requests_done (const struct requests *r)
{
  return r->claimed_all && r->claim_n == 0 && r->runs.open == NULL;
}
