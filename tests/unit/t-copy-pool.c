/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Slots and their pool: a slot's life is what the table in slot.h and the page in HACKING.md
 * say, its parts add up, and who breaks a rule of the room is stopped at once.
 */
#include "copy/pool.h" /* before cmocka.h, which has a macro named fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KIB = 1024, SLOTS = 4, SIZE = 64 * KIB };

struct stage {
  struct team team;
  struct progress progress;
  struct pool pool;
  struct copy_facts facts;
  struct error err;
  unsigned woken;
};

static void
wake (void *ctx)
{
  ((struct stage *)ctx)->woken++;
}

static int
set_up (void **state)
{
  struct stage *st = calloc (1, sizeof *st);

  if (st == NULL)
    return -1;
  st->facts.segment_size = SIZE;
  st->facts.image_len = UINT64_C (16) * SIZE;
  st->facts.imp.segments = 16;
  st->facts.imp.now.zero_ord = 3;
  team_init (&st->team, wake, st);
  progress_open (&st->progress, &st->team, &st->facts.imp);
  if (pool_open (&st->pool, &st->team, SLOTS, SIZE, &st->err) == -1)
    return -1;
  mutex_lock (&st->team.lock);
  *state = st;
  return 0;
}

static int
tear_down (void **state)
{
  struct stage *st = *state;

  mutex_unlock (&st->team.lock);
  pool_close (&st->pool);
  progress_close (&st->progress);
  team_release (&st->team);
  free (st);
  return 0;
}

static struct segment
segment (uint64_t ord)
{
  return (struct segment){ .ord = ord,
                           .at = { ord * SIZE },
                           .need = { { ord * SIZE }, SIZE },
                           .extents = 2,
                           .committed_to = { ord * SIZE } };
}

static struct slot *
take (struct stage *st, uint64_t ord)
{
  struct segment seg = segment (ord);
  struct slot *s = pool_take (&st->pool, &st->facts, &seg, &st->err);

  assert_non_null (s);
  return s;
}

/* The K-th part has N bytes. */
static void
fill (struct slot *s, unsigned k, uint64_t n)
{
  s->net.part[k].asked = true;
  atomic_store (&s->net.part[k].there, n);
}

/* A worker had S and wrote EXTENTS of it. */
static void
write_some (struct stage *st, struct slot *s, uint64_t extents)
{
  struct segment_progress p = { .ord = s->seg.ord,
                                .committed_extents = extents,
                                .committed = extents == s->seg.extents };

  assert_ptr_equal (pool_pop (&st->pool), s);
  slot_change (s, SLOT_BUSY);
  s->work.guest_put += 100;
  progress_publish (&st->progress, s, &p);
}

/* Stops the program, in a child of it. */
#define assert_stops(code)                         \
  do {                                             \
    pid_t child = fork ();                         \
    int status;                                    \
                                                   \
    assert_int_not_equal (child, -1);              \
    if (child == 0) {                              \
      signal (SIGABRT, SIG_DFL);                   \
      if (freopen ("/dev/null", "w", stderr) == 0) \
        _exit (2);                                 \
      code;                                        \
      _exit (0);                                   \
    }                                              \
    waitpid (child, &status, 0);                   \
    assert_true (WIFSIGNALED (status));            \
    assert_int_equal (WTERMSIG (status), SIGABRT); \
  } while (0)

/* ---- A slot's life -------------------------------------------------------------------------
 */

/* HACKING.md has a row "| `word` | meaning | `next`, `next` |" for each state. */
static void
test_a_slots_life_is_as_drawn (void **state)
{
  const char *top = getenv ("top_srcdir");
  char path[512], line[512];
  unsigned found = 0;
  FILE *page;

  (void)state;
  snprintf (path, sizeof path, "%s/HACKING.md", top == NULL ? ".." : top);
  if ((page = fopen (path, "r")) == NULL)
    skip ();
  while (fgets (line, sizeof line, page) != NULL) {
    unsigned from, to;

    for (from = SLOT_FREE; from <= SLOT_AGAIN; from++) {
      char name[32], *next;

      snprintf (name, sizeof name, "| `%s` |", slot_state_word (from));
      if (strncmp (line, name, strlen (name)) != 0)
        continue;
      found++;
      next = strrchr (line, '`') == NULL ? line : strchr (line + strlen (name), '|');
      assert_non_null (next);
      for (to = SLOT_FREE; to <= SLOT_AGAIN; to++) {
        snprintf (name, sizeof name, "`%s`", slot_state_word (to));
        assert_int_equal (strstr (next, name) != NULL, slot_may_follow (from, to));
      }
    }
  }
  fclose (page);
  assert_int_equal (found, SLOT_AGAIN + 1);
}

