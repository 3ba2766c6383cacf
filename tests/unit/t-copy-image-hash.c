/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The image is hashed in host order, as its pieces come, and at a resume from where it was.
 */
#include "copy-fixture.h"

static struct scene *sc;
static struct parts *p;

static int
set_up (void **state)
{
  (void)state;
  sc = scene_ordinary ();
  sc->f->imp.hash_image = true;
  scene_begin (sc);
  p = parts_new (sc);
  return 0;
}

static int
tear_down (void **state)
{
  (void)state;
  parts_close (p);
  scene_close (sc);
  return 0;
}

static struct slot *
candidate (void)
{
  return image_hash_candidate (&p->image_hash, &p->pool);
}

static void
hash (struct slot *s)
{
  assert_ptr_equal (candidate (), s);
  image_hash_slot (&p->image_hash, &p->pool, &p->progress, s);
}

static bool
is_hash_of_first (uint64_t len)
{
  uint8_t want[DIGEST_SIZE];
  struct checksum sum;
  struct digest d;

  digest_init (&d);
  digest_update (&d, sc->bytes, len);
  digest_peek (&d, want);
  return image_hash_checksum (&p->image_hash, len, &sum)
         && memcmp (sum.digest, want, DIGEST_SIZE) == 0;
}

static void
test_pieces_go_in_in_order (void **state)
{
  struct slot *second = parts_slot (p, sc, 1, MIB), *first;

  (void)state;
  assert_null (candidate ());
  first = parts_slot (p, sc, 0, MIB);
  hash (first);
  assert_true (is_hash_of_first (MIB));
  assert_true (first->life.hashed);
  hash (second);
  assert_true (is_hash_of_first (2 * MIB));
  assert_null (candidate ());
}

static void
test_a_part_goes_in_only_when_a_commit_is_near (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, 300 * KIB);

  (void)state;
  assert_null (candidate ());
  p->image_hash.early = true;
  hash (s);
  assert_true (is_hash_of_first (300 * KIB));
  assert_false (s->life.hashed);
  assert_null (candidate ()); /* no more has come */
  atomic_store (&s->net.part[0].there, s->len);
  hash (s);
  assert_true (is_hash_of_first (MIB));
}

static void
test_one_worker_at_a_time_hashes (void **state)
{
  (void)state;
  parts_slot (p, sc, 0, MIB);
  p->image_hash.hashing = true;
  assert_null (candidate ());
}

static void
test_what_was_not_hashed_to_its_end_is_hashed_again (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, MIB);
  struct image_turn turn;

  (void)state;
  image_hash_begin (&p->image_hash, s, &turn);
  hash_update (&turn.bytes.hash, turn.bytes.at, 4096);
  turn.bytes.at += 4096;
  image_hash_end (&p->image_hash, &p->pool, &p->progress, &turn);
  assert_false (s->life.hashed);
  hash (s);
  assert_true (is_hash_of_first (MIB));
}

static void
test_plain_data_waits_for_a_hash_that_is_at_work (void **state)
{
  struct slot *first = parts_slot (p, sc, 0, MIB), *second = parts_slot (p, sc, 1, MIB);
  struct image_turn turn;

  (void)state;
  assert_false (image_hash_comes_to (&p->image_hash, second)); /* it would come to nothing */
  image_hash_begin (&p->image_hash, first, &turn);
  assert_true (image_hash_comes_to (&p->image_hash, second));
  second->seg.guest_bytes = second->seg.need.len + 1; /* most of the work is to decode it */
  assert_false (image_hash_comes_to (&p->image_hash, second));
}

static void
test_what_is_hashed_and_written_is_free (void **state)
{
  struct slot *s = parts_slot (p, sc, 0, MIB);

  (void)state;
  s->life.written = true;
  hash (s);
  assert_int_equal (s->life.state, SLOT_FREE);
}

static void
test_nothing_is_hashed_unasked (void **state)
{
  struct checksum sum;

  (void)state;
  parts_slot (p, sc, 0, MIB);
  p->facts.imp.hash_image = false;
  assert_null (candidate ());
  assert_false (image_hash_checksum (&p->image_hash, 0, &sum));
}

static void
test_it_goes_on_where_it_was (void **state)
{
  struct image_hash again = { 0 };
  struct copy_facts f = p->facts;

  (void)state;
  hash (parts_slot (p, sc, 0, MIB));
  f.imp.now.image_hashed_to = MIB;
  f.imp.now.image_hash_len = hash_save (&p->image_hash.hash, f.imp.now.image_hash);
  must (sc, image_hash_open (&again, &f, &p->team, &sc->err));
  assert_int_equal (again.ord, 1);
  assert_int_equal (hash_count (&again.hash), MIB);
  f.imp.now.image_hashed_to--;
  must_fail (sc, image_hash_open (&again, &f, &p->team, &sc->err), ERR_JOURNAL_CORRUPT);
  f.imp.now.image_hashed_to++;
  f.imp.now.image_hash_len--;
  must_fail (sc, image_hash_open (&again, &f, &p->team, &sc->err), ERR_JOURNAL_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, set_up, tear_down)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_pieces_go_in_in_order),
    TEST (test_a_part_goes_in_only_when_a_commit_is_near),
    TEST (test_one_worker_at_a_time_hashes),
    TEST (test_what_was_not_hashed_to_its_end_is_hashed_again),
    TEST (test_plain_data_waits_for_a_hash_that_is_at_work),
    TEST (test_what_is_hashed_and_written_is_free),
    TEST (test_nothing_is_hashed_unasked),
    TEST (test_it_goes_on_where_it_was),
  };

  return cmocka_run_group_tests_name ("image_hash", tests, NULL, NULL);
}
