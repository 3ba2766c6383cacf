/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * database: see database.h.  A journal is made whole in memory and appears under its name at
 * once, so that a half-made one is never seen; an empty or foreign file is never touched.
 */
#include "journal/database.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/kernel.h"
#include "base/text.h"
#include "journal/extent_rows.h"
#include "journal/schema.h"
#include "journal/state.h"
#include "journal/transaction.h"

enum {
  APPLICATION_ID = 0x71696d70, /* "qimp" */
  HEADER_LEN = 100             /* of an SQLite file */
};

static int
refuse (struct error *err, const char *path, const char *why)
{
  char words[768];

  escape_text (words, sizeof words, path, strlen (path));
  return fail (err, ERR_JOURNAL_REFUSED,
               "journal %s: %s; it was left as it is: name another with --journal", words, why);
}

static int
refuse_errno (struct error *err, const char *path, int errnum, const char *doing)
{
  enum error_code code = errnum == ENOSPC || errnum == EDQUOT ? ERR_JOURNAL_FULL
                         : errnum == ENOENT                   ? ERR_NO_JOURNAL
                                                              : ERR_JOURNAL_REFUSED;
  char words[768];

  escape_text (words, sizeof words, path, strlen (path));
  return fail_errno (err, code, errnum, "journal %s: %s", words, doing);
}

/* ---- Is it one ----------------------------------------------------------------------------
 */

/* Literally what the migrations make: no trigger or view of anybody else's (SQ17). */
static int
check_schema (struct sql *s, struct error *err)
{
  char hex[DIGEST_HEX];

  if (schema_digest (s, hex, err) == -1)
    return -1;
  if (strcmp (hex, schema_sha256) != 0)
    return refuse (err, s->path, "its tables are not those of a qimport journal");
  return 0;
}

/* ---- Before it is opened for good -------------------------------------------------------- */

static int
check_name (const char *path, const struct stat *st, struct error *err)
{
  if (!S_ISREG (st->st_mode))
    return refuse (err, path, "not a regular file");
  if (st->st_nlink != 1)
    return refuse (err, path, "it has several names (hard links), each with a WAL of its own");
  if ((st->st_mode & 022) != 0)
    return refuse (err, path, "others than its owner may write it");
  if (st->st_size == 0)
    return refuse (err, path, "it is empty; remove it if it holds nothing you need");
  return 0;
}

static int
newer (struct error *err, const char *path, int64_t version)
{
  char words[768];

  escape_text (words, sizeof words, path, strlen (path));
  return fail (err, ERR_JOURNAL_NEWER,
               "journal %s: version %lld is from a newer qimport (this one knows up to %d); it "
               "was left as it is: use the newer qimport, or name another with --journal",
               words, (long long)version, SQL_MIGRATIONS);
}

static int
check_header (const char *path, const uint8_t raw[HEADER_LEN], struct error *err)
{
  if (memcmp (raw, "SQLite format 3", 16) != 0)
    return refuse (err, path, "not an SQLite database");
  if (load_be32 (raw + 68) != APPLICATION_ID)
    return refuse (err, path, "the SQLite database of another application");
  if (load_be32 (raw + 60) > SQL_MIGRATIONS)
    return newer (err, path, load_be32 (raw + 60));
  return 0;
}

/* Read the header without a lock and without creating a WAL beside it, and yet through SQLite,
 * whose locks a descriptor of ours would drop (SQ8, SQ15). */
