/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * write_gather: pieces of the guest on their way to the target.  Writers of qcow2 lay
 * neighbouring clusters down in any order, so what a worker decodes is collected, and then
 * written in guest order with few large calls.  Knows nothing of segments, digests or commits.
 */
#ifndef QIMPORT_COPY_WRITE_GATHER_H
#define QIMPORT_COPY_WRITE_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "target/target.h"

enum { GATHER_MAX = 1024, GATHER_CLUSTER = 64 /* pieces that a cluster may make */ };

struct gather {
  struct piece {
    guest_off at;
    const uint8_t *buf;
    uint64_t len;
    bool zero; /* not for a disk that reads as zeros there */
  } piece[GATHER_MAX];
  size_t n;
  uint8_t *arena; /* decoded bytes lie here until they are written */
  size_t arena_size, arena_used;
};

/* The arena has ARENA bytes. */
int gather_init (struct gather *g, size_t arena, struct error *err);
void gather_release (struct gather *g);

/* LEN bytes in the arena, at most its size; NULL when there are not so many left, or not
 * GATHER_CLUSTER pieces. */
uint8_t *gather_room (struct gather *g, size_t len);

/* Remember LEN bytes at BUF, which stay where they are until gather_drop; ZERO: they are known
 * to be zeros.  False when it is full. */
bool gather_add (struct gather *g, guest_off at, const uint8_t *buf, uint64_t len, bool zero);

/* Write all of it that T does not read as anyway; *WROTE grows by what was written. */
int gather_write (struct gather *g, struct target *t, uint64_t *wrote, struct error *err);

/* Empty it. */
void gather_drop (struct gather *g);

#endif
