/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Block devices as target: loop devices over files of the test's own, and so only for root.
 */
#include "target-room.h"

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>

enum { SIZE = 16 * MIB, LONGER = SIZE + MIB };

static char loop[64]; /* of this test */

/* /dev/loopN over NAME in the room, LEN bytes that are not zero. */
static bool
attach (const char *name, uint64_t len, const char *options)
{
  const char *path = in_room (name);
  FILE *f;

  if (geteuid () != 0)
    return false;
  if (!there_is (path)
      && sh ("head -c %llu /dev/zero | tr '\\0' '\\252' > '%s'", (unsigned long long)len, path)
             != 0)
    return false;
  if (sh ("losetup -f --show %s '%s' > '%s/loop' 2>/dev/null", options, path, room) != 0)
    return false;
  f = fopen (in_room ("loop"), "r");
  if (f == NULL || fscanf (f, "%63s", loop) != 1)
    loop[0] = '\0';
  if (f != NULL)
    fclose (f);
  return loop[0] != '\0';
}

#define need_loop(name, len, options)                     \
  do {                                                    \
    if (!attach (name, len, options)) {                   \
      print_message ("no loop device can be had here\n"); \
      skip ();                                            \
    }                                                     \
  } while (0)

static void
detach (void)
{
  if (loop[0] != '\0')
    sh ("losetup -d %s", loop);
  loop[0] = '\0';
}

static int
leave_with_loop (void **state)
{
  sh ("umount '%s/mnt' 2>/dev/null", room);
  detach ();
  return leave_room (state);
}

/* The stale bytes are 0xaa. */
static bool
stale (const char *path, uint64_t at, size_t len)
{
  return holds (path, at, len, 0xaa);
}

static void
write_all (struct target *t)
{
  put (t, 0, 2 * MIB);
  must (target_zero (t, guest (2 * MIB), 5 * MIB + 512, NULL, &err));
  put (t, 7 * MIB + 512, SIZE - 7 * MIB - 512);
}

static void
check_all (void)
{
  assert_true (holds (loop, 0, 2 * MIB, -1));
  assert_true (holds (loop, 2 * MIB, 5 * MIB + 512, 0));
  assert_true (holds (loop, 7 * MIB + 512, SIZE - 7 * MIB - 512, -1));
}

static void
first_mib_last (const char *options)
{
  struct target_spec s;
  struct target *t = NULL;

  need_loop ("back", LONGER, options);
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  assert_int_equal (target_kind (t), TARGET_BLOCK);
  assert_false (target_reads_zero (t));
  assert_int_equal (target_holds_back (t), MIB);
  assert_true (is_marked (loop));
  assert_true (stale (loop, 512, LONGER - 512)); /* claimed, and nothing else touched */
  write_all (t);
  must (target_sync (t, &err));
  assert_true (is_marked (loop)); /* neither the old disk's beginning nor the new one's */
  assert_true (holds (loop, 512, MIB - 512, 0));
  assert_true (holds (loop, MIB, MIB, -1));
  must (target_finish (t, &err));
  assert_int_equal (target_holds_back (t), 0);
  target_close (t);
  check_all ();
  assert_true (stale (loop, SIZE, MIB)); /* T11 */
}

static void
test_first_mib_last_on_512 (void **state)
{
  (void)state;
  first_mib_last ("");
}

static void
test_first_mib_last_on_4096 (void **state)
{
  (void)state;
  first_mib_last ("-b 4096");
}

static void
test_small_disk_is_all_held_back (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", MIB, "");
  s = spec_of (loop, 65536 + 512);
  must (begin (&t, &s, &err));
  assert_int_equal (target_holds_back (t), 65536 + 512);
  put (t, 0, 65536 + 512);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (loop, 0, 65536 + 512, -1));
  assert_true (stale (loop, 65536 + 512, MIB - 65536 - 512));
}

static void
test_what_is_held_back_reads_as_written (void **state)
{
  enum { AT = MIB - 1024, LEN = 4096 };
  uint8_t want[LEN], is[LEN];
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  put (t, AT, LEN);
  pattern (want, LEN, AT);
  must (target_read (t, guest (AT), is, LEN, &err));
  assert_memory_equal (want, is, LEN);
  must (target_read (t, guest (AT + 512), is, 512, &err));
  assert_memory_equal (want + 512, is, 512);
  must (target_read (t, guest (MIB + 512), is, 1024, &err));
  assert_memory_equal (want + 1536, is, 1024);
  target_close (t);
}

