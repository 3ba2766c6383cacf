/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The source against a real socket: tests/tools/lying-server.py, honest and lying, a file and a
 * pipe.  What counts is what the sink got, what the request log says, and the words of errors.
 */
#include "source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* last: it makes a macro of fail */
#include <cmocka.h>

enum { IMAGE = 1 << 20, HEAD = 4096 };

struct server {
  pid_t pid;
  int port;
  char log[128];
};

static char dir[64] = "";
static char image_path[128];
static uint8_t image[IMAGE];
static struct server server;
static unsigned case_number;

/* ---- the server ---- */

static void
server_start (struct server *v, const char *name, const char *file, const char *cert,
              const char *key)
{
  int out[2];
  char line[32] = "";
  FILE *f;
  char script[512];

  snprintf (v->log, sizeof v->log, "%s/%s.log", dir, name);
  snprintf (script, sizeof script, "%s/tests/tools/lying-server.py",
            getenv ("top_srcdir") != NULL ? getenv ("top_srcdir") : ".");
  assert_int_equal (pipe (out), 0);
  v->pid = fork ();
  if (v->pid == 0) {
    dup2 (out[1], 1);
    close (out[0]);
    execlp ("python3", "python3", script, "--file", file, "--log", v->log,
            cert != NULL ? "--tls" : NULL, cert, key, (char *)NULL);
    _exit (127);
  }
  close (out[1]);
  f = fdopen (out[0], "r");
  assert_non_null (fgets (line, sizeof line, f));
  fclose (f);
  v->port = atoi (line);
  assert_true (v->port > 0);
}

static void
server_stop (struct server *v)
{
  kill (v->pid, SIGTERM);
  waitpid (v->pid, NULL, 0);
}

static int
set_up (void **state)
{
  uint32_t x = 12345;
  size_t i;
  FILE *f;

  (void)state;
  snprintf (dir, sizeof dir, "%s/qimport-source-XXXXXX",
            getenv ("TMPDIR") != NULL && strlen (getenv ("TMPDIR")) < 30 ? getenv ("TMPDIR")
                                                                         : "/tmp");
  assert_non_null (mkdtemp (dir));
  for (i = 0; i < IMAGE; i++) {
    x = x * 1664525u + 1013904223u;
    image[i] = (uint8_t)(x >> 24);
  }
  snprintf (image_path, sizeof image_path, "%s/image", dir);
  f = fopen (image_path, "wb");
  assert_int_equal (fwrite (image, 1, IMAGE, f), IMAGE);
  assert_int_equal (fclose (f), 0);
  server_start (&server, "main", image_path, NULL, NULL);
  return 0;
}

static int
tear_down (void **state)
{
  char command[128];

  (void)state;
  server_stop (&server);
  snprintf (command, sizeof command, "rm -rf '%s'", dir);
  return system (command) == 0 ? 0 : -1;
}

/* ---- a source under test ---- */

struct run {
  struct source *s;
  struct source_options options;
  struct source_identity found;
  struct error err;
  char path[256]; /* "/b/LIES/NUMBER": its own in the log */
  char url[512];
  uint8_t head[HEAD];
  size_t head_len;
  uint8_t got[IMAGE];
  uint64_t next, sunk; /* the sink's order and count */
  char events[8192];
};

static void
note_event (void *ctx, const char *kind, const char *detail)
{
  struct run *r = ctx;
  size_t n = strlen (r->events);

  snprintf (r->events + n, sizeof r->events - n, "%s: %s\n", kind, detail);
}

static struct run *
run_new (const char *lies)
{
  struct run *r = calloc (1, sizeof *r);

  r->options = (struct source_options){ .connections = 4,
                                        .retry_time_s = 5,
                                        .stall_time_s = 2,
                                        .connect_timeout_s = 5,
                                        .event = note_event,
                                        .event_ctx = r };
  snprintf (r->path, sizeof r->path, "/b/%s/%u", lies, ++case_number);
  snprintf (r->url, sizeof r->url, "http://127.0.0.1:%d%s", server.port, r->path);
  return r;
}

