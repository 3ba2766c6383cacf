/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * local_file: images on this machine.  Regular files and block devices are read with pread,
 * without libcurl; pipes (standard input, FIFOs) in order.  Opened once: what the name means
 * later is of no consequence.
 */
#include "source/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"

enum { PIECE = 256 * 1024 };

static int
open_failed (const struct source *s, int errnum, struct error *err)
{
  enum error_code code = ERR_SOURCE_FAILED;

  if (errnum == ENOENT || errnum == ENOTDIR)
    code = ERR_SOURCE_NOT_FOUND;
  else if (errnum == EACCES || errnum == EPERM)
    code = ERR_SOURCE_DENIED;
  return fail_errno (err, code, errnum, "%s: cannot be opened; check the path, or mend this",
                     s->shown);
}

static int
open_fd (struct source *s, const char *path, struct error *err)
{
  int fd;

  if (url_descriptor (path, &fd)) {
    s->local.fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
    if (s->local.fd == -1 && errno == EBADF)
      return fail (
          err, ERR_USAGE,
          "%s: no descriptor of that number is open; pass it on open, or name the image",
          s->shown);
  } else { /* a FIFO without a writer would block the open */
    s->local.fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  if (s->local.fd == -1 || fstat (s->local.fd, &s->local.st) == -1)
    return open_failed (s, errno, err);
  return 0;
}

/* What tells its length itself. */
int
refuse_length (const struct source *s, struct error *err)
{
  return fail (err, ERR_USAGE, "%s: --length is of a pipe or a socket; leave it out", s->shown);
}

int
file_open (struct source *s, const char *path, struct error *err)
{
  mode_t type;

  if (open_fd (s, path, err) == -1)
    return -1;
  type = s->local.st.st_mode & S_IFMT;
  if (strcmp (path, "-") == 0 || type == S_IFIFO || type == S_IFSOCK
      || (type == S_IFCHR && url_descriptor (path, NULL))) {
    s->kind = SOURCE_PIPE;
    return 0;
  }
  if (s->options.length > 0)
    return refuse_length (s, err);
  if (type != S_IFREG && type != S_IFBLK)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: neither a file nor a block device nor a pipe; name one of these",
                 s->shown);
  s->kind = SOURCE_FILE;
  s->local.buf = malloc (PIECE);
  return s->local.buf == NULL ? fail_memory (err, "a read buffer") : 0;
}

/* A device has no time of change that says anything. */
static int
file_identity (struct source *s, struct error *err)
{
  struct source_identity *id = &s->id;
  off_t end;

  *id = (struct source_identity){ .trust = SOURCE_TRUST_LENGTH, .ranges = true };
  if (fstat (s->local.fd, &s->local.st) == -1)
    return open_failed (s, errno, err);
  if (S_ISREG (s->local.st.st_mode)) {
    id->length = (uint64_t)s->local.st.st_size;
    id->trust = SOURCE_TRUST_STRONG;
    snprintf (id->etag, sizeof id->etag, "\"file-%ju-%ju-%jd.%09ld\"",
              (uintmax_t)s->local.st.st_ino, (uintmax_t)s->local.st.st_size,
              (intmax_t)s->local.st.st_mtim.tv_sec, s->local.st.st_mtim.tv_nsec);
    return 0;
  }
  end = lseek (s->local.fd, 0, SEEK_END);
  if (end == -1)
    return open_failed (s, errno, err);
  id->length = (uint64_t)end;
  return 0;
}

static int
file_changed (struct source *s, const char *why, struct error *err)
{
  source_tell (s, "source_changed", "%s: %s", s->shown, why);
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began: %s; `qimport resume --restart` "
               "begins anew",
               s->shown, why);
}

int
file_probe (struct source *s, const struct source_identity *recorded, bool accept_new_validator,
            struct error *err)
{
  if (s->kind == SOURCE_PIPE) {
    s->id = (struct source_identity){ .length = LENGTH_UNKNOWN, .trust = SOURCE_TRUST_LENGTH };
    if (s->options.length > 0)
      s->id.length = s->options.length;
    return 0;
  }
  if (file_identity (s, err) == -1)
    return -1;
  if (recorded == NULL)
    return 0;
  if (recorded->length != LENGTH_UNKNOWN && recorded->length != s->id.length)
    return file_changed (s, "its length is another", err);
  if (!accept_new_validator && recorded->etag[0] != '\0'
      && strcmp (recorded->etag, s->id.etag) != 0)
    return file_changed (s, "it is another file, or was written to", err);
  return 0;
}

/* Wait until the rate limit lets bytes through. */
static int
pace (struct source *s, struct error *err)
{
  int64_t wait_ms;

  while ((wait_ms = rate_wait_ms (&s->rate, monotonic_ms ())) > 0) {
    if (engine_stopped (s, err) == -1)
      return -1;
    poll (NULL, 0, (int)min_u64 ((uint64_t)wait_ms, POLL_MS));
  }
  return 0;
}

