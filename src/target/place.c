/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * place: from the path a user gave to the place it means: directory, name, name of the part
 * file, and what is there now.  Refuses what can never be a target (T14), whatever the options.
 * Creates nothing and opens nothing but the directory.
 */
#include "target/open_target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/text.h"
#include "target/nbd.h"

static const char part_suffix[] = ".qimport-part";

int
target_open_at (int dir_fd, const char *name, int flags, mode_t mode)
{
  int low[3], n = 0, fd, i, saved;

  for (i = 0; i < 3; i++)
    if (fcntl (i, F_GETFD) == -1) {
      fd = open ("/", O_PATH | O_CLOEXEC);
      if (fd == -1)
        break;
      low[n++] = fd; /* a hole is filled, so the target's descriptor is above it */
    }
  fd = openat (dir_fd, name, flags | O_CLOEXEC | O_NOCTTY, mode);
  saved = errno;
  while (n > 0)
    close (low[--n]);
  errno = saved;
  return fd;
}

/* LEN at most, and no UTF-8 sequence cut in two. */
static size_t
cut_at_character (const char *name, size_t len)
{
  while (len > 0 && ((unsigned char)name[len] & 0xc0) == 0x80)
    len--;
  return len;
}

void
target_part_name (char part[NAME_MAX + 1], const char *name, size_t name_len)
{
  size_t len = strlen (name), keep;
  struct digest d;
  uint8_t sum[DIGEST_SIZE];
  char hex[DIGEST_HEX];

  if (len + sizeof part_suffix - 1 <= name_len) {
    snprintf (part, NAME_MAX + 1, "%.*s%s", (int)len, name, part_suffix);
    return;
  }
  /* Too long: its beginning, and a digest of all of it, so that two long names never share a
   * part file and the same name finds it again. */
  digest_init (&d);
  digest_update (&d, name, len);
  digest_peek (&d, sum);
  digest_hex (hex, sum);
  keep = cut_at_character (name, name_len - (sizeof part_suffix - 1) - 17);
  snprintf (part, NAME_MAX + 1, "%.*s~%.16s%s", (int)keep, name, hex, part_suffix);
}

static int
split_path (struct target_place *p, const char *path, char *dir, struct error *err)
{
  const char *slash = strrchr (path, '/');
  const char *name = slash == NULL ? path : slash + 1;

  if (path[0] == '\0')
    return fail (err, ERR_TARGET_REFUSED,
                 "the target's path is empty; name a file or a block device");
  if (strlen (path) >= PATH_MAX)
    return fail (err, ERR_TARGET_REFUSED, "%s: the path is too long; use a shorter one",
                 p->shown);
  if (name[0] == '\0' || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s names a directory; name a file in it, or a block device", p->shown);
  if (strlen (name) > NAME_MAX)
    return fail (err, ERR_TARGET_REFUSED, "%s: the file name is too long; use a shorter one",
                 p->shown);
  snprintf (p->name, sizeof p->name, "%s", name);
  if (slash == NULL)
    snprintf (dir, PATH_MAX, ".");
  else
    snprintf (dir, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
  return 0;
}

static int
resolve_dir (struct target_place *p, const char *dir, struct error *err)
{
  char shown[TARGET_SHOWN];
  struct stat st;
  long name_len;

  escape_text (shown, sizeof shown, dir, strlen (dir));
  if (realpath (dir, p->dir) == NULL) {
    if (errno == ENOENT)
      return fail (err, ERR_TARGET_REFUSED,
                   "there is no directory %s for the target %s; create it first", shown,
                   p->name);
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "the target's directory %s", shown);
  }
  if (stat (p->dir, &st) == 0 && !S_ISDIR (st.st_mode))
    return fail (err, ERR_TARGET_REFUSED, "%s is no directory; name a file in a directory",
                 shown);
  if (snprintf (p->path, sizeof p->path, "%s/%s", strcmp (p->dir, "/") == 0 ? "" : p->dir,
                p->name)
      >= (int)sizeof p->path)
    return fail (err, ERR_TARGET_REFUSED, "%s: the path is too long; use a shorter one",
                 p->shown);
  escape_text (p->shown, sizeof p->shown, p->path, strlen (p->path));
  name_len = pathconf (p->dir, _PC_NAME_MAX);
  if (name_len < 64 || name_len > NAME_MAX)
    name_len = NAME_MAX;
  if (strlen (p->name) > (size_t)name_len)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s: file names have at most %ld bytes there; use a shorter one", p->shown,
                 name_len);
  target_part_name (p->part, p->name, (size_t)name_len);
  return 0;
}