static void
run_free (struct run *r)
{
  source_close (r->s);
  free (r);
}

static void
run_freep (struct run **r)
{
  run_free (*r);
}

#define RUN __attribute__ ((cleanup (run_freep))) struct run *

static int
probe_as (struct run *r, const struct source_identity *recorded, bool accept)
{
  r->err.code = ERR_NONE;
  if (source_open (&r->s, r->url, &r->options, &r->err) == -1)
    return -1;
  return source_probe (r->s, recorded, accept, &r->found, r->head, HEAD, &r->head_len, &r->err);
}

static int
probe (struct run *r)
{
  return probe_as (r, NULL, false);
}

static void
must_probe (struct run *r)
{
  if (probe (r) == -1)
    fail_msg ("%s: %s", r->url, r->err.text);
  assert_int_equal (r->found.length, IMAGE);
  assert_true (r->found.ranges);
  assert_int_equal (r->head_len, HEAD);
  assert_memory_equal (r->head, image, HEAD);
}

/* Every byte once, whatever the order of the ranges; never a wrong one (J5). */
static int
sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct run *r = ctx;

  (void)err;
  assert_true (at.v + len <= IMAGE);
  if (memcmp (data, image + at.v, len) != 0)
    fail_msg ("wrong bytes at %" PRIu64, at.v);
  memcpy (r->got + at.v, data, len);
  r->sunk += len;
  return 0;
}

static int
step_until_idle (struct run *r)
{
  while (source_busy (r->s) > 0) {
    if (source_step (r->s, 1000, &r->err) == -1)
      return -1;
  }
  return 0;
}

static int
get (struct run *r, uint64_t at, uint64_t len)
{
  struct host_range range = { { at }, len };

  if (source_get (r->s, range, sink, r, &r->err) == -1)
    return -1;
  return step_until_idle (r);
}

static int
get_all (struct run *r)
{
  uint64_t at = 0, len = 100000;

  while (at < IMAGE || source_busy (r->s) > 0) {
    while (at < IMAGE && source_idle (r->s) > 0) {
      struct host_range range = { { at }, IMAGE - at < len ? IMAGE - at : len };

      if (source_get (r->s, range, sink, r, &r->err) == -1)
        return -1;
      at += range.len;
    }
    if (source_step (r->s, 1000, &r->err) == -1)
      return -1;
  }
  return 0;
}

static void
expect_all (struct run *r)
{
  if (get_all (r) == -1)
    fail_msg ("%s: %s", r->url, r->err.text);
  assert_int_equal (r->sunk, IMAGE);
  assert_memory_equal (r->got, image, IMAGE);
}

static void
expect_error (struct run *r, int result, enum error_code code)
{
  if (result != -1 || r->err.code != code)
    fail_msg ("%s: result %d, code %s, want %s: %s", r->path, result, error_word (r->err.code),
              error_word (code), r->err.text);
}

/* Lines of the log of V that hold the path of R and TEXT. */
static unsigned
logged_at (const struct server *v, const struct run *r, const char *text)
{
  char line[8192], path[300];
  unsigned n = 0;
  FILE *f;

  usleep (50000); /* the server logs after it answered */
  snprintf (path, sizeof path, "\"path\": \"%s\"", r->path);
  f = fopen (v->log, "r");
  while (f != NULL && fgets (line, sizeof line, f) != NULL)
    n += strstr (line, path) != NULL && strstr (line, text) != NULL;
  if (f != NULL)
    fclose (f);
  return n;
}

static unsigned
logged (const struct run *r, const char *text)
{
  return logged_at (&server, r, text);
}

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

/* ---- the answers of faults.md, section 3 ---- */

