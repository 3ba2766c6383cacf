/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bytes: loads of numbers, mostly big-endian ones, and the question whether a buffer is all
 * zeros.  The callers have checked that the bytes are there.
 */
#ifndef QIMPORT_BASE_BYTES_H
#define QIMPORT_BASE_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
load_be16 (const uint8_t *p)
{
  uint16_t v;

  memcpy (&v, p, sizeof v);
  return be16toh (v);
}

static inline uint32_t
load_be32 (const uint8_t *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return be32toh (v);
}

static inline uint64_t
load_be64 (const uint8_t *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return be64toh (v);
}

static inline uint32_t
load_le32 (const uint8_t *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return le32toh (v);
}

static inline uint64_t
load_le64 (const uint8_t *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return le64toh (v);
}

static inline void
store_be64 (uint8_t *p, uint64_t v)
{
  v = htobe64 (v);
  memcpy (p, &v, sizeof v);
}

static inline void
store_be32 (uint8_t *p, uint32_t v)
{
  v = htobe32 (v);
  memcpy (p, &v, sizeof v);
}

/* True for LEN 0.  The first 16 bytes by hand, the rest compared with itself one step
 * earlier, so that memcmp's vector code does the work. */
static inline bool
all_zero (const void *buf, size_t len)
{
  const uint8_t *p = buf;
  size_t i;

  for (i = 0; i < 16; i++) {
    if (i == len)
      return true;
    if (p[i] != 0)
      return false;
  }
  return memcmp (p, p + 16, len - 16) == 0;
}

/* Are the LEN bytes at P all the same?  Such bytes tell no disk from another. */
static inline bool
bytes_are_one (const uint8_t *p, size_t len)
{
  return len == 0 || memcmp (p, p + 1, len - 1) == 0;
}

#endif
