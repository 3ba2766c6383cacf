/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * life: what becomes of an import: held and given back, its target named, begun again,
 * completed, forgotten; and its events.  The map and the work on it are elsewhere.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/map.h"
#include "journal/record.h"
#include "journal/witness.h"

/* ---- Who works on it --------------------------------------------------------------------- */

static int
refuse_held (const struct journal_import *imp, struct error *err)
{
#ifdef SEEDED_BUG_NO_LOCK
  return 0;
#endif
  if (imp->holder[0] == '\0')
    return 0;
  return fail (err, ERR_IMPORT_HELD,
               "import %s is being worked on by %s; wait for it, or stop that process", imp->id,
               imp->holder);
}

/* A process that was killed could not say so itself. */
static int
note_killed (struct journal *j, int64_t no, struct error *err)
{
  char detail[96];
  int64_t pid;

  if (sql_get (&j->sql, SQL_IMPORT_HOLDER, 0, &pid, err, "i", no) == -1)
    return -1;
  if (pid == 0)
    return 0;
  snprintf (detail, sizeof detail,
            "pid %" PRId64 " ended without a word (killed, or a power cut)", pid);
  return record_event (&j->sql, no, "interrupted", detail, err);
}

/* In a transaction: nobody can come between the question and the answer.  1: it is complete. */
static int
hold (struct journal *j, struct journal_import *imp, struct error *err)
{
  if (record_read_import (&j->sql, imp->no, imp, err) == -1)
    return -1;
  if (imp->state == IMPORT_COMPLETE)
    return 1;
  if (refuse_held (imp, err) == -1 || note_killed (j, imp->no, err) == -1
      || sql_run (&j->sql, SQL_IMPORT_HOLD, err, "ititiit", imp->no,
                  import_state_word (record_phase (imp)), wall_ms (), j->self.text, j->self.pid,
                  j->self.start, j->self.boot)
             == -1)
    return -1;
  return record_event (&j->sql, imp->no, "resumed", j->self.text, err);
}

int
journal_hold (struct journal *j, struct journal_import *imp, struct error *err)
{
  int rc;
  LOCKED (j);

  if (tx_begin (j, PROGRESS, err) == -1)
    return -1;
  rc = tx_end (j, hold (j, imp, err), err);
  if (rc != 0)
    return rc;
  if (!imp->sealed && !imp->stream && map_purge (j, imp->no, err) == -1)
    return -1;
  return record_read_import (&j->sql, imp->no, imp, err);
}

static int
release (struct journal *j, int64_t no, enum import_state state, const struct error *why,
         struct error *err)
{
  const char *code = why == NULL ? "" : error_word (why->code);
  char message[1024];

  sql_clean (message, sizeof message, why == NULL ? "" : why->text, 0);
  if (sql_run (&j->sql, SQL_IMPORT_RELEASE, err, "itttiii", no, import_state_word (state), code,
               message, wall_ms (), j->self.pid, j->self.start)
      == -1)
    return -1;
  if (sql_changed (&j->sql) == 0 || state == IMPORT_COMPLETE)
    return 0;
  return record_event (&j->sql, no, "interrupted", message[0] == '\0' ? "stopped" : message,
                       err);
}

int
journal_release (struct journal *j, int64_t no, enum import_state state,
                 const struct error *why, struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, PROGRESS, err) == -1)
    return -1;
  return tx_end (j, release (j, no, state, why, err), err);
}

static int
hold_audit (struct journal *j, struct journal_import *imp, struct error *err)
{
  if (record_read_import (&j->sql, imp->no, imp, err) == -1 || refuse_held (imp, err) == -1)
    return -1;
  return sql_run (&j->sql, SQL_IMPORT_HOLD_AUDIT, err, "itiit", imp->no, j->self.text,
                  j->self.pid, j->self.start, j->self.boot);
}

int
journal_hold_audit (struct journal *j, struct journal_import *imp, struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, PROGRESS, err) == -1)
    return -1;
  return tx_end (j, hold_audit (j, imp, err), err);
}

