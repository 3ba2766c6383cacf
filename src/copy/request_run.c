/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * request_run: see request_run.h.
 */
#include "copy/request_run.h"

#include <string.h>

enum { PATIENCE_MS = 2000 /* without a byte it is somebody else's turn */ };

void
runs_open (struct runs *r, const struct supply *supply, struct pool *pool,
           struct progress *progress)
{
  r->supply = supply;
  r->pool = pool;
  r->progress = progress;
  r->patience_ms = PATIENCE_MS;
}

uint64_t
runs_left (const struct runs *r)
{
  uint64_t left = 0;
  size_t i;

  for (i = 0; i < RUNS_MAX; i++)
    if (r->run[i].n > 0)
      left += r->run[i].range.len - r->run[i].got;
  return left;
}

static int64_t
now_of (const struct runs *r)
{
  return r->supply->now_ms (r->supply->ctx);
}

/* ---- What is open ------------------------------------------------------------------------ */

/* To where its first open part belongs; out of it if it has none. */
void
runs_place_open (struct runs *r, struct slot *s)
{
  unsigned k = slot_part_open (s);
  struct slot **p = &r->open;

  while (*p != NULL && *p != s)
    p = &(*p)->net.next_open;
  if (*p == s)
    *p = s->net.next_open;
  s->net.next_open = NULL;
  if (k == s->net.n_parts)
    return;
  p = &r->open;
  while (*p != NULL && slot_part_from (*p, slot_part_open (*p)) < slot_part_from (s, k))
    p = &(*p)->net.next_open;
  s->net.next_open = *p;
  *p = s;
}

/* What lies behind host offset AT within part K of S is a part of its own, not asked for. */
static void
split_part (struct runs *r, struct slot *s, unsigned k, uint64_t at)
{
  size_t i, j;

  mutex_lock (&r->pool->team->lock);
  slot_part_split (s, k, at);
  mutex_unlock (&r->pool->team->lock);
  for (i = 0; i < RUNS_MAX; i++)
    for (j = 0; j < r->run[i].n; j++)
      if (r->run[i].slots[j] == s && r->run[i].part[j] > k)
        r->run[i].part[j]++;
}

/* ---- Asking ------------------------------------------------------------------------------ */

struct run *
run_begin (struct runs *r)
{
  struct run *run = r->run;

  while (run->n > 0) {
    run++;
    assert (run < r->run + RUNS_MAX);
  }
  *run = (struct run){ .of = r, .asked_at = now_of (r) };
  return run;
}

void
run_take_part (struct run *run, struct slot *s, uint64_t to)
{
  unsigned k = slot_part_open (s);

  assert (run->n < RUN_SLOTS && k < s->net.n_parts && run->got == 0);
  assert (run->n == 0 || slot_part_from (s, k) >= run->range.at.v);
  if (run->n == 0)
    run->range = (struct host_range){ { slot_part_from (s, k) }, 0 };
  if (to < slot_part_end (s, k))
    split_part (run->of, s, k, to);
  s->net.part[k].asked = true;
  run->slots[run->n] = s;
  run->part[run->n++] = k;
  run->range.len = max_u64 (run->range.len, slot_part_end (s, k) - run->range.at.v);
  runs_place_open (run->of, s);
}

/* ---- What came over the network ---------------------------------------------------------- */

/* S has all its bytes; with the lock held since before the last of them could be seen: whoever
 * sees them may write or hash them, and give the slot to another segment. */
static void
slot_complete (struct runs *r, struct slot *s)
{
  struct team *team = r->pool->team;

  assert (team_held (team) && slot_adds_up (s) && s->life.state != SLOT_FREE);
  if (!s->life.written) {
    pool_queue (r->pool, s);
  } else {
    pthread_cond_signal (&team->work); /* to be hashed */
    pool_retire (r->pool, r->progress, s);
  }
}

/* The I-th part of RUN is whole, or somebody else's: its slot may be another segment's soon. */
static void
run_drop (struct run *run, size_t i)
{
  for (run->n--; i < run->n; i++) {
    run->slots[i] = run->slots[i + 1];
    run->part[i] = run->part[i + 1];
  }
}

/* A run is over with the last of its parts. */
static void
run_end_if_whole (struct run *run)
{
  struct runs *r = run->of;

  if (run->n == 0 && run->got > 0) {
    struct supply_link link = r->supply->look (r->supply->ctx, r->layer);

    request_size_learn (&r->size, &link, run->range.len, now_of (r) - run->first_at);
  }
}

