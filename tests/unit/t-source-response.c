/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The verdict on every kind of answer, and the arithmetic of trying again.  No network.
 */
#include "source/rate.h"
#include "source/response.h"
#include "source/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* last: it makes a macro of fail */
#include <cmocka.h>

static const struct source_identity known = { .length = 1000,
                                              .etag = "\"a\"",
                                              .last_modified = "Sat, 03 Feb 2024 04:05:06 GMT",
                                              .trust = SOURCE_TRUST_STRONG,
                                              .ranges = true };

#define CR(text) .content_range = text
#define CL(text) .content_length = text
#define CE(text) .content_encoding = text
#define CT(text) .content_type = text
#define TAG .etag = "\"a\""

static const struct {
  const char *name;
  struct response r;
  bool if_range, probe;
  enum response_verdict want;
  uint64_t len;
} answers[] = {
  { "as asked",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_PART,
    100 },
  { "without a length",
    { .status = 206, CR ("bytes 100-199/1000"), TAG },
    1,
    0,
    RESPONSE_PART,
    100 },
  { "shorter, honestly",
    { .status = 206, CR ("bytes 100-149/1000"), CL ("50"), TAG },
    1,
    0,
    RESPONSE_PART,
    50 },
  { "shifted",
    { .status = 206, CR ("bytes 512-611/1000"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "begins earlier",
    { .status = 206, CR ("bytes 0-199/1000"), CL ("200"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "ends later",
    { .status = 206, CR ("bytes 100-200/1000"), CL ("101"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "no Content-Range", { .status = 206, CL ("100"), TAG }, 1, 0, RESPONSE_WRONG, 0 },
  { "garbage range",
    { .status = 206, CR ("bytes -5-99999999999999999999/5"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "total unknown",
    { .status = 206, CR ("bytes 100-199/*"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "total another",
    { .status = 206, CR ("bytes 100-199/2000"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_CHANGED,
    0 },
  { "length another",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("200"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "length garbage",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("1e2"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "two lengths",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), TAG, .copies_differ = true },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "gzip",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), CE ("gzip"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "identity",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), CE ("identity"), TAG },
    1,
    0,
    RESPONSE_PART,
    100 },
  { "multipart",
    { .status = 206,
      CR ("bytes 100-199/1000"),
      CL ("100"),
      CT ("multipart/byteranges; boundary=X"),
      TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "tag another",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), .etag = "\"b\"" },
    1,
    0,
    RESPONSE_CHANGED,
    0 },
  { "tag weak now",
    { .status = 206, CR ("bytes 100-199/1000"), CL ("100"), .etag = "W/\"a\"" },
    1,
    0,
    RESPONSE_PART,
    100 },
  { "tag gone", { .status = 206, CR ("bytes 100-199/1000") }, 1, 0, RESPONSE_CHANGED, 0 },
  { "date another, tag strong",
    { .status = 206,
      CR ("bytes 100-199/1000"),
      CL ("100"),
      TAG,
      .last_modified = "Sun, 04 Feb 2024 04:05:06 GMT" },
    1,
    0,
    RESPONSE_PART,
    100 },
  { "200, equal", { .status = 200, CL ("1000"), TAG }, 1, 0, RESPONSE_NO_RANGE, 0 },
  { "200, tag another",
    { .status = 200, CL ("1000"), .etag = "\"b\"" },
    1,
    0,
    RESPONSE_CHANGED,
    0 },
  { "200, length another", { .status = 200, CL ("27"), TAG }, 1, 0, RESPONSE_CHANGED, 0 },
  { "200 at the probe", { .status = 200, CL ("1000"), TAG }, 0, 1, RESPONSE_WHOLE, 1000 },
  { "200 gzip at the probe",
    { .status = 200, CL ("1000"), CE ("gzip"), TAG },
    0,
    1,
    RESPONSE_WRONG,
    0 },
  { "203",
    { .status = 203, CR ("bytes 100-199/1000"), CL ("100"), TAG },
    1,
    0,
    RESPONSE_WRONG,
    0 },
  { "204", { .status = 204 }, 1, 0, RESPONSE_WRONG, 0 },
  { "416, same total", { .status = 416, CR ("bytes */1000") }, 1, 0, RESPONSE_WRONG, 0 },
  { "416, other total", { .status = 416, CR ("bytes */10") }, 1, 0, RESPONSE_CHANGED, 0 },
  { "416 without range", { .status = 416 }, 1, 0, RESPONSE_WRONG, 0 },
  { "304", { .status = 304 }, 1, 0, RESPONSE_WRONG, 0 },
  { "302", { .status = 302 }, 1, 0, RESPONSE_REDIRECT, 0 },
  { "308", { .status = 308 }, 1, 0, RESPONSE_REDIRECT, 0 },
  { "401", { .status = 401 }, 1, 0, RESPONSE_DENIED, 0 },
  { "403", { .status = 403 }, 1, 0, RESPONSE_DENIED, 0 },
  { "407", { .status = 407 }, 1, 0, RESPONSE_DENIED, 0 },
  { "404", { .status = 404 }, 1, 0, RESPONSE_NOT_FOUND, 0 },
  { "410", { .status = 410 }, 1, 0, RESPONSE_NOT_FOUND, 0 },
  { "400", { .status = 400 }, 1, 0, RESPONSE_FAILED, 0 },
  { "451", { .status = 451 }, 1, 0, RESPONSE_FAILED, 0 },
  { "408", { .status = 408 }, 1, 0, RESPONSE_PASSING, 0 },
  { "425", { .status = 425 }, 1, 0, RESPONSE_PASSING, 0 },
  { "429", { .status = 429 }, 1, 0, RESPONSE_PASSING, 0 },
  { "500", { .status = 500 }, 1, 0, RESPONSE_PASSING, 0 },
  { "599", { .status = 599 }, 1, 0, RESPONSE_PASSING, 0 },
  { "600", { .status = 600 }, 1, 0, RESPONSE_WRONG, 0 },
  { "0", { .status = 0 }, 1, 0, RESPONSE_WRONG, 0 },
};

static void
test_every_answer_gets_its_verdict (void **state)
{
  size_t i;

  (void)state;
  for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    struct request q = { .ranged = true,
                         .from = 100,
                         .len = 100,
                         .if_range = answers[i].if_range,
                         .whole_welcome = answers[i].probe,
                         .known = &known };
    struct judgement j;

    response_check (&answers[i].r, &q, &j);
    if (j.verdict != answers[i].want)
      fail_msg ("%s: verdict %d, want %d (%s)", answers[i].name, j.verdict, answers[i].want,
                j.why);
    if (j.verdict == RESPONSE_PART || j.verdict == RESPONSE_WHOLE) {
      assert_int_equal (j.len, answers[i].len);
      assert_int_equal (j.total, 1000);
    } else {
      assert_true (j.why[0] != '\0');
    }
  }
}

static void
test_an_empty_image_is_told_from_a_contradiction (void **state)
{
  struct request q = { .ranged = true, .from = 0, .len = 100, .whole_welcome = true };
  struct response r = { .status = 416, CR ("bytes */0") };
  struct judgement j;

  (void)state;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_EMPTY);
  assert_int_equal (j.total, 0);
  r.content_range = "bytes */5";
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_WRONG);
  q.known = &known;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_CHANGED);
}

static void
test_the_whole_is_a_fine_answer_when_all_was_asked_for (void **state)
{
  struct request q = { .ranged = true, .from = 0, .len = 1000, .known = &known };
  struct response r = { .status = 200, CL ("1000"), TAG };
  struct judgement j;

  (void)state;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_PART);
  assert_int_equal (j.len, 1000);
  q.len = 999;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_NO_RANGE);
}

static void
test_weak_validators_are_compared (void **state)
{
  struct source_identity weak = { .length = 1000,
                                  .etag = "W/\"a\"",
                                  .last_modified = "Sat, 03 Feb 2024 04:05:06 GMT",
                                  .trust = SOURCE_TRUST_WEAK };
  struct request q = { .ranged = true, .from = 0, .len = 10, .known = &weak };
  struct response r = { .status = 206, CR ("bytes 0-9/1000"), CL ("10"), .etag = "W/\"a\"" };
  struct judgement j;

  (void)state;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_PART);
  r.last_modified = "Sat, 03 Feb 2024 04:05:07 GMT";
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_CHANGED);
  r.last_modified = weak.last_modified;
  r.etag = "W/\"b\"";
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_CHANGED);
  weak.etag[0] = '\0';
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_PART);
}

