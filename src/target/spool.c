/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * spool: see spool.h.
 */
#include "target/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "target/open_target.h"

enum { SPOOL_BLOCK = 4096 };

struct spool {
  char *dir;
  int fd; /* -1: nothing was written yet */
  uint64_t written;
};

static char *
spool_dir (const char *target, bool block, const char *dir)
{
  const char *tmp = getenv ("TMPDIR"), *slash = strrchr (target, '/');

  if (dir != NULL)
    return strdup (dir);
  if (block)
    return strdup (tmp != NULL && tmp[0] == '/' ? tmp : "/var/tmp");
  if (slash == NULL)
    return strdup (".");
  return slash == target ? strdup ("/") : strndup (target, (size_t)(slash - target));
}

int
spool_open (struct spool **out, const char *target, bool block, const char *dir,
            struct error *err)
{
  OWN (spool) s = calloc (1, sizeof *s);

  if (s == NULL)
    return fail_memory (err, "the spool");
  s->fd = -1;
  s->dir = spool_dir (target, block, dir);
  if (s->dir == NULL)
    return fail_memory (err, "the spool");
  *out = s;
  s = NULL;
  return 0;
}

/* A file without a name; where the file system has none, a name that goes at once. */
static int
make_file (const char *dir)
{
  OWN_MEM char *name = NULL;
  int fd = target_open_at (AT_FDCWD, dir, O_TMPFILE | O_RDWR, 0600), tries;

  if (fd != -1 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
    return fd;
  for (tries = 0; tries < 100; tries++) {
    if (asprintf (&name, "%s/.qimport-spool-%ld-%d", dir, (long)getpid (), tries) == -1) {
      name = NULL;
      errno = ENOMEM;
      return -1;
    }
    fd = target_open_at (AT_FDCWD, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd != -1)
      unlink (name);
    if (fd != -1 || errno != EEXIST)
      return fd;
    free (name);
    name = NULL;
  }
  return -1;
}

static int
spool_fail (const struct spool *s, int errnum, const char *what, struct error *err)
{
  bool full = errnum == ENOSPC || errnum == EDQUOT;
  char shown[TARGET_SHOWN];

  return fail_errno (err, full ? ERR_TARGET_FULL : ERR_TARGET_FAILED, errnum,
                     "%s: %s the spool for bytes that have no place yet%s",
                     escape_text (shown, sizeof shown, s->dir, strlen (s->dir)), what,
                     full ? " (make space and resume, or fetch the image from a server that "
                            "honours ranges)"
                          : "");
}

int
spool_write (struct spool *s, host_off at, const void *buf, size_t len, struct error *err)
{
  const char *p = buf;

  if (s->fd == -1) {
    s->fd = make_file (s->dir);
    if (s->fd == -1)
      return spool_fail (s, errno, "cannot make", err);
  }
  s->written += len;
  while (len > 0) {
    ssize_t n = pwrite (s->fd, p, len, (off_t)at.v);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return spool_fail (s, n == 0 ? EIO : errno, "cannot write", err);
    p += n;
    at.v += (uint64_t)n;
    len -= (size_t)n;
  }
  return 0;
}

int
spool_read (struct spool *s, host_off at, void *buf, size_t len, struct error *err)
{
  char *p = buf;

  while (len > 0) {
    ssize_t n = s->fd == -1 ? 0 : pread (s->fd, p, len, (off_t)at.v);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return spool_fail (s, n == 0 ? EIO : errno, "cannot read", err);
    p += n;
    at.v += (uint64_t)n;
    len -= (size_t)n;
  }
  return 0;
}

void
spool_drop (struct spool *s, struct host_range r)
{
  uint64_t from = align_up (r.at.v, SPOOL_BLOCK), to = align_down (host_end (r), SPOOL_BLOCK);

  if (s->fd != -1 && from < to)
    (void)fallocate (s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                     (off_t)(to - from));
}

uint64_t
spool_written (const struct spool *s)
{
  return s->written;
}

void
spool_close (struct spool *s)
{
  if (s == NULL)
    return;
  if (s->fd != -1)
    close (s->fd);
  free (s->dir);
  free (s);
}