/* What of DATA, which is at host offset AT and ends at END, is the I-th part's. */
static void
fill_part (struct run *run, size_t i, uint64_t at, const uint8_t *data, uint64_t end)
{
  struct slot *s = run->slots[i];
  struct slot_part *p = &s->net.part[run->part[i]];
  struct team *team = run->of->pool->team;
  uint64_t begin = slot_part_from (s, run->part[i]);
  uint64_t from = begin + atomic_load_explicit (&p->there, memory_order_relaxed);
  uint64_t to = min_u64 (end, s->base.v + p->end);

  if (from >= to)
    return;
  assert (p->asked && at <= from && to - s->base.v <= s->len);
  memcpy (s->buf + (from - s->base.v), data + (from - at), to - from);
  if (to < s->base.v + p->end) {
    atomic_store_explicit (&p->there, to - begin, memory_order_release);
    return;
  }
  mutex_lock (&team->lock);
  atomic_store_explicit (&p->there, to - begin, memory_order_release);
  if (slot_filled (s) == s->len)
    slot_complete (run->of, s);
  mutex_unlock (&team->lock);
}

/* Bytes for the slots of a run.  The tail of one segment's last cluster is the head of the next
 * segment: both get it. */
static int
run_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct run *run = ctx;
  uint64_t end = at.v + len;
  size_t i = 0;

  if (run->n == 0 || at.v != run->range.at.v + run->got)
    return fail (err, ERR_INTERNAL,
                 "bytes at host offset %llu came that no request is for; resume goes on",
                 (unsigned long long)at.v);
  run->last_at = now_of (run->of);
  if (run->got == 0)
    run->first_at = run->last_at;
  run->got += len;
  while (i < run->n && slot_part_from (run->slots[i], run->part[i]) < end) {
    fill_part (run, i, at.v, data, end);
    if (slot_part_whole (run->slots[i], run->part[i]))
      run_drop (run, i);
    else
      i++;
  }
  run_end_if_whole (run);
  return 0;
}

int
run_ask (struct run *run, struct error *err)
{
  const struct supply *supply = run->of->supply;

  return supply->get (supply->ctx, run->of->layer, run->range, run_sink, run, err);
}

/* ---- Cutting ----------------------------------------------------------------------------- */

static bool
may_cut (const struct run *run)
{
  size_t i;

  for (i = 0; i < run->n; i++)
    if (run->slots[i]->net.n_parts == PARTS_MAX)
      return false;
  return true;
}

bool
run_cut (struct run *run, uint64_t len)
{
  struct runs *r = run->of;
  uint64_t end = run->range.at.v + len, last = run->range.at.v + run->got;
  size_t i = 0;

  assert (len >= run->got && len <= run->range.len);
  if (!may_cut (run))
    return false;
  while (i < run->n) {
    struct slot *s = run->slots[i];
    unsigned k = run->part[i];

    if (slot_part_from (s, k) >= end) {
      s->net.part[k].asked = false;
      run_drop (run, i);
      runs_place_open (r, s);
      continue;
    }
    if (slot_part_end (s, k) > end) {
      split_part (r, s, k, end);
      runs_place_open (r, s);
    }
    last = max_u64 (last, slot_part_end (s, k));
    if (slot_part_whole (s, k))
      run_drop (run, i);
    else
      i++;
  }
  /* A run is over with its last part, and so must its request be. */
  run->range.len = last - run->range.at.v;
  r->supply->shorten (r->supply->ctx, r->layer, run, run->range.len);
  run_end_if_whole (run);
  return true;
}

/* ---- How fast ---------------------------------------------------------------------------- */

bool
run_is_stuck (const struct run *run, int64_t now)
{
  return now - (run->got == 0 ? run->asked_at : run->last_at) > run->of->patience_ms;
}

double
run_rate (const struct run *run, int64_t now)
{
  int64_t ms = now - run->first_at;

  return run->got == 0 ? 0 : (double)run->got / (double)(ms < 1 ? 1 : ms);
}

double
run_rest_ms (const struct run *run, int64_t now)
{
  double rate = run_rate (run, now);

  if (run_is_stuck (run, now))
    return 1e12;
  if (rate == 0 || now - run->first_at < SPLIT_MS)
    return -1;
  return (double)(run->range.len - run->got) / rate;
}
