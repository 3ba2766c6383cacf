/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * device: a block device as target: refused when it is mounted, in use, read-only, too small or
 * holds something (T10, T13), opened exclusively, locked against udev, LVM and qemu.  Writes
 * nothing: what lies beyond the virtual size is never touched (T11).
 */
#include "target/open_target.h"

#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { LOCK_WAIT_MS = 3000 };

bool
target_device_is_on (dev_t inner, dev_t outer)
{
  unsigned whole_maj = 0, whole_min = 0;
  char path[64];
  bool found;
  FILE *f;

  if (inner == outer)
    return true;
  snprintf (path, sizeof path, "/sys/dev/block/%u:%u/../dev", major (inner), minor (inner));
  f = fopen (path, "re");
  if (f == NULL)
    return false;
  found = fscanf (f, "%u:%u", &whole_maj, &whole_min) == 2;
  fclose (f);
  return found && makedev (whole_maj, whole_min) == outer;
}

/* File systems over several devices have a number of their own: then by the source's name. */
static bool
is_source (const char *source, dev_t dev)
{
  struct stat st;

  return source[0] == '/' && stat (source, &st) == 0 && S_ISBLK (st.st_mode)
         && target_device_is_on (st.st_rdev, dev);
}

/* Where DEV, or a partition of it, is mounted. */
static bool
mounted_at (dev_t dev, char where[TARGET_SHOWN])
{
  FILE *f = fopen ("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t room = 0;
  bool found = false;

  if (f == NULL)
    return false;
  while (!found && getline (&line, &room, f) != -1) {
    char point[1024], source[1024] = "";
    const char *rest = strstr (line, " - ");
    unsigned maj, min;

    if (sscanf (line, "%*s %*s %u:%u %*s %1023s", &maj, &min, point) != 3)
      continue;
    if (rest != NULL)
      sscanf (rest, " - %*s %1023s", source);
    found = target_device_is_on (makedev (maj, min), dev) || is_source (source, dev);
    if (found)
      escape_text (where, TARGET_SHOWN, point, strlen (point));
  }
  free (line);
  fclose (f);
  return found;
}

static int
refuse_mounted (const struct target_place *p, struct error *err)
{
  char where[TARGET_SHOWN];

  if (!mounted_at (p->st.st_rdev, where))
    return 0;
  return fail (err, ERR_TARGET_BUSY, "%s is mounted on %s; unmount it first (umount %s)",
               p->shown, where, where);
}

/* Who the kernel says holds it: "dm-0", "md1". */
static int
refuse_used (const struct target_place *p, struct error *err)
{
  char path[64], holder[80] = "";
  struct dirent *e;
  DIR *d;

  if (refuse_mounted (p, err) == -1)
    return -1;
  snprintf (path, sizeof path, "/sys/dev/block/%u:%u/holders", major (p->st.st_rdev),
            minor (p->st.st_rdev));
  d = opendir (path);
  while (d != NULL && (e = readdir (d)) != NULL)
    if (e->d_name[0] != '.')
      snprintf (holder, sizeof holder, " (by %.60s)", e->d_name);
  if (d != NULL)
    closedir (d);
  return fail (err, ERR_TARGET_BUSY,
               "%s is in use%s: swap space, LVM, RAID, a virtual machine or another import "
               "holds it; release it first",
               p->shown, holder);
}

static int
refuse_read_only (const struct target_place *p, int fd, struct error *err)
{
  int read_only = 0;

  if (ioctl (fd, BLKROGET, &read_only) == 0 && read_only)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s is read-only; make it writable (blockdev --setrw), or name another",
                 p->shown);
  return 0;
}

