/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_check: see stream_check.h.  All that goes by is checked, not samples of it: the bytes
 * are here anyway, and a pipe can be fed from anywhere.
 */
#include "import/stream_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "import/compare.h"

enum { EXTENT_BATCH = 128 };

struct check {
  struct stream *s;
  const struct segment *seg;
  const uint8_t *bytes; /* of seg->need */
  struct qcow2_decoder *decoder;
  uint8_t *cluster;
  struct digest digest;
};

static int
changed (const struct check *c, struct error *err)
{
  const struct qimport *q = c->s->q;

  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the bytes at host offset %" PRIu64 " are not those that the import began "
               "with; give the same image, or begin anew with `qimport resume --restart %.8s`",
               source_url (q->sources[0]), c->seg->need.at.v, q->imp.id);
}

static int
add_compressed (struct check *c, const struct extent *e, uint64_t len, struct error *err)
{
  const struct qcow2_header *h = &c->s->header;
  struct error why;

  if (c->cluster == NULL)
    c->cluster = malloc (h->cluster_size);
  if (c->cluster == NULL)
    return fail_memory (err, "a cluster");
  if (c->decoder == NULL
      && qcow2_decoder_new (&c->decoder, h->compression, h->cluster_bits, err) == -1)
    return -1;
  if (qcow2_decode (c->decoder, e->host, c->bytes + (e->host.v - c->seg->need.at.v), e->stored,
                    c->cluster, &why)
      == -1)
    return changed (c, err);
  digest_update (&c->digest, c->cluster + e->skip, len);
  return 0;
}

/* E is the I-th extent. */
static int
add_extent (struct check *c, uint64_t i, const struct extent *e, struct error *err)
{
  uint64_t len = compare_committed (c->seg, i, e);

  if (len == 0)
    return 0;
  if (e->kind == EXTENT_COMPRESSED)
    return add_compressed (c, e, len, err);
  digest_update (&c->digest, c->bytes + (e->host.v - c->seg->need.at.v), len);
  return 0;
}

static int
add_all (struct check *c, struct error *err)
{
  struct stream *s = c->s;
  struct extent batch[EXTENT_BATCH];
  uint64_t i = 0, end = min_u64 (c->seg->extents, c->seg->committed_extents + 1);
  size_t n, k;

  if (c->seg->committed)
    end = c->seg->extents;
  while (i < end) {
    if (journal_extents (s->reader, s->q->imp.no, c->seg, i, batch,
                         (size_t)min_u64 (EXTENT_BATCH, end - i), &n, err)
        == -1)
      return -1;
    for (k = 0; k < n; k++, i++)
      if (add_extent (c, i, &batch[k], err) == -1)
        return -1;
  }
  return 0;
}

int
stream_check_committed (struct stream *s, const struct segment *seg, const uint8_t *bytes,
                        struct error *err)
{
  struct check c = { .s = s, .seg = seg, .bytes = bytes };
  int rc;

  if (!s->q->imp.digests || (!seg->committed && seg->hash_len == 0))
    return 0;
  digest_init (&c.digest);
  rc = add_all (&c, err);
  if (rc == 0 && !compare_is_same (seg, &c.digest))
    rc = changed (&c, err);
  qcow2_decoder_close (c.decoder);
  free (c.cluster);
  return rc;
}
