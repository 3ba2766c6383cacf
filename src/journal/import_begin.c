/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_begin: a new import in the journal.
 */
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "base/clock.h"
#include "journal/event.h"
#include "journal/record.h"
#include "journal/transaction.h"

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
  if (other.now.holder[0] != '\0')
    return fail (err, ERR_IMPORT_HELD, "%.512s: import %s writes it already (%s)", target,
                 other.id, other.now.holder);
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
  imp->now.state = IMPORT_PROBING;
  imp->started_at = wall_ms ();
  if (tx_begin (j, DURABLE, err) == -1)
    return -1;
  imp->no = 0;
  r = tx_end (j, insert_all (j, imp, layers, err), err);
  if (r == -1)
    import_lock_drop (&j->locks, imp->no);
  return r == -1 ? -1 : record_read_import (&j->sql, imp->no, imp, err);
}
