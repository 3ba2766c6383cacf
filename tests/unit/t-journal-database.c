/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The journal's file: it is made whole, and what is not a journal of ours is refused and left as
 * it was, to the byte.
 */
#include "journal-fixture.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "journal/database.h"

static void
make_and_close (struct fixture *f)
{
  fixture_open (f);
  journal_close (f->j);
  f->j = NULL;
}

/* The whole file; the caller frees. */
static char *
slurp (const char *path, size_t *len)
{
  FILE *in = fopen (path, "rb");
  char *all = malloc (1 << 20);

  assert_non_null (in);
  assert_non_null (all);
  *len = fread (all, 1, 1 << 20, in);
  fclose (in);
  return all;
}

static void
spill (const char *path, const void *all, size_t len)
{
  FILE *out = fopen (path, "wb");

  assert_non_null (out);
  assert_int_equal (fwrite (all, 1, len, out), len);
  assert_int_equal (fclose (out), 0);
  chmod (path, 0600);
}

static bool
exists (struct fixture *f, const char *suffix)
{
  char name[320];

  snprintf (name, sizeof name, "%s%s", f->path, suffix);
  return access (name, F_OK) == 0;
}

/* In every mode refused with CODE, nothing changed, and nothing new beside it. */
static void
refused_untouched (struct fixture *f, enum error_code code)
{
  static const enum journal_mode modes[] = { JOURNAL_CREATE, JOURNAL_WRITE, JOURNAL_READ };
  size_t before_len, after_len, i;
  char *before = slurp (f->path, &before_len), *after;

  for (i = 0; i < 3; i++) {
    FAILS (f, code, journal_open (&f->j, f->path, modes[i], &f->err));
    assert_null (f->j);
    assert_int_equal (error_status (f->err.code), 7);
    assert_non_null (strstr (f->err.text, f->path));
    assert_false (exists (f, "-wal"));
    assert_false (exists (f, "-journal"));
  }
  after = slurp (f->path, &after_len);
  assert_int_equal (before_len, after_len);
  assert_memory_equal (before, after, before_len);
  free (before);
  free (after);
}

static void
a_new_one_is_private_and_a_journal (void **state)
{
  struct fixture *f = *state;
  struct stat st;

  snprintf (f->path, sizeof f->path, "%s/new/state/journal.db", f->dir);
  fixture_open (f);
  assert_int_equal (stat (f->path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0600);
  assert_int_equal (st.st_nlink, 1);
  assert_string_equal (fixture_ask (f, "PRAGMA application_id"), "1902734704");
  assert_string_equal (fixture_ask (f, "PRAGMA user_version"), "3");
  assert_string_equal (fixture_ask (f, "PRAGMA journal_mode"), "wal");
  assert_string_equal (fixture_ask (f, "PRAGMA auto_vacuum"), "2");
  assert_string_equal (fixture_ask (f, "PRAGMA integrity_check"), "ok");
  snprintf (f->path, sizeof f->path, "%s/new", f->dir);
  assert_int_equal (stat (f->path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0700);
}

static void
only_create_makes_one (void **state)
{
  struct fixture *f = *state;

  FAILS (f, ERR_NO_JOURNAL, journal_open (&f->j, f->path, JOURNAL_READ, &f->err));
  FAILS (f, ERR_NO_JOURNAL, journal_open (&f->j, f->path, JOURNAL_WRITE, &f->err));
  assert_false (exists (f, ""));
}

static void
many_processes_make_the_same_one (void **state)
{
  struct fixture *f = *state;
  pid_t child[8];
  int i, status;

  for (i = 0; i < 8; i++) {
    child[i] = fork ();
    if (child[i] == 0) {
      fixture_describe (f, CLUSTER);
      snprintf (f->imp.target, sizeof f->imp.target, "/srv/%d", i);
      _exit (journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err) == 0
                     && journal_begin (f->j, &f->imp, f->layers, &f->err) == 0
                 ? 0
                 : 1);
    }
  }
  for (i = 0; i < 8; i++) {
    assert_int_equal (waitpid (child[i], &status, 0), child[i]);
    assert_int_equal (status, 0);
  }
  assert_string_equal (fixture_ask (f, "SELECT count (*) FROM import"), "8");
}

static void
an_empty_file (void **state)
{
  struct fixture *f = *state;

  spill (f->path, "", 0);
  refused_untouched (f, ERR_JOURNAL_REFUSED);
}

static void
no_database_at_all (void **state)
{
  struct fixture *f = *state;

  spill (f->path, "<html>404</html>", 16);
  refused_untouched (f, ERR_JOURNAL_REFUSED);
}

static void
another_applications_database (void **state)
{
  struct fixture *f = *state;

  fixture_write (f, "CREATE TABLE import (id)");
  chmod (f->path, 0600);
  refused_untouched (f, ERR_JOURNAL_REFUSED);
}

static void
a_truncated_one (void **state)
{
  struct fixture *f = *state;

  make_and_close (f);
  assert_int_equal (truncate (f->path, 5000), 0);
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err));
  FAILS (f, ERR_JOURNAL_CORRUPT, journal_open (&f->j, f->path, JOURNAL_READ, &f->err));
}