/* Stores what changed as a caller's journal would. */
static void
keep_pieces (struct target *t, uint8_t (*kept)[TARGET_HELD_SIZE], bool *have)
{
  unsigned i;

  must (target_sync (t, &err));
  for (i = 0; i < TARGET_HELD_PIECES; i++)
    have[i] = target_held_changed (t, i, kept[i]) || have[i];
}

static void
test_pieces_survive_the_process (void **state)
{
  uint8_t (*kept)[TARGET_HELD_SIZE] = calloc (TARGET_HELD_PIECES, TARGET_HELD_SIZE);
  bool have[TARGET_HELD_PIECES] = { false };
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;
  unsigned i;

  (void)state;
  need_loop ("back", LONGER, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  put (t, 65536, 65536);
  put (t, MIB, SIZE - MIB);
  keep_pieces (t, kept, have);
  assert_true (have[1] && !have[0] && !have[2]);
  put (t, 3 * 65536 - 512, 1024);
  keep_pieces (t, kept, have);
  assert_true (have[2] && have[3]);
  target_close (t); /* as if killed */
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  for (i = 0; i < TARGET_HELD_PIECES; i++)
    if (have[i])
      must (target_held_restore (t, i, kept[i], TARGET_HELD_SIZE, &err));
  must_fail (target_finish (t, &err), ERR_INTERNAL, "guest offset 0 ");
  must_fail (target_held_restore (t, TARGET_HELD_PIECES, kept[0], TARGET_HELD_SIZE, &err),
             ERR_INTERNAL, "malformed");
  put (t, 0, 65536);
  put (t, 2 * 65536, 65536 - 512);
  put (t, 3 * 65536 + 512, MIB - 3 * 65536 - 512);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (loop, 0, SIZE, -1));
  free (kept);
}

/* The caller that keeps nothing: zeros are right without being told again. */
static void
test_zeros_held_back_need_not_be_told_again (void **state)
{
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  must (target_zero (t, guest (512), 4 * MIB, NULL, &err));
  must (target_sync (t, &err));
  target_close (t);
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  put (t, 0, 512);
  must (target_finish (t, &err));
  target_close (t);
  assert_true (holds (loop, 0, 512, -1));
  assert_true (holds (loop, 512, 4 * MIB, 0));
  assert_true (stale (loop, 4 * MIB + 512, SIZE - 4 * MIB - 512));
}

static void
test_in_place_keeps_all_but_the_marker (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", LONGER, "");
  s = spec_of (loop, SIZE);
  s.in_place = true;
  must (begin (&t, &s, &err));
  assert_int_equal (target_holds_back (t), 4096);
  put (t, 512, 1024);
  put (t, 8192, 1024);
  must (target_sync (t, &err));
  assert_true (is_marked (loop));
  assert_true (stale (loop, 512, 8192 - 512));
  assert_true (holds (loop, 8192, 1024, -1));
  must (target_finish (t, &err));
  target_close (t);
  assert_true (stale (loop, 0, 512));
  assert_true (holds (loop, 512, 1024, -1));
  assert_true (stale (loop, 1536, 8192 - 1536));
  assert_true (holds (loop, 8192, 1024, -1));
  assert_true (stale (loop, 9216, LONGER - 9216));
}

static void
test_promised_zeros_are_believed_until_forgotten (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  s = spec_of (loop, SIZE);
  s.zero_promised = true;
  must (begin (&t, &s, &err));
  assert_true (target_reads_zero (t));
  target_begin_anew (t);
  assert_false (target_reads_zero (t));
  target_close (t);
}

/* T6, by each way of zeroing. */
static void
test_zero_over_stale_data_in_every_way (void **state)
{
  struct target_spec s;
  struct target *t = NULL;
  int way;

  (void)state;
  need_loop ("back", SIZE, "-b 4096");
  s = spec_of (loop, SIZE);
  for (way = 0; way <= 2; way++) {
    uint64_t at = (uint64_t)(2 + 4 * way) * MIB + 512;

    must (begin (&t, &s, &err));
    atomic_store (&t->zero_method, way);
    must (target_zero (t, guest (at), 3 * MIB + 1024, NULL, &err));
    must (target_sync (t, &err));
    target_close (t);
    t = NULL;
    assert_true (holds (loop, at, 3 * MIB + 1024, 0));
    assert_true (stale (loop, at - MIB / 2, MIB / 2));
    assert_true (stale (loop, at + 3 * MIB + 1024, 4096));
  }
}

