/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * part_file: a regular file as target: the part file beside it, made exclusively and locked, or
 * the file itself where it is written in place.  Publishing it under its name is publish.c's.
 */
#include "target/open_target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/text.h"

enum { PART_FLAGS = O_RDWR | O_NOFOLLOW | O_NONBLOCK };

/* "DIR/PART" for messages. */
static const char *
part_shown (const struct target_place *p, char out[TARGET_SHOWN])
{
  char path[2 * PATH_MAX];

  snprintf (path, sizeof path, "%s/%s", strcmp (p->dir, "/") == 0 ? "" : p->dir, p->part);
  return escape_text (out, TARGET_SHOWN, path, strlen (path));
}

static int
refuse_exists (const struct target_place *p, struct error *err)
{
  return fail (err, ERR_TARGET_EXISTS,
               "%s exists already and is left alone without --force; name another target, or "
               "give --force to replace it",
               p->shown);
}

static int
refuse_part (const struct target_place *p, struct error *err)
{
  char part[TARGET_SHOWN];
  struct marker m;
  int fd = target_open_at (p->dir_fd, p->part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  bool marked = fd != -1 && target_marker_look (fd, &m);

  if (fd != -1)
    close (fd);
  if (marked)
    return target_refuse_marked (part_shown (p, part), &m, err);
  return fail (err, ERR_TARGET_EXISTS,
               "%s is there already, the part file of an earlier import, and is left alone "
               "without --force; resume that import, remove the file, or give --force",
               part_shown (p, part));
}

static bool
is_locked (const struct target_place *p, const char *name)
{
  int fd = target_open_at (p->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  bool r;

  if (fd == -1)
    return false; /* not ours to read; replacing it is the directory's business */
  r = target_is_locked (fd);
  close (fd);
  return r;
}

int
target_file_refuse_locked (const struct target_place *p, struct error *err)
{
  return is_locked (p, p->name) ? target_refuse_busy (p->shown, err) : 0;
}

/* The signal that comes with this error would end the process: no try. */
static int
refuse_limit (const struct target_place *p, uint64_t size, struct error *err)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_FSIZE, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY
      || limit.rlim_cur >= size)
    return 0;
  return fail (err, ERR_TARGET_REFUSED,
               "%s: the disk has %" PRIu64
               " bytes, and this process may write files of %" PRIu64
               " at most; raise the limit (ulimit -f)",
               p->shown, size, (uint64_t)limit.rlim_cur);
}

static int
check_in_place (const struct target_place *p, uint64_t virtual_size, struct error *err)
{
  uint64_t len = (uint64_t)p->st.st_size;

  if (!p->exists)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s does not exist, and --unallocated keep goes onto what is there; restore "
                 "the file that the image is a delta of first",
                 p->shown);
  if (virtual_size == 0 || len == virtual_size)
    return 0;
  return fail (err, len < virtual_size ? ERR_TARGET_TOO_SMALL : ERR_TARGET_REFUSED,
               "%s has %" PRIu64 " bytes, and the disk has %" PRIu64
               ": with --unallocated keep a file must be exactly as large; set its size with "
               "truncate -s %" PRIu64 " if it is the right one",
               p->shown, len, virtual_size, virtual_size);
}

static int
check_access (const struct target_place *p, const char *name, int mode, struct error *err)
{
  char dir[TARGET_SHOWN];

  if (faccessat (p->dir_fd, name, mode, AT_EACCESS) == 0)
    return 0;
  if (strcmp (name, ".") != 0)
    return fail_errno (err, ERR_TARGET_REFUSED, errno,
                       "%s may not be written; choose another, or mend this", p->shown);
  escape_text (dir, sizeof dir, p->dir, strlen (p->dir));
  return fail_errno (err, ERR_TARGET_REFUSED, errno,
                     "%s: no file can be made in %s; choose another directory, or mend this",
                     p->shown, dir);
}

int
target_file_preflight (const struct target_spec *spec, const struct target_place *p,
                       struct error *err)
{
  struct stat st;