static void
test_from_free_to_free (void **state)
{
  struct stage *st = *state;
  struct slot *s = take (st, 0);

  assert_int_equal (st->pool.n_free, SLOTS - 1);
  assert_int_equal (s->life.state, SLOT_IDLE);
  assert_int_equal (pool_watermark (&st->pool), 0);
  fill (s, 0, SIZE);
  pool_queue (&st->pool, s);
  pool_queue (&st->pool, s); /* again: nothing */
  assert_false (pool_is_quiet (&st->pool));
  write_some (st, s, 2);
  pool_give_back (&st->pool, &st->progress, s);
  assert_int_equal (s->life.state, SLOT_FREE);
  assert_true (pool_is_empty (&st->pool));
  assert_false (pool_has_changed (&st->pool));
  assert_int_equal (st->progress.pending.n, 1);
  assert_int_equal (st->progress.pending.guest, 100);
  assert_int_equal (pool_watermark (&st->pool), 1);
}

static void
test_more_that_came_meanwhile_is_looked_at (void **state)
{
  struct stage *st = *state;
  struct slot *s = take (st, 0);

  fill (s, 0, SIZE / 2);
  pool_queue (&st->pool, s);
  write_some (st, s, 1);
  assert_true (pool_has_changed (&st->pool));
  pool_queue (&st->pool, s);
  assert_int_equal (s->life.state, SLOT_AGAIN);
  pool_queue (&st->pool, s);
  pool_give_back (&st->pool, &st->progress, s);
  assert_int_equal (s->life.state, SLOT_QUEUED);
  pool_drop_queue (&st->pool); /* a stop */
  assert_int_equal (s->life.state, SLOT_IDLE);
  assert_null (pool_pop (&st->pool));
}

static void
test_slots_are_worked_on_in_turn_and_used_again (void **state)
{
  struct stage *st = *state;
  struct slot *s[SLOTS];
  unsigned i;

  for (i = 0; i < SLOTS; i++) {
    s[i] = take (st, i);
    fill (s[i], 0, SIZE);
    pool_queue (&st->pool, s[i]);
  }
  assert_int_equal (st->pool.n_free, 0);
  for (i = 0; i < SLOTS; i++) {
    write_some (st, s[i], 2);
    if (i != 1)
      pool_give_back (&st->pool, &st->progress, s[i]);
  }
  assert_int_equal (pool_watermark (&st->pool), 1); /* what is not whole is before it */
  assert_int_equal (st->pool.n_free, SLOTS - 1);
  assert_ptr_equal (take (st, 4), s[3]); /* whose memory is in use already */
}

static void
test_one_is_taken_out_of_turn (void **state)
{
  struct stage *st = *state;
  struct slot *s[SLOTS];
  unsigned i;

  for (i = 0; i < SLOTS; i++) {
    s[i] = take (st, i);
    fill (s[i], 0, SIZE);
    pool_queue (&st->pool, s[i]);
  }
  assert_true (pool_pop_this (&st->pool, s[SLOTS - 1])); /* the last, and the queue goes on */
  assert_true (pool_pop_this (&st->pool, s[1]));
  assert_false (pool_pop_this (&st->pool, s[1]));
  assert_ptr_equal (pool_pop (&st->pool), s[0]);
  for (i = 0; i < 2; i++) {
    slot_change (s[i], SLOT_BUSY);
    pool_queue (&st->pool, s[i]);
    pool_give_back (&st->pool, &st->progress, s[i]);
  }
  for (i = 2; i < SLOTS - 1; i++)
    assert_ptr_equal (pool_pop (&st->pool), s[i]);
  assert_ptr_equal (pool_pop (&st->pool), s[0]);
  assert_ptr_equal (pool_pop (&st->pool), s[1]);
  assert_null (pool_pop (&st->pool));
}

static void
test_a_slot_is_kept_until_all_is_there_written_and_hashed (void **state)
{
  struct stage *st = *state;
  struct slot *s;

  st->facts.imp.hash_image = true;
  s = take (st, 0);
  assert_false (s->life.hashed);
  fill (s, 0, SIZE / 2);
  pool_queue (&st->pool, s);
  write_some (st, s, 2);
  pool_give_back (&st->pool, &st->progress, s);
  assert_int_equal (s->life.state, SLOT_IDLE);
  s->life.hashed = true;
  pool_retire (&st->pool, &st->progress, s);
  assert_int_equal (s->life.state, SLOT_IDLE); /* the rest is still on its way */
  fill (s, 0, SIZE);
  pool_retire (&st->pool, &st->progress, s);
  assert_int_equal (s->life.state, SLOT_FREE);
}

/* ---- Where it is taken up ------------------------------------------------------------------
 */

