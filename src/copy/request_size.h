/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * request_size: how many bytes a request should bring.
 *
 * One that is short wastes round trips; one that is long lets much come out of order, which a
 * kill makes worth nothing, and leaves connections idle at the end.  So requests are as long as
 * round trips make it worth while.
 */
#ifndef QIMPORT_COPY_REQUEST_SIZE_H
#define QIMPORT_COPY_REQUEST_SIZE_H

#include "copy/supply.h"

/* None is shorter than RUN_LEAST, nor made longer than RUN_BYTES. */
enum { RUN_LEAST = 32 << 10, RUN_BYTES = 16 << 20 };

struct request_size {
  int64_t interval_ms; /* of commits */
  uint64_t want;       /* bytes */
  double rate;         /* of the last request that ended, bytes a millisecond */
};

/* From what LINK's first answer said. */
void request_size_begin (struct request_size *s, int64_t interval_ms,
                         const struct supply_link *link);
/* A request over LINK brought LEN bytes in MS. */
void request_size_learn (struct request_size *s, const struct supply_link *link, uint64_t len,
                         int64_t ms);
/* What a request at RATE (bytes a millisecond) brings in a commit interval; in a quarter of one
 * where the link is slow, so that little comes out of order and a kill costs little. */
double request_size_in_time (const struct request_size *s, double rate);

#endif
