/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decoders: from the stored bytes of a compressed extent to its cluster.  The only place that
 * decodes; and the check without which nothing of an extent that was read from the journal may
 * be decoded: rows are used beside the journal's check, not after it.
 */
#ifndef QIMPORT_COPY_DECODERS_H
#define QIMPORT_COPY_DECODERS_H

#include "base/error.h"
#include "base/extent.h"
#include "journal/journal.h"
#include "qcow2/qcow2.h"

/* One for all layers of a kind, made when it is needed first; for one thread. */
struct decoders {
  const struct layer_format *formats; /* of the layers of the import */
  struct qcow2_decoder *of[JOURNAL_LAYERS_MAX];
};

void decoders_release (struct decoders *d);

/* Bytes of a cluster of layer K. */
size_t decoders_cluster (const struct decoders *d, unsigned k);

/* Can E, which READER read, be what it says: no more than a cluster, and of a layer that has
 * compressed ones?  Its stored bytes are its segment's, which journal_extents has seen to.
 * ERR_JOURNAL_CORRUPT. */
int decoders_check (const struct decoders *d, const struct journal_reader *reader,
                    const struct extent *e, struct error *err);

/* E is compressed, and was checked or never was a row: from its stored bytes a whole cluster.
 */
int decoders_decode (struct decoders *d, const struct extent *e, const uint8_t *stored,
                     uint8_t *cluster, struct error *err);

#endif
