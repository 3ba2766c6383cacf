/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * overlap: is the target, or what it lies on, one of its sources?  Whatever name each goes by:
 * files are compared by device and inode; a loop device is the file or device it is bound to; a
 * partition lies on its disk, what the device mapper and md make on their members.  Two that
 * only lie side by side on a third, as partitions and logical volumes do, are no matter. Writes
 * nothing.
 */
#include "target/open_target.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef SYS_DEV_BLOCK /* a test has another tree */
#define SYS_DEV_BLOCK "/sys/dev/block"
#endif

enum { DEPTH_MAX = 8, LOOP_MAJOR = 7 };

/* A file, or a device, which has no inode. */
struct thing {
  dev_t dev;
  ino_t ino;
  bool device;
};

static bool
is_same (struct thing a, struct thing b)
{
  return a.device == b.device && a.dev == b.dev && (a.device || a.ino == b.ino);
}

static struct thing
thing_of (const struct stat *st)
{
  struct thing t = { .dev = st->st_dev, .ino = st->st_ino, .device = S_ISBLK (st->st_mode) };

  if (t.device)
    t = (struct thing){ .dev = st->st_rdev, .device = true };
  return t;
}

/* "M:m" in sysfs: the number of another device.  False where there is none. */
static bool
read_number (const char *path, dev_t *out)
{
  FILE *f = fopen (path, "re");
  unsigned maj, min;
  bool found = f != NULL && fscanf (f, "%u:%u", &maj, &min) == 2;

  if (f != NULL)
    fclose (f);
  if (found)
    *out = makedev (maj, min);
  return found;
}

/* A node of DEV, opened for asking. */
static int
open_node (dev_t dev)
{
  char path[128], name[80] = "", node[96], line[128];
  struct stat st;
  FILE *f;
  int fd;

  snprintf (path, sizeof path, SYS_DEV_BLOCK "/%u:%u/uevent", major (dev), minor (dev));
  f = fopen (path, "re");
  while (f != NULL && fgets (line, sizeof line, f) != NULL)
    sscanf (line, "DEVNAME=%79s", name);
  if (f != NULL)
    fclose (f);
  snprintf (node, sizeof node, "/dev/%s", name);
  fd = name[0] == '\0' ? -1 : target_open_at (AT_FDCWD, node, O_RDONLY | O_NONBLOCK, 0);
  if (fd != -1 && (fstat (fd, &st) == -1 || !S_ISBLK (st.st_mode) || st.st_rdev != dev)) {
    close (fd);
    fd = -1;
  }
  return fd;
}

/* By the name that the kernel has of it, where the device itself may not be asked. */
static bool
loop_by_name (dev_t loop, struct thing *out)
{
  char path[128], name[PATH_MAX];
  struct stat st;
  bool found;
  FILE *f;

  snprintf (path, sizeof path, SYS_DEV_BLOCK "/%u:%u/loop/backing_file", major (loop),
            minor (loop));
  f = fopen (path, "re");
  found = f != NULL && fgets (name, sizeof name, f) != NULL;
  if (f != NULL)
    fclose (f);
  if (!found)
    return false;
  name[strcspn (name, "\n")] = '\0';
  if (stat (name, &st) == -1)
    return false;
  *out = thing_of (&st);
  return true;
}

/* What LOOP is bound to. */
static bool
loop_backing (dev_t loop, struct thing *out)
{
  struct loop_info64 info = { 0 };
  int fd = open_node (loop), rc;

  if (fd == -1)
    return loop_by_name (loop, out);
  rc = ioctl (fd, LOOP_GET_STATUS64, &info);
  close (fd);
  if (rc == -1)
    return false; /* to nothing */
  *out = (struct thing){ .dev = info.lo_device, .ino = info.lo_inode };
  if (info.lo_rdevice != 0
      && info.lo_rdevice != info.lo_device) /* of a file some kernels say so */
    *out = (struct thing){ .dev = info.lo_rdevice, .device = true };
  return true;
}

/* A whole loop device is what it is bound to. */
static struct thing
resolve (struct thing t)
{
  struct thing under;
  int depth;

  for (depth = 0; depth < DEPTH_MAX && t.device && major (t.dev) == LOOP_MAJOR; depth++) {
    if (!loop_backing (t.dev, &under))
      break;
    t = under;
  }
  return t;
}

static bool lies_on (struct thing t, struct thing base, int depth);

static bool
member_lies_on (dev_t dev, struct thing base, int depth)
{
  char path[128], member[512];
  struct thing t = { .device = true };
  struct dirent *e;
  bool found = false;
  DIR *d;

  snprintf (path, sizeof path, SYS_DEV_BLOCK "/%u:%u/slaves", major (dev), minor (dev));
  d = opendir (path);
  while (d != NULL && !found && (e = readdir (d)) != NULL) {
    snprintf (member, sizeof member, "%s/%s/dev", path, e->d_name);
    found = e->d_name[0] != '.' && read_number (member, &t.dev) && lies_on (t, base, depth);
  }
  if (d != NULL)
    closedir (d);
  return found;
}

/* Is T made of BASE, at whatever depth? */
static bool
lies_on (struct thing t, struct thing base, int depth)
{
  struct thing disk = { .device = true };
  char path[128];

  t = resolve (t);
  if (is_same (t, base))
    return true;
  if (!t.device || depth == 0)
    return false;
  snprintf (path, sizeof path, SYS_DEV_BLOCK "/%u:%u/../dev", major (t.dev), minor (t.dev));
  if (read_number (path, &disk.dev) && lies_on (disk, base, depth - 1))
    return true;
  return member_lies_on (t.dev, base, depth - 1);
}

static bool
overlap (struct thing a, struct thing b)
{
  a = resolve (a);
  b = resolve (b);
  return lies_on (a, b, DEPTH_MAX) || lies_on (b, a, DEPTH_MAX);
}

int
target_place_refuse_sources (const struct target_place *p, const struct target_spec *spec,
                             struct error *err)
{
  const char *const *path = spec->source_paths;
  struct stat source, part;
  bool has_part;

  if (path == NULL || p->kind == TARGET_NBD)
    return 0;
  has_part = p->kind == TARGET_FILE && !spec->in_place
             && fstatat (p->dir_fd, p->part, &part, 0) == 0;
  for (; *path != NULL; path++) {
    if (stat (*path, &source) == -1 || (!S_ISREG (source.st_mode) && !S_ISBLK (source.st_mode)))
      continue;
    if (p->exists && overlap (thing_of (&p->st), thing_of (&source)))
      return fail (err, ERR_TARGET_REFUSED,
                   "%s is the source itself, or lies on it; name another target", p->shown);
    if (has_part && overlap (thing_of (&part), thing_of (&source)))
      return fail (err, ERR_TARGET_REFUSED,
                   "%s: the name of its part file is that of a source; name another target, or "
                   "rename the source",
                   p->shown);
  }
  return 0;
}

int
target_refuse_sources (const struct target_spec *spec, struct error *err)
{
  struct target_place p;
  struct error unheard;
  int r = 0;

  if (target_place_find (&p, spec->path, &unheard) == 0)
    r = target_place_refuse_sources (&p, spec, err);
  target_place_release (&p);
  return r;
}
