/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * File targets on file systems of the test's own, mounted from files: identity over remounts,
 * space that ends, file systems that lack something.  Only for root.
 */
#include "target-room.h"

enum { SIZE = 8 * MIB };

static char mnt[300];

static bool
mount_it (const char *options)
{
  snprintf (mnt, sizeof mnt, "%s/mnt", room);
  mkdir (mnt, 0700);
  return geteuid () == 0 && sh ("mount %s '%s' 2>/dev/null", options, mnt) == 0;
}

static bool
make_and_mount (const char *mkfs, const char *size)
{
  char options[600];

  snprintf (options, sizeof options, "-o loop '%s/fs'", room);
  return sh ("truncate -s %s '%s/fs' && %s '%s/fs' >/dev/null 2>&1", size, room, mkfs, room)
             == 0
         && mount_it (options);
}

static bool
remount (void)
{
  char options[600];

  snprintf (options, sizeof options, "-o loop '%s/fs'", room);
  return sh ("umount '%s'", mnt) == 0 && mount_it (options);
}

#define need(what)                                                 \
  do {                                                             \
    if (!(what)) {                                                 \
      print_message ("no such file system can be mounted here\n"); \
      skip ();                                                     \
    }                                                              \
  } while (0)

static int
leave (void **state)
{
  sh ("umount '%s' 2>/dev/null", mnt);
  return leave_room (state);
}

static const char *
on_mount (const char *name)
{
  static char path[600];

  snprintf (path, sizeof path, "%s/%s", mnt, name);
  return path;
}

/* Create, write, unmount, mount, resume, finish: on any file system. */
static void
import_over_a_remount (void)
{
  struct target_spec s = spec_of (on_mount ("disk"), SIZE);
  struct target_identity id;
  struct target *t = NULL;

  must (begin (&t, &s, &err));
  id = *target_identity (t);
  put (t, 4096, MIB);
  must (target_zero (t, guest (8192), 4096 + 512, NULL, &err));
  must (target_sync (t, &err));
  target_close (t);
  t = NULL;
  assert_true (remount ());
  must (again (&t, &s, &id, NULL, &err));
  put (t, 2 * MIB, 512);
  must (target_finish (t, &err));
  target_close (t);
  t = NULL;
  assert_true (remount ());
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
  assert_true (holds (s.path, 0, 4096, 0));
  assert_true (holds (s.path, 4096, 4096, -1));
  assert_true (holds (s.path, 8192, 4608, 0));
  assert_true (holds (s.path, 8192 + 4608, MIB - 4096 - 4608, -1));
  assert_true (holds (s.path, 2 * MIB, 512, -1));
}

static void
test_ext4 (void **state)
{
  (void)state;
  need (make_and_mount ("mkfs.ext4 -q -F", "64M"));
  import_over_a_remount ();
}

static void
test_xfs (void **state)
{
  (void)state;
  need (make_and_mount ("mkfs.xfs -q", "320M"));
  import_over_a_remount ();
}

static void
test_btrfs (void **state)
{
  (void)state;
  need (make_and_mount ("mkfs.btrfs -q", "128M"));
  import_over_a_remount ();
}

static void
test_restored_older_copy_is_noticed (void **state)
{
  struct target_spec s;
  struct target_identity id;
  struct target *t = NULL;

  (void)state;
  need (make_and_mount ("mkfs.ext4 -q -F", "64M"));
  s = spec_of (on_mount ("disk"), SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  must (target_sync (t, &err));
  assert_int_equal (sh ("cd '%s' && cp --sparse=always disk.qimport-part x", mnt), 0);
  must (target_sync (t, &err));
  s.known = target_mark (t);
  target_close (t);
  t = NULL;
  assert_true (remount ());
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
  t = NULL;
  assert_int_equal (sh ("cd '%s' && mv x disk.qimport-part", mnt), 0);
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "an older copy");
}

