/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hash_pair: what one worker hashes: the decoded bytes of its segment and, at the same time
 * since two hashes cost little more than one, the image's next bytes.  Reads no journal and
 * takes no lock; whose turn the image's bytes are is image_hash.h's to know.
 */
#ifndef QIMPORT_COPY_HASH_PAIR_H
#define QIMPORT_COPY_HASH_PAIR_H

#include "base/digest.h"
#include "base/hash.h"

/* The next bytes of the image: from AT up to END, of which HASH knows nothing yet. */
struct image_bytes {
  struct hash hash;
  const uint8_t *at, *end;
};

enum { PAIR_PIECES = 64, PAIR_BYTES = 256 << 10 /* what a cache of a processor's own holds */ };

struct hash_pair {
  struct digest *segment;    /* NULL: it has none */
  struct image_bytes *image; /* NULL: it is not this worker's turn */
  struct {
    const uint8_t *buf;
    size_t len;
  } piece[PAIR_PIECES]; /* of the segment, not hashed yet */
  size_t n, bytes;
};

/* Forgets what was not hashed. */
void pair_begin (struct hash_pair *p, struct digest *segment, struct image_bytes *image);
/* LEN bytes more of the segment, which stay where they are until pair_flush. */
void pair_add (struct hash_pair *p, const uint8_t *buf, size_t len);
/* All that was added is hashed. */
void pair_flush (struct hash_pair *p);
/* And what is left of the image's bytes. */
void pair_end (struct hash_pair *p);

#endif
