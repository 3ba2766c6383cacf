/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * file: the journal's file: made, checked, opened, migrated.  What the tables mean is known
 * elsewhere in the room.
 *
 * Nobody but SQLite opens the file once it has its name: a close(2) of another descriptor
 * would drop the locks that SQLite holds for the whole process.
 */
#ifndef QIMPORT_JOURNAL_FILE_H
#define QIMPORT_JOURNAL_FILE_H

#include "base/digest.h"
#include "journal/sql.h"

/* SHA-256 of the schema as `sqlite3 .schema` shows it, and what it is after all migrations. */
int file_schema_digest (struct sql *s, char hex[DIGEST_HEX], struct error *err);
extern const char file_schema_sha256[DIGEST_HEX];

/* A connection of its own that only reads, hardened and checked. */
int file_open_reader (struct sql *s, const char *path, struct error *err);

#endif
