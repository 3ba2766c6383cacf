/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * hash: see hash.h.  The contexts are part of nettle's documented interface; of those that are
 * not SHA-256's this is the only file that looks inside.
 */
#include "base/hash.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

struct kind {
  const char *word, *title;
  size_t size;
};

static const struct kind kinds[] = {
#define X(name, word, title, size) { word, title, size },
  HASH_ALGORITHMS (X)
#undef X
};

/* ---- Hashing ----------------------------------------------------------------------------- */

void
hash_init (struct hash *h, enum hash_algorithm algorithm)
{
  memset (h, 0, sizeof *h);
  h->algorithm = algorithm;
  switch (algorithm) {
  case HASH_MD5:
    md5_init (&h->ctx.md5);
    break;
  case HASH_SHA1:
    sha1_init (&h->ctx.sha1);
    break;
  case HASH_SHA224:
    sha224_init (&h->ctx.sha256.ctx);
    break;
  case HASH_SHA256:
    digest_init (&h->ctx.sha256);
    break;
  case HASH_SHA384:
    sha384_init (&h->ctx.sha512);
    break;
  case HASH_SHA512:
    sha512_init (&h->ctx.sha512);
    break;
  }
}

void
hash_update (struct hash *h, const void *buf, size_t len)
{
  switch (h->algorithm) {
  case HASH_MD5:
    md5_update (&h->ctx.md5, len, buf);
    break;
  case HASH_SHA1:
    sha1_update (&h->ctx.sha1, len, buf);
    break;
  case HASH_SHA224:
  case HASH_SHA256:
    digest_update (&h->ctx.sha256, buf, len);
    break;
  case HASH_SHA384:
  case HASH_SHA512:
    sha512_update (&h->ctx.sha512, len, buf);
    break;
  }
}

void
hash_update_beside (struct hash *h, const void *buf, size_t len, struct digest *d,
                    const void *dbuf, size_t dlen)
{
  if (h->algorithm == HASH_SHA256) {
    digest_update_two (&h->ctx.sha256, buf, len, d, dbuf, dlen);
  } else {
    hash_update (h, buf, len);
    digest_update (d, dbuf, dlen);
  }
}

void
hash_peek (const struct hash *h, struct checksum *out)
{
  struct hash copy = *h;
  size_t size = hash_size (h->algorithm);

  memset (out, 0, sizeof *out);
  out->algorithm = h->algorithm;
  switch (h->algorithm) {
  case HASH_MD5:
    md5_digest (&copy.ctx.md5, size, out->digest);
    break;
  case HASH_SHA1:
    sha1_digest (&copy.ctx.sha1, size, out->digest);
    break;
  case HASH_SHA224:
    sha224_digest (&copy.ctx.sha256.ctx, size, out->digest);
    break;
  case HASH_SHA256:
    sha256_digest (&copy.ctx.sha256.ctx, size, out->digest);
    break;
  case HASH_SHA384:
    sha384_digest (&copy.ctx.sha512, size, out->digest);
    break;
  case HASH_SHA512:
    sha512_digest (&copy.ctx.sha512, size, out->digest);
    break;
  }
}

/* ---- The state --------------------------------------------------------------------------- */

/* What a state is made of, wherever the context keeps it. */
struct inside {
  uint32_t *word32; /* or */
  uint64_t *word64;
  size_t words;
  uint64_t *blocks; /* whole ones hashed */
  unsigned *index;  /* bytes of the block begun */
  uint8_t *block;
  size_t block_size;
};

static struct inside
look_inside (struct hash *h)
{
  struct md5_ctx *md5 = &h->ctx.md5;
  struct sha1_ctx *sha1 = &h->ctx.sha1;
  struct sha256_ctx *sha256 = &h->ctx.sha256.ctx;
  struct sha512_ctx *sha512 = &h->ctx.sha512;

  switch (h->algorithm) {
  case HASH_MD5:
    return (struct inside){ md5->state,       NULL, 4, &md5->count, &md5->index, md5->block,
                            sizeof md5->block };
  case HASH_SHA1:
    return (struct inside){ sha1->state,       NULL, 5, &sha1->count, &sha1->index, sha1->block,
                            sizeof sha1->block };
  case HASH_SHA224:
  case HASH_SHA256:
    return (struct inside){ sha256->state,       NULL,           8,
                            &sha256->count,      &sha256->index, sha256->block,
                            sizeof sha256->block };
  case HASH_SHA384:
  case HASH_SHA512:
    break;
  }
  return (
      struct inside){ NULL,          sha512->state,       8, &sha512->count_low, &sha512->index,
                      sha512->block, sizeof sha512->block };
}

uint64_t
hash_count (const struct hash *h)
{
  struct hash copy = *h;
  struct inside in = look_inside (&copy);

  return *in.blocks * in.block_size + *in.index;
}

static size_t
state_head (const struct inside *in)
{
  return in->words * (in->word32 != NULL ? 4 : 8) + 8;
}

