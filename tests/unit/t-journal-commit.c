/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Claims and commits: what is committed is never claimed again, a part of a segment shows as a
 * part, a commit is all or nothing, and neither kill -9 nor other processes spoil it.
 */
#include "journal-fixture.h"

#include <signal.h>
#include <sys/syscall.h>

enum { SEGMENTS = 40 };

/* Of SQLite, too; and at once, so that two come in one millisecond. */
static unsigned syncs;
static bool quick_syncs;

int __attribute__ ((visibility ("default"))) fdatasync (int fd)
{
  syncs++;
  return quick_syncs ? 0 : (int)syscall (SYS_fdatasync, fd);
}

/* SEGMENTS pieces, a plain run and two compressed clusters in each, then two zero runs. */
static void
seal (struct fixture *f)
{
  OWN (journal_map) m = NULL;
  uint64_t i, guest = 0;
  struct extent e;

  OK (f, journal_map_begin (&m, f->j, &f->imp, f->layers, &f->err));
  for (i = 0; i < SEGMENTS; i++) {
    e = data_at (guest, 4 * CLUSTER, i * PIECE);
    OK (f, journal_map_add (m, &e, &f->err));
    e = compressed_at (guest + 4 * CLUSTER, i * PIECE + 4 * CLUSTER, 1000);
    OK (f, journal_map_add (m, &e, &f->err));
    e = compressed_at (guest + 5 * CLUSTER, i * PIECE + 4 * CLUSTER + 1000, 1000);
    OK (f, journal_map_add (m, &e, &f->err));
    guest += 6 * CLUSTER;
  }
  e = zero_at (EXTENT_ZERO, guest, 2 << 20);
  OK (f, journal_map_add (m, &e, &f->err));
  e = zero_at (EXTENT_HOLE, guest + (2 << 20), f->imp.virtual_size - guest - (2 << 20));
  OK (f, journal_map_add (m, &e, &f->err));
  OK (f, journal_map_seal (m, &f->imp, &f->err));
  OK (f, journal_set_target (f->j, f->imp.no, "kind=file", &f->err));
}

static void
begin_sealed (struct fixture *f)
{
  fixture_begin (f, 64 << 20);
  seal (f);
}

static struct segment_progress
whole (uint64_t ord)
{
  struct segment_progress p = { .ord = ord, .committed_to = { ord * PIECE + 4 * CLUSTER + 2000 },
                                .committed_extents = 3, .committed = true,
                                .digest_final = true, .hash_len = DIGEST_SIZE };

  memset (p.hash, (int)ord, DIGEST_SIZE);
  return p;
}

enum { WHOLE = 6 * CLUSTER }; /* guest bytes of a segment */

static size_t
claim (struct fixture *f, uint64_t from, uint64_t hashed_to, struct segment *out, size_t max)
{
  OWN (journal_reader) r = NULL;
  size_t n;

  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  OK (f, journal_claim (r, from, hashed_to, out, max, &n, &f->err));
  return n;
}

