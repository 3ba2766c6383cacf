/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * schema: see schema.h.
 */
#include "journal/schema.h"

#include <string.h>

int
schema_migrate (struct sql *s, struct error *err)
{
  int64_t version, after;

  if (sql_get (s, SQL_GET_USER_VERSION, 0, &version, err, "") == -1)
    return -1;
  for (; version < SQL_MIGRATIONS; version = after) {
    if (sqlite3_exec (s->db, sql_migrations[version], NULL, NULL, NULL) != SQLITE_OK)
      return sql_fail (s, "cannot be migrated", err);
    if (sql_get (s, SQL_GET_USER_VERSION, 0, &after, err, "") == -1)
      return -1;
    if (after != version + 1)
      return fail (err, ERR_INTERNAL, "a migration of the journal set the wrong version");
  }
  return 0;
}

int
schema_open_model (struct sql *s, struct error *err)
{
  if (sql_open (s, ":memory:", "(in memory)", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err)
      == -1)
    return -1;
  if (sql_run (s, SQL_SET_PAGE_SIZE, err, "") == -1
      || sql_run (s, SQL_SET_AUTO_VACUUM, err, "") == -1 || schema_migrate (s, err) == -1) {
    sql_close (s);
    return -1;
  }
  return 0;
}

const char schema_sha256[DIGEST_HEX]
    = "c6240a8d0e9cb96762682ac0fea22430a0e0a7ead7d779b85faf328969ec7247";

int
schema_digest (struct sql *s, char hex[DIGEST_HEX], struct error *err)
{
  uint8_t digest[DIGEST_SIZE];
  struct digest d;
  sqlite3_stmt *row;
  int i, r;

  if (sql_start (s, SQL_SCHEMA, &row, err, "") == -1)
    return -1;
  digest_init (&d);
  while ((r = sql_next (s, row, err)) == 0)
    for (i = 0; i < 4; i++) {
      const char *text = (const char *)sqlite3_column_text (row, i);

      if (text == NULL) /* no text of SQLite's has this byte */
        text = "\xff";
      digest_update (&d, text, strlen (text) + 1);
    }
  if (r == -1)
    return -1;
  digest_peek (&d, digest);
  digest_hex (hex, digest);
  return 0;
}
