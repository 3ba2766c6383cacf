/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * transaction: see transaction.h.
 */
#include "journal/transaction.h"

#include <assert.h>

/* SQ12: synchronous is read back. */
int
tx_set_durability (struct journal *j, enum durability d, struct error *err)
{
#ifdef SEEDED_BUG_COMPLETE_NORMAL
  int64_t want = 1, is;
#else
  int64_t want = !j->wal ? 3 : d == DURABLE ? 2 : 1, is;
#endif
  enum sql_name name = want == 3   ? SQL_SET_SYNC_EXTRA
                       : want == 2 ? SQL_SET_SYNC_FULL
                                   : SQL_SET_SYNC_NORMAL;

  if (sql_run (&j->sql, name, err, "") == -1
      || sql_get (&j->sql, SQL_GET_SYNC, -1, &is, err, "") == -1)
    return -1;
  if (is != want)
    return fail (err, ERR_JOURNAL_REFUSED,
                 "journal %s: SQLite does not write it as durably as asked; it was left as it "
                 "is: name another with --journal",
                 j->sql.path);
  j->full = d == DURABLE;
  return 0;
}

/* Into the WAL, by this connection. */
static int
pages_written (const struct journal *j)
{
  int now = 0, most = 0;

  sqlite3_db_status (j->sql.db, SQLITE_DBSTATUS_CACHE_WRITE, &now, &most, 0);
  return now;
}

int
tx_begin (struct journal *j, enum durability d, struct error *err)
{
  int moved = 0;

  if (j->full != (d == DURABLE) && tx_set_durability (j, d, err) == -1)
    return -1;
  if (sql_run (&j->sql, SQL_BEGIN, err, "") == -1)
    return -1;
  j->durable = d == DURABLE;
  j->written = pages_written (j);
  if (sqlite3_file_control (j->sql.db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK
      && moved) {
    fail (err, ERR_JOURNAL_FAILED,
          "journal %s: it was removed or replaced while it was in use; put it back, then "
          "resume",
          j->sql.path);
    return tx_end (j, -1, err);
  }
  return 0;
}

int
tx_begin_of (struct journal *j, int64_t no, enum durability d, struct error *err)
{
  assert (import_lock_have (&j->locks, no));
  if (tx_begin (j, d, err) == -1)
    return -1;
  if (import_lock_counts (&j->locks, no))
    return 0;
  fail (err, ERR_JOURNAL_FAILED,
        "journal %s: its lock file, %s-lock, was removed or replaced while an import was "
        "worked on, so that another process may have it now; resume it",
        j->sql.path, j->sql.path);
  return tx_end (j, -1, err);
}

/* A row that is written as it was, in the same millisecond, changes no page, and without one
 * SQLite syncs nothing.  Yet what came before is to be durable with it. */
static int
sync_unchanged (struct journal *j, struct error *err)
{
  sqlite3_file *wal = NULL;

  if (!j->durable || !j->wal || pages_written (j) != j->written)
    return 0;
  if (sqlite3_file_control (j->sql.db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK
      || wal == NULL || wal->pMethods == NULL
      || wal->pMethods->xSync (wal, SQLITE_SYNC_NORMAL) == SQLITE_OK)
    return 0;
  return fail (
      err, ERR_JOURNAL_FAILED,
      "journal %s: its WAL cannot be synced; see the kernel's log, mend its disk, then "
      "resume",
      j->sql.path);
}

int
tx_end (struct journal *j, int result, struct error *err)
{
  struct error unheard;

  if (result == 0)
    result = sql_run (&j->sql, SQL_COMMIT, err, "");
  if (result == 0)
    result = sync_unchanged (j, err);
  j->durable = false;
  if (result != 0 && !sqlite3_get_autocommit (j->sql.db))
    sql_run (&j->sql, SQL_ROLLBACK, &unheard, "");
  return result;
}

void
tx_checkpoint (struct journal *j)
{
  sql_wait_for_others (&j->sql, false);
  sqlite3_wal_checkpoint_v2 (j->sql.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
  sql_wait_for_others (&j->sql, true);
}
