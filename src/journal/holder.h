/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * holder: which process works on an import, for people.  Whether one does is the lock's to say
 * (import_lock.h); a row has its number, the time it started and the boot it belongs to, which
 * decide only where the lock cannot be looked at.
 */
#ifndef QIMPORT_JOURNAL_HOLDER_H
#define QIMPORT_JOURNAL_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

struct holder {
  int64_t pid, start; /* START in clock ticks since the boot; 0: not known */
  char boot[40];
  char host[64], user[64]; /* escaped */
  char text[128];          /* "pid 123 on HOST" */
};

void holder_self (struct holder *h);

/* As a row has it.  PID 0 is nobody. */
struct held_by {
  int64_t pid, start;
  const char *boot;
};

enum held {
  HELD_BY_NOBODY,
  HELD_BY_IT,    /* by the process in the row */
  HELD_ELSEWHERE /* by one that is not to be seen from here: its number is of another place */
};

/* Of import NO in the journal at PATH, with BY in its row. */
enum held holder_of (const char *path, int64_t no, const struct held_by *by);

#endif
