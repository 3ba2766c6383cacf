/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_hold: an import is taken and given back.  The lock is taken within the transaction
 * that reads and changes the row, and dropped after the one that clears it: what the row says
 * of who works on it is so whenever somebody has the lock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/event.h"
#include "journal/map_build.h"
#include "journal/record.h"
#include "journal/transaction.h"

/* In the transaction: IMP has just been read; OURS: its lock was taken for this. */
typedef int (*hold_act) (struct journal *j, struct journal_import *imp, bool ours,
                         struct error *err);

/* Naming who has it as the row does. */
static int
refuse_held (const struct journal_import *imp, struct error *err)
{
  return fail (err, ERR_IMPORT_HELD,
               "import %s is being worked on by %s; wait for it, or stop that process", imp->id,
               imp->now.holder[0] == '\0' ? "another process" : imp->now.holder);
}

/* ACT on import IMP->no, which is held afterwards if it returned 0. */
static int
take (struct journal *j, struct journal_import *imp, hold_act act, struct error *err)
{
  int64_t no = imp->no;
  int taken, r;

  if (sqlite3_db_readonly (j->sql.db, "main") == 1) /* no lock file for it either */
    return fail (err, ERR_JOURNAL_FAILED, "journal %s: it was opened for reading only",
                 j->sql.path);
  if (tx_begin (j, PROGRESS, err) == -1)
    return -1;
  /* read before it is taken: who is shown as its holder is somebody else */
  r = record_read_import (&j->sql, no, imp, err);
  taken = r == -1 ? -1 : import_lock_take (&j->locks, j->path, no, err);
  r = taken == -1 ? -1 : act (j, imp, taken == 0, err);
  r = tx_end (j, r, err);
  if (r != 0 && taken == 0)
    import_lock_drop (&j->locks, no);
  return r;
}

/* ---- To work on it ----------------------------------------------------------------------- */

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
  return event_add (&j->sql, no, "interrupted", detail, err);
}

/* 1: it is complete. */
static int
hold (struct journal *j, struct journal_import *imp, bool ours, struct error *err)
{
  if (imp->now.state == IMPORT_COMPLETE)
    return 1;
  if (!ours)
    return refuse_held (imp, err);
  if (note_killed (j, imp->no, err) == -1
      || sql_run (&j->sql, SQL_IMPORT_HOLD, err, "ititiit", imp->no,
                  import_state_word (record_phase (imp)), wall_ms (), j->self.text, j->self.pid,
                  j->self.start, j->self.boot)
             == -1)
    return -1;
  return event_add (&j->sql, imp->no, "resumed", j->self.text, err);
}

int
journal_hold (struct journal *j, struct journal_import *imp, struct error *err)
{
  int64_t no = imp->no;
  int r;
  LOCKED (j);

  r = take (j, imp, hold, err);
  if (r != 0)
    return r;
  if (!imp->sealed && !imp->stream)
    r = map_purge (j, no, err);
  if (r == 0)
    r = record_read_import (&j->sql, no, imp, err);
  if (r == -1)
    import_lock_drop (&j->locks, no);
  return r;
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
  return event_add (&j->sql, no, "interrupted", message[0] == '\0' ? "stopped" : message, err);
}

/* The lock goes whether or not that could be written. */
int
journal_release (struct journal *j, int64_t no, enum import_state state,
                 const struct error *why, struct error *err)
{
  int r;
  LOCKED (j);

  if (!import_lock_have (&j->locks, no))
    return 0;
  r = tx_begin_of (j, no, PROGRESS, err);
  if (r == 0)
    r = tx_end (j, release (j, no, state, why, err), err);
  import_lock_drop (&j->locks, no);
  return r;
}

/* ---- To look at it ----------------------------------------------------------------------- */

static int
hold_audit (struct journal *j, struct journal_import *imp, bool ours, struct error *err)
{
  if (!ours)
    return refuse_held (imp, err);
  return sql_run (&j->sql, SQL_IMPORT_HOLD_AUDIT, err, "itiit", imp->no, j->self.text,
                  j->self.pid, j->self.start, j->self.boot);
}

int
journal_hold_audit (struct journal *j, struct journal_import *imp, struct error *err)
{
  LOCKED (j);

  return take (j, imp, hold_audit, err);
}

int
journal_release_audit (struct journal *j, int64_t no, struct error *err)
{
  int r;
  LOCKED (j);

  if (!import_lock_have (&j->locks, no))
    return 0;
  r = tx_begin_of (j, no, PROGRESS, err);
  if (r == 0)
    r = tx_end (
        j,
        sql_run (&j->sql, SQL_IMPORT_RELEASE_AUDIT, err, "iii", no, j->self.pid, j->self.start),
        err);
  import_lock_drop (&j->locks, no);
  return r;
}
