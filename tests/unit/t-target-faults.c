/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks that fail: this program has its own pwrite, fdatasync and so on in front of libc's,
 * which fail when they are told to.  No root needed.
 */
#include "target-room.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>

enum { SIZE = 4 * MIB };

/* The calls that can be made to fail, and how. */
enum call {
  PWRITE,
  PWRITEV,
  FDATASYNC,
  FSYNC,
  DIR_FSYNC,
  RENAMEAT2,
  LINKAT,
  FALLOCATE,
  FTRUNCATE,
  SETXATTR,
  CALLS
};

static struct {
  int after;   /* calls that still work */
  int errnum;  /* what then fails, 0: nothing */
  int times;   /* so often */
  size_t most; /* bytes that a write takes at once; 0: all */
  unsigned seen;
} plan[CALLS];

static void
fail_calls (enum call c, int after, int errnum, int times)
{
  plan[c].after = after;
  plan[c].errnum = errnum;
  plan[c].times = times;
}

static bool
fails (enum call c)
{
  plan[c].seen++;
  if (plan[c].errnum == 0 || plan[c].after-- > 0)
    return false;
  errno = plan[c].errnum;
  if (--plan[c].times <= 0)
    plan[c].errnum = 0;
  return true;
}

static int
reset (void **state)
{
  memset (plan, 0, sizeof plan);
  return enter_room (state);
}

static int
leave (void **state)
{
  memset (plan, 0, sizeof plan);
  return leave_room (state);
}

ssize_t
pwrite (int fd, const void *buf, size_t n, off_t at)
{
  if (fails (PWRITE))
    return -1;
  if (plan[PWRITE].most != 0 && n > plan[PWRITE].most)
    n = plan[PWRITE].most;
  return syscall (SYS_pwrite64, fd, buf, n, at);
}

ssize_t
pwritev (int fd, const struct iovec *iov, int n, off_t at)
{
  if (fails (PWRITEV))
    return -1;
  if (plan[PWRITEV].most != 0) /* the first buffer and a bit of the second */
    return syscall (SYS_pwrite64, fd, iov->iov_base,
                    iov->iov_len < plan[PWRITEV].most ? iov->iov_len : plan[PWRITEV].most, at);
  return syscall (SYS_pwritev, fd, iov, n, at, 0);
}

int
fdatasync (int fd)
{
  return fails (FDATASYNC) ? -1 : (int)syscall (SYS_fdatasync, fd);
}

int
fsync (int fd)
{
  struct stat st;

  if (fstat (fd, &st) == 0 && S_ISDIR (st.st_mode))
    return fails (DIR_FSYNC) ? -1 : (int)syscall (SYS_fsync, fd);
  return fails (FSYNC) ? -1 : (int)syscall (SYS_fsync, fd);
}

int
renameat2 (int a, const char *from, int b, const char *to, unsigned flags)
{
  return fails (RENAMEAT2) ? -1 : (int)syscall (SYS_renameat2, a, from, b, to, flags);
}

int
linkat (int a, const char *from, int b, const char *to, int flags)
{
  return fails (LINKAT) ? -1 : (int)syscall (SYS_linkat, a, from, b, to, flags);
}

int
fallocate (int fd, int mode, off_t at, off_t len)
{
  return fails (FALLOCATE) ? -1 : (int)syscall (SYS_fallocate, fd, mode, at, len);
}

int
ftruncate (int fd, off_t len) /* NOLINT: libc's has attributes of its own */
{
  return fails (FTRUNCATE) ? -1 : (int)syscall (SYS_ftruncate, fd, len);
}

int
fsetxattr (int fd, const char *name, const void *value, size_t len, int flags)
{
  return fails (SETXATTR) ? -1 : (int)syscall (SYS_fsetxattr, fd, name, value, len, flags);
}

static struct target *
create (const char *path)
{
  struct target_spec s = spec_of (path, SIZE);
  struct target *t = NULL;

  must (begin (&t, &s, &err));
  return t;
}

