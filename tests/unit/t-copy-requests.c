/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is asked of the network, on a simulated one: whatever rates, round trips, pauses and
 * deaths of servers there are, every byte comes once and to its place, and no connection is
 * idle while there is work and room.
 *
 * QIMPORT_TEST_SEED repeats a run of chance, QIMPORT_TEST_RUNS says how many there are.
 */
#include "copy-network.h"

enum { MIB = 1 << 20, RUNS = 300 };

/* Eight connections of 10 MB/s, 20 ms away. */
static const struct net_plan ordinary = { .connections = 8,
                                          .slots = 64,
                                          .segment_size = MIB,
                                          .interval_ms = 5000,
                                          .round_trip_ms = 20,
                                          .rate = 10000,
                                          .link_rate = 80000,
                                          .write_ms = 5 };

static struct network *
open_whole (const struct net_plan *plan, size_t segments)
{
  struct network *w = net_open (plan, 1);
  size_t i;

  for (i = 0; i < segments; i++)
    net_add (w, 0, i, 0, plan->segment_size);
  net_begin (w);
  return w;
}

/* What N bytes take at the least. */
static int64_t
ideal_ms (const struct net_plan *p, uint64_t n)
{
  double rate = p->rate * p->connections;

  return (int64_t)((double)n / (rate < p->link_rate ? rate : p->link_rate)) + p->round_trip_ms;
}

static int64_t
run_whole (const struct net_plan *plan, size_t segments)
{
  struct network *w = open_whole (plan, segments);
  int64_t took = net_run (w, 2, 1000 * 1000);

  assert_int_equal (w->bytes_fetched, segments * plan->segment_size);
  net_close (w);
  return took;
}

/* ---- What a user would see ----------------------------------------------------------------
 */

static void
test_an_ordinary_link_is_full (void **state)
{
  (void)state;
  assert_true (run_whole (&ordinary, 128) < ideal_ms (&ordinary, 128 * MIB) * 12 / 10);
}

static void
test_a_far_link_is_full_nearly_all_the_time (void **state)
{
  struct net_plan far = ordinary;

  (void)state;
  far.round_trip_ms = 200;
  assert_true (run_whole (&far, 256) < ideal_ms (&far, 256 * MIB) * 16 / 10);
}

static void
test_a_connection_that_is_slow_holds_nobody_up (void **state)
{
  struct net_plan slow = ordinary;

  (void)state;
  slow.slow[3] = 0.02;
  assert_true (run_whole (&slow, 128) < ideal_ms (&slow, 128 * MIB) * 15 / 10 + 500);
}

/* What was asked for takes no longer than a commit interval any more. */
static void
test_a_link_that_becomes_slow_has_its_requests_cut (void **state)
{
  struct net_plan slower = ordinary;
  struct network *w;
  size_t i;

  (void)state;
  slower.slower_from = 1300;
  slower.interval_ms = 1000;
  w = open_whole (&slower, 64);
  while (w->now < 3500)
    net_step (w, 2);
  for (i = 0; i < RUNS_MAX; i++)
    if (w->requests.runs.run[i].n > 0)
      assert_true (run_rest_ms (&w->requests.runs.run[i], w->now) < 1100);
  net_run (w, 2, 10 * ideal_ms (&slower, 64 * MIB) * 13 / 10);
  net_close (w);
}

static void
test_servers_that_die_for_a_while_cost_that_while (void **state)
{
  struct net_plan dies = ordinary;

  (void)state;
  dies.dead_from = 1300;
  dies.dead_to = 11300;
  assert_true (run_whole (&dies, 128) < ideal_ms (&dies, 128 * MIB) * 12 / 10 + 10500);
}

/* Who waits for a connection that brings nothing waits two seconds, not for its return. */
static void
test_what_a_dead_connection_was_asked_for_is_asked_again (void **state)
{
  struct net_plan dead = ordinary;

  (void)state;
  dead.dead_request = 6;
  assert_true (run_whole (&dead, 128) < ideal_ms (&dead, 128 * MIB) * 13 / 10 + 2500);
}

static void
test_a_slow_link_brings_what_it_brings_in_order (void **state)
{
  struct net_plan slow = ordinary;
  struct network *w;
  uint64_t behind = 0;

  (void)state;
  slow.connections = 4;
  slow.rate = 25;
  slow.link_rate = 100;
  slow.first_rate = 25;
  w = open_whole (&slow, 8);
  while (w->now < 31000) {
    size_t i;

    net_step (w, 10);
    behind = 0;
    for (i = 0; i < RUNS_MAX; i++)
      if (w->requests.runs.run[i].n > 0)
        behind += w->requests.runs.run[i].got;
    /* what a kill would cost */
    assert_true (behind <= 4 * (uint64_t)(0.25 * 25 * 5000) + 4 * RUN_LEAST);
  }
  net_close (w);
}

