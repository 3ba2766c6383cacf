/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who works on an import: the lock beside the journal says so, whatever is in the row; nothing of
 * an import changes without it; and the lock's file is made with care.
 */
#include "journal-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

/* A kernel without locks of open file descriptions. */
static bool no_such_locks;

int
fcntl (int fd, int cmd, ...)
{
  va_list ap;
  long arg;

  va_start (ap, cmd);
  arg = va_arg (ap, long);
  va_end (ap);
  if (no_such_locks && (cmd == F_OFD_SETLK || cmd == F_OFD_GETLK)) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall (SYS_fcntl, fd, cmd, arg);
}

int fcntl64 (int, int, ...) __attribute__ ((alias ("fcntl")));

static const char *
lock_of (const struct fixture *f)
{
  static char name[320];

  snprintf (name, sizeof name, "%s-lock", f->path);
  return name;
}

static struct journal *
another (struct fixture *f, enum journal_mode mode)
{
  struct journal *j = NULL;

  OK (f, journal_open (&j, f->path, mode, &f->err));
  return j;
}

static void
give_back (struct fixture *f)
{
  OK (f, journal_release (f->j, f->imp.no, IMPORT_INTERRUPTED, NULL, &f->err));
}

/* ---- The lock and the row ---------------------------------------------------------------- */