static const struct {
  const char *lie;
  enum error_code probe, later; /* NONE: all bytes arrive, right */
} lies[] = {
  { "", ERR_NONE, ERR_NONE },
  { "shift,512", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "no-content-range", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "short,20000", ERR_NONE, ERR_NONE },
  { "total,double", ERR_NONE, ERR_SOURCE_CHANGED },
  { "total,star", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "416", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "416,12", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CHANGED },
  { "cut,50000", ERR_NONE, ERR_NONE },
  { "cut,50000+no-length", ERR_NONE, ERR_NONE },
  { "cut,50000+chunked", ERR_NONE, ERR_NONE },
  { "rst,50000", ERR_NONE, ERR_NONE },
  { "no-length", ERR_NONE, ERR_NONE },
  { "chunked", ERR_NONE, ERR_NONE },
  { "long", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "long-chunked", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "multipart", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "encoding,gzip", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "html", ERR_NONE, ERR_SOURCE_CHANGED },
  { "status,204", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "status,203", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "content-range,bytes -5-99999999999999999999/5", ERR_SOURCE_CONTRADICTS,
    ERR_SOURCE_CONTRADICTS },
  { "two-lengths,10", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "redirect,file:%2F%2F%2Fetc%2Fhostname", ERR_SOURCE_FAILED, ERR_SOURCE_FAILED },
  { "redirect,ftp:%2F%2F127.0.0.1%2F", ERR_SOURCE_FAILED, ERR_SOURCE_FAILED },
  { "big-headers,2000000", ERR_RETRY_BUDGET, ERR_RETRY_BUDGET },
  { "status,404", ERR_SOURCE_NOT_FOUND, ERR_SOURCE_NOT_FOUND },
  { "status,410", ERR_SOURCE_NOT_FOUND, ERR_SOURCE_NOT_FOUND },
  { "status,401", ERR_SOURCE_DENIED, ERR_SOURCE_DENIED },
  { "status,403", ERR_SOURCE_DENIED, ERR_SOURCE_DENIED },
  { "status,407", ERR_SOURCE_DENIED, ERR_SOURCE_DENIED },
  { "status,400", ERR_SOURCE_FAILED, ERR_SOURCE_FAILED },
  { "status,500", ERR_RETRY_BUDGET, ERR_RETRY_BUDGET },
  { "etag,\"other\"", ERR_NONE, ERR_SOURCE_CHANGED },
  { "etag,none", ERR_NONE, ERR_SOURCE_CHANGED },
};

/* A path segment may not hold blanks or quotes. */
static void
quoted (char *out, size_t size, const char *lie, const char *when)
{
  char *p = out;

  for (; *lie != '\0' && (size_t)(p - out) + 4 < size; lie++) {
    if (*lie == ' ' || *lie == '"' || *lie == '/')
      p += sprintf (p, "%%%02x", *lie);
    else if (*lie == '+')
      p += sprintf (p, "%s+", when);
    else
      *p++ = *lie;
  }
  snprintf (p, size - (size_t)(p - out), "%s", when);
}

static void
test_no_lie_at_the_probe_is_believed (void **state)
{
  char text[128];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    int result;

    quoted (text, sizeof text, lies[i].lie, "");
    RUN r = run_new (text);
    r->options.retry_time_s = 1;
    result = probe (r);
    if (lies[i].probe != ERR_NONE) {
      expect_error (r, result, lies[i].probe);
      assert_null (strchr (r->err.text, '\n'));
    } else if (result == -1) {
      fail_msg ("%s: %s", lies[i].lie, r->err.text);
    }
  }
}

static void
test_no_lie_in_mid_course_reaches_the_sink (void **state)
{
  char text[128];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    int result;

    quoted (text, sizeof text, lies[i].lie, lies[i].lie[0] == '\0' ? "" : "@3-");
    RUN r = run_new (text);
    r->options.retry_time_s = 1;
    must_probe (r);
    result = get_all (r); /* the sink compares every byte */
    if (lies[i].later != ERR_NONE) {
      expect_error (r, result, lies[i].later);
      assert_true (r->sunk < IMAGE);
    } else if (result == -1) {
      fail_msg ("%s: %s", lies[i].lie, r->err.text);
    } else {
      assert_int_equal (r->sunk, IMAGE);
    }
  }
}