static void
committed_segments_are_not_claimed_again (void **state)
{
  struct fixture *f = *state;
  struct segment_progress done[3] = { whole (0), whole (1), whole (3) };
  struct import_progress p = { .segments_committed = 3, .guest_committed = 3 * WHOLE,
                               .done_to = 2 };
  struct segment s[SEGMENTS];

  begin_sealed (f);
  assert_int_equal (claim (f, 0, UINT64_MAX, s, SEGMENTS), SEGMENTS);
  OK (f, journal_commit (f->j, f->imp.no, done, 3, &p, &f->err));
  assert_int_equal (claim (f, 0, UINT64_MAX, s, 3), 3);
  assert_int_equal (s[0].ord, 2);
  assert_int_equal (s[1].ord, 4);
  assert_int_equal (s[2].ord, 5);
  assert_int_equal (claim (f, 5, UINT64_MAX, s, 2), 2);
  assert_int_equal (s[0].ord, 5);
  assert_int_equal (claim (f, SEGMENTS, UINT64_MAX, s, 2), 0);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

/* A page may be well formed and say something else than it did (SQ3). */
static void
progress_that_does_not_add_up_is_found (void **state)
{
  static const char *const lies[] = {
    "UPDATE import SET done_to = 3",
    "UPDATE import SET done_to = segments + 1",
    "UPDATE import SET guest_committed = guest_committed + 512",
    "UPDATE import SET zero_ord = 1",
    "UPDATE import SET zero_off = 4096",
    "UPDATE segment SET committed_extents = 1 WHERE key = (SELECT max (key) FROM segment)",
    "UPDATE segment SET committed_to = committed_to + 65536"
    " WHERE key = (SELECT max (key) FROM segment)",
    "UPDATE segment SET committed = 0 WHERE key = (SELECT min (key) FROM segment)",
  };
  struct fixture *f = *state;
  struct segment_progress done[3] = { whole (0), whole (1), whole (3) };
  struct import_progress p = { .segments_committed = 3, .guest_committed = 3 * WHOLE,
                               .done_to = 2 };
  size_t i;

  begin_sealed (f);
  OK (f, journal_commit (f->j, f->imp.no, done, 3, &p, &f->err));
  for (i = 0; i < sizeof lies / sizeof lies[0]; i++) {
    fixture_write (f, "CREATE TABLE was AS SELECT * FROM import");
    fixture_write (f, "CREATE TABLE were AS SELECT * FROM segment");
    fixture_write (f, lies[i]);
    FAILS (f, ERR_JOURNAL_CORRUPT, journal_check (f->path, f->imp.no, NULL, &f->err));
    fixture_write (f, "DELETE FROM import; INSERT INTO import SELECT * FROM was; DROP TABLE was;"
                      "DELETE FROM segment; INSERT INTO segment SELECT * FROM were;"
                      "DROP TABLE were");
    OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
  }
}

static void
below_the_watermark_nothing_is_looked_at (void **state)
{
  struct fixture *f = *state;
  struct import_progress p = { .done_to = 7 };
  struct segment s[1];

  begin_sealed (f);
  OK (f, journal_commit (f->j, f->imp.no, NULL, 0, &p, &f->err));
  assert_int_equal (claim (f, 0, UINT64_MAX, s, 1), 1);
  assert_int_equal (s[0].ord, 7);
}

static void
what_is_not_hashed_is_claimed_although_committed (void **state)
{
  struct fixture *f = *state;
  struct segment_progress done[2] = { whole (0), whole (1) };
  struct import_progress p = { .segments_committed = 2, .image_hash_len = 41 };
  struct segment s[4];

  fixture_describe (f, 64 << 20);
  f->imp.hash_image = true;
  f->layers[0].length = (uint64_t)SEGMENTS * PIECE;
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  seal (f);
  p.image_hashed_to = PIECE;
  p.image_hash[40] = 9;
  OK (f, journal_commit (f->j, f->imp.no, done, 2, &p, &f->err));
  assert_int_equal (claim (f, 0, PIECE, s, 2), 2);
  assert_int_equal (s[0].ord, 1);
  assert_true (s[0].committed && s[0].digest_final);
  assert_int_equal (s[0].hash[31], 1);
  assert_int_equal (s[1].ord, 2);
  assert_false (s[1].committed);
  assert_int_equal (claim (f, 0, 2 * PIECE, s, 1), 1);
  assert_int_equal (s[0].ord, 2);
  OK (f, journal_find (f->j, f->imp.id, &f->imp, &f->err));
  assert_int_equal (f->imp.now.image_hashed_to, PIECE);
  assert_int_equal (f->imp.now.image_hash_len, 41);
  assert_int_equal (f->imp.now.image_hash[40], 9);
}

static void
a_part_of_a_segment_shows_as_a_part (void **state)
{
  struct fixture *f = *state;
  struct segment_progress part[2] = { { .ord = 0, .committed_to = { 4096 }, .hash_len = 44 },
                                      { .ord = 1 } };
  struct import_progress p = { .guest_committed = 4096 + 5 * CLUSTER };
  struct segment s[2];

  begin_sealed (f);
  part[1].committed_to.v = PIECE + 4 * CLUSTER + 1000;
  part[1].committed_extents = 2;
  OK (f, journal_commit (f->j, f->imp.no, part, 2, &p, &f->err));
  assert_string_equal (
      fixture_ask (f, "SELECT guest_offset, length, kind, host_offset, stored_length, committed"
                      " FROM cluster_state WHERE guest_offset < 12 * 65536 AND kind <> 'zero'"
                      " ORDER BY guest_offset"),
      "0|4096|data|0|4096|1\n"
      "4096|258048|data|4096|258048|0\n"
      "262144|65536|compressed|262144|1000|0\n"
      "327680|65536|compressed|263144|1000|0\n"
      "393216|262144|data|4194304|262144|1\n"
      "655360|65536|compressed|4456448|1000|1\n"
      "720896|65536|compressed|4457448|1000|0");
  assert_int_equal (claim (f, 0, UINT64_MAX, s, 2), 2);
  assert_int_equal (s[0].committed_to.v, 4096);
  assert_int_equal (s[0].hash_len, 44);
  assert_false (s[0].digest_final);
  assert_int_equal (s[1].committed_extents, 2);
  OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
}

static void
the_zero_cursor_shows_in_the_view (void **state)
{
  struct fixture *f = *state;
  struct import_progress p = { .zero_ord = 0, .zero_off = 1 << 20 };
  const char *ask = "SELECT length, committed FROM cluster_state WHERE kind = 'zero'"
                    " ORDER BY guest_offset";

  begin_sealed (f);
  assert_string_equal (fixture_ask (f, ask), "2097152|0\n49283072|0");
  OK (f, journal_commit (f->j, f->imp.no, NULL, 0, &p, &f->err));
  assert_string_equal (fixture_ask (f, ask), "1048576|1\n1048576|0\n49283072|0");
  p = (struct import_progress){ .zero_ord = 1 };
  OK (f, journal_commit (f->j, f->imp.no, NULL, 0, &p, &f->err));
  assert_string_equal (fixture_ask (f, ask), "2097152|1\n49283072|0");
  p = (struct import_progress){ .zero_ord = 2 };
  OK (f, journal_commit (f->j, f->imp.no, NULL, 0, &p, &f->err));
  assert_string_equal (fixture_ask (f, ask), "2097152|1\n49283072|1");
}

static void
a_commit_is_all_or_nothing (void **state)
{
  struct fixture *f = *state;
  struct segment_progress done[2] = { whole (0), whole (SEGMENTS + 1) };
  struct import_progress p = { .segments_committed = 2 };

  begin_sealed (f);
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_commit (f->j, f->imp.no, done, 2, &p, &f->err));
  assert_string_equal (fixture_ask (f, "SELECT sum (committed) FROM segment"), "0");
  assert_string_equal (fixture_ask (f, "SELECT segments_committed FROM import"), "0");
  p.segments_committed = 1;
  OK (f, journal_commit (f->j, f->imp.no, done, 1, &p, &f->err));
}