static int
refuse_small (const struct target_place *p, int fd, uint64_t virtual_size, struct error *err)
{
  uint64_t size = 0;

  if (ioctl (fd, BLKGETSIZE64, &size) == -1)
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "%s: its size cannot be told", p->shown);
  if (size >= virtual_size)
    return 0;
  return fail (err, ERR_TARGET_TOO_SMALL,
               "%s has %" PRIu64 " bytes, and must have %" PRIu64
               " for the disk; name a device that is at least as large",
               p->shown, size, virtual_size);
}

static int
refuse_signature (const struct target_place *p, blkid_probe probe, struct error *err)
{
  const char *type = NULL, *label = NULL, *what = "a file system or the like";
  char shown_type[64], shown_label[80];

  if (blkid_probe_lookup_value (probe, "TYPE", &type, NULL) == -1) {
    what = "a partition table";
    if (blkid_probe_lookup_value (probe, "PTTYPE", &type, NULL) == -1)
      type = "unknown";
  }
  blkid_probe_lookup_value (probe, "LABEL", &label, NULL);
  if (label == NULL)
    label = "";
  escape_text (shown_type, sizeof shown_type, type, strlen (type));
  escape_text (shown_label, sizeof shown_label, label, strlen (label));
  return fail (
      err, ERR_TARGET_EXISTS,
      "%s holds %s (%s%s%s), which would be lost; name another device, or give --force",
      p->shown, what, shown_type, label[0] != '\0' ? ", label " : "", shown_label);
}

/* Anything libblkid knows: file systems, RAID and LVM members, partition tables. */
static int
check_signatures (const struct target_place *p, int fd, struct error *err)
{
  blkid_probe probe = blkid_new_probe ();
  int r = 0, found;

  if (probe == NULL)
    return fail_memory (err, "looking at the device");
  if (blkid_probe_set_device (probe, fd, 0, 0) == -1) {
    blkid_free_probe (probe);
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: what it holds cannot be read; give --force to overwrite it unseen",
                 p->shown);
  }
  blkid_probe_enable_superblocks (probe, 1);
  blkid_probe_set_superblocks_flags (probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL
                                                | BLKID_SUBLKS_USAGE);
  blkid_probe_enable_partitions (probe, 1);
  found = blkid_do_probe (probe);
  if (found == 0)
    r = refuse_signature (p, probe, err);
  else if (found < 0)
    r = fail (err, ERR_TARGET_REFUSED,
              "%s: what it holds cannot be read; give --force to overwrite it unseen",
              p->shown);
  blkid_free_probe (probe);
  return r;
}

/* udev takes the lock for moments; anyone who keeps it longer means it. */
static int
lock_device (const struct target_place *p, int fd, struct error *err)
{
  static const struct timespec pause = { 0, 50 * 1000 * 1000 };
  int64_t until = monotonic_ms () + LOCK_WAIT_MS;

  while (flock (fd, LOCK_EX | LOCK_NB) == -1) {
    if (errno == EINTR)
      continue;
    if (errno != EWOULDBLOCK)
      return fail_errno (err, ERR_TARGET_REFUSED, errno, "%s cannot be locked", p->shown);
    if (monotonic_ms () >= until)
      return fail (err, ERR_TARGET_BUSY,
                   "%s is locked by another program (udev, LVM or a partitioning tool); wait "
                   "for it to end",
                   p->shown);
    nanosleep (&pause, NULL);
  }
  return 0;
}

static int
fail_open (const struct target_place *p, int errnum, struct error *err)
{
  if (errnum == EBUSY)
    return refuse_used (p, err);
  if (errnum == ENXIO || errnum == ENOMEDIUM)
    return fail_errno (err, ERR_TARGET_REFUSED, errnum,
                       "%s is there, but no disk behind it; attach one", p->shown);
  return fail_errno (err, ERR_TARGET_REFUSED, errnum,
                     "%s cannot be opened for writing; run as a user who may, or name another",
                     p->shown);
}

/* Another import's target, by whatever name it began: this device, the disk it is a partition
 * of, a partition.  1: it is our own. */
