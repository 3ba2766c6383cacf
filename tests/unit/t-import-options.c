/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the journal remembers of options: every value that is no secret comes back as it was
 * given, and nothing that is one is written.
 */
#include "import/options_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* A value that ROW takes, and is not its default. */
static const char *
some_value (const struct option_row *row)
{
  switch (row->type) {
  case TYPE_SWITCH:
    return NULL;
  case TYPE_COUNT:
  case TYPE_SIZE:
  case TYPE_SECONDS:
  case TYPE_MS:
    return row->type == TYPE_SIZE ? "77M" : "33";
  case TYPE_TEXT:
    return "C:\\x41 \xc3\xa9\xff";
  case TYPE_URL:
    return "http://h/a\\b";
  case TYPE_FILE:
    return "/a\\x41\xff b";
  case TYPE_CHECKSUM:
    return "sha512:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
           "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
  case TYPE_SHA256:
    return "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
  case TYPE_LIST:
    return "http://h/a\\x41";
  case TYPE_WORD:
    return strrchr (row->info.argument, '|') + 1;
  case TYPE_CHOICE:
    return strcmp (row->info.fallback, "on") == 0 ? "off"
                                                  : strchr (row->info.argument, '|') + 1;
  }
  return NULL;
}

static void
what_is_remembered_comes_back_as_it_was (void **state)
{
  const struct option_row *row;
  char once[8192], again[8192];
  struct error err;
  int i;

  (void)state;
  for (i = 0; (row = option_row_at (i)) != NULL; i++) {
    struct qimport_options *o = options_new (), *back = options_new ();

    assert_int_equal (options_set (o, row->info.name, some_value (row), &err), 0);
    assert_int_equal (options_save (o, once, sizeof once, &err), 0);
    assert_int_equal (options_recall (back, once, &err), 0);
    assert_int_equal (options_save (back, again, sizeof again, &err), 0);
    assert_string_equal (once, again);
    if (row->hold == HOLDS_ONE_RUN || row->hold == HOLDS_LAYERS)
      assert_string_equal (once, "");
    else
      assert_int_equal (back->set, o->set);
    if (row->type == TYPE_TEXT && row->hold != HOLDS_ONE_RUN)
      assert_string_equal (*(char **)option_field (back, row), some_value (row));
    options_close (o);
    options_close (back);
  }
}

static void
a_list_with_a_secret_in_it_keeps_the_others (void **state)
{
  struct qimport_options *o = options_new (), *back = options_new ();
  char lines[8192];
  struct error err;

  (void)state;
  options_set (o, "mirror", "http://a/x", &err);
  options_set (o, "mirror", "http://u:sEcReT@b/x", &err);
  options_set (o, "mirror", "http://c/x?sig=sEcReT", &err);
  options_set (o, "mirror", "http://d/x", &err);
  options_set (o, "proxy", "me:sEcReT@p:1", &err);
  assert_int_equal (options_save (o, lines, sizeof lines, &err), 0);
  assert_null (strstr (lines, "sEcReT"));
  assert_int_equal (options_recall (back, lines, &err), 0);
  assert_string_equal (back->mirror.item[0], "http://a/x");
  assert_string_equal (back->mirror.item[1], "http://d/x");
  assert_null (back->mirror.item[2]);
  assert_string_equal (back->memo.mirror.item[0], "http://b/x");
  assert_string_equal (back->memo.mirror.item[1], "http://c/x");
  assert_string_equal (back->memo.proxy, "p:1");
  options_close (o);
  options_close (back);
}

static void
what_is_given_anew_is_not_missing (void **state)
{
  struct qimport_options *o = options_new ();
  struct error err;

  (void)state;
  options_set (o, "mirror", "http://new/x", &err);
  options_set (o, "proxy", "p:2", &err);
  assert_int_equal (options_recall (o,
                                    "mirror=http://a/x\nmirror-had-secret=http://b/x\n"
                                    "proxy-had-secret=p:1\nof-another-version=1\n",
                                    &err),
                    0);
  assert_string_equal (o->mirror.item[0], "http://new/x");
  assert_null (o->mirror.item[1]);
  assert_null (o->memo.mirror.item[0]);
  assert_null (o->memo.proxy);
  options_close (o);
}

static void
what_defines_an_import_is_compared_and_what_does_not_is_not (void **state)
{
  char given[OPTION_SHOWN], began[OPTION_SHOWN];
  const struct option_row *row;
  struct error err;
  int i;

  (void)state;
  for (i = 0; (row = option_row_at (i)) != NULL; i++) {
    struct qimport_options *o = options_new (), *was = options_new ();
    bool defines = row->hold == HOLDS_DEFINES || row->hold == HOLDS_PROMISES;

    assert_int_equal (options_set (o, row->info.name, some_value (row), &err), 0);
    assert_int_equal (options_contradict (o, was, true, given, began), defines);
    assert_int_equal (options_contradict (was, o, true, given, began), false); /* not given */
    assert_int_equal (options_contradict (o, o, true, given, began), false);
    assert_int_equal (options_contradict (o, was, false, given, began),
                      row->hold == HOLDS_DEFINES);
    options_close (o);
    options_close (was);
  }
}

static void
what_makes_no_sense_is_said (void **state)
{
  static const struct {
    const char *name, *value, *words;
  } cases[] = {
    { "nonsense", "1", "no such option" },
    { "stream", "yes", "takes no argument" },
    { "connections", NULL, "needs an argument" },
    { "connections", "0", "must be from" },
    { "connections", "4K", "whole number" },
    { "connections", "many", "connections" },
    { "memory", "1", "must be from" },
    { "retry-time", "1.5", "whole seconds" },
    { "commit-interval", "never", "seconds" },
    { "commit-interval", "100d", "seconds" },
    { "digest", "maybe", "must be" },
    { "format", "vmdk", "must be" },
    { "checksum", "sha256:00", "sha256" },
    { "sha256", "00", "" },
    { "snapshot", "two\nlines", "line break" },
  };
  struct qimport_options *o = options_new ();
  char before[8192], after[8192];
  struct error err;
  size_t i;

  (void)state;
  assert_int_equal (options_set (o, "connections", "7", &err), 0);
  assert_int_equal (options_save (o, before, sizeof before, &err), 0);
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal (options_set (o, cases[i].name, cases[i].value, &err), -1);
    assert_int_equal (err.code, ERR_USAGE);
    if (strstr (err.text, cases[i].words) == NULL)
      fail_msg ("--%s: %s", cases[i].name, err.text);
  }
  for (i = 0; i < OPTION_LIST_MAX; i++)
    assert_int_equal (options_set (o, "backing", "a", &err), 0);
  assert_int_equal (options_set (o, "backing", "a", &err), -1);
  assert_non_null (strstr (err.text, "at most"));
  assert_int_equal (options_save (o, after, sizeof after, &err), 0);
  assert_string_equal (before, after);
  options_close (o);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_is_remembered_comes_back_as_it_was),
    cmocka_unit_test (a_list_with_a_secret_in_it_keeps_the_others),
    cmocka_unit_test (what_is_given_anew_is_not_missing),
    cmocka_unit_test (what_defines_an_import_is_compared_and_what_does_not_is_not),
    cmocka_unit_test (what_makes_no_sense_is_said),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