static void
who_no_longer_holds_it_commits_nothing (void **state)
{
  struct fixture *f = *state;
  struct segment_progress done = whole (0);
  struct import_progress p = { .segments_committed = 1 };

  begin_sealed (f);
  fixture_write (f, "UPDATE import SET holder_pid = 1");
  FAILS (f, ERR_IMPORT_HELD, journal_commit (f->j, f->imp.no, &done, 1, &p, &f->err));
  assert_string_equal (fixture_ask (f, "SELECT sum (committed) FROM segment"), "0");
}

static void
readers_see_commits_and_do_not_block_them (void **state)
{
  struct fixture *f = *state;
  OWN (journal_reader) r = NULL;
  struct segment_progress done = whole (0);
  struct import_progress p = { .segments_committed = 1, .done_to = 1 };
  struct segment s[1];
  sqlite3_stmt *st;
  sqlite3 *db;
  size_t n;

  begin_sealed (f);
  assert_int_equal (sqlite3_open_v2 (f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  sqlite3_prepare_v2 (db, "SELECT * FROM segment", -1, &st, NULL);
  assert_int_equal (sqlite3_step (st), SQLITE_ROW); /* an auditor who went to lunch */
  OK (f, journal_reader_open (&r, f->path, f->imp.no, &f->err));
  OK (f, journal_commit (f->j, f->imp.no, &done, 1, &p, &f->err));
  OK (f, journal_claim (r, 0, UINT64_MAX, s, 1, &n, &f->err));
  assert_int_equal (s[0].ord, 1);
  sqlite3_finalize (st);
  sqlite3_close (db);
}

/* ---- Death ------------------------------------------------------------------------------- */

/* Let a child do WORK until ASK (may be NULL) no longer answers "0", and DELAY_US longer; then
 * kill -9. */
static void
run_and_kill (struct fixture *f, void (*work) (struct fixture *f), const char *ask,
              useconds_t delay_us)
{
  int status, tries;
  pid_t pid;

  journal_close (f->j);
  f->j = NULL;
  pid = fork ();
  if (pid == 0) {
    work (f);
    _exit (0);
  }
  for (tries = 0; ask != NULL && tries < 3000; tries++) {
    if (strcmp (fixture_ask (f, ask), "0") != 0)
      break;
    usleep (5000);
  }
  usleep (delay_us);
  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, &status, 0), pid);
}