static int
refuse_marked (const struct target_spec *spec, const struct target_place *p, int fd,
               struct error *err)
{
  struct marker m;

  if (target_marker_look (fd, &m))
    return target_gives_way (spec, &m) ? 1 : target_refuse_marked (p->shown, &m, err);
  return target_marker_near (p->st.st_rdev, &m) ? target_refuse_marked (p->shown, &m, err) : 0;
}

static int
check_device (const struct target_spec *spec, const struct target_place *p, int fd,
              struct error *err)
{
  int r;

  if (refuse_mounted (p, err) == -1 || refuse_read_only (p, fd, err) == -1
      || refuse_small (p, fd, target_least (spec), err) == -1)
    return -1;
  if (spec->force)
    return 0;
  r = refuse_marked (spec, p, fd, err);
  if (r != 0 || spec->in_place)
    return r == -1 ? -1 : 0;
  return check_signatures (p, fd, err);
}

int
target_device_preflight (const struct target_spec *spec, const struct target_place *p,
                         struct error *err)
{
  int r, fd = target_open_at (AT_FDCWD, p->path, O_RDONLY, 0);

  if (fd == -1)
    return fail_open (p, errno, err);
  r = check_device (spec, p, fd, err);
  close (fd);
  if (r == -1)
    return -1;
  if (faccessat (AT_FDCWD, p->path, R_OK | W_OK, AT_EACCESS) == -1)
    return fail_open (p, errno, err);
  /* exclusively, but for reading: closing it then makes udev look at nothing */
  fd = target_open_at (AT_FDCWD, p->path, O_RDONLY | O_EXCL, 0);
  if (fd == -1)
    return fail_open (p, errno, err);
  r = lock_device (p, fd, err);
  if (r == 0 && target_is_locked (fd))
    r = target_refuse_busy (p->shown, err);
  close (fd);
  return r == -1 ? -1 : target_refuse_holders (p, err);
}

static int
open_for_reading (struct target *t, struct error *err)
{
  t->fd = target_open_at (AT_FDCWD, t->place.path, O_RDONLY, 0);
  if (t->fd == -1)
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "%s cannot be opened", t->place.shown);
  return refuse_small (&t->place, t->fd, t->virtual_size, err);
}

int
target_device_open (struct target *t, const struct target_spec *spec, enum device_open how,
                    struct error *err)
{
  struct target_place *p = &t->place;
  struct stat st;
  int fd, r;

  t->in_place = spec->in_place;
  if (how == DEVICE_READ)
    return open_for_reading (t, err);
  fd = target_open_at (AT_FDCWD, p->path, O_RDONLY, 0);
  if (fd == -1)
    return fail_open (p, errno, err);
  r = refuse_mounted (p, err) == -1 ? -1 : refuse_read_only (p, fd, err);
  close (fd);
  if (r == -1)
    return -1;
  t->fd = target_open_at (AT_FDCWD, p->path, O_RDWR | O_EXCL, 0);
  if (t->fd == -1)
    return fail_open (p, errno, err);
  if (fstat (t->fd, &st) == -1 || !S_ISBLK (st.st_mode) || st.st_rdev != p->st.st_rdev)
    return fail (err, ERR_TARGET_CHANGED, "%s became another device just now; try again",
                 p->shown);
  if (lock_device (p, t->fd, err) == -1 || target_lock (t->fd, p->shown, err) == -1
      || target_refuse_holders (p, err) == -1)
    return -1;
  if (how == DEVICE_NEW)
    return check_device (spec, p, t->fd, err);
  return refuse_small (p, t->fd, t->virtual_size, err);
}

int
target_device_finish (struct target *t, struct error *err)
{
  if (refuse_small (&t->place, t->fd, t->virtual_size, err) == -1
      || target_head_finish (t, err) == -1)
    return -1;
  ioctl (t->fd, BLKRRPART); /* best effort: partitions are none, in use, or not to be had */
  return 0;
}
