/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Honest answers, bodies that break off, trying again, and stopping, against a real socket.
 * What counts is what the sink got, what the request log says, and the words of errors.
 */
#include "source-fixture.h"

/* ---- honest ---- */

static void
test_four_connections_fetch_what_is_there (void **state)
{
  RUN r = run_new ("");

  (void)state;
  must_probe (r);
  assert_int_equal (r->found.trust, SOURCE_TRUST_STRONG);
  expect_all (r);
  assert_int_equal (logged (r, "\"method\": \"GET\""), 1 + 11);
  assert_int_equal (logged (r, "\"range\": \"bytes=0-4095\""), 1);
  assert_int_equal (logged (r, "\"range\": \"bytes=1000000-1048575\""), 1);
  assert_int_equal (logged (r, "\"accept-encoding\": \"identity\""), 12);
  assert_int_equal (logged (r, "\"if_range\": \"\\\""), 11);
  assert_int_equal (logged (r, "\"if_range\": null"), 1);
  assert_int_equal (source_fetched (r->s), IMAGE + HEAD);
  assert_int_equal (source_retries (r->s), 0);
}

static void
test_metadata_that_is_near_is_one_request (void **state)
{
  RUN r = run_new ("");
  uint8_t buf[5][3000];
  struct source_want wants[] = { { { { 900000 }, 3000 }, buf[0] },
                                 { { { 10000 }, 3000 }, buf[1] },
                                 { { { 70000 }, 3000 }, buf[2] },
                                 { { { 11000 }, 3000 }, buf[3] },
                                 { { { 500000 }, 0 }, buf[4] } };
  size_t i;

  (void)state;
  must_probe (r);
  assert_int_equal (source_read (r->s, wants, 5, &r->err), 0);
  for (i = 0; i < 4; i++)
    assert_memory_equal (buf[i], image + wants[i].range.at.v, 3000);
  assert_int_equal (logged (r, "GET"), 3);
  assert_int_equal (logged (r, "\"range\": \"bytes=10000-72999\""), 1);
  assert_int_equal (logged (r, "\"range\": \"bytes=900000-902999\""), 1);
}

static void
test_many_small_reads_are_all_right (void **state)
{
  RUN r = run_new ("cut,2000@5-9");
  enum { N = 100 };
  static uint8_t buf[N][512];
  struct source_want wants[N];
  size_t i;

  (void)state;
  must_probe (r);
  for (i = 0; i < N; i++)
    wants[i] = (struct source_want){ { { (i * 7919 * 128) % (IMAGE - 512) }, 512 }, buf[i] };
  assert_int_equal (source_read (r->s, wants, N, &r->err), 0);
  for (i = 0; i < N; i++)
    assert_memory_equal (buf[i], image + wants[i].range.at.v, 512);
}

/* ---- bodies that break off ---- */

static void
test_a_cut_body_goes_on_with_the_next_byte (void **state)
{
  RUN r = run_new ("cut,30000@2-3");

  (void)state;
  must_probe (r);
  assert_int_equal (get (r, 1000, 100000), 0);
  assert_int_equal (r->sunk, 100000);
  assert_int_equal (logged (r, "GET"), 4);
  assert_int_equal (logged (r, "\"range\": \"bytes=1000-100999\""), 1);
  assert_int_equal (logged (r, "\"range\": \"bytes=31000-100999\""), 1);
  assert_int_equal (logged (r, "\"range\": \"bytes=61000-100999\""), 1);
  assert_int_equal (source_retries (r->s), 2);
}

static void
test_with_a_weak_identity_the_seam_is_compared (void **state)
{
  RUN r = run_new ("etag,weak+cut,30000@2");

  (void)state;
  must_probe (r);
  assert_int_equal (r->found.trust, SOURCE_TRUST_WEAK);
  assert_int_equal (get (r, 1000, 100000), 0);
  assert_int_equal (r->sunk, 100000);
  assert_int_equal (logged (r, "\"range\": \"bytes=26904-100999\""), 1);
  assert_int_equal (logged (r, "\"if_range\": null"), 3);
}

static void
test_a_seam_that_differs_is_a_change (void **state)
{
  RUN r = run_new ("etag,weak+cut,30000@2+flip,30999@3-");

  (void)state;
  must_probe (r);
  expect_error (r, get (r, 1000, 100000), ERR_SOURCE_CHANGED);
  assert_int_equal (r->sunk, 30000);
}

