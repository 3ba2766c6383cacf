/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * recall: metadata of what comes once.  What is asked for is read up to, and what went by on
 * the way is kept, in a file without a name, since a table that is named later may lie in it.
 * Never reads a byte more than that: what follows in a pipe is left to who reads it next.
 */
#include "source/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/own.h"

enum { CHUNK = 256 * 1024, REACH_BITS = 51 };

bool
source_recalls (const struct source *s)
{
  return s->options.recall && !s->id.ranges;
}

static int
keep_failed (const struct source *s, struct error *err)
{
  return fail_errno (err, ERR_TARGET_FULL, errno,
                     "%s: what went by of it cannot be kept; name a directory with room in "
                     "$TMPDIR",
                     s->shown);
}

static int
begin (struct source *s, struct error *err)
{
  const char *dir = secure_getenv ("TMPDIR");

  s->local.recall.fd = open (dir != NULL && dir[0] != '\0' ? dir : "/var/tmp",
                             O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  return s->local.recall.fd == -1 ? keep_failed (s, err) : 0;
}

static int
keep (struct source *s, const uint8_t *bytes, size_t len, struct error *err)
{
  size_t done = 0;

  while (done < len) {
    ssize_t r = write (s->local.recall.fd, bytes + done, len - done);

    if (r == -1 && errno != EINTR)
      return keep_failed (s, err);
    if (r > 0)
      done += (size_t)r;
  }
  s->local.recall.have += len;
  return 0;
}

static int
ended (const struct source *s, const struct source_want *w, struct error *err)
{
  return fail (err, ERR_IMAGE_TRUNCATED,
               "%s: the image is truncated: it ends after %" PRIu64
               " bytes, and a table lies at host offset %" PRIu64 "; give all of it",
               s->shown, s->local.recall.have, w->range.at.v);
}

/* Up to END. */
static int
read_on (struct source *s, const struct source_want *w, uint64_t end, struct error *err)
{
  OWN_MEM uint8_t *buf = malloc (CHUNK);
  size_t got;

  if (buf == NULL)
    return fail_memory (err, "a read buffer");
  while (s->local.recall.have < end) {
    if (source_stream_read (s, buf, (size_t)min_u64 (CHUNK, end - s->local.recall.have), &got,
                            err)
        == -1)
      return -1;
    if (got == 0)
      return ended (s, w, err);
    if (keep (s, buf, got, err) == -1)
      return -1;
  }
  return 0;
}

int
recall_read (struct source *s, const struct source_want *w, struct error *err)
{
  size_t done = 0;

  if (host_end (w->range) >> REACH_BITS != 0) /* no stream is that long */
    return ended (s, w, err);
  if ((s->local.recall.fd == -1 && begin (s, err) == -1)
      || read_on (s, w, host_end (w->range), err) == -1)
    return -1;
  while (done < w->range.len) {
    ssize_t r = pread (s->local.recall.fd, w->buf + done, (size_t)(w->range.len - done),
                       (off_t)(w->range.at.v + done));

    if (r == 0 || (r == -1 && errno != EINTR))
      return keep_failed (s, err);
    if (r > 0)
      done += (size_t)r;
  }
  return 0;
}
