/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * lock: the lock on what is written, and who else holds one.  It is a write lock of the open
 * file description over the whole file or device: it dies with the process, and it conflicts
 * with the byte locks by which qemu marks a disk in use.
 *
 * The kernel compares locks by the inode that was opened, and a device has one for each of its
 * nodes.  libvirt gives every machine a /dev of its own, so there the kernel sees no conflict:
 * what processes have open, and hold a lock on, is looked up in /proc as well, as far as this
 * process may look.  Writes nothing.
 */
#include "target/open_target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/kernel.h"
#include "base/text.h"

int
target_refuse_busy (const char *shown, struct error *err)
{
  return fail (err, ERR_TARGET_BUSY,
               "%s is in use: a virtual machine or another import holds a lock on it; end that "
               "one first",
               shown);
}

/* Where there are no such locks (some network file systems) flock stands in. */
int
target_lock (int fd, const char *shown, struct error *err)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

#ifdef SEEDED_BUG_NO_LOCK
  return 0;
#endif
  if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
    return 0;
  if (errno == EAGAIN || errno == EACCES)
    return target_refuse_busy (shown, err);
  if (flock (fd, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK)
    return target_refuse_busy (shown, err);
  return 0;
}

bool
target_is_locked (int fd)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  return fcntl (fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* flock does not count: udev takes it for moments. */
static bool
holds_lock (int proc, const char *fd_name)
{
  char name[300], line[256];
  bool found = false;
  FILE *f;
  int fd;

  snprintf (name, sizeof name, "fdinfo/%s", fd_name);
  fd = openat (proc, name, O_RDONLY | O_CLOEXEC);
  f = fd == -1 ? NULL : fdopen (fd, "r");
  if (f == NULL) {
    if (fd != -1)
      close (fd);
    return false;
  }
  while (!found && fgets (line, sizeof line, f) != NULL)
    found = strncmp (line, "lock:", 5) == 0
            && (strstr (line, " OFDLCK ") != NULL || strstr (line, " POSIX ") != NULL);
  fclose (f);
  return found;
}

/* Which device is that, 0: none.  Without asking the server of a network file system, who may
 * never answer: most of what others have open is no device. */
static dev_t
device_of (int fds, const char *fd_name)
{
  unsigned major_no, minor_no;

  return block_device_at (fds, fd_name, &major_no, &minor_no) ? makedev (major_no, minor_no)
                                                              : 0;
}

/* Has the process of /proc/PID, open as PROC, a lock on DEV, the disk it is on, or a partition?
 */
static bool
process_holds (int proc, dev_t dev)
{
  int fds = openat (proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *d = fds == -1 ? NULL : fdopendir (fds);
  struct dirent *e;
  bool found = false;
  dev_t open;

  if (d == NULL) {
    if (fds != -1)
      close (fds);
    return false;
  }
  while (!found && (e = readdir (d)) != NULL)
    found = isdigit ((unsigned char)e->d_name[0]) && (open = device_of (fds, e->d_name)) != 0
            && (target_device_is_on (open, dev) || target_device_is_on (dev, open))
            && holds_lock (proc, e->d_name);
  closedir (d);
  return found;
}

static int
refuse_process (const struct target_place *p, int proc, const char *pid, struct error *err)
{
  char name[64] = "", shown[80];
  int fd = openat (proc, "comm", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd == -1 ? 0 : read (fd, name, sizeof name - 1);

  if (fd != -1)
    close (fd);
  escape_text (shown, sizeof shown, name, n > 0 ? strcspn (name, "\n") : 0);
  return fail (
      err, ERR_TARGET_BUSY,
      "%s is in use: process %.20s (%s) holds a lock on it, as virtual machines do; end "
      "that one first",
      p->shown, pid, shown);
}

int
target_refuse_holders (const struct target_place *p, struct error *err)
{
  DIR *d = opendir ("/proc");
  struct dirent *e;
  int r = 0;

  while (d != NULL && r == 0 && (e = readdir (d)) != NULL) {
    int proc;

    if (!isdigit ((unsigned char)e->d_name[0]) || atol (e->d_name) == (long)getpid ())
      continue;
    proc = openat (dirfd (d), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc == -1)
      continue; /* it has ended */
    if (process_holds (proc, p->st.st_rdev))
      r = refuse_process (p, proc, e->d_name, err);
    close (proc);
  }
  if (d != NULL)
    closedir (d);
  return r;
}
