/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Workers take what is queued, write it, publish how far it is, and give it back; they hash
 * what can be hashed first, wait for a disk that cannot keep up, and end when all does.
 */
#include "copy-fixture.h"

#include "copy/worker.h"

static struct scene *sc;
static struct parts *p;
static struct workers w;

static int
set_up (void **state)
{
  (void)state;
  sc = scene_ordinary ();
  sc->f->imp.hash_image = true;
  scene_begin (sc);
  p = parts_new (sc);
  w = (struct workers){ .facts = &p->facts,
                        .team = &p->team,
                        .pool = &p->pool,
                        .image_hash = &p->image_hash,
                        .progress = &p->progress,
                        .arena_size = MIB };
  return 0;
}

static int
tear_down (void **state)
{
  (void)state;
  team_quit (&p->team);
  mutex_unlock (&p->team.lock);
  workers_join (&w);
  mutex_lock (&p->team.lock);
  parts_close (p);
  scene_close (sc);
  return 0;
}

static void
wait_until_quiet (void)
{
  int64_t until = monotonic_ms () + 5000;

  while (!pool_is_quiet (&p->pool) && monotonic_ms () < until)
    team_wait_done (&p->team, 20);
  assert_true (pool_is_quiet (&p->pool));
}

static void
test_what_is_queued_is_written_published_and_hashed (void **state)
{
  unsigned i;

  (void)state;
  must (sc, workers_start (&w, 2, &sc->err));
  for (i = 0; i < 4; i++)
    pool_queue (&p->pool, parts_slot (p, sc, i, MIB));
  wait_until_quiet ();
  while (!pool_is_empty (&p->pool))
    team_wait_done (&p->team, 20);
  assert_int_equal (p->progress.pending.n, 4);
  assert_int_equal (p->image_hash.to, 4 * MIB);
  assert_int_equal (p->progress.guest_written, 4 * 640 * KIB);
  assert_int_equal (p->progress.unsynced, 4 * 640 * KIB);
  assert_true (p->woken > 0);
}

static void
test_what_has_come_is_published_in_part (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, 128 * KIB);

  (void)state;
  must (sc, workers_start (&w, 1, &sc->err));
  pool_queue (&p->pool, s);
  wait_until_quiet ();
  assert_int_equal (s->life.state, SLOT_IDLE);
  assert_true (s->life.changed && !s->life.written);
  assert_int_equal (s->life.published.committed_to.v, 128 * KIB);
  atomic_store (&s->net.part[0].there, s->len);
  pool_queue (&p->pool, s);
  pthread_cond_signal (&p->team.work);
  wait_until_quiet ();
  while (!pool_is_empty (&p->pool))
    team_wait_done (&p->team, 20);
  assert_int_equal (p->progress.pending.n, 1);
}

static void
test_they_wait_for_a_disk_that_cannot_keep_up (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, MIB);

  (void)state;
  p->facts.imp.hash_image = false;
  progress_wrote (&p->progress, p->progress.unsynced_limit + 1);
  must (sc, workers_start (&w, 1, &sc->err));
  pool_queue (&p->pool, s);
  team_wait_done (&p->team, 100);
  assert_int_equal (s->life.state, SLOT_QUEUED);
  progress_synced (&p->progress, p->progress.unsynced, 1);
  pthread_cond_broadcast (&p->team.done);
  wait_until_quiet ();
  assert_true (s->life.written);
}

static void
test_a_cluster_that_is_broken_fails_the_copy (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, MIB);

  (void)state;
  memset (s->buf + 640 * KIB, 0xff, 256);
  must (sc, workers_start (&w, 2, &sc->err));
  pool_queue (&p->pool, s);
  wait_until_quiet ();
  assert_true (p->team.failed);
  assert_int_equal (p->team.error.code, ERR_IMAGE_MALFORMED);
  assert_false (s->life.changed);
  pool_queue (&p->pool, parts_slot (p, sc, 1, MIB)); /* nothing is written after it */
  wait_until_quiet ();
  assert_int_equal (p->progress.guest_written, 0);
}

static void
test_in_a_hurry_what_is_queued_stays (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, MIB);

  (void)state;
  atomic_store (&p->team.hurry, true);
  must (sc, workers_start (&w, 1, &sc->err));
  pool_queue (&p->pool, s);
  wait_until_quiet ();
  assert_false (p->team.failed);
  assert_false (s->life.changed);
  assert_int_equal (s->life.state, SLOT_IDLE);
}

static void
test_one_that_cannot_begin_fails_the_copy (void **state)
{
  int64_t until = monotonic_ms () + 5000;

  (void)state;
  p->facts.spec.extents = NULL; /* it needs rows, and there is no journal any more */
  assert_int_equal (unlink (sc->f->path), 0);
  must (sc, workers_start (&w, 1, &sc->err));
  while (!p->team.failed && monotonic_ms () < until)
    team_wait_done (&p->team, 20);
  assert_true (p->team.failed);
  assert_int_equal (p->team.error.code, ERR_JOURNAL_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_what_is_queued_is_written_published_and_hashed),
    TEST (test_what_has_come_is_published_in_part),
    TEST (test_they_wait_for_a_disk_that_cannot_keep_up),
    TEST (test_a_cluster_that_is_broken_fails_the_copy),
    TEST (test_in_a_hurry_what_is_queued_stays),
    TEST (test_one_that_cannot_begin_fails_the_copy),
  };

  return cmocka_run_group_tests_name ("worker", tests, NULL, NULL);
}
