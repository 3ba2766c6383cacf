/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is refused before anything is fetched or made (T14, T15): each with its own words.
 */
#include "target-room.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { SIZE = MIB };

static char canonical[PATH_MAX];
static enum target_kind kind;

static int
preflight (const struct target_spec *s)
{
  return target_preflight (s, &kind, canonical, &err);
}

static int
path_preflight (const char *path)
{
  struct target_spec s = spec_of (path, SIZE);

  return preflight (&s);
}

/* By preflight, and by target_create if somebody did not ask first; with and without force. */
#define refused_always(path, want, words)                \
  do {                                                   \
    struct target_spec spec = spec_of (path, SIZE);      \
    struct target *made = NULL;                          \
                                                         \
    must_fail (preflight (&spec), want, words);          \
    must_fail (begin (&made, &spec, &err), want, words); \
    spec.force = true;                                   \
    must_fail (preflight (&spec), want, words);          \
    must_fail (begin (&made, &spec, &err), want, words); \
  } while (0)

static void
test_new_file_is_fine (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), SIZE);
  char want[PATH_MAX], dir[PATH_MAX];

  (void)state;
  must (preflight (&s));
  assert_int_equal (kind, TARGET_FILE);
  assert_non_null (realpath (room, dir));
  snprintf (want, sizeof want, "%.3000s/disk", dir);
  assert_string_equal (canonical, want);
  assert_int_not_equal (target_free_space (&s), UINT64_MAX);
  assert_int_equal (sh ("test -z \"$(ls -A '%s')\"", room), 0);
}

static void
test_relative_and_linked_directories_are_resolved (void **state)
{
  char here[PATH_MAX], want[PATH_MAX], dir[PATH_MAX];

  (void)state;
  assert_non_null (getcwd (here, sizeof here));
  assert_non_null (realpath (room, dir));
  snprintf (want, sizeof want, "%.3000s/real/disk", dir);
  assert_int_equal (sh ("mkdir '%s/real' && ln -s real '%s/link'", room, room), 0);
  must (path_preflight (in_room ("link/../link/./disk")));
  assert_string_equal (canonical, want);
  assert_int_equal (chdir (in_room ("real")), 0);
  must (path_preflight ("disk"));
  assert_int_equal (chdir (here), 0);
  assert_string_equal (canonical, want);
  if (geteuid () != 0)
    return;
  must (path_preflight ("/disk-of-a-test"));
  assert_string_equal (canonical, "/disk-of-a-test");
}

static void
test_names_that_name_nothing (void **state)
{
  char path[PATH_MAX + 300];
  const char *d = in_room ("");

  (void)state;
  refused_always ("", ERR_TARGET_REFUSED, "path is empty");
  refused_always (d, ERR_TARGET_REFUSED, "names a directory");
  refused_always (in_room ("."), ERR_TARGET_REFUSED, "names a directory");
  refused_always (in_room (".."), ERR_TARGET_REFUSED, "names a directory");
  refused_always (room, ERR_TARGET_REFUSED, "is a directory");
  refused_always (in_room ("no/such/disk"), ERR_TARGET_REFUSED, "create it first");
  make_file (in_room ("file"), "");
  refused_always (in_room ("file/disk"), ERR_TARGET_REFUSED, "is no directory");
  memset (path, 'x', sizeof path);
  path[sizeof path - 1] = '\0';
  refused_always (path, ERR_TARGET_REFUSED, "too long");
  snprintf (path, sizeof path, "%s/%.256s", room, path + 1000);
  refused_always (path, ERR_TARGET_REFUSED, "too long");
}

static void
test_kinds_that_are_no_disks (void **state)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  (void)state;
  assert_int_equal (mkfifo (in_room ("fifo"), 0600), 0);
  refused_always (in_room ("fifo"), ERR_TARGET_REFUSED, "is a FIFO");
  snprintf (a.sun_path, sizeof a.sun_path, "%.80s/socket", room);
  assert_int_equal (bind (fd, (struct sockaddr *)&a, sizeof a), 0);
  refused_always (in_room ("socket"), ERR_TARGET_REFUSED, "is a socket");
  close (fd);
  refused_always ("/dev/null", ERR_TARGET_REFUSED, "is a character device");
  refused_always ("/dev/tty", ERR_TARGET_REFUSED, "is a terminal");
  refused_always ("/dev/no-such-device", ERR_TARGET_REFUSED, "there is no device");
}

