/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * record: see record.h.  What is read is checked for kind, size and sign, and for what those
 * who use it at once rely on; whether all of it holds together is journal_check's question.
 */
#include "journal/record.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum column_type {
  TEXT,
  LINES,    /* text that may hold newlines */
  BOOL,     /* bool */
  UNSIGNED, /* unsigned */
  U64,      /* NULL is UINT64_MAX */
  I64,
  DIGEST, /* uint8_t[DIGEST_SIZE] */
  STATE,  /* enum import_state, as its word */
  HASH    /* uint8_t[HASH_STATE_MAX] and the size_t behind it */
};

struct column {
  enum column_type type;
  size_t offset, size;
};

#define COLUMN(type, record, member)                                               \
  {                                                                                \
    type, offsetof (struct record, member), sizeof ((struct record *)NULL)->member \
  }
#define IMPORT(type, member) COLUMN (type, journal_import, member)
#define LAYER(type, member) COLUMN (type, journal_layer, member)

/* As in import_row. */
static const struct column import_columns[] = {
  IMPORT (TEXT, id),
  IMPORT (STATE, now.state),
  IMPORT (TEXT, target),
  IMPORT (TEXT, target_kind),
  IMPORT (TEXT, target_identity),
  IMPORT (LINES, options),
  IMPORT (TEXT, snapshot),
  IMPORT (TEXT, format_features),
  IMPORT (UNSIGNED, layers),
  IMPORT (BOOL, stream),
  IMPORT (BOOL, keep_holes),
  IMPORT (UNSIGNED, digests),
  IMPORT (BOOL, hash_image),
  IMPORT (TEXT, expect_sha256),
  IMPORT (U64, virtual_size),
  IMPORT (U64, cluster_size),
  IMPORT (I64, started_at),
  /* import_insert ends here */
  IMPORT (BOOL, sealed),
  IMPORT (U64, segments),
  IMPORT (U64, extents),
  IMPORT (U64, zero_runs),
  IMPORT (U64, guest_total),
  IMPORT (U64, need_max),
  IMPORT (U64, image_total),
  IMPORT (DIGEST, map_digest),
  IMPORT (U64, now.segments_committed),
  IMPORT (U64, now.guest_committed),
  IMPORT (U64, now.fetched),
  IMPORT (U64, now.zero_ord),
  IMPORT (U64, now.zero_off),
  IMPORT (U64, now.image_hashed_to),
  IMPORT (HASH, now.image_hash),
  IMPORT (TEXT, now.image_sha256),
  IMPORT (TEXT, now.root_digest),
  IMPORT (U64, now.attempts),
  IMPORT (TEXT, now.error_code),
  IMPORT (TEXT, now.error_message),
  IMPORT (I64, now.updated_at),
  IMPORT (I64, now.finished_at),
  IMPORT (U64, now.target_run),
  IMPORT (U64, now.target_epoch),
  IMPORT (U64, zero_total),
  IMPORT (U64, now.zero_committed),
  IMPORT (TEXT, now.holder),
};

enum { IMPORT_COLUMNS = sizeof import_columns / sizeof import_columns[0], INSERTED = 17 };

/* As in layer_row and layer_put. */
static const struct column layer_columns[] = {
  LAYER (TEXT, url),           LAYER (BOOL, url_had_secret), LAYER (TEXT, final_url),
  LAYER (TEXT, format),        LAYER (U64, length),          LAYER (TEXT, etag),
  LAYER (TEXT, last_modified), LAYER (UNSIGNED, trust),      LAYER (TEXT, tls_fingerprint),
  LAYER (U64, cluster_size),   LAYER (U64, segment_size),    LAYER (DIGEST, head_digest),
};

enum { LAYER_COLUMNS = sizeof layer_columns / sizeof layer_columns[0] };

int
record_corrupt (const struct sql *s, const char *what, struct error *err)
{
  return fail (err, ERR_JOURNAL_CORRUPT,
               "journal %s: %s; forget this import and start it anew, or put a good copy of "
               "the journal in its place",
               s->path, what);
}

/* ---- Reading ----------------------------------------------------------------------------- */

/* SQLite stores what it is given, whatever the column was declared to be.  To be asked before
 * the value is, which may convert it. */
static bool
is_kind (sqlite3_stmt *row, int i, int kind)
{
  return sqlite3_column_type (row, i) == kind;
}

static bool
read_text (sqlite3_stmt *row, int i, char *out, size_t size)
{
  bool is_text = is_kind (row, i, SQLITE_TEXT);
  const unsigned char *text = sqlite3_column_text (row, i);
  size_t len = (size_t)sqlite3_column_bytes (row, i);

  if (!is_text || text == NULL || len >= size || strlen ((const char *)text) != len)
    return false;
  memcpy (out, text, len + 1);
  return true;
}

