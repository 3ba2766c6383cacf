/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * phase: what an import is doing, as a table: each phase is a function that does a bit of work
 * and returns which phase comes next, which the table must allow.  What a phase made is in the
 * journal before it names another, so that a resume enters at the same place.
 */
#ifndef QIMPORT_IMPORT_PHASE_H
#define QIMPORT_IMPORT_PHASE_H

#include <stdbool.h>

#include "base/error.h"

struct qimport;

/* name, function, and which phases may follow besides itself */
#define PHASES(X)                                                                           \
  X (OVER, over, 0)                                                                         \
  X (ENSURE, ensure,                                                                        \
     MAY (START) | MAY (RESUME) | MAY (ASK_SOURCE) | MAY (ASK_NEWER) | MAY (OVER))          \
  X (ASK_SOURCE, ask_source, MAY (OVER))                                                    \
  X (ASK_NEWER, ask_newer, MAY (START) | MAY (RESUME) | MAY (OVER))                         \
  X (START, start, MAY (MAP) | MAY (STREAM) | MAY (FORWARD))                                \
  X (FORWARD, forward, MAY (START))                                                         \
  X (RESUME, resume, MAY (ENSURE) | MAY (MAP) | MAY (TARGET) | MAY (STREAM) | MAY (FINISH)) \
  X (GATHER, gather, MAY (MAP))                                                             \
  X (MAP, map, MAY (TARGET) | MAY (DEAL) | MAY (FORWARD))                                   \
  X (TARGET, target, MAY (COPY))                                                            \
  X (STREAM, stream, MAY (COPY))                                                            \
  X (COPY, copy, MAY (FINISH) | MAY (PROVE) | MAY (FORWARD))                                \
  X (PROVE, prove, MAY (TARGET))                                                            \
  X (FINISH, finish, MAY (OVER))                                                            \
  X (DEAL, deal, MAY (SPREAD))                                                              \
  X (SPREAD, spread, MAY (PART))                                                            \
  X (PART, part, MAY (OVER))                                                                \
  X (AUDIT, audit, MAY (COMPARE))                                                           \
  X (COMPARE, compare, MAY (REPAIR) | MAY (OVER))                                           \
  X (REPAIR, repair, MAY (COMPARE))

/* OVER is 0: there is nothing left to do. */
enum phase {
#define X(name, word, next) PHASE_##name,
  PHASES (X)
#undef X
      N_PHASES
};

const char *phase_word (enum phase p);
bool phase_may_follow (enum phase p, enum phase next);

/* Do a bit of P's work: the phase that comes next, P itself while there is more; -1. */
int phase_step (struct qimport *q, enum phase p, int timeout_ms, struct error *err);

/* -1, or the next one. */
#define X(name, word, next) \
  int phase_##word (struct qimport *q, int timeout_ms, struct error *err);
PHASES (X)
#undef X

#endif
