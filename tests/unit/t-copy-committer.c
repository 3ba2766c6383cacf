/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * J1: what is committed was published before the sync that covers it began; what is published
 * meanwhile waits for the next one; and after a failure nothing more is committed.
 */
#include "copy-fixture.h"

#include <errno.h>
#include <sys/syscall.h>

#include "copy/committer.h"
#include "copy/segment_writer.h"

struct desk {
  struct scene *sc;
  struct parts *p;
  struct segment_writer *w;
  struct committer c;
};

/* What the tests do while the disk is being synced. */
static struct desk *at_sync;
static void (*do_at_sync) (struct desk *d);
static unsigned syncs;
static bool no_sync;

int
fdatasync (int fd)
{
  syncs++;
  if (no_sync) {
    errno = EIO;
    return -1;
  }
  if (do_at_sync != NULL)
    do_at_sync (at_sync);
  return (int)syscall (SYS_fdatasync, fd);
}

static int
set_up (void **state)
{
  struct desk *d = calloc (1, sizeof *d);

  if (d == NULL)
    return -1;
  d->sc = scene_ordinary ();
  d->sc->f->imp.hash_image = true;
  scene_begin (d->sc);
  d->p = parts_new (d->sc);
  must (d->sc, segment_writer_open (&d->w, &d->p->facts, &d->p->team.hurry, MIB, &d->sc->err));
  d->c = (struct committer){ .facts = &d->p->facts,
                             .team = &d->p->team,
                             .pool = &d->p->pool,
                             .image_hash = &d->p->image_hash,
                             .progress = &d->p->progress };
  at_sync = d;
  syncs = 0;
  *state = d;
  return 0;
}

static int
tear_down (void **state)
{
  struct desk *d = *state;

  do_at_sync = NULL;
  no_sync = false;
  committer_join (&d->c);
  segment_writer_close (d->w);
  parts_close (d->p);
  scene_close (d->sc);
  free (d);
  return 0;
}

/* LEN bytes of segment ORD are written and published, and hashed if HASH. */
static struct slot *
publish (struct desk *d, uint64_t ord, uint64_t len, bool hash)
{
  struct segment_progress now = { 0 };
  struct slot *s = parts_slot (d->p, d->sc, ord, len);
  uint64_t wrote;

  pool_queue (&d->p->pool, s);
  assert_ptr_equal (pool_pop (&d->p->pool), s);
  slot_change (s, SLOT_BUSY);
  must (d->sc, segment_writer_write (d->w, s, s->base.v + slot_filled (s), NULL, &now, &wrote,
                                     &d->sc->err));
  progress_wrote (&d->p->progress, wrote);
  progress_publish (&d->p->progress, s, &now);
  pool_give_back (&d->p->pool, &d->p->progress, s);
  if (hash && image_hash_candidate (&d->p->image_hash, &d->p->pool) == s)
    image_hash_slot (&d->p->image_hash, &d->p->pool, &d->p->progress, s);
  return s;
}

static int
commit (struct desk *d)
{
  int rc;

  mutex_unlock (&d->p->team.lock);
  rc = committer_commit (&d->c, &d->sc->err);
  mutex_lock (&d->p->team.lock);
  return rc;
}

static uint64_t
asked (struct desk *d, const char *sql)
{
  return strtoull (fixture_ask (d->sc->f, sql), NULL, 10);
}

static void
nothing_is_committed_yet (struct desk *d)
{
  assert_int_equal (asked (d, "SELECT count(*) FROM segment WHERE committed"), 0);
}

static void
test_the_sync_comes_before_the_commit (void **state)
{
  struct desk *d = *state;

  assert_false (committer_is_behind (&d->c));
  publish (d, 0, MIB, true);
  assert_true (committer_is_behind (&d->c));
  do_at_sync = nothing_is_committed_yet;
  must (d->sc, commit (d));
  assert_true (syncs > 0);
  assert_false (committer_is_behind (&d->c));
  assert_int_equal (d->p->progress.unsynced, 0);
  assert_int_equal (asked (d, "SELECT count(*) FROM segment WHERE committed"), 1);
  assert_int_equal (asked (d, "SELECT done_to FROM import"), 1);
  assert_int_equal (asked (d, "SELECT image_hashed_to FROM import"), MIB);
}

static void
publish_another (struct desk *d)
{
  do_at_sync = NULL;
  mutex_lock (&d->p->team.lock);
  publish (d, 1, MIB, true);
  mutex_unlock (&d->p->team.lock);
}

