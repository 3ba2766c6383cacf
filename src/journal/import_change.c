/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_change: what an import is, changed while it is held: its options, its target, begun
 * again, audited, completed.  Its map and the work on it are elsewhere.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/event.h"
#include "journal/map_build.h"
#include "journal/tamper.h"

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
  if (sql_run (&j->sql, SQL_HELD_DONE, err, "i", no) == -1)
    return -1;
  if (tamper_statement (&j->sql, no, segments, detail, sizeof detail, err) == -1)
    return -1;
  return event_add (&j->sql, no, "completed", detail, err);
}

int
journal_complete (struct journal *j, int64_t no, const char *image_sha256, struct error *err)
{
  uint8_t segments[DIGEST_SIZE];
  LOCKED (j);

  /* Before the transaction, which others would have to wait for: the import is ours. */
  if (tamper_digest_segments (&j->sql, no, NULL, segments, err) == -1)
    return -1;
  if (tx_begin_of (j, no, DURABLE, err) == -1
      || tx_end (j, complete (j, no, image_sha256, segments, err), err) == -1)
    return -1;
  import_lock_drop (&j->locks, no);
  tx_checkpoint (j);
  return 0;
}
