/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kernel: see kernel.h.  The headers of Linux and of a C library do not go together everywhere:
 * sys/stat.h and fcntl.h stay out of here.  A function is taken where there is one.
 */
#include "base/kernel.h"

#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* S_IFMT and S_IFBLK, which Linux has under other names of headers. */
enum { TYPE_OF_FILE = 0170000, BLOCK_DEVICE = 0060000 };

int
rename_no_replace (int from_dir, const char *from, int to_dir, const char *to)
{
#ifdef __GLIBC__ /* since 2.28; tests put another in its place */
  return renameat2 (from_dir, from, to_dir, to, RENAME_NOREPLACE);
#else
  return (int)syscall (SYS_renameat2, from_dir, from, to_dir, to, RENAME_NOREPLACE);
#endif
}

bool
block_device_at (int dir, const char *name, unsigned *major, unsigned *minor)
{
  struct statx st;

  if (syscall (SYS_statx, dir, name, AT_STATX_DONT_SYNC, STATX_TYPE, &st) == -1
      || (st.stx_mode & TYPE_OF_FILE) != BLOCK_DEVICE)
    return false;
  *major = st.stx_rdev_major;
  *minor = st.stx_rdev_minor;
  return true;
}

void
refresh_attributes (const char *path)
{
  struct statx ignored;

  syscall (SYS_statx, AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_NLINK, &ignored);
}