static void
test_before_now_and_what_follows (void **state)
{
  static const char old[] = "Sat, 03 Feb 2024 04:05:06 GMT";
  static const char new[] = "Sun, 04 Feb 2024 04:05:06 GMT";
  static const struct {
    const char *had, *date;
    enum source_trust trust;
    const char *has, *has_date;
    enum sameness want;
    bool only_tag;
  } rows[] = {
    { "\"x\"", "", SOURCE_TRUST_STRONG, "\"x\"", "", SAMENESS_PROVEN, false },
    { "\"x\"", old, SOURCE_TRUST_STRONG, "\"x\"", new, SAMENESS_PROVEN, false },
    { "\"x\"", "", SOURCE_TRUST_STRONG, "W/\"x\"", "", SAMENESS_UNKNOWN, false },
    { "\"x\"", old, SOURCE_TRUST_STRONG, "W/\"x\"", new, SAMENESS_NONE, false },
    { "\"x\"", "", SOURCE_TRUST_STRONG, "\"y\"", "", SAMENESS_NONE, true },
    { "\"x\"", old, SOURCE_TRUST_STRONG, "\"y\"", old, SAMENESS_NONE, true },
    { "\"x\"", old, SOURCE_TRUST_STRONG, "\"y\"", new, SAMENESS_NONE, false },
    { "\"x\"", "", SOURCE_TRUST_STRONG, "", "", SAMENESS_NONE, false },
    { "W/\"x\"", "", SOURCE_TRUST_WEAK, "W/\"x\"", "", SAMENESS_UNKNOWN, false },
    { "W/\"x\"", "", SOURCE_TRUST_WEAK, "\"x\"", "", SAMENESS_UNKNOWN, false },
    { "W/\"x\"", old, SOURCE_TRUST_WEAK, "W/\"x\"", "", SAMENESS_UNKNOWN, false },
    { "W/\"x\"", "", SOURCE_TRUST_WEAK, "W/\"y\"", "", SAMENESS_NONE, true },
    { "", "", SOURCE_TRUST_LENGTH, "\"x\"", new, SAMENESS_UNKNOWN, false },
    { "", "", SOURCE_TRUST_LENGTH, "", "", SAMENESS_UNKNOWN, false },
    { "", old, SOURCE_TRUST_STRONG, "", old, SAMENESS_PROVEN, false },
    { "", old, SOURCE_TRUST_WEAK, "", old, SAMENESS_UNKNOWN, false },
    { "", old, SOURCE_TRUST_STRONG, "", "", SAMENESS_NONE, false },
    { "", old, SOURCE_TRUST_WEAK, "", "", SAMENESS_NONE, false },
    { "", old, SOURCE_TRUST_STRONG, "", new, SAMENESS_NONE, false },
    { "", old, SOURCE_TRUST_STRONG, "\"x\"", old, SAMENESS_PROVEN, false },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct source_identity before = { .length = 1000, .trust = rows[i].trust };
    bool only_tag;

    strcpy (before.etag, rows[i].had);
    strcpy (before.last_modified, rows[i].date);
    if (response_compare (&before, rows[i].has, rows[i].has_date, &only_tag) != rows[i].want
        || only_tag != rows[i].only_tag)
      fail_msg ("row %zu: %s %s, now %s %s", i, rows[i].had, rows[i].date, rows[i].has,
                rows[i].has_date);
  }
}

