/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sql: see sql.h.
 */
#include "journal/sql.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum {
  BUSY_MS = 60000,
  STUCK_MS = 10000,
  POLL_MS = 8 /* at most; SQLite's own way is up to 100, in which a short commit is missed */
};

static enum error_code
code_of (int rc, int errnum)
{
  if (errnum == ENOSPC || errnum == EDQUOT)
    return ERR_JOURNAL_FULL;
  switch (rc & 0xff) {
  case SQLITE_FULL:
    return ERR_JOURNAL_FULL;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
  case SQLITE_FORMAT:
    return ERR_JOURNAL_CORRUPT;
  case SQLITE_NOMEM:
    return ERR_NO_MEMORY;
  case SQLITE_INTERRUPT:
    return ERR_INTERRUPTED;
  default:
    return ERR_JOURNAL_FAILED;
  }
}

static const char *
way_out (int rc, enum error_code code)
{
  if (code == ERR_JOURNAL_FULL)
    return "; make room on its file system, then resume";
  if (code == ERR_JOURNAL_CORRUPT)
    return "; put a good copy in its place, or name another with --journal";
  if ((rc & 0xff) == SQLITE_BUSY)
    return "; another process has kept it locked: try again when that is done";
  if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_CANTOPEN)
    return "; check the permissions of it and of its directory";
  if (rc == SQLITE_IOERR_SHMMAP || rc == SQLITE_IOERR_SHMOPEN || rc == SQLITE_IOERR_SHMSIZE
      || rc == SQLITE_IOERR_SHMLOCK)
    return "; its file system has no shared memory: name one on a local disk with --journal";
  if ((rc & 0xff) == SQLITE_IOERR)
    return "; see the kernel's log, mend its disk, then resume";
  return "";
}

const char *
sql_file (const struct sql *s)
{
  return sqlite3_db_filename (s->db, "main");
}

int
sql_fail (struct sql *s, const char *doing, struct error *err)
{
  int last = errno, rc = sqlite3_extended_errcode (s->db);
  int told = sqlite3_system_errno (s->db); /* 0 where a COMMIT failed */
  bool io = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
  enum error_code code = code_of (rc, !io ? 0 : told != 0 ? told : last);
  char words[256];

  if (io && (last == EMFILE || last == ENFILE))
    return fail_errno (
        err, code, last,
        "journal %s: %s; raise the limit of open files (ulimit -n), or take fewer "
        "--connections or --jobs",
        s->path, doing);
  escape_text (words, sizeof words, sqlite3_errmsg (s->db), strlen (sqlite3_errmsg (s->db)));
  return fail (err, code, "journal %s: %s: %s (SQLite %d)%s", s->path, doing, words, rc,
               way_out (rc, code));
}

