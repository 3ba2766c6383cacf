/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gzip: one member, by zlib, which verifies its CRC and its length.
 */
#include "unwrap/codec.h"

#include <stdlib.h>
#include <zlib.h>

enum {
  WINDOW_BITS = 15,
  GZIP_ONLY = 16,
  STATE_SIZE = 12 << 10, /* what zlib.h says that inflate takes besides its window, and more */
  MAGIC = 3
};

static size_t
gzip_need (const uint8_t *head, size_t n)
{
  return unwrap_begins (head, n, "\x1f\x8b\x08", MAGIC) ? MAGIC : 0;
}

static int
gzip_begin (struct unwrap *u, const uint8_t *head, struct error *err)
{
  z_stream *z = u->state;

  (void)head;
  if (z != NULL) {
    inflateReset (z);
    return 0;
  }
  z = calloc (1, sizeof *z);
  if (z == NULL || inflateInit2 (z, WINDOW_BITS + GZIP_ONLY) != Z_OK) {
    free (z);
    return fail_memory (err, "unpacking gzip");
  }
  u->state = z;
  return 0;
}

static uInt
at_once (size_t len)
{
  return len < 1 << 30 ? (uInt)len : 1 << 30;
}

static int
gzip_step (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  z_stream *z = u->state;
  const uInt in = at_once (io->in_len), out = at_once (io->out_len);
  int rc;

  (void)last;
  z->next_in = (z_const Bytef *)io->in;
  z->avail_in = in;
  z->next_out = io->out;
  z->avail_out = out;
  rc = inflate (z, Z_NO_FLUSH);
  unwrap_moved (u, io, in - z->avail_in, out - z->avail_out);
  switch (rc) {
  case Z_STREAM_END:
    return 0;
  case Z_OK:
  case Z_BUF_ERROR: /* neither bytes nor room: no error */
    return 1;
  case Z_MEM_ERROR:
    return fail_memory (err, "unpacking gzip");
  case Z_DATA_ERROR:
    return unwrap_damaged (u, z->msg != NULL ? z->msg : "its data is broken", err);
  }
  return fail (err, ERR_INTERNAL, "inflate () says %d", rc);
}

static uint64_t
gzip_memory (const struct unwrap *u)
{
  (void)u;
  return (1 << WINDOW_BITS) + STATE_SIZE;
}

static void
gzip_close (struct unwrap *u)
{
  inflateEnd (u->state);
  free (u->state);
}

const struct unwrap_codec unwrap_gzip
    = { gzip_need, gzip_begin, gzip_step, gzip_memory, gzip_close };
