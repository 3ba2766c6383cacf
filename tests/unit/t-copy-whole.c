/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A copy as a whole: what the map says is on the disk and committed at the end, whatever
 * interrupted it in between; and how it fails.
 */
#include "copy-fixture.h"

#include <errno.h>
#include <sys/syscall.h>

static bool no_sync; /* the disk cannot */

int
fdatasync (int fd)
{
  if (no_sync) {
    errno = EIO;
    return -1;
  }
  return (int)syscall (SYS_fdatasync, fd);
}

static int
step_until (struct scene *sc, struct copy *c, int64_t ms)
{
  int64_t until = monotonic_ms () + ms;
  int rc;

  while ((rc = copy_step (c, 20, &sc->err)) == 1 && monotonic_ms () < until)
    ;
  return rc;
}

static struct copy *
open_copy (struct scene *sc)
{
  struct copy *c = NULL;

  must (sc, copy_open (&c, &sc->spec, &sc->err));
  return c;
}

/* To the end. */
static void
copy_all (struct scene *sc)
{
  struct copy *c = open_copy (sc);

  assert_int_equal (step_until (sc, c, 20000), 0);
  copy_close (c);
  scene_finish (sc);
}

static uint64_t
asked (struct scene *sc, const char *sql)
{
  return strtoull (fixture_ask (sc->f, sql), NULL, 10);
}

/* ---- To the end ---------------------------------------------------------------------------
 */

static void
test_what_the_map_says_is_on_the_disk (void **state)
{
  struct scene *sc = scene_ordinary ();

  (void)state;
  scene_begin (sc);
  copy_all (sc);
  assert_int_equal (asked (sc, "SELECT count(*) FROM segment WHERE committed"), 8);
  scene_close (sc);
}

static void
test_the_same_from_the_journals_rows (void **state)
{
  struct scene *sc = scene_ordinary ();

  (void)state;
  scene_begin (sc);
  sc->spec.extents = NULL;
  sc->spec.workers = 1;
  copy_all (sc);
  scene_close (sc);
}

static void
test_the_image_is_hashed_on_the_way (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy_progress p;
  struct checksum sum;
  struct digest d;
  uint8_t want[DIGEST_SIZE];
  struct copy *c;

  (void)state;
  sc->f->imp.hash_image = true;
  scene_begin (sc);
  c = open_copy (sc);
  assert_false (copy_image_checksum (c, sc->len, &sum));
  assert_int_equal (step_until (sc, c, 20000), 0);
  assert_true (copy_image_checksum (c, sc->len, &sum));
  assert_false (copy_image_checksum (c, sc->len + 1, &sum));
  digest_init (&d);
  digest_update (&d, sc->bytes, sc->len);
  digest_peek (&d, want);
  assert_memory_equal (sum.digest, want, DIGEST_SIZE);
  copy_progress (c, &p);
  assert_int_equal (p.guest_written, sc->size);
  assert_int_equal (p.guest_committed, sc->size);
  assert_int_equal (p.segments_committed, 8);
  copy_close (c);
  scene_finish (sc);
  scene_close (sc);
}

static void
test_zeros_are_written_where_the_target_holds_something (void **state)
{
  struct scene *sc = scene_ordinary ();
  uint8_t old[CLUSTER];

  (void)state;
  memset (old, 'x', sizeof old);
  scene_begin (sc);
  must (sc, target_write (sc->target, (guest_off){ 3 * MIB }, old, sizeof old, &sc->err));
  target_begin_anew (sc->target);
  must (sc, target_claim (sc->target, &sc->err));
  copy_all (sc);
  scene_close (sc);
}

/* ---- Interrupted ---------------------------------------------------------------------------
 */

/* Until the source of this run has brought N bytes. */
static int
step_until_fetched (struct scene *sc, struct copy *c, uint64_t n)
{
  int rc;

  while ((rc = copy_step (c, 20, &sc->err)) == 1 && source_fetched (sc->sources[0]) < n)
    ;
  return rc;
}

/* Stopped whenever more than a segment has come, until it is over. */
static unsigned
with_stops (struct scene *sc)
{
  unsigned stops = 0;
  uint64_t before = 0;

  for (;;) {
    struct copy *c = open_copy (sc);
    struct copy_progress p;
    int rc = step_until_fetched (sc, c, MIB + MIB / 4);

    assert_int_not_equal (rc, -1);
    if (rc == 1)
      must (sc, copy_stop (c, &sc->err));
    copy_progress (c, &p);
    assert_true (p.guest_committed >= before);
    before = p.guest_committed;
    copy_close (c);
    if (rc == 0)
      return stops;
    scene_again (sc);
    assert_int_equal (sc->f->imp.now.guest_committed, before);
    assert_true (++stops < 200);
  }
}

