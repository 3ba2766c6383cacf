/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bzip2: one stream, by libbz2, which verifies the CRC of each block and of all of them.
 */
#include "unwrap/codec.h"

#include <bzlib.h>
#include <stdlib.h>

enum {
  MAGIC = 4,
  LEVEL_SIZE = 100000, /* bytes of a block, by the digit */
  LEVEL_COST = 4,      /* bytes a byte of a block, bzlib.h says */
  FIXED_COST = 100000
};

struct bzip2 {
  bz_stream z;
  bool open;
  unsigned level;
};

static size_t
bzip2_need (const uint8_t *head, size_t n)
{
  if (!unwrap_begins (head, n, "BZh", 3) || (n >= MAGIC && (head[3] < '1' || head[3] > '9')))
    return 0;
  return MAGIC;
}

static void
bzip2_end (struct bzip2 *b)
{
  if (b->open)
    BZ2_bzDecompressEnd (&b->z);
  b->open = false;
}

/* libbz2 has no reset. */
static int
bzip2_begin (struct unwrap *u, const uint8_t *head, struct error *err)
{
  struct bzip2 *b = u->state;

  if (b == NULL)
    u->state = b = calloc (1, sizeof *b);
  if (b == NULL)
    return fail_memory (err, "unpacking bzip2");
  bzip2_end (b);
  b->level = head[3] - '0';
  if (BZ2_bzDecompressInit (&b->z, 0, 0) != BZ_OK)
    return fail_memory (err, "unpacking bzip2");
  b->open = true;
  return 0;
}

static unsigned
at_once (size_t len)
{
  return len < 1 << 30 ? (unsigned)len : 1 << 30;
}

static int
bzip2_step (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  struct bzip2 *b = u->state;
  const unsigned in = at_once (io->in_len), out = at_once (io->out_len);
  int rc;

  (void)last;
  b->z.next_in = (char *)io->in;
  b->z.avail_in = in;
  b->z.next_out = (char *)io->out;
  b->z.avail_out = out;
  rc = BZ2_bzDecompress (&b->z);
  unwrap_moved (u, io, in - b->z.avail_in, out - b->z.avail_out);
  switch (rc) {
  case BZ_STREAM_END:
    return 0;
  case BZ_OK:
    return 1;
  case BZ_MEM_ERROR:
    return fail_memory (err, "unpacking bzip2");
  case BZ_DATA_ERROR:
    return unwrap_damaged (u, "its data is broken, or its CRC differs", err);
  case BZ_DATA_ERROR_MAGIC:
    return unwrap_damaged (u, "no block where one must be", err);
  }
  return fail (err, ERR_INTERNAL, "BZ2_bzDecompress () says %d", rc);
}

static uint64_t
bzip2_memory (const struct unwrap *u)
{
  const struct bzip2 *b = u->state;

  return (uint64_t)b->level * LEVEL_SIZE * LEVEL_COST + FIXED_COST;
}

static void
bzip2_close (struct unwrap *u)
{
  bzip2_end (u->state);
  free (u->state);
}

const struct unwrap_codec unwrap_bzip2
    = { bzip2_need, bzip2_begin, bzip2_step, bzip2_memory, bzip2_close };