/* RFC 9110 15.3.7: what answers an If-Range may leave the date out, and nothing else may. */
static void
test_a_date_that_vanishes_is_asked_for (void **state)
{
  struct source_identity dated = { .length = 1000,
                                   .last_modified = "Sat, 03 Feb 2024 04:05:06 GMT",
                                   .trust = SOURCE_TRUST_STRONG };
  struct request q
      = { .ranged = true, .from = 0, .len = 10, .if_range = true, .known = &dated };
  struct response r = { .status = 206, CR ("bytes 0-9/1000"), CL ("10") };
  struct judgement j;

  (void)state;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_NO_RANGE);
  q.if_range = false;
  response_check (&r, &q, &j);
  assert_int_equal (j.verdict, RESPONSE_CHANGED);
  assert_non_null (strstr (j.why, "gone"));
}

static void
test_only_codings_that_encode_are_refused (void **state)
{
  static const char *const some[] = { "gzip", "GZip", " x-gzip",          "aws-chunked, gzip",
                                      "br",   "zstd", "deflate,identity", "compress ; q=1" };
  static const char *const none[]
      = { "",       "identity", "IDENTITY",          "aws-chunked", "utf-8",
          "binary", "none",     "aws-chunked,utf-8", "gzipped",     "," };
  struct request q = { .ranged = true, .from = 0, .len = 10, .known = &known };
  struct response r = { .status = 206, CR ("bytes 0-9/1000"), CL ("10"), TAG };
  struct judgement j;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof some / sizeof some[0]; i++) {
    r.content_encoding = some[i];
    response_check (&r, &q, &j);
    if (j.verdict != RESPONSE_WRONG)
      fail_msg ("taken: \"%s\"", some[i]);
  }
  for (i = 0; i < sizeof none / sizeof none[0]; i++) {
    r.content_encoding = none[i];
    response_check (&r, &q, &j);
    if (j.verdict != RESPONSE_PART)
      fail_msg ("refused: \"%s\": %s", none[i], j.why);
  }
}

