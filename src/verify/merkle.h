/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * merkle: the root digest of a disk: one SHA-256 that depends on the guest's bytes alone, made
 * of leaves that can be hashed by any number of threads.
 *
 *     leaf   SHA-256 (0x00 || bytes)           of 1 MiB, the last one of what is left
 *     node   SHA-256 (0x01 || left || right)   an odd node goes up as it is
 *
 * The root of one leaf is that leaf, of none SHA-256 (""); doc/digests.md says the same for
 * auditors.  Knows nothing of targets and journals; its memory does not grow with the disk.
 */
#ifndef QIMPORT_VERIFY_MERKLE_H
#define QIMPORT_VERIFY_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum { MERKLE_LEAF = 1 << 20, MERKLE_LEVELS = 45 };

struct merkle {
  uint64_t leaves;                          /* so far */
  uint8_t node[MERKLE_LEVELS][DIGEST_SIZE]; /* of level I: valid where bit I of leaves is 1 */
  uint8_t zero[MERKLE_LEVELS][DIGEST_SIZE]; /* of 2^I leaves of zeros */
};

void merkle_init (struct merkle *m);
/* Leaves in guest order. */
void merkle_add (struct merkle *m, const uint8_t leaf[DIGEST_SIZE]);
/* N leaves of 1 MiB of zeros. */
void merkle_zeros (struct merkle *m, uint64_t n);
void merkle_root (const struct merkle *m, uint8_t out[DIGEST_SIZE]);

/* The leaf of LEN bytes; BUF NULL: of zeros. */
void merkle_leaf (uint8_t out[DIGEST_SIZE], const uint8_t *buf, size_t len);

#endif