static void
test_200_with_equal_validators_is_asked_for_again_without_if_range (void **state)
{
  RUN r = run_new ("if-range-200");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_true (logged (r, "\"status\": 200") <= 4);
  assert_int_equal (logged (r, "\"if_range\": null"), 1 + 11);
}

static void
test_200_for_ever_names_stream (void **state)
{
  RUN r = run_new ("ignore-range@2-");

  (void)state;
  r->options.retry_time_s = 1;
  must_probe (r);
  expect_error (r, get (r, 5000, 5000), ERR_RETRY_BUDGET);
  assert_non_null (strstr (r->err.text, "--stream"));
  assert_int_equal (r->sunk, 0);
}

static void
test_a_server_that_ignores_ranges_sometimes_loses_nothing (void **state)
{
  RUN r = run_new ("ignore-range@3-5");

  (void)state;
  must_probe (r);
  expect_all (r);
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
  expect_error (r, probe (r), ERR_RETRY_BUDGET);
  assert_in_range (monotonic_ms () - begun, 900, 3000);
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

/* ---- redirects and credentials ---- */

static void
test_a_redirect_is_followed_once_and_pinned (void **state)
{
  RUN r = run_new ("redirect,http:%2F%2F127.0.0.1:%25PORT%25%2Fb%2F%2Fpinned");

  (void)state;
  must_probe (r);
  assert_non_null (strstr (source_final_url (r->s), "/pinned"));
  assert_non_null (strstr (r->events, "redirected: "));
  expect_all (r);
  assert_int_equal (logged (r, "GET"), 1);
}

static void
test_redirects_for_ever_end (void **state)
{
  RUN r = run_new ("redirect,loop");

  (void)state;
  snprintf (r->url, sizeof r->url, "http://127.0.0.1:%d/b/redirect,loop/%u", server.port,
            ++case_number);
  expect_error (r, probe (r), ERR_SOURCE_FAILED);
  assert_non_null (strstr (r->err.text, "redirects"));
}

static void
test_a_pinned_url_that_expires_is_resolved_again (void **state)
{
  RUN r = run_new ("redirect,..%2F..%2Fb%2Fstatus%2C403%402-3%2Fexpiring");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_in_range (logged (r, "\"status\": 302"), 2, 3);
}

static void
write_file (char *path, size_t size, const char *name, const char *text, mode_t mode)
{
  FILE *f;

  snprintf (path, size, "%s/%s", dir, name);
  f = fopen (path, "w");
  fputs (text, f);
  fclose (f);
  chmod (path, mode);
}

static void
test_credentials_reach_the_origin_and_nobody_else (void **state)
{
  RUN r = run_new ("auth,me:secret+need,x-api-key,key1");
  RUN other = run_new ("need,x-api-key,key1+redirect,http:%2F%2Flocalhost:%25PORT%25%2F"
                       "b%2Frefuse-header%2Cx-api-key+refuse-header%2Cauthorization%2Fx");
  char headers[128], user[128];

  (void)state;
  write_file (headers, sizeof headers, "headers", "X-Api-Key: key1\r\n\n", 0600);
  write_file (user, sizeof user, "user", "me:secret\n", 0644);
  r->options.header_file = other->options.header_file = headers;
  r->options.user_file = other->options.user_file = user;
  must_probe (r);
  expect_all (r);
  assert_non_null (strstr (r->events, "warning: "));
  assert_null (strstr (r->events, "secret"));
  must_probe (other); /* 418 if a secret followed the redirect to another host name */
  expect_all (other);
}

static void
test_userinfo_is_used_and_never_shown (void **state)
{
  RUN r = run_new ("auth,me:s3cret");

  (void)state;
  snprintf (r->url, sizeof r->url, "http://me:s3cret@127.0.0.1:%d%s?sig=t0ken", server.port,
            r->path);
  must_probe (r);
  assert_null (strstr (source_url (r->s), "me:s3cret@"));
  assert_null (strstr (source_url (r->s), "t0ken"));
  assert_null (strstr (source_final_url (r->s), "me:s3cret@"));
  assert_null (strstr (source_final_url (r->s), "t0ken"));
}

static void
test_bad_credential_files_are_refused_without_showing_them (void **state)
{
  static const char *const bad[]
      = { "no colon here s3cret\n", "X: a\x01s3cret\n", "Range: bytes=0-1 s3cret\n",
          "Bad Name: s3cret\n", ": s3cret\n" };
  char path[128];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    RUN r = run_new ("");

    write_file (path, sizeof path, "bad", bad[i], 0600);
    r->options.header_file = path;
    expect_error (r, probe (r), ERR_USAGE);
    assert_null (strstr (r->err.text, "s3cret"));
  }
}