static void
test_uncached_reads_of_any_alignment (void **state)
{
  static uint8_t is[3 * MIB], want[3 * MIB];
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", LONGER - 512, ""); /* whose end is no multiple of 4096 */
  s = spec_of (loop, SIZE + MIB - 512);
  s.in_place = true;
  must (begin (&t, &s, &err));
  put (t, 512, sizeof want);
  must (target_sync (t, &err));
  pattern (want, sizeof want, 512);
  must (target_read (t, guest (512), is, sizeof is, &err));
  assert_memory_equal (want, is, sizeof is);
  must (target_read (t, guest (LONGER - 1024), is, 512, &err));
  memset (want, 0xaa, 512);
  assert_memory_equal (want, is, 512);
  target_close (t);
}

/* ---- refusals --------------------------------------------------------------------------- */

static int
preflight (const struct target_spec *s)
{
  char canonical[PATH_MAX];
  enum target_kind kind;

  return target_preflight (s, &kind, canonical, &err);
}

static void
test_mounted_is_refused (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  if (sh ("mkfs.ext4 -q -F %s 4096 && mkdir '%s/mnt' && mount %s '%s/mnt'", loop, room, loop,
          room)
      != 0)
    skip ();
  s = spec_of (loop, MIB);
  s.force = true; /* does not help */
  must_fail (preflight (&s), ERR_TARGET_BUSY, "is mounted on");
  assert_non_null (strstr (err.text, "/mnt"));
  must_fail (begin (&t, &s, &err), ERR_TARGET_BUSY, "is mounted on");
  assert_int_equal (sh ("umount '%s/mnt'", room), 0);
  must (preflight (&s));
}

static void
test_mounted_partition_is_refused (void **state)
{
  struct target_spec s;

  (void)state;
  need_loop ("back", SIZE, "-P");
  if (sh ("addpart %s 1 2048 20480 && mkfs.ext4 -q -F %sp1 && mkdir '%s/mnt' && "
          "mount %sp1 '%s/mnt'",
          loop, loop, room, loop, room)
      != 0)
    skip ();
  s = spec_of (loop, MIB);
  s.force = true;
  must_fail (preflight (&s), ERR_TARGET_BUSY, "is mounted on");
}

static void
test_held_by_another_is_refused (void **state)
{
  struct target_spec s;
  struct target *t = NULL, *u = NULL;
  int fd;

  (void)state;
  need_loop ("back", SIZE, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  must_fail (preflight (&s), ERR_TARGET_BUSY, "is in use");
  must_fail (begin (&u, &s, &err), ERR_TARGET_BUSY, "is in use");
  target_close (t);
  fd = open (loop, O_RDONLY | O_CLOEXEC);
  assert_int_equal (flock (fd, LOCK_SH), 0); /* as udev does, but for good */
  must_fail (begin (&u, &s, &err), ERR_TARGET_BUSY, "is locked by another program");
  close (fd);
}

static void
test_read_only_is_refused (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "-r");
  s = spec_of (loop, SIZE);
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "is read-only");
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "is read-only");
}

static void
test_too_small_is_refused_untouched (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  s = spec_of (loop, SIZE + 512);
  must_fail (preflight (&s), ERR_TARGET_TOO_SMALL, "at least as large");
  must_fail (begin (&t, &s, &err), ERR_TARGET_TOO_SMALL, "at least as large");
  assert_true (stale (loop, 0, SIZE));
  s.virtual_size = 0; /* not known yet */
  must (preflight (&s));
}

static void
test_signature_is_refused_without_force (void **state)
{
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  if (sh ("mkfs.ext4 -q -F -L mydata %s", loop) != 0)
    skip ();
  s = spec_of (loop, SIZE);
  must_fail (preflight (&s), ERR_TARGET_EXISTS, "ext4, label mydata");
  must_fail (begin (&t, &s, &err), ERR_TARGET_EXISTS, "--force");
  if (sh ("wipefs -qa %s && echo 'label: gpt' | sfdisk -q %s 2>/dev/null", loop, loop) != 0)
    skip ();
  must_fail (preflight (&s), ERR_TARGET_EXISTS, "a partition table (gpt)");
  s.in_place = true; /* is meant to keep it */
  must (preflight (&s));
  s.in_place = false;
  s.force = true;
  must (begin (&t, &s, &err));
  write_all (t);
  must (target_finish (t, &err));
  target_close (t);
  check_all ();
}

