/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A file target is found again only if it is the same (T8, T9), by one process at a time, and
 * written in place where it is to keep what it holds.
 */
#include "target-room.h"

#include <sys/xattr.h>

enum { SIZE = 3 * MIB + 512 };

static struct target *
create (const char *path, uint64_t size)
{
  struct target_spec s = spec_of (path, size);
  struct target *t = NULL;

  must (begin (&t, &s, &err));
  return t;
}

/* ---- finding it again ----------------------------------------------------------------------
 */

static void
test_reopen_goes_on (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, SIZE);
  struct target *t = create (path, SIZE);
  struct target_identity id = *target_identity (t);
  bool already = true;

  (void)state;
  assert_non_null (strstr (id.text, "kind=file uuid=" UUID " ino="));
  put (t, 4096, 4096);
  must (target_sync (t, &err));
  s.known = target_mark (t);
  target_close (t);
  t = NULL;
  must (again (&t, &s, &id, &already, &err));
  assert_false (already);
  assert_true (target_reads_zero (t));
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 0, 8192, -1));
}

static void
test_reopen_after_the_rename_knows (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 4096);
  struct target *t = create (path, 4096);
  struct target_identity id = *target_identity (t);
  bool already = false;

  (void)state;
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  must (again (&t, &s, &id, &already, &err));
  assert_true (already);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 0, 4096, -1));
}

static void
test_reopen_between_link_and_unlink (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (path, 4096);
  struct target *t = create (path, 4096);
  struct target_identity id = *target_identity (t);

  (void)state;
  must (target_sync (t, &err));
  target_close (t);
  assert_int_equal (link (part, path), 0);
  must (again (&t, &s, &id, NULL, &err));
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  assert_false (there_is (part));
  assert_true (holds (path, 0, 4096, -1));
}

static void
test_reopen_refuses_what_is_not_it (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (path, SIZE);
  struct target *t = create (path, SIZE);
  struct target_identity id = *target_identity (t);

  (void)state;
  target_close (t);
  t = NULL;
  s.import_uuid = OTHER_UUID;
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "of another import, " UUID);
  s.import_uuid = UUID;
  /* cut by someone */
  assert_int_equal (truncate (part, SIZE - 512), 0);
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "cut or grown");
  assert_int_equal (truncate (part, SIZE), 0);
  /* a copy is as good, as the marker says; another file is not */
  assert_int_equal (sh ("cd '%s' && cp --preserve=all --sparse=always disk.qimport-part c && "
                        "cp --sparse=always disk.qimport-part d && mv disk.qimport-part keep",
                        room),
                    0);
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "is gone");
  assert_int_equal (rename (in_room ("c"), part), 0);
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
  t = NULL;
  assert_int_equal (rename (in_room ("d"), part), 0);
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
  t = NULL;
  assert_int_equal (sh ("truncate -s 0 '%s' && truncate -s %d '%s'", part, SIZE, part), 0);
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "does not carry the marker");
  /* the real one is back */
  assert_int_equal (rename (in_room ("keep"), part), 0);
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
}

static void
test_never_recorded_part_is_adopted_if_it_is_ours (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (path, SIZE);
  struct target *t = NULL;

  (void)state;
  must (again (&t, &s, NULL, NULL, &err)); /* not even made */
  target_close (t);
  t = NULL;
  assert_int_equal (truncate (part, 0), 0); /* made, not yet sized */
  must (again (&t, &s, NULL, NULL, &err));
  put (t, 0, 4096);
  target_close (t);
  t = NULL;
  must (again (&t, &s, NULL, NULL, &err)); /* written, but never recorded */
  assert_true (target_reads_zero (t) && is_marked (part) && holds (part, 4096, 4096, 0));
  put (t, 4096, 4096);
  target_close (t);
  t = NULL;
  s.import_uuid = OTHER_UUID;
  must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_EXISTS, "does not belong");
  assert_int_equal (removexattr (part, "user.qimport"), 0);
  s.import_uuid = UUID;
  must (again (&t, &s, NULL, NULL, &err)); /* its marker is enough */
  target_close (t);
  t = NULL;
  assert_int_equal (removexattr (part, "user.qimport"), 0);
  assert_int_equal (sh ("printf other | dd of='%s' conv=notrunc 2>&1", part), 0);
  must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_EXISTS, "does not belong");
  assert_int_equal (sh ("truncate -s 0 '%s' && truncate -s %d '%s'", part, SIZE, part), 0);
  must (again (&t, &s, NULL, NULL, &err)); /* no mark, and no data either */
  target_close (t);
}

static void
test_finish_notices_what_was_done_to_the_part (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target *t = create (path, SIZE);

  (void)state;
  assert_int_equal (truncate (part, MIB), 0);
  must_fail (target_finish (t, &err), ERR_TARGET_CHANGED, "cut or grown");
  assert_false (there_is (path));
  assert_int_equal (truncate (part, SIZE), 0);
  assert_int_equal (rename (part, in_room ("away")), 0);
  must_fail (target_finish (t, &err), ERR_TARGET_CHANGED, "removed, renamed or replaced");
  assert_false (there_is (path));
  target_close (t);
}