static bool
read_state (sqlite3_stmt *row, int i, enum import_state *out)
{
  bool is_text = is_kind (row, i, SQLITE_TEXT);
  const char *word = (const char *)sqlite3_column_text (row, i);
  enum import_state s;

  for (s = IMPORT_PROBING; is_text && word != NULL && s <= IMPORT_COMPLETE; s++) {
    if (strcmp (word, import_state_word (s)) == 0) {
      *out = s;
      return true;
    }
  }
  return false;
}

static bool
read_blob (sqlite3_stmt *row, int i, uint8_t *out, size_t max, size_t *len)
{
  bool is_blob = is_kind (row, i, SQLITE_BLOB) || is_kind (row, i, SQLITE_NULL);
  const void *p = sqlite3_column_blob (row, i);

  *len = (size_t)sqlite3_column_bytes (row, i);
  memset (out, 0, max);
  if (p != NULL && *len <= max)
    memcpy (out, p, *len);
  return is_blob && *len <= max;
}

static bool
read_i64 (sqlite3_stmt *row, int i, int64_t *out)
{
  if (!is_kind (row, i, SQLITE_INTEGER))
    return false;
  *out = sqlite3_column_int64 (row, i);
  return true;
}

static bool
read_u64 (sqlite3_stmt *row, int i, uint64_t *out)
{
  int64_t number;

  *out = UINT64_MAX;
  if (is_kind (row, i, SQLITE_NULL))
    return true;
  if (!read_i64 (row, i, &number) || number < 0)
    return false;
  *out = (uint64_t)number;
  return true;
}

static bool
read_column (sqlite3_stmt *row, int i, const struct column *c, void *record)
{
  void *member = (char *)record + c->offset;
  int64_t number;
  size_t len;

  switch (c->type) {
  case TEXT:
  case LINES:
    return read_text (row, i, member, c->size);
  case BOOL:
    if (!read_i64 (row, i, &number) || number < 0 || number > 1)
      return false;
    *(bool *)member = number == 1;
    return true;
  case UNSIGNED:
    if (!read_i64 (row, i, &number) || number < 0 || number > INT32_MAX)
      return false;
    *(unsigned *)member = (unsigned)number;
    return true;
  case U64:
    return read_u64 (row, i, member);
  case I64:
    return read_i64 (row, i, member);
  case DIGEST:
    return read_blob (row, i, member, DIGEST_SIZE, &len) && (len == 0 || len == DIGEST_SIZE);
  case STATE:
    return read_state (row, i, member);
  case HASH: /* the length is the next member, see the assertions below */
    return read_blob (row, i, member, c->size, (size_t *)(void *)((char *)member + c->size));
  }
  return false;
}

_Static_assert(offsetof (struct journal_status, image_hash_len)
                   == offsetof (struct journal_status, image_hash) + HASH_STATE_MAX,
               "HASH columns are followed by their length");

static int
read_columns (struct sql *s, sqlite3_stmt *row, const struct column *columns, int n,
              void *record, struct error *err)
{
  int i;

  for (i = 0; i < n; i++) {
    if (!read_column (row, i, &columns[i], record)) {
      char what[96];

      snprintf (what, sizeof what, "column %.40s holds what qimport never wrote",
                sqlite3_column_name (row, i));
      return record_corrupt (s, what, err);
    }
  }
  return 0;
}

enum import_state
record_phase (const struct journal_import *imp)
{
  if (imp->now.state == IMPORT_COMPLETE)
    return IMPORT_COMPLETE;
  if (imp->target_identity[0] != '\0')
    return IMPORT_COPYING;
  return imp->sealed ? IMPORT_MAPPED : IMPORT_PROBING;
}

/* What is done at once, before the check of the journal can say anything, relies on it. */
static int
check_import_row (struct sql *s, const struct journal_import *imp, struct error *err)
{
  if (imp->layers == 0 || imp->layers > JOURNAL_LAYERS_MAX)
    return record_corrupt (s, "an import has a wrong number of layers", err);
  if (imp->now.fetched > INT64_MAX / 2) /* more is added to it */
    return record_corrupt (s, "more was fetched than there is", err);
  if (imp->zero_total > imp->guest_total || imp->now.zero_committed > imp->now.guest_committed)
    return record_corrupt (s, "more of an import is zeros than there is of it", err);
  if (imp->digests > DIGESTS_SAMPLE)
    return record_corrupt (s, "an import has digests of no kind that there is", err);
  if (imp->now.target_run > UINT32_MAX
      || (imp->now.target_run == 0) != (imp->now.target_epoch == 0))
    return record_corrupt (s, "a target's marker is none that qimport writes", err);
  if (imp->target_identity[0] == '\0' /* it would be made anew, with nothing in it */
      && (imp->now.segments_committed > 0 || imp->now.guest_committed > 0
          || imp->now.zero_ord > 0 || imp->now.zero_off > 0))
    return record_corrupt (s, "something is committed, but not to which target", err);
  return 0;
}

