/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slow-shim: a library for LD_PRELOAD with which things take their time, or as long as nobody
 * ends them.
 *
 *     SLOW_CHECK_MS  SQLite's quick_check takes so long before it begins, unless its progress
 *                    handler says that it shall end
 *     SLOW_SYNC_MS   a sync of a part file takes so long, and then
 *     SYNC_ERRNO     fails with this, if it is given
 *     EXIT_AT_RENAME the process ends where the part file would get its name
 */
#include <dlfcn.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int (*ended) (void *);
static _Thread_local void *ended_ctx;

static long
number (const char *name)
{
  const char *text = getenv (name);

  return text == NULL ? 0 : atol (text);
}

static void
sleep_ms (long ms)
{
  struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

  nanosleep (&t, NULL);
}

void
sqlite3_progress_handler (sqlite3 *db, int steps, int (*call) (void *), void *ctx)
{
  void (*real) (sqlite3 *, int, int (*) (void *), void *)
      = dlsym (RTLD_NEXT, "sqlite3_progress_handler");

  ended = call;
  ended_ctx = ctx;
  real (db, steps, call, ctx);
}

int
sqlite3_prepare_v3 (sqlite3 *db, const char *sql, int n, unsigned flags, sqlite3_stmt **out,
                    const char **tail)
{
  int (*real) (sqlite3 *, const char *, int, unsigned, sqlite3_stmt **, const char **)
      = dlsym (RTLD_NEXT, "sqlite3_prepare_v3");
  long left = strstr (sql, "quick_check") == NULL ? 0 : number ("SLOW_CHECK_MS");

  for (; left > 0 && (ended == NULL || ended (ended_ctx) == 0); left -= 20)
    sleep_ms (20);
  return real (db, sql, n, flags, out, tail);
}

int
renameat2 (int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
  int (*real) (int, const char *, int, const char *, unsigned)
      = dlsym (RTLD_NEXT, "renameat2");

  if (getenv ("EXIT_AT_RENAME") != NULL && strstr (from, ".qimport-part") != NULL)
    _exit (9);
  return real (from_dir, from, to_dir, to, flags);
}

static int
is_part_file (int fd)
{
  char link[64], name[4096];
  ssize_t n;

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, name, sizeof name - 1);
  name[n > 0 ? n : 0] = '\0';
  return strstr (name, ".qimport-part") != NULL;
}

int
fdatasync (int fd)
{
  int (*real) (int) = dlsym (RTLD_NEXT, "fdatasync");

  if (is_part_file (fd) && number ("SLOW_SYNC_MS") > 0) {
    sleep_ms (number ("SLOW_SYNC_MS"));
    if (number ("SYNC_ERRNO") != 0) {
      errno = (int)number ("SYNC_ERRNO");
      return -1;
    }
  }
  return real (fd);
}