static void
test_few_buffers_are_enough (void **state)
{
  struct net_plan tight = ordinary;

  (void)state;
  tight.slots = 2;
  tight.link_rate = 20000;
  assert_true (run_whole (&tight, 32) < ideal_ms (&tight, 32 * MIB) * 5);
}

/* ---- Segments of all kinds ----------------------------------------------------------------
 */

static void
test_a_tail_that_two_segments_need_comes_for_both (void **state)
{
  struct network *w = net_open (&ordinary, 1);
  size_t i;

  (void)state;
  for (i = 0; i < 24; i++) /* the last cluster reaches into the next piece */
    net_add (w, 0, i, i == 0 ? 0 : 4096, MIB - 4096 + (i % 2 == 0 ? 65536 : 0));
  net_begin (w);
  net_run (w, 2, 60000);
  assert_true (w->bytes_fetched <= 24 * MIB); /* and once */
  net_close (w);
}

/* It is whole, written and gone before the request is. */
static void
test_a_segment_within_the_tail_of_another_does_not_keep_the_request (void **state)
{
  struct network *w = net_open (&ordinary, 1);

  (void)state;
  net_add (w, 0, 0, 0, MIB + 512 * 1024);
  net_add (w, 0, 1, 0, 4096);
  net_add (w, 0, 2, 0, MIB);
  net_begin (w);
  w->plan.write_ms = 0;
  net_run (w, 1, 1000);
  net_close (w);
}

static void
test_small_gaps_are_read_over_and_large_ones_are_not (void **state)
{
  struct net_plan one = ordinary;
  struct network *w;
  size_t i;

  (void)state;
  one.connections = 1;
  w = net_open (&one, 1);
  for (i = 0; i < 32; i++) {
    net_add (w, 0, 2 * i, MIB - (64 << 10), 64 << 10);
    net_add (w, 0, 2 * i + 1, 128 << 10, 64 << 10); /* 128 KiB behind it */
  }
  net_begin (w);
  net_run (w, 2, 60000);
  assert_int_equal (w->bytes_fetched, 32 * 256 << 10);
  net_close (w);
}

static void
test_one_layer_comes_after_the_other (void **state)
{
  struct network *w = net_open (&ordinary, 1);
  size_t i;

  (void)state;
  for (i = 0; i < 20; i++)
    net_add (w, i >= 10, i % 10, 0, MIB);
  net_begin (w);
  net_run (w, 2, 60000);
  assert_int_equal (w->bytes_fetched, 20 * MIB);
  net_close (w);
}

/* A segment of which all is written and hashed keeps its buffer while bytes of it are on their
 * way: at a resume the hash may have been ahead of the writing. */
static void
test_a_buffer_is_not_given_away_while_bytes_come_for_it (void **state)
{
  struct network *w = open_whole (&ordinary, 4);
  struct slot *s = &w->pool.slots[0];
  struct segment_progress all;

  (void)state;
  while (s->life.state == SLOT_FREE || slot_filled (s) < 65536)
    net_step (w, 1);
  assert_true (slot_filled (s) < s->len);
  mutex_lock (&w->team.lock);
  pool_queue (&w->pool, s);
  assert_ptr_equal (pool_pop (&w->pool), s);
  slot_change (s, SLOT_BUSY);
  all = (struct segment_progress){ .ord = s->seg.ord,
                                   .committed = true,
                                   .committed_extents = 1 };
  progress_publish (&w->progress, s, &all);
  pool_give_back (&w->pool, &w->progress, s);
  assert_int_equal (s->life.state, SLOT_IDLE);
  mutex_unlock (&w->team.lock);
  w->completed++;
  net_run (w, 1, 60000);
  net_close (w);
}

/* ---- Chance -------------------------------------------------------------------------------
 */

/* From 2^LO to 2^HI, each magnitude as likely. */
static double
magnitude (struct network *w, unsigned lo, unsigned hi)
{
  uint64_t power = UINT64_C (1) << (lo + net_random (w, hi - lo));

  return (double)(power + net_random (w, power));
}

