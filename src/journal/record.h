/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * record: rows of import, layer and segment as structs, and back.  The one place that knows
 * which column is which member.
 */
#ifndef QIMPORT_JOURNAL_RECORD_H
#define QIMPORT_JOURNAL_RECORD_H

#include "journal/holder.h"
#include "journal/journal.h"
#include "journal/sql.h"

/* Read import NO; ERR_NO_SUCH_IMPORT if it is gone.  A holder that died shows (habits of
 * struct journal_import).  What cannot be read leaves *OUT as it was: who has the import still
 * knows which it is. */
int record_read_import (struct sql *s, int64_t no, struct journal_import *out,
                        struct error *err);
/* Insert *IMP, held by HOLDER; *NO is its number. */
int record_insert_import (struct sql *s, const struct journal_import *imp,
                          const struct holder *holder, int64_t *no, struct error *err);

/* 1: there is no such layer. */
int record_read_layer (struct sql *s, int64_t no, unsigned layer, struct journal_layer *out,
                       struct error *err);
int record_write_layer (struct sql *s, int64_t no, unsigned layer,
                        const struct journal_layer *l, struct error *err);

/* The columns of segments and claim. */
int record_read_segment (sqlite3_stmt *row, struct sql *s, struct segment *out,
                         struct error *err);

/* The columns of extents. */
struct extent_row {
  uint64_t guest, len, host, stored, skip;
};
void record_read_extent_row (sqlite3_stmt *row, struct extent_row *out);
/* Such a row, of a segment of LAYER that begins at AT, once it is known to be possible. */
int record_extent (const struct sql *s, const struct extent_row *row, uint32_t layer,
                   host_off at, struct extent *out, struct error *err);

/* ERR_JOURNAL_CORRUPT: a value that no qimport wrote. */
int record_corrupt (const struct sql *s, const char *what, struct error *err);

/* The state that follows from what is there, for an import that is worked on. */
enum import_state record_phase (const struct journal_import *imp);

#endif
