/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * digest: see digest.h.  struct sha256_ctx is part of nettle's documented interface; this is
 * the only file that looks inside.  Whole blocks are sha256_blocks.h's where the processor can;
 * the rest, and the padding, is nettle's.
 */
#include "base/digest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/extent.h"
#include "base/sha256_blocks.h"

void
digest_init (struct digest *d)
{
  sha256_init (&d->ctx);
}

/* As much of BUF as completes the block that is begun; how much. */
static size_t
complete_block (struct digest *d, const uint8_t *buf, size_t len)
{
  size_t n = d->ctx.index == 0 ? 0 : SHA256_BLOCK - d->ctx.index;

  n = n < len ? n : len;
  if (n > 0)
    sha256_update (&d->ctx, n, buf);
  return n;
}

void
digest_update (struct digest *d, const void *buf, size_t len)
{
  const uint8_t *p = buf;
  size_t n;

  if (len >= SHA256_BLOCK && sha256_blocks_here ()) {
    n = complete_block (d, p, len);
    p += n;
    n = (len - n) / SHA256_BLOCK;
    sha256_blocks_one (d->ctx.state, p, n);
    d->ctx.count += n;
    p += n * SHA256_BLOCK;
    len -= (size_t)(p - (const uint8_t *)buf);
  }
  sha256_update (&d->ctx, len, p);
}

/* Both are at the border of a block. */
static void
update_blocks (struct digest *a, const uint8_t *pa, struct digest *b, const uint8_t *pb,
               size_t n)
{
  assert (a != b && a->ctx.index == 0 && b->ctx.index == 0);
  if (pa == pb)
    sha256_blocks_both (a->ctx.state, b->ctx.state, pa, n);
  else
    sha256_blocks_two (a->ctx.state, pa, b->ctx.state, pb, n);
  a->ctx.count += n;
  b->ctx.count += n;
}

void
digest_update_two (struct digest *a, const void *abuf, size_t alen, struct digest *b,
                   const void *bbuf, size_t blen)
{
  const uint8_t *pa = abuf, *pb = bbuf;
  size_t ka, kb, n;

  if (min_u64 (alen, blen) >= 2 * SHA256_BLOCK && sha256_blocks_here ()) {
    ka = complete_block (a, pa, alen);
    kb = complete_block (b, pb, blen);
    n = (size_t)min_u64 (alen - ka, blen - kb) / SHA256_BLOCK;
    update_blocks (a, pa + ka, b, pb + kb, n);
    ka += n * SHA256_BLOCK;
    kb += n * SHA256_BLOCK;
    pa += ka;
    pb += kb;
    alen -= ka;
    blen -= kb;
  }
  digest_update (a, pa, alen);
  digest_update (b, pb, blen);
}

void
digest_zeros (struct digest *d, uint64_t len)
{
  static const uint8_t zeros[65536];

  while (len > 0) {
    size_t n = (size_t)min_u64 (len, sizeof zeros);

    digest_update (d, zeros, n);
    len -= n;
  }
}

void
digest_peek (const struct digest *d, uint8_t out[DIGEST_SIZE])
{
  struct sha256_ctx copy = d->ctx;

  sha256_digest (&copy, DIGEST_SIZE, out);
}

uint64_t
digest_count (const struct digest *d)
{
  return d->ctx.count * SHA256_BLOCK_SIZE + d->ctx.index;
}

size_t
digest_save (const struct digest *d, uint8_t out[DIGEST_STATE_MAX])
{
  size_t i;

  for (i = 0; i < 8; i++)
    store_be32 (out + 4 * i, d->ctx.state[i]);
  store_be64 (out + 32, digest_count (d));
  memcpy (out + 40, d->ctx.block, d->ctx.index);
  return 40 + d->ctx.index;
}

bool
digest_load (struct digest *d, const uint8_t *state, size_t len)
{
  uint64_t count;
  size_t i;

  if (len < 40 || len > DIGEST_STATE_MAX)
    return false;
  count = load_be64 (state + 32);
  if (count % SHA256_BLOCK_SIZE != len - 40)
    return false;
  sha256_init (&d->ctx);
  for (i = 0; i < 8; i++)
    d->ctx.state[i] = load_be32 (state + 4 * i);
  d->ctx.count = count / SHA256_BLOCK_SIZE;
  d->ctx.index = (unsigned)(count % SHA256_BLOCK_SIZE);
  memcpy (d->ctx.block, state + 40, d->ctx.index);
  return true;
}

char *
digest_hex (char out[DIGEST_HEX], const uint8_t digest[DIGEST_SIZE])
{
  size_t i;

  for (i = 0; i < DIGEST_SIZE; i++)
    snprintf (out + 2 * i, 3, "%02x", digest[i]);
  return out;
}
