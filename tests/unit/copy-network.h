/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * copy-network: a network that is simulated, with a clock of its own, as the other side of
 * src/copy's requests (supply.h): links with round trips and rates, connections that pause,
 * servers that die for a while, and workers that take their time.  What is fetched is written
 * down, and every byte held against what it must be.  The same seed, the same run.
 */
#ifndef TESTS_UNIT_COPY_NETWORK_H
#define TESTS_UNIT_COPY_NETWORK_H

#include "copy/requests.h" /* before cmocka.h, which has a macro named fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  NET_SEGMENTS = 256,
  NET_CONNECTIONS = 16,
  NET_WORKERS = 4,
  NET_FETCHED = 16384,
  NET_PERIOD = 65521, /* of the bytes of an image; no power of two, so that places differ */
  NET_CHUNK = 32768,
  NET_AGAIN = (64 << 10) + (256 << 10) /* the longest tail, and a gap */
};

struct net_plan {
  unsigned connections;
  size_t slots;
  uint64_t segment_size;
  int64_t interval_ms; /* of commits */
  int64_t round_trip_ms;
  double rate;                  /* of a connection, bytes a millisecond */
  double link_rate;             /* of all */
  double first_rate;            /* as the first answer said; 0: too fast to tell */
  double slow[NET_CONNECTIONS]; /* a connection's share of RATE; 0: all of it */
  unsigned pauses;              /* in 10,000, that a connection pauses in a step */
  int64_t pause_ms;
  int64_t dead_from, dead_to; /* nothing comes from any server */
  unsigned dead_request;      /* the how manieth brings nothing; 0: none does */
  int64_t slower_from;        /* all goes at a tenth from then on; 0: never */
  int64_t write_ms;           /* of a worker, a slot */
};

struct net_connection {
  bool used;
  unsigned layer;
  struct host_range range;
  uint64_t got;
  double credit;
  int64_t from; /* nothing before: the round trip, a pause */
  source_sink sink;
  void *ctx;
};

struct net_worker {
  struct slot *slot;
  int64_t until;
  uint64_t have;
};

struct network {
  struct net_plan plan;
  uint64_t begun_with, seed;
  int64_t now;

  struct copy_facts facts;
  struct team team;
  struct progress progress;
  struct pool pool;
  struct requests requests;
  struct supply supply;

  struct segment segments[NET_SEGMENTS];
  size_t n;
  uint64_t file_len[2];
  struct net_connection connection[NET_CONNECTIONS];
  struct net_worker worker[NET_WORKERS];
  int64_t last_tick;
  struct {
    unsigned layer;
    uint64_t from, to;
  } fetched[NET_FETCHED];
  size_t n_fetched;
  uint64_t bytes_fetched, completed;
  unsigned asked;  /* requests */
  int64_t idle_ms; /* of connections, together */
  uint8_t pattern[NET_PERIOD + NET_CHUNK];
};

static inline uint64_t
net_random (struct network *w, uint64_t below)
{
  w->seed ^= w->seed << 13;
  w->seed ^= w->seed >> 7;
  w->seed ^= w->seed << 17;
  return w->seed % below;
}

