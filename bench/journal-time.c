/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * journal-time: preloaded into a program, it says how long the calls into SQLite took that do
 * work (step, exec, prepare, checkpoint, close), as the sum over all threads.  They run beside
 * network, decoding and writing, so the sum is the most that a journal can cost.  A call from
 * within one of these calls is not counted twice.
 *
 * Appends "seconds calls wall" to the file that QIMPORT_JOURNAL_TIME names when the program
 * ends.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sqlite3.h>

static atomic_ullong spent_ns, calls;
static _Thread_local int depth;
static struct timespec begun;

static unsigned long long
since (const struct timespec *t)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (unsigned long long)(now.tv_sec - t->tv_sec) * 1000000000ull
         + (unsigned long long)(now.tv_nsec - t->tv_nsec);
}

/* The function of the library, called between two looks at the clock. */
#define TIMED(name, type, ...)                \
  static type (*real);                        \
  struct timespec t;                          \
  int rc;                                     \
                                              \
  if (real == NULL)                           \
    real = (type (*))dlsym (RTLD_NEXT, name); \
  clock_gettime (CLOCK_MONOTONIC, &t);        \
  depth++;                                    \
  rc = real (__VA_ARGS__);                    \
  if (--depth == 0) {                         \
    atomic_fetch_add (&spent_ns, since (&t)); \
    atomic_fetch_add (&calls, 1);             \
  }                                           \
  return rc

typedef int step_fn (sqlite3_stmt *);
typedef int exec_fn (sqlite3 *, const char *, int (*) (void *, int, char **, char **), void *,
                     char **);
typedef int prepare_fn (sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **);
typedef int close_fn (sqlite3 *);
typedef int checkpoint_fn (sqlite3 *, const char *, int, int *, int *);

int
sqlite3_step (sqlite3_stmt *stmt)
{
  TIMED ("sqlite3_step", step_fn, stmt);
}

int
sqlite3_exec (sqlite3 *db, const char *sql, int (*row) (void *, int, char **, char **),
              void *ctx, char **message)
{
  TIMED ("sqlite3_exec", exec_fn, db, sql, row, ctx, message);
}

int
sqlite3_prepare_v3 (sqlite3 *db, const char *sql, int len, unsigned flags, sqlite3_stmt **out,
                    const char **tail)
{
  TIMED ("sqlite3_prepare_v3", prepare_fn, db, sql, len, flags, out, tail);
}

int
sqlite3_wal_checkpoint_v2 (sqlite3 *db, const char *name, int mode, int *log, int *done)
{
  TIMED ("sqlite3_wal_checkpoint_v2", checkpoint_fn, db, name, mode, log, done);
}

int
sqlite3_close (sqlite3 *db)
{
  TIMED ("sqlite3_close", close_fn, db);
}

__attribute__ ((constructor)) static void
begin (void)
{
  clock_gettime (CLOCK_MONOTONIC, &begun);
}

__attribute__ ((destructor)) static void
tell (void)
{
  const char *path = getenv ("QIMPORT_JOURNAL_TIME");
  FILE *out = path == NULL ? NULL : fopen (path, "a");

  if (out == NULL)
    return;
  fprintf (out, "%.4f %llu %.3f\n", (double)atomic_load (&spent_ns) / 1e9,
           (unsigned long long)atomic_load (&calls), (double)since (&begun) / 1e9);
  fclose (out);
}
