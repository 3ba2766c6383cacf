/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * file: the journal's file: made, checked, opened, migrated; and transactions on it.  What the
 * tables mean is known elsewhere in the room.
 *
 * Nobody but SQLite opens the file once it has its name: a close(2) of another descriptor
 * would drop the locks that SQLite holds for the whole process.
 */
#ifndef QIMPORT_JOURNAL_FILE_H
#define QIMPORT_JOURNAL_FILE_H

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

/* SHA-256 of the schema as `sqlite3 .schema` shows it, and what it is after all migrations. */
int file_schema_digest (struct sql *s, char hex[DIGEST_HEX], struct error *err);
extern const char file_schema_sha256[DIGEST_HEX];

/* A connection of its own that only reads, hardened and checked. */
int file_open_reader (struct sql *s, const char *path, struct error *err);

#endif