static void
test_link_to_a_device_is_followed (void **state)
{
  const char *link = in_room ("by-id");
  char canonical[PATH_MAX], want[PATH_MAX], dir[PATH_MAX];
  enum target_kind kind;
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", SIZE, "");
  assert_int_equal (symlink (loop, link), 0);
  s = spec_of (link, SIZE);
  must (target_preflight (&s, &kind, canonical, &err));
  assert_int_equal (kind, TARGET_BLOCK);
  assert_non_null (realpath (room, dir));
  snprintf (want, sizeof want, "%.3000s/by-id", dir);
  assert_string_equal (canonical, want);
  must (begin (&t, &s, &err));
  put (t, 2 * MIB, 4096);
  must (target_sync (t, &err));
  target_close (t);
  assert_true (holds (loop, 2 * MIB, 4096, -1));
  s.source_paths = (const char *const[]){ loop, NULL };
  must_fail (preflight (&s), ERR_TARGET_REFUSED, "the source itself");
}

static void
test_file_where_a_device_was_is_refused (void **state)
{
  struct target_identity id = { "kind=block size=1048576 loop=1.2:0 dev=7:0" };
  struct target_spec s = spec_of (in_room ("disk"), MIB);
  struct target *t = NULL;

  (void)state;
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "is missing");
  make_file (in_room ("disk"), "x");
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "regular file now");
  s.path = "/dev/no-such-disk";
  must_fail (begin (&t, &s, &err), ERR_TARGET_REFUSED, "there is no device");
}

/* ---- identity ---------------------------------------------------------------------------- */

static void
test_swapped_loop_is_noticed (void **state)
{
  char first[64];
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("one", SIZE, "");
  s = spec_of (first, SIZE);
  snprintf (first, sizeof first, "%s", loop);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  assert_non_null (strstr (id.text, " loop="));
  target_close (t);
  t = NULL;
  detach ();
  assert_true (attach ("two", SIZE, ""));
  snprintf (first, sizeof first, "%s", loop);
  must_fail (again (&t, &s, &id, NULL, &err), ERR_TARGET_CHANGED, "is not the device");
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED,
             "is not the device");
  detach ();
  assert_true (attach ("one", SIZE, "")); /* whatever its number is now */
  snprintf (first, sizeof first, "%s", loop);
  must (again (&t, &s, &id, NULL, &err));
  target_close (t);
}