static int
refuse_kind (const struct target_place *p, struct error *err)
{
  const char *what = "of an unknown kind";

  if (S_ISDIR (p->st.st_mode))
    what = "a directory";
  else if (S_ISFIFO (p->st.st_mode))
    what = "a FIFO";
  else if (S_ISSOCK (p->st.st_mode))
    what = "a socket";
  else if (S_ISCHR (p->st.st_mode))
    what = major (p->st.st_rdev) == 4 || major (p->st.st_rdev) == 5
                   || (major (p->st.st_rdev) >= 136 && major (p->st.st_rdev) <= 143)
               ? "a terminal"
               : "a character device";
  return fail (err, ERR_TARGET_REFUSED, "%s is %s; name a regular file or a block device",
               p->shown, what);
}

/* A link to a block device stands for it; any other is refused with what it leads to. */
static int
follow_link (struct target_place *p, struct error *err)
{
  char to[PATH_MAX], shown[TARGET_SHOWN];

  if (stat (p->path, &p->st) == -1)
    return fail (err, ERR_TARGET_REFUSED,
                 "%s is a symbolic link that leads nowhere; remove it, or name what it should "
                 "lead to",
                 p->shown);
  if (S_ISBLK (p->st.st_mode))
    return 0;
  if (realpath (p->path, to) == NULL)
    snprintf (to, sizeof to, "something else");
  escape_text (shown, sizeof shown, to, strlen (to));
  return fail (err, ERR_TARGET_REFUSED,
               "%s is a symbolic link to %s; only links to block devices are followed: name "
               "the file itself",
               p->shown, shown);
}

/* A device that is not there is no reason to fill memory with a file of its name. */
static int
look_missing (struct target_place *p, struct error *err)
{
  bool in_dev = strcmp (p->dir, "/dev") == 0
                || (strncmp (p->dir, "/dev/", 5) == 0 && strncmp (p->dir, "/dev/shm", 8) != 0);

  p->kind = TARGET_FILE;
  if (errno != ENOENT)
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "%s cannot be looked at", p->shown);
  if (in_dev)
    return fail (err, ERR_TARGET_REFUSED,
                 "there is no device %s; attach it, or name the one it is now", p->shown);
  return 0;
}

static int
look (struct target_place *p, struct error *err)
{
  if (lstat (p->path, &p->st) == -1)
    return look_missing (p, err);
  p->exists = true;
  if (S_ISLNK (p->st.st_mode) && follow_link (p, err) == -1)
    return -1;
  if (S_ISREG (p->st.st_mode))
    p->kind = TARGET_FILE;
  else if (S_ISBLK (p->st.st_mode))
    p->kind = TARGET_BLOCK;
  else
    return refuse_kind (p, err);
  return 0;
}

static int
find_export (struct target_place *p, const char *uri, struct error *err)
{
  if (strlen (uri) >= sizeof p->path)
    return fail (err, ERR_TARGET_REFUSED, "%s: the URI is too long; use a shorter one",
                 p->shown);
  snprintf (p->path, sizeof p->path, "%s", uri);
  p->kind = TARGET_NBD;
  p->exists = true;
  return 0;
}

