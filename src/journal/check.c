/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * check: whether the journal can be believed.  SQLite's own quick_check, then whether the
 * import's rows agree with one another, then the digest of its map: a page may be well formed
 * and say something else than it did (SQ3).
 */
#include <string.h>

#include "base/text.h"
#include "journal/database.h"
#include "journal/map_build.h"
#include "journal/record.h"

enum { STEPS = 20000, AT_ONCE = 256 };

static int
look_at_stop (void *stop)
{
  return *(const atomic_bool *)stop;
}

/* The only row of quick_check must be "ok"; of check_import there must be none. */
static int
expect (struct sql *s, enum sql_name name, int64_t no, const char *fine, struct error *err)
{
  sqlite3_stmt *row;
  char what[256] = "";
  int r;

  if (sql_start (s, name, &row, err, fine == NULL ? "i" : "", no) == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  if (sqlite3_column_text (row, 0) != NULL)
    escape_text (what, sizeof what, sqlite3_column_text (row, 0),
                 (size_t)sqlite3_column_bytes (row, 0));
  sql_end (row);
  if (fine != NULL && strcmp (what, fine) == 0)
    return 0;
  return record_corrupt (s, what, err);
}

static int
start_digest (struct sql *s, const struct journal_import *imp, struct digest *d,
              struct error *err)
{
  uint64_t size[JOURNAL_LAYERS_MAX];
  struct journal_layer layer;
  unsigned i;

  for (i = 0; i < imp->layers; i++) {
    int r = record_read_layer (s, imp->no, i, &layer, err);

    if (r != 0)
      return r == 1 ? record_corrupt (s, "a layer of an import is missing", err) : -1;
    size[i] = layer.segment_size;
  }
  map_digest_start (d, imp->virtual_size, imp->layers, size);
  return 0;
}

/* In the order of the segments, and in each in host order: as they were sealed. */
static int
digest_map_extents (struct sql *s, int64_t no, struct digest *d, struct error *err)
{
  struct extent_row raw;
  struct extent e;
  sqlite3_stmt *row;
  int more;

  if (sql_start (s, SQL_EXTENTS_ALL, &row, err, "i", no) == -1)
    return -1;
  while ((more = sql_next (s, row, err)) == 0) {
    host_off at = { sql_u64 (row, 6) };

    record_read_extent_row (row, &raw);
    if (record_extent (s, &raw, (uint32_t)sqlite3_column_int64 (row, 5), at, &e, err) == -1) {
      sql_end (row);
      return -1;
    }
    map_digest_add (d, &e);
  }
  return more == 1 ? 0 : -1;
}

static int
digest_map_zeros (struct journal_reader *r, const atomic_bool *stop, struct digest *d,
                  struct error *err)
{
  struct extent some[AT_ONCE];
  uint64_t at = 0;
  size_t i, n;

  do {
    if (stop != NULL && *stop)
      return fail (err, ERR_INTERRUPTED, "interrupted while the journal was checked");
    if (journal_zeros (r, at, some, AT_ONCE, &n, err) == -1)
      return -1;
    for (i = 0; i < n; i++)
      map_digest_add (d, &some[i]);
    at += n;
  } while (n == AT_ONCE);
  return 0;
}

/* A stream's rows are in the order in which its tables came, not in that of the digest; they
 * are compared one by one when it is read again. */
static int
check_map (struct sql *s, const char *path, const struct journal_import *imp,
           const atomic_bool *stop, struct error *err)
{
  OWN (journal_reader) r = NULL;
  uint8_t digest[DIGEST_SIZE];
  struct digest d;

  if (!imp->sealed || imp->stream)
    return 0;
  if (start_digest (s, imp, &d, err) == -1 || journal_reader_open (&r, path, imp->no, err) == -1
      || digest_map_extents (s, imp->no, &d, err) == -1
      || digest_map_zeros (r, stop, &d, err) == -1)
    return -1;
  digest_peek (&d, digest);
  if (memcmp (digest, imp->map_digest, DIGEST_SIZE) != 0)
    return record_corrupt (s, "the map of an import is not the one that was sealed", err);
  return 0;
}

int
journal_check (const char *path, int64_t no, const atomic_bool *stop, struct error *err)
{
  struct journal_import imp;
  struct sql s;
  int r = -1;

  if (database_open_reader (&s, path, err) == -1)
    return -1;
  if (stop != NULL)
    sqlite3_progress_handler (s.db, STEPS, look_at_stop, (void *)(uintptr_t)stop);
  if (expect (&s, SQL_QUICK_CHECK, no, "ok", err) == 0
      && expect (&s, SQL_CHECK_IMPORT, no, NULL, err) == 0
      && record_read_import (&s, no, &imp, err) == 0)
    r = check_map (&s, path, &imp, stop, err);
  sql_close (&s);
  return r;
}