static void
map_forever (struct fixture *f)
{
  struct journal_map *m = NULL;
  uint64_t i;

  if (journal_open (&f->j, f->path, JOURNAL_WRITE, &f->err) != 0
      || journal_hold (f->j, &f->imp, &f->err) != 0
      || journal_map_begin (&m, f->j, &f->imp, f->layers, &f->err) != 0)
    _exit (1);
  for (i = 0; i < 300000; i++) {
    struct extent e = compressed_at (i * CLUSTER, i * 1000, 1000);

    if (journal_map_add (m, &e, &f->err) != 0)
      _exit (1);
  }
  journal_map_seal (m, &f->imp, &f->err);
  pause ();
}

static void
killed_while_the_map_is_stored (void **state)
{
  struct fixture *f = *state;
  int i;

  fixture_begin (f, UINT64_C (400000) * CLUSTER); /* the map never covers it: not sealed */
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  for (i = 0; i < 4; i++) {
    run_and_kill (f, map_forever, "SELECT count (*) FROM segment", 17000 * (useconds_t)i);
    assert_true (atol (fixture_ask (f, "SELECT count (*) FROM extent")) > 0);
    assert_string_equal (fixture_ask (f, "SELECT count (*) FROM cluster_state"), "0");
    assert_string_equal (fixture_ask (f, "PRAGMA quick_check"), "ok");
    fixture_open (f);
    OK (f, journal_hold (f->j, &f->imp, &f->err));
    assert_string_equal (fixture_ask (f, "SELECT (SELECT count (*) FROM extent),"
                                         " (SELECT count (*) FROM segment)"),
                         "0|0");
    OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  }
}

static void
commit_forever (struct fixture *f)
{
  struct import_progress p = { .segments_committed = 0 };
  uint64_t round;

  if (journal_open (&f->j, f->path, JOURNAL_WRITE, &f->err) != 0
      || journal_hold (f->j, &f->imp, &f->err) != 0)
    _exit (1);
  for (round = 0;; round++) {
    struct segment_progress s[SEGMENTS];
    uint64_t i;

    for (i = 0; i < SEGMENTS; i++) {
      s[i] = whole (i);
      s[i].committed = i < round % SEGMENTS;
      if (!s[i].committed) {
        s[i].committed_to.v = i * PIECE;
        s[i].committed_extents = 0;
      }
    }
    p.segments_committed = round % SEGMENTS;
    p.guest_committed = p.segments_committed * WHOLE;
    p.fetched = round + 1;
    if (journal_commit (f->j, f->imp.no, s, SEGMENTS, &p, &f->err) != 0)
      _exit (1);
  }
}

static void
killed_while_it_commits (void **state)
{
  struct fixture *f = *state;
  int i;

  begin_sealed (f);
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
  for (i = 0; i < 12; i++) {
    run_and_kill (f, commit_forever, "SELECT fetched FROM import", 40000 + 7919 * (useconds_t)i);
    OK (f, journal_check (f->path, f->imp.no, NULL, &f->err));
    assert_string_equal (fixture_ask (f, "SELECT segments_committed = (SELECT sum (committed)"
                                         " FROM segment) FROM import"),
                         "1");
  }
  fixture_open (f);
  OK (f, journal_hold (f->j, &f->imp, &f->err));
  assert_in_range (f->imp.now.attempts, 3, 14);
}

/* Before a target is finished its name is recorded once more, for the sake of all that came
 * before.  That is so although nothing of the row is new. */