static int
peek (const char *path, bool *rollback, struct error *err)
{
  uint8_t raw[HEADER_LEN] = { 0 };
  sqlite3_file *file = NULL;
  struct sql s;
  int rc = SQLITE_ERROR;

  if (sql_open (&s, path, path, SQLITE_OPEN_READONLY, err) == -1)
    return -1;
  if (sqlite3_file_control (s.db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK
      && file != NULL && file->pMethods != NULL)
    rc = file->pMethods->xRead (file, raw, sizeof raw, 0);
  sql_close (&s);
  if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
    return refuse (err, path, "its header cannot be read");
  *rollback = raw[18] == 1;
  return check_header (path, raw, err);
}

/* ---- Making one -------------------------------------------------------------------------- */

static int
make_directories (char *path, struct error *err)
{
  char *slash;

  for (slash = strchr (path + 1, '/'); slash != NULL; slash = strchr (slash + 1, '/')) {
    *slash = '\0';
    if (mkdir (path, 0700) == -1 && errno != EEXIST) {
      refuse_errno (err, path, errno,
                    "no directory can be made there; name another place with --journal PATH or "
                    "$QIMPORT_JOURNAL");
      *slash = '/';
      return -1;
    }
    *slash = '/';
  }
  return 0;
}

static int
write_all (int fd, const uint8_t *p, size_t len)
{
  while (len > 0) {
    ssize_t n = write (fd, p, len);

    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      return -1;
    p += n;
    len -= (size_t)n;
  }
  return fsync (fd);
}

static void
sync_directory_of (const char *path)
{
  OWN_MEM char *dir = strdup (path);
  char *slash = dir == NULL ? NULL : strrchr (dir, '/');
  int fd;

  if (slash == NULL)
    return;
  slash[slash == dir] = '\0';
  fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1)
    return;
  fsync (fd);
  close (fd);
}

/* A WAL needs memory that processes share through a file beside it, which not every file system
 * gives (FUSE with direct I/O): what this one does is tried.  Where that cannot be tried SQLite
 * will say so. */
static bool
shares_memory (const char *path)
{
  char name[PATH_MAX];
  void *map;
  int fd;

  if (snprintf (name, sizeof name, "%s.map-XXXXXX", path) >= (int)sizeof name)
    return true;
  fd = mkostemp (name, O_CLOEXEC);
  if (fd == -1)
    return true;
  unlink (name);
  map = write_all (fd, (const uint8_t *)"", 1) == -1
            ? NULL
            : mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  if (map == MAP_FAILED)
    return false;
  if (map != NULL)
    munmap (map, 4096);
  return true;
}

/* Where there is neither a rename that replaces nothing nor a link: whoever holds the lock of
 * the directory looks, and then renames. */
static int
rename_under_lock (const char *name, const char *path)
{
  OWN_MEM char *copy = strdup (path);
  int fd, r = -1;

  if (copy == NULL)
    return -1;
  fd = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd == -1)
    return -1;
  if (flock (fd, LOCK_EX) == 0) {
    r = access (path, F_OK) == 0 ? -1 : rename (name, path);
    if (r == -1 && access (path, F_OK) == 0)
      errno = EEXIST;
  }
  close (fd);
  return r;
}

