/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Several targets of one copy: each gets the same, each has its own commits; one that fails is
 * left where it was, and the others go on.
 */
#include "copy-fixture.h"

#include <unistd.h>

/* A second import of the same image, onto "second". */
struct second {
  struct journal_import imp;
  char disk[330];
  struct target *target;
  struct copy_outlet outlets[2];
};

static struct target_spec
second_spec (const struct second *s, const struct scene *sc)
{
  struct target_spec spec = scene_target_spec (sc);

  spec.path = s->disk;
  spec.import_uuid = s->imp.id;
  spec.known = (struct target_mark){ 0, 0 };
  return spec;
}

static struct second *
second_begin (struct scene *sc)
{
  struct second *s = calloc (1, sizeof *s);
  struct target_spec spec;

  assert_non_null (s);
  snprintf (s->disk, sizeof s->disk, "%s/second", sc->f->dir);
  s->imp.virtual_size = sc->f->imp.virtual_size;
  s->imp.cluster_size = sc->f->imp.cluster_size;
  s->imp.layers = sc->f->imp.layers;
  s->imp.digests = sc->f->imp.digests;
  snprintf (s->imp.target, sizeof s->imp.target, "%s", s->disk);
  snprintf (s->imp.target_kind, sizeof s->imp.target_kind, "file");
  must (sc, journal_begin (sc->f->j, &s->imp, sc->f->layers, &sc->err));
  must (sc, journal_map_copy (sc->f->j, &sc->f->imp, &s->imp, NULL, &sc->err));
  spec = second_spec (s, sc);
  must (sc, target_create (&s->target, &spec, &sc->err));
  must (sc,
        journal_set_target (sc->f->j, s->imp.no, target_identity (s->target)->text, &sc->err));
  must (sc, target_claim (s->target, &sc->err));
  s->outlets[0] = (struct copy_outlet){ sc->target, sc->f->imp.no };
  s->outlets[1] = (struct copy_outlet){ s->target, s->imp.no };
  sc->spec.outlets = s->outlets;
  sc->spec.n_outlets = 2;
  return s;
}

static void
second_close (struct second *s)
{
  target_close (s->target);
  free (s);
}

static void
read_anew (struct scene *sc, struct journal_import *imp)
{
  char id[JOURNAL_ID_SIZE];

  snprintf (id, sizeof id, "%s", imp->id);
  must (sc, journal_find (sc->f->j, id, imp, &sc->err));
}

static void
run (struct scene *sc, struct copy *c)
{
  int rc;

  while ((rc = copy_step (c, 50, &sc->err)) == 1)
    ;
  must (sc, rc);
}

static void
same_extent (const struct extent *a, const struct extent *b)
{
  assert_int_equal (a->kind, b->kind);
  assert_int_equal (a->guest.v, b->guest.v);
  assert_int_equal (a->len, b->len);
  assert_int_equal (a->host.v, b->host.v);
  assert_int_equal (a->stored, b->stored);
  assert_int_equal (a->skip, b->skip);
}

static void
same_rows (struct scene *sc, int64_t a, int64_t b)
{
  OWN (journal_reader) ra = NULL;
  OWN (journal_reader) rb = NULL;
  struct segment sa[64], sb[64];
  size_t na, nb, i;

  must (sc, journal_reader_open (&ra, sc->f->path, a, &sc->err));
  must (sc, journal_reader_open (&rb, sc->f->path, b, &sc->err));
  must (sc, journal_segments (ra, 0, sa, 64, &na, &sc->err));
  must (sc, journal_segments (rb, 0, sb, 64, &nb, &sc->err));
  assert_int_equal (na, nb);
  for (i = 0; i < na; i++) {
    struct extent ea[64], eb[64];
    size_t n, m, k;

    assert_int_equal (sa[i].need.at.v, sb[i].need.at.v);
    assert_int_equal (sa[i].need.len, sb[i].need.len);
    assert_int_equal (sa[i].committed, sb[i].committed);
    must (sc, journal_extents (ra, &sa[i], 0, ea, 64, &n, &sc->err));
    must (sc, journal_extents (rb, &sb[i], 0, eb, 64, &m, &sc->err));
    assert_int_equal (n, m);
    for (k = 0; k < n; k++)
      same_extent (&ea[k], &eb[k]);
  }
}