static void
test_what_is_published_during_the_sync_waits (void **state)
{
  struct desk *d = *state;

  publish (d, 0, MIB, true);
  do_at_sync = publish_another;
  must (d->sc, commit (d));
  assert_int_equal (asked (d, "SELECT count(*) FROM segment WHERE committed"), 1);
  assert_int_equal (asked (d, "SELECT done_to FROM import"), 1);
  assert_true (committer_is_behind (&d->c));
  assert_true (d->p->progress.unsynced > 0);
  must (d->sc, commit (d));
  assert_int_equal (asked (d, "SELECT count(*) FROM segment WHERE committed"), 2);
  assert_false (committer_is_behind (&d->c));
}

static void
test_a_segment_in_flight_is_committed_as_far_as_it_is (void **state)
{
  struct desk *d = *state;

  publish (d, 0, 256 * KIB, false);
  publish (d, 1, MIB, false); /* whole, but for its hash */
  must (d->sc, commit (d));
  assert_int_equal (asked (d, "SELECT count(*) FROM segment WHERE committed"), 1);
  assert_int_equal (asked (d, "SELECT segments_committed FROM import"), 1);
  assert_int_equal (asked (d, "SELECT done_to FROM import"), 0);
  assert_int_equal (asked (d, "SELECT guest_committed FROM import"),
                    d->p->progress.guest_written);
  assert_false (committer_is_behind (&d->c));
}

static void
test_a_sync_that_fails_commits_nothing (void **state)
{
  struct desk *d = *state;

  publish (d, 0, MIB, true);
  no_sync = true;
  must_fail (d->sc, commit (d), ERR_TARGET_FAILED);
  no_sync = false;
  nothing_is_committed_yet (d);
  must_fail (d->sc, commit (d), ERR_TARGET_FAILED); /* T3: the disk may have dropped it */
}

static void
test_a_journal_that_refuses_is_told (void **state)
{
  struct desk *d = *state;

  publish (d, 0, MIB, true);
  fixture_write (d->sc->f, "UPDATE import SET holder_pid = holder_pid + 1");
  must_fail (d->sc, commit (d), ERR_IMPORT_HELD);
  nothing_is_committed_yet (d);
  assert_int_equal (d->p->progress.committed.segments_committed, 0);
}

/* ---- Its thread ----------------------------------------------------------------------------
 */

static void
run_until (struct desk *d, uint64_t segments)
{
  int64_t until = monotonic_ms () + 5000;

  while (d->p->progress.committed.segments_committed < segments && !d->p->team.failed
         && monotonic_ms () < until)
    team_wait_done (&d->p->team, 20);
}

static void
end_thread (struct desk *d)
{
  team_quit (&d->p->team);
  mutex_unlock (&d->p->team.lock);
  committer_join (&d->c);
  mutex_lock (&d->p->team.lock);
}

static void
test_it_commits_on_a_timer_and_when_asked (void **state)
{
  struct desk *d = *state;
  int64_t begun;

  publish (d, 0, MIB, true);
  must (d->sc, committer_start (&d->c, &d->sc->err));
  run_until (d, 1);
  assert_int_equal (d->p->progress.committed.segments_committed, 1);
  d->p->facts.spec.commit_interval_ms = 1000000;
  team_wait_done (&d->p->team, 250); /* its turn of before is over */
  publish (d, 1, MIB, true);
  begun = monotonic_ms ();
  committer_ask (&d->c);
  run_until (d, 2);
  assert_int_equal (d->p->progress.committed.segments_committed, 2);
  assert_true (monotonic_ms () - begun < 4000);
  assert_true (d->p->woken > 0);
  end_thread (d);
}

static void
test_it_gives_up_at_the_first_failure (void **state)
{
  struct desk *d = *state;

  publish (d, 0, MIB, true);
  no_sync = true;
  must (d->sc, committer_start (&d->c, &d->sc->err));
  run_until (d, 1);
  assert_true (d->p->team.failed && d->c.abandon);
  assert_int_equal (d->p->team.error.code, ERR_TARGET_FAILED);
  end_thread (d);
}

static void
test_it_waits_for_the_journals_check (void **state)
{
  struct desk *d = *state;

  atomic_store (&d->sc->may_commit, false);
  publish (d, 0, MIB, true);
  must (d->sc, committer_start (&d->c, &d->sc->err));
  committer_ask (&d->c);
  team_wait_done (&d->p->team, 300);
  assert_int_equal (syncs, 0);
  end_thread (d);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_the_sync_comes_before_the_commit),
    TEST (test_what_is_published_during_the_sync_waits),
    TEST (test_a_segment_in_flight_is_committed_as_far_as_it_is),
    TEST (test_a_sync_that_fails_commits_nothing),
    TEST (test_a_journal_that_refuses_is_told),
    TEST (test_it_commits_on_a_timer_and_when_asked),
    TEST (test_it_gives_up_at_the_first_failure),
    TEST (test_it_waits_for_the_journals_check),
  };

  return cmocka_run_group_tests_name ("committer", tests, NULL, NULL);
}
