/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * journal-fixture: a directory with a journal in it, an import, and a look at the file through
 * a plain SQLite connection, as an auditor has it.
 */
#ifndef QIMPORT_TESTS_JOURNAL_FIXTURE_H
#define QIMPORT_TESTS_JOURNAL_FIXTURE_H

#include "journal/journal.h" /* before cmocka, which has a macro named fail */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { CLUSTER = 65536, PIECE = 4 << 20 };

struct fixture {
  char dir[256], path[300];
  struct journal *j;
  struct journal_import imp;
  struct journal_layer layers[2];
  struct error err;
};

/* The error's words, when a call that must succeed does not. */
#define OK(f, call)                                                                          \
  do {                                                                                       \
    if ((call) != 0)                                                                         \
      fail_msg ("%s: %s", #call, (f)->err.text);                                             \
  } while (0)

#define FAILS(f, code_, call)                                                                \
  do {                                                                                       \
    assert_int_equal ((call), -1);                                                           \
    if ((f)->err.code != (code_))                                                            \
      fail_msg ("%s: %s, not %s: %s", #call, error_word ((f)->err.code), error_word (code_), \
                (f)->err.text);                                                              \
  } while (0)

static inline int
fixture_remove_one (const char *path, const struct stat *st, int type, struct FTW *ftw)
{
  (void)st;
  (void)type;
  (void)ftw;
  return remove (path);
}

static inline int
fixture_setup (void **state)
{
  struct fixture *f = calloc (1, sizeof *f);
  const char *tmp = getenv ("TMPDIR");

  if (f == NULL)
    return -1;
  snprintf (f->dir, sizeof f->dir, "%s/qimport-journal-XXXXXX", tmp == NULL ? "/tmp" : tmp);
  if (mkdtemp (f->dir) == NULL)
    return -1;
  snprintf (f->path, sizeof f->path, "%s/journal.db", f->dir);
  *state = f;
  return 0;
}

static inline int
fixture_teardown (void **state)
{
  struct fixture *f = *state;

  journal_close (f->j);
  nftw (f->dir, fixture_remove_one, 8, FTW_DEPTH | FTW_PHYS);
  free (f);
  return 0;
}

static inline void
fixture_open (struct fixture *f)
{
  journal_close (f->j);
  f->j = NULL;
  OK (f, journal_open (&f->j, f->path, JOURNAL_CREATE, &f->err));
}

/* An import of VIRTUAL_SIZE, as it is begun. */
static inline void
fixture_describe (struct fixture *f, uint64_t virtual_size)
{
  unsigned i;

  memset (&f->imp, 0, sizeof f->imp);
  strcpy (f->imp.target, "/srv/disk.img");
  strcpy (f->imp.target_kind, "file");
  f->imp.layers = 1;
  f->imp.digests = true;
  f->imp.virtual_size = virtual_size;
  f->imp.cluster_size = CLUSTER;
  for (i = 0; i < 2; i++) {
    struct journal_layer *l = &f->layers[i];

    memset (l, 0, sizeof *l);
    strcpy (l->url, "https://example.org/disk.qcow2");
    strcpy (l->format, "qcow2");
    strcpy (l->etag, "\"abc\"");
    l->length = UINT64_C (1) << 40;
    l->cluster_size = CLUSTER;
    l->segment_size = PIECE;
  }
}

static inline void
fixture_begin (struct fixture *f, uint64_t virtual_size)
{
  fixture_describe (f, virtual_size);
  fixture_open (f);
  OK (f, journal_begin (f->j, &f->imp, f->layers, &f->err));
}

/* As a user forgets one: it is taken for it. */
static inline int
fixture_forget (struct fixture *f, struct journal *j, const struct journal_import *imp)
{
  struct journal_import now = *imp;

  if (journal_hold_audit (j, &now, &f->err) == -1)
    return -1;
  return journal_forget (j, imp->no, &f->err);
}

static inline struct extent
data_at (uint64_t guest, uint64_t len, uint64_t host)
{
  return (struct extent){ .kind = EXTENT_DATA, .guest = { guest }, .len = len,
                          .host = { host }, .stored = len };
}

static inline struct extent
compressed_at (uint64_t guest, uint64_t host, uint64_t stored)
{
  return (struct extent){ .kind = EXTENT_COMPRESSED, .guest = { guest }, .len = CLUSTER,
                          .host = { host }, .stored = stored };
}

static inline struct extent
zero_at (enum extent_kind kind, uint64_t guest, uint64_t len)
{
  return (struct extent){ .kind = kind, .guest = { guest }, .len = len };
}

/* One value from the journal, as a plain sqlite3 shell would print it; "" for NULL. */
static inline char *
fixture_ask (struct fixture *f, const char *sql)
{
  static char answer[65536];
  sqlite3_stmt *st = NULL;
  sqlite3 *db = NULL;
  size_t n = 0;

  answer[0] = '\0';
  assert_int_equal (sqlite3_open_v2 (f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  sqlite3_busy_timeout (db, 5000); /* a WAL is recovered by whoever comes first */
  if (sqlite3_prepare_v2 (db, sql, -1, &st, NULL) != SQLITE_OK)
    fail_msg ("%s: %s", sql, sqlite3_errmsg (db));
  while (sqlite3_step (st) == SQLITE_ROW) {
    int i;

    for (i = 0; i < sqlite3_column_count (st); i++) {
      const char *text = (const char *)sqlite3_column_text (st, i);

      n += (size_t)snprintf (answer + n, sizeof answer - n, "%s%s", i == 0 ? "" : "|",
                             text == NULL ? "" : text);
    }
    n += (size_t)snprintf (answer + n, sizeof answer - n, "\n");
  }
  sqlite3_finalize (st);
  sqlite3_close (db);
  if (n > 0)
    answer[n - 1] = '\0';
  return answer;
}

static inline void
fixture_write (struct fixture *f, const char *sql)
{
  sqlite3 *db = NULL;
  char *why = NULL;

  assert_int_equal (sqlite3_open (f->path, &db), SQLITE_OK);
  if (sqlite3_exec (db, sql, NULL, NULL, &why) != SQLITE_OK)
    fail_msg ("%s: %s", sql, why);
  sqlite3_close (db);
}

#endif