static int
put_fails (struct target *t, uint64_t at, size_t len)
{
  static uint8_t buf[SIZE];

  return target_write (t, guest (at), buf, len, &err);
}

/* ---- writing ------------------------------------------------------------------------------
 */

static void
test_short_writes_and_interruptions_lose_nothing (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path);
  static uint8_t buf[SIZE];
  struct iovec iov[3] = { { buf, 1000 }, { buf + 1000, 24 }, { buf + 1024, 1024 } };

  (void)state;
  plan[PWRITE].most = 100;
  plan[PWRITEV].most = 1010;
  fail_calls (PWRITE, 2, EINTR, 3);
  fail_calls (PWRITEV, 0, EAGAIN, 2);
  put (t, 4096, 4096);
  pattern (buf, 2048, 65536);
  must (target_writev (t, guest (65536), iov, 3, &err));
  assert_true (plan[PWRITE].seen > 40);
  plan[PWRITE].most = plan[PWRITEV].most = 0;
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 4096, 4096, -1));
  assert_true (holds (path, 65536, 2048, -1));
  assert_true (holds (path, 65536 + 2048, MIB, 0));
}

static void
test_full_disk_is_no_end (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path);

  (void)state;
  fail_calls (PWRITE, 0, ENOSPC, 1);
  must_fail (put_fails (t, 4096, 4096), ERR_TARGET_FULL, "guest offset 4096");
  fail_calls (PWRITE, 0, EDQUOT, 1);
  must_fail (put_fails (t, 4096, 4096), ERR_TARGET_FULL, "make room");
  put (t, 4096, 4096); /* there is room again */
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 4096, 4096, -1));
}

static void
test_failed_write_is_final (void **state)
{
  static const struct {
    int errnum;
    enum error_code code;
  } kinds[] = { { EIO, ERR_TARGET_FAILED },
                { EROFS, ERR_TARGET_FAILED },
                { EFBIG, ERR_TARGET_REFUSED } };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    char name[16];
    struct target *t;

    snprintf (name, sizeof name, "disk%zu", i);
    t = create (in_room (name));
    fail_calls (PWRITE, 0, kinds[i].errnum, 1);
    must_fail (put_fails (t, 8192, 512), kinds[i].code, "guest offset 8192");
    must_fail (put_fails (t, 0, 512), ERR_TARGET_FAILED, "failed before");
    must_fail (target_zero (t, guest (0), 512, NULL, &err), ERR_TARGET_FAILED, "failed before");
    must_fail (target_sync (t, &err), ERR_TARGET_FAILED, "failed before");
    must_fail (target_finish (t, &err), ERR_TARGET_FAILED, "failed before");
    target_close (t);
    assert_false (there_is (in_room (name)));
  }
}

/* ---- syncing ------------------------------------------------------------------------------
 */

/* T3: the kernel has thrown the data away; a second sync would say 0. */
static void
test_failed_sync_is_never_tried_again (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path);
  unsigned syncs;

  (void)state;
  put (t, 0, 4096);
  fail_calls (FDATASYNC, 0, EIO, 1);
  must_fail (target_sync (t, &err), ERR_TARGET_FAILED, "is lost");
  syncs = plan[FDATASYNC].seen + plan[FSYNC].seen;
  must_fail (target_sync (t, &err), ERR_TARGET_FAILED, "failed before");
  must_fail (target_finish (t, &err), ERR_TARGET_FAILED, "failed before");
  must_fail (put_fails (t, 0, 512), ERR_TARGET_FAILED, "failed before");
  assert_int_equal (plan[FDATASYNC].seen + plan[FSYNC].seen, syncs);
  target_close (t);
  assert_false (there_is (path));
}

/* T2: delayed allocation finds out late. */
static void
test_full_at_sync_is_final_for_the_object (void **state)
{
  struct target *t = create (in_room ("disk"));

  (void)state;
  put (t, 0, 4096);
  fail_calls (FDATASYNC, 0, ENOSPC, 1);
  must_fail (target_sync (t, &err), ERR_TARGET_FULL, "make room");
  must_fail (target_sync (t, &err), ERR_TARGET_FAILED, "failed before");
  target_close (t);
}

