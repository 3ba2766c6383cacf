/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A regular file as target: made beside its name, written, and put in its place without
 * replacing anything.
 */
#include "target-room.h"

#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/xattr.h>

enum { SIZE = 3 * MIB + 512 };

static uint64_t
length_of (const char *path)
{
  struct stat st;

  assert_int_equal (stat (path, &st), 0);
  return (uint64_t)st.st_size;
}

static struct target *
create (const char *path, uint64_t size)
{
  struct target_spec s = spec_of (path, size);
  struct target *t = NULL;

  must (begin (&t, &s, &err));
  return t;
}

static void
test_becomes_target_only_when_finished (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target *t = create (path, SIZE);
  struct stat st;

  (void)state;
  assert_true (target_reads_zero (t));
  assert_int_equal (target_holds_back (t), 4096);
  put (t, 512, 65536);
  put (t, SIZE - 512, 512);
  must (target_sync (t, &err));
  assert_true (is_marked (part));
  assert_false (there_is (path));
  assert_int_equal (stat (part, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0600);
  assert_int_equal (st.st_size, SIZE);
  assert_true (st.st_blocks * 512 < SIZE);
  must (target_finish (t, &err));
  assert_false (there_is (part));
  assert_true (holds (path, 512, 65536, -1));
  assert_true (holds (path, SIZE - 512, 512, -1));
  assert_true (holds (path, 0, 512, 0));
  assert_true (holds (path, 512 + 65536, SIZE - 512 - 512 - 65536, 0));
  must (target_finish (t, &err)); /* once more does no harm */
  target_close (t);
}

static void
test_mode_is_as_open_would_make_it (void **state)
{
  const char *path = in_room ("disk");
  mode_t old = umask (027);
  struct target *t = create (path, 4096);
  struct stat st;

  (void)state;
  must (target_finish (t, &err));
  umask (old);
  target_close (t);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0640);
}

static void
test_vector_of_many_buffers (void **state)
{
  enum { N = 200, LEN = 1024 };
  const char *path = in_room ("disk");
  struct target *t = create (path, SIZE);
  uint8_t *buf = malloc (N * LEN);
  struct iovec iov[N];
  int i;

  (void)state;
  assert_non_null (buf);
  pattern (buf, N * LEN, 5120);
  for (i = 0; i < N; i++)
    iov[i] = (struct iovec){ buf + i * LEN, LEN };
  must (target_writev (t, guest (5120), iov, N, &err));
  must (target_finish (t, &err));
  assert_true (holds (path, 5120, N * LEN, -1));
  assert_true (holds (path, 0, 5120, 0));
  free (buf);
  target_close (t);
}

static void
test_never_beyond_the_disk (void **state)
{
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target *t = create (path, 8192);
  uint8_t sector[1024] = { 1 };
  struct stat st;

  (void)state;
  must_fail (target_write (t, guest (7680), sector, 1024, &err), ERR_INTERNAL, "beyond");
  must_fail (target_write (t, guest (UINT64_MAX), sector, 2, &err), ERR_INTERNAL, "beyond");
  must_fail (target_zero (t, guest (512), 8192, NULL, &err), ERR_INTERNAL, "beyond");
  must_fail (target_read (t, guest (8192), sector, 512, &err), ERR_INTERNAL, "beyond");
  assert_int_equal (stat (part, &st), 0);
  assert_int_equal (st.st_size, 8192);
  target_close (t);
}

static void
test_zero_over_data_is_zero (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path, SIZE);

  (void)state;
  put (t, 0, SIZE);
  must (target_zero (t, guest (512), 2 * MIB, NULL, &err));
  must (target_zero (t, guest (2 * MIB + 1024), 512, NULL, &err));
  must (target_finish (t, &err));
  assert_true (holds (path, 0, 512, -1));
  assert_true (holds (path, 512, 2 * MIB, 0));
  assert_true (holds (path, 2 * MIB + 512, 512, -1));
  assert_true (holds (path, 2 * MIB + 1024, 512, 0));
  assert_true (holds (path, 2 * MIB + 1536, SIZE - 2 * MIB - 1536, -1));
  target_close (t);
}

