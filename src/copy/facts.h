/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * facts: what a copy knows from its beginning to its end.  Nobody changes it, so every thread
 * reads it without a lock.
 */
#ifndef QIMPORT_COPY_FACTS_H
#define QIMPORT_COPY_FACTS_H

#include "copy/copy_spec.h"

/* What has come of plain data is written in multiples of this. */
enum { COPY_GRAIN = 4096 };

struct copy_facts {
  struct copy_spec spec;            /* whose imp is the one below */
  struct journal_import imp;        /* as it was at copy_open */
  uint64_t image_len, segment_size; /* of layer 0 */
  bool streams;                     /* segments are handed in, not asked for */
  struct outlets *outlets;          /* where the bytes go: the pointer never changes */
};

/* Is SEG hashed as part of the image? */
static inline bool
facts_hashes (const struct copy_facts *f, const struct segment *seg)
{
  return f->imp.hash_image && seg->layer == 0;
}

/* The end of the own piece of SEG, of layer 0, where the next segment's begins. */
static inline uint64_t
facts_piece_end (const struct copy_facts *f, const struct segment *seg)
{
  return min_u64 (seg->at.v + f->segment_size, f->image_len);
}

#endif
