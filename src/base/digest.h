/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * digest: SHA-256 (FIPS 180-4, nettle's) whose state can be stored in the journal and taken
 * up again by another process on another machine.
 */
#ifndef QIMPORT_BASE_DIGEST_H
#define QIMPORT_BASE_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  DIGEST_SIZE = 32,
  DIGEST_HEX = 65, /* with the NUL */
  DIGEST_STATE_MAX = 8 * 4 + 8 + 64
};

struct digest {
  struct sha256_ctx ctx;
};

void digest_init (struct digest *d);
void digest_update (struct digest *d, const void *buf, size_t len);
/* ALEN bytes at ABUF into A, and BLEN at BBUF into B, another one: at once, in two thirds of
 * the time that they take one after the other, or less where both are the same bytes. */
void digest_update_two (struct digest *a, const void *abuf, size_t alen, struct digest *b,
                        const void *bbuf, size_t blen);
/* As if LEN zero bytes were added. */
void digest_zeros (struct digest *d, uint64_t len);
/* The digest so far; D goes on unchanged. */
void digest_peek (const struct digest *d, uint8_t out[DIGEST_SIZE]);
/* Bytes hashed so far. */
uint64_t digest_count (const struct digest *d);

/* The state, big endian: eight words, the count of bytes, the bytes of the block begun.
 * Returns its length (at most DIGEST_STATE_MAX). */
size_t digest_save (const struct digest *d, uint8_t out[DIGEST_STATE_MAX]);
/* False if it is no state that digest_save made. */
bool digest_load (struct digest *d, const uint8_t *state, size_t len);

char *digest_hex (char out[DIGEST_HEX], const uint8_t digest[DIGEST_SIZE]);

#endif
