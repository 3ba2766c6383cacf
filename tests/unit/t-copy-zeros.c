/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * J6: what must read as zeros does, also where the target held something else; its cursor goes
 * on where it was, and a stop is answered in between.
 */
#include "copy-fixture.h"

#include "copy/zeros.h"

static struct scene *sc;
static struct parts *p;
static struct zeros z;

/* Zeros, data, a hole, over a target of which every byte is 'x'. */
static void
begin (bool keep_holes)
{
  static uint8_t old[4 * MIB];

  memset (old, 'x', sizeof old);
  sc = scene_new (MIB, 4 * MIB);
  scene_zero (sc, 0, MIB);
  scene_data (sc, MIB, MIB, 0);
  sc->map[sc->n++] = zero_at (EXTENT_HOLE, 2 * MIB, MIB);
  scene_zero (sc, 3 * MIB, MIB);
  sc->f->imp.keep_holes = keep_holes;
  scene_begin (sc);
  must (sc, target_write (sc->target, (guest_off){ 0 }, old, sizeof old, &sc->err));
  target_begin_anew (sc->target);
  must (sc, target_claim (sc->target, &sc->err));
  p = parts_new (sc);
  z = (struct zeros){
    .facts = &p->facts, .team = &p->team, .progress = &p->progress, .known = true
  };
}

static int
tear_down (void **state)
{
  (void)state;
  parts_close (p);
  scene_close (sc);
  return 0;
}

static bool
all_are (uint64_t at, uint8_t value)
{
  static uint8_t is[MIB];
  size_t i;

  must (sc, target_read (sc->target, (guest_off){ at }, is, sizeof is, &sc->err));
  for (i = 0; i < sizeof is; i++)
    if (is[i] != value)
      return false;
  return true;
}

static void
run (void)
{
  int64_t until = monotonic_ms () + 5000;

  must (sc, zeros_start (&z, &sc->err));
  while (!z.done && !p->team.failed && monotonic_ms () < until)
    team_wait_done (&p->team, 20);
}

static void
end (void)
{
  team_quit (&p->team);
  mutex_unlock (&p->team.lock);
  zeros_join (&z);
  mutex_lock (&p->team.lock);
}

static void
test_zero_runs_and_holes_read_as_zeros (void **state)
{
  (void)state;
  begin (false);
  run ();
  end ();
  assert_true (z.done);
  assert_true (all_are (0, 0) && all_are (2 * MIB, 0) && all_are (3 * MIB, 0));
  assert_true (all_are (MIB, 'x')); /* is data's */
  assert_int_equal (p->progress.zero_ord, sc->f->imp.zero_runs);
  assert_int_equal (p->progress.zero_off, 0);
  assert_int_equal (p->progress.pending.guest, 3 * MIB);
  assert_int_equal (p->progress.unsynced, 3 * MIB);
}

static void
test_holes_may_keep_what_is_there (void **state)
{
  (void)state;
  begin (true);
  run ();
  end ();
  assert_true (z.done);
  assert_true (all_are (0, 0) && all_are (2 * MIB, 'x') && all_are (3 * MIB, 0));
}

static void
test_they_go_on_at_the_cursor (void **state)
{
  (void)state;
  begin (false);
  p->facts.imp.now.zero_off = p->progress.zero_off = 512 * KIB;
  run ();
  end ();
  assert_true (z.done);
  assert_false (all_are (0, 0));
  assert_true (all_are (3 * MIB, 0));
  assert_int_equal (p->progress.pending.guest, 3 * MIB - 512 * KIB);
}

static void
test_a_stop_is_answered (void **state)
{
  (void)state;
  begin (false);
  atomic_store (&sc->stop, true);
  run ();
  assert_true (p->team.failed);
  assert_int_equal (p->team.error.code, ERR_INTERRUPTED);
  end ();
  assert_false (z.done);
}

static void
test_of_a_stream_they_are_known_at_its_end (void **state)
{
  (void)state;
  begin (false);
  z.known = false;
  must (sc, zeros_start (&z, &sc->err));
  team_wait_done (&p->team, 100);
  assert_false (z.done);
  assert_int_equal (p->progress.pending.guest, 0);
  zeros_tell_known (&z);
  while (!z.done)
    team_wait_done (&p->team, 20);
  end ();
  assert_true (all_are (0, 0));
}

static void
test_a_stream_that_never_ends_is_left (void **state)
{
  (void)state;
  begin (false);
  z.known = false;
  must (sc, zeros_start (&z, &sc->err));
  end ();
  assert_false (z.done);
}

#define TEST(name) cmocka_unit_test_teardown (name, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_zero_runs_and_holes_read_as_zeros),
    TEST (test_holes_may_keep_what_is_there),
    TEST (test_they_go_on_at_the_cursor),
    TEST (test_a_stop_is_answered),
    TEST (test_of_a_stream_they_are_known_at_its_end),
    TEST (test_a_stream_that_never_ends_is_left),
  };

  return cmocka_run_group_tests_name ("zeros", tests, NULL, NULL);
}