static void
test_finished_target_is_known (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 4096);
  struct target *t = create (path, 4096);
  struct target_identity id = *target_identity (t);

  (void)state;
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  t = NULL;
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
  must (target_open_finished (&t, &s, &id, true, &err));
  put (t, 0, 512);
  must (target_sync (t, &err));
  must (target_finish (t, &err));
  target_close (t);
  t = NULL;
  assert_int_equal (truncate (path, 8192), 0);
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED, "8192 bytes");
  assert_int_equal (unlink (path), 0);
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED, "missing");
  make_file (path, "");
  assert_int_equal (truncate (path, 4096), 0);
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED,
             "is not the file");
}

static void
test_discard_leaves_nothing (void **state)
{
  struct target *t = create (in_room ("disk"), SIZE);

  (void)state;
  target_discard (t);
  assert_int_equal (sh ("test -z \"$(ls -A '%s')\"", room), 0);
}

/* ---- which file it is ---------------------------------------------------------------------
 */

static bool
same (enum target_kind kind, const char *was, const char *is)
{
  struct target t = { .place = { .kind = kind, .shown = "disk" } };
  struct target_identity recorded;

  snprintf (recorded.text, sizeof recorded.text, "%s", was);
  snprintf (t.id.text, sizeof t.id.text, "%s", is);
  return target_identity_check (&t, &recorded, &err) == 0;
}

static void
test_what_makes_a_file_the_same (void **state)
{
  const char *was = "kind=file uuid=u ino=1 gen=5 size=9 dev=8:1";

  (void)state;
  assert_true (same (TARGET_FILE, was, was));
  assert_true (same (TARGET_FILE, was, "kind=file uuid=u ino=1 gen=5 size=9 dev=8:2"));
  assert_true (same (TARGET_FILE, was, "kind=file uuid=u ino=7 gen=8 size=9 dev=8:2"));
  assert_true (same (TARGET_FILE, was, "kind=file ino=1 gen=5 size=9 dev=8:2"));
  assert_false (same (TARGET_FILE, was, "kind=file uuid=u ino=7 gen=5 size=9 dev=8:1"));
  assert_false (same (TARGET_FILE, was, "kind=file uuid=u ino=1 gen=6 size=9 dev=8:1"));
  assert_false (same (TARGET_FILE, was, "kind=file uuid=v ino=1 gen=5 size=9 dev=8:1"));
  assert_false (same (TARGET_FILE, was, "kind=file ino=1 gen=6 size=9 dev=8:1"));
  assert_false (same (TARGET_FILE, was, "kind=file uuid=u ino=1 gen=5 size=8 dev=8:1"));
  assert_false (same (TARGET_FILE, was, "kind=block size=9 dev=8:1"));
  was = "kind=file size=9 dev=8:1"; /* FAT */
  assert_true (same (TARGET_FILE, was, was));
  assert_false (same (TARGET_FILE, was, "kind=file size=8 dev=8:1"));
  assert_false (same (TARGET_FILE, "", was));
}

static void
test_what_makes_a_device_the_same (void **state)
{
  const char *was = "kind=block size=9 serial=S1 partuuid=p start=2048 dev=8:1";

  (void)state;
  assert_true (same (TARGET_BLOCK, was, was));
  assert_true (same (TARGET_BLOCK, was,
                     "kind=block size=9 serial=S1 wwid=w partuuid=p start=2048 dev=8:17"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 serial=S2 partuuid=p start=2048"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 serial=S1 partuuid=q start=2048"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 serial=S1 partuuid=p start=4096"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 partuuid=p start=2048 dev=8:1"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=8 serial=S1 partuuid=p start=2048"));
  was = "kind=block size=9 rbd=f:1:10ab dev=250:0"; /* mapped again, with another number */
  assert_true (same (TARGET_BLOCK, was, "kind=block size=9 rbd=f:1:10ab dev=250:16"));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 rbd=f:1:10cd dev=250:0"));
  was = "kind=block size=9 dev=254:16"; /* nothing else is known */
  assert_true (same (TARGET_BLOCK, was, was));
  assert_false (same (TARGET_BLOCK, was, "kind=block size=9 dev=254:32"));
  assert_false (same (TARGET_BLOCK, "kind=block size=9 start=2048 dev=8:1",
                      "kind=block size=9 start=2048 dev=8:2"));
}

/* ---- locks ---------------------------------------------------------------------------------
 */

/* Runs WORK in a child that then waits to be killed; the lock must go with it. */
static pid_t
child_holding (struct target_spec *s)
{
  int ready[2];
  char c = 0;
  pid_t pid;

  assert_int_equal (pipe2 (ready, O_CLOEXEC), 0);
  pid = fork ();
  if (pid == 0) {
    struct target *t = NULL;

    c = begin (&t, s, &err) == 0 ? 'y' : 'n';
    if (write (ready[1], &c, 1) == 1)
      pause ();
    _exit (1);
  }
  assert_int_equal (read (ready[0], &c, 1), 1);
  assert_int_equal (c, 'y');
  close (ready[0]);
  close (ready[1]);
  return pid;
}

static void
test_lock_dies_with_its_process (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), 4096);
  struct target *t = NULL;
  pid_t pid = child_holding (&s);

  (void)state;
  must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_BUSY, "in use");
  s.force = true;
  must_fail (begin (&t, &s, &err), ERR_TARGET_BUSY, "in use");
  s.force = false;
  kill (pid, SIGSTOP);
  must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_BUSY, "in use");
  kill (pid, SIGKILL);
  assert_int_equal (waitpid (pid, NULL, 0), pid);
  must (again (&t, &s, NULL, NULL, &err));
  target_close (t);
}

