/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * read_forward: the bytes of a source in order, for those that know no ranges: a plain server's
 * body, a pipe; or where reading forward was asked for.  A body that breaks off is read again
 * from its start, and what was delivered is compared, not delivered twice (J3, J4).
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MAGIC = 8, PIPE_HEAD = 512, HEAD_WAIT_MS = 1000 };

int
stream_alloc (struct source *s, size_t head_max, struct error *err)
{
  struct inflow *st = &s->stream;

  if (st->buf != NULL)
    return 0;
  st->cap = max_u64 (STREAM_BUFFER, head_max + 2 * CURL_MAX_WRITE_SIZE);
  st->buf = malloc (st->cap);
  digest_init (&st->seen);
  return st->buf == NULL ? fail_memory (err, "the stream") : 0;
}

bool
stream_room (const struct source *s, size_t len)
{
  return s->stream.cap - s->stream.fill >= len;
}

static void
stream_put (struct inflow *st, const uint8_t *data, size_t len)
{
  size_t end = (st->start + st->fill) % st->cap;
  size_t first = (size_t)min_u64 (len, st->cap - end);

  memcpy (st->buf + end, data, first);
  memcpy (st->buf, data + first, len - first);
  st->fill += len;
}

static void
stream_copy (const struct inflow *st, uint8_t *out, size_t len)
{
  size_t first = (size_t)min_u64 (len, st->cap - st->start);

  memcpy (out, st->buf + st->start, first);
  memcpy (out + first, st->buf, len - first);
}

static size_t
stream_take (struct inflow *st, uint8_t *out, size_t max)
{
  size_t len = (size_t)min_u64 (max, st->fill);

  stream_copy (st, out, len);
  st->start = (st->start + len) % st->cap;
  st->fill -= len;
  st->taken += len;
  return len;
}

/* There is room: on_body waits for it. */
static int
take_bytes (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct source *s = ctx;

  (void)at;
  (void)err;
  if (s->places.reference->image.id.trust != SOURCE_TRUST_STRONG)
    digest_update (&s->stream.seen, data, len);
  stream_put (&s->stream, data, len);
  return 0;
}

int
stream_adopt (struct job *job, uint64_t total, struct error *err)
{
  struct source *s = job->s;

  (void)err;
  job->kind = JOB_STREAM;
  job->range.at.v = 0;
  job->range.len = total == LENGTH_UNKNOWN ? INT64_MAX : total;
  job->done = 0;
  job->tail_len = 0;
  job->sink = take_bytes;
  job->ctx = s;
  job->answer.bytes.skip = 0;
  s->stream.begun = true;
  s->stream.job = job;
  return 0;
}

/* Read forward although ranges are honoured. */
static int
stream_begin (struct source *s, struct error *err)
{
  struct host_range range = { { s->stream.taken }, s->id.length - s->stream.taken };

  s->stream.begun = true;
  if (range.len == 0) {
    s->stream.ended = true;
    return 0;
  }
  s->stream.job = job_new (s, JOB_STREAM, range, take_bytes, s);
  if (s->stream.job == NULL)
    return fail (err, ERR_INTERNAL, "%s: no room for the stream", s->shown);
  s->stream.job->bound = s->places.reference;
  return 0;
}

/* Until LEN bytes are in the buffer, or the end; 1: nothing came for WAIT_MS, -1: wait. */
static int
stream_fill (struct source *s, size_t len, int wait_ms, struct error *err)
{
  int64_t until = monotonic_ms () + wait_ms;
  struct inflow *st = &s->stream;
  size_t got;
  int rc;

  while (st->fill < len && !st->ended) {
    if (s->kind == SOURCE_HTTP) {
      if (engine_turn (s, POLL_MS, err) == -1)
        return -1;
      if (wait_ms >= 0 && st->fill < len && monotonic_ms () >= until)
        return 1;
      continue;
    }
    /* a pipe: only before anything was taken, so that start is 0 */
    rc = pipe_read (s, st->buf + st->fill, len - st->fill, wait_ms, &got, err);
    if (rc != 0)
      return rc;
    st->fill += got;
    st->ended = got == 0;
  }
  return 0;
}

/* A pipe may stay open behind something small: what tells what it is, and what else comes soon.
 */
static int
fill_pipe (struct source *s, size_t most, struct error *err)
{
  size_t head = min_u64 (most, PIPE_HEAD);

  if (s->options.recall)
    return stream_fill (s, head, -1, err);
  return stream_fill (s, min_u64 (most, MAGIC), -1, err) == -1
                 || stream_fill (s, most, HEAD_WAIT_MS, err) == -1
             ? -1
             : 0;
}

