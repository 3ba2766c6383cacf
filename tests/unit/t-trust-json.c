/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * trust/json_reader: takes what RFC 8259 calls JSON, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "trust/json_reader.h"

/* The tokens of TEXT, a letter each; those of keys and strings with their text behind. */
static void
tokens (const char *text, size_t len, char *out, size_t size)
{
  static const char letters[] = "{}[]ks.$!";
  struct json_reader r;
  enum json_token token;
  size_t n = 0;

  json_begin (&r, (struct span){ text, len });
  do {
    token = json_next (&r);
    n += (size_t)snprintf (out + n, size - n, "%c%s", letters[token],
                           token == JSON_KEY || token == JSON_STRING ? r.text : "");
    assert_true (n < size);
  } while (token != JSON_END && token != JSON_BAD);
}

static void
expect (const char *text, const char *want)
{
  char got[256];

  tokens (text, strlen (text), got, sizeof got);
  assert_string_equal (got, want);
}

static void
documents_come_in_tokens (void **state)
{
  (void)state;
  expect ("{}", "{}$");
  expect (" [ ] \n", "[]$");
  expect ("{\"a\": [1, -2.5e+3, true, null], \"b\":{\"c\":\"d\"}}", "{ka[....]kb{kcsd}}$");
  expect ("[\"\\u00fc\\\"\\/\\ud83d\\ude00\"]", "[s\303\274\"/\360\237\230\200]$");
  expect ("0", ".$");
}

static void
what_is_no_json_is_told (void **state)
{
  static const char *const bad[]
      = { "",      "{",    "[1,]",      "{\"a\"}", "{\"a\":}",      "{\"a\":1,}",
          "[1 2]", "[01]", "[1.]",      "[+1]",    "[.5]",          "[1e]",
          "{]",    "[}",   "]",         "{} {}",   "[\"\\x\"]",     "[\"\\u12\"]",
          "[nul]", "[\"a", "[\"\t\"]",  "{1:2}",   "[\"\\ud800\"]", "[\"\\udc00\"]",
          "{,}",   "[,1]", "{\"a\" 1}", "\\",      "[\"\\\"]" };
  char got[256];
  size_t i;

  (void)state;
  for (i = 0; i < sizeof bad / sizeof *bad; i++) {
    tokens (bad[i], strlen (bad[i]), got, sizeof got);
    if (got[strlen (got) - 1] != '!')
      fail_msg ("%s: %s", bad[i], got);
  }
}

static void
it_goes_no_deeper_than_it_says (void **state)
{
  char text[2 * JSON_DEPTH + 3], got[256];

  (void)state;
  memset (text, '[', JSON_DEPTH);
  memset (text + JSON_DEPTH, ']', JSON_DEPTH);
  tokens (text, 2 * JSON_DEPTH, got, sizeof got);
  assert_int_equal (got[2 * JSON_DEPTH], '$');
  memset (text, '[', JSON_DEPTH + 1);
  tokens (text, JSON_DEPTH + 1, got, sizeof got);
  assert_string_equal (got + JSON_DEPTH, "!");
}

static void
a_string_that_is_too_long_reads_as_none (void **state)
{
  char text[JSON_TEXT + 4], got[JSON_TEXT + 16];

  (void)state;
  memset (text, 'a', sizeof text);
  memcpy (text, "[\"", 2);
  memcpy (text + 2 + JSON_TEXT - 1, "\"]", 2);
  tokens (text, JSON_TEXT + 3, got, sizeof got);
  assert_int_equal (strlen (got), JSON_TEXT - 1 + 4);
  text[2 + JSON_TEXT - 1] = 'a';
  memcpy (text + 2 + JSON_TEXT, "\"]", 2);
  tokens (text, JSON_TEXT + 4, got, sizeof got);
  assert_string_equal (got, "[s]$");
  expect ("[\"a\\u0000b\"]", "[s]$");
}

int
main (void)
{
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test (documents_come_in_tokens),
    cmocka_unit_test (what_is_no_json_is_told),
    cmocka_unit_test (it_goes_no_deeper_than_it_says),
    cmocka_unit_test (a_string_that_is_too_long_reads_as_none),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
