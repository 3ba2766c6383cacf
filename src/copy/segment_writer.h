/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * segment_writer: what has come of a segment, decoded extent by extent in host order, hashed,
 * and written to the target.  Says how far it came; publishes nothing, syncs nothing.
 */
#ifndef QIMPORT_COPY_SEGMENT_WRITER_H
#define QIMPORT_COPY_SEGMENT_WRITER_H

#include "copy/hash_pair.h"
#include "copy/slot.h"

struct segment_writer; /* for one thread */

/* Decodes into ARENA bytes, at least a cluster.  ERR_INTERRUPTED once *HURRY is set. */
int segment_writer_open (struct segment_writer **out, const struct copy_facts *f,
                         const atomic_bool *hurry, size_t arena, struct error *err);
void segment_writer_close (struct segment_writer *w);
OWNABLE (segment_writer)

/* Write S, which this thread has, as far as host offset HAVE; *P is to where it has come.  All
 * bytes of IMAGE, unless it is NULL, are hashed beside it, if nothing fails.
 * *WROTE bytes went to the target, also where it failed: then S is of no use any more in this
 * process, and what was published of it before stays (J3). */
int segment_writer_write (struct segment_writer *w, struct slot *s, uint64_t have,
                          struct image_bytes *image, struct segment_progress *p,
                          uint64_t *wrote, struct error *err);

#endif
