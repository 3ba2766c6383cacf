/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * compare_thread: a comparison, and the threads that make it: each takes the next unit of the
 * plan, reads, hashes, and tells what differs.
 */
#ifndef QIMPORT_VERIFY_COMPARE_THREAD_H
#define QIMPORT_VERIFY_COMPARE_THREAD_H

#include <pthread.h>

#include "verify/compare_findings.h"
#include "verify/compare_plan.h"
#include "verify/merkle.h"

enum {
  WINDOW_LEAVES = 16, /* the longest window */
  PLAN_AHEAD = 256    /* units whose leaves may wait for an earlier one's */
};

/* The leaves of a window, until its turn has come. */
struct leaves {
  bool ready;
  uint64_t zeros; /* as many leaves of zeros; or */
  unsigned n;
  uint8_t digest[WINDOW_LEAVES][DIGEST_SIZE];
};

/* The leaves come in whatever order the units end. */
struct compare_root {
  struct merkle merkle;
  uint64_t flushed; /* units whose leaves are in it */
  struct leaves ring[PLAN_AHEAD];
};

struct compare {
  struct compare_spec spec;
  uint64_t window; /* bytes: whole leaves */
  pthread_t *threads;
  unsigned n_threads;
  _Atomic uint64_t bytes_read, done;
  atomic_bool quit;

  /* All that follows is under it. */
  pthread_mutex_t lock;
  pthread_cond_t change;
  bool failed;
  struct error error;
  unsigned running;
  struct compare_plan plan;
  uint64_t seq; /* of the next unit */
  struct compare_root root;
  struct compare_findings findings;
};

/* Until the plan has no more, it has failed, or is to quit. */
void *compare_thread (void *compare);

#endif
