/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The marker (J9): what it says is read back, nothing else is taken for one, and it tells a
 * journal's past from another.
 */
#include "target-room.h"

static struct marker
sample (void)
{
  struct marker m = { .import = UUID,
                      .begun = "2026-11-30T05:28:54.120Z",
                      .journal = "/var/lib/qimport/a journal, of mine.db",
                      .epoch = 0 };

  marker_begin_run (&m, 0, 0xa);
  return m;
}

static void
test_says_what_it_was_told_to_people_and_to_us (void **state)
{
  struct marker m = sample (), back;
  uint8_t sector[SECTOR];

  (void)state;
  marker_format (&m, sector);
  assert_non_null (
      strstr ((char *)sector, "qimport: import " UUID " in progress, begun 2026-"));
  assert_int_equal (sector[SECTOR - 1], 0);
  assert_true (marker_parse (&back, sector));
  assert_string_equal (back.import, UUID);
  assert_string_equal (back.begun, m.begun);
  assert_string_equal (back.journal, m.journal);
  assert_int_equal (back.epoch, 1);
  assert_int_equal (back.n_runs, 1);
  assert_int_equal (back.runs[0].run, 0xa);
}

static void
test_fits_a_sector_at_its_longest (void **state)
{
  struct marker m = sample (), back;
  uint8_t sector[SECTOR];
  unsigned i;

  (void)state;
  memset (m.journal, 'j', sizeof m.journal - 1);
  m.n_runs = MARKER_RUNS;
  m.epoch = UINT64_MAX;
  for (i = 0; i < MARKER_RUNS; i++)
    m.runs[i] = (struct marker_run){ UINT32_MAX - i, UINT64_MAX - i };
  marker_format (&m, sector);
  assert_true (marker_parse (&back, sector));
  assert_memory_equal (&m, &back, sizeof m);
}

static void
test_one_bit_less_is_none (void **state)
{
  struct marker m = sample (), back;
  uint8_t sector[SECTOR];
  size_t len, i;

  (void)state;
  marker_format (&m, sector);
  len = strlen ((char *)sector) - 1; /* but for the last newline */
  for (i = 0; i < 8 * len; i++) {
    sector[i / 8] ^= (uint8_t)(1 << i % 8);
    assert_false (marker_parse (&back, sector));
    sector[i / 8] ^= (uint8_t)(1 << i % 8);
  }
  memset (sector, 0, sizeof sector);
  assert_false (marker_parse (&back, sector));
}

/* The journal of epoch E in run R, against a marker of some past. */
static void
test_a_target_has_its_own_past_and_no_other (void **state)
{
  struct marker m = sample (), other;

  (void)state;
  m.epoch = 5;
  assert_true (marker_has (&m, 0xa, 5));
  assert_true (marker_has (&m, 0xa, 1));  /* an older journal */
  assert_false (marker_has (&m, 0xa, 6)); /* an older target */
  assert_false (marker_has (&m, 0xb, 5));
  assert_true (marker_has (&m, 0xb, 0)); /* which calls nothing committed */
  other = m;
  marker_begin_run (&m, 0xa, 0xb);
  m.epoch = 9;
  marker_begin_run (&other, 0xa, 0xc); /* both began with copies of the same two */
  other.epoch = 12;
  assert_true (marker_has (&m, 0xa, 5));
  assert_false (marker_has (&m, 0xa, 6));
  assert_true (marker_has (&m, 0xb, 9));
  assert_false (marker_has (&m, 0xb, 5));
  assert_false (marker_has (&other, 0xb, 9));
  assert_false (marker_has (&m, 0xc, 7));
}

static void
test_runs_that_committed_nothing_are_forgotten_first (void **state)
{
  struct marker m = sample ();
  uint32_t run;

  (void)state;
  for (run = 1; run < 100; run++) { /* killed before the first commit, again and again */
    marker_begin_run (&m, 0xa, 1000 + run);
    assert_int_equal (m.n_runs, 2);
    assert_true (marker_has (&m, 0xa, 1));
  }
  for (run = 1; run < 10; run++) /* each with a commit */
    marker_begin_run (&m, m.runs[m.n_runs - 1].run, 2000 + run);
  assert_int_equal (m.n_runs, MARKER_RUNS);
  assert_false (marker_has (&m, 0xa, 1));
  assert_true (marker_has (&m, 2009, m.epoch));
  marker_begin_run (&m, 0, 7); /* a --restart: no journal of before has anything here */
  assert_int_equal (m.n_runs, 1);
  assert_false (marker_has (&m, 2009, m.epoch - 1));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_says_what_it_was_told_to_people_and_to_us),
    cmocka_unit_test (test_fits_a_sector_at_its_longest),
    cmocka_unit_test (test_one_bit_less_is_none),
    cmocka_unit_test (test_a_target_has_its_own_past_and_no_other),
    cmocka_unit_test (test_runs_that_committed_nothing_are_forgotten_first),
  };

  return cmocka_run_group_tests_name ("target-marker", tests, NULL, NULL);
}
