/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was fetched is kept: it comes back as it was, as far as it is sound, and never
 * otherwise.
 */
#include "target-room.h"

#include "target/kept.h"

enum { RECORDS = 5, LEN = 1000, HEAD_LEN = 512, RECORD_LEN = LEN + 36 };

static uint8_t source[DIGEST_SIZE] = { 1, 2, 3 };

static void
fill (uint8_t *buf, unsigned i)
{
  memset (buf, 'a' + (int)i, LEN);
}

/* A file with RECORDS records, at the returned path. */
static const char *
make (const char *name)
{
  const char *path = in_room (name);
  struct kept *k = NULL;
  uint8_t buf[KEPT_PIECE];
  size_t len;
  unsigned i;

  assert_int_equal (kept_open (&k, path, source, &err), 0);
  assert_true (kept_is_empty (k));
  assert_false (kept_takes_more (k));
  assert_int_equal (kept_read (k, buf, &len, &err), 0);
  assert_int_equal (len, 0);
  for (i = 0; i < RECORDS; i++) {
    fill (buf, i);
    assert_true (kept_takes_more (k));
    assert_int_equal (kept_append (k, buf, LEN, &err), 0);
  }
  kept_sync (k);
  kept_close (k);
  return path;
}

/* How many records come back. */
static unsigned
count (const char *path)
{
  struct kept *k = NULL;
  uint8_t buf[KEPT_PIECE], want[LEN];
  unsigned n = 0;
  size_t len = 1;

  assert_int_equal (kept_open (&k, path, source, &err), 0);
  for (;;) {
    assert_int_equal (kept_read (k, buf, &len, &err), 0);
    if (len == 0)
      break;
    fill (want, n++);
    assert_int_equal (len, LEN);
    assert_memory_equal (buf, want, LEN);
  }
  assert_true (kept_takes_more (k));
  kept_close (k);
  return n;
}

static void
it_comes_back (void **state)
{
  const char *path = make ("whole");

  (void)state;
  assert_int_equal (count (path), RECORDS);
  assert_int_equal (count (path), RECORDS);
}

static void
what_is_appended_is_read_next (void **state)
{
  const char *path = make ("next");
  struct kept *k = NULL;
  uint8_t buf[KEPT_PIECE];
  size_t len = 1;
  unsigned n = 0;

  (void)state;
  assert_int_equal (kept_open (&k, path, source, &err), 0);
  for (; len > 0; n += len > 0)
    assert_int_equal (kept_read (k, buf, &len, &err), 0);
  fill (buf, n);
  assert_int_equal (kept_append (k, buf, LEN, &err), 0);
  memset (buf, 0, LEN);
  assert_int_equal (kept_read (k, buf, &len, &err), 0);
  assert_int_equal (len, LEN);
  assert_int_equal (buf[0], 'a' + n);
  assert_int_equal (kept_read (k, buf, &len, &err), 0);
  assert_int_equal (len, 0);
  kept_close (k);
  assert_int_equal (count (path), RECORDS + 1);
}

static void
what_is_cut_or_spoilt_ends_it (void **state)
{
  unsigned at;

  (void)state;
  for (at = HEAD_LEN; at < HEAD_LEN + RECORDS * RECORD_LEN; at += 97) {
    const char *path = make ("cut");

    assert_int_equal (truncate (path, at), 0);
    assert_int_equal (count (path), (at - HEAD_LEN) / RECORD_LEN);
    assert_int_equal (sh ("rm '%s'", path), 0);
    path = make ("spoilt");
    assert_int_equal (
        sh ("printf '\\377' | dd of='%s' bs=1 seek=%u conv=notrunc status=none", path, at), 0);
    assert_int_equal (count (path), (at - HEAD_LEN) / RECORD_LEN);
    assert_int_equal (count (path), (at - HEAD_LEN) / RECORD_LEN);
    assert_int_equal (sh ("rm '%s'", path), 0);
  }
}

/* Records that stand where they were not written, as after a lost block. */
static void
a_record_knows_its_place (void **state)
{
  const char *path = make ("moved");

  (void)state;
  assert_int_equal (
      sh ("dd if='%s' of='%s' bs=1 skip=%d seek=%d count=%d conv=notrunc status=none", path,
          path, HEAD_LEN + RECORD_LEN, HEAD_LEN, RECORD_LEN),
      0);
  assert_int_equal (count (path), 0);
}

static void
of_another_source_it_is_thrown_away (void **state)
{
  const char *path = make ("other");

  (void)state;
  source[0]++;
  assert_int_equal (count (path), 0);
  source[0]--;
  assert_int_equal (count (path), 0);
}

static void
what_is_not_ours_is_left_alone (void **state)
{
  const char *path = in_room ("mine"), *link = in_room ("link");
  struct kept *k = NULL;

  (void)state;
  assert_int_equal (sh ("seq 1000 >'%s'; ln -s mine '%s'", path, link), 0);
  assert_int_equal (kept_open (&k, path, source, &err), -1);
  assert_int_equal (err.code, ERR_TARGET_REFUSED);
  assert_int_equal (kept_open (&k, link, source, &err), -1);
  assert_int_equal (kept_open (&k, room, source, &err), -1);
  kept_remove_at (path);
  kept_remove_at (link);
  assert_int_equal (sh ("seq 1000 | cmp -s - '%s'", path), 0);
}

static void
two_do_not_use_it_at_once (void **state)
{
  const char *path = make ("used");
  struct kept *k = NULL, *other = NULL;

  (void)state;
  assert_int_equal (kept_open (&k, path, source, &err), 0);
  assert_int_equal (kept_open (&other, path, source, &err), -1);
  kept_remove_at (path);
  assert_int_equal (access (path, F_OK), 0);
  kept_remove (k);
  assert_int_equal (access (path, F_OK), -1);
  kept_sync (k);
  kept_close (k);
  make ("used");
  kept_remove_at (path);
  assert_int_equal (access (path, F_OK), -1);
}

static void
where_it_is (void **state)
{
  static const struct {
    const char *target;
    bool file;
    const char *dir, *path;
  } cases[] = {
    { "/a/disk", true, NULL, "/a/disk.qimport-fetched" },
    { "/a/disk", true, "/spool", "/spool/" },
    { "/dev/x", false, NULL, "/var/lib/" },
    { "/dev/x", false, "/spool", "/spool/" },
  };
  char name[300] = "/";
  char *path;
  size_t i;

  (void)state;
  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    path = kept_path (cases[i].target, cases[i].file, cases[i].dir, "/var/lib/journal.db");
    assert_non_null (path);
    if (i == 0)
      assert_string_equal (path, cases[i].path);
    else
      assert_int_equal (strncmp (path, cases[i].path, strlen (cases[i].path)), 0);
    assert_non_null (strstr (path, ".qimport-fetched"));
    free (path);
  }
  memset (name + 1, 'n', 250); /* too long for a suffix */
  path = kept_path (name, true, NULL, "/var/lib/journal.db");
  assert_int_equal (strncmp (path, "/var/lib/", 9), 0);
  free (path);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (it_comes_back),
    cmocka_unit_test (what_is_appended_is_read_next),
    cmocka_unit_test (what_is_cut_or_spoilt_ends_it),
    cmocka_unit_test (a_record_knows_its_place),
    cmocka_unit_test (of_another_source_it_is_thrown_away),
    cmocka_unit_test (what_is_not_ours_is_left_alone),
    cmocka_unit_test (two_do_not_use_it_at_once),
    cmocka_unit_test (where_it_is),
  };

  return cmocka_run_group_tests (tests, enter_room, leave_room);
}
