/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Streams, mirrors, files and pipes.  What counts is what the sink
 * got, what the request log says, and the words of errors.
 */
#include "source-fixture.h"

/* ---- streams ---- */

static void
test_a_server_without_ranges_is_a_stream (void **state)
{
  static const char *const kinds[] = { "ignore-range",
                                       "ignore-range+chunked",
                                       "ignore-range+no-length",
                                       "ignore-range+cut,300000@1-2",
                                       "ignore-range+etag,none+modified,none+cut,300000@1-2",
                                       "ignore-range+cut,700000@1+cut,1000@2" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    RUN r = run_new (kinds[i]);

    if (probe (r) == -1)
      fail_msg ("%s", r->err.text);
    assert_false (r->found.ranges);
    assert_int_equal (r->head_len, HEAD);
    assert_memory_equal (r->head, image, HEAD);
    stream_all (r);
  }
}

static void
test_a_stream_that_reads_differently_again_is_a_change (void **state)
{
  RUN r = run_new ("ignore-range+etag,none+modified,none+cut,300000@1+flip,5@2-");
  uint8_t buf[7000];
  size_t got = 1, at = 0;

  (void)state;
  assert_int_equal (probe (r), 0);
  assert_int_equal (r->found.trust, SOURCE_TRUST_LENGTH);
  r->err.code = ERR_NONE;
  while (got > 0 && source_stream_read (r->s, buf, sizeof buf, &got, &r->err) == 0)
    at += got;
  assert_int_equal (r->err.code, ERR_SOURCE_CHANGED);
  assert_true (at <= 300000);
}

static void
test_where_ranges_are_honoured_one_may_read_forward_too (void **state)
{
  RUN r = run_new ("cut,400000@2");

  (void)state;
  must_probe (r);
  stream_all (r);
  assert_int_equal (logged (r, "\"range\": null"), 1);
  assert_int_equal (logged (r, "\"range\": \"bytes=400000-1048575\""), 1);
}

static void
test_a_stream_may_begin_anywhere_where_ranges_are_honoured (void **state)
{
  static const char *const kinds[] = { "", "cut,100000@2", "etag,none+modified,none+cut,100000@2" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    RUN r = run_new (kinds[i]);
    uint8_t buf[7000];
    size_t got = 1, at = 700001;

    must_probe (r);
    assert_int_equal (source_stream_poll (r->s, buf, sizeof buf, &got, &r->err), 0);
    assert_int_equal (got, 0); /* it has not begun */
    assert_int_equal (source_stream_seek (r->s, at, &r->err), 0);
    do {
      if (source_stream_read (r->s, buf, sizeof buf, &got, &r->err) == -1)
        fail_msg ("%s: %s", kinds[i], r->err.text);
      assert_memory_equal (buf, image + at, got);
      at += got;
      assert_int_equal (source_stream_poll (r->s, buf, sizeof buf, &got, &r->err), 0);
      assert_memory_equal (buf, image + at, got);
      at += got;
      got = IMAGE - at;
    } while (got > 0);
    assert_int_equal (logged (r, "\"range\": null"), 0);
    assert_int_equal (logged (r, "\"range\": \"bytes=700001-1048575\""), 1);
    assert_int_equal (source_stream_read (r->s, buf, sizeof buf, &got, &r->err), 0);
    assert_int_equal (got, 0);
  }
}

/* ---- mirrors ---- */

static void
test_a_mirror_with_the_same_bytes_shares_the_work (void **state)
{
  static const char *const kinds[] = { "", "etag,none" };
  size_t i;

  (void)state;
  for (i = 0; i < 2; i++) {
    struct host_range range = { { 300000 }, 5000 };
    RUN r = run_new (kinds[i]);
    RUN m = run_new (kinds[i]);
    const char *mirrors[] = { m->url, NULL };

    r->options.mirrors = mirrors;
    must_probe (r);
    assert_int_equal (source_prove_by (r->s, &range, 1, &r->err), 0);
    while (strstr (r->events, "in use") == NULL && r->err.code == ERR_NONE)
      assert_int_equal (source_step (r->s, 50, &r->err), 0);
    expect_all (r);
    assert_true (logged (m, "\"status\": 206") > 3);
  }
}

static void
test_a_mirror_with_other_bytes_is_not_used (void **state)
{
  static const char *const kinds[] = { "etag,%22other%22+other", "etag,none+flip,1048570",
                                       "total,double", "status,404", "ignore-range+etag,none" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    RUN r = run_new ("");
    RUN m = run_new (kinds[i]);
    const char *mirrors[] = { m->url, NULL };

    r->options.mirrors = mirrors;
    r->options.retry_time_s = 1;
    must_probe (r);
    expect_all (r); /* the sink compares */
    r->sunk = 0;
    expect_all (r);
    assert_null (strstr (r->events, "in use"));
  }
}

/* Another ETag, the same first and last bytes: what is named beside them decides. */
static void
test_a_mirror_is_used_once_all_that_is_named_is_the_same (void **state)
{
  static const char *const kinds[]
      = { "etag,%22m%22", "etag,%22m%22+flip,300000", "etag,%22m%22+flip,700001" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    struct host_range ranges[] = { { { 700000 }, 5000 }, { { 300000 }, 1 }, { { 320000 }, 9 } };
    RUN r = run_new ("slow,400000");
    RUN m = run_new (kinds[i]);
    const char *mirrors[] = { m->url, NULL };

    r->options.mirrors = mirrors;
    must_probe (r);
    expect_all (r);
    assert_null (strstr (r->events, "in use"));
    assert_int_equal (source_prove_by (r->s, ranges, 3, &r->err), 0);
    r->sunk = 0;
    expect_all (r);
    if (i == 0)
      assert_non_null (strstr (r->events, "in use: the same tables and samples"));
    else
      assert_non_null (strstr (r->events, "not used: its bytes differ"));
  }
}