/* A server with a certificate of its own making; false where openssl(1) is not there. */
static bool
tls_server_start (struct server *v, char *cert, size_t size)
{
  char key[128], command[700];

  snprintf (cert, size, "%s/cert.pem", dir);
  snprintf (key, sizeof key, "%s/key.pem", dir);
  snprintf (command, sizeof command,
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
            "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout '%s' -out '%s' "
            "2>/dev/null",
            key, cert);
  if (system (command) != 0)
    return false;
  server_start (v, "tls", image_path, cert, key);
  return true;
}

static void
test_certificates_are_checked_and_https_never_falls (void **state)
{
  RUN trusted = run_new ("");
  RUN untrusted = run_new ("");
  RUN other_name = run_new ("");
  RUN falls = run_new ("redirect,http:%2F%2Flocalhost:1%2F");
  RUN insecure = run_new ("");
  struct server v;
  char cert[128];

  (void)state;
  if (!tls_server_start (&v, cert, sizeof cert))
    skip ();
  snprintf (trusted->url, sizeof trusted->url, "https://localhost:%d%s", v.port, trusted->path);
  snprintf (insecure->url, sizeof insecure->url, "%s", trusted->url);
  snprintf (untrusted->url, sizeof untrusted->url, "https://localhost:%d%s", v.port,
            untrusted->path);
  snprintf (other_name->url, sizeof other_name->url, "https://127.0.0.1:%d/x", v.port);
  snprintf (falls->url, sizeof falls->url, "https://localhost:%d%s", v.port, falls->path);
  trusted->options.cacert = other_name->options.cacert = falls->options.cacert = cert;
  insecure->options.insecure = true;
  must_probe (trusted);
  assert_int_equal (strlen (source_tls_fingerprint (trusted->s)), 64);
  expect_all (trusted);
  must_probe (insecure);
  expect_error (untrusted, probe (untrusted), ERR_SOURCE_TLS);
  assert_int_equal (logged_at (&v, untrusted, "GET"), 0);
  expect_error (other_name, probe (other_name), ERR_SOURCE_TLS);
  expect_error (falls, probe (falls), ERR_SOURCE_FAILED);
  assert_non_null (strstr (falls->err.text, "https"));
  server_stop (&v);
}

static void
test_a_handshake_that_breaks_off_passes (void **state)
{
  RUN r = run_new ("");

  (void)state;
  snprintf (r->url, sizeof r->url, "https://127.0.0.1:%d/x", server.port);
  r->options.retry_time_s = 1;
  expect_error (r, probe (r), ERR_RETRY_BUDGET);
}

/* ---- identity over runs ---- */

static void
test_a_recorded_identity_is_held_against_the_first_answer (void **state)
{
  RUN r = run_new ("");
  RUN same = run_new ("");
  RUN changed = run_new ("etag,%22new%22");
  RUN welcome = run_new ("etag,%22new%22");
  RUN grown = run_new ("total,double");

  (void)state;
  must_probe (r);
  assert_int_equal (probe_as (same, &r->found, false), 0);
  expect_error (changed, probe_as (changed, &r->found, false), ERR_SOURCE_CHANGED);
  assert_non_null (strstr (changed->events, "source_changed: "));
  assert_int_equal (probe_as (welcome, &r->found, true), 0);
  assert_string_equal (welcome->found.etag, "\"new\"");
  expect_all (welcome);
  expect_error (grown, probe_as (grown, &r->found, true), ERR_SOURCE_CHANGED);
}