int
stream_peek (struct source *s, uint8_t *head, size_t head_max, size_t *head_len,
             struct error *err)
{
  if ((s->kind == SOURCE_PIPE ? fill_pipe (s, head_max, err)
                              : stream_fill (s, head_max, -1, err))
      == -1)
    return -1;
  *head_len = (size_t)min_u64 (head_max, s->stream.fill);
  stream_copy (&s->stream, head, *head_len);
  return 0;
}

int
source_stream_seek (struct source *s, uint64_t at, struct error *err)
{
  if (!s->probed || s->stream.begun || !s->id.ranges || at > s->id.length)
    return fail (err, ERR_INTERNAL, "%s: a stream that cannot begin at byte %llu", s->shown,
                 (unsigned long long)at);
  s->stream.taken = at;
  return 0;
}

static int
read_file (struct source *s, uint8_t *buf, size_t max, size_t *got, struct error *err)
{
  size_t len = (size_t)min_u64 (max, s->id.length - s->stream.taken);

  if (file_read (s, s->stream.taken, buf, len, err) == -1)
    return -1;
  s->stream.taken += len;
  *got = len;
  return 0;
}

/* It ended before the length that was given for it. */
static int
pipe_was_cut (const struct source *s, struct error *err)
{
  return fail (err, ERR_SOURCE_ENDED,
               "%s: ended after %" PRIu64 " of %" PRIu64 " bytes, %" PRIu64
               " are missing; give all of it again",
               s->shown, s->stream.taken, s->id.length, s->id.length - s->stream.taken);
}

static int
read_pipe (struct source *s, uint8_t *buf, size_t max, int wait_ms, size_t *got,
           struct error *err)
{
  struct inflow *st = &s->stream;
  int rc = 0;

  *got = 0;
  if (st->fill > 0) {
    *got = stream_take (st, buf, max);
    return 0;
  }
  if (!st->ended)
    rc = pipe_read (s, buf, max, wait_ms, got, err);
  if (rc != 0)
    return rc;
  st->taken += *got;
  st->ended = *got == 0;
  if (st->ended && s->id.length != LENGTH_UNKNOWN && st->taken != s->id.length)
    return pipe_was_cut (s, err);
  return 0;
}

static int
read_http (struct source *s, uint8_t *buf, size_t max, int wait_ms, size_t *got,
           struct error *err)
{
  struct inflow *st = &s->stream;
  int r = 0;

  if (!st->begun && stream_begin (s, err) == -1)
    return -1;
  if (st->fill == 0)
    r = stream_fill (s, 1, wait_ms, err);
  else if (st->fill < st->cap / 2 && st->job != NULL)
    r = engine_turn (s, 0, err) == -1 ? -1 : 0; /* the network goes on beside the caller */
  if (r == -1)
    source_cancel (s);
  if (r != 0)
    return r;
  *got = stream_take (st, buf, max);
  if (*got == 0 && s->id.length != LENGTH_UNKNOWN && st->taken != s->id.length)
    return fail (err, ERR_SOURCE_ENDED, "%s: the stream ended early; `qimport resume` goes on",
                 s->shown);
  return 0;
}

int
source_stream_poll (struct source *s, void *buf, size_t max, size_t *got, struct error *err)
{
  struct inflow *st = &s->stream;

  *got = 0;
  if (s->kind != SOURCE_HTTP || (st->job == NULL && st->fill == 0))
    return 0;
  if (st->job != NULL && engine_turn (s, 0, err) == -1) {
    source_cancel (s);
    return -1;
  }
  *got = stream_take (st, buf, max);
  return 0;
}

int
source_stream_wait (struct source *s, void *buf, size_t max, int wait_ms, size_t *got,
                    struct error *err)
{
  *got = 0;
  if (!s->probed || max == 0)
    return fail (err, ERR_INTERNAL, "%s: read before it was probed", s->shown);
  if (engine_stopped (s, err) == -1)
    return -1;
  switch (s->kind) {
  case SOURCE_HTTP:
    return read_http (s, buf, max, wait_ms, got, err);
  case SOURCE_FILE:
    return read_file (s, buf, max, got, err);
  case SOURCE_PIPE:
    return read_pipe (s, buf, max, wait_ms, got, err);
  }
  return -1;
}

int
source_stream_read (struct source *s, void *buf, size_t max, size_t *got, struct error *err)
{
  return source_stream_wait (s, buf, max, -1, got, err);
}

bool
source_stream_broke (const struct source *s)
{
  return s->stream.broke;
}