static void
plan_by_chance (struct network *w, struct net_plan *p)
{
  unsigned i;

  p->connections = 1 + (unsigned)net_random (w, NET_CONNECTIONS);
  p->slots = 2 + net_random (w, 40);
  p->segment_size = UINT64_C (262144) << net_random (w, 4);
  p->interval_ms = 200 + (int64_t)net_random (w, 6000);
  p->round_trip_ms = net_random (w, 3) == 0 ? 0 : (int64_t)magnitude (w, 0, 9);
  p->rate = magnitude (w, 8, 18);
  p->link_rate = p->rate * (1 + (double)net_random (w, p->connections));
  p->first_rate = net_random (w, 2) == 0 ? 0 : p->rate / (1 + (double)net_random (w, 4));
  for (i = 0; i < NET_CONNECTIONS; i++)
    p->slow[i] = net_random (w, 4) == 0 ? (1 + (double)net_random (w, 100)) / 100 : 1;
  p->pauses = (unsigned)(net_random (w, 2) * net_random (w, 50));
  p->pause_ms = (int64_t)magnitude (w, 4, 13);
  p->write_ms = (int64_t)net_random (w, 60);
  if (net_random (w, 4) == 0)
    p->dead_to
        = (p->dead_from = 1000 + (int64_t)net_random (w, 2000)) + (int64_t)net_random (w, 9000);
  p->slower_from = net_random (w, 4) == 0 ? 1000 + (int64_t)net_random (w, 2000) : 0;
}

/* Segments with holes between them and tails that reach into the next; about 24 MiB. */
static void
segments_by_chance (struct network *w)
{
  uint64_t size = w->plan.segment_size, piece = 0, skip = 0;
  size_t i, n = 1 + net_random (w, (24 << 20) / size);
  size_t second = net_random (w, 3) == 0 ? net_random (w, n) : n;

  for (i = 0; i < n; i++) {
    uint64_t tail = net_random (w, 4) == 0 ? 512 * (1 + net_random (w, 128)) : 0;

    if (i == second)
      piece = skip = 0;
    if (net_random (w, 6) == 0)
      skip = 512 * net_random (w, size / 512);
    net_add (w, i >= second, piece, skip,
             net_random (w, 6) == 0 ? 512 * (1 + net_random (w, (size - skip) / 512))
                                    : size - skip + tail);
    skip = net_random (w, 2) == 0 ? 0 : tail;
    piece += 1 + (net_random (w, 5) == 0 ? net_random (w, 3) : 0);
  }
}

static void
run_by_chance (uint64_t seed)
{
  struct net_plan plan = ordinary;
  struct network *w = net_open (&plan, seed);
  double least;

  plan_by_chance (w, &plan);
  net_close (w);
  w = net_open (&plan, seed);
  segments_by_chance (w);
  net_begin (w);
  least = plan.rate / 100 / 10 / 4; /* the slowest there can be */
  net_run (w, 0, 600000 + (int64_t)((24 << 20) / least));
  net_close (w);
}

static void
test_whatever_the_network_does (void **state)
{
  const char *one = getenv ("QIMPORT_TEST_SEED"), *many = getenv ("QIMPORT_TEST_RUNS");
  uint64_t seed = one == NULL ? 1 : strtoull (one, NULL, 10), i;
  uint64_t n = many != NULL ? strtoull (many, NULL, 10) : one != NULL ? 1 : RUNS;

  (void)state;
  for (i = 0; i < n; i++)
    run_by_chance (seed + i);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_an_ordinary_link_is_full),
    cmocka_unit_test (test_a_far_link_is_full_nearly_all_the_time),
    cmocka_unit_test (test_a_connection_that_is_slow_holds_nobody_up),
    cmocka_unit_test (test_a_link_that_becomes_slow_has_its_requests_cut),
    cmocka_unit_test (test_servers_that_die_for_a_while_cost_that_while),
    cmocka_unit_test (test_what_a_dead_connection_was_asked_for_is_asked_again),
    cmocka_unit_test (test_a_slow_link_brings_what_it_brings_in_order),
    cmocka_unit_test (test_few_buffers_are_enough),
    cmocka_unit_test (test_a_tail_that_two_segments_need_comes_for_both),
    cmocka_unit_test (test_a_segment_within_the_tail_of_another_does_not_keep_the_request),
    cmocka_unit_test (test_small_gaps_are_read_over_and_large_ones_are_not),
    cmocka_unit_test (test_one_layer_comes_after_the_other),
    cmocka_unit_test (test_a_buffer_is_not_given_away_while_bytes_come_for_it),
    cmocka_unit_test (test_whatever_the_network_does),
  };

  return cmocka_run_group_tests_name ("requests", tests, NULL, NULL);
}
