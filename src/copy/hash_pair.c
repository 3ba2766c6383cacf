/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hash_pair: see hash_pair.h.
 */
#include "copy/hash_pair.h"

#include <assert.h>

#include "base/extent.h"

void
pair_begin (struct hash_pair *p, struct digest *segment, struct image_bytes *image)
{
  assert (image == NULL || image->at <= image->end);
  p->segment = segment;
  p->image = image;
  p->n = p->bytes = 0;
}

void
pair_add (struct hash_pair *p, const uint8_t *buf, size_t len)
{
  if (p->segment == NULL)
    return;
  if (p->n > 0 && p->piece[p->n - 1].buf + p->piece[p->n - 1].len == buf) {
    p->piece[p->n - 1].len += len;
  } else {
    if (p->n == PAIR_PIECES)
      pair_flush (p);
    p->piece[p->n].buf = buf;
    p->piece[p->n++].len = len;
  }
  p->bytes += len;
  if (p->bytes >= PAIR_BYTES)
    pair_flush (p);
}

static void
hash_image_to (struct image_bytes *i, const uint8_t *end)
{
  hash_update (&i->hash, i->at, (size_t)(end - i->at));
  i->at = end;
}

/* Plain data is the image's own bytes: the two go in step, so that the bytes are read once. */
static void
hash_both (struct digest *segment, struct image_bytes *i, const uint8_t *buf, size_t len)
{
  size_t n;

  if ((uintptr_t)buf > (uintptr_t)i->at && (uintptr_t)buf < (uintptr_t)i->end)
    hash_image_to (i, buf);
  n = (size_t)min_u64 (len, (uint64_t)(i->end - i->at));
  hash_update_beside (&i->hash, i->at, n, segment, buf, len);
  i->at += n;
}

void
pair_flush (struct hash_pair *p)
{
  size_t k;

  for (k = 0; k < p->n; k++)
    if (p->image == NULL)
      digest_update (p->segment, p->piece[k].buf, p->piece[k].len);
    else
      hash_both (p->segment, p->image, p->piece[k].buf, p->piece[k].len);
  p->n = p->bytes = 0;
}

void
pair_end (struct hash_pair *p)
{
  pair_flush (p);
  if (p->image != NULL)
    hash_image_to (p->image, p->image->end);
}