static void
test_it_is_taken_up_where_it_was_left (void **state)
{
  struct stage *st = *state;
  struct segment seg = segment (2);
  struct digest d;
  struct slot *s;

  digest_init (&d);
  digest_update (&d, "abc", 3);
  seg.hash_len = digest_save (&d, seg.hash);
  seg.committed_to.v += 4096;
  seg.committed_extents = 1;
  s = pool_take (&st->pool, &st->facts, &seg, &st->err);
  assert_non_null (s);
  assert_int_equal (s->base.v, 2 * SIZE + 4096);
  assert_int_equal (s->len, SIZE - 4096);
  assert_int_equal (s->work.next, 1);
  assert_int_equal (digest_count (&s->work.digest), 3);
  assert_false (s->life.written);
}

/* The image's hash is behind: what is committed is fetched again for it. */
static void
test_and_from_where_the_hash_is_if_that_is_before (void **state)
{
  struct stage *st = *state;
  struct segment seg = segment (2);
  struct slot *s;

  st->facts.imp.hash_image = true;
  st->facts.imp.now.image_hashed_to = 2 * SIZE + 512;
  seg.committed = true;
  s = pool_take (&st->pool, &st->facts, &seg, &st->err);
  assert_non_null (s);
  assert_int_equal (s->base.v, 2 * SIZE + 512);
  assert_true (s->life.written);
  assert_false (s->life.hashed);
}

static void
test_rows_that_cannot_be_are_refused (void **state)
{
  struct stage *st = *state;
  struct segment seg = segment (1);
  OWN (journal) j = NULL;
  char path[64] = "/tmp/qimport-pool-XXXXXX", file[80];

  assert_non_null (mkdtemp (path));
  snprintf (file, sizeof file, "%s/journal", path);
  assert_int_equal (journal_open (&j, file, JOURNAL_CREATE, &st->err), 0);
  st->facts.spec.journal = j;
  seg.need.len = SIZE + 1;
  assert_null (pool_take (&st->pool, &st->facts, &seg, &st->err));
  assert_int_equal (st->err.code, ERR_JOURNAL_CORRUPT);
  seg = segment (1);
  seg.hash_len = 7;
  assert_null (pool_take (&st->pool, &st->facts, &seg, &st->err));
  assert_int_equal (st->err.code, ERR_JOURNAL_CORRUPT);
  seg = segment (1);
  seg.at.v = 0;
  st->facts.imp.hash_image = true;
  assert_null (pool_take (&st->pool, &st->facts, &seg, &st->err));
  assert_int_equal (st->err.code, ERR_JOURNAL_CORRUPT);
  assert_true (pool_is_empty (&st->pool));
  assert_int_equal (pool_watermark (&st->pool), 0);
  snprintf (file, sizeof file, "rm -r %s", path);
  assert_int_equal (system (file), 0);
}

/* ---- Parts ----------------------------------------------------------------------------------
 */

static void
test_parts_add_up (void **state)
{
  struct stage *st = *state;
  struct slot *s = take (st, 1);

  assert_int_equal (slot_part_open (s), 0);
  slot_part_split (s, 0, SIZE + 4096);
  slot_part_split (s, 1, SIZE + 8192);
  slot_part_split (s, 0, SIZE + 1024);
  assert_int_equal (s->net.n_parts, 4);
  assert_int_equal (slot_part_from (s, 2), SIZE + 4096);
  assert_int_equal (slot_part_end (s, 3), 2 * SIZE);
  fill (s, 1, 3072);
  assert_true (slot_part_whole (s, 1));
  assert_int_equal (slot_filled (s), 0); /* what comes first has not come */
  fill (s, 0, 1024);
  assert_int_equal (slot_filled (s), 4096);
  assert_int_equal (slot_part_open (s), 2);
  fill (s, 2, 100);
  assert_int_equal (slot_filled (s), 4196);
  assert_true (slot_adds_up (s));
  atomic_store (&s->net.part[2].there, 4097);
  assert_false (slot_adds_up (s)); /* more than its bytes */
  atomic_store (&s->net.part[2].there, 1);
  s->net.part[2].asked = false;
  assert_false (slot_adds_up (s)); /* nobody asked */
  atomic_store (&s->net.part[2].there, 0);
  s->net.part[3].end--;
  assert_false (slot_adds_up (s)); /* a byte is nobody's */
  s->net.n_parts = 0;
  assert_false (slot_adds_up (s));
}

/* ---- Progress -------------------------------------------------------------------------------
 */

static void
test_zeros_have_a_cursor (void **state)
{
  struct stage *st = *state;
  struct progress *p = &st->progress;

  progress_zeroed (p, 4096, 0, false);
  assert_int_equal (p->zero_ord, 3);
  assert_int_equal (p->zero_off, 4096);
  progress_zeroed (p, 4096, 4096, true);
  assert_int_equal (p->zero_ord, 4);
  assert_int_equal (p->zero_off, 0);
  assert_int_equal (p->guest_written, 8192);
  assert_int_equal (p->unsynced, 4096);
}

