/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_inner: the inside of compare, shared by compare.c (plan, order, findings) and
 * look.c (the threads that read and compare).
 */
#ifndef QIMPORT_VERIFY_COMPARE_THREAD_H
#define QIMPORT_VERIFY_COMPARE_THREAD_H

#include <pthread.h>

#include "verify/compare.h"
#include "verify/merkle.h"

enum {
  WINDOW_LEAVES = 16, /* the longest window */
  PLAN_AHEAD = 256,   /* units whose leaves may wait for an earlier one's */
  PLAN_ROWS = 128,    /* rows read at once */
  UNIT_SEGMENTS = 64,
  DIFFERENCES_MAX = 65536 /* kept, before they are merged */
};

/* A piece of the work, in the order of the plan. */
struct unit {
  uint64_t seq;
  uint64_t from, to;         /* guest window; empty: none */
  bool hole;                 /* all of it is */
  uint64_t zero_from;        /* zero runs of the window begin with this one, if any */
  struct guest_range zeros;  /* without a window: a zero run to look at; len 0: none */
  uint64_t ord_from, ord_to; /* segments */
};

/* The leaves of a window, until its turn has come. */
struct leaves {
  bool ready;
  uint64_t zeros; /* as many leaves of zeros; or */
  unsigned n;
  uint8_t digest[WINDOW_LEAVES][DIGEST_SIZE];
};

struct compare {
  struct compare_spec spec;
  uint64_t window; /* bytes: whole leaves */
  pthread_t *threads;
  unsigned n_threads;
  _Atomic uint64_t bytes_read, done;
  atomic_bool quit;

  pthread_mutex_t lock;
  pthread_cond_t change;
  bool failed;
  struct error error;
  unsigned running;

  /* The plan, under the lock. */
  struct journal_reader *reader;
  uint64_t seq;        /* of the next unit */
  uint64_t at;         /* guest bytes before this are planned */
  uint64_t next_ord;   /* of segments */
  uint64_t next_guest; /* where that one begins; valid when have_guest */
  bool have_guest;
  struct segment rows[PLAN_ROWS];
  uint64_t rows_from;
  size_t n_rows;
  struct extent runs[PLAN_ROWS]; /* zero runs */
  uint64_t next_run, runs_from;
  size_t n_runs;

  /* The root, under the lock. */
  struct merkle merkle;
  uint64_t flushed; /* units whose leaves are in it */
  struct leaves ring[PLAN_AHEAD];

  struct compare_result result; /* under the lock */
  size_t cap_differences, cap_segments;
};

/* The next unit: 1, or 0 when there is none.  Takes the lock. */
int compare_next (struct compare *c, struct unit *u, struct error *err);
/* Its leaves, in whatever order the units end. */
void compare_put_leaves (struct compare *c, const struct unit *u, const struct leaves *l);
int compare_add_difference (struct compare *c, const struct difference *d, struct error *err);
int compare_add_segment (struct compare *c, uint64_t ord, struct error *err);

void *look_main (void *compare);

#endif
