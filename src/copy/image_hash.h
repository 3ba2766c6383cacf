/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image_hash: the checksum of the image itself (layer 0), of its pieces in host order, each as
 * soon as it has come.  One worker at a time hashes; segments may be written long before.
 */
#ifndef QIMPORT_COPY_IMAGE_HASH_H
#define QIMPORT_COPY_IMAGE_HASH_H

#include "copy/hash_pair.h"
#include "copy/pool.h"

struct image_hash {
  const struct copy_facts *facts;
  struct team *team;

  /* Guarded. */
  bool hashing;     /* a worker has it */
  bool early;       /* also what has come of a segment that is not whole yet */
  uint64_t ord;     /* segment that goes in next */
  uint64_t to;      /* host offset up to which it goes */
  struct hash hash; /* of that */
};

/* What one worker hashes of it, with the lock off. */
struct image_turn {
  struct slot *slot;
  uint64_t from, to; /* host offsets */
  struct image_bytes bytes;
};

/* As the journal has it.  ERR_JOURNAL_CORRUPT. */
int image_hash_open (struct image_hash *h, const struct copy_facts *f, struct team *team,
                     struct error *err);

/* ---- With the lock held -------------------------------------------------------------------
 */

/* The slot whose bytes go in next, if there are any and nobody is at it. */
struct slot *image_hash_candidate (const struct image_hash *h, struct pool *p);
/* What has come of S, that candidate, is the caller's to hash. */
void image_hash_begin (struct image_hash *h, struct slot *s, struct image_turn *turn);
/* What of it is hashed counts, if it is all. */
void image_hash_end (struct image_hash *h, struct pool *p, struct progress *progress,
                     struct image_turn *turn);
/* Should S, which waits to be written, wait until the image's hash comes to it?  Of plain data
 * the two are then one piece of work, and S cannot be free before. */
bool image_hash_comes_to (const struct image_hash *h, const struct slot *s);
/* Takes the lock off while it hashes what has come of S, that candidate. */
void image_hash_slot (struct image_hash *h, struct pool *p, struct progress *progress,
                      struct slot *s);
/* All IMAGE_LEN bytes went in, and *OUT is their checksum. */
bool image_hash_checksum (const struct image_hash *h, uint64_t image_len, struct checksum *out);

#endif
