/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What lies on what, by a tree as sysfs has it: partitions on their disks, what the device
 * mapper and md make on their members; and what only lies beside.
 */
#define SYS_DEV_BLOCK "tree"
#include "target/overlap.c" /* of this tree, not the kernel's */

#include "target-room.h"

static int
make_tree (void **state)
{
  if (enter_room (state) == -1 || chdir (room) == -1)
    return -1;
  return sh ("set -e; mkdir -p tree devices\n"
             "new () { mkdir -p devices/$1; echo $2 >devices/$1/dev; "
             "ln -s ../devices/$1 tree/$2; }\n"
             "on () { mkdir -p devices/$1/slaves; ln -s ../../../devices/$2 "
             "devices/$1/slaves/${2##*/}; }\n"
             "new sda 90:0; new sda/sda1 90:1; new sda/sda2 90:2\n"
             "new sdb 90:16; new sdb/sdb1 90:17\n"
             "new dm-0 91:0; on dm-0 sda/sda2; new dm-1 91:1; on dm-1 sda/sda2\n"
             "new md0 92:0; on md0 sda/sda1; on md0 sdb/sdb1; new md0/md0p1 93:1");
}

static int
leave_tree (void **state)
{
  return chdir ("/") == -1 ? -1 : leave_room (state);
}

static bool
both_ways (unsigned maj_a, unsigned min_a, unsigned maj_b, unsigned min_b)
{
  struct thing a = { .dev = makedev (maj_a, min_a), .device = true };
  struct thing b = { .dev = makedev (maj_b, min_b), .device = true };

  assert_int_equal (overlap (a, b), overlap (b, a));
  return overlap (a, b);
}

static void
a_partition_and_its_disk_overlap (void **state)
{
  (void)state;
  assert_true (both_ways (90, 0, 90, 0));
  assert_true (both_ways (90, 1, 90, 0));
  assert_false (both_ways (90, 1, 90, 16));
}

static void
partitions_of_one_disk_do_not (void **state)
{
  (void)state;
  assert_false (both_ways (90, 1, 90, 2));
}

static void
a_volume_overlaps_with_its_members_and_their_disk (void **state)
{
  (void)state;
  assert_true (both_ways (91, 0, 90, 2));
  assert_true (both_ways (91, 0, 90, 0));
  assert_true (both_ways (92, 0, 90, 17));
  assert_true (both_ways (93, 1, 90, 16));
  assert_false (both_ways (91, 0, 90, 1));
}

static void
volumes_side_by_side_do_not (void **state)
{
  (void)state;
  assert_false (both_ways (91, 0, 91, 1));
  assert_false (both_ways (91, 0, 92, 0));
}

static void
a_file_and_a_device_of_the_same_number_are_two_things (void **state)
{
  struct thing device = { .dev = makedev (90, 0), .device = true };
  struct thing file = { .dev = makedev (90, 0), .ino = 7 };

  (void)state;
  assert_false (overlap (device, file));
  assert_true (overlap (file, file));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown (a_partition_and_its_disk_overlap, make_tree, leave_tree),
    cmocka_unit_test_setup_teardown (partitions_of_one_disk_do_not, make_tree, leave_tree),
    cmocka_unit_test_setup_teardown (a_volume_overlaps_with_its_members_and_their_disk,
                                     make_tree, leave_tree),
    cmocka_unit_test_setup_teardown (volumes_side_by_side_do_not, make_tree, leave_tree),
    cmocka_unit_test_setup_teardown (a_file_and_a_device_of_the_same_number_are_two_things,
                                     make_tree, leave_tree),
  };

  return cmocka_run_group_tests_name ("target-overlap", tests, NULL, NULL);
}
