/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kept: see kept.h.
 */
#include "target/kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/text.h"
#include "target/open_target.h"

static const char magic[] = "qimport: fetched of a wrapped image, for the import beside it\n";
static const char suffix[] = ".qimport-fetched";

enum {
  HEAD = 512,
  SOURCE_AT = 128,
  RECORD_HEAD = 4 + DIGEST_SIZE,
  RECORD_MOST = RECORD_HEAD + KEPT_PIECE
};

struct kept {
  int fd;
  char *path;
  char shown[TARGET_SHOWN];
  uint64_t at;  /* of the next record that is read */
  uint64_t end; /* of the next that is appended; 0: not all that there was is read yet */
  uint8_t *record;
  bool full;            /* nothing can be appended any more */
  pthread_mutex_t lock; /* of fd, against its end while it is synced */
};

/* ---- Where it is --------------------------------------------------------------------------
 */

static char *
path_in (const char *dir, size_t dir_len, const char *target)
{
  uint8_t sum[DIGEST_SIZE];
  char hex[DIGEST_HEX], *path;
  struct digest d;

  digest_init (&d);
  digest_update (&d, target, strlen (target));
  digest_peek (&d, sum);
  digest_hex (hex, sum);
  if (asprintf (&path, "%.*s/%.16s%s", (int)dir_len, dir, hex, suffix) == -1)
    return NULL;
  return path;
}

char *
kept_path (const char *target, bool file, const char *spool_dir, const char *journal)
{
  const char *slash = strrchr (journal, '/'), *name = strrchr (target, '/');
  char *path;

  if (spool_dir != NULL)
    return path_in (spool_dir, strlen (spool_dir), target);
  name = name == NULL ? target : name + 1;
  if (!file || strlen (name) + sizeof suffix > NAME_MAX)
    return slash == NULL ? path_in (".", 1, target)
                         : path_in (journal, (size_t)(slash - journal), target);
  return asprintf (&path, "%s%s", target, suffix) == -1 ? NULL : path;
}

/* ---- Opening ------------------------------------------------------------------------------
 */

static int
refuse (const struct kept *k, int errnum, const char *what, struct error *err)
{
  return fail_errno (err, ERR_TARGET_REFUSED, errnum, "%s: %s", k->shown, what);
}

static bool
read_all (int fd, void *buf, size_t len, uint64_t at)
{
  uint8_t *p = buf;

  while (len > 0) {
    ssize_t n = pread (fd, p, len, (off_t)at);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    p += n;
    at += (uint64_t)n;
    len -= (size_t)n;
  }
  return true;
}

static bool
write_all (int fd, const void *buf, size_t len, uint64_t at)
{
  const uint8_t *p = buf;

  while (len > 0) {
    ssize_t n = pwrite (fd, p, len, (off_t)at);

    if (n == -1 && errno == EINTR)
      continue;
    if (n == 0)
      errno = EIO;
    if (n <= 0)
      return false;
    p += n;
    at += (uint64_t)n;
    len -= (size_t)n;
  }
  return true;
}

static void
make_head (uint8_t head[HEAD], const uint8_t source[DIGEST_SIZE])
{
  memset (head, 0, HEAD);
  memcpy (head, magic, sizeof magic);
  memcpy (head + SOURCE_AT, source, DIGEST_SIZE);
}

/* Empty files, and those that begin as ours do. */
static bool
is_ours (int fd, uint8_t head[HEAD], bool *empty)
{
  struct stat st;

  if (fstat (fd, &st) == -1 || !S_ISREG (st.st_mode))
    return false;
  *empty = st.st_size == 0;
  return *empty || (read_all (fd, head, HEAD, 0) && memcmp (head, magic, sizeof magic) == 0);
}

static int
open_file (const char *path, int flags)
{
  int fd = target_open_at (AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | flags, 0600);

  if (fd == -1 || flock (fd, LOCK_EX | LOCK_NB) == 0)
    return fd;
  close (fd);
  errno = EWOULDBLOCK;
  return -1;
}

static int
take_over (struct kept *k, const uint8_t source[DIGEST_SIZE], struct error *err)
{
  uint8_t head[HEAD], want[HEAD];
  bool empty;

  make_head (want, source);
  errno = EEXIST;
  if (!is_ours (k->fd, head, &empty))
    return refuse (k, errno, "is no file of what was fetched", err);
  k->at = HEAD;
  if (!empty && memcmp (head, want, HEAD) == 0)
    return 0;
  if (ftruncate (k->fd, 0) == -1 || !write_all (k->fd, want, HEAD, 0))
    return refuse (k, errno, "cannot be written", err);
  return 0;
}

