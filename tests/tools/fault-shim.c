/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fault-shim: a library for LD_PRELOAD that makes the N-th fallible call of a program fail, or
 * every one from the N-th on, counted over all of its threads from main() on.  It allocates
 * nothing and prints nothing, and stands in front of a sanitizer as well (ASAN_OPTIONS must
 * have verify_asan_link_order=0), which then sees what the program does about it.
 *
 *     FAULT_KIND   memory | disk | network | library | close | clock | nfs | unshared
 *                  which calls count; library: those to SQLite and libcurl
 *     FAULT_AT     N; 0: none fails
 *     FAULT_FROM   1: every later one fails too
 *     FAULT_ERRNO  of disk, network and close calls
 *     FAULT_COUNT  a file that gets the number of calls when the program exits
 *
 * The last three are no failures: the time of day jumps ten years back or forth with every
 * look; every file system is said to be NFS; or no file can be mapped for sharing.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#undef curl_easy_setopt
#undef curl_multi_setopt

enum kind { NONE, MEMORY, DISK, NETWORK, LIBRARY, CLOSE, CLOCK, NFS, UNSHARED };

static atomic_ulong seen;
static unsigned long at;
static int from, errnum;
static enum kind armed;
static _Thread_local int exempt __attribute__ ((tls_model ("initial-exec")));

static int
strikes (enum kind kind)
{
  unsigned long n;

  if (armed != kind || exempt > 0)
    return 0;
  n = atomic_fetch_add (&seen, 1) + 1;
  if (at == 0 || n < at || (n > at && !from))
    return 0;
  errno = kind == MEMORY ? ENOMEM : errnum;
  return 1;
}

#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))
#define FAILING(kind, bad, ret, name, params, args)   \
  ret name params                                     \
  {                                                   \
    return strikes (kind) ? (bad) : REAL (name) args; \
  }

/* ---- Memory ------------------------------------------------------------------------------ */

FAILING (MEMORY, NULL, void *, malloc, (size_t n), (n))
FAILING (MEMORY, NULL, void *, calloc, (size_t n, size_t size), (n, size))
FAILING (MEMORY, NULL, void *, realloc, (void *p, size_t n), (p, n))
FAILING (MEMORY, NULL, char *, strdup, (const char *s), (s))
FAILING (MEMORY, NULL, char *, strndup, (const char *s, size_t n), (s, n))
FAILING (MEMORY, ENOMEM, int, posix_memalign, (void **p, size_t a, size_t n), (p, a, n))

/* A sanitizer asks this for each new thread, and could not go on without an answer. */
int
pthread_getattr_np (pthread_t thread, pthread_attr_t *attr)
{
  int r;

  exempt++;
  r = REAL (pthread_getattr_np) (thread, attr);
  exempt--;
  return r;
}

/* ---- The disk ---------------------------------------------------------------------------- */

#define ON_DISK(ret, name, params, args) FAILING (DISK, -1, ret, name, params, args)

ON_DISK (ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
ON_DISK (ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
ON_DISK (ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))
ON_DISK (ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o))
ON_DISK (ssize_t, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o))
ON_DISK (ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o))
ON_DISK (int, fallocate, (int fd, int m, off_t o, off_t n), (fd, m, o, n))
ON_DISK (int, fallocate64, (int fd, int m, off64_t o, off64_t n), (fd, m, o, n))
ON_DISK (int, fsync, (int fd), (fd))
ON_DISK (int, fdatasync, (int fd), (fd))
ON_DISK (int, ftruncate, (int fd, off_t n), (fd, n))
ON_DISK (int, ftruncate64, (int fd, off64_t n), (fd, n))
ON_DISK (int, rename, (const char *a, const char *b), (a, b))
ON_DISK (int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b))
ON_DISK (int, renameat2, (int d, const char *a, int e, const char *b, unsigned f),
         (d, a, e, b, f))
ON_DISK (int, linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f))
ON_DISK (int, unlink, (const char *a), (a))

#define OPEN(name, first, pass)                    \
  int name first                                   \
  {                                                \
    mode_t mode = 0;                               \
    va_list ap;                                    \
                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {           \
      va_start (ap, flags);                        \
      mode = va_arg (ap, mode_t);                  \
      va_end (ap);                                 \
    }                                              \
    return strikes (DISK) ? -1 : REAL (name) pass; \
  }