static void
test_interrupted_sync_is_done (void **state)
{
  struct target *t = create (in_room ("disk"));
  unsigned before = plan[FDATASYNC].seen;

  (void)state;
  put (t, 0, 4096);
  fail_calls (FDATASYNC, 0, EINTR, 2);
  must (target_sync (t, &err));
  assert_int_equal (plan[FDATASYNC].seen, before + 3);
  target_close (t);
}

static void
test_failed_sync_at_the_end_is_no_success (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path);

  (void)state;
  put (t, 0, 4096);
  fail_calls (FSYNC, 0, EIO, 1);
  must_fail (target_finish (t, &err), ERR_TARGET_FAILED, "cannot be synced");
  assert_false (there_is (path));
  must_fail (target_finish (t, &err), ERR_TARGET_FAILED, "failed before");
  target_close (t);
}

static void
test_failed_sync_of_the_directory_is_no_success (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, SIZE);
  struct target_identity id;
  struct target *t = NULL;
  bool already = false;

  (void)state;
  fail_calls (DIR_FSYNC, 0, EIO, 1);
  must_fail (begin (&t, &s, &err), ERR_TARGET_FAILED, "directory cannot be synced");
  assert_false (there_is (in_room ("disk.qimport-part")));
  t = create (path);
  id = *target_identity (t);
  fail_calls (DIR_FSYNC, 0, EIO, 1);
  must_fail (target_finish (t, &err), ERR_TARGET_FAILED, "directory cannot be synced");
  target_close (t);
  must (again (&t, &s, &id, &already, &err)); /* renamed, perhaps not for good */
  assert_true (already);
  plan[DIR_FSYNC].seen = 0;
  must (target_finish (t, &err));
  assert_int_equal (plan[DIR_FSYNC].seen, 1);
  target_close (t);
}

/* W3, T23: the order of it. */
static void
test_directory_is_synced_after_creation_and_rename (void **state)
{
  struct target *t = create (in_room ("disk"));

  (void)state;
  assert_int_equal (plan[FSYNC].seen, 1);
  assert_int_equal (plan[DIR_FSYNC].seen, 1);
  must (target_finish (t, &err));
  assert_int_equal (plan[FSYNC].seen, 2);
  assert_int_equal (plan[DIR_FSYNC].seen, 2);
  target_close (t);
}

/* ---- what a file system may lack
 * -------------------------------------------------------------- */

static void
test_zeros_without_fallocate_are_written (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path);

  (void)state;
  put (t, 0, SIZE);
  fail_calls (FALLOCATE, 0, EOPNOTSUPP, 100);
  must (target_zero (t, guest (512), 3 * MIB, NULL, &err));
  assert_int_equal (plan[FALLOCATE].seen, 2); /* each way once */
  must (target_zero (t, guest (3 * MIB + 1024), 8192, NULL, &err));
  assert_int_equal (plan[FALLOCATE].seen, 2);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 0, 512, -1));
  assert_true (holds (path, 512, 3 * MIB, 0));
  assert_true (holds (path, 3 * MIB + 512, 512, -1));
  assert_true (holds (path, 3 * MIB + 1024, 8192, 0));
  assert_true (holds (path, 3 * MIB + 9216, SIZE - 3 * MIB - 9216, -1));
}

static void
test_rename_without_noreplace (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target *t = create (path);

  (void)state;
  fail_calls (RENAMEAT2, 0, EINVAL, 1);
  must (target_finish (t, &err)); /* by a second link */
  target_close (t);
  assert_true (there_is (path) && !there_is (part));
  assert_int_equal (unlink (path), 0);

  t = create (path);
  fail_calls (RENAMEAT2, 0, EINVAL, 1);
  fail_calls (LINKAT, 0, EPERM, 1);
  must (target_finish (t, &err)); /* by looking first */
  target_close (t);
  assert_true (there_is (path) && !there_is (part));
  assert_int_equal (unlink (path), 0);

  t = create (path);
  fail_calls (RENAMEAT2, 0, EEXIST, 1); /* appeared after the look */
  must_fail (target_finish (t, &err), ERR_TARGET_EXISTS, "appeared");
  fail_calls (RENAMEAT2, 0, EINVAL, 1);
  fail_calls (LINKAT, 0, EEXIST, 1);
  must_fail (target_finish (t, &err), ERR_TARGET_EXISTS, "appeared");
  assert_true (there_is (part));
  target_close (t);
}

