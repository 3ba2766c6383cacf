/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hash: the algorithms by which publishers name their files (nettle's), whose states can be
 * stored in the journal and taken up again by another process on another machine.  What qimport
 * hashes for itself is digest.h's.  Does not know where a checksum comes from.
 */
#ifndef QIMPORT_BASE_HASH_H
#define QIMPORT_BASE_HASH_H

#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

/* From the weakest to the strongest: name, word, title, bytes of a digest. */
#define HASH_ALGORITHMS(X)            \
  X (MD5, "md5", "MD5", 16)           \
  X (SHA1, "sha1", "SHA-1", 20)       \
  X (SHA224, "sha224", "SHA-224", 28) \
  X (SHA256, "sha256", "SHA-256", 32) \
  X (SHA384, "sha384", "SHA-384", 48) \
  X (SHA512, "sha512", "SHA-512", 64)

enum hash_algorithm {
#define X(name, word, title, size) HASH_##name,
  HASH_ALGORITHMS (X)
#undef X
};

enum {
  HASH_N = HASH_SHA512 + 1,
  HASH_SIZE_MAX = 64,
  HASH_HEX = 2 * HASH_SIZE_MAX + 1,                 /* with the NUL */
  HASH_TEXT = sizeof "sha512:" + 2 * HASH_SIZE_MAX, /* with the NUL */
  HASH_STATE_MAX = 8 * 8 + 8 + 128
};

struct hash {
  enum hash_algorithm algorithm;
  union {
    struct md5_ctx md5;
    struct sha1_ctx sha1;
    struct digest sha256;     /* SHA-224 too, but for how it begins and ends */
    struct sha512_ctx sha512; /* SHA-384 too */
  } ctx;
};

/* A digest and what made it. */
struct checksum {
  enum hash_algorithm algorithm;
  uint8_t digest[HASH_SIZE_MAX];
};

void hash_init (struct hash *h, enum hash_algorithm algorithm);
void hash_update (struct hash *h, const void *buf, size_t len);
/* And DLEN bytes into D at the same time, as digest_update_two where H can. */
void hash_update_beside (struct hash *h, const void *buf, size_t len, struct digest *d,
                         const void *dbuf, size_t dlen);
/* The digest so far; H goes on unchanged. */
void hash_peek (const struct hash *h, struct checksum *out);
/* Bytes hashed so far. */
uint64_t hash_count (const struct hash *h);

/* The state, big endian: the words, the count of bytes, the bytes of the block begun; of
 * SHA-256 the same bytes as digest_save's.  Which algorithm it is must be known to who loads
 * it. Returns its length (at most HASH_STATE_MAX). */
size_t hash_save (const struct hash *h, uint8_t out[HASH_STATE_MAX]);
/* False if it is no state of that algorithm. */
bool hash_load (struct hash *h, enum hash_algorithm algorithm, const uint8_t *state,
                size_t len);

size_t hash_size (enum hash_algorithm algorithm);
const char *hash_word (enum hash_algorithm algorithm);  /* "sha512" */
const char *hash_title (enum hash_algorithm algorithm); /* "SHA-512" */
/* Can a file be made that has the digest of another? */
bool hash_is_weak (enum hash_algorithm algorithm);
/* The LEN bytes of NAME are one of the words, in whatever case, with a dash or without. */
bool hash_by_name (const char *name, size_t len, enum hash_algorithm *out);
/* The only one whose digests have N hexadecimal digits. */
bool hash_by_digits (size_t n, enum hash_algorithm *out);

bool checksum_same (const struct checksum *a, const struct checksum *b);
/* As hexadecimal digits. */
char *checksum_hex (char out[HASH_HEX], const struct checksum *c);
/* As it is stored and shown: the digits, and of all but SHA-256 "WORD:" before them. */
char *checksum_text (char out[HASH_TEXT], const struct checksum *c);
/* LEN bytes of HEX are a digest of out->algorithm. */
bool checksum_from_hex (struct checksum *out, const char *hex, size_t len);
/* The digits of such a text. */
const char *checksum_text_hex (const char *text);
/* The algorithm of such a text; SHA-256, which is computed unasked, of an empty one. */
enum hash_algorithm checksum_text_algorithm (const char *text);
/* "ALGO:HEX", or digits alone, which are SHA-256's. */
bool checksum_from_text (struct checksum *out, const char *text);

#endif