int
kept_open (struct kept **out, const char *path, const uint8_t source[DIGEST_SIZE],
           struct error *err)
{
  OWN (kept) k = calloc (1, sizeof *k);

  if (k == NULL)
    return fail_memory (err, "what was fetched");
  k->fd = -1;
  pthread_mutex_init (&k->lock, NULL);
  k->path = strdup (path);
  k->record = malloc (RECORD_MOST);
  if (k->path == NULL || k->record == NULL)
    return fail_memory (err, "what was fetched");
  escape_text (k->shown, sizeof k->shown, path, strlen (path));
  k->fd = open_file (path, O_CREAT);
  if (k->fd == -1)
    return refuse (k, errno, "cannot be opened", err);
  if (take_over (k, source, err) == -1)
    return -1;
  *out = k;
  k = NULL;
  return 0;
}

/* ---- Records ------------------------------------------------------------------------------
 */

/* Of the bytes, and of where they stand. */
static void
record_digest (const uint8_t *bytes, size_t len, uint64_t at, uint8_t sum[DIGEST_SIZE])
{
  uint8_t place[8];
  struct digest d;

  store_be64 (place, at);
  digest_init (&d);
  digest_update (&d, place, sizeof place);
  digest_update (&d, bytes, len);
  digest_peek (&d, sum);
}

static bool
read_record (struct kept *k, uint8_t *buf, size_t *len)
{
  uint8_t sum[DIGEST_SIZE];

  if (!read_all (k->fd, k->record, RECORD_HEAD, k->at))
    return false;
  *len = load_be32 (k->record);
  if (*len == 0 || *len > KEPT_PIECE || !read_all (k->fd, buf, *len, k->at + RECORD_HEAD))
    return false;
  record_digest (buf, *len, k->at, sum);
  return memcmp (sum, k->record + 4, DIGEST_SIZE) == 0;
}

int
kept_read (struct kept *k, uint8_t *buf, size_t *len, struct error *err)
{
  *len = 0;
  if (k->fd == -1 || k->at == k->end)
    return 0;
  if (read_record (k, buf, len)) {
    k->at += RECORD_HEAD + *len;
    return 0;
  }
  *len = 0;
  if (k->end != 0)
    return fail (err, ERR_TARGET_FAILED,
                 "%s: reads otherwise than it was written; a resume fetches it again",
                 k->shown);
  k->end = k->at;
  k->full = ftruncate (k->fd, (off_t)k->end) == -1;
  return 0;
}

bool
kept_takes_more (const struct kept *k)
{
  return k->fd != -1 && k->end != 0 && !k->full;
}

bool
kept_is_empty (const struct kept *k)
{
  struct stat st;

  return k->fd == -1 || fstat (k->fd, &st) == -1 || st.st_size <= HEAD;
}

uint64_t
kept_room (const struct kept *k)
{
  struct statvfs fs;

  if (k->fd == -1 || fstatvfs (k->fd, &fs) == -1)
    return UINT64_MAX;
  return (uint64_t)fs.f_bavail * fs.f_frsize;
}

int
kept_append (struct kept *k, const uint8_t *buf, size_t len, struct error *err)
{
  assert (len > 0 && len <= KEPT_PIECE);
  assert (kept_takes_more (k));
  store_be32 (k->record, (uint32_t)len);
  record_digest (buf, len, k->end, k->record + 4);
  memcpy (k->record + RECORD_HEAD, buf, len);
  k->full = !write_all (k->fd, k->record, RECORD_HEAD + len, k->end);
  if (k->full)
    return refuse (k, errno, "what is fetched cannot be kept", err);
  k->end += RECORD_HEAD + len;
  return 0;
}

void
kept_sync (struct kept *k)
{
  pthread_mutex_lock (&k->lock);
  if (k->fd != -1)
    (void)fdatasync (k->fd);
  pthread_mutex_unlock (&k->lock);
}

/* ---- The end ------------------------------------------------------------------------------
 */

void
kept_remove (struct kept *k)
{
  pthread_mutex_lock (&k->lock);
  if (k->fd != -1) {
    unlink (k->path);
    close (k->fd);
  }
  k->fd = -1;
  pthread_mutex_unlock (&k->lock);
}

void
kept_remove_at (const char *path)
{
  int fd = open_file (path, 0);
  uint8_t head[HEAD];
  bool empty;

  if (fd == -1)
    return;
  if (is_ours (fd, head, &empty))
    unlink (path);
  close (fd);
}

void
kept_close (struct kept *k)
{
  if (k == NULL)
    return;
  if (k->fd != -1)
    close (k->fd);
  pthread_mutex_destroy (&k->lock);
  free (k->path);
  free (k->record);
  free (k);
}
