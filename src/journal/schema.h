/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * schema: the tables of a journal are what the migrations of sql/migrations make, literally.
 */
#ifndef QIMPORT_JOURNAL_SCHEMA_H
#define QIMPORT_JOURNAL_SCHEMA_H

#include "base/digest.h"
#include "journal/sql.h"

/* Run the migrations that S lacks; each sets user_version itself, and all commit together. */
int schema_migrate (struct sql *s, struct error *err);
/* A new journal in memory. */
int schema_open_model (struct sql *s, struct error *err);

/* SHA-256 of the schema as `sqlite3 .schema` shows it, and what it is after all migrations. */
int schema_digest (struct sql *s, char hex[DIGEST_HEX], struct error *err);
extern const char schema_sha256[DIGEST_HEX];

#endif
