/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * extent_rows: extents on their way into the journal, many to a statement.  An array in memory
 * is a table that SQLite can select from, so that one statement stores all of it: a statement a
 * row takes twice as long.  The table is SQLite's own kind of such a thing, a table-valued
 * function of a bound pointer (https://sqlite.org/vtab.html, https://sqlite.org/bindptr.html).
 */
#ifndef QIMPORT_JOURNAL_EXTENT_ROWS_H
#define QIMPORT_JOURNAL_EXTENT_ROWS_H

#include <stdint.h>

#include "journal/sql.h"

enum { ROWS_MAX = 512, ROWS_COLUMNS = 6 };

/* The columns of table extent, in their order. */
struct rows {
  unsigned n;
  int64_t row[ROWS_MAX][ROWS_COLUMNS];
};

/* On connection S statements may select from extent_rows (?), a struct rows bound as 'p' with
 * rows_pointer. */
int rows_register (struct sql *s, struct error *err);
extern const char rows_pointer[];

#endif
