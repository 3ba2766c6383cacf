/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * committed: see committed.h.
 */
#include "verify/committed.h"

#include <stdlib.h>
#include <string.h>

void
committed_init (struct committed *c, struct journal_reader *reader,
                const struct journal_import *imp, const struct layer_format *formats)
{
  memset (c, 0, sizeof *c);
  c->reader = reader;
  c->imp = imp;
  c->decoders.formats = formats;
}

void
committed_release (struct committed *c)
{
  decoders_release (&c->decoders);
  free (c->cluster);
  c->cluster = NULL;
  c->cluster_size = 0;
}

/* Guest bytes of E, the I-th extent of S, that are committed. */
static uint64_t
committed_len (const struct segment *s, uint64_t i, const struct extent *e)
{
  if (s->committed || i < s->committed_extents)
    return e->len;
  if (i > s->committed_extents || e->kind != EXTENT_DATA || s->committed_to.v <= e->host.v)
    return 0;
  return min_u64 (e->len, s->committed_to.v - e->host.v);
}

int
committed_walk (struct committed *c, const struct segment *s, committed_extent each, void *ctx,
                struct error *err)
{
  uint64_t i = 0, end = s->extents;
  size_t k, n;

  if (!s->committed)
    end = min_u64 (end, s->committed_extents + 1);
  while (i < end) {
    if (journal_extents (c->reader, s, i, c->batch, (size_t)min_u64 (COMMITTED_BATCH, end - i),
                         &n, err)
        == -1)
      return -1;
    for (k = 0; k < n; k++, i++) {
      uint64_t len = committed_len (s, i, &c->batch[k]);

      if (len > 0 && each (ctx, &c->batch[k], len, err) == -1)
        return -1;
    }
  }
  return 0;
}

/* ---- Decoding -----------------------------------------------------------------------------
 */

struct decoding {
  struct committed *c;
  const struct segment *seg;
  const uint8_t *bytes;
  committed_put put;
  void *ctx;
};

static int
make_room (struct committed *c, size_t size, struct error *err)
{
  if (c->cluster_size >= size)
    return 0;
  free (c->cluster);
  c->cluster = malloc (size);
  c->cluster_size = c->cluster == NULL ? 0 : size;
  return c->cluster == NULL ? fail_memory (err, "a cluster") : 0;
}

static int
decode_extent (void *ctx, const struct extent *e, uint64_t len, struct error *err)
{
  struct decoding *d = ctx;
  struct committed *c = d->c;
  const uint8_t *in = d->bytes + (e->host.v - d->seg->need.at.v);

  if (decoders_check (&c->decoders, c->reader, e, err) == -1)
    return -1;
  if (e->kind != EXTENT_COMPRESSED)
    return d->put (d->ctx, e->guest, in, len, err);
  if (make_room (c, decoders_cluster (&c->decoders, e->layer), err) == -1
      || decoders_decode (&c->decoders, e, in, c->cluster, err) == -1)
    return -1;
  return d->put (d->ctx, e->guest, c->cluster + e->skip, len, err);
}

int
committed_decode (struct committed *c, const struct segment *s, const uint8_t *bytes,
                  committed_put put, void *ctx, struct error *err)
{
  struct decoding d = { c, s, bytes, put, ctx };

  return committed_walk (c, s, decode_extent, &d, err);
}

/* ---- Digests ------------------------------------------------------------------------------
 */

static int
put_digest (void *ctx, guest_off at, const uint8_t *buf, uint64_t len, struct error *err)
{
  (void)at;
  (void)err;
  digest_update (ctx, buf, len);
  return 0;
}

int
committed_compare (struct committed *c, const struct segment *s, const uint8_t *bytes,
                   struct error *err)
{
  struct digest d;

  digest_init (&d);
  if (committed_decode (c, s, bytes, put_digest, &d, err) == -1)
    return err->code == ERR_IMAGE_MALFORMED || err->code == ERR_IMAGE_TRUNCATED ? 1 : -1;
  return committed_is_same (s, &d) ? 0 : 1;
}

bool
committed_is_same (const struct segment *s, const struct digest *d)
{
  uint8_t found[DIGEST_STATE_MAX];

  if (!s->committed)
    return digest_save (d, found) == s->hash_len && memcmp (found, s->hash, s->hash_len) == 0;
  digest_peek (d, found);
  return s->digest_final && s->hash_len == DIGEST_SIZE
         && memcmp (found, s->hash, DIGEST_SIZE) == 0;
}