static void
test_links_are_not_followed_to_files (void **state)
{
  (void)state;
  make_file (in_room ("file"), "precious");
  assert_int_equal (symlink ("file", in_room ("link")), 0);
  refused_always (in_room ("link"), ERR_TARGET_REFUSED, "/file; only links to block devices");
  assert_int_equal (symlink ("nowhere", in_room ("dangling")), 0);
  refused_always (in_room ("dangling"), ERR_TARGET_REFUSED, "leads nowhere");
  assert_int_equal (symlink ("/dev/null", in_room ("null")), 0);
  refused_always (in_room ("null"), ERR_TARGET_REFUSED, "/dev/null; only links");
  assert_int_equal (symlink ("file", in_room ("disk.qimport-part")), 0);
  {
    struct target_spec s = spec_of (in_room ("disk"), SIZE);
    struct target *t = NULL;

    s.force = true; /* a link in the place of the part file is not followed either */
    must_fail (begin (&t, &s, &err), ERR_TARGET_EXISTS, "remove it");
    must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_CHANGED, "cannot be opened");
  }
  assert_int_equal (sh ("grep -qx precious '%s/file'", room), 0);
}

static void
test_existing_file_needs_force (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), SIZE);

  (void)state;
  make_file (s.path, "precious");
  must_fail (preflight (&s), ERR_TARGET_EXISTS, "--force");
  s.force = true;
  must (preflight (&s));
}

static void
test_journal_and_source_are_no_targets (void **state)
{
  struct target_spec s = spec_of (in_room ("journal.db"), SIZE);

  (void)state;
  s.force = true;
  s.journal_path = in_room ("journal.db"); /* not there yet */
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal");
  make_file (s.path, "");
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal");
  assert_int_equal (link (s.path, in_room ("other-name")), 0);
  s.path = in_room ("other-name");
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal");
  s.path = in_room ("journal.db-wal");
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal, or belongs to it");
  s.path = in_room ("journal.db-lock");
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal, or belongs to it");
  s.path = in_room ("disk");
  must (preflight (&s));
  s.journal_path = in_room ("disk.qimport-part");
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the journal");
  s.journal_path = NULL;
  make_file (in_room ("image.qcow2"), "");
  s.path = in_room ("image.qcow2");
  s.source_paths = (const char *const[]){ s.path, NULL };
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is the source itself");
}

static void
test_directory_that_may_not_be_written (void **state)
{
  int status;
  pid_t pid;

  (void)state;
  assert_int_equal (chmod (room, 0555), 0);
  pid = fork ();
  if (pid == 0) {
    struct target_spec s = spec_of (in_room ("disk"), SIZE);

    if (geteuid () == 0 && setuid (65534) == -1)
      _exit (77);
    _exit (preflight (&s) == -1 && err.code == ERR_TARGET_REFUSED
                   && strstr (err.text, "no file can be made") != NULL
               ? 0
               : 1);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_int_equal (chmod (room, 0700), 0);
  assert_int_equal (WEXITSTATUS (status), 0);
}

static void
test_control_bytes_do_not_reach_messages (void **state)
{
  const char *p;

  (void)state;
  make_file (in_room ("a\x1b[2J\nb"), "");
  must_fail (path_preflight (in_room ("a\x1b[2J\nb")), ERR_TARGET_EXISTS, "a\\x1b[2J\\x0ab");
  for (p = err.text; *p != '\0'; p++)
    assert_true ((unsigned char)*p >= 0x20 && *p != 0x7f);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_new_file_is_fine),
    TEST (test_relative_and_linked_directories_are_resolved),
    TEST (test_names_that_name_nothing),
    TEST (test_kinds_that_are_no_disks),
    TEST (test_links_are_not_followed_to_files),
    TEST (test_existing_file_needs_force),
    TEST (test_journal_and_source_are_no_targets),
    TEST (test_directory_that_may_not_be_written),
    TEST (test_control_bytes_do_not_reach_messages),
  };

  return cmocka_run_group_tests_name ("target-refuse", tests, NULL, NULL);
}
