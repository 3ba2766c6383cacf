/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * documents: status, log and receipt as JSON.  They are made by SQLite, from named statements;
 * here they are only carried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "journal/transaction.h"

/* The first column of a statement, with a newline. */
static int
one_document (struct journal *j, enum sql_name name, int64_t no, char **json, struct error *err)
{
  sqlite3_stmt *row;
  int r;
  LOCKED (j);

  *json = NULL;
  if (sql_start (&j->sql, name, &row, err, "u", no == 0 ? UINT64_MAX : (uint64_t)no) == -1)
    return -1;
  r = sql_next (&j->sql, row, err);
  if (r == -1)
    return -1;
  if (r == 0 && sqlite3_column_type (row, 0) != SQLITE_NULL) {
    if (asprintf (json, "%s\n", (const char *)sqlite3_column_text (row, 0)) == -1)
      *json = NULL;
    sql_end (row);
    return *json == NULL ? fail_memory (err, "a document") : 0;
  }
  if (r == 0)
    sql_end (row);
  return fail (err, ERR_NO_SUCH_IMPORT, "journal %s: the import is no longer in it",
               j->sql.path);
}

int
journal_status_json (struct journal *j, const struct journal_import *imp, char **json,
                     struct error *err)
{
  return one_document (j, SQL_STATUS_JSON, imp == NULL ? 0 : imp->no, json, err);
}

struct lines {
  struct journal *j;
  enum sql_name name;
  char *text;
  size_t len;
};

static int
add_line (void *ctx, const struct journal_import *imp, const struct journal_layer *layer,
          struct error *err)
{
  struct lines *l = ctx;
  OWN_MEM char *json = NULL;
  char *longer;
  size_t n;

  (void)layer;
  if (one_document (l->j, l->name, imp->no, &json, err) == -1)
    return -1;
  n = strlen (json);
  longer = realloc (l->text, l->len + n + 1);
  if (longer == NULL)
    return fail_memory (err, "a document");
  memcpy (longer + l->len, json, n + 1);
  l->text = longer;
  l->len += n;
  return 0;
}

/* A line for each import. */
static int
all_documents (struct journal *j, enum sql_name name, char **json, struct error *err)
{
  struct lines l = { .j = j, .name = name, .text = strdup ("") };

  *json = NULL;
  if (l.text == NULL)
    return fail_memory (err, "a document");
  if (journal_list (j, add_line, &l, err) == -1) {
    free (l.text);
    return -1;
  }
  *json = l.text;
  return 0;
}

int
journal_log_json (struct journal *j, const struct journal_import *imp, char **json,
                  struct error *err)
{
  if (imp == NULL)
    return all_documents (j, SQL_LOG_JSON, json, err);
  return one_document (j, SQL_LOG_JSON, imp->no, json, err);
}

int
journal_receipt_json (struct journal *j, const struct journal_import *imp, char **json,
                      struct error *err)
{
  if (imp == NULL)
    return all_documents (j, SQL_RECEIPT_JSON, json, err);
  return one_document (j, SQL_RECEIPT_JSON, imp->no, json, err);
}
