/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A server that lies, redirects and asks for credentials; images that change.  What counts is
 * what the sink got, what the request log says, and the words of errors.
 */
#include "source-fixture.h"

/* ---- the answers that libcurl alone lets through ---- */

static const struct {
  const char *lie;
  enum error_code probe, later; /* NONE: all bytes arrive, right */
} lies[] = {
  { "", ERR_NONE, ERR_NONE },
  { "shift,512", ERR_NONE, ERR_SOURCE_CONTRADICTS },
  { "no-content-range", ERR_NONE, ERR_SOURCE_CONTRADICTS },
  { "short,20000", ERR_NONE, ERR_NONE },
  { "total,double", ERR_NONE, ERR_SOURCE_CHANGED },
  { "total,star", ERR_NONE, ERR_SOURCE_CONTRADICTS },
  { "416", ERR_SOURCE_FAILED, ERR_SOURCE_CONTRADICTS },
  { "416,12", ERR_SOURCE_FAILED, ERR_SOURCE_CHANGED },
  { "cut,50000", ERR_NONE, ERR_NONE },
  { "cut,50000+no-length", ERR_NONE, ERR_NONE },
  { "cut,50000+chunked", ERR_NONE, ERR_NONE },
  { "rst,50000", ERR_NONE, ERR_NONE },
  { "no-length", ERR_NONE, ERR_NONE },
  { "chunked", ERR_NONE, ERR_NONE },
  { "long", ERR_NONE, ERR_SOURCE_CONTRADICTS },
  { "long-chunked", ERR_NONE, ERR_NONE },
  { "multipart", ERR_NONE, ERR_SOURCE_CONTRADICTS },
  { "encoding,gzip", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "html", ERR_NONE, ERR_SOURCE_CHANGED },
  { "status,204", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "status,203", ERR_SOURCE_CONTRADICTS, ERR_SOURCE_CONTRADICTS },
  { "content-range,bytes -5-99999999999999999999/5", ERR_NONE, ERR_SOURCE_CONTRADICTS },
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
    } else if (result == 0) {
      assert_int_equal (r->sunk, IMAGE);
    } else if (strcmp (lies[i].lie, "long-chunked") != 0) {
      /* of that one every part is right, and which connection is the fifth in a row to say too
       * much before all of it is there, is chance */
      fail_msg ("%s: %s", lies[i].lie, r->err.text);
    }
  }
}

/* Asked again, on another connection, four times. */
static void
test_one_lie_is_not_the_end (void **state)
{
  static const char *const some[] = { "shift,512",
                                      "no-content-range",
                                      "content-range,garbage",
                                      "total,star",
                                      "416",
                                      "multipart",
                                      "encoding,gzip",
                                      "status,203",
                                      "status,204",
                                      "length,10",
                                      "two-lengths,10",
                                      "etag,\"b\"",
                                      "total,double",
                                      "html" };
  char text[128];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof some / sizeof some[0]; i++) {
    quoted (text, sizeof text, some[i], "@4-5");
    RUN r = run_new (text);
    must_probe (r);
    r->options.connections = 1;
    expect_all (r);
  }
}

static void
test_the_fifth_lie_in_a_row_is (void **state)
{
  RUN four = run_new ("no-content-range@2-5");
  RUN five = run_new ("no-content-range@2-6");

  (void)state;
  must_probe (four);
  assert_int_equal (get (four, 0, 65536), 0);
  assert_int_equal (logged (four, "GET"), 6);
  must_probe (five);
  expect_error (five, get (five, 0, 65536), ERR_SOURCE_CONTRADICTS);
  assert_non_null (strstr (five->err.text, "5 times"));
  assert_int_equal (logged (five, "GET"), 6);
}

/* It proves nothing more than none, and is no reason to end. */
static void
test_a_tag_that_is_another_each_time_is_not_looked_at (void **state)
{
  RUN r = run_new ("etag,random");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_non_null (strstr (r->events, "another at each answer"));
  RUN again = run_new ("etag,random");
  assert_int_equal (probe_as (again, &r->found, false), 0);
  assert_false (again->found.proven);
  assert_string_equal (again->found.etag, "");
}

static void
test_a_tag_that_becomes_weak_is_no_change_and_no_proof (void **state)
{
  RUN r = run_new ("etag,%22x%22@1-3+etag,W%2f%22x%22@4-");
  RUN same = run_new ("etag,%22x%22");
  RUN weak = run_new ("etag,W%2f%22x%22");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_int_equal (probe_as (same, &r->found, false), 0);
  assert_true (same->found.proven);
  assert_int_equal (probe_as (weak, &r->found, false), 0);
  assert_false (weak->found.proven);
}

/* The answer ends within its headers, after any of their bytes, or just behind them. */
static void
test_headers_may_end_at_any_byte (void **state)
{
  unsigned n, headers = 0;

  (void)state;
  for (n = 1; n < 500; n++) {
    char cut[32];

    snprintf (cut, sizeof cut, "cut-headers,%u", n);
    RUN r = run_new (cut);
    r->options.retry_time_s = 0;
    expect_error (r, probe (r), ERR_RETRY_BUDGET);
    headers += source_fetched (r->s) == 0;
    assert_int_equal (r->head_len, 0);
  }
  assert_true (headers > 200 && headers < 499);
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
  RUN r = run_new ("redirect,..%2F..%2Fb%2Fstatus%2C403%402%2Fexpiring");

  (void)state;
  must_probe (r);
  expect_all (r);
  assert_int_equal (logged (r, "\"status\": 302"), 2);
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
  r->options.login.header_file = other->options.login.header_file = headers;
  r->options.login.user_file = other->options.login.user_file = user;
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
    r->options.login.header_file = path;
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
  trusted->options.tls.cacert = other_name->options.tls.cacert = falls->options.tls.cacert
      = cert;
  insecure->options.tls.insecure = true;
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

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_no_lie_at_the_probe_is_believed),
    cmocka_unit_test (test_no_lie_in_mid_course_reaches_the_sink),
    cmocka_unit_test (test_one_lie_is_not_the_end),
    cmocka_unit_test (test_the_fifth_lie_in_a_row_is),
    cmocka_unit_test (test_a_tag_that_is_another_each_time_is_not_looked_at),
    cmocka_unit_test (test_a_tag_that_becomes_weak_is_no_change_and_no_proof),
    cmocka_unit_test (test_headers_may_end_at_any_byte),
    cmocka_unit_test (test_200_with_equal_validators_is_asked_for_again_without_if_range),
    cmocka_unit_test (test_200_for_ever_names_stream),
    cmocka_unit_test (test_a_server_that_ignores_ranges_sometimes_loses_nothing),
    cmocka_unit_test (test_a_redirect_is_followed_once_and_pinned),
    cmocka_unit_test (test_redirects_for_ever_end),
    cmocka_unit_test (test_a_pinned_url_that_expires_is_resolved_again),
    cmocka_unit_test (test_credentials_reach_the_origin_and_nobody_else),
    cmocka_unit_test (test_userinfo_is_used_and_never_shown),
    cmocka_unit_test (test_bad_credential_files_are_refused_without_showing_them),
    cmocka_unit_test (test_certificates_are_checked_and_https_never_falls),
    cmocka_unit_test (test_a_handshake_that_breaks_off_passes),
    cmocka_unit_test (test_a_recorded_identity_is_held_against_the_first_answer),
  };

  return cmocka_run_group_tests (tests, set_up, tear_down);
}