  if (refuse_limit (p, target_file_size (spec), err) == -1)
    return -1;
  if (spec->in_place) {
    if (check_in_place (p, target_file_size (spec), err) == -1
        || check_access (p, p->name, R_OK | W_OK, err) == -1)
      return -1;
    return target_file_refuse_locked (p, err);
  }
  if (p->exists && !spec->force)
    return refuse_exists (p, err);
  if (p->exists && target_file_refuse_locked (p, err) == -1)
    return -1;
  if (!spec->force && spec->replaces == NULL
      && fstatat (p->dir_fd, p->part, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return refuse_part (p, err);
  return check_access (p, ".", W_OK | X_OK, err);
}

/* ---- Making it -------------------------------------------------------------------------- */

/* An earlier part file goes, unless somebody works on it. */
static int
remove_old_part (const struct target_place *p, struct error *err)
{
  char shown[TARGET_SHOWN];
  struct stat st;
  int fd = target_open_at (p->dir_fd, p->part, PART_FLAGS, 0), r = 0;

  part_shown (p, shown);
  if (fd == -1)
    return fail_errno (err, ERR_TARGET_EXISTS, errno,
                       "%s is there already and cannot be opened; remove it", shown);
  if (fstat (fd, &st) == -1 || !S_ISREG (st.st_mode))
    r = fail (err, ERR_TARGET_EXISTS, "%s is there already and no regular file; remove it",
              shown);
  if (r == 0)
    r = target_lock (fd, shown, err);
  if (r == 0 && unlinkat (p->dir_fd, p->part, 0) == -1)
    r = fail_errno (err, ERR_TARGET_EXISTS, errno, "%s cannot be removed", shown);
  close (fd);
  return r;
}

static int
make_part (struct target *t, bool renew, struct error *err)
{
  struct target_place *p = &t->place;
  int flags = PART_FLAGS | O_CREAT | O_EXCL;

  t->fd = target_open_at (p->dir_fd, p->part, flags, 0600);
  if (t->fd == -1 && errno == EEXIST) {
    if (!renew)
      return refuse_part (p, err);
    if (remove_old_part (p, err) == -1)
      return -1;
    t->fd = target_open_at (p->dir_fd, p->part, flags, 0600);
  }
  if (t->fd == -1)
    return fail_errno (
        err, errno == ENOSPC || errno == EDQUOT ? ERR_TARGET_FULL : ERR_TARGET_REFUSED, errno,
        "%s: its part file cannot be made there", p->shown);
  t->created = true;
  return target_lock (t->fd, p->shown, err);
}

static int
reserve (struct target *t, struct error *err)
{
  int r;

  do
    r = fallocate (t->fd, 0, 0, (off_t)t->file.size);
  while (r == -1 && errno == EINTR);
  if (r == 0)
    return 0;
  if (errno == EOPNOTSUPP || errno == ENOSYS)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: the file system cannot reserve space; leave --preallocate away",
                 t->place.shown);
  return fail_errno (err,
                     errno == ENOSPC || errno == EDQUOT ? ERR_TARGET_FULL : ERR_TARGET_REFUSED,
                     errno, "%s: %" PRIu64 " bytes cannot be reserved; make room there",
                     t->place.shown, t->file.size);
}

static int
size_part (struct target *t, const struct target_spec *spec, struct error *err)
{
  int r;

  if (t->file.size > INT64_MAX)
    return fail (err, ERR_TARGET_REFUSED, "%s: no file can have %" PRIu64 " bytes",
                 t->place.shown, t->file.size);
  do
    r = ftruncate (t->fd, (off_t)t->file.size);
  while (r == -1 && errno == EINTR);
  if (r == -1)
    return fail_errno (
        err, errno == ENOSPC || errno == EDQUOT ? ERR_TARGET_FULL : ERR_TARGET_REFUSED, errno,
        "%s: the file system there cannot hold a file of %" PRIu64 " bytes; choose another",
        t->place.shown, t->file.size);
  t->preallocated = spec->preallocate;
  return spec->preallocate && t->file.size > 0 ? reserve (t, err) : 0;
}

/* Best effort: without extended attributes inode and generation identify it. */
static void
mark_as_ours (struct target *t, const char *uuid)
{
  if (uuid != NULL && uuid[0] != '\0'
      && fsetxattr (t->fd, "user.qimport", uuid, strlen (uuid), 0) == -1)
    return;
}

/* Which file force allowed to be replaced: that one, and none that comes later. */
static void
remember_replaced (struct target *t)
{
  int fd;

  if (!t->place.exists)
    return;
  t->over.ino = t->place.st.st_ino;
  fd = target_open_at (t->place.dir_fd, t->place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  if (fd == -1)
    return;
  t->over.gen = target_generation (fd);
  close (fd);
}

static int
open_in_place (struct target *t, const struct target_spec *spec, struct error *err)
{
  struct target_place *p = &t->place;

  if (check_in_place (p, t->file.size, err) == -1)
    return -1;
  t->in_place = true;
  t->fd = target_open_at (p->dir_fd, p->name, PART_FLAGS, 0);
  if (t->fd == -1)
    return fail_errno (err, ERR_TARGET_REFUSED, errno,
                       "%s cannot be opened for writing; choose another, or mend this",
                       p->shown);
  if (target_lock (t->fd, p->shown, err) == -1)
    return -1;
  if (target_look_before (t, spec, err) == -1)
    return -1;
  mark_as_ours (t, spec->import_uuid);
  return target_flush (t, true, err);
}

/* A file that this import has made is claimed at once. */
static int
settle_part (struct target *t, const struct target_spec *spec, struct error *err)
{
  mark_as_ours (t, spec->import_uuid);
  if (t->virtual_size > 0) {
    target_marker_new (t, spec);
    if (target_marker_write (t, err) == -1)
      return -1;
    t->claim.marked = true;
    t->claim.stands = STANDS_MARKED;
    snprintf (t->claim.first, sizeof t->claim.first,
              "marked"); /* so that it is none of an older version */
  }
  if (target_flush (t, true, err) == -1)
    return -1;
  return target_sync_dir (t, err);
}

int
target_file_create (struct target *t, const struct target_spec *spec, struct error *err)
{
  if (refuse_limit (&t->place, t->file.size, err) == -1)
    return -1;
  if (spec->in_place)
    return open_in_place (t, spec, err);
  if (t->place.exists && !spec->force)
    return refuse_exists (&t->place, err);
  if (t->place.exists && target_file_refuse_locked (&t->place, err) == -1)
    return -1;
  remember_replaced (t);
  t->reads_zero = true;
  if (make_part (t, spec->force || spec->renew || spec->replaces != NULL, err) == -1
      || size_part (t, spec, err) == -1)
    return -1;
  return settle_part (t, spec, err);
}

/* ---- Finding it again -------------------------------------------------------------------- */

/* Does the opened file, MINE, go by NAME? */
static bool
is_named (struct target *t, const char *name, struct stat *mine)
{
  struct stat named;

  return fstat (t->fd, mine) == 0
         && fstatat (t->place.dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0
         && named.st_ino == mine->st_ino && named.st_dev == mine->st_dev;
}

int
target_file_check (struct target *t, struct error *err)
{
  const char *name = t->in_place || t->in_its_place ? t->place.name : t->place.part;
  struct stat mine;

  if (!is_named (t, name, &mine))
    return fail (err, ERR_TARGET_CHANGED,
                 "%s was removed, renamed or replaced meanwhile; put it back, then resume",
                 t->place.shown);
  if (!S_ISREG (mine.st_mode))
    return fail (err, ERR_TARGET_CHANGED, "%s is no regular file any more; put it back",
                 t->place.shown);
  if ((uint64_t)mine.st_size != t->file.size)
    return fail (err, ERR_TARGET_CHANGED,
                 "%s has %" PRIu64 " bytes instead of %" PRIu64
                 ": it was cut or grown by someone else; give it back its size, or begin anew: "
                 "resume --restart, or start --force where it was complete",
                 t->place.shown, (uint64_t)mine.st_size, t->file.size);
  return 0;
}

/* The process that made it ended before it was recorded, or after the journal forgot it for a
 * --restart: what it holds counts for nothing.  It carries our marker, or (cut off before that)
 * our attribute, or no data. */
static int
adopt_part (struct target *t, const struct target_spec *spec, struct error *err)
{
  char mark[40], part[TARGET_SHOWN];
  const char *uuid = spec->import_uuid;
  bool empty = lseek (t->fd, 0, SEEK_DATA) == -1 && errno == ENXIO, ours;
  struct marker m;

  target_mark_get (t->fd, mark);
  if (target_marker_look (t->fd, &m))
    ours = target_is_ours (spec, &m);
  else
    ours = mark[0] == '\0' ? empty : uuid != NULL && strcmp (mark, uuid) == 0;
  if (!ours)
    return fail (
        err, ERR_TARGET_EXISTS,
        "%s is there already and does not belong to this import; remove it, then resume",
        part_shown (&t->place, part));
  if (!empty && ftruncate (t->fd, 0) == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s cannot be emptied",
                       part_shown (&t->place, part));
  return 0;
}

static void
recall_replaced (struct target *t, const struct target_spec *spec, const char *recorded)
{
  char over[48];

  if (spec->force)
    remember_replaced (t);
  else if (target_identity_value (recorded, "over", over, sizeof over))
    sscanf (over, "%" SCNu64 ".%" SCNu64, &t->over.ino, &t->over.gen);
}

/* After the rename and before the journal knew: the target is the recorded part file. */
static int
reopen_renamed (struct target *t, const struct target_identity *recorded, struct error *err)
{
  struct target_place *p = &t->place;
  char part[TARGET_SHOWN];
  struct error ignored;
  struct marker m;

  t->fd = target_open_at (p->dir_fd, p->name, PART_FLAGS, 0);
  if (t->fd != -1 && target_identify (t, err) == 0
      && target_identity_check (t, recorded, &ignored) == 0
      && !target_marker_look (t->fd, &m)) {
    t->in_its_place = true;
    t->claim.stands = STANDS_FINISHED;
    return target_lock (t->fd, p->shown, err) == -1 ? -1 : target_file_check (t, err);
  }
  return fail (err, ERR_TARGET_CHANGED,
               "%s, the file that the import began with, is gone; put it back, or begin anew "
               "with resume --restart",
               part_shown (p, part));
}

/* The marker tells, wherever the file was moved or copied to; without one, what was recorded.
 */
static int
reopen_known (struct target *t, const struct target_spec *spec,
              const struct target_identity *recorded, struct error *err)
{
  if (target_file_check (t, err) == -1 || target_recognise (t, spec, recorded->text, err) == -1)
    return -1;
  if (t->claim.marker.epoch == 0 && target_identity_check (t, recorded, err) == -1)
    return -1;
  return 0;
}

int
target_file_reopen (struct target *t, const struct target_spec *spec,
                    const struct target_identity *recorded, struct error *err)
{
  struct target_place *p = &t->place;
  const char *name = spec->in_place ? p->name : p->part;
  bool known = recorded != NULL && recorded->text[0] != '\0';

  t->in_place = spec->in_place;
  t->reads_zero = !spec->in_place;
  t->preallocated = spec->preallocate;
  if (refuse_limit (p, t->file.size, err) == -1)
    return -1;
  recall_replaced (t, spec, known ? recorded->text : "");
  t->fd = target_open_at (p->dir_fd, name, PART_FLAGS, 0);
  if (t->fd == -1 && errno == ENOENT && !known)
    return 1;
  if (t->fd == -1 && errno == ENOENT && !spec->in_place)
    return reopen_renamed (t, recorded, err);
  if (t->fd == -1)
    return fail_errno (err, ERR_TARGET_CHANGED, errno, "%s: what was begun cannot be opened",
                       p->shown);
  if (target_lock (t->fd, p->shown, err) == -1 || target_identify (t, err) == -1)
    return -1;
  if (known)
    return reopen_known (t, spec, recorded, err);
  if (spec->in_place)
    return target_look_before (t, spec, err) == -1 ? -1 : target_file_check (t, err);
  if (p->exists && !spec->force) /* what --force allowed was not recorded; the end refuses it */
    return refuse_exists (p, err);
  if (adopt_part (t, spec, err) == -1 || size_part (t, spec, err) == -1
      || settle_part (t, spec, err) == -1)
    return -1;
  return target_file_check (t, err);
}

int
target_file_open_whole (struct target *t, const struct target_spec *spec, bool write,
                        struct error *err)
{
  struct target_place *p = &t->place;
  int flags = (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK;

  t->in_place = true;
  t->in_its_place = true;
  if (!p->exists)
    return fail (err, ERR_TARGET_CHANGED,
                 "%s is missing; put it back, or import it again: qimport start", p->shown);
  t->fd = target_open_at (p->dir_fd, p->name, flags, 0);
  if (t->fd == -1)
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "%s cannot be opened", p->shown);
  t->preallocated = spec->preallocate;
  return write ? target_lock (t->fd, p->shown, err) : 0;
}

int
target_file_finish (struct target *t, struct error *err)
{
  if (target_file_check (t, err) == -1 || (t->claim.marked && target_head_flush (t, err) == -1))
    return -1;
  if (t->in_place || t->in_its_place) {
    if (target_flush (t, true, err) == -1 || target_head_settle (t, err) == -1)
      return -1;
    return target_sync_dir (t, err);
  }
  return target_file_publish (t, err);
}

void
target_file_remove (struct target *t)
{
  struct error ignored;
  struct stat mine;

  if (!t->created || !is_named (t, t->place.part, &mine))
    return;
  if (unlinkat (t->place.dir_fd, t->place.part, 0) == 0)
    target_sync_dir (t, &ignored);
}
