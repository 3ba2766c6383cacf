/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * publish: the part file becomes the target: mode and owner, sync, rename, sync of the
 * directory, in that order (W3).  Never replaces a file but the one that force allowed.
 */
#include "target/open_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/kernel.h"

/* T23, W3: names are durable only after this. */
int
target_sync_dir (struct target *t, struct error *err)
{
  int r = 0;

#ifndef SEEDED_BUG_NO_DIRECTORY_SYNC
  r = fsync (t->place.dir_fd);
  if (r == -1 && errno == EBADF) /* O_PATH: the directory may not be read */
    r = syncfs (t->fd);
  if (r == -1 && errno == EINVAL) /* the file system knows no such thing */
    r = 0;
#endif
  if (r == 0)
    return 0;
  atomic_store (&t->failed, errno);
  return fail_errno (err, ERR_TARGET_FAILED, errno,
                     "%s: its directory cannot be synced; mend the disk, then resume",
                     t->place.shown);
}

/* The process's umask without changing it, which other threads would notice. */
static mode_t
current_umask (void)
{
  mode_t mask = 077;
  char line[128];
  unsigned value;
  FILE *f = fopen ("/proc/self/status", "re");

  if (f == NULL)
    return mask;
  while (fgets (line, sizeof line, f) != NULL)
    if (sscanf (line, "Umask: %o", &value) == 1) {
      mask = value & 0777;
      break;
    }
  fclose (f);
  return mask;
}

/* As open(2) makes a new file, or as the file was that it replaces.  The owner first: changing
 * it may clear bits of the mode.  Where it may not be changed the mode is kept all the same. */
static int
set_mode (struct target *t, const struct stat *old, struct error *err)
{
  mode_t mode = old == NULL ? 0666 & ~current_umask () : old->st_mode & 0777;

  if (old != NULL && fchown (t->fd, old->st_uid, old->st_gid) == -1
      && fchown (t->fd, (uid_t)-1, old->st_gid) == -1 && errno == EIO)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s: its owner cannot be set",
                       t->place.shown);
  if (fchmod (t->fd, mode) == -1 && errno == EIO)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s: its mode cannot be set",
                       t->place.shown);
  return 0;
}

static int
refuse_appeared (struct target *t, struct error *err)
{
  return fail (err, ERR_TARGET_EXISTS,
               "%s appeared while the import ran and is left alone; move it away, or give "
               "--force, then resume: nothing is fetched again",
               t->place.shown);
}

/* Is OLD, what goes by the target's name, the file that force allowed to be replaced? */
static bool
may_replace (struct target *t, const struct stat *old)
{
  uint64_t generation;
  int fd;

  if (t->over.ino == 0 || !S_ISREG (old->st_mode) || old->st_ino != t->over.ino)
    return false;
  fd = target_open_at (t->place.dir_fd, t->place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd == -1)
    return true;
  generation = target_generation (fd);
  close (fd);
  return generation == t->over.gen;
}

/* Without RENAME_NOREPLACE a second link says EEXIST just as safely; a file system without
 * either is asked first. */
static int
rename_without_flag (const struct target_place *p)
{
  struct stat st;

  if (linkat (p->dir_fd, p->part, p->dir_fd, p->name, 0) == 0)
    return unlinkat (p->dir_fd, p->part, 0);
  if (errno == EEXIST)
    return -1;
  if (fstatat (p->dir_fd, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return -1;
  }
  return renameat (p->dir_fd, p->part, p->dir_fd, p->name);
}

static int
rename_replacing_nothing (struct target *t)
{
  const struct target_place *p = &t->place;

  if (rename_no_replace (p->dir_fd, p->part, p->dir_fd, p->name) == 0)
    return 0;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
    return rename_without_flag (p);
  return -1;
}

/* A crash between the two halves of rename_without_flag left both names. */
static bool
is_both (struct target *t, const struct stat *named)
{
  struct stat mine;

  return fstat (t->fd, &mine) == 0 && mine.st_ino == named->st_ino
         && mine.st_dev == named->st_dev;
}

int
target_file_publish (struct target *t, struct error *err)
{
  const struct target_place *p = &t->place;
  struct stat old;
  bool there = fstatat (p->dir_fd, p->name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  bool both = there && is_both (t, &old);
  int r;

  if (there && !both && !may_replace (t, &old))
    return refuse_appeared (t, err);
  if (there && !both && target_file_refuse_locked (p, err) == -1)
    return -1;
  if (!both && set_mode (t, there ? &old : NULL, err) == -1)
    return -1;
  if (target_flush (t, true, err) == -1 || target_head_settle (t, err) == -1)
    return -1;
  if (both)
    r = unlinkat (p->dir_fd, p->part, 0);
  else if (there)
    r = renameat (p->dir_fd, p->part, p->dir_fd, p->name);
  else
    r = rename_replacing_nothing (t);
  if (r == -1 && errno == EEXIST)
    return refuse_appeared (t, err);
  if (r == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno,
                       "%s: its part file cannot be renamed to it; mend that, then resume",
                       p->shown);
  t->in_its_place = true;
  return target_sync_dir (t, err);
}