OPEN (open, (const char *path, int flags, ...), (path, flags, mode))
OPEN (open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN (openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPEN (openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

/* The descriptor is gone all the same, as on Linux. */
int
close (int fd)
{
  int r = REAL (close) (fd);

  return strikes (CLOSE) ? -1 : r;
}

/* ---- The network ------------------------------------------------------------------------- */

#define ON_NET(ret, name, params, args) FAILING (NETWORK, -1, ret, name, params, args)

ON_NET (int, socket, (int f, int t, int p), (f, t, p))
ON_NET (int, socketpair, (int f, int t, int p, int s[2]), (f, t, p, s))
ON_NET (int, connect, (int s, const struct sockaddr *a, socklen_t n), (s, a, n))
ON_NET (int, poll, (struct pollfd * p, nfds_t n, int t), (p, n, t))
ON_NET (ssize_t, send, (int s, const void *b, size_t n, int f), (s, b, n, f))
ON_NET (ssize_t, recv, (int s, void *b, size_t n, int f), (s, b, n, f))
ON_NET (int, getsockopt, (int s, int l, int o, void *v, socklen_t *n), (s, l, o, v, n))

/* ---- Libraries --------------------------------------------------------------------------- */

/* What a library asks of itself is no call of the program's. */
static int
strikes_call (const void *caller)
{
  Dl_info from_where;

  if (armed != LIBRARY
      || (dladdr (caller, &from_where) != 0
          && (strstr (from_where.dli_fname, "libsqlite3") != NULL
              || strstr (from_where.dli_fname, "libcurl") != NULL)))
    return 0;
  return strikes (LIBRARY);
}

#define LIBRARY_CALL(bad, ret, name, params, args)                                 \
  ret name params                                                                  \
  {                                                                                \
    return strikes_call (__builtin_return_address (0)) ? (bad) : REAL (name) args; \
  }

#define OF_SQLITE(bad, name, params, args) LIBRARY_CALL (bad, int, name, params, args)

int
sqlite3_open_v2 (const char *name, sqlite3 **db, int flags, const char *vfs)
{
  if (!strikes_call (__builtin_return_address (0)))
    return REAL (sqlite3_open_v2) (name, db, flags, vfs);
  *db = NULL;
  return SQLITE_NOMEM;
}

OF_SQLITE (SQLITE_NOMEM, sqlite3_prepare_v3,
           (sqlite3 * db, const char *s, int n, unsigned f, sqlite3_stmt **st, const char **t),
           (db, s, n, f, st, t))
OF_SQLITE (SQLITE_IOERR, sqlite3_step, (sqlite3_stmt * st), (st))
OF_SQLITE (SQLITE_NOMEM, sqlite3_bind_int64, (sqlite3_stmt * st, int i, sqlite3_int64 v),
           (st, i, v))
OF_SQLITE (SQLITE_NOMEM, sqlite3_bind_null, (sqlite3_stmt * st, int i), (st, i))

/* What could not be bound is given back all the same. */
#define BIND(name, type, size)                                                    \
  int name (sqlite3_stmt *st, int i, type *p, size n, void (*give_back) (void *)) \
  {                                                                               \
    if (!strikes_call (__builtin_return_address (0)))                             \
      return REAL (name) (st, i, p, n, give_back);                                \
    if (give_back != SQLITE_STATIC && give_back != SQLITE_TRANSIENT)              \
      give_back ((void *)(uintptr_t)p);                                           \
    return SQLITE_NOMEM;                                                          \
  }

BIND (sqlite3_bind_text, const char, int)
BIND (sqlite3_bind_blob64, const void, sqlite3_uint64)

OF_SQLITE (SQLITE_ERROR, sqlite3_file_control, (sqlite3 * db, const char *s, int o, void *v),
           (db, s, o, v))
OF_SQLITE (SQLITE_BUSY, sqlite3_wal_checkpoint_v2,
           (sqlite3 * db, const char *s, int m, int *l, int *c), (db, s, m, l, c))

LIBRARY_CALL (NULL, CURL *, curl_easy_init, (void), ())
LIBRARY_CALL (NULL, CURLM *, curl_multi_init, (void), ())
LIBRARY_CALL (NULL, CURLU *, curl_url, (void), ())
LIBRARY_CALL (NULL, struct curl_slist *, curl_slist_append,
              (struct curl_slist * l, const char *s), (l, s))
LIBRARY_CALL (CURLUE_OUT_OF_MEMORY, CURLUcode, curl_url_set,
              (CURLU * u, CURLUPart p, const char *s, unsigned f), (u, p, s, f))
LIBRARY_CALL (CURLM_OUT_OF_MEMORY, CURLMcode, curl_multi_add_handle, (CURLM * m, CURL *e),
              (m, e))
LIBRARY_CALL (CURLM_INTERNAL_ERROR, CURLMcode, curl_multi_perform, (CURLM * m, int *n), (m, n))
LIBRARY_CALL (CURLM_INTERNAL_ERROR, CURLMcode, curl_multi_poll,
              (CURLM * m, struct curl_waitfd *f, unsigned n, int t, int *r), (m, f, n, t, r))
LIBRARY_CALL (CURLHE_OUT_OF_MEMORY, CURLHcode, curl_easy_header,
              (CURL * e, const char *s, size_t i, unsigned o, int r, struct curl_header **h),
              (e, s, i, o, r, h))

/* One word follows, whatever it is. */
#define VARIADIC(bad, ret, name, handle, option)                                           \
  ret name (handle *h, option o, ...)                                                      \
  {                                                                                        \
    va_list ap;                                                                            \
    void *word;                                                                            \
                                                                                           \
    va_start (ap, o);                                                                      \
    word = va_arg (ap, void *);                                                            \
    va_end (ap);                                                                           \
    return strikes_call (__builtin_return_address (0)) ? (bad) : REAL (name) (h, o, word); \
  }

VARIADIC (CURLE_OUT_OF_MEMORY, CURLcode, curl_easy_setopt, CURL, CURLoption)
VARIADIC (CURLM_OUT_OF_MEMORY, CURLMcode, curl_multi_setopt, CURLM, CURLMoption)

/* ---- The clock --------------------------------------------------------------------------- */

static time_t
jump (void)
{
  static const time_t ten_years = 10 * 365 * 86400L;

  if (armed != CLOCK)
    return 0;
  return ten_years * ((long)(atomic_fetch_add (&seen, 1) % 3) - 1);
}

int
clock_gettime (clockid_t id, struct timespec *t)
{
  int r = REAL (clock_gettime) (id, t);

  if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    t->tv_sec += jump ();
  return r;
}

int
gettimeofday (struct timeval *restrict t, void *restrict zone)
{
  int r = REAL (gettimeofday) (t, zone);

  t->tv_sec += jump ();
  return r;
}

time_t
time (time_t *out)
{
  time_t t = REAL (time) (NULL) + jump ();

  if (out != NULL)
    *out = t;
  return t;
}

/* ---- File systems of another kind ----------------------------------------------------------
 */

#define STATFS(name, type)                     \
  int name (const char *path, struct type *fs) \
  {                                            \
    int r = REAL (name) (path, fs);            \
                                               \
    if (armed == NFS)                          \
      fs->f_type = 0x6969;                     \
    return r;                                  \
  }

STATFS (statfs, statfs)
STATFS (statfs64, statfs64)

#define MMAP(name, offset)                                              \
  void *name (void *p, size_t n, int prot, int flags, int fd, offset o) \
  {                                                                     \
    if (armed == UNSHARED && (flags & MAP_SHARED) && fd != -1) {        \
      errno = ENODEV;                                                   \
      return MAP_FAILED;                                                \
    }                                                                   \
    return REAL (name) (p, n, prot, flags, fd, o);                      \
  }

MMAP (mmap, off_t)
MMAP (mmap64, off64_t)

/* ---- From main on -------------------------------------------------------------------------
 */

static int (*real_main) (int, char **, char **);

static void
tell (void)
{
  const char *name = getenv ("FAULT_COUNT");
  char line[32];
  int fd;

  armed = NONE;
  if (name == NULL)
    return;
  fd = REAL (open) (name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd == -1)
    return;
  snprintf (line, sizeof line, "%lu\n", (unsigned long)atomic_load (&seen));
  if (write (fd, line, strlen (line)) == -1)
    _exit (99);
  close (fd);
}

static unsigned long
number (const char *name)
{
  const char *value = getenv (name);

  return value == NULL ? 0 : strtoul (value, NULL, 10);
}

static enum kind
kind_of (const char *word)
{
  static const char *const words[]
      = { "", "memory", "disk", "network", "library", "close", "clock", "nfs", "unshared" };
  size_t i;

  for (i = 1; word != NULL && i < sizeof words / sizeof words[0]; i++)
    if (strcmp (word, words[i]) == 0)
      return (enum kind)i;
  return NONE;
}

static int
our_main (int argc, char **argv, char **envp)
{
  at = number ("FAULT_AT");
  from = number ("FAULT_FROM") != 0;
  errnum = (int)number ("FAULT_ERRNO");
  atexit (tell);
  armed = kind_of (getenv ("FAULT_KIND"));
  return real_main (argc, argv, envp);
}

int __libc_start_main (int (*main) (int, char **, char **), int argc, char **argv,
                       void (*init) (void), void (*fini) (void), void (*ld) (void), void *end);

int
__libc_start_main (int (*main) (int, char **, char **), int argc, char **argv,
                   void (*init) (void), void (*fini) (void), void (*ld) (void), void *end)
{
  real_main = main;
  return REAL (__libc_start_main) (our_main, argc, argv, init, fini, ld, end);
}