static void
test_zero_stops_when_asked (void **state)
{
  struct target *t = create (in_room ("disk"), 256 * MIB);
  atomic_bool stop = true;

  (void)state;
  must_fail (target_zero (t, guest (0), 256 * MIB, &stop, &err), ERR_INTERRUPTED,
             "offset 4096");
  target_close (t);
}

static void
test_reads_back_and_knows_holes (void **state)
{
  struct target *t = create (in_room ("disk"), SIZE);
  uint8_t *want = malloc (SIZE), *is = malloc (SIZE);
  uint64_t len;
  bool hole;

  (void)state;
  put (t, MIB, 65536);
  memset (want, 0, SIZE);
  pattern (want + MIB, 65536, MIB);
  must (target_sync (t, &err));
  must (target_read (t, guest (0), is, SIZE, &err));
  assert_memory_equal (want, is, SIZE);
  must (target_read (t, guest (MIB + 3 * 512), is, 512, &err));
  assert_memory_equal (want + MIB + 3 * 512, is, 512);
  must (target_read (t, guest (SIZE - 512), is, 512, &err));
  assert_memory_equal (want + SIZE - 512, is, 512);
  must (target_next (t, guest (0), &len, &hole, &err));
  assert_false (hole); /* the marker */
  assert_int_equal (len, 4096);
  must (target_next (t, guest (4096), &len, &hole, &err));
  assert_true (hole);
  assert_int_equal (len, MIB - 4096);
  must (target_next (t, guest (MIB), &len, &hole, &err));
  assert_false (hole);
  assert_int_equal (len, 65536);
  must (target_next (t, guest (MIB + 65536), &len, &hole, &err));
  assert_true (hole);
  assert_int_equal (len, SIZE - MIB - 65536);
  must (target_next (t, guest (SIZE), &len, &hole, &err));
  assert_int_equal (len, 0);
  free (want);
  free (is);
  target_close (t);
}

static void
test_empty_disk (void **state)
{
  const char *path = in_room ("disk");
  struct target *t = create (path, 0);
  struct stat st;

  (void)state;
  must (target_finish (t, &err));
  target_close (t);
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_size, 0);
}

/* ---- names --------------------------------------------------------------------------------
 */

static void
test_name_that_appears_meanwhile_is_left_alone (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 8192);
  struct target_identity id;
  struct target *t = create (path, 8192);

  (void)state;
  put (t, 4096, 4096);
  must (target_sync (t, &err));
  s.known = target_mark (t);
  make_file (path, "precious");
  must_fail (target_finish (t, &err), ERR_TARGET_EXISTS, "appeared");
  assert_true (there_is (in_room ("disk.qimport-part")));
  id = *target_identity (t);
  target_close (t);
  assert_int_equal (sh ("grep -qx precious '%s'", path), 0);
  s.force = true; /* at the resume the user allows it */
  must (again (&t, &s, &id, NULL, &err));
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 4096, 4096, -1));
}

static void
test_force_replaces_at_the_end_and_keeps_mode_and_owner (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 4096);
  struct target_identity id;
  struct target *t = NULL;
  struct stat st;

  (void)state;
  make_file (path, "old");
  assert_int_equal (chmod (path, 0604), 0);
  if (geteuid () == 0)
    assert_int_equal (chown (path, 1234, 2345), 0);
  must_fail (begin (&t, &s, &err), ERR_TARGET_EXISTS, "--force");
  assert_false (there_is (in_room ("disk.qimport-part")));
  s.force = true;
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  target_close (t);
  assert_int_equal (sh ("grep -qx old '%s'", path), 0);
  s.force = false; /* is never remembered; which file it was is */
  must (again (&t, &s, &id, NULL, &err));
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 0, 4096, -1));
  assert_int_equal (stat (path, &st), 0);
  assert_int_equal (st.st_mode & 07777, 0604);
  if (geteuid () == 0) {
    assert_int_equal (st.st_uid, 1234);
    assert_int_equal (st.st_gid, 2345);
  }
}

static void
test_force_does_not_cover_a_later_file (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 4096);
  struct target *t = NULL;

  (void)state;
  make_file (path, "old");
  s.force = true;
  must (begin (&t, &s, &err));
  make_file (in_room ("new"), "newer");
  assert_int_equal (rename (in_room ("new"), path), 0);
  must_fail (target_finish (t, &err), ERR_TARGET_EXISTS, "appeared");
  target_close (t);
  assert_int_equal (sh ("grep -qx newer '%s'", path), 0);
}