static void
a_row_that_names_a_living_process_holds_nothing (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;

  fixture_begin (f, CLUSTER);
  fixture_write (f, "CREATE TABLE was AS SELECT * FROM import");
  give_back (f);
  fixture_write (f, "DELETE FROM import; INSERT INTO import SELECT * FROM was; DROP TABLE was");
  assert_string_equal (fixture_ask (f, "SELECT holder_pid > 0 FROM import"), "1");
  OK (f, journal_find (f->j, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_INTERRUPTED);
  assert_string_equal (got.now.holder, "");
  other = another (f, JOURNAL_WRITE);
  OK (f, journal_hold (other, &got, &f->err));
}

/* As from a container: its number says nothing here. */
static void
one_that_cannot_be_seen_holds_it (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;
  char *json = NULL;

  fixture_begin (f, CLUSTER);
  fixture_write (f, "UPDATE import SET holder_pid = 999999999, holder = 'pid 7 on pod'");
  other = another (f, JOURNAL_WRITE);
  OK (f, journal_find (other, f->imp.id, &got, &f->err));
  assert_int_equal (got.now.state, IMPORT_PROBING);
  assert_string_equal (got.now.holder, "pid 7 on pod (not visible from here)");
  OK (f, journal_status_json (other, &got, &json, &f->err));
  assert_non_null (strstr (json, "\"state\":\"probing\""));
  free (json);
  FAILS (f, ERR_IMPORT_HELD, journal_hold (other, &got, &f->err));
  assert_non_null (strstr (f->err.text, "pid 7 on pod (not visible from here)"));
  FAILS (f, ERR_IMPORT_HELD, journal_hold_audit (other, &got, &f->err));
  FAILS (f, ERR_IMPORT_HELD, fixture_forget (f, other, &got));
  FAILS (f, ERR_IMPORT_HELD, journal_begin (other, &f->imp, f->layers, &f->err));
  assert_string_equal (fixture_ask (f, "SELECT holder, attempts FROM import"), "pid 7 on pod|1");
}

/* ---- One process ------------------------------------------------------------------------- */

static void
imports_of_one_process_are_apart (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import first, second;

  fixture_begin (f, CLUSTER);
  first = f->imp;
  strcpy (f->imp.target, "/srv/two");
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
  second = f->imp;
  FAILS (f, ERR_IMPORT_HELD, journal_hold (f->j, &second, &f->err));
  other = another (f, JOURNAL_WRITE);
  FAILS (f, ERR_IMPORT_HELD, journal_hold (other, &second, &f->err));
  FAILS (f, ERR_IMPORT_HELD, fixture_forget (f, f->j, &second));
  OK (f, journal_release (f->j, second.no, IMPORT_INTERRUPTED, NULL, &f->err));
  OK (f, journal_hold (other, &second, &f->err));
  FAILS (f, ERR_IMPORT_HELD, journal_hold (other, &first, &f->err));
  FAILS (f, ERR_IMPORT_HELD, journal_hold (f->j, &second, &f->err));
  journal_close (other); /* as if its process had died */
  other = NULL;
  OK (f, journal_hold (f->j, &second, &f->err));
}

struct taker {
  struct fixture *f;
  int won;
};

static void *
take_one (void *ctx)
{
  struct taker *t = ctx;
  struct journal_import imp = t->f->imp;
  struct error err;

  t->won = journal_hold (t->f->j, &imp, &err) == 0;
  return NULL;
}

static void
one_of_many_threads_gets_it (void **state)
{
  struct fixture *f = *state;
  struct taker t[6];
  pthread_t thread[6];
  int i, won = 0;

  fixture_begin (f, CLUSTER);
  give_back (f);
  for (i = 0; i < 6; i++) {
    t[i].f = f;
    assert_int_equal (pthread_create (&thread[i], NULL, take_one, &t[i]), 0);
  }
  for (i = 0; i < 6; i++) {
    pthread_join (thread[i], NULL);
    won += t[i].won;
  }
  assert_int_equal (won, 1);
}

static void
a_child_takes_nothing_from_its_parent (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  int status;
  pid_t pid;

  fixture_begin (f, CLUSTER);
  pid = fork ();
  if (pid == 0) {
    journal_close (f->j);
    _exit (0);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (status, 0);
  other = another (f, JOURNAL_WRITE);
  FAILS (f, ERR_IMPORT_HELD, journal_hold (other, &f->imp, &f->err));
}

static void
a_child_keeps_nothing_that_its_parent_gives_back (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  pid_t pid;

  fixture_begin (f, CLUSTER);
  pid = fork ();
  if (pid == 0) {
    pause ();
    _exit (0);
  }
  give_back (f);
  other = another (f, JOURNAL_WRITE);
  OK (f, journal_hold (other, &f->imp, &f->err));
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
}

/* ---- Lost -------------------------------------------------------------------------------- */

static void
complete_tiny (struct fixture *f, struct journal *j, struct journal_import *imp)
{
  struct segment_progress s = { .committed_to = { 2 * CLUSTER }, .committed_extents = 1,
                                .committed = true, .digest_final = true, .hash_len = 32 };
  struct import_progress p = { .segments_committed = 1, .guest_committed = CLUSTER,
                               .fetched = CLUSTER, .done_to = 1 };
  struct extent e = data_at (0, CLUSTER, CLUSTER);
  OWN (journal_map) m = NULL;

  OK (f, journal_map_begin (&m, j, imp, f->layers, &f->err));
  OK (f, journal_map_add (m, &e, &f->err));
  OK (f, journal_map_seal (m, imp, &f->err));
  OK (f, journal_set_target (j, imp->no, "kind=file", &f->err));
  OK (f, journal_commit (j, imp->no, &s, 1, &p, &f->err));
  OK (f, journal_complete (j, imp->no, "", &f->err));
}

/* Its lock's file was removed, and another process took the import and completed it. */
static void
what_lost_its_import_changes_nothing_of_it (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct import_progress p = { .fetched = 1 };
  struct journal_import got;
  char before[4096];

  fixture_begin (f, CLUSTER);
  assert_int_equal (unlink (lock_of (f)), 0);
  other = another (f, JOURNAL_WRITE);
  got = f->imp;
  OK (f, journal_hold (other, &got, &f->err));
  complete_tiny (f, other, &got);
  strcpy (before, fixture_ask (f, "SELECT * FROM import"));

  FAILS (f, ERR_JOURNAL_FAILED, journal_commit (f->j, got.no, NULL, 0, &p, &f->err));
  assert_non_null (strstr (f->err.text, "lock file"));
  FAILS (f, ERR_JOURNAL_FAILED, journal_event (f->j, got.no, "retry", "", &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_set_target (f->j, got.no, "kind=other", &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_set_options (f->j, &got, &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_put_layer (f->j, got.no, 0, &f->layers[1], &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_unseal (f->j, got.no, &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_complete (f->j, got.no, "", &f->err));
  FAILS (f, ERR_JOURNAL_FAILED, journal_forget (f->j, got.no, &f->err));
  FAILS (f, ERR_JOURNAL_FAILED,
         journal_release (f->j, got.no, IMPORT_FAILED, NULL, &f->err));
  assert_string_equal (fixture_ask (f, "SELECT * FROM import"), before);
  OK (f, journal_check (f->path, got.no, NULL, &f->err));
}

static void
what_fails_before_it_wrote_anything_is_gone (void **state)
{
  struct fixture *f = *state;
  struct journal_import got;

  fixture_begin (f, CLUSTER);
  OK (f, journal_forget (f->j, f->imp.no, &f->err));
  FAILS (f, ERR_NO_SUCH_IMPORT, journal_find (f->j, f->imp.id, &got, &f->err));
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
}

static void
complete_and_forgotten_ones_are_free (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;

  fixture_begin (f, CLUSTER);
  complete_tiny (f, f->j, &f->imp);
  other = another (f, JOURNAL_WRITE);
  got = f->imp;
  OK (f, journal_hold_audit (other, &got, &f->err));
  FAILS (f, ERR_IMPORT_HELD, fixture_forget (f, f->j, &f->imp));
  OK (f, journal_release_audit (other, got.no, &f->err));
  OK (f, fixture_forget (f, f->j, &f->imp));
  FAILS (f, ERR_NO_SUCH_IMPORT, journal_hold (other, &got, &f->err));
  OK (f, journal_begin (other, &f->imp, f->layers, &f->err));
  assert_true (f->imp.no > got.no); /* no number comes twice */
  assert_int_equal (access (lock_of (f), F_OK), 0);
}

/* ---- Copies ------------------------------------------------------------------------------ */

static void
copy (const char *from, const char *to)
{
  char command[800];

  snprintf (command, sizeof command, "sqlite3 '%s' \".backup '%s'\"", from, to);
  assert_int_equal (system (command), 0);
}

static void
a_copy_of_a_journal_is_another_one (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;
  char name[320];

  fixture_begin (f, CLUSTER);
  snprintf (name, sizeof name, "%s/copy.db", f->dir);
  copy (f->path, name);
  OK (f, journal_open (&other, name, JOURNAL_WRITE, &f->err));
  OK (f, journal_find (other, f->imp.id, &got, &f->err));
  assert_string_equal (got.now.holder, "");
  OK (f, journal_hold (other, &got, &f->err));
  OK (f, journal_event (f->j, f->imp.no, "retry", "", &f->err));
}

/* A running import has the number that comes next in the copy from before it. */
static void
an_older_copy_put_back_does_not_give_a_running_number (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  char name[320];

  fixture_open (f);
  snprintf (name, sizeof name, "%s/copy.db", f->dir);
  copy (f->path, name);
  fixture_begin (f, CLUSTER);
  assert_int_equal (rename (name, f->path), 0);
  snprintf (name, sizeof name, "%s-wal", f->path);
  assert_int_equal (unlink (name), 0);
  snprintf (name, sizeof name, "%s-shm", f->path);
  assert_int_equal (unlink (name), 0);
  other = another (f, JOURNAL_WRITE);
  FAILS (f, ERR_IMPORT_HELD, journal_begin (other, &f->imp, f->layers, &f->err));
  assert_non_null (strstr (f->err.text, "older copy"));
  assert_string_equal (fixture_ask (f, "SELECT count (*) FROM import"), "0");
}

static void
a_read_only_journal_gets_no_lock_file (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;

  fixture_begin (f, CLUSTER);
  give_back (f);
  assert_int_equal (unlink (lock_of (f)), 0);
  other = another (f, JOURNAL_READ);
  OK (f, journal_find (other, f->imp.id, &got, &f->err));
  assert_int_equal (journal_hold (other, &got, &f->err), -1);
  assert_int_equal (fixture_forget (f, other, &f->imp), -1);
  assert_int_equal (access (lock_of (f), F_OK), -1);
}

/* ---- Its file ---------------------------------------------------------------------------- */

static void
it_is_made_for_its_owner_alone (void **state)
{
  struct fixture *f = *state;
  mode_t mask = umask (0);
  struct stat st;

  fixture_open (f);
  assert_int_equal (access (lock_of (f), F_OK), -1);
  fixture_begin (f, CLUSTER);
  umask (mask);
  assert_int_equal (lstat (lock_of (f), &st), 0);
  assert_int_equal (st.st_mode, S_IFREG | 0600);
  assert_int_equal (st.st_size, 0);
}

static void
refused (struct fixture *f, const char *words)
{
  struct journal_import got = f->imp;

  FAILS (f, ERR_JOURNAL_REFUSED, journal_hold (f->j, &got, &f->err));
  if (strstr (f->err.text, words) == NULL || strstr (f->err.text, "-lock") == NULL)
    fail_msg ("%s", f->err.text);
  assert_int_equal (remove (lock_of (f)), 0);
}

static void
what_stands_in_its_place_is_refused (void **state)
{
  struct fixture *f = *state;
  char elsewhere[320];
  int fd;

  fixture_begin (f, CLUSTER);
  give_back (f);
  assert_int_equal (unlink (lock_of (f)), 0);
  snprintf (elsewhere, sizeof elsewhere, "%s/elsewhere", f->dir);
  assert_int_equal (symlink (elsewhere, lock_of (f)), 0);
  refused (f, "symbolic link");
  assert_int_equal (access (elsewhere, F_OK), -1);
  assert_int_equal (mkfifo (lock_of (f), 0600), 0);
  refused (f, "no regular file");
  assert_int_equal (mkdir (lock_of (f), 0700), 0);
  refused (f, "directory");
  fd = open (lock_of (f), O_CREAT | O_WRONLY, 0600);
  assert_int_equal (fchmod (fd, 0666), 0);
  refused (f, "may write it");
  close (fd);
  fd = open (lock_of (f), O_CREAT | O_WRONLY, 0600);
  if (fchown (fd, 12345, 12345) == 0)
    refused (f, "belongs to somebody else");
  close (fd);
}

/* Of root beside somebody's journal: theirs. */
static void
root_locks_nobody_out (void **state)
{
  struct fixture *f = *state;
  struct stat st;

  fixture_begin (f, CLUSTER);
  give_back (f);
  if (chown (f->path, 12345, 12345) == -1)
    skip ();
  assert_int_equal (unlink (lock_of (f)), 0);
  OK (f, journal_hold (f->j, &f->imp, &f->err));
  assert_int_equal (stat (lock_of (f), &st), 0);
  assert_int_equal (st.st_uid, 12345);
}

/* Then a file an import, which goes with the lock, and the row says to those who only look. */
static void
without_such_locks_it_is_held_all_the_same (void **state)
{
  struct fixture *f = *state;
  OWN (journal) other = NULL;
  struct journal_import got;
  char name[340];

  no_such_locks = true;
  fixture_begin (f, CLUSTER);
  snprintf (name, sizeof name, "%s-%" PRId64, lock_of (f), f->imp.no);
  assert_int_equal (access (name, F_OK), 0);
  other = another (f, JOURNAL_WRITE);
  got = f->imp;
  FAILS (f, ERR_IMPORT_HELD, journal_hold (other, &got, &f->err));
  assert_non_null (strstr (f->err.text, "pid "));
  strcpy (f->imp.target, "/srv/two");
  OK (f, journal_begin (other, &f->imp, f->layers, &f->err)); /* one does not wait for the other */
  OK (f, journal_release (f->j, got.no, IMPORT_INTERRUPTED, NULL, &f->err));
  assert_int_equal (access (name, F_OK), -1);
  OK (f, journal_hold (other, &got, &f->err));
  OK (f, journal_forget (other, got.no, &f->err));
  assert_int_equal (access (name, F_OK), -1);
  no_such_locks = false;
}

int
main (void)
{
#define TEST(name) cmocka_unit_test_setup_teardown (name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
    TEST (a_row_that_names_a_living_process_holds_nothing),
    TEST (one_that_cannot_be_seen_holds_it),
    TEST (imports_of_one_process_are_apart),
    TEST (one_of_many_threads_gets_it),
    TEST (a_child_takes_nothing_from_its_parent),
    TEST (a_child_keeps_nothing_that_its_parent_gives_back),
    TEST (what_lost_its_import_changes_nothing_of_it),
    TEST (what_fails_before_it_wrote_anything_is_gone),
    TEST (complete_and_forgotten_ones_are_free),
    TEST (a_copy_of_a_journal_is_another_one),
    TEST (an_older_copy_put_back_does_not_give_a_running_number),
    TEST (a_read_only_journal_gets_no_lock_file),
    TEST (it_is_made_for_its_owner_alone),
    TEST (what_stands_in_its_place_is_refused),
    TEST (root_locks_nobody_out),
    TEST (without_such_locks_it_is_held_all_the_same),
  };

  return cmocka_run_group_tests (tests, NULL, NULL);
}
