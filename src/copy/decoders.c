/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decoders: see decoders.h.
 */
#include "copy/decoders.h"

#include <assert.h>
#include <string.h>

void
decoders_release (struct decoders *d)
{
  unsigned k;

  for (k = 0; k < JOURNAL_LAYERS_MAX; k++) {
    qcow2_decoder_close (d->of[k]);
    d->of[k] = NULL;
  }
}

size_t
decoders_cluster (const struct decoders *d, unsigned k)
{
  return (size_t)1 << d->formats[k].cluster_bits;
}

int
decoders_check (const struct decoders *d, const struct journal_reader *reader,
                const struct extent *e, struct error *err)
{
  bool raw = d->formats[e->layer].raw;

  if (e->kind != EXTENT_COMPRESSED)
    return 0;
  /* there is no cluster in what is raw: it may be a sector that is cut, and nothing else */
  return journal_check_cluster (reader, e,
                                !raw                  ? decoders_cluster (d, e->layer)
                                : e->stored <= SECTOR ? SECTOR
                                                      : 0,
                                err);
}

/* That of the first layer which is like LAYER: there need not be more of them than that. */
static struct qcow2_decoder **
decoder_of (struct decoders *d, unsigned layer)
{
  const struct layer_format *f = &d->formats[layer];
  unsigned k = 0;

  while (k < layer
         && (d->formats[k].raw || d->formats[k].compression != f->compression
             || d->formats[k].cluster_bits != f->cluster_bits))
    k++;
  return &d->of[k];
}

int
decoders_decode (struct decoders *d, const struct extent *e, const uint8_t *stored,
                 uint8_t *cluster, struct error *err)
{
  const struct layer_format *f = &d->formats[e->layer];
  struct qcow2_decoder **of = decoder_of (d, e->layer);

  assert (e->kind == EXTENT_COMPRESSED && e->skip + e->len <= decoders_cluster (d, e->layer));
  if (f->raw) {
    assert (e->stored <= SECTOR && e->len <= SECTOR);
    memset (cluster, 0, SECTOR);
    memcpy (cluster, stored, e->stored);
    return 0;
  }
  if (*of == NULL && qcow2_decoder_new (of, f->compression, f->cluster_bits, err) == -1)
    return -1;
  return qcow2_decode (*of, e->host, stored, e->stored, cluster, err);
}