int
target_place_find (struct target_place *p, const char *path, struct error *err)
{
  char dir[PATH_MAX];

  memset (p, 0, sizeof *p);
  p->dir_fd = -1;
  escape_text (p->shown, sizeof p->shown, path, strlen (path));
  if (target_is_nbd (path))
    return find_export (p, path, err);
  if (split_path (p, path, dir, err) == -1 || resolve_dir (p, dir, err) == -1
      || look (p, err) == -1)
    return -1;
  if (p->kind == TARGET_BLOCK)
    return 0;
  p->dir_fd = target_open_at (AT_FDCWD, p->dir, O_RDONLY | O_DIRECTORY, 0);
  if (p->dir_fd == -1 && errno == EACCES) /* may be entered, not read: see target_sync_dir */
    p->dir_fd = target_open_at (AT_FDCWD, p->dir, O_PATH | O_DIRECTORY, 0);
  if (p->dir_fd == -1)
    return fail_errno (err, ERR_TARGET_REFUSED, errno, "the directory of %s cannot be opened",
                       p->shown);
  return 0;
}

void
target_place_release (struct target_place *p)
{
  if (p->dir_fd >= 0)
    close (p->dir_fd);
  p->dir_fd = -1;
}

/* Is what lies at OTHER what the target is, or would be? */
static bool
is_same (const struct target_place *p, const char *other)
{
  struct target_place o;
  struct error ignored;
  struct stat st;
  bool same = false;

  if (p->exists && stat (other, &st) == 0) {
    if (S_ISBLK (st.st_mode) && S_ISBLK (p->st.st_mode))
      return st.st_rdev == p->st.st_rdev;
    return st.st_dev == p->st.st_dev && st.st_ino == p->st.st_ino;
  }
  if (target_place_find (&o, other, &ignored) == 0)
    same = strcmp (o.path, p->path) == 0
           || (strcmp (o.dir, p->dir) == 0 && strcmp (o.name, p->part) == 0);
  target_place_release (&o);
  return same;
}

bool
target_is_same (const char *a, const char *b)
{
  struct target_place p;
  struct error ignored;
  bool same = strcmp (a, b) == 0;

  if (same || target_is_nbd (a) || target_is_nbd (b))
    return same;
  same = target_place_find (&p, a, &ignored) == 0 && is_same (&p, b);
  target_place_release (&p);
  return same;
}

static int
refuse_journal (const struct target_place *p, const char *journal, struct error *err)
{
  static const char *const companions[] = { "", "-wal", "-shm", "-journal", "-lock" };
  char name[PATH_MAX];
  size_t i;

  for (i = 0; i < sizeof companions / sizeof companions[0]; i++) {
    if (snprintf (name, sizeof name, "%s%s", journal, companions[i]) >= (int)sizeof name)
      return 0;
    if (is_same (p, name))
      return fail (err, ERR_TARGET_REFUSED,
                   "%s is the journal, or belongs to it; name another target, or another "
                   "journal with --journal",
                   p->shown);
  }
  return 0;
}

static int
preflight_kind (const struct target_spec *spec, const struct target_place *p, struct error *err)
{
  switch (p->kind) {
  case TARGET_FILE:
    return target_file_preflight (spec, p, err);
  case TARGET_BLOCK:
    return target_device_preflight (spec, p, err);
  case TARGET_NBD:
    return target_export_preflight (spec, p, err);
  }
  return -1;
}

void
target_canonical (const char *path, char *canonical)
{
  struct target_place p;
  struct error unheard;

  canonical[0] = '\0';
  if (target_place_find (&p, path, &unheard) == 0)
    snprintf (canonical, PATH_MAX, "%s", p.path);
  target_place_release (&p);
}

int
target_preflight (const struct target_spec *spec, enum target_kind *kind, char *canonical,
                  struct error *err)
{
  struct target_place p;
  int r = target_place_find (&p, spec->path, err);

  if (r == 0) {
    *kind = p.kind;
    snprintf (canonical, PATH_MAX, "%s", p.path);
  }
  if (r == 0 && spec->journal_path != NULL && p.kind != TARGET_NBD)
    r = refuse_journal (&p, spec->journal_path, err);
  if (r == 0)
    r = target_place_refuse_sources (&p, spec, err);
  if (r == 0)
    r = preflight_kind (spec, &p, err);
  target_place_release (&p);
  return r;
}