static void
test_full_tmpfs_goes_on_when_there_is_room (void **state)
{
  static uint8_t buf[MIB];
  struct target_spec s;
  struct target *t = NULL;
  uint64_t at;
  int r = 0;

  (void)state;
  need (mount_it ("-t tmpfs -o size=4M none"));
  make_file (on_mount ("ballast"), "");
  assert_int_equal (sh ("head -c 2M /dev/zero > '%s/ballast'", mnt), 0);
  s = spec_of (on_mount ("disk"), SIZE);
  assert_in_range (target_free_space (&s), 1, 2 * MIB);
  must (begin (&t, &s, &err));
  for (at = 0; r == 0 && at < 4 * MIB; at += MIB) {
    pattern (buf, MIB, at);
    r = target_write (t, guest (at), buf, MIB, &err);
  }
  assert_int_equal (r, -1);
  assert_int_equal (err.code, ERR_TARGET_FULL);
  assert_int_equal (sh ("rm '%s/ballast'", mnt), 0);
  put (t, 0, 3 * MIB);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (s.path, 0, 3 * MIB, -1));
}

static void
test_full_ext4_goes_on_when_there_is_room (void **state)
{
  struct target_spec s;
  struct target_identity id;
  struct target *t = NULL;
  uint64_t at;
  int r = 0;

  (void)state;
  need (make_and_mount ("mkfs.ext4 -q -F -O ^has_journal -m 0", "8M"));
  assert_int_equal (sh ("head -c 3M /dev/zero > '%s/ballast'", mnt), 0);
  s = spec_of (on_mount ("disk"), SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  for (at = 0; r == 0 && at < SIZE; at += 65536) {
    static uint8_t buf[65536];

    pattern (buf, sizeof buf, at);
    r = target_write (t, guest (at), buf, sizeof buf, &err);
    if (r == 0)
      r = target_sync (t, &err);
  }
  assert_int_equal (r, -1);
  assert_int_equal (err.code, ERR_TARGET_FULL);
  target_close (t);
  assert_int_equal (sh ("rm '%s/ballast'", mnt), 0);
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  put (t, 0, 5 * MIB);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (s.path, 0, 5 * MIB, -1));
}

/* ramfs: no extended attributes, no generations, no O_DIRECT, no fallocate. */
static void
test_ramfs (void **state)
{
  struct target_spec s;
  struct target_identity id;
  struct target *t = NULL;
  uint8_t want[4096], is[4096];

  (void)state;
  need (mount_it ("-t ramfs none"));
  s = spec_of (on_mount ("disk"), SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  assert_null (strstr (id.text, "uuid="));
  put (t, 512, 65536);
  must (target_zero (t, guest (8192), 4096, NULL, &err));
  must (target_sync (t, &err));
  must (target_read (t, guest (4096 + 512), is, 4096, &err));
  pattern (want, sizeof want, 4096 + 512);
  memset (want + 3584, 0, 512);
  assert_memory_equal (want, is, sizeof is);
  target_close (t);
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (s.path, 4096, 4096, -1)); /* what was held back the caller keeps */
  assert_true (holds (s.path, 8192, 4096, 0));
}

static void
test_read_only_file_system (void **state)
{
  struct target_spec s;
  char canonical[PATH_MAX];
  enum target_kind kind;

  (void)state;
  need (mount_it ("-t tmpfs -o size=1M,ro none"));
  s = spec_of (on_mount ("disk"), SIZE);
  must_fail (target_preflight (&s, &kind, canonical, &err), ERR_TARGET_REFUSED,
             "Read-only file system");
}

#define MOUNT_TEST(name) cmocka_unit_test_setup_teardown (name, enter_room, leave)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    MOUNT_TEST (test_ext4),
    MOUNT_TEST (test_xfs),
    MOUNT_TEST (test_btrfs),
    MOUNT_TEST (test_restored_older_copy_is_noticed),
    MOUNT_TEST (test_full_tmpfs_goes_on_when_there_is_room),
    MOUNT_TEST (test_full_ext4_goes_on_when_there_is_room),
    MOUNT_TEST (test_ramfs),
    MOUNT_TEST (test_read_only_file_system),
  };

  return cmocka_run_group_tests_name ("target-mounts", tests, NULL, NULL);
}