int
journal_release_audit (struct journal *j, int64_t no, struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, PROGRESS, err) == -1)
    return -1;
  return tx_end (
      j,
      sql_run (&j->sql, SQL_IMPORT_RELEASE_AUDIT, err, "iii", no, j->self.pid, j->self.start),
      err);
}

/* ---- What it is -------------------------------------------------------------------------- */

int
journal_set_options (struct journal *j, const struct journal_import *imp, struct error *err)
{
  char clean[sizeof imp->options];
  LOCKED (j);

  if (tx_begin (j, DURABLE, err) == -1)
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

  if (tx_begin (j, DURABLE, err) == -1)
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
  return record_event (&j->sql, no, kind, detail, err);
}

int
journal_audited (struct journal *j, int64_t no, const char *kind, const char *verdict,
                 const char *root_hex, struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, DURABLE, err) == -1)
    return -1;
  return tx_end (j, audited (j, no, kind, verdict, root_hex, err), err);
}

static int
unseal (struct journal *j, int64_t no, struct error *err)
{
  if (sql_run (&j->sql, SQL_IMPORT_RESTART, err, "ii", no, wall_ms ()) == -1
      || sql_run (&j->sql, SQL_HELD_DELETE, err, "i", no) == -1)
    return -1;
  return sql_run (&j->sql, SQL_IMPORT_UNSEAL, err, "i", no);
}

int
journal_unseal (struct journal *j, int64_t no, struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, DURABLE, err) == -1 || tx_end (j, unseal (j, no, err), err) == -1)
    return -1;
  return map_purge (j, no, err);
}

int
journal_set_stream (struct journal *j, int64_t no, bool stream, struct error *err)
{
  LOCKED (j);

  return sql_run (&j->sql, SQL_IMPORT_STREAM, err, "ii", no, (int64_t)stream);
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
  return record_event (&j->sql, no, "completed", detail, err);
}

int
journal_complete (struct journal *j, int64_t no, const char *image_sha256, struct error *err)
{
  uint8_t segments[DIGEST_SIZE];
  LOCKED (j);

  /* Before the transaction, which others would have to wait for: the import is ours. */
  if (witness_segments (&j->sql, no, NULL, segments, err) == -1)
    return -1;
  if (tx_begin (j, DURABLE, err) == -1
      || tx_end (j, complete (j, no, image_sha256, segments, err), err) == -1)
    return -1;
  checkpoint (j);
  return 0;
}

/* ---- Its end ----------------------------------------------------------------------------- */

/* The import is gone in one transaction; its many rows go after it. */
static int
forget (struct journal *j, int64_t no, struct error *err)
{
  struct journal_import imp;

  if (record_read_import (&j->sql, no, &imp, err) == -1 || refuse_held (&imp, err) == -1
      || sql_run (&j->sql, SQL_IMPORT_DELETE, err, "i", no) == -1
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
int
journal_forget (struct journal *j, const struct journal_import *imp, struct error *err)
{
  struct error unheard;
  LOCKED (j);

  if (tx_begin (j, DURABLE, err) == -1 || tx_end (j, forget (j, imp->no, err), err) == -1)
    return -1;
  if (sweep (j, &unheard) == 0 && give_back (j, &unheard) == 0)
    checkpoint (j);
  return 0;
}

/* ---- Events ------------------------------------------------------------------------------ */

/* A verdict must outlast a power cut. */
static bool
is_verdict (const char *kind)
{
  return strcmp (kind, "audited") == 0 || strcmp (kind, "repaired") == 0;
}

int
journal_event (struct journal *j, int64_t no, const char *kind, const char *detail,
               struct error *err)
{
  LOCKED (j);

  if (tx_begin (j, is_verdict (kind) ? DURABLE : PROGRESS, err) == -1)
    return -1;
  return tx_end (j, record_event (&j->sql, no, kind, detail, err), err);
}