static void
a_newer_one_is_not_even_locked (void **state)
{
  struct fixture *f = *state;

  make_and_close (f);
  fixture_write (f, "PRAGMA user_version = 4");
  refused_untouched (f, ERR_JOURNAL_NEWER);
  assert_false (exists (f, "-shm"));
}

static void
an_altered_schema (void **state)
{
  struct fixture *f = *state;

  make_and_close (f);
  fixture_write (f, "CREATE TRIGGER t AFTER UPDATE ON segment BEGIN DELETE FROM extent; END");
  FAILS (f, ERR_JOURNAL_REFUSED, journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err));
  FAILS (f, ERR_JOURNAL_REFUSED, journal_open (&f->j, f->path, JOURNAL_READ, &f->err));
  fixture_write (f, "DROP TRIGGER t; DROP VIEW import_summary;"
                    "CREATE VIEW import_summary AS SELECT 1");
  FAILS (f, ERR_JOURNAL_REFUSED, journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err));
}

static void
statistics_of_an_auditor_are_harmless (void **state)
{
  struct fixture *f = *state;

  make_and_close (f);
  fixture_write (f, "ANALYZE");
  fixture_open (f);
}

/* A version before the first: an application_id and no table. */
static void
an_older_one_is_migrated_but_not_by_readers (void **state)
{
  struct fixture *f = *state;

  fixture_write (f, "PRAGMA auto_vacuum = 2; PRAGMA application_id = 1902734704");
  chmod (f->path, 0600);
  FAILS (f, ERR_JOURNAL_REFUSED, journal_open (&f->j, f->path, JOURNAL_READ, &f->err));
  fixture_open (f);
  assert_string_equal (fixture_ask (f, "PRAGMA user_version"), "3");
}

static void
a_symbolic_link_is_the_same_journal (void **state)
{
  struct fixture *f = *state;
  char name[320];

  make_and_close (f);
  snprintf (name, sizeof name, "%s/link.db", f->dir);
  assert_int_equal (symlink (f->path, name), 0);
  OK (f, journal_open (&f->j, name, JOURNAL_WRITE, &f->err));
  assert_string_equal (journal_path (f->j), f->path);
}

static void
a_hard_link_is_refused (void **state)
{
  struct fixture *f = *state;
  char name[320];

  make_and_close (f);
  snprintf (name, sizeof name, "%s/second.db", f->dir);
  assert_int_equal (link (f->path, name), 0);
  refused_untouched (f, ERR_JOURNAL_REFUSED);
}

static void
others_may_not_be_able_to_write_it (void **state)
{
  struct fixture *f = *state;

  make_and_close (f);
  chmod (f->path, 0620);
  refused_untouched (f, ERR_JOURNAL_REFUSED);
}

static void
a_directory (void **state)
{
  struct fixture *f = *state;

  FAILS (f, ERR_JOURNAL_REFUSED, journal_open (&f->j, f->dir, JOURNAL_CREATE, &f->err));
}

