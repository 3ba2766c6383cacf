/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * read: what the disk holds, not what memory does (D4): O_DIRECT on a descriptor of its own,
 * through an aligned buffer of the call; where that does not work, the page cache is told to
 * forget first.  Holes are skipped by asking for them.
 */
#include "target/open_target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "target/nbd.h"

enum { BOUNCE_MAX = 1 << 20, DIRECT_ALIGN = 4096 };

void
target_open_raw (struct target *t)
{
  char self[64];
  int sector = 0;

  t->raw.align = DIRECT_ALIGN;
  if (t->nbd != NULL)
    return;
  if (t->place.kind == TARGET_BLOCK && ioctl (t->fd, BLKSSZGET, &sector) == 0
      && sector > DIRECT_ALIGN)
    t->raw.align = (uint32_t)sector;
  snprintf (self, sizeof self, "/proc/self/fd/%d", t->fd);
  t->raw.fd = target_open_at (AT_FDCWD, self, O_RDONLY | O_DIRECT, 0);
  t->raw.direct = t->raw.fd != -1;
}

static int
fail_read (const struct target *t, int errnum, uint64_t at, struct error *err)
{
  char why[EXPORT_WHY];

  if (t->nbd != NULL && errnum == ECANCELED)
    return fail (err, ERR_INTERRUPTED, "%s: interrupted while its server did not answer",
                 t->place.shown);
  if (t->nbd != NULL && errnum == ENOTCONN)
    return fail (
        err, ERR_TARGET_UNREACHABLE,
        "%s went away (%s) and did not come back within --retry-time; start its server, "
        "then try again",
        t->place.shown, export_why (t->nbd, why));
  return fail_errno (err, ERR_TARGET_FAILED, errnum,
                     "%s: cannot read at guest offset %" PRIu64 "; mend or replace the disk",
                     t->place.shown, at);
}

/* At least WANT of LEN bytes; 0 or an errno. */
static int
read_fully (int fd, uint8_t *buf, size_t want, size_t len, uint64_t at)
{
  size_t have = 0;

  while (have < want) {
    ssize_t n = pread (fd, buf + have, len - have, (off_t)(at + have));

    if (n == -1 && errno == EINTR)
      continue;
    if (n == -1)
      return errno;
    if (n == 0)
      return EIO; /* the size was checked when it was opened: it was cut since */
    have += (size_t)n;
  }
  return 0;
}

static int
read_buffered (struct target *t, uint64_t at, void *buf, size_t len)
{
  uint64_t from = align_down (at, DIRECT_ALIGN);
  off_t span = (off_t)(align_up (at + len, DIRECT_ALIGN) - from);
  int r;

  posix_fadvise (t->fd, (off_t)from, span, POSIX_FADV_DONTNEED);
  r = read_fully (t->fd, buf, len, len, at);
  posix_fadvise (t->fd, (off_t)from, span, POSIX_FADV_DONTNEED);
  return r;
}

/* BOUNCE has BOUNCE_MAX bytes; LEN fits whatever AT. */
static int
read_direct (struct target *t, uint8_t *bounce, uint64_t at, void *buf, size_t len)
{
  uint64_t from = align_down (at, t->raw.align);
  size_t skip = (size_t)(at - from);
  size_t span = (size_t)align_up (skip + len, t->raw.align);
  int r = read_fully (t->raw.fd, bounce, skip + len, span, from);

  if (r == EINVAL) /* its alignment is another: rather through the cache than not at all */
    return read_buffered (t, at, buf, len);
  if (r == 0)
    memcpy (buf, bounce + skip, len);
  return r;
}

int
target_read_disk (struct target *t, uint64_t at, void *to, size_t len, struct error *err)
{
  uint8_t *buf = to;
  OWN_MEM void *bounce = NULL;
  size_t most = BOUNCE_MAX - 2 * (size_t)t->raw.align;
  size_t room = (size_t)align_up (min_u64 (len, most), t->raw.align) + t->raw.align;
  uint64_t there = target_there (t, at, len);
  int r = 0;

  memset (buf + there, 0, len - there);
  len = (size_t)there;
  if (t->nbd != NULL) {
    r = export_read (t->nbd, at, buf, len);
    return r == 0 ? 0 : fail_read (t, r, at, err);
  }
  if (t->raw.direct && posix_memalign (&bounce, t->raw.align, room) != 0)
    return fail_memory (err, "reading the target");
  while (len > 0 && r == 0) {
    size_t n = (size_t)min_u64 (len, most);

    r = t->raw.direct ? read_direct (t, bounce, at, buf, n) : read_buffered (t, at, buf, n);
    if (r != 0)
      return fail_read (t, r, at, err);
    at += n;
    buf += n;
    len -= n;
  }
  return 0;
}

static int
check_readable (const struct target *t, guest_off at, uint64_t len, struct error *err)
{
  struct guest_range r = { at, len };

  if (guest_range_within (r, t->virtual_size))
    return 0;
  return fail (err, ERR_INTERNAL,
               "%s: guest range %" PRIu64 "+%" PRIu64 " reaches beyond the disk's %" PRIu64
               " bytes; this is a fault of qimport, please report it",
               t->place.shown, at.v, len, t->virtual_size);
}

int
target_read (struct target *t, guest_off at, void *buf, size_t len, struct error *err)
{
  uint64_t head = target_holds_back (t), from = at.v;
  size_t all = len;
  uint8_t *p = buf;

  if (check_readable (t, at, len, err) == -1)
    return -1;
  if (at.v < head) {
    size_t kept = (size_t)min_u64 (len, head - at.v);

    target_head_read (t->head, at.v, p, kept);
    at.v += kept;
    p += kept;
    len -= kept;
  }
  if (len > 0 && target_read_disk (t, at.v, p, len, err) == -1)
    return -1;
  target_amend_read (t, from, buf, all);
  return 0;
}

int
target_next (struct target *t, guest_off at, uint64_t *len, bool *hole, struct error *err)
{
  off_t data, end;

  if (check_readable (t, at, 0, err) == -1)
    return -1;
  *len = t->virtual_size - at.v;
  *hole = false;
  if (t->place.kind != TARGET_FILE || *len == 0)
    return 0;
  data = lseek (t->fd, (off_t)at.v, SEEK_DATA);
  if (data == -1 && errno != ENXIO)
    return errno == EIO ? fail_read (t, errno, at.v, err) : 0;
  *hole = data == -1 || (uint64_t)data > at.v;
  if (data == -1)
    return 0;
  end = *hole ? data : lseek (t->fd, (off_t)at.v, SEEK_HOLE);
  if (end == -1)
    return errno == EIO ? fail_read (t, errno, at.v, err) : 0;
  *len = min_u64 ((uint64_t)end, t->virtual_size) - at.v;
  return 0;
}
