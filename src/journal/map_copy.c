/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_copy: an import of the same image as another takes over its sealed map, row by row, and
 * is sealed with the same digest (J2).  Nothing of its progress.
 */
#include <assert.h>

#include "base/clock.h"
#include "journal/map_build.h"
#include "journal/record.h"

/* Rows of a transaction: other imports commit between. */
enum { BATCH = 20000 };

/* Of one table: the rows FROM has, N of them. */
static int
copy_rows (struct journal *j, enum sql_name copy, int64_t from, int64_t to, uint64_t n,
           const atomic_bool *stop, struct error *err)
{
  uint64_t ord;

  for (ord = 0; ord < n; ord += BATCH) {
    LOCKED (j);

    if (stop != NULL && atomic_load (stop))
      return fail (err, ERR_INTERRUPTED, "interrupted while the map was stored");
    if (tx_begin_of (j, to, PROGRESS, err) == -1
        || tx_end (j,
                   sql_run (&j->sql, copy, err, "iiii", from, to, (int64_t)ord,
                            (int64_t)(ord + BATCH)),
                   err)
               == -1)
      return -1;
  }
  return 0;
}

static int
seal (struct journal *j, const struct journal_import *from, struct journal_import *to,
      struct error *err)
{
  int r;
  LOCKED (j);

  if (tx_begin_of (j, to->no, DURABLE, err) == -1)
    return -1;
  r = sql_run (&j->sql, SQL_IMPORT_SEAL, err, "iiiiiiibiii", to->no, (int64_t)from->segments,
               (int64_t)from->extents, (int64_t)from->zero_runs, (int64_t)from->guest_total,
               (int64_t)from->need_max, (int64_t)from->image_total, from->map_digest,
               sizeof from->map_digest, wall_ms (), (int64_t)from->hash_image,
               (int64_t)from->zero_total);
  if (r == 0 && sql_changed (&j->sql) != 1)
    r = fail (err, ERR_INTERNAL, "journal %s: a map was to be sealed twice", j->sql.path);
  return tx_end (j, r, err) == -1 ? -1 : record_read_import (&j->sql, to->no, to, err);
}

int
journal_map_copy (struct journal *j, const struct journal_import *from,
                  struct journal_import *to, const atomic_bool *stop, struct error *err)
{
  assert (from->sealed && !from->stream && !to->sealed && from->no != to->no);
  assert (from->virtual_size == to->virtual_size && from->layers == to->layers);
  if (copy_rows (j, SQL_SEGMENTS_COPY, from->no, to->no, from->segments, stop, err) == -1
      || copy_rows (j, SQL_EXTENTS_COPY, from->no, to->no, from->extents, stop, err) == -1
      || copy_rows (j, SQL_ZERO_RUNS_COPY, from->no, to->no, from->zero_runs, stop, err) == -1)
    return -1;
  return seal (j, from, to, err);
}
