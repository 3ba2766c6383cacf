/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image_hash: the checksum of the image itself (layer 0), of its pieces in host order, each as
 * soon as it has come.  One worker at a time hashes; segments may be written long before.
 */
#ifndef QIMPORT_COPY_IMAGE_HASH_H
#define QIMPORT_COPY_IMAGE_HASH_H

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

/* As the journal has it.  ERR_JOURNAL_CORRUPT. */
int image_hash_open (struct image_hash *h, const struct copy_facts *f, struct team *team,
                     struct error *err);

/* ---- With the lock held -------------------------------------------------------------------
 */

/* The slot whose bytes go in next, if there are any and nobody is at it. */
struct slot *image_hash_candidate (const struct image_hash *h, struct pool *p);
/* Takes the lock off while it hashes what has come of S, that candidate. */
void image_hash_slot (struct image_hash *h, struct pool *p, struct progress *progress,
                      struct slot *s);
/* All IMAGE_LEN bytes went in, and *OUT is their checksum. */
bool image_hash_checksum (const struct image_hash *h, uint64_t image_len, struct checksum *out);

#endif