size_t
hash_save (const struct hash *h, uint8_t out[HASH_STATE_MAX])
{
  struct hash copy = *h;
  struct inside in = look_inside (&copy);
  size_t i, head = state_head (&in);

  for (i = 0; i < in.words; i++)
    if (in.word32 != NULL)
      store_be32 (out + 4 * i, in.word32[i]);
    else
      store_be64 (out + 8 * i, in.word64[i]);
  store_be64 (out + head - 8, hash_count (h));
  memcpy (out + head, in.block, *in.index);
  assert (head + *in.index <= HASH_STATE_MAX);
  return head + *in.index;
}

bool
hash_load (struct hash *h, enum hash_algorithm algorithm, const uint8_t *state, size_t len)
{
  struct inside in;
  uint64_t count;
  size_t i, head;

  hash_init (h, algorithm);
  in = look_inside (h);
  head = state_head (&in);
  if (len < head || len - head >= in.block_size)
    return false;
  count = load_be64 (state + head - 8);
  if (count % in.block_size != len - head)
    return false;
  for (i = 0; i < in.words; i++)
    if (in.word32 != NULL)
      in.word32[i] = load_be32 (state + 4 * i);
    else
      in.word64[i] = load_be64 (state + 8 * i);
  *in.blocks = count / in.block_size;
  *in.index = (unsigned)(count % in.block_size);
  memcpy (in.block, state + head, *in.index);
  return true;
}

/* ---- Names ------------------------------------------------------------------------------- */

size_t
hash_size (enum hash_algorithm algorithm)
{
  return kinds[algorithm].size;
}

const char *
hash_word (enum hash_algorithm algorithm)
{
  return kinds[algorithm].word;
}

const char *
hash_title (enum hash_algorithm algorithm)
{
  return kinds[algorithm].title;
}

bool
hash_is_weak (enum hash_algorithm algorithm)
{
  return algorithm == HASH_MD5 || algorithm == HASH_SHA1;
}

bool
hash_by_name (const char *name, size_t len, enum hash_algorithm *out)
{
  char word[16];
  size_t i, n = 0;

  for (i = 0; i < len; i++) {
    if (name[i] == '-' && n == 3) /* "SHA-256", but not "SHA3-256" */
      continue;
    if (n == sizeof word - 1)
      return false;
    word[n++] = (char)tolower ((unsigned char)name[i]);
  }
  word[n] = '\0';
  for (i = 0; i < HASH_N; i++)
    if (strcmp (word, kinds[i].word) == 0) {
      *out = (enum hash_algorithm)i;
      return true;
    }
  return false;
}

bool
hash_by_digits (size_t n, enum hash_algorithm *out)
{
  size_t i;

  for (i = 0; i < HASH_N; i++)
    if (n == 2 * kinds[i].size) {
      *out = (enum hash_algorithm)i;
      return true;
    }
  return false;
}

/* ---- Checksums --------------------------------------------------------------------------- */

bool
checksum_same (const struct checksum *a, const struct checksum *b)
{
  return a->algorithm == b->algorithm
         && memcmp (a->digest, b->digest, hash_size (a->algorithm)) == 0;
}

char *
checksum_hex (char out[HASH_HEX], const struct checksum *c)
{
  size_t i;

  for (i = 0; i < hash_size (c->algorithm); i++)
    snprintf (out + 2 * i, 3, "%02x", c->digest[i]);
  return out;
}

char *
checksum_text (char out[HASH_TEXT], const struct checksum *c)
{
  int n = 0;

  if (c->algorithm != HASH_SHA256)
    n = sprintf (out, "%s:", hash_word (c->algorithm));
  checksum_hex (out + n, c);
  return out;
}

static int
hex_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

bool
checksum_from_hex (struct checksum *out, const char *hex, size_t len)
{
  size_t i;

  if (len != 2 * hash_size (out->algorithm))
    return false;
  memset (out->digest, 0, sizeof out->digest);
  for (i = 0; i < len; i++) {
    int v = hex_value (hex[i]);

    if (v < 0)
      return false;
    out->digest[i / 2] = (uint8_t)(out->digest[i / 2] << 4 | v);
  }
  return true;
}

bool
checksum_from_text (struct checksum *out, const char *text)
{
  const char *colon = strchr (text, ':');

  out->algorithm = HASH_SHA256;
  if (colon == NULL)
    return checksum_from_hex (out, text, strlen (text));
  return hash_by_name (text, (size_t)(colon - text), &out->algorithm)
         && checksum_from_hex (out, colon + 1, strlen (colon + 1));
}

enum hash_algorithm
checksum_text_algorithm (const char *text)
{
  struct checksum c;

  return checksum_from_text (&c, text) ? c.algorithm : HASH_SHA256;
}

const char *
checksum_text_hex (const char *text)
{
  const char *colon = strchr (text, ':');

  return colon == NULL ? text : colon + 1;
}
