/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_commit: progress is recorded.
 *
 *   J1  The caller has synced the target before; this room records what it is told, all of it
 *       in one transaction, or nothing.
 */
#include <string.h>

#include "base/clock.h"
#include "journal/record.h"
#include "journal/transaction.h"

enum { SAMPLES_BETWEEN = 64 };

static int
commit_segment (struct journal *j, int64_t no, const struct segment_progress *p,
                struct error *err)
{
  if (sql_run (&j->sql, SQL_SEGMENT_COMMIT, err, "iiiiiib", no, (int64_t)p->ord,
               (int64_t)p->committed_to.v, (int64_t)p->committed_extents, (int64_t)p->committed,
               (int64_t)p->digest_final, p->hash, p->hash_len)
      == -1)
    return -1;
  if (sql_changed (&j->sql) != 1)
    return record_corrupt (&j->sql, "a segment to commit is not in it", err);
  return 0;
}

/* Somebody took it over, or it was forgotten: what this process knows no longer counts. */
static int
not_ours (struct journal *j, int64_t no, struct error *err)
{
  struct journal_import imp;

  if (record_read_import (&j->sql, no, &imp, err) == -1)
    return -1;
  return fail (err, ERR_IMPORT_HELD, "import %s is no longer this process's but %s's", imp.id,
               imp.now.holder[0] == '\0' ? "nobody" : imp.now.holder);
}

static int
commit_import (struct journal *j, int64_t no, const struct import_progress *p,
               struct error *err)
{
  if (sql_run (&j->sql, SQL_IMPORT_COMMIT, err, "iiiiiiiibiiiiii", no,
               (int64_t)p->segments_committed, (int64_t)p->guest_committed, (int64_t)p->fetched,
               (int64_t)p->zero_ord, (int64_t)p->zero_off, (int64_t)p->done_to,
               (int64_t)p->image_hashed_to, p->image_hash, p->image_hash_len, wall_ms (),
               j->self.pid, j->self.start, (int64_t)p->target_run, (int64_t)p->target_epoch,
               (int64_t)p->zero_committed)
      == -1)
    return -1;
  return sql_changed (&j->sql) == 1 ? 0 : not_ours (j, no, err);
}

/* For a picture.  Thinned now and then only: counting costs more than a row. */
static int
add_sample (struct journal *j, int64_t no, const struct import_progress *p, struct error *err)
{
  if (sql_run (&j->sql, SQL_SAMPLE_ADD, err, "iiii", no, wall_ms (), (int64_t)p->fetched,
               (int64_t)p->guest_committed)
      == -1)
    return -1;
  if (sql_changed (&j->sql) == 0 || ++j->samples % SAMPLES_BETWEEN > 0)
    return 0;
  return sql_run (&j->sql, SQL_SAMPLE_THIN, err, "i", no);
}

static int
put_held (struct journal *j, int64_t no, const struct held_piece *held, size_t n,
          struct error *err)
{
  size_t i;

  for (i = 0; i < n; i++)
    if (sql_run (&j->sql, SQL_HELD_PUT, err, "iib", no, (int64_t)held[i].piece, held[i].bytes,
                 held[i].len)
        == -1)
      return -1;
  return 0;
}

int
journal_hold_back (struct journal *j, int64_t no, const struct held_piece *held, size_t n,
                   struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1)
    return -1;
  return tx_end (j, put_held (j, no, held, n, err), err);
}

static int
commit_all (struct journal *j, int64_t no, const struct segment_progress *segs, size_t n,
            const struct import_progress *p, struct error *err)
{
  size_t i;

  for (i = 0; i < n; i++)
    if (commit_segment (j, no, &segs[i], err) == -1)
      return -1;
  if (put_held (j, no, p->held, p->n_held, err) == -1 || commit_import (j, no, p, err) == -1)
    return -1;
  return add_sample (j, no, p, err);
}

int
journal_commit (struct journal *j, int64_t no, const struct segment_progress *segs, size_t n,
                const struct import_progress *p, struct error *err)
{
  LOCKED (j);

  if (tx_begin_of (j, no, PROGRESS, err) == -1)
    return -1;
  return tx_end (j, commit_all (j, no, segs, n, p, err), err);
}

int
journal_amends (struct journal *j, int64_t no, void **bytes, size_t *len, struct error *err)
{
  sqlite3_stmt *row;
  int r;
  LOCKED (j);

  if (sql_start (&j->sql, SQL_HELD_GET, &row, err, "ii", no, (int64_t)JOURNAL_AMENDS) == -1)
    return -1;
  r = sql_next (&j->sql, row, err);
  if (r != 0)
    return r;
  *len = (size_t)sqlite3_column_bytes (row, 0);
  *bytes = malloc (*len + 1);
  if (*bytes == NULL)
    r = fail_memory (err, "what was changed of the target");
  else if (*len > 0)
    memcpy (*bytes, sqlite3_column_blob (row, 0), *len);
  sql_end (row);
  return r;
}

int
journal_held (struct journal *j, int64_t no, unsigned piece, void *out, size_t size,
              struct error *err)
{
  sqlite3_stmt *row;
  int r;
  LOCKED (j);

  if (sql_start (&j->sql, SQL_HELD_GET, &row, err, "ii", no, (int64_t)piece) == -1)
    return -1;
  r = sql_next (&j->sql, row, err);
  if (r != 0)
    return r;
  if (sqlite3_column_type (row, 0) != SQLITE_BLOB
      || (size_t)sqlite3_column_bytes (row, 0) != size)
    r = record_corrupt (&j->sql, "a piece of the device's first MiB has a wrong size", err);
  else
    memcpy (out, sqlite3_column_blob (row, 0), size);
  sql_end (row);
  return r;
}