static void
test_orphaned_part_is_left_alone (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, 4096);
  char canonical[PATH_MAX];
  enum target_kind kind;
  struct target *t = NULL;

  (void)state;
  make_file (in_room ("disk.qimport-part"), "orphan");
  must_fail (target_preflight (&s, &kind, canonical, &err), ERR_TARGET_EXISTS,
             "disk.qimport-part");
  must_fail (begin (&t, &s, &err), ERR_TARGET_EXISTS, "left alone without --force");
  assert_int_equal (sh ("grep -qx orphan '%s/disk.qimport-part'", room), 0);
  s.force = true;
  must (begin (&t, &s, &err));
  must (target_finish (t, &err));
  assert_true (holds (path, 0, 4096, 0));
  target_close (t);
}

static void
test_long_names_get_a_part_of_their_own (void **state)
{
  char one[NAME_MAX + 1], two[NAME_MAX + 1], part[NAME_MAX + 1], part2[NAME_MAX + 1];
  const char *path;
  struct target *t;

  (void)state;
  memset (one, 'x', NAME_MAX);
  one[NAME_MAX] = '\0';
  memcpy (two, one, sizeof two);
  two[NAME_MAX - 1] = 'y';
  target_part_name (part, one, NAME_MAX);
  target_part_name (part2, two, NAME_MAX);
  assert_int_equal (strlen (part), NAME_MAX);
  assert_string_not_equal (part, part2);
  assert_string_equal (part + NAME_MAX - 13, ".qimport-part");
  target_part_name (part2, one, NAME_MAX);
  assert_string_equal (part, part2);
  target_part_name (part, "disk", NAME_MAX);
  assert_string_equal (part, "disk.qimport-part");
  path = in_room (one);
  t = create (path, 4096);
  put (t, 0, 4096);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (path, 0, 4096, -1));
}

static void
test_part_name_cuts_no_character (void **state)
{
  char name[NAME_MAX + 1] = "", part[NAME_MAX + 1];
  const char *p;
  size_t i;

  (void)state;
  for (i = 0; i < 84; i++)
    strcat (name, "\xe2\x82\xac"); /* 252 bytes */
  target_part_name (part, name, NAME_MAX);
  p = strchr (part, '~');
  assert_non_null (p);
  assert_int_equal ((p - part) % 3, 0);
}

/* ---- the process ----------------------------------------------------------------------------
 */

static void
test_descriptors_below_three_are_never_used (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), 4096);
  pid_t pid = fork ();
  int status;

  (void)state;
  if (pid == 0) {
    struct target *t = NULL;
    int bad;

    close (0);
    close (1);
    close (2);
    if (begin (&t, &s, &err) == -1)
      _exit (2);
    bad = fcntl (0, F_GETFD) != -1 || fcntl (1, F_GETFD) != -1 || fcntl (2, F_GETFD) != -1;
    if (target_finish (t, &err) == -1)
      _exit (3);
    _exit (bad);
  }
  assert_int_equal (waitpid (pid, &status, 0), pid);
  assert_true (WIFEXITED (status));
  assert_int_equal (WEXITSTATUS (status), 0);
}

static void
test_file_size_limit_is_refused_without_a_signal (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), SIZE);
  struct rlimit old, low;
  char canonical[PATH_MAX];
  enum target_kind kind;
  struct target *t = NULL;
  int preflight, made;

  (void)state;
  assert_int_equal (getrlimit (RLIMIT_FSIZE, &old), 0);
  low = old;
  low.rlim_cur = MIB;
  assert_int_equal (setrlimit (RLIMIT_FSIZE, &low), 0);
  preflight = target_preflight (&s, &kind, canonical, &err);
  made = begin (&t, &s, &err);
  setrlimit (RLIMIT_FSIZE, &old);
  assert_int_equal (preflight, -1);
  assert_int_equal (made, -1);
  assert_int_equal (err.code, ERR_TARGET_REFUSED);
  assert_non_null (strstr (err.text, "ulimit -f"));
  assert_false (there_is (in_room ("disk.qimport-part")));
}