static void
test_what_was_stopped_goes_on_where_it_was (void **state)
{
  struct scene *sc = scene_ordinary ();

  (void)state;
  sc->source_options.limit_rate = 6 * MIB;
  scene_begin (sc);
  assert_true (with_stops (sc) > 0);
  scene_finish (sc);
  scene_close (sc);
}

static void
test_and_its_hash_too (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c;
  struct checksum sum;
  struct digest d;
  uint8_t want[DIGEST_SIZE];

  (void)state;
  sc->source_options.limit_rate = 6 * MIB;
  sc->f->imp.hash_image = true;
  scene_begin (sc);
  assert_true (with_stops (sc) > 0);
  digest_init (&d);
  digest_update (&d, sc->bytes, sc->len);
  digest_peek (&d, want);
  scene_again (sc);
  c = open_copy (sc);
  assert_true (copy_image_checksum (c, sc->len, &sum));
  assert_memory_equal (sum.digest, want, DIGEST_SIZE);
  assert_int_equal (step_until (sc, c, 5000), 0);
  copy_close (c);
  scene_finish (sc);
  scene_close (sc);
}

/* On a slow link a segment takes long: what has come of it is committed, and not fetched again.
 */
static void
test_a_segment_is_committed_in_part (void **state)
{
  struct scene *sc = scene_new (4 * MIB, 4 * MIB);
  struct copy *c;
  uint64_t had;

  (void)state;
  scene_data (sc, 0, MIB, 0);
  scene_data (sc, MIB, 3 * MIB, MIB);
  sc->f->layers[0].segment_size = 4 * MIB;
  sc->f->imp.hash_image = true;
  sc->source_options.limit_rate = 2 * MIB;
  scene_begin (sc);
  c = open_copy (sc);
  assert_int_equal (step_until_fetched (sc, c, MIB), 1);
  must (sc, copy_stop (c, &sc->err));
  copy_close (c);
  assert_int_equal (asked (sc, "SELECT count(*) FROM segment WHERE committed"), 0);
  scene_again (sc);
  had = sc->f->imp.now.guest_committed;
  assert_true (had > 0);
  assert_in_range (sc->f->imp.now.image_hashed_to, had, had + COPY_GRAIN);
  copy_all (sc);
  assert_in_range (source_fetched (sc->sources[0]), 4 * MIB - had, 4 * MIB - had + COPY_GRAIN);
  scene_close (sc);
}

static void
test_nothing_is_committed_before_the_journal_is_checked (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy_progress p;
  struct copy *c;

  (void)state;
  scene_begin (sc);
  atomic_store (&sc->may_commit, false);
  c = open_copy (sc);
  assert_int_equal (step_until (sc, c, 400), 1);
  copy_progress (c, &p);
  assert_int_equal (p.guest_written, sc->size);
  assert_int_equal (p.guest_committed, 0);
  atomic_store (&sc->may_commit, true);
  assert_int_equal (step_until (sc, c, 20000), 0);
  copy_close (c);
  scene_finish (sc);
  scene_close (sc);
}

/* ---- A stream ------------------------------------------------------------------------------
 */

/* Every segment of the map, from the image's bytes, from the FIRST on. */
static int
submit_all (struct scene *sc, struct copy *c, uint64_t first)
{
  OWN (journal_reader) reader = NULL;
  struct segment seg[16];
  size_t n, i;

  must (sc, journal_reader_open (&reader, sc->f->path, sc->f->imp.no, &sc->err));
  must (sc, journal_segments (reader, first, seg, 16, &n, &sc->err));
  for (i = 0; i < n; i++)
    if (!seg[i].committed
        && copy_submit (c, &seg[i], sc->bytes + seg[i].need.at.v, &sc->err) == -1)
      return -1;
  return 0;
}

static void
test_a_stream_is_handed_in (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c;

  (void)state;
  scene_begin (sc);
  sc->spec.sources = NULL;
  sc->spec.memory = 6 * MIB; /* fewer buffers than segments */
  c = open_copy (sc);
  assert_int_equal (copy_step (c, 1, &sc->err), 1);
  must (sc, submit_all (sc, c, 0));
  assert_int_equal (step_until (sc, c, 300), 1); /* it may have more */
  copy_submit_end (c);
  assert_int_equal (step_until (sc, c, 20000), 0);
  copy_close (c);
  scene_finish (sc);
  scene_close (sc);
}