#define net_check(w, what)                                                                    \
  do {                                                                                        \
    if (!(what))                                                                              \
      fail_msg ("seed %llu, after %lld ms, line %d: %s", (unsigned long long)(w)->begun_with, \
                (long long)(w)->now, __LINE__, #what);                                        \
  } while (0)

/* ---- The supply ---------------------------------------------------------------------------
 */

static inline int
net_claim (void *ctx, uint64_t from_ord, struct segment *out, size_t max, size_t *n,
           struct error *err)
{
  struct network *w = ctx;

  (void)err;
  for (*n = 0; *n < max && from_ord + *n < w->n; ++*n)
    out[*n] = w->segments[from_ord + *n];
  return 0;
}

static inline struct supply_link
net_look (void *ctx, unsigned layer)
{
  struct network *w = ctx;
  struct supply_link link
      = { .round_trip_ms = w->plan.round_trip_ms, .first_rate = w->plan.first_rate };
  unsigned i;

  for (i = 0; i < w->plan.connections; i++)
    if (w->connection[i].used) {
      net_check (w, w->connection[i].layer == layer); /* one layer after the other */
      link.busy++;
    } else {
      link.idle++;
    }
  return link;
}

static inline int
net_get (void *ctx, unsigned layer, struct host_range range, source_sink sink, void *sink_ctx,
         struct error *err)
{
  struct network *w = ctx;
  unsigned i;

  (void)err;
  net_check (w, range.len > 0);
  net_check (w, host_range_within (range, w->file_len[layer]));
  for (i = 0; i < w->plan.connections && w->connection[i].used; i++)
    ;
  net_check (w, i < w->plan.connections);
  w->connection[i] = (struct net_connection){ .used = true,
                                              .layer = layer,
                                              .range = range,
                                              .sink = sink,
                                              .ctx = sink_ctx,
                                              .from = w->now + w->plan.round_trip_ms };
  if (++w->asked == w->plan.dead_request)
    w->connection[i].from = INT64_MAX;
  return 0;
}

static inline void
net_end (struct network *w, struct net_connection *c)
{
  c->used = false;
  if (c->got == 0)
    return;
  net_check (w, w->n_fetched < NET_FETCHED);
  w->fetched[w->n_fetched].layer = c->layer;
  w->fetched[w->n_fetched].from = c->range.at.v;
  w->fetched[w->n_fetched++].to = c->range.at.v + c->got;
  w->bytes_fetched += c->got;
}

static inline void
net_shorten (void *ctx, unsigned layer, const void *sink_ctx, uint64_t len)
{
  struct network *w = ctx;
  unsigned i;

  for (i = 0; i < w->plan.connections; i++) {
    struct net_connection *c = &w->connection[i];

    if (!c->used || c->ctx != sink_ctx)
      continue;
    net_check (w, c->layer == layer && len <= c->range.len);
    c->range.len = max_u64 (len, c->got);
    if (c->got == c->range.len)
      net_end (w, c);
    return;
  }
  net_check (w, false && "what is cut is in flight");
}

static inline int64_t
net_now (void *ctx)
{
  return ((struct network *)ctx)->now;
}

static inline void
net_wake (void *ctx)
{
  (void)ctx;
}

/* ---- Its life -----------------------------------------------------------------------------
 */

static inline struct network *
net_open (const struct net_plan *plan, uint64_t seed)
{
  struct network *w = calloc (1, sizeof *w);
  size_t i;

  assert_non_null (w);
  w->plan = *plan;
  w->begun_with = seed;
  w->seed = seed * 2654435761u + 88172645463325252u;
  w->now = 1000;
  for (i = 0; i < NET_PERIOD; i++)
    w->pattern[i] = (uint8_t)net_random (w, 256);
  memcpy (w->pattern + NET_PERIOD, w->pattern, NET_CHUNK);
  w->supply = (struct supply){ w, net_claim, net_get, net_shorten, net_look, net_now };
  w->facts.segment_size = plan->segment_size;
  w->facts.spec.connections = plan->connections;
  w->facts.spec.commit_interval_ms = plan->interval_ms;
  return w;
}

/* The next segment: LEN bytes from SKIP on within its piece of LAYER, which may be more than
 * are left of it. */
static inline void
net_add (struct network *w, unsigned layer, uint64_t piece, uint64_t skip, uint64_t len)
{
  struct segment *s = &w->segments[w->n];

  assert_true (w->n < NET_SEGMENTS);
  *s = (struct segment){ .ord = w->n++, .layer = layer, .extents = 1 };
  s->at.v = piece * w->plan.segment_size;
  s->need = (struct host_range){ { s->at.v + skip }, len };
  s->committed_to = s->need.at;
  w->file_len[layer] = max_u64 (w->file_len[layer], host_end (s->need));
}

static inline void
net_begin (struct network *w)
{
  struct error err;

  team_init (&w->team, net_wake, NULL);
  w->facts.imp.segments = w->n;
  w->facts.imp.layers = 2;
  progress_open (&w->progress, &w->team, &w->facts.imp);
  assert_int_equal (
      pool_open (&w->pool, &w->team, w->plan.slots, 2 * w->plan.segment_size, &err), 0);
  requests_open (&w->requests, &w->facts, &w->supply, &w->pool, &w->progress);
}

static inline void
net_close (struct network *w)
{
  pool_close (&w->pool);
  progress_close (&w->progress);
  team_release (&w->team);
  free (w);
}

/* ---- A step -------------------------------------------------------------------------------
 */

/* What S has from its base on is what it must be. */
static inline void
net_compare (struct network *w, struct slot *s, uint64_t len)
{
  uint64_t done, n;

  for (done = 0; done < len; done += n) {
    uint64_t at = (s->base.v + done) % NET_PERIOD;

    n = min_u64 (len - done, NET_CHUNK);
    net_check (w, memcmp (s->buf + done, w->pattern + at, n) == 0);
  }
}

static inline void
net_work_ends (struct network *w, struct net_worker *k)
{
  struct slot *s = k->slot;
  struct segment_progress now = { .ord = s->seg.ord, .committed_to = { k->have } };

  if (k->have == host_end (s->seg.need)) {
    net_compare (w, s, s->len);
    now.committed = true;
    now.committed_extents = 1;
    s->work.guest_put = s->len;
    w->completed++;
  }
  progress_publish (&w->progress, s, &now);
  pool_give_back (&w->pool, &w->progress, s);
  k->slot = NULL;
}

static inline void
net_work (struct network *w)
{
  unsigned i;

  mutex_lock (&w->team.lock);
  for (i = 0; i < NET_WORKERS; i++) {
    struct net_worker *k = &w->worker[i];

    if (k->slot != NULL && w->now >= k->until)
      net_work_ends (w, k);
    if (k->slot != NULL || (k->slot = pool_pop (&w->pool)) == NULL)
      continue;
    slot_change (k->slot, SLOT_BUSY);
    k->have = k->slot->base.v + slot_filled (k->slot);
    k->until = w->now + w->plan.write_ms;
  }
  mutex_unlock (&w->team.lock);
}

/* As copy hands over what has come of segments, twice a commit interval. */
static inline void
net_hand_over (struct network *w)
{
  size_t i;

  if (w->now - w->last_tick < w->plan.interval_ms / 2)
    return;
  w->last_tick = w->now;
  mutex_lock (&w->team.lock);
  for (i = 0; i < w->pool.n; i++) {
    struct slot *s = &w->pool.slots[i];

    if (s->life.state != SLOT_FREE && !s->life.written && slot_filled (s) > 0)
      pool_queue (&w->pool, s);
  }
  mutex_unlock (&w->team.lock);
}

static inline void
net_deliver (struct network *w, struct net_connection *c, uint64_t n)
{
  struct error err;

  while (n > 0 && c->used) {
    host_off at = { c->range.at.v + c->got };
    size_t len = (size_t)min_u64 (min_u64 (n, c->range.len - c->got), NET_CHUNK);

    c->got += len;
    n -= len;
    if (c->sink (c->ctx, at, w->pattern + at.v % NET_PERIOD, len, &err) == -1)
      fail_msg ("seed %llu, after %lld ms: %s", (unsigned long long)w->begun_with,
                (long long)w->now, err.text);
    if (c->used && c->got == c->range.len) {
      net_end (w, c);
      return;
    }
  }
}

/* MS go by on the network. */
static inline void
net_flow (struct network *w, int64_t ms)
{
  double share = w->plan.rate, flowing = 0;
  unsigned i;

  if (w->now >= w->plan.dead_from && w->now < w->plan.dead_to)
    return;
  for (i = 0; i < w->plan.connections; i++)
    flowing += w->connection[i].used && w->now >= w->connection[i].from;
  if (flowing * share > w->plan.link_rate)
    share = w->plan.link_rate / flowing;
  if (w->plan.slower_from > 0 && w->now >= w->plan.slower_from)
    share /= 10;
  for (i = 0; i < w->plan.connections; i++) {
    struct net_connection *c = &w->connection[i];

    if (!c->used || w->now < c->from)
      continue;
    if (w->plan.pauses > 0 && net_random (w, 10000) < w->plan.pauses) {
      c->from = w->now + w->plan.pause_ms;
      continue;
    }
    c->credit += share * (double)ms * (w->plan.slow[i] > 0 ? w->plan.slow[i] : 1);
    if (c->credit >= 1) {
      uint64_t n = (uint64_t)c->credit;

      c->credit -= (double)n;
      net_deliver (w, c, n);
    }
  }
}

/* No connection is idle while there is something to ask for, and room for what it brings. */
static inline void
net_check_idle (struct network *w)
{
  struct requests *r = &w->requests;
  struct supply_link link = net_look (w, r->runs.layer);
  uint64_t room = w->pool.n_free * w->plan.segment_size;
  bool more = r->claim_n > 0 && r->claims[r->claim_first].layer == r->runs.layer;
  size_t i;

  if (link.idle == 0)
    return;
  net_check (w, r->claim_n > 0 || r->claimed_all);
  net_check (w, r->runs.open == NULL);
  net_check (w, !(more && room > 0 && link.busy == 0));
  net_check (w, !(more && room >= requests_next_size (r)));
  net_check (w, !(r->claim_n > 0 && room > 0 && link.busy == 0));
  for (i = 0; i < RUNS_MAX; i++) {
    struct run *run = &r->runs.run[i];

    if (run->n > 0 && run->range.len - run->got >= 2 * RUN_LEAST)
      net_check (w, run_rest_ms (run, w->now) <= SPLIT_MS + 2 * (double)w->plan.round_trip_ms);
  }
}

static inline void
net_step (struct network *w, int64_t ms)
{
  struct error err;

  requests_watch (&w->requests);
  if (requests_refill (&w->requests, &err) == -1)
    fail_msg ("seed %llu, after %lld ms: %s", (unsigned long long)w->begun_with,
              (long long)w->now, err.text);
  net_check_idle (w);
  w->idle_ms += net_look (w, w->requests.runs.layer).idle * ms;
  w->now += ms;
  net_flow (w, ms);
  net_work (w);
  net_hand_over (w);
}

/* ---- The end ------------------------------------------------------------------------------
 */

static inline bool
net_is_done (struct network *w)
{
  bool empty;

  mutex_lock (&w->team.lock);
  empty = pool_is_empty (&w->pool);
  mutex_unlock (&w->team.lock);
  return empty && requests_done (&w->requests);
}

/* How many segments of LAYER need the byte at AT. */
static inline unsigned
net_needed (const struct network *w, unsigned layer, uint64_t at)
{
  unsigned n = 0;
  size_t i;

  for (i = 0; i < w->n; i++)
    n += w->segments[i].layer == layer && w->segments[i].need.at.v <= at
         && host_end (w->segments[i].need) > at;
  return n;
}

static inline int
net_by_place (const void *a, const void *b)
{
  return memcmp (a, b, sizeof (unsigned)) != 0
             ? (*(const unsigned *)a > *(const unsigned *)b) * 2 - 1
             : (((const uint64_t *)a)[1] > ((const uint64_t *)b)[1])
                   - (((const uint64_t *)a)[1] < ((const uint64_t *)b)[1]);
}

/* Everything came once.  What came twice begins with bytes that two segments need, of which the
 * second had no buffer when the first was asked for, and goes no further than over a gap; what
 * nobody needs lies in one. */
static inline void
net_check_fetched (struct network *w)
{
  uint64_t reached = 0;
  size_t i;

  qsort (w->fetched, w->n_fetched, sizeof w->fetched[0], net_by_place);
  for (i = 0; i < w->n_fetched; i++) {
    bool first = i == 0 || w->fetched[i].layer != w->fetched[i - 1].layer;
    uint64_t from = w->fetched[i].from;

    net_check (w, net_needed (w, w->fetched[i].layer, from) > 0);
    if (!first && from < reached)
      net_check (w, net_needed (w, w->fetched[i].layer, from) >= 2
                        && min_u64 (reached, w->fetched[i].to) - from <= NET_AGAIN);
    reached = first ? w->fetched[i].to : max_u64 (reached, w->fetched[i].to);
  }
  net_check (w, w->completed == w->n && w->progress.pending.n == w->n);
  net_check (w, pool_is_empty (&w->pool));
}

/* To the end, which must come before BOUND_MS went by; how many did. */
static inline int64_t
net_run (struct network *w, int64_t step_ms, int64_t bound_ms)
{
  int64_t began = w->now;

  while (!net_is_done (w)) {
    net_step (w, step_ms > 0 ? step_ms : 1 + (int64_t)net_random (w, 20));
    net_check (w, w->now - began <= bound_ms);
  }
  mutex_lock (&w->team.lock);
  net_check_fetched (w);
  mutex_unlock (&w->team.lock);
  return w->now - began;
}

#endif