/* ---- streams ---- */

static void
stream_all (struct run *r)
{
  uint8_t buf[7000];
  size_t got, at = 0;

  for (;;) {
    if (source_stream_read (r->s, buf, sizeof buf, &got, &r->err) == -1)
      fail_msg ("%s: %s", r->url, r->err.text);
    if (got == 0)
      break;
    assert_true (at + got <= IMAGE);
    assert_memory_equal (buf, image + at, got);
    at += got;
  }
  assert_int_equal (at, IMAGE);
}

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

/* ---- mirrors ---- */

static void
test_a_mirror_with_the_same_bytes_shares_the_work (void **state)
{
  static const char *const kinds[] = { "", "etag,none" };
  size_t i;

  (void)state;
  for (i = 0; i < 2; i++) {
    RUN r = run_new (kinds[i]);
    RUN m = run_new (kinds[i]);
    const char *mirrors[] = { m->url, NULL };

    r->options.mirrors = mirrors;
    must_probe (r);
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
main (int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_four_connections_fetch_what_is_there),
    cmocka_unit_test (test_metadata_that_is_near_is_one_request),
    cmocka_unit_test (test_many_small_reads_are_all_right),
    cmocka_unit_test (test_no_lie_at_the_probe_is_believed),
    cmocka_unit_test (test_no_lie_in_mid_course_reaches_the_sink),
    cmocka_unit_test (test_200_with_equal_validators_is_asked_for_again_without_if_range),
    cmocka_unit_test (test_200_for_ever_names_stream),
    cmocka_unit_test (test_a_server_that_ignores_ranges_sometimes_loses_nothing),
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
    cmocka_unit_test (test_a_stall_is_cut_and_asked_for_again),
    cmocka_unit_test (test_slow_but_above_the_limit_is_no_stall),
    cmocka_unit_test (test_a_redirect_is_followed_once_and_pinned),
    cmocka_unit_test (test_redirects_for_ever_end),
    cmocka_unit_test (test_a_pinned_url_that_expires_is_resolved_again),
    cmocka_unit_test (test_credentials_reach_the_origin_and_nobody_else),
    cmocka_unit_test (test_userinfo_is_used_and_never_shown),
    cmocka_unit_test (test_bad_credential_files_are_refused_without_showing_them),
    cmocka_unit_test (test_certificates_are_checked_and_https_never_falls),
    cmocka_unit_test (test_a_handshake_that_breaks_off_passes),
    cmocka_unit_test (test_a_recorded_identity_is_held_against_the_first_answer),
    cmocka_unit_test (test_a_server_without_ranges_is_a_stream),
    cmocka_unit_test (test_a_stream_that_reads_differently_again_is_a_change),
    cmocka_unit_test (test_where_ranges_are_honoured_one_may_read_forward_too),
    cmocka_unit_test (test_stop_is_heard_in_every_state),
    cmocka_unit_test (test_wake_ends_a_step),
    cmocka_unit_test (test_cancel_drops_what_is_in_flight),
    cmocka_unit_test (test_the_rate_is_held_over_all_connections),
    cmocka_unit_test (test_a_mirror_with_the_same_bytes_shares_the_work),
    cmocka_unit_test (test_a_mirror_with_other_bytes_is_not_used),
    cmocka_unit_test (test_a_dead_url_is_rescued_by_a_mirror),
    cmocka_unit_test (test_a_file_is_read_by_path_and_by_url),
    cmocka_unit_test (test_a_file_that_is_written_to_is_a_change),
    cmocka_unit_test (test_files_that_are_not_there_or_no_files),
    cmocka_unit_test (test_a_pipe_is_a_stream),
    cmocka_unit_test (test_an_empty_image_has_no_bytes),
  };

  if (argc > 1)
    cmocka_set_test_filter (argv[1]);
  return cmocka_run_group_tests (tests, set_up, tear_down);
}
