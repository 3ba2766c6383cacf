/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zstd: one frame, or one skippable frame, by libzstd.  Of a frame's header (RFC 8878, 3.1.1.1)
 * this reads how long it is and which window it asks for, before libzstd allocates one.
 */
#include "unwrap/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
  MAGIC = 4,
  SKIPPABLE_HEADER = 8,
  SINGLE_SEGMENT = 1 << 5,
  WINDOW_LOG_MIN = 10,
  BLOCKS
  = 3 * (128 << 10) /* what libzstd takes beside the window, for a block in and two out */
};

struct zstd {
  ZSTD_DCtx *d;
  uint64_t window;
  bool full; /* there was no more room: there may be more output */
};

static const uint8_t id_len[] = { 0, 1, 2, 4 };

static bool
is_skippable (const uint8_t *head, size_t n)
{
  return (head[0] & 0xf0) == 0x50 && unwrap_begins (head + 1, n - 1, "\x2a\x4d\x18", 3);
}

static bool
is_single (const uint8_t *head)
{
  return (head[MAGIC] & SINGLE_SEGMENT) != 0;
}

/* Of the frame's content size. */
static size_t
size_len (const uint8_t *head)
{
  static const uint8_t len[] = { 0, 2, 4, 8 };
  unsigned flag = head[MAGIC] >> 6;

  return flag == 0 && is_single (head) ? 1 : len[flag];
}

static size_t
zstd_need (const uint8_t *head, size_t n)
{
  if (is_skippable (head, n))
    return SKIPPABLE_HEADER;
  if (!unwrap_begins (head, n, "\x28\xb5\x2f\xfd", MAGIC))
    return 0;
  if (n <= MAGIC)
    return MAGIC + 1;
  return MAGIC + 1 + (is_single (head) ? 0 : 1) + id_len[head[MAGIC] & 3] + size_len (head);
}

static uint64_t
content_size (const uint8_t *at, size_t len)
{
  uint64_t v = 0;
  size_t i;

  for (i = 0; i < len; i++)
    v |= (uint64_t)at[i] << 8 * i;
  return len == 2 ? v + 256 : v;
}

/* A single segment is its own window. */
static uint64_t
window_of (const uint8_t *head)
{
  unsigned log = WINDOW_LOG_MIN + (head[MAGIC + 1] >> 3), eighths = head[MAGIC + 1] & 7;
  uint64_t base = UINT64_C (1) << log;

  if (is_single (head))
    return content_size (head + MAGIC + 1 + id_len[head[MAGIC] & 3], size_len (head));
  return base + base / 8 * eighths;
}

static int
allow_window (struct unwrap *u, uint64_t window, struct error *err)
{
  struct zstd *z = u->state;
  int log = WINDOW_LOG_MIN, most = ZSTD_dParam_getBounds (ZSTD_d_windowLogMax).upperBound;

  while (log <= most && window > UINT64_C (1) << log)
    log++;
  if (log > most)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "the zstd file's frame at byte %" PRIu64 " asks for a window of %" PRIu64
                 " bytes, and libzstd has none larger than %" PRIu64
                 "; pack it with a smaller one",
                 u->taken, window, UINT64_C (1) << most);
  if (window > u->limits.window)
    return unwrap_window (u, window, err);
  ZSTD_DCtx_setParameter (z->d, ZSTD_d_windowLogMax, log);
  z->window = window;
  return 0;
}

static int
zstd_begin (struct unwrap *u, const uint8_t *head, struct error *err)
{
  struct zstd *z = u->state;

  if (z == NULL)
    u->state = z = calloc (1, sizeof *z);
  if (z != NULL && z->d == NULL)
    z->d = ZSTD_createDCtx ();
  if (z == NULL || z->d == NULL)
    return fail_memory (err, "unpacking zstd");
  ZSTD_DCtx_reset (z->d, ZSTD_reset_session_only);
  z->full = false;
  if (is_skippable (head, SKIPPABLE_HEADER))
    return 0;
  if (id_len[head[MAGIC] & 3] != 0)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "the zstd file's frame at byte %" PRIu64
                 " was packed with a dictionary, which is not read; unpack it first",
                 u->taken);
  return allow_window (u, window_of (head), err);
}

static int
zstd_fault (const struct unwrap *u, size_t rc, struct error *err)
{
  if (ZSTD_getErrorCode (rc) == ZSTD_error_memory_allocation)
    return fail_memory (err, "unpacking zstd");
  return unwrap_damaged (u, ZSTD_getErrorName (rc), err);
}

/* libzstd takes calls in which nothing can happen for an error of the caller's. */
static int
zstd_step (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  struct zstd *z = u->state;
  ZSTD_inBuffer in = { io->in, io->in_len, 0 };
  ZSTD_outBuffer out = { io->out, io->out_len, 0 };
  size_t rc;

  (void)last;
  if (io->in_len == 0 && !z->full)
    return 1;
  rc = ZSTD_decompressStream (z->d, &out, &in);
  unwrap_moved (u, io, in.pos, out.pos);
  z->full = out.pos == out.size;
  if (ZSTD_isError (rc))
    return zstd_fault (u, rc, err);
  return rc == 0 ? 0 : 1;
}

static uint64_t
zstd_memory (const struct unwrap *u)
{
  const struct zstd *z = u->state;

  return (z->d != NULL ? ZSTD_sizeof_DCtx (z->d) : 0) + z->window + BLOCKS;
}

static void
zstd_close (struct unwrap *u)
{
  struct zstd *z = u->state;

  ZSTD_freeDCtx (z->d);
  free (z);
}

const struct unwrap_codec unwrap_zstd
    = { zstd_need, zstd_begin, zstd_step, zstd_memory, zstd_close };
