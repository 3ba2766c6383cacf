/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * requests: what is asked of the network.  Takes segments from the supply in host order and
 * slots from the pool, asks for runs of neighbours, and cuts what turns out too long: when the
 * link is slower than was thought, and when another connection has nothing left to ask for.
 * One thread, the network's; takes the team's lock itself.
 */
#ifndef QIMPORT_COPY_REQUESTS_H
#define QIMPORT_COPY_REQUESTS_H

#include "copy/request_run.h"

enum { CLAIMS_MAX = 64 };

struct requests {
  const struct copy_facts *facts;
  struct runs runs;

  /* Segments that were read and have no slot yet. */
  struct segment claims[CLAIMS_MAX];
  size_t claim_first, claim_n;
  bool claimed_all;
  uint64_t next_ord;      /* the next one to be read */
  uint64_t segments_left; /* without a slot, at most */

  int64_t last_watch;
};

void requests_open (struct requests *r, const struct copy_facts *f, const struct supply *supply,
                    struct pool *pool, struct progress *progress);
/* Keep every connection busy. */
int requests_refill (struct requests *r, struct error *err);
/* Cut what is slower than was thought. */
void requests_watch (struct requests *r);
/* Everything was asked for. */
bool requests_done (const struct requests *r);
/* How many bytes the next request should bring. */
uint64_t requests_next_size (const struct requests *r);

#endif
