/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_find: imports are found by their id or target, and listed; and their layers.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"
#include "journal/record.h"
#include "journal/transaction.h"

enum { PREFIX_MIN = 4, LIST_BATCH = 64 };

static int
no_such (struct journal *j, const char *id, struct error *err)
{
  char words[256];

  escape_text (words, sizeof words, id, strlen (id));
  return fail (err, ERR_NO_SUCH_IMPORT,
               "%s: no such import in journal %s; qimport status lists what there is", words,
               j->sql.path);
}

/* *NO 0 if no import's UUID begins so. */
static int
find_prefix (struct journal *j, const char *prefix, int64_t *no, struct error *err)
{
  sqlite3_stmt *row;
  int r;

  *no = 0;
  if (sql_start (&j->sql, SQL_IMPORT_BY_PREFIX, &row, err, "t", prefix) == -1)
    return -1;
  r = sql_next (&j->sql, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  *no = sqlite3_column_int64 (row, 0);
  r = sql_next (&j->sql, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  sql_end (row);
  return fail (err, ERR_USAGE, "%s: several imports begin so; give more of the ID", prefix);
}

/* A UUID or the start of one, in lower case. */
static bool
looks_like_id (const char *id, char lower[JOURNAL_ID_SIZE])
{
  size_t i, n = strlen (id);

  if (n < PREFIX_MIN || n >= JOURNAL_ID_SIZE)
    return false;
  for (i = 0; i < n; i++) {
    if (!isxdigit ((unsigned char)id[i]) && id[i] != '-')
      return false;
    lower[i] = (char)tolower ((unsigned char)id[i]);
  }
  lower[n] = '\0';
  return true;
}

int
journal_find (struct journal *j, const char *id, struct journal_import *out, struct error *err)
{
  char lower[JOURNAL_ID_SIZE], target[sizeof out->target];
  int64_t no;
  LOCKED (j);

  sql_clean (target, sizeof target, id, 0);
  if (sql_get (&j->sql, SQL_IMPORT_BY_TARGET, 0, &no, err, "t", target) == -1)
    return -1;
  if (no == 0 && looks_like_id (id, lower) && find_prefix (j, lower, &no, err) == -1)
    return -1;
  if (no == 0)
    return no_such (j, id, err);
  return record_read_import (&j->sql, no, out, err);
}

struct listed {
  struct journal_import imp;
  struct journal_layer layer;
};

static int
read_layer (struct sql *s, int64_t no, unsigned layer, struct journal_layer *out,
            struct error *err)
{
  int r = record_read_layer (s, no, layer, out, err);

  return r == 1 ? record_corrupt (s, "a layer of an import is missing", err) : r;
}

/* Up to LIST_BATCH imports behind AFTER, of one moment: a lock for each would cost more than
 * what it is for. */
static int
read_some (struct journal *j, int64_t after, struct listed *out, size_t *n, struct error *err)
{
  sqlite3_stmt *row;
  int rc;
  LOCKED (j);

  *n = 0;
  if (sql_run (&j->sql, SQL_BEGIN_READ, err, "") == -1)
    return -1;
  rc = record_start_imports (&j->sql, after, &row, err);
  while (rc == 0 && *n < LIST_BATCH) {
    rc = record_next_import (&j->sql, row, &out[*n].imp, err);
    if (rc == 0 && read_layer (&j->sql, out[*n].imp.no, 0, &out[*n].layer, err) == -1) {
      sql_end (row);
      rc = -1;
    }
    *n += rc == 0;
  }
  if (rc == 0)
    sql_end (row);
  return tx_end (j, rc == -1 ? -1 : 0, err);
}

int
journal_list (struct journal *j, journal_each each, void *ctx, struct error *err)
{
  OWN_MEM struct listed *some = malloc (LIST_BATCH * sizeof *some);
  int64_t after = 0;
  size_t i, n = LIST_BATCH;

  if (some == NULL)
    return fail_memory (err, "the list of imports");
  while (n == LIST_BATCH) {
    if (read_some (j, after, some, &n, err) == -1)
      return -1;
    for (i = 0; i < n; i++)
      if (each (ctx, &some[i].imp, &some[i].layer, err) == -1)
        return -1;
    after = n == 0 ? after : some[n - 1].imp.no;
  }
  return 0;
}

int
journal_get_layer (struct journal *j, int64_t no, unsigned layer, struct journal_layer *out,
                   struct error *err)
{
  LOCKED (j);

  return read_layer (&j->sql, no, layer, out, err);
}

int
journal_put_layer (struct journal *j, int64_t no, unsigned layer, const struct journal_layer *l,
                   struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1)
    return -1;
  return tx_end (j, record_write_layer (&j->sql, no, layer, l, err), err);
}
