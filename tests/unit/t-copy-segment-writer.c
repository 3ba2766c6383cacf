/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What has come of a segment is written as far as it can be, and no further; and a row that
 * cannot be is refused before anything is done with it.
 */
#include "copy-fixture.h"

#include "copy/segment_writer.h"

struct desk {
  struct scene *sc;
  struct parts *p;
  struct segment_writer *w;
  struct slot *s;
  struct segment_progress now;
  uint64_t wrote;
};

/* Over SC, with LEN bytes of its first segment; the extents are the map's, or ROWS. */
static struct desk
sit_down (struct scene *sc, uint64_t len, bool rows, size_t arena)
{
  struct desk d = { .sc = sc };

  scene_begin (sc);
  if (rows)
    sc->spec.extents = NULL;
  d.p = parts_new (sc);
  must (sc, segment_writer_open (&d.w, &d.p->facts, &d.p->team.hurry, arena, &sc->err));
  d.s = parts_slot (d.p, sc, 0, len);
  return d;
}

static void
get_up (struct desk *d)
{
  segment_writer_close (d->w);
  parts_close (d->p);
  scene_close (d->sc);
}

/* As far as LEN bytes, of those that it needs. */
static int
write_to (struct desk *d, uint64_t len)
{
  d->now = (struct segment_progress){ 0 };
  len = min_u64 (len, host_end (d->s->seg.need) - d->s->base.v);
  return segment_writer_write (d->w, d->s, d->s->base.v + len, NULL, &d->now, &d->wrote,
                               &d->sc->err);
}

/* One plain extent, then two compressed clusters. */
static struct scene *
mixed (void)
{
  struct scene *sc = scene_new (MIB, MIB);
  uint64_t at = 256 * KIB;

  scene_data (sc, 0, 256 * KIB, 0);
  at += scene_compressed (sc, 256 * KIB, at);
  scene_compressed (sc, 256 * KIB + CLUSTER, at);
  scene_zero (sc, 256 * KIB + 2 * CLUSTER, MIB - 256 * KIB - 2 * CLUSTER);
  return sc;
}

static void
test_plain_data_is_written_in_grains_as_it_comes (void **state)
{
  struct desk d = sit_down (mixed (), 100000, false, CLUSTER);

  (void)state;
  must (d.sc, write_to (&d, 100000));
  assert_int_equal (d.now.committed_to.v, align_down (100000, COPY_GRAIN));
  assert_int_equal (d.now.committed_extents, 0);
  assert_false (d.now.committed);
  assert_false (d.now.digest_final);
  assert_true (d.now.hash_len > 0);
  must (d.sc, write_to (&d, 100000)); /* no more has come */
  assert_int_equal (d.wrote, 0);
  assert_int_equal (d.s->work.guest_put, align_down (100000, COPY_GRAIN));
  get_up (&d);
}

static void
test_a_compressed_cluster_waits_until_it_is_whole (void **state)
{
  struct scene *sc = mixed ();
  struct desk d = sit_down (sc, MIB, false, CLUSTER);
  uint64_t first = extent_host_end (&sc->map[1]);
  uint8_t want[DIGEST_SIZE];
  struct digest all;

  (void)state;
  must (sc, write_to (&d, first - 1));
  assert_int_equal (d.now.committed_extents, 1);
  must (sc, write_to (&d, first));
  assert_int_equal (d.now.committed_extents, 2);
  must (sc, write_to (&d, d.s->len));
  assert_true (d.now.committed && d.now.digest_final);
  assert_int_equal (d.now.committed_to.v, host_end (d.s->seg.need));
  digest_init (&all);
  digest_update (&all, sc->want, 256 * KIB + 2 * CLUSTER);
  digest_peek (&all, want);
  assert_memory_equal (d.now.hash, want, DIGEST_SIZE);
  get_up (&d);
}