static void
what_changes_nothing_is_durable_with_all_before_it (void **state)
{
  struct fixture *f = *state;
  struct import_progress p = { .segments_committed = 0 };
  unsigned before;
  int i;

  begin_sealed (f);
  quick_syncs = true;
  for (i = 0; i < 200; i++) {
    p.fetched++;
    OK (f, journal_commit (f->j, f->imp.no, NULL, 0, &p, &f->err));
    before = syncs;
    OK (f, journal_set_target (f->j, f->imp.no, "kind=file", &f->err));
    assert_true (syncs > before);
  }
  quick_syncs = false;
}

/* ---- Many -------------------------------------------------------------------------------- */

enum { COMMITS = 200 };

static int
commit_many (struct fixture *f, int me)
{
  struct import_progress p = { .segments_committed = 0 };
  uint64_t i;

  fixture_describe (f, 64 << 20);
  snprintf (f->imp.target, sizeof f->imp.target, "/srv/%d", me);
  if (journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err) != 0
      || journal_begin (f->j, &f->imp, f->layers, &f->err) != 0)
    return -1;
  seal (f);
  for (i = 0; i < COMMITS; i++) {
    struct segment_progress s = whole (i % SEGMENTS);

    p.segments_committed = i < SEGMENTS ? i + 1 : SEGMENTS;
    p.fetched = i;
    p.zero_ord = 2;
    p.zero_committed = f->imp.zero_total;
    p.guest_committed
        = f->imp.virtual_size - (SEGMENTS - p.segments_committed) * (uint64_t)WHOLE;
    if (journal_commit (f->j, f->imp.no, &s, 1, &p, &f->err) != 0)
      return -1;
  }
  return journal_complete (f->j, f->imp.no, "", &f->err);
}

static void
four_processes_commit_at_once (void **state)
{
  struct fixture *f = *state;
  pid_t child[4];
  int i, status;

  for (i = 0; i < 4; i++) {
    child[i] = fork ();
    if (child[i] == 0) {
      int r = commit_many (f, i);

      if (r != 0)
        fprintf (stderr, "# %s\n", f->err.text);
      _exit (r == 0 ? 0 : 1);
    }
  }
  for (i = 0; i < 4; i++) {
    assert_int_equal (waitpid (child[i], &status, 0), child[i]);
    assert_int_equal (status, 0);
  }
  assert_string_equal (fixture_ask (f, "SELECT count (*), sum (segments_committed), min (fetched)"
                                       " FROM import WHERE state = 'complete'"),
                       "4|160|199");
  for (i = 1; i <= 4; i++)
    OK (f, journal_check (f->path, i, NULL, &f->err));
}

static void
a_commit_of_eight_segments_is_quick (void **state)
{
  struct fixture *f = *state;
  struct import_progress p = { .fetched = 0 };
  struct segment_progress s[8];
  int64_t begun;
  uint64_t round, i;

  begin_sealed (f);
  begun = monotonic_ms ();
  for (round = 0; round < 300; round++) {
    for (i = 0; i < 8; i++) {
      s[i] = whole ((round + i) % SEGMENTS);
      s[i].hash_len = DIGEST_STATE_MAX;
    }
    p.fetched = round;
    OK (f, journal_commit (f->j, f->imp.no, s, 8, &p, &f->err));
  }
  print_message ("# %.3f ms a commit of 8 segments\n",
                 (double)(monotonic_ms () - begun) / 300);
  assert_in_range (monotonic_ms () - begun, 0, 300 * 20); /* 20 ms: a slow machine's disk */
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (committed_segments_are_not_claimed_again),
    TEST (progress_that_does_not_add_up_is_found),
    TEST (below_the_watermark_nothing_is_looked_at),
    TEST (what_is_not_hashed_is_claimed_although_committed),
    TEST (a_part_of_a_segment_shows_as_a_part),
    TEST (the_zero_cursor_shows_in_the_view),
    TEST (a_commit_is_all_or_nothing),
    TEST (who_no_longer_holds_it_commits_nothing),
    TEST (readers_see_commits_and_do_not_block_them),
    TEST (killed_while_the_map_is_stored),
    TEST (killed_while_it_commits),
    TEST (what_changes_nothing_is_durable_with_all_before_it),
    TEST (four_processes_commit_at_once),
    TEST (a_commit_of_eight_segments_is_quick),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