static int
claim_name (const char *name, const char *path)
{
  if (rename_no_replace (AT_FDCWD, name, AT_FDCWD, path) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
    return -1;
  if (link (name, path) == 0)
    return 0;
  if (errno != EPERM && errno != ENOSYS && errno != EOPNOTSUPP)
    return -1;
  return rename_under_lock (name, path);
}

/* The name is given last, and to nobody's loss: another process may have been faster. */
static int
publish (const char *path, const uint8_t *image, size_t len, struct error *err)
{
  char name[PATH_MAX];
  int fd, r;

  if (snprintf (name, sizeof name, "%s.new-XXXXXX", path) >= (int)sizeof name)
    return refuse (err, path, "its name is too long");
  fd = mkostemp (name, O_CLOEXEC);
  if (fd == -1)
    return refuse_errno (err, path, errno, "cannot be made");
  r = write_all (fd, image, len);
  if (r == -1)
    refuse_errno (err, path, errno, "cannot be made");
  close (fd);
  if (r == 0 && claim_name (name, path) == -1 && errno != EEXIST)
    r = refuse_errno (err, path, errno,
                      "cannot be made there; name one on another file system with --journal");
  unlink (name);
  sync_directory_of (path);
  return r;
}

static int
create (const char *path, struct error *err)
{
  sqlite3_int64 len = 0;
  struct sql model;
  uint8_t *image;
  int r = -1;

  if (schema_open_model (&model, err) == -1)
    return -1;
  image = sqlite3_serialize (model.db, "main", &len, 0);
  if (image == NULL || len < HEADER_LEN)
    fail_memory (err, "a new journal");
  else {
    /* "File format" 1.3.3: a WAL file from its birth, for two processes that made it one at
     * the same time would not wait for each other. */
    image[18] = image[19] = shares_memory (path) ? 2 : 1;
    r = publish (path, image, (size_t)len, err);
  }
  sqlite3_free (image);
  sql_close (&model);
  return r;
}

/* ---- Opening ----------------------------------------------------------------------------- */

/* As it is now: a network or FUSE file system would show for a second that a new journal still
 * has the name under which it was made. */
static int
stat_now (const char *path, struct stat *st)
{
  const struct timespec pause = { 0, 50 * 1000 * 1000 };
  int tries, r;

  for (tries = 0; tries < 20; tries++) {
    refresh_attributes (path);
    r = stat (path, st);
    if (r == -1 || st->st_nlink == 1) /* or whoever makes it is between link and unlink */
      break;
    nanosleep (&pause, NULL);
  }
  return r;
}

/* *CANONICAL, for an existing file its one name without symbolic links (SQ14); *ST of it. */
static int
find_file (const char *path, enum journal_mode mode, char **canonical, struct stat *st,
           struct error *err)
{
  OWN_MEM char *given = NULL;
  char cwd[PATH_MAX] = "";

  if (path[0] != '/' && getcwd (cwd, sizeof cwd) == NULL)
    return refuse_errno (err, path, errno, "cannot be found");
  if (asprintf (&given, "%s%s%s", cwd, path[0] == '/' ? "" : "/", path) == -1) {
    given = NULL;
    return fail_memory (err, "the journal's name");
  }
  if (mode == JOURNAL_CREATE && access (given, F_OK) == -1 && errno == ENOENT
      && (make_directories (given, err) == -1 || create (given, err) == -1))
    return -1;
  *canonical = realpath (given, NULL);
  if (*canonical == NULL)
    return refuse_errno (err, path, errno, "cannot be found");
  if (stat_now (*canonical, st) == -1)
    return refuse_errno (err, path, errno, "cannot be found");
  return check_name (*canonical, st, err);
}

/* Over a network SQLite's shared memory is not shared. */
static bool
on_network (const char *path)
{
  static const long types[]
      = { 0x6969 /* NFS */, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */, 0x517b /* SMB */ };
  struct statfs fs;
  size_t i;

  if (statfs (path, &fs) == -1)
    return false;
  for (i = 0; i < sizeof types / sizeof types[0]; i++)
    if (((unsigned long)fs.f_type & 0xffffffff) == (unsigned long)types[i])
      return true;
  return false;
}

static int
answer_is (struct sql *s, enum sql_name name, const char *want, bool *is, struct error *err)
{
  sqlite3_stmt *row;
  const char *text;
  int r;

  *is = false;
  if (sql_start (s, name, &row, err, "") == -1)
    return -1;
  r = sql_next (s, row, err);
  if (r != 0)
    return r == 1 ? 0 : -1;
  text = (const char *)sqlite3_column_text (row, 0);
  *is = text != NULL && strcmp (text, want) == 0;
  sql_end (row);
  return 0;
}

/* SQ11: what counts is what SQLite answers. */
static int
set_journal_mode (struct journal *j, bool no_wal, struct error *err)
{
  bool rollback;

  if (!no_wal && answer_is (&j->sql, SQL_SET_WAL, "wal", &j->wal, err) == -1)
    return -1;
  if (j->wal)
    return sql_run (&j->sql, SQL_SET_WAL_LIMIT, err, "");
  if (answer_is (&j->sql, SQL_SET_ROLLBACK, "delete", &rollback, err) == -1)
    return -1;
  return rollback ? 0
                  : refuse (err, j->path, "it can have neither a WAL nor a rollback journal");
}

static int
configure (struct sql *s, struct error *err)
{
  if (sql_harden (s, err) == -1 || sql_run (s, SQL_SET_TEMP_FILE, err, "") == -1)
    return -1;
  return state_register (s, err);
}

/* Once more, with what a WAL may hold: the header alone may be old. */
static int
check_version (struct sql *s, bool may_migrate, struct error *err)
{
  int64_t id, version;

  if (sql_get (s, SQL_GET_APPLICATION_ID, 0, &id, err, "") == -1
      || sql_get (s, SQL_GET_USER_VERSION, 0, &version, err, "") == -1)
    return -1;
  if (id != APPLICATION_ID)
    return refuse (err, s->path, "the SQLite database of another application");
  if (version > SQL_MIGRATIONS)
    return newer (err, s->path, version);
  if (version < SQL_MIGRATIONS && !may_migrate)
    return refuse (err, s->path, "of an older version; what writes it brings it up to date");
  return 0;
}

static int
migrate_file (struct journal *j, struct error *err)
{
  int64_t version;

  if (sql_get (&j->sql, SQL_GET_USER_VERSION, 0, &version, err, "") == -1)
    return -1;
  if (version == SQL_MIGRATIONS)
    return 0;
  if (tx_begin (j, DURABLE, err) == -1)
    return -1;
  return tx_end (j, schema_migrate (&j->sql, err), err);
}

/* The file under PATH is still the one that was checked. */
static int
check_same (const char *path, const struct stat *before, struct error *err)
{
  struct stat now;

  if (stat (path, &now) == -1 || now.st_dev != before->st_dev || now.st_ino != before->st_ino)
    return refuse (err, path, "it was replaced while it was opened");
  return 0;
}

/* Read-only media: without a WAL nobody can be writing it. */
static int
open_unwritable (struct sql *s, const char *path, struct error *err)
{
  OWN_MEM char *wal = NULL, *uri = NULL;
  size_t i, o = 0;

  if (asprintf (&wal, "%s-wal", path) == -1 || access (wal, F_OK) == 0)
    return -1;
  uri = malloc (3 * strlen (path) + 32);
  if (uri == NULL)
    return fail_memory (err, "the journal's name");
  o = (size_t)sprintf (uri, "file:");
  for (i = 0; path[i] != '\0'; i++)
    o += (size_t)sprintf (uri + o, strchr ("%?#", path[i]) ? "%%%02x" : "%c", path[i]);
  strcpy (uri + o, "?immutable=1");
  return sql_open (s, uri, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
}

static int
open_checked (struct sql *s, const char *path, struct error *err)
{
  if (sql_open (s, path, path, SQLITE_OPEN_READONLY, err) == -1)
    return -1;
  if (configure (s, err) == 0 && check_version (s, false, err) == 0)
    return 0;
  if (sqlite3_errcode (s->db) != SQLITE_CANTOPEN && sqlite3_errcode (s->db) != SQLITE_READONLY)
    return -1;
  sql_close (s);
  if (open_unwritable (s, path, err) == -1 || configure (s, err) == -1)
    return -1;
  return check_version (s, false, err);
}

int
database_open_reader (struct sql *s, const char *path, struct error *err)
{
  if (open_checked (s, path, err) == 0)
    return 0;
  sql_close (s);
  return -1;
}

/* ROLLBACK: it has no WAL so far. */
static int
open_writable (struct journal *j, bool rollback, struct error *err)
{
  bool no_wal = on_network (j->path) || (rollback && !shares_memory (j->path));

  if (sql_open (&j->sql, j->path, j->path, SQLITE_OPEN_READWRITE, err) == -1
      || configure (&j->sql, err) == -1 || check_version (&j->sql, true, err) == -1
      || set_journal_mode (j, no_wal, err) == -1 || tx_set_durability (j, PROGRESS, err) == -1
      || rows_register (&j->sql, err) == -1)
    return -1;
  return migrate_file (j, err);
}

int
journal_open (struct journal **out, const char *path, enum journal_mode mode, struct error *err)
{
  OWN (journal) j = calloc (1, sizeof *j);
  struct stat st;
  bool rollback = false;

  if (j == NULL)
    return fail_memory (err, "the journal");
  pthread_mutex_init (&j->lock, NULL);
  holder_self (&j->self);
  if (find_file (path, mode, &j->path, &st, err) == -1 || peek (j->path, &rollback, err) == -1)
    return -1;
  if ((mode == JOURNAL_READ ? database_open_reader (&j->sql, j->path, err)
                            : open_writable (j, rollback, err))
          == -1
      || check_same (j->path, &st, err) == -1 || check_schema (&j->sql, err) == -1)
    return -1;
  *out = j;
  j = NULL;
  return 0;
}

void
journal_close (struct journal *j)
{
  if (j == NULL)
    return;
  sql_close (&j->sql);
  import_locks_release (&j->locks);
  pthread_mutex_destroy (&j->lock);
  free (j->path);
  free (j);
}

const char *
journal_path (const struct journal *j)
{
  return j->path;
}