/* A holder that died holds nothing, and what it did is interrupted. */
static void
show_holder (const struct sql *s, struct journal_import *imp, sqlite3_stmt *row)
{
  const char *boot = (const char *)sqlite3_column_text (row, IMPORT_COLUMNS + 2);
  struct held_by by = { .pid = sqlite3_column_int64 (row, IMPORT_COLUMNS),
                        .start = sqlite3_column_int64 (row, IMPORT_COLUMNS + 1),
                        .boot = boot == NULL ? "" : boot };
  size_t len = strlen (imp->now.holder);

  switch (holder_of (sql_file (s), imp->no, &by)) {
  case HELD_BY_IT:
    return;
  case HELD_ELSEWHERE:
    snprintf (imp->now.holder + len, sizeof imp->now.holder - len, " (not visible from here)");
    return;
  case HELD_BY_NOBODY:
    break;
  }
  imp->now.holder[0] = '\0';
  if (imp->now.state != IMPORT_COMPLETE && imp->now.state != IMPORT_FAILED)
    imp->now.state = IMPORT_INTERRUPTED;
}

int
record_read_import (struct sql *s, int64_t no, struct journal_import *out, struct error *err)
{
  struct journal_import is = { .no = no };
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_IMPORT_ROW, &row, err, "i", no) == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r == 1)
    return fail (err, ERR_NO_SUCH_IMPORT, "journal %s: the import is no longer in it", s->path);
  if (r == -1)
    return -1;
  r = read_columns (s, row, import_columns, IMPORT_COLUMNS, &is, err);
  if (r == 0)
    r = check_import_row (s, &is, err);
  if (r == 0)
    show_holder (s, &is, row);
  sql_end (row);
  if (r == 0)
    *out = is;
  return r;
}

static bool
is_power_of_two (uint64_t v)
{
  return v > 0 && (v & (v - 1)) == 0;
}

static int
check_layer_row (struct sql *s, const struct journal_layer *l, struct error *err)
{
  if (is_power_of_two (l->cluster_size) && is_power_of_two (l->segment_size)
      && l->segment_size >= l->cluster_size && l->segment_size >= SECTOR)
    return 0;
  return record_corrupt (s, "a layer has an impossible size of clusters or segments", err);
}

int
record_read_layer (struct sql *s, int64_t no, unsigned layer, struct journal_layer *out,
                   struct error *err)
{
  sqlite3_stmt *row;
  int r;

  memset (out, 0, sizeof *out);
  if (sql_start (s, SQL_LAYER_ROW, &row, err, "ii", no, (int64_t)layer) == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r != 0)
    return r;
  r = read_columns (s, row, layer_columns, LAYER_COLUMNS, out, err);
  if (r == 0)
    r = check_layer_row (s, out, err);
  sql_end (row);
  return r;
}

int
record_read_segment (sqlite3_stmt *row, struct sql *s, struct segment *out, struct error *err)
{
  uint64_t v[12];
  int64_t number;
  int i;

  for (i = 0; i < 12; i++) {
    if (!read_i64 (row, i, &number) || number < 0)
      return record_corrupt (s, "a segment has an impossible number", err);
    v[i] = (uint64_t)number;
  }
  if (v[4] < v[3] || v[1] >= JOURNAL_LAYERS_MAX)
    return record_corrupt (s, "a segment contradicts itself", err);
  *out = (struct segment){
    .ord = v[0],
    .layer = (uint32_t)v[1],
    .at = { v[2] },
    .need = { { v[3] }, v[4] - v[3] },
    .first_extent = v[5],
    .extents = v[6],
    .guest_bytes = v[7],
    .committed_to = { v[8] },
    .committed_extents = v[9],
    .committed = v[10] != 0,
    .digest_final = v[11] != 0,
  };
  if (!read_blob (row, 12, out->hash, sizeof out->hash, &out->hash_len))
    return record_corrupt (s, "a segment's digest is too long", err);
  return 0;
}

void
record_read_extent_row (sqlite3_stmt *row, struct extent_row *out)
{
  out->guest = (uint64_t)sqlite3_column_int64 (row, 0);
  out->len = (uint64_t)sqlite3_column_int64 (row, 1);
  out->host = (uint64_t)sqlite3_column_int64 (row, 2);
  out->stored = (uint64_t)sqlite3_column_int64 (row, 3);
  out->skip = (uint64_t)sqlite3_column_int64 (row, 4);
}

