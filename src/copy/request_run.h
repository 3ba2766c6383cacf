/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * request_run: the requests in flight: where what comes goes, how fast it comes, and their
 * ends, which may be cut off.  Hands what has come to the workers.  One thread, the network's;
 * takes the team's lock itself.  What is asked for is decided in requests.c.
 */
#ifndef QIMPORT_COPY_REQUEST_RUN_H
#define QIMPORT_COPY_REQUEST_RUN_H

#include "copy/pool.h"
#include "copy/request_size.h"

enum {
  RUNS_MAX = 66, /* more than there are ranges in flight */
  RUN_SLOTS = 24,
  SPLIT_MS = 250 /* what is left of a request must take longer than this to be worth a cut */
};

/* One request: parts of segments that are not whole, in host order. */
struct run {
  struct runs *of;
  struct slot *slots[RUN_SLOTS];
  unsigned part[RUN_SLOTS];
  size_t n; /* 0: not in use */
  struct host_range range;
  uint64_t got;
  int64_t asked_at, first_at, last_at; /* the request, its first byte, its last so far */
};

struct runs {
  const struct supply *supply;
  struct pool *pool;
  struct progress *progress;
  _Atomic unsigned layer; /* whose source is in use: any thread may wake it */
  struct run run[RUNS_MAX];
  struct slot *open; /* not asked for, or not all of it, in host order; they come first */
  struct request_size size;
  int64_t patience_ms; /* with a request that brings nothing */
};

void runs_open (struct runs *r, const struct supply *supply, struct pool *pool,
                struct progress *progress);

/* One that is not in use, for a new request. */
struct run *run_begin (struct runs *r);
/* The first open part of S, up to host offset TO at most, is asked for with RUN. */
void run_take_part (struct run *run, struct slot *s, uint64_t to);
/* Ask for it. */
int run_ask (struct run *run, struct error *err);

/* S, which was just taken up, has an open part: it goes where it belongs among the open. */
void runs_place_open (struct runs *r, struct slot *s);
/* Bytes that were asked for and have not come. */
uint64_t runs_left (const struct runs *r);

/* RUN ends after LEN bytes, not less than it got, or before them where nobody wants the last of
 * them; the rest is open again.  False where a segment was cut too often. */
bool run_cut (struct run *run, uint64_t len);

bool run_is_stuck (const struct run *run, int64_t now);
/* Bytes a millisecond; 0: nothing has come. */
double run_rate (const struct run *run, int64_t now);
/* How long the rest will take, in milliseconds; -1: it cannot be told yet, because its first
 * bytes have just come. */
double run_rest_ms (const struct run *run, int64_t now);

#endif