static void
test_identity_without_extended_attributes (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (path, SIZE);
  struct target_identity id;
  struct target *t;

  (void)state;
  fail_calls (SETXATTR, 0, EOPNOTSUPP, 100);
  t = create (path);
  id = *target_identity (t);
  assert_null (strstr (id.text, "uuid="));
  target_close (t);
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
  t = NULL;
  must (again (&t, &s, NULL, NULL, &err)); /* never recorded, but it carries our marker */
  put (t, 0, 4096);
  target_close (t);
  t = NULL;
  assert_int_equal (sh ("cd '%s' && cp --sparse=always disk.qimport-part c && "
                        "rm disk.qimport-part && mv c disk.qimport-part",
                        room),
                    0);
  must (again (&t, &s, &id, NULL, &err)); /* by whatever inode it goes now */
  target_close (t);
  t = NULL;
  assert_int_equal (sh ("printf other | dd of='%s' conv=notrunc 2>&1", part), 0);
  must_fail (again (&t, &s, NULL, NULL, &err), ERR_TARGET_EXISTS, "does not belong");
  s.known = (struct target_mark){ 1, 1 };
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "is not the file");
}

static void
test_creation_that_fails_leaves_nothing (void **state)
{
  static const struct {
    enum call call;
    int errnum;
    enum error_code code;
  } faults[] = {
    { FTRUNCATE, EFBIG, ERR_TARGET_REFUSED }, { FTRUNCATE, ENOSPC, ERR_TARGET_FULL },
    { FSYNC, EIO, ERR_TARGET_FAILED },        { FSYNC, ENOSPC, ERR_TARGET_FULL },
    { DIR_FSYNC, EIO, ERR_TARGET_FAILED },    { FALLOCATE, EOPNOTSUPP, ERR_TARGET_REFUSED },
    { FALLOCATE, ENOSPC, ERR_TARGET_FULL },
  };
  size_t i;

  (void)state;
  for (i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    struct target_spec s = spec_of (in_room ("disk"), SIZE);
    struct target *t = NULL;

    s.preallocate = true;
    fail_calls (faults[i].call, 0, faults[i].errnum, 1);
    must_fail (begin (&t, &s, &err), faults[i].code, "/disk");
    assert_int_equal (sh ("test -z \"$(ls -A '%s')\"", room), 0);
  }
}

#define FAULT_TEST(name) cmocka_unit_test_setup_teardown (name, reset, leave)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    FAULT_TEST (test_short_writes_and_interruptions_lose_nothing),
    FAULT_TEST (test_full_disk_is_no_end),
    FAULT_TEST (test_failed_write_is_final),
    FAULT_TEST (test_failed_sync_is_never_tried_again),
    FAULT_TEST (test_full_at_sync_is_final_for_the_object),
    FAULT_TEST (test_interrupted_sync_is_done),
    FAULT_TEST (test_failed_sync_at_the_end_is_no_success),
    FAULT_TEST (test_failed_sync_of_the_directory_is_no_success),
    FAULT_TEST (test_directory_is_synced_after_creation_and_rename),
    FAULT_TEST (test_zeros_without_fallocate_are_written),
    FAULT_TEST (test_rename_without_noreplace),
    FAULT_TEST (test_identity_without_extended_attributes),
    FAULT_TEST (test_creation_that_fails_leaves_nothing),
  };

  return cmocka_run_group_tests_name ("target-faults", tests, NULL, NULL);
}