int
record_extent (const struct sql *s, const struct extent_row *row, uint32_t layer, host_off at,
               struct extent *out, struct error *err)
{
  const uint64_t most = INT64_MAX / SECTOR;

  if (row->guest > most || row->len > most || row->host > most || row->stored > most
      || row->len == 0 || row->skip > UINT32_MAX || at.v > most - row->host)
    return record_corrupt (s, "an extent has an impossible number", err);
  *out = (struct extent){
    .kind = row->stored > 0 ? EXTENT_COMPRESSED : EXTENT_DATA,
    .layer = layer,
    .guest = { row->guest * SECTOR },
    .len = row->len * SECTOR,
    .host = { at.v + row->host },
    .stored = row->stored > 0 ? row->stored : row->len * SECTOR,
    .skip = (uint32_t)row->skip,
  };
  return 0;
}

/* ---- Writing ----------------------------------------------------------------------------- */

static int
bind_clean (sqlite3_stmt *st, int i, const char *text, size_t size, int lines)
{
  char *clean = sqlite3_malloc64 (size < 16 ? 16 : size);

  if (clean == NULL)
    return SQLITE_NOMEM;
  return sqlite3_bind_text (st, i, sql_clean (clean, size < 16 ? 16 : size, text, lines), -1,
                            sqlite3_free);
}

static int
bind_column (sqlite3_stmt *st, int i, const struct column *c, const void *record)
{
  const void *member = (const char *)record + c->offset;
  uint64_t u;

  switch (c->type) {
  case TEXT:
  case LINES:
    return bind_clean (st, i, member, c->size, c->type == LINES);
  case BOOL:
    return sqlite3_bind_int (st, i, *(const bool *)member);
  case UNSIGNED:
    return sqlite3_bind_int64 (st, i, *(const unsigned *)member);
  case U64:
    u = *(const uint64_t *)member;
    return u == UINT64_MAX ? sqlite3_bind_null (st, i) : sqlite3_bind_int64 (st, i, (int64_t)u);
  case I64:
    return sqlite3_bind_int64 (st, i, *(const int64_t *)member);
  case DIGEST:
    return sqlite3_bind_blob (st, i, member, DIGEST_SIZE, SQLITE_STATIC);
  case STATE:
    return sqlite3_bind_text (st, i, import_state_word (*(const enum import_state *)member), -1,
                              SQLITE_STATIC);
  case HASH:
    break; /* never inserted */
  }
  return SQLITE_MISUSE;
}

static int
bind_columns (struct sql *s, sqlite3_stmt *st, const struct column *columns, int n,
              const void *record, struct error *err)
{
  int i;

  for (i = 0; i < n; i++)
    if (bind_column (st, i + 1, &columns[i], record) != SQLITE_OK) {
      sql_fail (s, "cannot take a value", err);
      sql_end (st);
      return -1;
    }
  return 0;
}

static int
run_bound (struct sql *s, sqlite3_stmt *st, struct error *err)
{
  return sql_next (s, st, err) == -1 ? -1 : 0;
}

int
record_insert_import (struct sql *s, const struct journal_import *imp,
                      const struct holder *holder, int64_t *no, struct error *err)
{
  sqlite3_stmt *st;

  if (sql_start (s, SQL_IMPORT_INSERT, &st, err, "") == -1
      || bind_columns (s, st, import_columns, INSERTED, imp, err) == -1)
    return -1;
  sqlite3_bind_text (st, INSERTED + 1, PACKAGE_VERSION, -1, SQLITE_STATIC);
  sqlite3_bind_text (st, INSERTED + 2, holder->host, -1, SQLITE_STATIC);
  sqlite3_bind_text (st, INSERTED + 3, holder->user, -1, SQLITE_STATIC);
  sqlite3_bind_text (st, INSERTED + 4, holder->text, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (st, INSERTED + 5, holder->pid);
  sqlite3_bind_int64 (st, INSERTED + 6, holder->start);
  sqlite3_bind_text (st, INSERTED + 7, holder->boot, -1, SQLITE_STATIC);
  if (run_bound (s, st, err) == -1)
    return -1;
  *no = sqlite3_last_insert_rowid (s->db);
  return 0;
}

int
record_write_layer (struct sql *s, int64_t no, unsigned layer, const struct journal_layer *l,
                    struct error *err)
{
  sqlite3_stmt *st;

  if (sql_start (s, SQL_LAYER_PUT, &st, err, "") == -1
      || bind_columns (s, st, layer_columns, LAYER_COLUMNS, l, err) == -1)
    return -1;
  sqlite3_bind_int64 (st, LAYER_COLUMNS + 1, no);
  sqlite3_bind_int64 (st, LAYER_COLUMNS + 2, layer);
  return run_bound (s, st, err);
}