static void
test_content_range_is_read_exactly (void **state)
{
  static const char *const bad[] = { "",
                                     "bytes",
                                     "bytes ",
                                     "bytes 0",
                                     "bytes 0-",
                                     "bytes 0-9",
                                     "bytes 0-9/",
                                     "bytes 9-0/10",
                                     "bytes 0-10/10",
                                     "bytes 0-9/10 x",
                                     "bytes -1-9/10",
                                     "bytes +0-9/10",
                                     "bytes 0x0-9/10",
                                     "octets 0-9/10",
                                     "bytes=0-9/10",
                                     "bytes 0-9/-10",
                                     "bytes */*",
                                     "bytes 0 - 9/10",
                                     "bytes 0-18446744073709551616/*",
                                     "bytes 0-9/18446744073709551616",
                                     "bytes 0-18446744073709551615/*",
                                     "bytes 0-9/9223372036854775808",
                                     "bytes 0-9223372036854775807/*",
                                     "bytes 0-9/10,11" };
  struct content_range c;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (content_range_parse (bad[i], &c) == 0)
      fail_msg ("accepted: \"%s\"", bad[i]);
  }
  assert_int_equal (content_range_parse (" Bytes \t0-9/10 ", &c), 0);
  assert_true (c.has_range && c.first == 0 && c.last == 9 && c.total == 10);
  assert_int_equal (content_range_parse ("bytes 5-9/*", &c), 0);
  assert_true (c.has_range && c.first == 5 && c.total == LENGTH_UNKNOWN);
  assert_int_equal (content_range_parse ("bytes */0", &c), 0);
  assert_true (!c.has_range && c.total == 0);
  assert_int_equal (content_range_parse ("bytes 0-9223372036854775806/9223372036854775807", &c),
                    0);
}

static void
test_trust_needs_a_strong_tag_or_an_old_date (void **state)
{
  const char *then = "Sun, 06 Nov 1994 08:49:37 GMT", *later = "Sun, 06 Nov 1994 08:50:37 GMT",
             *soon = "Sun, 06 Nov 1994 08:50:36 GMT";

  (void)state;
  assert_int_equal (response_trust ("\"a\"", NULL, NULL), SOURCE_TRUST_STRONG);
  assert_int_equal (response_trust ("W/\"a\"", then, later), SOURCE_TRUST_WEAK);
  assert_int_equal (response_trust ("a", NULL, NULL), SOURCE_TRUST_WEAK);
  assert_int_equal (response_trust (NULL, then, later), SOURCE_TRUST_STRONG);
  assert_int_equal (response_trust (NULL, then, soon), SOURCE_TRUST_WEAK);
  assert_int_equal (response_trust (NULL, then, NULL), SOURCE_TRUST_WEAK);
  assert_int_equal (response_trust (NULL, "yesterday", later), SOURCE_TRUST_WEAK);
  assert_int_equal (response_trust (NULL, NULL, later), SOURCE_TRUST_LENGTH);
  assert_int_equal (response_trust ("", "", later), SOURCE_TRUST_LENGTH);
}

static void
test_retry_after_is_seconds_or_a_date (void **state)
{
  const char *then = "Sun, 06 Nov 1994 08:49:37 GMT", *later = "Sun, 06 Nov 1994 08:50:37 GMT";

  (void)state;
  assert_int_equal (retry_after_parse ("5", NULL), 5);
  assert_int_equal (retry_after_parse ("1000000000000", NULL), INT32_MAX);
  assert_int_equal (retry_after_parse ("99999999999999999999999", NULL), INT32_MAX);
  assert_int_equal (retry_after_parse (later, then), 60);
  assert_int_equal (retry_after_parse (then, later), 0);
  assert_int_equal (retry_after_parse (later, NULL), 0);
  assert_int_equal (retry_after_parse ("soon", then), 0);
  assert_int_equal (retry_after_parse ("-5", then), 0);
  assert_int_equal (retry_after_parse ("", then), 0);
}