static void
test_the_map_of_one_is_the_map_of_the_other (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct second *s;

  (void)state;
  scene_begin (sc);
  s = second_begin (sc);
  assert_true (s->imp.sealed);
  assert_memory_equal (s->imp.map_digest, sc->f->imp.map_digest, DIGEST_SIZE);
  assert_int_equal (s->imp.segments, sc->f->imp.segments);
  assert_int_equal (s->imp.zero_runs, sc->f->imp.zero_runs);
  assert_int_equal (s->imp.guest_total, sc->f->imp.guest_total);
  same_rows (sc, sc->f->imp.no, s->imp.no);
  must (sc, journal_check (sc->f->path, s->imp.no, &sc->stop, &sc->err));
  second_close (s);
  scene_close (sc);
}

static void
test_each_gets_the_disk_and_its_commits (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct second *s;
  struct copy *c = NULL;

  (void)state;
  scene_begin (sc);
  s = second_begin (sc);
  must (sc, copy_open (&c, &sc->spec, &sc->err));
  run (sc, c);
  copy_close (c);
  read_anew (sc, &s->imp);
  read_anew (sc, &sc->f->imp);
  assert_int_equal (s->imp.now.segments_committed, s->imp.segments);
  assert_int_equal (s->imp.now.guest_committed, sc->f->imp.now.guest_committed);
  assert_int_equal (s->imp.now.target_epoch, target_mark (s->target).epoch);
  same_rows (sc, sc->f->imp.no, s->imp.no);
  must (sc, target_finish (s->target, &sc->err));
  must (sc, journal_complete (sc->f->j, s->imp.no, "", &sc->err));
  scene_finish (sc);
  snprintf (sc->disk, sizeof sc->disk, "%.310s/second", sc->f->dir);
  assert_true (scene_disk_is_right (sc));
  second_close (s);
  scene_close (sc);
}

/* Whichever it is. */
static void
one_is_cut (bool first)
{
  struct scene *sc = scene_ordinary ();
  struct second *s;
  struct copy *c = NULL;
  struct error why;
  char part[400];

  scene_begin (sc);
  s = second_begin (sc);
  snprintf (part, sizeof part, "%s.qimport-part", first ? sc->disk : s->disk);
  assert_int_equal (truncate (part, 4096), 0);
  must (sc, copy_open (&c, &sc->spec, &sc->err));
  run (sc, c);
  assert_false (copy_lives (c, first ? 0 : 1, &why));
  assert_int_equal (why.code, ERR_TARGET_CHANGED);
  assert_non_null (strstr (why.text, first ? sc->disk : s->disk));
  assert_true (copy_lives (c, first ? 1 : 0, &why));
  copy_close (c);
  read_anew (sc, &s->imp);
  read_anew (sc, &sc->f->imp);
  assert_int_equal ((first ? &sc->f->imp : &s->imp)->now.guest_committed, 0);
  assert_int_equal ((first ? &sc->f->imp : &s->imp)->now.segments_committed, 0);
  assert_int_equal ((first ? &s->imp : &sc->f->imp)->now.segments_committed, s->imp.segments);
  if (!first)
    scene_finish (sc);
  second_close (s);
  scene_close (sc);
}

static void
test_one_that_fails_is_left_where_it_was (void **state)
{
  (void)state;
  one_is_cut (false);
  one_is_cut (true);
}

static void
test_with_the_last_one_the_copy_fails (void **state)
{
  struct scene *sc = scene_ordinary ();
  struct second *s;
  struct copy *c = NULL;
  char part[400];
  int rc;

  (void)state;
  scene_begin (sc);
  s = second_begin (sc);
  snprintf (part, sizeof part, "%s.qimport-part", sc->disk);
  assert_int_equal (truncate (part, 4096), 0);
  snprintf (part, sizeof part, "%s.qimport-part", s->disk);
  assert_int_equal (truncate (part, 4096), 0);
  must (sc, copy_open (&c, &sc->spec, &sc->err));
  while ((rc = copy_step (c, 50, &sc->err)) == 1)
    ;
  assert_int_equal (rc, -1);
  assert_int_equal (sc->err.code, ERR_TARGET_CHANGED);
  copy_close (c);
  read_anew (sc, &s->imp);
  read_anew (sc, &sc->f->imp);
  assert_int_equal (s->imp.now.guest_committed, 0);
  assert_int_equal (sc->f->imp.now.guest_committed, 0);
  second_close (s);
  scene_close (sc);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (test_the_map_of_one_is_the_map_of_the_other),
    cmocka_unit_test (test_each_gets_the_disk_and_its_commits),
    cmocka_unit_test (test_one_that_fails_is_left_where_it_was),
    cmocka_unit_test (test_with_the_last_one_the_copy_fails),
  };

  return cmocka_run_group_tests_name ("outlets", tests, NULL, NULL);
}
