/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tamper: see tamper.h; doc/digests.md says what is hashed, to the byte.
 */
#include "journal/tamper.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "journal/event.h"
#include "journal/database.h"
#include "journal/record.h"

enum { AT_ONCE = 256 };

/* ---- What never changes after -------------------------------------------------------------
 */

static void
add_number (struct digest *d, uint64_t v)
{
  uint8_t raw[8];

  store_be64 (raw, v);
  digest_update (d, raw, sizeof raw);
}

static void
add_segment (struct digest *d, const struct segment *s)
{
  add_number (d, s->layer);
  add_number (d, s->at.v);
  add_number (d, s->need.at.v);
  add_number (d, s->need.len);
  add_number (d, s->first_extent);
  add_number (d, s->extents);
  add_number (d, s->guest_bytes);
  add_number (d, s->hash_len);
  digest_update (d, s->hash, s->hash_len);
}

static int
check_stop (const atomic_bool *stop, struct error *err)
{
  if (stop == NULL || !*stop)
    return 0;
  return fail (err, ERR_INTERRUPTED, "interrupted while the journal was checked");
}

/* Up to AT_ONCE segments from ORD on; *N how many there were. */
static int
add_segments (struct sql *s, int64_t no, uint64_t ord, struct digest *d, size_t *n,
              struct error *err)
{
  struct segment seg;
  sqlite3_stmt *row;
  int r;

  *n = 0;
  if (sql_start (s, SQL_SEGMENTS, &row, err, "iii", no, (int64_t)ord, (int64_t)AT_ONCE) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    if (record_read_segment (row, s, &seg, err) == -1) {
      sql_end (row);
      return -1;
    }
    add_segment (d, &seg);
    ++*n;
  }
  return r == 1 ? 0 : -1;
}

/* All rows of a statement about import NO whose columns are numbers. */
static int
add_rows (struct sql *s, enum sql_name name, int64_t no, const atomic_bool *stop,
          struct digest *d, struct error *err)
{
  sqlite3_stmt *row;
  int r, i;

  if (sql_start (s, name, &row, err, "i", no) == -1)
    return -1;
  while ((r = sql_next (s, row, err)) == 0) {
    if (check_stop (stop, err) == -1) {
      sql_end (row);
      return -1;
    }
    for (i = 0; i < sqlite3_column_count (row); i++)
      add_number (d, (uint64_t)sqlite3_column_int64 (row, i));
  }
  return r == 1 ? 0 : -1;
}

int
tamper_digest_segments (struct sql *s, int64_t no, const atomic_bool *stop,
                        uint8_t out[DIGEST_SIZE], struct error *err)
{
  struct journal_import imp;
  struct digest d;
  uint64_t ord = 0;
  size_t n;

  digest_init (&d);
  if (record_read_import (s, no, &imp, err) == -1)
    return -1;
  do {
    if (check_stop (stop, err) == -1 || add_segments (s, no, ord, &d, &n, err) == -1)
      return -1;
    ord += n;
  } while (n == AT_ONCE);
  if (imp.stream
      && (add_rows (s, SQL_EXTENT_NUMBERS, no, stop, &d, err) == -1
          || add_rows (s, SQL_ZERO_NUMBERS, no, stop, &d, err) == -1))
    return -1;
  digest_peek (&d, out);
  return 0;
}

static int
facts (struct sql *s, int64_t no, uint8_t out[DIGEST_SIZE], struct error *err)
{
  struct digest d;
  sqlite3_stmt *row;
  int r;

  digest_init (&d);
  if (sql_start (s, SQL_FACTS, &row, err, "i", no) == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r == -1)
    return -1;
  if (r == 0) {
    const void *text = sqlite3_column_text (row, 0);

    digest_update (&d, text, (size_t)sqlite3_column_bytes (row, 0));
    sql_end (row);
  }
  digest_peek (&d, out);
  return 0;
}

int
tamper_statement (struct sql *s, int64_t no, const uint8_t segments[DIGEST_SIZE], char *out,
                  size_t size, struct error *err)
{
  char map[DIGEST_HEX], rows[DIGEST_HEX], about[DIGEST_HEX];
  struct journal_import imp;
  uint8_t digest[DIGEST_SIZE];

  if (record_read_import (s, no, &imp, err) == -1 || facts (s, no, digest, err) == -1)
    return -1;
  snprintf (out, size, "image=%s map=%s segments=%s facts=%s",
            imp.now.image_sha256[0] != '\0' ? imp.now.image_sha256 : "-",
            digest_hex (map, imp.map_digest), digest_hex (rows, segments),
            digest_hex (about, digest));
  return 0;
}