static void
test_backoff_doubles_with_jitter_up_to_its_cap (void **state)
{
  unsigned tries;
  uint32_t random;

  (void)state;
  for (tries = 0; tries < 40; tries++) {
    int64_t most = tries < 8 ? 200 << tries : 30000;

    most = most > 30000 ? 30000 : most;
    for (random = 0; random < 100000; random += 997) {
      int64_t ms = retry_backoff_ms (tries, random);

      assert_true (ms >= most / 2 && ms <= most);
    }
  }
  assert_true (retry_backoff_ms (3, 1) != retry_backoff_ms (3, 500));
}

static void
test_the_budget_is_time_without_a_new_byte (void **state)
{
  struct retry_budget b;
  int64_t wait;

  (void)state;
  retry_budget_init (&b, 10, 0);
  assert_true (retry_budget_allows (&b, 1000, 500, 200, 0, &wait));
  assert_int_equal (wait, 200);
  assert_true (retry_budget_allows (&b, 9000, 8000, 5000, 0, &wait));
  assert_int_equal (wait, 1500); /* one last try when it ends */
  assert_false (retry_budget_allows (&b, 10500, 10400, 200, 0, &wait));
  retry_budget_progress (&b, 10500);
  assert_true (retry_budget_allows (&b, 20000, 10400, 200, 0, &wait));
  assert_false (retry_budget_allows (&b, 20500, 10400, 200, 0, &wait));
  /* idle for an hour, then a failure: the hour does not count */
  retry_budget_progress (&b, 30000);
  assert_true (retry_budget_allows (&b, 3630000, 3629000, 200, 0, &wait));
}

static void
test_retry_after_is_honoured_within_the_budget (void **state)
{
  struct retry_budget b;
  int64_t wait;

  (void)state;
  retry_budget_init (&b, 10, 0);
  assert_true (retry_budget_allows (&b, 0, 0, 200, 5, &wait));
  assert_int_equal (wait, 5000);
  assert_false (retry_budget_allows (&b, 6000, 6000, 200, 5, &wait));
  retry_budget_init (&b, 1000, 0);
  assert_true (retry_budget_allows (&b, 0, 0, 200, UINT32_MAX, &wait));
  assert_int_equal (wait, 300000);
  retry_budget_init (&b, 0, 0);
  assert_false (retry_budget_allows (&b, 0, 0, 0, 0, &wait));
}

static void
test_the_rate_holds_over_time (void **state)
{
  struct rate r;
  int64_t now = 0;
  uint64_t taken = 0;

  (void)state;
  rate_init (&r, 1000000, now);
  while (now < 20000) {
    int64_t wait = rate_wait_ms (&r, now);

    if (wait > 0) {
      now += wait;
      continue;
    }
    rate_take (&r, 16384);
    taken += 16384;
  }
  assert_in_range (taken, 19800000, 20200000);
  rate_init (&r, 0, 0);
  rate_take (&r, 1 << 30);
  assert_int_equal (rate_wait_ms (&r, 0), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_every_answer_gets_its_verdict),
    cmocka_unit_test (test_an_empty_image_is_told_from_a_contradiction),
    cmocka_unit_test (test_the_whole_is_a_fine_answer_when_all_was_asked_for),
    cmocka_unit_test (test_weak_validators_are_compared),
    cmocka_unit_test (test_before_now_and_what_follows),
    cmocka_unit_test (test_a_date_that_vanishes_is_asked_for),
    cmocka_unit_test (test_only_codings_that_encode_are_refused),
    cmocka_unit_test (test_content_range_is_read_exactly),
    cmocka_unit_test (test_trust_needs_a_strong_tag_or_an_old_date),
    cmocka_unit_test (test_retry_after_is_seconds_or_a_date),
    cmocka_unit_test (test_backoff_doubles_with_jitter_up_to_its_cap),
    cmocka_unit_test (test_the_budget_is_time_without_a_new_byte),
    cmocka_unit_test (test_retry_after_is_honoured_within_the_budget),
    cmocka_unit_test (test_the_rate_holds_over_time),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
