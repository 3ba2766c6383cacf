/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * life: what becomes of an import that is held: its target named, begun again, completed,
 * forgotten; and its events.  The map and the work on it are elsewhere.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/event.h"
#include "journal/hold.h"
#include "journal/map.h"
#include "journal/record.h"
#include "journal/witness.h"

/* ---- What it is -------------------------------------------------------------------------- */

int
journal_set_options (struct journal *j, const struct journal_import *imp, struct error *err)
{
  char clean[sizeof imp->options];
  LOCKED (j);

  if (tx_begin_of (j, imp->no, DURABLE, err) == -1)
    return -1;
  return tx_end (j,
                 sql_run (&j->sql, SQL_IMPORT_SET_OPTIONS, err, "itit", imp->no,
                          sql_clean (clean, sizeof clean, imp->options, 1), wall_ms (),
                          imp->expect_sha256),
                 err);
}

int
journal_set_target (struct journal *j, int64_t no, const char *identity, struct error *err)
{
  char clean[sizeof ((struct journal_import *)NULL)->target_identity];
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1)
    return -1;
  return tx_end (j,
                 sql_run (&j->sql, SQL_IMPORT_SET_TARGET, err, "iti", no,
                          sql_clean (clean, sizeof clean, identity, 0), wall_ms ()),
                 err);
}

static int
audited (struct journal *j, int64_t no, const char *kind, const char *verdict,
         const char *root_hex, struct error *err)
{
  char detail[1024];

  if (root_hex[0] != '\0'
      && sql_run (&j->sql, SQL_IMPORT_SET_ROOT, err, "iti", no, root_hex, wall_ms ()) == -1)
    return -1;
  snprintf (detail, sizeof detail, "%.800s%s%.64s", verdict,
            root_hex[0] != '\0' ? "; root=" : "", root_hex);
  return event_add (&j->sql, no, kind, detail, err);
}

int
journal_audited (struct journal *j, int64_t no, const char *kind, const char *verdict,
                 const char *root_hex, struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1)
    return -1;
  return tx_end (j, audited (j, no, kind, verdict, root_hex, err), err);
}

static int
unseal (struct journal *j, int64_t no, struct error *err)
{
  if (sql_run (&j->sql, SQL_IMPORT_RESTART, err, "ii", no, wall_ms ()) == -1
      || sql_run (&j->sql, SQL_IMPORT_DROP_HELD, err, "i", no) == -1)
    return -1;
  return sql_run (&j->sql, SQL_IMPORT_UNSEAL, err, "i", no);
}

int
journal_unseal (struct journal *j, int64_t no, struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1 || tx_end (j, unseal (j, no, err), err) == -1)
    return -1;
  return map_purge (j, no, err);
}

int
journal_set_stream (struct journal *j, int64_t no, bool stream, struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, PROGRESS, err) == -1)
    return -1;
  return tx_end (j, sql_run (&j->sql, SQL_IMPORT_STREAM, err, "ii", no, (int64_t)stream), err);
}

/* Best effort: a reader must never be able to block "done". */
static void
checkpoint (struct journal *j)
{
  sqlite3_busy_timeout (j->sql.db, 0);
  sqlite3_wal_checkpoint_v2 (j->sql.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  sqlite3_busy_timeout (j->sql.db, 10000);
}

static int
complete (struct journal *j, int64_t no, const char *image_sha256,
          const uint8_t segments[DIGEST_SIZE], struct error *err)
{
  char detail[1024];

  if (sql_run (&j->sql, SQL_IMPORT_COMPLETE, err, "iti", no, image_sha256, wall_ms ()) == -1)
    return -1;
  if (sql_changed (&j->sql) != 1)
    return fail (err, ERR_INTERNAL,
                 "journal %s: the import was to be completed before all of it was committed",
                 j->sql.path);
  if (sql_run (&j->sql, SQL_HELD_DELETE, err, "i", no) == -1)
    return -1;
  if (witness_statement (&j->sql, no, segments, detail, sizeof detail, err) == -1)
    return -1;
  return event_add (&j->sql, no, "completed", detail, err);
}

int
journal_complete (struct journal *j, int64_t no, const char *image_sha256, struct error *err)
{
  uint8_t segments[DIGEST_SIZE];
  LOCKED (j);

  /* Before the transaction, which others would have to wait for: the import is ours. */
  if (witness_segments (&j->sql, no, NULL, segments, err) == -1)
    return -1;
  if (tx_begin_of (j, no, DURABLE, err) == -1
      || tx_end (j, complete (j, no, image_sha256, segments, err), err) == -1)
    return -1;
  import_lock_drop (&j->locks, no);
  checkpoint (j);
  return 0;
}

/* ---- Its end ----------------------------------------------------------------------------- */

/* The import is gone in one transaction; its many rows go after it. */
static int
forget (struct journal *j, int64_t no, struct error *err)
{
  if (sql_run (&j->sql, SQL_IMPORT_DELETE, err, "i", no) == -1
      || sql_run (&j->sql, SQL_LAYER_DELETE, err, "i", no) == -1
      || sql_run (&j->sql, SQL_HELD_DELETE, err, "i", no) == -1
      || sql_run (&j->sql, SQL_SAMPLE_DELETE, err, "i", no) == -1)
    return -1;
  return sql_run (&j->sql, SQL_FORGOTTEN_ADD, err, "i", no);
}

/* What earlier processes left behind, too. */
static int
sweep (struct journal *j, struct error *err)
{
  int64_t no;

  for (;;) {
    if (sql_get (&j->sql, SQL_FORGOTTEN_NEXT, 0, &no, err, "") == -1)
      return -1;
    if (no == 0)
      return 0;
    if (map_purge (j, no, err) == -1 || map_purge_rows (j, SQL_EVENT_PURGE, no, err) == -1
        || sql_run (&j->sql, SQL_FORGOTTEN_DONE, err, "i", no) == -1)
      return -1;
  }
}

/* No more rounds than there are free pages now: it ends even beside a busy import. */
static int
give_back (struct journal *j, struct error *err)
{
  int64_t pages, left;

  if (sql_get (&j->sql, SQL_FREE_PAGES, 0, &pages, err, "") == -1)
    return -1;
  for (; pages > 0; pages -= 1000) {
    if (sql_run (&j->sql, SQL_GIVE_BACK, err, "") == -1
        || sql_get (&j->sql, SQL_FREE_PAGES, 0, &left, err, "") == -1)
      return -1;
    if (left == 0)
      break;
  }
  return 0;
}

/* Once the import is gone nothing can fail any more: what cannot be swept now is later. */
static void
sweep_after (struct journal *j, int64_t no)
{
  struct error unheard;

  import_lock_drop (&j->locks, no);
  if (sweep (j, &unheard) == 0 && give_back (j, &unheard) == 0)
    checkpoint (j);
}

static int
forget_unheld (struct journal *j, struct journal_import *imp, bool ours, struct error *err)
{
  if (!ours)
    return hold_refuse (imp, err);
  return forget (j, imp->no, err);
}

int
journal_forget (struct journal *j, const struct journal_import *imp, struct error *err)
{
  struct journal_import now = { .no = imp->no };
  LOCKED (j);

  if (hold_take (j, &now, DURABLE, forget_unheld, err) == -1)
    return -1;
  sweep_after (j, imp->no);
  return 0;
}

int
journal_discard (struct journal *j, int64_t no, struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1 || tx_end (j, forget (j, no, err), err) == -1)
    return -1;
  sweep_after (j, no);
  return 0;
}
