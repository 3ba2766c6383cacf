/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * rate: a bucket of bytes that fills evenly, for --limit-rate.  Pure; milliseconds come in.
 * It may be overdrawn by one piece, which the next one waits for.
 */
#ifndef QIMPORT_SOURCE_RATE_H
#define QIMPORT_SOURCE_RATE_H

#include <stddef.h>
#include <stdint.h>

struct rate {
  uint64_t per_s; /* 0: no limit */
  double bytes;   /* to spend; negative: overdrawn */
  int64_t at_ms;
};

void rate_init (struct rate *r, uint64_t per_s, int64_t now_ms);
/* 0: bytes may be taken now; else for how many milliseconds not. */
int64_t rate_wait_ms (struct rate *r, int64_t now_ms);
void rate_take (struct rate *r, size_t len);

#endif