/* ---- The check ----------------------------------------------------------------------------
 */

struct story {
  char completed[1024];  /* what the last "completed" says; "" if there is none */
  char root[DIGEST_HEX]; /* of the last event that names one */
};

static const char *
text_of (sqlite3_stmt *row, int column)
{
  const char *text = (const char *)sqlite3_column_text (row, column);

  return text == NULL ? "" : text;
}

static void
follow (struct story *story, const char *kind, const char *detail)
{
  const char *root = strstr (detail, "; root=");

  if (strcmp (kind, "completed") == 0)
    snprintf (story->completed, sizeof story->completed, "%s", detail);
  if (root != NULL && (strcmp (kind, "audited") == 0 || strcmp (kind, "repaired") == 0))
    snprintf (story->root, sizeof story->root, "%s", root + strlen ("; root="));
}

static int
altered (const struct sql *s, const struct journal_import *imp, const char *what,
         struct error *err)
{
  return fail (
      err, ERR_JOURNAL_CORRUPT,
      "journal %s: %s of import %.8s was altered after it was written: what it says of "
      "the target cannot be relied on; put a good copy of the journal in its place",
      s->path, what, imp->id);
}

static int
check_chain (struct sql *s, const struct journal_import *imp, struct story *story,
             struct error *err)
{
  uint8_t chain[DIGEST_SIZE] = { 0 };
  bool same = true;
  sqlite3_stmt *row;
  int r;

  if (sql_start (s, SQL_EVENT_CHAIN, &row, err, "i", imp->no) == -1)
    return -1;
  while (same && (r = sql_next (s, row, err)) == 0) {
    event_link (chain, text_of (row, 0), text_of (row, 1), text_of (row, 2));
    follow (story, text_of (row, 1), text_of (row, 2));
    same = sqlite3_column_bytes (row, 3) == DIGEST_SIZE
           && memcmp (chain, sqlite3_column_blob (row, 3), DIGEST_SIZE) == 0;
  }
  if (!same) {
    sql_end (row);
    return altered (s, imp, "an event", err);
  }
  return r == 1 ? 0 : -1;
}

/* One NAME=VALUE pair at a time, to say what it is that differs. */
static int
compare_statements (struct sql *s, const struct journal_import *imp, const char *said,
                    const char *found, struct error *err)
{
  static const struct {
    const char *name, *words;
  } parts[] = {
    { "image=", "the SHA-256 of the image" },
    { "map=", "the map" },
    { "segments=", "the digest of a segment" },
    { "facts=", "what is said of source or target" },
  };
  size_t i;

  if (strcmp (said, found) == 0)
    return 0;
  for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const char *a = strstr (said, parts[i].name), *b = strstr (found, parts[i].name);

    if (a == NULL || b == NULL || strcspn (a, " ") != strcspn (b, " ")
        || memcmp (a, b, strcspn (a, " ")) != 0)
      return altered (s, imp, parts[i].words, err);
  }
  return altered (s, imp, "an event", err);
}

static int
check_complete (struct sql *s, const struct journal_import *imp, const struct story *story,
                const atomic_bool *stop, struct error *err)
{
  uint8_t segments[DIGEST_SIZE];
  char found[1024];

  if (imp->now.state != IMPORT_COMPLETE)
    return 0;
  if (story->completed[0] == '\0')
    return altered (s, imp, "the list of events", err);
  if (tamper_digest_segments (s, imp->no, stop, segments, err) == -1
      || tamper_statement (s, imp->no, segments, found, sizeof found, err) == -1
      || compare_statements (s, imp, story->completed, found, err) == -1)
    return -1;
  if (strcmp (story->root, imp->now.root_digest) != 0)
    return altered (s, imp, "the root digest", err);
  return 0;
}

int
journal_check_witness (const char *path, int64_t no, const atomic_bool *stop, struct error *err)
{
  struct story story = { .completed = "" };
  struct journal_import imp;
  struct sql s;
  int r = -1;

  if (database_open_reader (&s, path, err) == -1)
    return -1;
  if (record_read_import (&s, no, &imp, err) == 0 && check_chain (&s, &imp, &story, err) == 0)
    r = check_complete (&s, &imp, &story, stop, err);
  sql_close (&s);
  return r;
}