/* What may wait for a sync is what the disk syncs in half a second. */
static void
test_a_slow_disk_is_given_less_at_a_time (void **state)
{
  struct stage *st = *state;
  struct progress *p = &st->progress;
  uint64_t least = p->unsynced_limit;

  progress_wrote (p, 10 * least);
  assert_true (progress_is_pressed (p));
  progress_synced (p, 4 * least, 100);
  assert_int_equal (p->unsynced_limit, 4 * least / 100 * 500);
  progress_synced (p, 4 * least, 60000);
  assert_int_equal (p->unsynced_limit, least);
  progress_synced (p, 4096, 60000); /* too little to tell */
  assert_int_equal (p->unsynced_limit, least);
  assert_int_equal (p->unsynced, 2 * least - 4096);
}

/* ---- Rules ----------------------------------------------------------------------------------
 */

static void
test_who_forgets_the_lock_is_stopped (void **state)
{
  struct stage *st = *state;
  struct slot *s = take (st, 0);

  mutex_unlock (&st->team.lock);
  assert_false (team_held (&st->team));
  assert_stops (pool_queue (&st->pool, s));
  assert_stops (pool_watermark (&st->pool));
  assert_stops (progress_wrote (&st->progress, 1));
  assert_stops (team_quit (&st->team));
  assert_stops (mutex_unlock (&st->team.lock));
  mutex_lock (&st->team.lock);
  assert_stops (mutex_lock (&st->team.lock));
  assert_true (team_held (&st->team));
}

static void *
is_held (void *team)
{
  return team_held (team) ? team : NULL;
}

static void
test_a_lock_is_held_by_one_thread (void **state)
{
  struct stage *st = *state;
  pthread_t other;
  void *held;

  assert_int_equal (pthread_create (&other, NULL, is_held, &st->team), 0);
  pthread_join (other, &held);
  assert_null (held);
}

static void
test_who_breaks_a_rule_is_stopped (void **state)
{
  struct stage *st = *state;
  struct slot *s = take (st, 0);
  struct segment_progress p = { .ord = 0, .committed_extents = 1 };
  struct import_progress back = st->progress.committed;

  assert_stops (slot_change (s, SLOT_BUSY));
  assert_stops (pool_count_busy (&st->pool, -1));
  assert_stops (progress_publish (&st->progress, s, &p)); /* nobody has it */
  fill (s, 0, SIZE);
  pool_queue (&st->pool, s);
  write_some (st, s, 1);
  p.committed_extents = 0;
  assert_stops (progress_publish (&st->progress, s, &p)); /* it goes back */
  p.committed_extents = 1;
  p.ord = 1;
  assert_stops (progress_publish (&st->progress, s, &p)); /* another one */
  back.zero_ord--;
  assert_stops (progress_committed (&st->progress, &back));
  back.zero_ord += 2;
  progress_committed (&st->progress, &back);
  assert_stops (progress_synced (&st->progress, 1, 1)); /* more than there is */
}

static void
test_the_first_failure_counts_and_wakes_all (void **state)
{
  struct stage *st = *state;
  struct error e;

  (fail) (&e, ERR_TARGET_FULL, "first");
  team_fail (&st->team, &e);
  (fail) (&e, ERR_INTERNAL, "second");
  team_fail (&st->team, &e);
  assert_int_equal (team_result (&st->team, &e), -1);
  assert_int_equal (e.code, ERR_TARGET_FULL);
  assert_true (team_ends (&st->team));
  assert_int_equal (st->woken, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_a_slots_life_is_as_drawn),
    TEST (test_from_free_to_free),
    TEST (test_more_that_came_meanwhile_is_looked_at),
    TEST (test_slots_are_worked_on_in_turn_and_used_again),
    TEST (test_one_is_taken_out_of_turn),
    TEST (test_a_slot_is_kept_until_all_is_there_written_and_hashed),
    TEST (test_it_is_taken_up_where_it_was_left),
    TEST (test_and_from_where_the_hash_is_if_that_is_before),
    TEST (test_rows_that_cannot_be_are_refused),
    TEST (test_parts_add_up),
    TEST (test_zeros_have_a_cursor),
    TEST (test_a_slow_disk_is_given_less_at_a_time),
    TEST (test_who_forgets_the_lock_is_stopped),
    TEST (test_a_lock_is_held_by_one_thread),
    TEST (test_who_breaks_a_rule_is_stopped),
    TEST (test_the_first_failure_counts_and_wakes_all),
  };

  return cmocka_run_group_tests_name ("pool", tests, NULL, NULL);
}
