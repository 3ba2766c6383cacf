/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Pieces in any order are written in guest order with as few calls as their neighbourhood
 * allows; what is written begins its way to the disk at once and is forgotten later, never
 * with a flag that waits.  The calls are counted in this program's own pwrite,
 * pwritev, sync_file_range and posix_fadvise.
 */
#include "target-room.h"

#include <sys/syscall.h>
#include <sys/uio.h>

#include "copy/write_gather.h"

enum { PIECE = 4096, SIZE = 256 * MIB };

static struct gather g;
static unsigned writes, begun, forgotten;
static off_t last_write, forgotten_to;
static bool ascending = true, waits, dirty_first;

static void
note_write (off_t at)
{
  if (at < last_write)
    ascending = false;
  last_write = at;
  writes++;
}

ssize_t
pwritev (int fd, const struct iovec *iov, int n, off_t at)
{
  note_write (at);
  return syscall (SYS_pwritev, fd, iov, n, at, 0);
}

ssize_t
pwrite (int fd, const void *buf, size_t n, off_t at)
{
  note_write (at);
  return syscall (SYS_pwrite64, fd, buf, n, at);
}

int
sync_file_range (int fd, off64_t at, off64_t len, unsigned flags)
{
  (void)fd;
  (void)at;
  (void)len;
  begun++;
  waits |= flags != SYNC_FILE_RANGE_WRITE;
  return 0;
}

int
posix_fadvise (int fd, off_t at, off_t len, int advice)
{
  if (advice == POSIX_FADV_DONTNEED && len > 0) {
    forgotten++;
    dirty_first |= begun == 0;
    forgotten_to = at + len > forgotten_to ? at + len : forgotten_to;
  }
  return (int)syscall (SYS_fadvise64, fd, at, len, advice);
}

static struct target *
create (void)
{
  struct target_spec s = spec_of (in_room ("disk"), SIZE);
  struct target *t = NULL;

  must (begin (&t, &s, &err));
  must (gather_init (&g, MIB, &err));
  writes = begun = forgotten = 0;
  last_write = forgotten_to = 0;
  ascending = true;
  waits = dirty_first = false;
  return t;
}

static void
finish (struct target *t)
{
  must (target_finish (t, &err));
  target_close (t);
  gather_release (&g);
}

/* N pieces, the I-th at guest piece ORDER (I). */
static void
gather_all (unsigned n, unsigned (*order) (unsigned))
{
  unsigned i;

  for (i = 0; i < n; i++) {
    uint8_t *room_of = gather_room (&g, PIECE);

    assert_non_null (room_of);
    pattern (room_of, PIECE, (uint64_t)order (i) * PIECE);
    assert_true (gather_add (&g, guest ((uint64_t)order (i) * PIECE), room_of, PIECE, false));
  }
}

static unsigned
shuffled (unsigned i)
{
  return i * 37 % 128;
}

static unsigned
every_other (unsigned i)
{
  return (127 - i) * 2;
}

static void
test_neighbours_in_any_order_are_one_write (void **state)
{
  struct target *t = create ();
  uint64_t wrote = 0;

  (void)state;
  gather_all (128, shuffled);
  must (gather_write (&g, t, &wrote, &err));
  assert_int_equal (writes, 1);
  assert_int_equal (wrote, 128 * PIECE);
  finish (t);
  assert_true (holds (in_room ("disk"), 0, 128 * PIECE, -1));
}

static void
test_others_are_written_in_guest_order (void **state)
{
  struct target *t = create ();
  uint64_t wrote = 0;

  (void)state;
  gather_all (128, every_other);
  must (gather_write (&g, t, &wrote, &err));
  assert_int_equal (writes, 127); /* that at 0 is held back */
  assert_true (ascending);
  finish (t);
  assert_true (holds (in_room ("disk"), 254 * PIECE, PIECE, -1));
  assert_true (holds (in_room ("disk"), 253 * PIECE, PIECE, 0));
}

static void
test_a_full_one_says_so (void **state)
{
  struct target *t = create ();
  uint8_t one[1] = { 1 };
  unsigned i;

  (void)state;
  assert_non_null (gather_room (&g, MIB));
  assert_null (gather_room (&g, 1));
  gather_drop (&g);
  for (i = 0; i < GATHER_MAX - GATHER_CLUSTER + 1; i++)
    assert_true (gather_add (&g, guest (2 * (uint64_t)i), one, 1, false));
  assert_null (gather_room (&g, 1)); /* a cluster may need GATHER_CLUSTER pieces */
  for (; i < GATHER_MAX; i++)
    assert_true (gather_add (&g, guest (2 * (uint64_t)i), one, 1, false));
  assert_false (gather_add (&g, guest (2 * (uint64_t)i), one, 1, false));
  gather_drop (&g);
  assert_true (gather_add (&g, guest (0), one, 1, false));
  finish (t);
}

static void
test_the_cache_forgets_what_is_on_its_way (void **state)
{
  struct target *t = create ();
  uint64_t at;

  (void)state;
  for (at = 0; at < 96 * MIB; at += MIB)
    put (t, at, MIB);
  assert_true (forgotten > 16 && forgotten < 48);
  assert_true (forgotten_to <= 48 * MIB); /* what was written last has time to get there */
  assert_true (begun >= 96);
  assert_false (waits || dirty_first);
  finish (t);
  assert_true (holds (in_room ("disk"), 95 * MIB, MIB, -1));
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    TEST (test_neighbours_in_any_order_are_one_write),
    TEST (test_others_are_written_in_guest_order),
    TEST (test_a_full_one_says_so),
    TEST (test_the_cache_forgets_what_is_on_its_way),
  };

  return cmocka_run_group_tests_name ("gather", tests, NULL, NULL);
}
