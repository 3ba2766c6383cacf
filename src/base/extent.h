/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * extent: the two address spaces, and what passes between the rooms.  A guest offset is a
 * byte on the decoded disk, a host offset a byte in the qcow2 file; they are different types
 * and do not mix.  Ranges are values, and this is the only place that adds an offset and a
 * length.
 */
#ifndef QIMPORT_BASE_EXTENT_H
#define QIMPORT_BASE_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint64_t v;
} guest_off;

typedef struct {
  uint64_t v;
} host_off;

struct host_range {
  host_off at;
  uint64_t len;
};

struct guest_range {
  guest_off at;
  uint64_t len;
};

/* Every guest offset and length in a qcow2 map is a multiple of this: subclusters are at
 * least 512 bytes and a virtual size that is no multiple is refused. */
enum { SECTOR = 512 };

enum extent_kind {
  EXTENT_DATA,       /* stored as it is */
  EXTENT_COMPRESSED, /* one cluster, deflate or zstd; of a raw layer a sector that is cut */
  EXTENT_ZERO,       /* reads as zeros, because the image says so */
  EXTENT_HOLE        /* nothing in this image: its backing file, or zeros */
};

/* A run of guest bytes that is fetched in one way. */
struct extent {
  enum extent_kind kind;
  uint32_t layer; /* 0 is the image, 1.. its backing files, top down */
  guest_off guest;
  uint64_t len;  /* guest bytes; a multiple of SECTOR, never 0 */
  host_off host; /* DATA, COMPRESSED: where the stored bytes start; ZERO: the place that it has
                  * all the same, of which nothing is stored; 0: none */
  uint64_t stored; /* bytes stored there: DATA len, COMPRESSED what is to be read, else 0 */
  uint32_t skip;   /* COMPRESSED: the decoded byte of the cluster with which GUEST begins */
};

/* False when the end does not fit 64 bits. */
static inline bool
range_end (uint64_t at, uint64_t len, uint64_t *end)
{
  return !__builtin_add_overflow (at, len, end);
}

static inline bool
host_range_within (struct host_range r, uint64_t file_len)
{
  uint64_t end;

  return range_end (r.at.v, r.len, &end) && end <= file_len;
}

static inline bool
guest_range_within (struct guest_range r, uint64_t virtual_size)
{
  uint64_t end;

  return range_end (r.at.v, r.len, &end) && end <= virtual_size;
}

/* Ends of ranges that were checked before. */
static inline uint64_t
host_end (struct host_range r)
{
  return r.at.v + r.len;
}

static inline uint64_t
extent_host_end (const struct extent *e)
{
  return e->host.v + e->stored;
}

static inline uint64_t
extent_guest_end (const struct extent *e)
{
  return e->guest.v + e->len;
}

/* The last sector of a raw disk of LEN bytes, of which those from AT on are left: what is
 * missing reads as zeros.  That is a compressed extent of a raw layer, of one sector; .len 0:
 * none. */
static inline struct extent
raw_cut_sector (uint64_t at, uint64_t len)
{
  struct extent e = { .kind = EXTENT_COMPRESSED, .guest = { at }, .host = { at } };

  e.stored = len - at;
  e.len = len > at ? SECTOR : 0;
  return e;
}

static inline bool
is_aligned (uint64_t v, uint64_t power_of_two)
{
  return (v & (power_of_two - 1)) == 0;
}

static inline uint64_t
align_down (uint64_t v, uint64_t power_of_two)
{
  return v & ~(power_of_two - 1);
}

/* V at most UINT64_MAX - power_of_two + 1. */
static inline uint64_t
align_up (uint64_t v, uint64_t power_of_two)
{
  return align_down (v + power_of_two - 1, power_of_two);
}

static inline uint64_t
min_u64 (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

static inline uint64_t
max_u64 (uint64_t a, uint64_t b)
{
  return a > b ? a : b;
}

#endif
