/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * database: the journal's file: made, checked, opened, migrated.  What the tables mean is known
 * elsewhere in the room.
 *
 * Nobody but SQLite opens the file once it has its name: a close(2) of another descriptor
 * would drop the locks that SQLite holds for the whole process.
 */
#ifndef QIMPORT_JOURNAL_DATABASE_H
#define QIMPORT_JOURNAL_DATABASE_H

#include "journal/sql.h"

/* A connection of its own that only reads, hardened and checked. */
int database_open_reader (struct sql *s, const char *path, struct error *err);

#endif