static void
test_preallocate_reserves (void **state)
{
  const char *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (in_room ("disk"), SIZE);
  struct target *t = NULL;
  struct stat st;

  (void)state;
  s.preallocate = true;
  must (begin (&t, &s, &err));
  assert_int_equal (stat (part, &st), 0);
  assert_true (st.st_blocks * 512 >= SIZE);
  put (t, 0, MIB);
  must (target_zero (t, guest (0), 2 * MIB, NULL, &err));
  must (target_sync (t, &err));
  assert_int_equal (stat (part, &st), 0);
  assert_true (st.st_blocks * 512 >= SIZE); /* zeroing gives nothing back */
  must (target_finish (t, &err));
  assert_true (holds (in_room ("disk"), 0, SIZE, 0));
  target_close (t);
}

static void
test_file_too_large_for_the_file_system (void **state)
{
  struct target_spec s = spec_of (in_room ("disk"), INT64_MAX - 511);
  struct target *t = NULL;

  (void)state;
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "cannot hold a file");
  assert_false (there_is (in_room ("disk.qimport-part")));
  s.virtual_size = UINT64_MAX - 511;
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "no file can have");
  assert_false (there_is (in_room ("disk.qimport-part")));
}

static void
test_file_shorter_than_its_disk (void **state)
{
  enum { LEN = SIZE - 100 };
  const char *path = in_room ("disk"), *part = in_room ("disk.qimport-part");
  struct target_spec s = spec_of (path, SIZE);
  struct target_identity id;
  uint8_t tail[1024];
  struct target *t = NULL;
  uint64_t len;
  bool hole;

  (void)state;
  s.file.size = LEN;
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  put (t, SIZE - 1024, 1024);
  must (target_zero (t, guest (SIZE - 512), 512, NULL, &err));
  must (target_next (t, guest (SIZE - 100), &len, &hole, &err));
  assert_true (hole && len == 100);
  must (target_sync (t, &err));
  assert_int_equal (length_of (part), LEN);
  s.known = target_mark (t);
  target_close (t);
  s.file.size = 0; /* what was recorded counts */
  must (again (&t, &s, &id, NULL, &err));
  put (t, SIZE - 1024, 1024);
  must (target_read (t, guest (SIZE - 1024), tail, 1024, &err));
  assert_true (tail[923] != 0 && tail[924] == 0 && tail[1023] == 0);
  must (target_finish (t, &err));
  target_close (t);
  assert_int_equal (length_of (path), LEN);
  assert_true (holds (path, SIZE - 1024, 924, -1));
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
  assert_int_equal (truncate (path, SIZE), 0);
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED, "grown");
  s.file.may_grow = true;
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
}

static void
test_file_longer_than_its_disk (void **state)
{
  const char *path = in_room ("disk");
  struct target_spec s = spec_of (path, SIZE);
  struct target_identity id;
  struct target *t = NULL;
  uint8_t sector[512];

  (void)state;
  s.file.size = 2 * SIZE;
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  put (t, SIZE - 512, 512);
  must_fail (target_write (t, guest (SIZE), sector, 512, &err), ERR_INTERNAL, "beyond");
  must (target_finish (t, &err));
  target_close (t);
  assert_int_equal (length_of (path), 2 * SIZE);
  assert_true (holds (path, SIZE, SIZE, 0));
  s.file.size = 0;
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_becomes_target_only_when_finished),
    TEST (test_mode_is_as_open_would_make_it),
    TEST (test_vector_of_many_buffers),
    TEST (test_never_beyond_the_disk),
    TEST (test_zero_over_data_is_zero),
    TEST (test_zero_stops_when_asked),
    TEST (test_reads_back_and_knows_holes),
    TEST (test_empty_disk),
    TEST (test_name_that_appears_meanwhile_is_left_alone),
    TEST (test_force_replaces_at_the_end_and_keeps_mode_and_owner),
    TEST (test_force_does_not_cover_a_later_file),
    TEST (test_orphaned_part_is_left_alone),
    TEST (test_long_names_get_a_part_of_their_own),
    TEST (test_part_name_cuts_no_character),
    TEST (test_descriptors_below_three_are_never_used),
    TEST (test_file_size_limit_is_refused_without_a_signal),
    TEST (test_preallocate_reserves),
    TEST (test_file_shorter_than_its_disk),
    TEST (test_file_longer_than_its_disk),
    TEST (test_file_too_large_for_the_file_system),
  };

  return cmocka_run_group_tests_name ("target-file", tests, NULL, NULL);
}