/* Changes with every commit of anybody; 0: not known. */
static uint64_t
last_written (const struct sql *s)
{
  const char *file = sqlite3_db_filename (s->db, "main");
  struct stat st;

  if (file == NULL || file[0] == '\0'
      || (stat (sqlite3_filename_wal (file), &st) == -1 && stat (file, &st) == -1))
    return 0;
  return (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
}

/* Another has the lock; N times it was asked before.  Processes that wait take different
 * pauses, so that none is always too late. */
static int
wait_for_lock (void *sql, int n)
{
  struct sql *s = sql;
  int64_t now = monotonic_ms ();
  uint64_t stamp = last_written (s);
  struct timespec pause = { 0, (1 + (getpid () + n) % POLL_MS) * 1000000L };

  if (n == 0)
    s->busy.since = now;
  if (n == 0 || stamp != s->busy.stamp)
    s->busy.quiet = now;
  s->busy.stamp = stamp;
  if (now - s->busy.since >= BUSY_MS || now - s->busy.quiet >= STUCK_MS)
    return 0;
  nanosleep (&pause, NULL);
  return 1;
}

void
sql_wait_for_others (struct sql *s, bool wait)
{
  sqlite3_busy_handler (s->db, wait ? wait_for_lock : NULL, s);
}

int
sql_open (struct sql *s, const char *path, const char *shown, int flags, struct error *err)
{
  char words[768];

  memset (s, 0, sizeof *s);
  escape_text (words, sizeof words, shown, strlen (shown));
  s->path = strdup (words);
  if (s->path == NULL)
    return fail_memory (err, "the journal");
  if (sqlite3_open_v2 (path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL)
      != SQLITE_OK) {
    if (s->db == NULL)
      fail_memory (err, "the journal");
    else
      sql_fail (s, "cannot open", err);
    sql_close (s);
    return -1;
  }
  sql_wait_for_others (s, true);
  return 0;
}

int
sql_harden (struct sql *s, struct error *err)
{
  static const int limits[][2] = {
    { SQLITE_LIMIT_LENGTH, 64 << 20 },
    { SQLITE_LIMIT_SQL_LENGTH, 64 << 10 },
    { SQLITE_LIMIT_COLUMN, 100 },
    { SQLITE_LIMIT_EXPR_DEPTH, 100 },
    { SQLITE_LIMIT_COMPOUND_SELECT, 16 },
    { SQLITE_LIMIT_VDBE_OP, 25000 },
    { SQLITE_LIMIT_FUNCTION_ARG, 100 },
    { SQLITE_LIMIT_ATTACHED, 0 },
    { SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50 },
    { SQLITE_LIMIT_VARIABLE_NUMBER, 50 },
    { SQLITE_LIMIT_TRIGGER_DEPTH, 1 },
    { SQLITE_LIMIT_WORKER_THREADS, 0 },
  };
  size_t i;

  for (i = 0; i < sizeof limits / sizeof limits[0]; i++)
    sqlite3_limit (s->db, limits[i][0], limits[i][1]);
  if (sqlite3_db_config (s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK
      || sqlite3_db_config (s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK
      || sqlite3_db_config (s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL) != SQLITE_OK)
    return sql_fail (s, "cannot be guarded", err);
  return sql_run (s, SQL_SET_CELL_CHECK, err, "");
}

void
sql_close (struct sql *s)
{
  size_t i;

  for (i = 0; i < SQL_COUNT; i++)
    sqlite3_finalize (s->prepared[i]);
  sqlite3_close (s->db);
  free (s->path);
  memset (s, 0, sizeof *s);
}

static sqlite3_stmt *
prepare (struct sql *s, enum sql_name name, struct error *err)
{
  if (s->prepared[name] == NULL
      && sqlite3_prepare_v3 (s->db, sql_texts[name].text, -1, SQLITE_PREPARE_PERSISTENT,
                             &s->prepared[name], NULL)
             != SQLITE_OK) {
    sql_fail (s, sql_texts[name].name, err);
    return NULL;
  }
  return s->prepared[name];
}

static int
bind_one (sqlite3_stmt *st, int i, char type, va_list *ap)
{
  const void *p;
  uint64_t u;

  switch (type) {
  case 'i':
    return sqlite3_bind_int64 (st, i, va_arg (*ap, int64_t));
  case 'u':
    u = va_arg (*ap, uint64_t);
    return u == UINT64_MAX ? sqlite3_bind_null (st, i) : sqlite3_bind_int64 (st, i, (int64_t)u);
  case 'p':
    p = va_arg (*ap, const void *);
    return sqlite3_bind_pointer (st, i, (void *)(uintptr_t)p, va_arg (*ap, const char *), NULL);
  case 't':
    return sqlite3_bind_text (st, i, va_arg (*ap, const char *), -1, SQLITE_STATIC);
  default:
    p = va_arg (*ap, const void *);
    return sqlite3_bind_blob64 (st, i, p, va_arg (*ap, size_t), SQLITE_STATIC);
  }
}

static sqlite3_stmt *
vstart (struct sql *s, enum sql_name name, struct error *err, const char *types, va_list *ap)
{
  sqlite3_stmt *st = prepare (s, name, err);
  int i;

  if (st == NULL)
    return NULL;
  assert (*types == '\0' || (int)strlen (types) == sqlite3_bind_parameter_count (st));
  for (i = 1; *types != '\0'; i++, types++) {
    if (bind_one (st, i, *types, ap) != SQLITE_OK) {
      sql_fail (s, sql_texts[name].name, err);
      sql_end (st);
      return NULL;
    }
  }
  return st;
}

int
sql_next (struct sql *s, sqlite3_stmt *row, struct error *err)
{
  int rc;

  errno = 0; /* see sql_fail */
  rc = sqlite3_step (row);
  if (rc == SQLITE_ROW)
    return 0;
  if (rc != SQLITE_DONE)
    sql_fail (s, "cannot be worked with", err);
  sql_end (row);
  return rc == SQLITE_DONE ? 1 : -1;
}

void
sql_end (sqlite3_stmt *row)
{
  sqlite3_reset (row);
  sqlite3_clear_bindings (row);
}

int
sql_start (struct sql *s, enum sql_name name, sqlite3_stmt **row, struct error *err,
           const char *types, ...)
{
  va_list ap;

  va_start (ap, types);
  *row = vstart (s, name, err, types, &ap);
  va_end (ap);
  return *row == NULL ? -1 : 0;
}

int
sql_run (struct sql *s, enum sql_name name, struct error *err, const char *types, ...)
{
  sqlite3_stmt *st;
  va_list ap;
  int r = -1;

  va_start (ap, types);
  st = vstart (s, name, err, types, &ap);
  va_end (ap);
  if (st == NULL)
    return -1;
  while ((r = sql_next (s, st, err)) == 0)
    ;
  return r == 1 ? 0 : -1;
}

int
sql_get (struct sql *s, enum sql_name name, int64_t none, int64_t *value, struct error *err,
         const char *types, ...)
{
  sqlite3_stmt *st;
  va_list ap;
  int r;

  va_start (ap, types);
  st = vstart (s, name, err, types, &ap);
  va_end (ap);
  *value = none;
  if (st == NULL)
    return -1;
  r = sql_next (s, st, err);
  if (r == 0 && sqlite3_column_type (st, 0) != SQLITE_NULL)
    *value = sqlite3_column_int64 (st, 0);
  if (r == 0)
    sql_end (st);
  return r == -1 ? -1 : 0;
}

int
sql_changed (const struct sql *s)
{
  return sqlite3_changes (s->db);
}

uint64_t
sql_u64 (sqlite3_stmt *row, int column)
{
  if (sqlite3_column_type (row, column) == SQLITE_NULL)
    return UINT64_MAX;
  return (uint64_t)sqlite3_column_int64 (row, column);
}

static bool
all_plain (const char *in, int lines)
{
  for (; *in != '\0'; in++)
    if ((*in < 0x20 || *in > 0x7e) && !(lines && *in == '\n'))
      return false;
  return true;
}

/* Backslashes stay: they are of an escape that the caller made. */
char *
sql_clean (char *out, size_t size, const char *in, int lines)
{
  const char *keep = lines ? "\\\n" : "\\";
  size_t o = 0;

  if (all_plain (in, lines) && strlen (in) < size) {
    strcpy (out, in);
    return out;
  }
  while (*in != '\0' && size - o > 8) {
    size_t n = strcspn (in, keep);

    escape_text (out + o, size - o, in, n);
    o += strlen (out + o);
    in += n;
    if (*in != '\0' && size - o > 8)
      out[o++] = *in++;
  }
  out[o] = '\0';
  return out;
}
