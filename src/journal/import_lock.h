/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_lock: who works on an import, decided by the kernel.  Beside the journal stands the
 * file JOURNAL-lock, empty and never removed; the byte at offset NO is locked by whoever works
 * on import NO.  The lock is of an open file description, one for each import that is held: it
 * ends with its process, it is seen from every container and by every name of the directory,
 * and it stands between two imports of one process as between two processes.
 *
 * A descriptor that was inherited over a fork(2) keeps the lock, until both are closed.  What
 * is in the row of an import (who has it, since when) is for people; nothing is decided by it.
 */
#ifndef QIMPORT_JOURNAL_IMPORT_LOCK_H
#define QIMPORT_JOURNAL_IMPORT_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct import_lock {
  int64_t no;
  int fd;
  char *name; /* of the file that FD is */
  bool whole; /* that file is of this import alone */
  pid_t pid;  /* of who took it */
};

/* Those of one struct journal.  Empty: all zero. */
struct import_locks {
  struct import_lock *item;
  size_t n;
};

void import_locks_release (struct import_locks *l);

/* 0: taken; 1: somebody else has it, or this very process.  JOURNAL is the journal's path. */
int import_lock_take (struct import_locks *l, const char *journal, int64_t no,
                      struct error *err);
void import_lock_drop (struct import_locks *l, int64_t no); /* if it is taken */
bool import_lock_have (const struct import_locks *l, int64_t no);
/* Its file is still the one that others will look at. */
bool import_lock_counts (const struct import_locks *l, int64_t no);

enum import_lock_view {
  IMPORT_FREE,
  IMPORT_LOCKED,
  IMPORT_UNSEEN /* this process may not look, or there is no looking at such locks */
};

/* Takes nothing and makes nothing. */
enum import_lock_view import_lock_look (const char *journal, int64_t no);

#endif
