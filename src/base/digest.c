/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * digest: see digest.h.  struct sha256_ctx is part of nettle's documented interface; this is
 * the only file that looks inside.
 */
#include "base/digest.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/extent.h"

void
digest_init (struct digest *d)
{
  sha256_init (&d->ctx);
}

void
digest_update (struct digest *d, const void *buf, size_t len)
{
  sha256_update (&d->ctx, len, buf);
}

void
digest_zeros (struct digest *d, uint64_t len)
{
  static const uint8_t zeros[65536];

  while (len > 0) {
    size_t n = (size_t)min_u64 (len, sizeof zeros);

    sha256_update (&d->ctx, n, zeros);
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