static void
test_a_dead_url_is_rescued_by_a_mirror (void **state)
{
  static const char *const kinds[]
      = { "status,404", "status,503", "status,403@4-", "rst,0@4-" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    RUN r = run_new (kinds[i]);
    RUN m = run_new ("");
    const char *mirrors[] = { m->url, NULL };

    r->options.mirrors = mirrors;
    must_probe (r);
    expect_all (r);
    assert_non_null (strstr (r->events, i == 1 || i == 3 ? "retry" : "mirror"));
  }
}

/* ---- files and pipes ---- */

static void
test_a_file_is_read_by_path_and_by_url (void **state)
{
  unsigned i;

  (void)state;
  for (i = 0; i < 2; i++) {
    RUN r = run_new ("");
    uint8_t buf[100];
    struct source_want want = { { { 777777 }, 100 }, buf };

    snprintf (r->url, sizeof r->url, "%s%s", i == 0 ? "" : "file://", image_path);
    must_probe (r);
    assert_int_equal (r->found.trust, SOURCE_TRUST_STRONG);
    assert_int_equal (source_read (r->s, &want, 1, &r->err), 0);
    assert_memory_equal (buf, image + 777777, 100);
    expect_all (r);
    stream_all (r);
  }
}

static void
test_a_file_that_is_written_to_is_a_change (void **state)
{
  RUN r = run_new ("");
  RUN again = run_new ("");
  char path[128];
  FILE *f;

  (void)state;
  write_file (path, sizeof path, "growing", "", 0600);
  f = fopen (path, "w");
  fwrite (image, 1, IMAGE, f);
  fflush (f);
  snprintf (r->url, sizeof r->url, "%s", path);
  snprintf (again->url, sizeof again->url, "%s", path);
  must_probe (r);
  usleep (20000);
  fputc (1, f);
  fclose (f);
  expect_error (r, get (r, 0, 100000), ERR_SOURCE_CHANGED);
  assert_int_equal (r->sunk, 0);
  expect_error (again, probe_as (again, &r->found, false), ERR_SOURCE_CHANGED);
}

static void
test_files_that_are_not_there_or_no_files (void **state)
{
  RUN none = run_new ("");
  RUN directory = run_new ("");
  RUN ftp = run_new ("");

  (void)state;
  snprintf (none->url, sizeof none->url, "%s/none", dir);
  expect_error (none, probe (none), ERR_SOURCE_NOT_FOUND);
  snprintf (directory->url, sizeof directory->url, "%s", dir);
  expect_error (directory, probe (directory), ERR_SOURCE_FAILED);
  snprintf (ftp->url, sizeof ftp->url, "ftp://127.0.0.1/x");
  expect_error (ftp, probe (ftp), ERR_USAGE);
}

static void
test_a_pipe_is_a_stream (void **state)
{
  RUN r = run_new ("");
  int saved = dup (0), ends[2];
  pid_t pid;

  (void)state;
  assert_int_equal (pipe (ends), 0);
  pid = fork ();
  if (pid == 0) {
    size_t at = 0;

    close (ends[0]);
    while (at < IMAGE)
      at += (size_t)write (ends[1], image + at, IMAGE - at < 9999 ? IMAGE - at : 9999);
    _exit (0);
  }
  dup2 (ends[0], 0);
  close (ends[0]);
  close (ends[1]);
  snprintf (r->url, sizeof r->url, "-");
  assert_int_equal (probe (r), 0);
  assert_int_equal (r->found.length, UINT64_MAX);
  assert_false (r->found.ranges);
  assert_int_equal (r->head_len, HEAD);
  assert_memory_equal (r->head, image, HEAD);
  stream_all (r);
  waitpid (pid, NULL, 0);
  dup2 (saved, 0);
  close (saved);
}

static void
test_an_empty_image_has_no_bytes (void **state)
{
  RUN r = run_new ("");
  RUN http = run_new ("416,0");
  char path[128];

  (void)state;
  write_file (path, sizeof path, "empty", "", 0600);
  snprintf (r->url, sizeof r->url, "%s", path);
  assert_int_equal (probe (r), 0);
  assert_int_equal (r->found.length, 0);
  assert_int_equal (r->head_len, 0);
  assert_int_equal (probe (http), 0);
  assert_int_equal (http->found.length, 0);
  assert_int_equal (http->head_len, 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_a_server_without_ranges_is_a_stream),
    cmocka_unit_test (test_a_stream_that_reads_differently_again_is_a_change),
    cmocka_unit_test (test_where_ranges_are_honoured_one_may_read_forward_too),
cmocka_unit_test (test_a_stream_may_begin_anywhere_where_ranges_are_honoured),
    cmocka_unit_test (test_a_mirror_with_the_same_bytes_shares_the_work),
    cmocka_unit_test (test_a_mirror_with_other_bytes_is_not_used),
    cmocka_unit_test (test_a_mirror_is_used_once_all_that_is_named_is_the_same),
    cmocka_unit_test (test_a_dead_url_is_rescued_by_a_mirror),
    cmocka_unit_test (test_a_file_is_read_by_path_and_by_url),
    cmocka_unit_test (test_a_file_that_is_written_to_is_a_change),
    cmocka_unit_test (test_files_that_are_not_there_or_no_files),
    cmocka_unit_test (test_a_pipe_is_a_stream),
    cmocka_unit_test (test_an_empty_image_has_no_bytes),
  };

  return cmocka_run_group_tests (tests, set_up, tear_down);
}