static void
removed_while_in_use (void **state)
{
  struct fixture *f = *state;

  fixture_begin (f, CLUSTER);
  assert_int_equal (unlink (f->path), 0);
  FAILS (f, ERR_JOURNAL_FAILED, journal_event (f->j, f->imp.no, "retry", "x", &f->err));
}

/* Other file systems than one's own: only root may have them. */
static bool
mounted (struct fixture *f, char dir[320], const char *options)
{
  snprintf (dir, 320, "%s/mnt", f->dir);
  mkdir (dir, 0700);
  return mount ("none", dir, "tmpfs", 0, options) == 0;
}

static void
on_a_read_only_file_system (void **state)
{
  struct fixture *f = *state;
  char dir[320];
  struct error err;

  if (!mounted (f, dir, "size=4m"))
    skip ();
  snprintf (f->path, sizeof f->path, "%.280s/journal.db", dir);
  fixture_begin (f, CLUSTER);
  journal_close (f->j);
  f->j = NULL;
  mount ("none", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL);
  assert_int_equal (journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err), -1);
  if (journal_open (&f->j, f->path, JOURNAL_READ, &err) == 0)
    err.code = (enum error_code)journal_find (f->j, f->imp.id, &f->imp, &err);
  journal_close (f->j);
  f->j = NULL;
  umount2 (dir, MNT_DETACH);
  assert_int_equal (error_status (f->err.code), 7);
  assert_int_equal (err.code, 0);
}

/* What fits until the disk is full stays; the rest is ERR_JOURNAL_FULL, and goes on later. */
static void
on_a_full_file_system (void **state)
{
  struct fixture *f = *state;
  char dir[320], filler[340], detail[1000];
  struct error err = { .code = ERR_NONE };
  int i, again;

  if (!mounted (f, dir, "size=1m"))
    skip ();
  snprintf (f->path, sizeof f->path, "%.280s/journal.db", dir);
  fixture_begin (f, CLUSTER);
  memset (detail, 'x', sizeof detail - 1);
  detail[sizeof detail - 1] = '\0';
  snprintf (filler, sizeof filler, "%s/filler", dir);
  spill (filler, "", 0);
  assert_int_equal (truncate (filler, 0), 0);
  for (i = 0; i < 2000 && err.code == ERR_NONE; i++)
    journal_event (f->j, f->imp.no, "retry", detail, &err);
  mount ("none", dir, "tmpfs", MS_REMOUNT, "size=8m");
  again = journal_event (f->j, f->imp.no, "retry", detail, &f->err);
  journal_close (f->j);
  f->j = NULL;
  umount2 (dir, MNT_DETACH);
  assert_int_equal (err.code, ERR_JOURNAL_FULL);
  assert_int_equal (again, 0);
}

static void
no_room_for_a_new_one (void **state)
{
  struct fixture *f = *state;
  char dir[320];
  int r;

  if (!mounted (f, dir, "size=8k"))
    skip ();
  snprintf (f->path, sizeof f->path, "%.280s/journal.db", dir);
  r = journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err);
  umount2 (dir, MNT_DETACH);
  assert_int_equal (r, -1);
  assert_int_equal (f->err.code, ERR_JOURNAL_FULL);
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (a_new_one_is_private_and_a_journal),
    TEST (only_create_makes_one),
    TEST (many_processes_make_the_same_one),
    TEST (an_empty_file),
    TEST (no_database_at_all),
    TEST (another_applications_database),
    TEST (a_truncated_one),
    TEST (a_newer_one_is_not_even_locked),
    TEST (an_altered_schema),
    TEST (statistics_of_an_auditor_are_harmless),
    TEST (an_older_one_is_migrated_but_not_by_readers),
    TEST (a_symbolic_link_is_the_same_journal),
    TEST (a_hard_link_is_refused),
    TEST (others_may_not_be_able_to_write_it),
    TEST (a_directory),
    TEST (removed_while_in_use),
    TEST (on_a_read_only_file_system),
    TEST (on_a_full_file_system),
    TEST (no_room_for_a_new_one),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