static void
test_connections_that_break_anywhere_are_survived (void **state)
{
  RUN r = run_new ("break,7,100,60000");

  (void)state;
  r->options.retry_time_s = 30;
  must_probe (r);
  expect_all (r);
  assert_true (source_retries (r->s) > 10);
}

static void
test_breaks_within_headers_are_survived (void **state)
{
  RUN r = run_new ("cut-headers,9@2+cut-headers,120@3+cut-headers,0@4");

  (void)state;
  must_probe (r);
  expect_all (r);
}

static void
test_a_byte_at_a_time_is_no_progress (void **state)
{
  RUN r = run_new ("short,1@2-");
  int64_t begun = monotonic_ms ();

  (void)state;
  r->options.retry_time_s = 2;
  must_probe (r);
  expect_error (r, get (r, 0, 100000), ERR_RETRY_BUDGET);
  assert_in_range (monotonic_ms () - begun, 1500, 5000);
}

/* ---- trying again ---- */

static void
test_a_missing_image_is_asked_for_once (void **state)
{
  RUN r = run_new ("status,404");

  (void)state;
  expect_error (r, probe (r), ERR_SOURCE_NOT_FOUND);
  assert_int_equal (logged (r, "GET"), 1);
}

static void
test_an_expired_url_in_mid_course_says_what_to_do (void **state)
{
  RUN r = run_new ("status,403@2-");

  (void)state;
  must_probe (r);
  expect_error (r, get (r, 0, 100000), ERR_SOURCE_DENIED);
  assert_non_null (strstr (r->err.text, "URL no longer authorised"));
  assert_non_null (strstr (r->err.text, "qimport resume --url NEW"));
  assert_int_equal (logged (r, "GET"), 2);
}

static void
test_503_passes (void **state)
{
  RUN r = run_new ("status,503@1-2+status,429@4-5+delay,0.3@6");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_true (source_retries (r->s) >= 4);
  assert_non_null (strstr (r->events, "retry: http://127.0.0.1"));
  assert_non_null (strstr (r->events, "HTTP 503"));
}

static void
test_retry_after_is_waited_for (void **state)
{
  RUN r = run_new ("status,503,2@1");
  int64_t begun = monotonic_ms ();

  (void)state;
  must_probe (r);
  assert_in_range (monotonic_ms () - begun, 1900, 3500);
}

static void
test_retry_after_beyond_the_budget_ends_at_once (void **state)
{
  RUN r = run_new ("status,503,1000000000000");
  int64_t begun = monotonic_ms ();

  (void)state;
  expect_error (r, probe (r), ERR_RETRY_BUDGET);
  assert_true (monotonic_ms () - begun < 1000);
  assert_int_equal (logged (r, "GET"), 1);
}

static void
test_without_a_budget_the_first_failure_is_the_last (void **state)
{
  RUN r = run_new ("status,500");

  (void)state;
  r->options.retry_time_s = 0;
  expect_error (r, probe (r), ERR_RETRY_BUDGET);
  assert_int_equal (logged (r, "GET"), 1);
}

static void
test_a_refused_connection_is_tried_until_the_budget_is_spent (void **state)
{
  RUN r = run_new ("");
  int64_t begun = monotonic_ms ();

  (void)state;
  snprintf (r->url, sizeof r->url, "http://127.0.0.1:1/image");
  r->options.retry_time_s = 1;
  expect_error (r, probe (r), ERR_SOURCE_UNREACHABLE);
  assert_in_range (monotonic_ms () - begun, 900, 3000);
  assert_true (source_retries (r->s) >= 2);
}

static void
test_a_name_that_is_not_found_is_tried_again (void **state)
{
  RUN r = run_new ("");

  (void)state;
  snprintf (r->url, sizeof r->url, "http://nowhere.invalid/image");
  r->options.retry_time_s = 1;
  expect_error (r, probe (r), ERR_SOURCE_UNREACHABLE);
  assert_true (source_retries (r->s) >= 2);
}

static void
test_a_stall_is_cut_and_asked_for_again (void **state)
{
  RUN r = run_new ("stall,30000@2");
  int64_t begun = monotonic_ms ();

  (void)state;
  must_probe (r);
  assert_int_equal (get (r, 0, 100000), 0);
  assert_int_equal (r->sunk, 100000);
  assert_in_range (monotonic_ms () - begun, 1900, 5000);
  assert_int_equal (logged (r, "\"range\": \"bytes=30000-99999\""), 1);
}

static void
test_slow_but_above_the_limit_is_no_stall (void **state)
{
  RUN r = run_new ("slow,2000@2");

  (void)state;
  must_probe (r);
  assert_int_equal (get (r, 0, 8000), 0);
  assert_int_equal (source_retries (r->s), 0);
}

