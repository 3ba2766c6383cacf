/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sql: one connection to SQLite, the named statements of sql/ prepared on it as they are first
 * used, and the one place where a result code of SQLite becomes an error.  What the statements
 * mean is not known here.
 */
#ifndef QIMPORT_JOURNAL_SQL_H
#define QIMPORT_JOURNAL_SQL_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"
#include "journal/sql-text.h"

struct sql {
  sqlite3 *db;
  char *path; /* for messages */
  sqlite3_stmt *prepared[SQL_COUNT];
  struct {
    int64_t since, quiet; /* monotonic: it waits since, and nobody has written since */
    uint64_t stamp;       /* of who wrote last */
  } busy;
};

/* FLAGS are SQLite's SQLITE_OPEN_*.  On failure S is left empty. */
int sql_open (struct sql *s, const char *path, const char *shown, int flags, struct error *err);
/* Wait for others where they have it locked (or answer at once that they have): as long as they
 * go on, up to a minute, and ten seconds for one that does nothing.  Also while S is open it
 * stays where it is in memory. */
void sql_wait_for_others (struct sql *s, bool wait);
/* What a hostile file could abuse is switched off, and limits are lowered. */
int sql_harden (struct sql *s, struct error *err);
void sql_close (struct sql *s); /* takes empty and half-built ones */

/* The file's own name, where PATH of S may be escaped. */
const char *sql_file (const struct sql *s);

/* ERR from the last error of S. */
int sql_fail (struct sql *s, const char *doing, struct error *err);

/* Bind by TYPES, a letter for each parameter: 'i' int64_t, 'u' uint64_t (UINT64_MAX is
 * stored as NULL), 't' const char *, 'b' const void *, size_t (of 0: NULL), 'p' const void *,
 * const char * (what SQLite asks to be given it back by, a literal).  Text, blobs and pointers
 * must live until the statement is done. */

/* Run to the end; rows are thrown away. */
int sql_run (struct sql *s, enum sql_name name, struct error *err, const char *types, ...);
/* Start, for rows: *ROW is for sql_next, and then for sql_end. */
int sql_start (struct sql *s, enum sql_name name, sqlite3_stmt **row, struct error *err,
               const char *types, ...);
/* 0: a row is there; 1: no more, and it is over. */
int sql_next (struct sql *s, sqlite3_stmt *row, struct error *err);
void sql_end (sqlite3_stmt *row);
/* First column of the first row; NONE if there is no row or it is NULL. */
int sql_get (struct sql *s, enum sql_name name, int64_t none, int64_t *value, struct error *err,
             const char *types, ...);
/* Rows that the last statement changed. */
int sql_changed (const struct sql *s);

/* Of a row; NULL is UINT64_MAX. */
uint64_t sql_u64 (sqlite3_stmt *row, int column);

/* Where the journal has to be read by a name that may not be all of ASCII: valid UTF-8 without
 * control characters as it is, anything else escaped; a newline may stay if LINES.  OUT of SIZE
 * bytes. */
char *sql_clean (char *out, size_t size, const char *in, int lines);

#endif