static void
test_who_hands_in_waits_no_longer_than_it_may (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c;

  (void)state;
  scene_begin (sc);
  sc->spec.sources = NULL;
  sc->spec.memory = 4 * MIB;
  sc->spec.deadline_ms = monotonic_ms () - 1;
  atomic_store (&sc->stop, true);
  atomic_store (&sc->may_commit, false);
  no_sync = true; /* so that buffers stay full: the disk cannot keep up */
  c = open_copy (sc);
  while (submit_all (sc, c, 0) == 0)
    ;
  assert_int_equal (sc->err.code, ERR_INTERRUPTED);
  atomic_store (&sc->stop, false);
  while (submit_all (sc, c, 0) == 0)
    ;
  assert_int_equal (sc->err.code, ERR_MAX_TIME);
  atomic_store (&sc->check_over, true);
  while (submit_all (sc, c, 0) == 0)
    ;
  assert_int_equal (sc->err.code, ERR_INTERRUPTED);
  no_sync = false;
  must (sc, copy_stop (c, &sc->err));
  copy_close (c);
  scene_close (sc);
}

/* ---- Failures ------------------------------------------------------------------------------
 */

static void
test_a_broken_cluster_is_told_and_the_rest_committed (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c;

  (void)state;
  memset (sc->bytes + 3 * MIB + 640 * KIB, 0xff, 4096);
  sc->source_options.limit_rate = 6 * MIB;
  scene_begin (sc);
  c = open_copy (sc);
  must_fail (sc, step_until (sc, c, 20000), ERR_IMAGE_MALFORMED);
  assert_non_null (strstr (sc->err.text, sc->image));
  must (sc, copy_stop (c, &sc->err));
  copy_close (c);
  assert_true (asked (sc, "SELECT count(*) FROM segment WHERE committed") >= 2);
  scene_close (sc);
}

/* T3: after a sync that failed nothing more is committed by this process. */
static void
test_a_disk_that_cannot_sync_ends_it (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy_progress p;
  struct copy *c;

  (void)state;
  scene_begin (sc);
  no_sync = true;
  c = open_copy (sc);
  must_fail (sc, step_until (sc, c, 20000), ERR_TARGET_FAILED);
  no_sync = false;
  must (sc, copy_stop (c, &sc->err));
  copy_progress (c, &p);
  assert_int_equal (p.guest_committed, 0);
  copy_close (c);
  assert_int_equal (asked (sc, "SELECT guest_committed FROM import"), 0);
  scene_close (sc);
}

static void
test_too_little_memory_is_refused (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c = NULL;

  (void)state;
  scene_begin (sc);
  sc->spec.memory = MIB;
  must_fail (sc, copy_open (&c, &sc->spec, &sc->err), ERR_USAGE);
  assert_non_null (strstr (sc->err.text, "give at least"));
  scene_close (sc);
}

static void
test_a_journal_that_was_altered_is_refused (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct copy *c = NULL;

  (void)state;
  sc->f->imp.hash_image = true;
  scene_begin (sc);
  sc->f->imp.now.image_hashed_to = 4096;
  must_fail (sc, copy_open (&c, &sc->spec, &sc->err), ERR_JOURNAL_CORRUPT);
  sc->f->imp.now.image_hashed_to = 0;
  sc->f->imp.need_max = 64 * KIB; /* a segment is longer */
  c = open_copy (sc);
  must_fail (sc, step_until (sc, c, 5000), ERR_JOURNAL_CORRUPT);
  copy_close (c);
  scene_close (sc);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_what_the_map_says_is_on_the_disk),
    cmocka_unit_test (test_the_same_from_the_journals_rows),
    cmocka_unit_test (test_the_image_is_hashed_on_the_way),
    cmocka_unit_test (test_zeros_are_written_where_the_target_holds_something),
    cmocka_unit_test (test_what_was_stopped_goes_on_where_it_was),
    cmocka_unit_test (test_and_its_hash_too),
    cmocka_unit_test (test_a_segment_is_committed_in_part),
    cmocka_unit_test (test_nothing_is_committed_before_the_journal_is_checked),
    cmocka_unit_test (test_a_stream_is_handed_in),
    cmocka_unit_test (test_who_hands_in_waits_no_longer_than_it_may),
    cmocka_unit_test (test_a_broken_cluster_is_told_and_the_rest_committed),
    cmocka_unit_test (test_a_disk_that_cannot_sync_ends_it),
    cmocka_unit_test (test_too_little_memory_is_refused),
    cmocka_unit_test (test_a_journal_that_was_altered_is_refused),
  };

  return cmocka_run_group_tests_name ("copy", tests, NULL, NULL);
}