static void
test_disk_of_a_running_machine_is_refused (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, MIB);
  char canonical[PATH_MAX];
  enum target_kind kind;
  struct target *t = NULL;
  pid_t pid;
  int i;

  (void)state;
  if (sh ("command -v qemu-io >/dev/null") != 0)
    skip ();
  make_file (path, "");
  assert_int_equal (truncate (path, MIB), 0);
  pid = fork ();
  if (pid == 0) {
    execlp ("qemu-io", "qemu-io", "-f", "raw", "-c", "sleep 20000", path, (char *)NULL);
    _exit (127);
  }
  s.force = true;
  for (i = 0; i < 100 && target_preflight (&s, &kind, canonical, &err) == 0; i++)
    usleep (50000);
  must_fail (target_preflight (&s, &kind, canonical, &err), ERR_TARGET_BUSY, "virtual machine");
  must_fail (begin (&t, &s, &err), ERR_TARGET_BUSY, "virtual machine");
  s.force = false;
  s.in_place = true;
  must_fail (begin (&t, &s, &err), ERR_TARGET_BUSY, "virtual machine");
  kill (pid, SIGKILL);
  waitpid (pid, NULL, 0);
  must (begin (&t, &s, &err));
  target_close (t);
}

/* ---- in place -------------------------------------------------------------------------------
 */

static void
test_in_place_keeps_what_is_there (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, SIZE);
  struct target *t = create (path, SIZE);
  struct target_identity id;

  (void)state;
  put (t, 0, SIZE);
  must (target_finish (t, &err));
  target_close (t);
  t = NULL;
  s.in_place = true;
  s.import_uuid = OTHER_UUID;
  must (begin (&t, &s, &err));
  assert_false (target_reads_zero (t));
  must (target_zero (t, guest (4096), 8192, NULL, &err));
  must (target_sync (t, &err));
  id = *target_identity (t);
  assert_non_null (strstr (id.text, OTHER_UUID));
  target_discard (t); /* was not made by this import: stays */
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  must (target_finish (t, &err));
  target_close (t);
  assert_false (there_is (in_room ("disk.qimport-part")));
  assert_true (holds (path, 0, 4096, -1));
  assert_true (holds (path, 4096, 8192, 0));
  assert_true (holds (path, 12288, SIZE - 12288, -1));
}

static void
test_in_place_wants_the_right_size (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 8192);
  char canonical[PATH_MAX];
  enum target_kind kind;
  struct target *t = NULL;

  (void)state;
  s.in_place = true;
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "does not exist");
  make_file (path, "");
  assert_int_equal (truncate (path, 4096), 0);
  must_fail (target_preflight (&s, &kind, canonical, &err), ERR_TARGET_TOO_SMALL, "4096 bytes");
  must_fail (begin (&t, &s, &err), ERR_TARGET_TOO_SMALL, "4096 bytes");
  assert_int_equal (truncate (path, 16384), 0);
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "exactly as large");
  assert_int_equal (sh ("test $(stat -c %%s '%s') = 16384", path), 0);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_reopen_goes_on),
    TEST (test_reopen_after_the_rename_knows),
    TEST (test_reopen_between_link_and_unlink),
    TEST (test_reopen_refuses_what_is_not_it),
    TEST (test_never_recorded_part_is_adopted_if_it_is_ours),
    TEST (test_finish_notices_what_was_done_to_the_part),
    TEST (test_finished_target_is_known),
    TEST (test_discard_leaves_nothing),
    TEST (test_what_makes_a_file_the_same),
    TEST (test_what_makes_a_device_the_same),
    TEST (test_lock_dies_with_its_process),
    TEST (test_disk_of_a_running_machine_is_refused),
    TEST (test_in_place_keeps_what_is_there),
    TEST (test_in_place_wants_the_right_size),
  };

  return cmocka_run_group_tests_name ("target-again", tests, NULL, NULL);
}