/* ---- stopping ---- */

struct stopper {
  atomic_bool stop;
  unsigned after_ms;
};

static void *
stop_later (void *ctx)
{
  struct stopper *p = ctx;

  usleep (p->after_ms * 1000);
  atomic_store (&p->stop, true);
  return NULL;
}

static void
test_stop_is_heard_in_every_state (void **state)
{
  static const char *const kinds[]
      = { "delay,20", "stall,1000@2-", "status,503,4@1-", "slow,100@2-", "stall,0@1-" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    struct stopper p = { .after_ms = 400 };
    RUN r = run_new (kinds[i]);
    int64_t begun;
    pthread_t t;
    int result;

    r->options.stop = &p.stop;
    r->options.stall_time_s = 30;
    pthread_create (&t, NULL, stop_later, &p);
    result = probe (r);
    if (result == 0)
      result = get (r, 0, 100000);
    pthread_join (t, NULL);
    begun = monotonic_ms ();
    expect_error (r, result, ERR_INTERRUPTED);
    source_close (r->s);
    r->s = NULL;
    assert_true (monotonic_ms () - begun < 300);
  }
}

static void
test_wake_ends_a_step (void **state)
{
  RUN r = run_new ("");
  int64_t begun;

  (void)state;
  must_probe (r);
  source_wake (r->s);
  begun = monotonic_ms ();
  assert_int_equal (source_step (r->s, 2000, &r->err), 0);
  assert_true (monotonic_ms () - begun < 500);
}

static void
test_cancel_drops_what_is_in_flight (void **state)
{
  RUN r = run_new ("stall,1000@2-3");
  struct host_range range = { { 0 }, 100000 };

  (void)state;
  must_probe (r);
  assert_int_equal (source_get (r->s, range, sink, r, &r->err), 0);
  assert_int_equal (source_get (r->s, range, sink, r, &r->err), 0);
  assert_int_equal (source_step (r->s, 300, &r->err), 0);
  assert_int_equal (source_busy (r->s), 2);
  source_cancel (r->s);
  assert_int_equal (source_busy (r->s), 0);
  r->sunk = 0;
  expect_all (r);
}

static void
test_the_rate_is_held_over_all_connections (void **state)
{
  RUN r = run_new ("");
  int64_t begun;
  double seconds;

  (void)state;
  r->options.limit_rate = 400000;
  must_probe (r);
  begun = monotonic_ms ();
  expect_all (r);
  seconds = (double)(monotonic_ms () - begun) / 1000;
  if (seconds < 2.62 * 0.95 || seconds > 2.62 * 1.05)
    fail_msg ("%.2f s instead of 2.62", seconds);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_four_connections_fetch_what_is_there),
    cmocka_unit_test (test_metadata_that_is_near_is_one_request),
    cmocka_unit_test (test_many_small_reads_are_all_right),
    cmocka_unit_test (test_a_cut_body_goes_on_with_the_next_byte),
    cmocka_unit_test (test_with_a_weak_identity_the_seam_is_compared),
    cmocka_unit_test (test_a_seam_that_differs_is_a_change),
    cmocka_unit_test (test_connections_that_break_anywhere_are_survived),
    cmocka_unit_test (test_breaks_within_headers_are_survived),
    cmocka_unit_test (test_a_byte_at_a_time_is_no_progress),
    cmocka_unit_test (test_a_missing_image_is_asked_for_once),
    cmocka_unit_test (test_an_expired_url_in_mid_course_says_what_to_do),
    cmocka_unit_test (test_503_passes),
    cmocka_unit_test (test_retry_after_is_waited_for),
    cmocka_unit_test (test_retry_after_beyond_the_budget_ends_at_once),
    cmocka_unit_test (test_without_a_budget_the_first_failure_is_the_last),
    cmocka_unit_test (test_a_refused_connection_is_tried_until_the_budget_is_spent),
    cmocka_unit_test (test_a_name_that_is_not_found_is_tried_again),
    cmocka_unit_test (test_a_stall_is_cut_and_asked_for_again),
    cmocka_unit_test (test_slow_but_above_the_limit_is_no_stall),
    cmocka_unit_test (test_stop_is_heard_in_every_state),
    cmocka_unit_test (test_wake_ends_a_step),
    cmocka_unit_test (test_cancel_drops_what_is_in_flight),
    cmocka_unit_test (test_the_rate_is_held_over_all_connections),
  };

  return cmocka_run_group_tests (tests, set_up, tear_down);
}
