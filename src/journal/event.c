/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * event: see event.h.
 */
#include "journal/event.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* The head of the chain; zeros before the first event. */
static int
last_link (struct sql *s, int64_t no, uint8_t chain[DIGEST_SIZE], struct error *err)
{
  sqlite3_stmt *row;
  int r;

  memset (chain, 0, DIGEST_SIZE);
  if (sql_start (s, SQL_EVENT_LAST, &row, err, "i", no) == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  if (sqlite3_column_bytes (row, 0) == DIGEST_SIZE)
    memcpy (chain, sqlite3_column_blob (row, 0), DIGEST_SIZE);
  sql_end (row);
  return 0;
}

void
event_link (uint8_t chain[DIGEST_SIZE], const char *at, const char *kind, const char *detail)
{
  struct digest d;

  digest_init (&d);
  digest_update (&d, chain, DIGEST_SIZE);
  digest_update (&d, at, strlen (at) + 1);
  digest_update (&d, kind, strlen (kind) + 1);
  digest_update (&d, detail, strlen (detail) + 1);
  digest_peek (&d, chain);
}

int
event_add (struct sql *s, int64_t no, const char *kind, const char *text, struct error *err)
{
  char at[32], clean_kind[32], clean[1024];
  uint8_t chain[DIGEST_SIZE];

  format_time (at, wall_ms ());
  sql_clean (clean_kind, sizeof clean_kind, kind, 0);
  sql_clean (clean, sizeof clean, text == NULL ? "" : text, 0);
  if (last_link (s, no, chain, err) == -1)
    return -1;
  event_link (chain, at, clean_kind, clean);
  return sql_run (s, SQL_EVENT_ADD, err, "itttb", no, at, clean_kind, clean, chain,
                  (size_t)DIGEST_SIZE);
}

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

  if (tx_begin_of (j, no, is_verdict (kind) ? DURABLE : PROGRESS, err) == -1)
    return -1;
  return tx_end (j, event_add (&j->sql, no, kind, detail, err), err);
}
