/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * holder: which process works on an import, and whether it still lives.  A process is known by
 * its number, the time it started and the boot it belongs to, so that a number that was given
 * anew does not keep an import.
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
/* PID 0 is nobody. */
bool holder_lives (int64_t pid, int64_t start, const char *boot);

#endif
