/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * extent_rows: see extent_rows.h.  The methods are called by SQLite, as its manual says.
 */
#include "journal/extent_rows.h"

/* The hidden column is the function's argument. */
static const char declaration[]
    = "CREATE TABLE x (key, guest, len, host, stored, skip, rows HIDDEN)";

const char rows_pointer[] = "extent rows";

struct cursor {
  sqlite3_vtab_cursor base;
  const struct rows *rows;
  unsigned i;
};

static int
rows_connect (sqlite3 *db, void *ctx, int argc, const char *const *argv, sqlite3_vtab **table,
              char **message)
{
  int rc = sqlite3_declare_vtab (db, declaration);

  (void)ctx;
  (void)argc;
  (void)argv;
  (void)message;
  if (rc != SQLITE_OK)
    return rc;
  *table = sqlite3_malloc (sizeof **table);
  if (*table == NULL)
    return SQLITE_NOMEM;
  **table = (sqlite3_vtab){ 0 };
  return sqlite3_vtab_config (db, SQLITE_VTAB_DIRECTONLY); /* not from a file's schema */
}

static int
rows_disconnect (sqlite3_vtab *table)
{
  sqlite3_free (table);
  return SQLITE_OK;
}

/* There is one way only: all rows of the argument. */
static int
rows_best_index (sqlite3_vtab *table, sqlite3_index_info *info)
{
  int i;

  (void)table;
  for (i = 0; i < info->nConstraint; i++)
    if (info->aConstraint[i].usable && info->aConstraint[i].iColumn == ROWS_COLUMNS
        && info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
      info->aConstraintUsage[i].argvIndex = 1;
      info->aConstraintUsage[i].omit = 1;
      info->estimatedCost = 1;
      return SQLITE_OK;
    }
  return SQLITE_CONSTRAINT;
}

static int
rows_open (sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
  struct cursor *c = sqlite3_malloc (sizeof *c);

  (void)table;
  if (c == NULL)
    return SQLITE_NOMEM;
  *c = (struct cursor){ .rows = NULL };
  *out = &c->base;
  return SQLITE_OK;
}

static int
rows_close (sqlite3_vtab_cursor *cursor)
{
  sqlite3_free (cursor);
  return SQLITE_OK;
}

/* SQLite gives the pointer back only under the name it was bound with. */
static int
rows_filter (sqlite3_vtab_cursor *cursor, int plan, const char *name, int argc,
             sqlite3_value **argv)
{
  struct cursor *c = (struct cursor *)cursor;

  (void)plan;
  (void)name;
  (void)argc;
  c->rows = sqlite3_value_pointer (argv[0], rows_pointer);
  c->i = 0;
  return c->rows == NULL ? SQLITE_MISUSE : SQLITE_OK;
}

static int
rows_next (sqlite3_vtab_cursor *cursor)
{
  ((struct cursor *)cursor)->i++;
  return SQLITE_OK;
}

static int
rows_eof (sqlite3_vtab_cursor *cursor)
{
  const struct cursor *c = (const struct cursor *)cursor;

  return c->i >= c->rows->n;
}

static int
rows_column (sqlite3_vtab_cursor *cursor, sqlite3_context *ctx, int column)
{
  const struct cursor *c = (const struct cursor *)cursor;

  if (column < ROWS_COLUMNS)
    sqlite3_result_int64 (ctx, c->rows->row[c->i][column]);
  return SQLITE_OK;
}

static int
rows_rowid (sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
  *rowid = ((const struct cursor *)cursor)->i;
  return SQLITE_OK;
}

int
rows_register (struct sql *s, struct error *err)
{
  static const sqlite3_module module = {
    .xConnect = rows_connect,
    .xDisconnect = rows_disconnect,
    .xBestIndex = rows_best_index,
    .xOpen = rows_open,
    .xClose = rows_close,
    .xFilter = rows_filter,
    .xNext = rows_next,
    .xEof = rows_eof,
    .xColumn = rows_column,
    .xRowid = rows_rowid,
  };

  if (sqlite3_create_module (s->db, "extent_rows", &module, NULL) != SQLITE_OK)
    return sql_fail (s, "cannot be prepared", err);
  return 0;
}