static void
test_resized_device_is_noticed (void **state)
{
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;

  (void)state;
  need_loop ("back", LONGER, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  assert_int_equal (sh ("truncate -s %d '%s' && losetup -c %s", SIZE, in_room ("back"), loop),
                    0);
  must_fail (target_finish (t, &err), ERR_TARGET_CHANGED, "bytes now and had");
  target_close (t);
  must (again (&t, &s, &id, NULL, &err)); /* the marker says that it is the same disk */
  target_close (t);
}

static void
test_finished_device_is_read_and_repaired (void **state)
{
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;
  uint8_t buf[512], want[512];

  (void)state;
  need_loop ("back", LONGER, "");
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  write_all (t);
  must (target_finish (t, &err));
  target_close (t);
  must (target_open_finished (&t, &s, &id, false, &err));
  assert_int_equal (target_holds_back (t), 0);
  must (target_read (t, guest (0), buf, 512, &err));
  pattern (want, 512, 0);
  assert_memory_equal (want, buf, 512);
  target_close (t);
  must (target_open_finished (&t, &s, &id, true, &err));
  must (target_zero (t, guest (0), 512, NULL, &err));
  must (target_sync (t, &err));
  assert_true (holds (loop, 0, 512, 0));
  put (t, 0, 512);
  must (target_finish (t, &err));
  target_close (t);
  check_all ();
}

/* A partition that the new table does not have goes; with a kernel that reads such tables the
 * one that it has appears. */
static void
test_partition_table_is_read_again (void **state)
{
  struct target_spec s;
  struct target *t = NULL;
  uint8_t *buf = malloc (SIZE);
  int fd;

  (void)state;
  need_loop ("back", SIZE, "-P");
  if (sh ("truncate -s %d '%s' && echo '2048,,L' | sfdisk -q '%s' 2>/dev/null && "
          "addpart %s 1 4096 8192",
          SIZE, in_room ("disk"), in_room ("disk"), loop)
      != 0)
    skip ();
  fd = open (in_room ("disk"), O_RDONLY | O_CLOEXEC);
  assert_int_equal (pread (fd, buf, SIZE, 0), SIZE);
  close (fd);
  s = spec_of (loop, SIZE);
  must (begin (&t, &s, &err));
  must (target_write (t, guest (0), buf, SIZE, &err));
  must (target_sync (t, &err));
  assert_int_equal (sh ("grep -qx 4096 /sys/class/block/%sp1/start", loop + 5), 0);
  must (target_finish (t, &err));
  target_close (t);
  assert_int_not_equal (sh ("grep -sqx 4096 /sys/class/block/%sp1/start", loop + 5), 0);
  free (buf);
}

static void
test_partition_is_known_by_its_table (void **state)
{
  struct target_identity id;
  struct target_spec s;
  struct target *t = NULL;
  char part[80];

  (void)state;
  need_loop ("back", SIZE, "-P");
  if (sh ("printf 'label: gpt\n2048,8192\n10240,8192\n' | sfdisk -q %s >/dev/null 2>&1; "
          "test -b %sp1 || { addpart %s 1 2048 8192 && addpart %s 2 10240 8192; }",
          loop, loop, loop, loop)
      != 0)
    skip ();
  snprintf (part, sizeof part, "%sp1", loop);
  s = spec_of (part, 2 * MIB);
  must (begin (&t, &s, &err));
  id = *target_identity (t);
  assert_non_null (strstr (id.text, " partuuid="));
  assert_non_null (strstr (id.text, " start=2048"));
  must (target_sync (t, &err));
  target_close (t);
  t = NULL;
  must (again (&t, &s, &id, NULL, &err));
  put (t, 0, 2 * MIB);
  must (target_finish (t, &err));
  target_close (t);
  t = NULL;
  assert_true (holds (part, 0, 2 * MIB, -1));
  must (target_open_finished (&t, &s, &id, false, &err));
  target_close (t);
  t = NULL;
  snprintf (part, sizeof part, "%sp2", loop);
  must_fail (target_open_finished (&t, &s, &id, false, &err), ERR_TARGET_CHANGED,
             "is not the device");
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown (name, enter_room, leave_with_loop)

int
main (void)
{
  const struct CMUnitTest tests[] = {
    LOOP_TEST (test_first_mib_last_on_512),
    LOOP_TEST (test_first_mib_last_on_4096),
    LOOP_TEST (test_small_disk_is_all_held_back),
    LOOP_TEST (test_what_is_held_back_reads_as_written),
    LOOP_TEST (test_pieces_survive_the_process),
    LOOP_TEST (test_zeros_held_back_need_not_be_told_again),
    LOOP_TEST (test_in_place_keeps_all_but_the_marker),
    LOOP_TEST (test_promised_zeros_are_believed_until_forgotten),
    LOOP_TEST (test_zero_over_stale_data_in_every_way),
    LOOP_TEST (test_uncached_reads_of_any_alignment),
    LOOP_TEST (test_mounted_is_refused),
    LOOP_TEST (test_mounted_partition_is_refused),
    LOOP_TEST (test_held_by_another_is_refused),
    LOOP_TEST (test_read_only_is_refused),
    LOOP_TEST (test_too_small_is_refused_untouched),
    LOOP_TEST (test_signature_is_refused_without_force),
    LOOP_TEST (test_link_to_a_device_is_followed),
    LOOP_TEST (test_file_where_a_device_was_is_refused),
    LOOP_TEST (test_swapped_loop_is_noticed),
    LOOP_TEST (test_resized_device_is_noticed),
    LOOP_TEST (test_finished_device_is_read_and_repaired),
    LOOP_TEST (test_partition_table_is_read_again),
    LOOP_TEST (test_partition_is_known_by_its_table),
  };

  return cmocka_run_group_tests_name ("target-device", tests, NULL, NULL);
}