/* J4: looked at after the bytes were read, so that a change before or meanwhile shows. */
static int
file_unchanged (struct source *s, struct error *err)
{
  struct stat now;

  if (!S_ISREG (s->local.st.st_mode))
    return 0;
  if (fstat (s->local.fd, &now) == -1)
    return open_failed (s, errno, err);
  if (now.st_size != s->local.st.st_size || now.st_mtim.tv_sec != s->local.st.st_mtim.tv_sec
      || now.st_mtim.tv_nsec != s->local.st.st_mtim.tv_nsec)
    return file_changed (s, "it is being written to", err);
  return 0;
}

int
file_read (struct source *s, uint64_t at, uint8_t *buf, size_t len, struct error *err)
{
  size_t done = 0;

  if (engine_stopped (s, err) == -1 || pace (s, err) == -1)
    return -1;
  while (done < len) {
    ssize_t r = pread (s->local.fd, buf + done, len - done, (off_t)(at + done));

    if (r == -1 && errno == EINTR)
      continue;
    if (r == -1)
      return fail_errno (err, ERR_SOURCE_FAILED, errno,
                         "%s at host offset %" PRIu64 ": cannot be read", s->shown, at + done);
    if (r == 0)
      return file_changed (s, "it ends earlier", err);
    done += (size_t)r;
  }
  s->seen.fetched += len;
  rate_take (&s->rate, len);
  return file_unchanged (s, err);
}

static int
serve (struct source *s, struct job *job, struct error *err)
{
  size_t len = (size_t)min_u64 (PIECE, job->range.len - job->done);
  host_off at = { job->range.at.v + job->done };

  if (file_read (s, at.v, s->local.buf, len, err) == -1
      || job->sink (job->ctx, at, s->local.buf, len, err) == -1)
    return -1;
  job->done += len;
  if (job->done < job->range.len)
    return 0;
  job_finish (job);
  return 1;
}

/* One piece of the first job. */
int
file_step (struct source *s, int timeout_ms, struct error *err)
{
  struct job *first = NULL;
  size_t i;

  if (engine_stopped (s, err) == -1)
    return -1;
  for (i = 0; i < s->jobs.n; i++) {
    struct job *job = &s->jobs.job[i];

    if (job->state != JOB_FREE && (first == NULL || job->due_ms < first->due_ms))
      first = job;
  }
  if (first != NULL)
    return serve (s, first, err);
  curl_multi_poll (s->net.multi, NULL, 0, timeout_ms < POLL_MS ? timeout_ms : POLL_MS, NULL);
  return 0;
}

/* What is readable now, or the end: 0; 1: nothing for WAIT_MS. */
static int
pipe_wait (struct source *s, int wait_ms, struct error *err)
{
  struct pollfd p = { .fd = s->local.fd, .events = POLLIN };
  int64_t until = monotonic_ms () + wait_ms;

  for (;;) {
    int64_t left = wait_ms < 0 ? POLL_MS : until - monotonic_ms ();
    int r;

    if (engine_stopped (s, err) == -1)
      return -1;
    r = poll (&p, 1, (int)(left < 0 ? 0 : left < POLL_MS ? left : POLL_MS));
    if (r > 0 || (r == -1 && errno != EINTR))
      return 0;
    if (r == 0 && wait_ms >= 0 && left <= 0)
      return 1;
  }
}

/* Behind its last byte nothing is read: what follows there is somebody else's. */
static size_t
pipe_room (const struct source *s, size_t max)
{
  return (size_t)min_u64 (max, s->id.length - (s->stream.taken + s->stream.fill));
}

int
pipe_read (struct source *s, uint8_t *buf, size_t max, int wait_ms, size_t *got,
           struct error *err)
{
  ssize_t r;
  int rc;

  *got = 0;
  max = pipe_room (s, max);
  if (max == 0)
    return 0;
  if (pace (s, err) == -1)
    return -1;
  do {
    rc = pipe_wait (s, wait_ms, err);
    if (rc != 0)
      return rc;
    r = read (s->local.fd, buf, max);
  } while (r == -1 && (errno == EINTR || errno == EAGAIN));
  if (r == -1 && (errno == ECONNRESET || errno == ECONNABORTED)) {
    s->stream.broke = true;
    r = 0;
  }
  if (r == -1)
    return fail_errno (err, ERR_SOURCE_FAILED, errno,
                       "%s at host offset %" PRIu64 ": cannot be read", s->shown,
                       s->stream.taken + s->stream.fill);
  s->seen.fetched += (uint64_t)r;
  rate_take (&s->rate, (size_t)r);
  *got = (size_t)r;
  return 0;
}