/* Clusters that several guest clusters share are written extent by extent. */
static void
test_what_a_later_extent_needs_again_is_not_committed_in_part (void **state)
{
  struct scene *sc = scene_new (MIB, MIB);
  struct desk d;

  (void)state;
  scene_data (sc, 0, 4 * CLUSTER, 0);
  scene_data (sc, 512 * KIB, 2 * CLUSTER, 2 * CLUSTER); /* the same two clusters */
  scene_zero (sc, 4 * CLUSTER, 512 * KIB - 4 * CLUSTER);
  scene_zero (sc, 512 * KIB + 2 * CLUSTER, 512 * KIB - 2 * CLUSTER);
  d = sit_down (sc, MIB, true, CLUSTER);
  must (sc, write_to (&d, 3 * CLUSTER));
  assert_int_equal (d.now.committed_to.v, 0);
  must (sc, write_to (&d, 4 * CLUSTER));
  assert_true (d.now.committed);
  get_up (&d);
}

static void
test_a_small_arena_is_used_again (void **state)
{
  struct scene *sc = scene_new (MIB, MIB);
  struct desk d;
  uint64_t at = 0, i;

  (void)state;
  for (i = 0; i < 16; i++)
    at += scene_compressed (sc, (15 - i) * CLUSTER, at);
  d = sit_down (sc, MIB, true, 3 * CLUSTER);
  must (sc, write_to (&d, d.s->len));
  assert_true (d.now.committed);
  assert_int_equal (d.s->work.guest_put, MIB);
  get_up (&d);
}

static void
test_zeros_in_the_data_are_not_written (void **state)
{
  struct scene *sc = scene_new (MIB, MIB);
  struct desk d;

  (void)state;
  memset (sc->bytes + 256 * KIB, 0, 512 * KIB);
  scene_data (sc, 0, MIB, 0);
  d = sit_down (sc, MIB, false, CLUSTER);
  must (sc, write_to (&d, MIB));
  assert_int_equal (d.wrote, 512 * KIB);
  assert_int_equal (d.s->work.guest_put, MIB);
  get_up (&d);
}

static void
test_in_a_hurry_nothing_is_written (void **state)
{
  struct desk d = sit_down (mixed (), MIB, false, CLUSTER);

  (void)state;
  atomic_store (&d.p->team.hurry, true);
  must_fail (d.sc, write_to (&d, MIB / 2), ERR_INTERRUPTED);
  assert_int_equal (d.wrote, 0);
  get_up (&d);
}

static void
test_a_broken_cluster_is_refused (void **state)
{
  struct scene *sc = mixed ();
  struct desk d;

  (void)state;
  d = sit_down (sc, MIB, false, CLUSTER);
  memset (d.s->buf + 256 * KIB, 0xff, 256);
  must_fail (sc, write_to (&d, d.s->len), ERR_IMAGE_MALFORMED);
  assert_non_null (strstr (sc->err.text, sc->image));
  get_up (&d);
}

/* The map that was kept has fewer extents than the segment says. */
static void
test_a_map_that_is_too_short_is_our_fault (void **state)
{
  struct desk d = sit_down (mixed (), MIB, false, CLUSTER);

  (void)state;
  d.p->facts.spec.n_extents = 1;
  must_fail (d.sc, write_to (&d, d.s->len), ERR_INTERNAL);
  get_up (&d);
}

/* A row that says more was done than what its segment is fetched from. */
static void
test_an_extent_that_is_not_in_the_buffer_is_refused (void **state)
{
  struct desk d = sit_down (mixed (), MIB, true, CLUSTER);

  (void)state;
  d.s->base.v += CLUSTER; /* as if committed_to were altered */
  d.s->work.resume_to.v = 0;
  must_fail (d.sc, write_to (&d, MIB / 2 - CLUSTER), ERR_JOURNAL_CORRUPT);
  get_up (&d);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_plain_data_is_written_in_grains_as_it_comes),
    cmocka_unit_test (test_a_compressed_cluster_waits_until_it_is_whole),
    cmocka_unit_test (test_what_a_later_extent_needs_again_is_not_committed_in_part),
    cmocka_unit_test (test_a_small_arena_is_used_again),
    cmocka_unit_test (test_zeros_in_the_data_are_not_written),
    cmocka_unit_test (test_in_a_hurry_nothing_is_written),
    cmocka_unit_test (test_a_broken_cluster_is_refused),
    cmocka_unit_test (test_a_map_that_is_too_short_is_our_fault),
    cmocka_unit_test (test_an_extent_that_is_not_in_the_buffer_is_refused),
  };

  return cmocka_run_group_tests_name ("segment_writer", tests, NULL, NULL);
}
