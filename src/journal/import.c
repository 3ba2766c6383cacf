/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import: imports are begun, found and listed, and their layers kept.  What becomes of one
 * later is in life.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/text.h"
#include "journal/event.h"
#include "journal/record.h"
#include "journal/transaction.h"

enum { PREFIX_MIN = 4, LIST_BATCH = 16 };

/* Keys are no << 40: see doc/journal-format.md. */
static const int64_t no_max = 1 << 22;

/* 1: the target has no unfinished import. */
static int
refuse_second (struct journal *j, const char *target, struct error *err)
{
  struct journal_import other;
  int64_t no;

  if (sql_get (&j->sql, SQL_IMPORT_UNFINISHED, 0, &no, err, "t", target) == -1)
    return -1;
  if (no == 0)
    return 1;
  if (record_read_import (&j->sql, no, &other, err) == -1)
    return -1;
  if (other.holder[0] != '\0')
    return fail (err, ERR_IMPORT_HELD, "%.512s: import %s writes it already (%s)", target,
                 other.id, other.holder);
  return fail (err, ERR_TARGET_EXISTS,
               "%.512s: import %s of it is not finished; go on with: qimport resume %s (or "
               "drop it with: qimport forget %s)",
               target, other.id, other.id, other.id);
}

/* A number that was given once is not given again; but an older copy of the journal does not
 * know of it. */
static int
take_new (struct journal *j, int64_t no, struct error *err)
{
  int r = import_lock_take (&j->locks, j->path, no, err);

  if (r != 1)
    return r;
  return fail (
      err, ERR_IMPORT_HELD,
      "journal %s: another process works on an import of it that it does not know; was "
      "an older copy put in its place?  End that process, then start again",
      j->sql.path);
}

static int
insert_all (struct journal *j, struct journal_import *imp, const struct journal_layer *layers,
            struct error *err)
{
  char clean[sizeof imp->target], detail[1024];
  unsigned i;

  if (refuse_second (j, sql_clean (clean, sizeof clean, imp->target, 0), err) != 1)
    return -1;
  if (record_insert_import (&j->sql, imp, &j->self, &imp->no, err) == -1)
    return -1;
  if (imp->no > no_max)
    return fail (err, ERR_JOURNAL_FAILED,
                 "journal %s: it has seen too many imports; name another with --journal",
                 j->sql.path);
  if (take_new (j, imp->no, err) == -1)
    return -1;
  for (i = 0; i < imp->layers; i++)
    if (record_write_layer (&j->sql, imp->no, i, &layers[i], err) == -1)
      return -1;
  snprintf (detail, sizeof detail, "%.500s to %.500s", layers[0].url, imp->target);
  return event_add (&j->sql, imp->no, "started", detail, err);
}

int
journal_begin (struct journal *j, struct journal_import *imp,
               const struct journal_layer *layers, struct error *err)
{
  uuid_t uuid;
  int r;
  LOCKED (j);

  if (imp->layers == 0 || imp->layers > JOURNAL_LAYERS_MAX)
    return fail (err, ERR_USAGE, "%u layers of backing files are more than %d", imp->layers,
                 JOURNAL_LAYERS_MAX);
  uuid_generate_random (uuid);
  uuid_unparse_lower (uuid, imp->id);
  imp->state = IMPORT_PROBING;
  imp->started_at = wall_ms ();
  if (tx_begin (j, DURABLE, err) == -1)
    return -1;
  imp->no = 0;
  r = tx_end (j, insert_all (j, imp, layers, err), err);
  if (r == -1)
    import_lock_drop (&j->locks, imp->no);
  return r == -1 ? -1 : record_read_import (&j->sql, imp->no, imp, err);
}

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
  int64_t no = after;
  int rc = 0;
  LOCKED (j);

  if (sql_run (&j->sql, SQL_BEGIN_READ, err, "") == -1)
    return -1;
  for (*n = 0; *n < LIST_BATCH && rc == 0; ++*n) {
    rc = sql_get (&j->sql, SQL_IMPORT_NEXT, 0, &no, err, "i", no);
    if (rc == -1 || no == 0)
      break;
    rc = record_read_import (&j->sql, no, &out[*n].imp, err);
    if (rc == 0)
      rc = read_layer (&j->sql, no, 0, &out[*n].layer, err);
  }
  return tx_end (j, rc, err);
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
