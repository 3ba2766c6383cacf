/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checker: the journal is checked on a thread of its own, beside what else there is to do.
 * Until it has passed nothing is committed.  Reads the journal only.
 */
#ifndef QIMPORT_VERIFY_CHECKER_H
#define QIMPORT_VERIFY_CHECKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct checker {
  pthread_t thread;
  bool runs; /* to be joined */
  const char *path;
  int64_t no;
  bool witness; /* the chain of events and the statement of a complete one, too */
  const atomic_bool *stop;
  atomic_bool *on_failure;  /* becomes true if it fails; may be NULL */
  atomic_bool done, passed; /* may be read by others; PASSED before there was a check, too */
  pthread_mutex_t lock;
  pthread_cond_t over;
  int result;
  struct error error;
};

/* As if a check had passed. */
void checker_init (struct checker *c);
void checker_release (struct checker *c);

/* Begin to check import NO of the journal at PATH, which outlives it; ends early when *STOP. */
int checker_start (struct checker *c, const char *path, int64_t no, bool witness,
                   const atomic_bool *stop, atomic_bool *on_failure, struct error *err);
/* It has ended, or does within TIMEOUT_MS, or none was begun. */
bool checker_wait (struct checker *c, int timeout_ms);
/* It has ended, and not well: -1. */
int checker_failed (struct checker *c, struct error *err);
/* Waits for its end. */
int checker_join (struct checker *c, struct error *err);

#endif
