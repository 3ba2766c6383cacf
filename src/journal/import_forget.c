/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_forget: an import is removed from the journal, and its space given back.
 */
#include "journal/map_build.h"

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
int
journal_forget (struct journal *j, int64_t no, struct error *err)
{
  struct error unheard;
  LOCKED (j);

  if (tx_begin_of (j, no, DURABLE, err) == -1 || tx_end (j, forget (j, no, err), err) == -1)
    return -1;
  import_lock_drop (&j->locks, no);
  if (sweep (j, &unheard) == 0 && give_back (j, &unheard) == 0)
    tx_checkpoint (j);
  return 0;
}
