/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * URLs: which parts are secrets, and which URLs mean the same by the mark of what is not
 * stored; and that escaped text comes back as it was.
 */
#include "base/text.h"
#include "base/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static void
userinfo_and_queries_are_secrets_and_nothing_else_is (void **state)
{
  static const char *const with[]
      = { "http://u:p@h/x", "http://u@h/", "https://h/x?y", "http://h?y", "ftp://h/x?y#z" };
  static const char *const without[] = { "http://h/x",  "http://h/x#y?z", "/a/b?c", "a@b?c",
                                         "file:///a?b", "http://h/u@x",   "-",      "" };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof with / sizeof *with; i++)
    assert_true (url_has_secret (with[i]));
  for (i = 0; i < sizeof without / sizeof *without; i++)
    assert_false (url_has_secret (without[i]));
}

static bool
mean_the_same (const char *a, const char *b)
{
  char mark[URL_MARK_SIZE];

  url_mark (mark, a);
  assert_true (url_mark_fits (mark, a));
  return url_mark_fits (mark, b);
}

static void
a_renewed_credential_means_the_same (void **state)
{
  static const char *const same[][2] = {
    { "http://h/x?X-Amz-Date=1&X-Amz-Signature=2",
      "http://h/x?X-Amz-Signature=4&X-Amz-Date=3" },
    { "http://h/x?v=1&X-Amz-Signature=2", "http://h/x?v=1&x-amz-signature=3" },
    { "http://h/x?Expires=1&Signature=2&Key-Pair-Id=3", "http://h/x?Expires=4" },
    { "http://h/x?sv=1&se=2&sr=b&sig=3", "http://h/x?sv=2&sig=4&sp=r" },
    { "http://u:p@h/x", "http://u:q@h/x" },
    { "http://h/x?token=1", "http://h/x" },
    { "http://h/x?a=1#one", "http://h/x?a=1#two" },
    { "http://h/x?&a=1&", "http://h/x?a=1" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof same / sizeof *same; i++)
    assert_true (mean_the_same (same[i][0], same[i][1]));
}

static void
what_may_select_an_image_means_another (void **state)
{
  static const char *const other[][2] = {
    { "http://h/x?a=1", "http://h/x?a=2" },
    { "http://h/x?a=1", "http://h/x" },
    { "http://h/x", "http://h/x?a=1" },
    { "http://h/x?key=a.qcow2", "http://h/x?key=b.qcow2" },
    { "http://h/x?a=1&b=2", "http://h/x?b=2&a=1" },
    { "http://h/x?a=1&b=2", "http://h/x?a=1b=2" },
    { "http://h/x?sv=1", "http://h/x?sv=2" }, /* no signature beside it */
    { "http://h/x?versionId=1&X-Amz-Signature=2", "http://h/x?versionId=2&X-Amz-Signature=2" },
    { "http://u:p@h/x", "http://v:p@h/x" },
    { "http://u@h/x?a", "http://h/x?u@a" },
    { "http://h/x?signatures=1", "http://h/x?signatures=2" },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof other / sizeof *other; i++)
    assert_false (mean_the_same (other[i][0], other[i][1]));
}

static void
a_mark_is_salted_and_has_nothing_of_the_url (void **state)
{
  char one[URL_MARK_SIZE], other[URL_MARK_SIZE];

  (void)state;
  url_mark (one, "http://h/x?pin=1234");
  url_mark (other, "http://h/x?pin=1234");
  assert_string_not_equal (one, other);
  assert_null (strstr (one, "pin"));
  assert_int_equal (strlen (one), URL_MARK_SIZE - 1);
  assert_string_equal (url_mark (one, "http://h/x?X-Amz-Signature=1"), "-");
  assert_false (url_mark_fits ("", "http://h/x"));
  assert_false (url_mark_fits ("0123456789abcdef:0123456789abcdeX", "http://h/x?a"));
}

static void
escaped_text_comes_back (void **state)
{
  static const char in[] = "a\\b\\x41 \xc3\xa9 \xff\x01\x7f\\";
  char text[4 * sizeof in + 8];

  (void)state;
  escape_text (text, sizeof text, in, strlen (in));
  assert_true (text_is_printable (text));
  assert_string_equal (unescape_text (text), in);
  snprintf (text, sizeof text, "C:\\dir\\x0\\x00\\xzz\\");
  assert_string_equal (unescape_text (text), "C:\\dir\\x0\\x00\\xzz\\");
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (userinfo_and_queries_are_secrets_and_nothing_else_is),
    cmocka_unit_test (a_renewed_credential_means_the_same),
    cmocka_unit_test (what_may_select_an_image_means_another),
    cmocka_unit_test (a_mark_is_salted_and_has_nothing_of_the_url),
    cmocka_unit_test (escaped_text_comes_back),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
