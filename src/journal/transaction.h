/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * transaction: a journal that is open - one connection, under one lock, with the locks of the
 * imports that are held - and the transactions on it: how durable each is, and what must be so
 * when it begins.
 */
#ifndef QIMPORT_JOURNAL_TRANSACTION_H
#define QIMPORT_JOURNAL_TRANSACTION_H

#include <pthread.h>
#include <stdbool.h>

#include "journal/holder.h"
#include "journal/import_lock.h"
#include "journal/journal.h"
#include "journal/sql.h"

/* What a power cut may take back. */
enum durability {
  PROGRESS, /* the last commits: the work is done again (J3) */
  DURABLE   /* nothing */
};

struct journal {
  pthread_mutex_t lock; /* over everything below */
  struct sql sql;
  char *path; /* canonical */
  bool wal;
  bool full; /* synchronous is FULL, not NORMAL */
  struct holder self;
  struct import_locks locks; /* of the imports that are held */
  bool durable;              /* the transaction that is open */
  int written;               /* pages before it */
  unsigned samples;          /* written; every so many they are thinned */
};

/* Locked to the end of the scope. */
static inline struct journal *
journal_lock (struct journal *j)
{
  pthread_mutex_lock (&j->lock);
  return j;
}

static inline void
journal_unlockp (struct journal **j)
{
  pthread_mutex_unlock (&(*j)->lock);
}

#define LOCKED(j) \
  __attribute__ ((cleanup (journal_unlockp), unused)) struct journal *locked_ = journal_lock (j)

/* From the next transaction on; asked by each (transaction.c). */
int tx_set_durability (struct journal *j, enum durability d, struct error *err);
/* A transaction that may write.  Refuses a file that was removed or replaced meanwhile. */
int tx_begin (struct journal *j, enum durability d, struct error *err);
/* Likewise, for rows of import NO, which is held (import_lock.h): nobody else changes them.
 * Refused if its lock no longer counts. */
int tx_begin_of (struct journal *j, int64_t no, enum durability d, struct error *err);
/* RESULT 0: commit; else roll back, ERR stays.  Returns RESULT, or -1. */
int tx_end (struct journal *j, int result, struct error *err);
/* The WAL goes into the file, as far as readers let it: best effort, for a reader must never be
 * able to block "done". */
void tx_checkpoint (struct journal *j);

#endif
