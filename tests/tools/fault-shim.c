/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * fault-shim: a library for LD_PRELOAD that makes the N-th fallible call of a program fail, or
 * every one from the N-th on, counted over all of its threads from main() on.  It allocates
 * nothing and prints nothing.
 *
 *     FAULT_KIND   memory | disk       which calls count
 *     FAULT_AT     N; 0: none fails
 *     FAULT_FROM   1: every later one fails too
 *     FAULT_ERRNO  of disk calls
 *     FAULT_COUNT  a file that gets the number of calls when the program exits
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

void *__libc_malloc (size_t);
void *__libc_calloc (size_t, size_t);
void *__libc_realloc (void *, size_t);

static atomic_ulong seen;
static unsigned long at;
static int from, memory, armed, errnum;

static int
strikes (int of_memory)
{
  unsigned long n;

  if (!armed || of_memory != memory)
    return 0;
  n = atomic_fetch_add (&seen, 1) + 1;
  if (at == 0 || n < at || (n > at && !from))
    return 0;
  errno = memory ? ENOMEM : errnum;
  return 1;
}

/* ---- Memory ------------------------------------------------------------------------------ */

void *
malloc (size_t n)
{
  return strikes (1) ? NULL : __libc_malloc (n);
}

void *
calloc (size_t n, size_t size)
{
  return strikes (1) ? NULL : __libc_calloc (n, size);
}

void *
realloc (void *p, size_t n)
{
  return strikes (1) ? NULL : __libc_realloc (p, n);
}

/* ---- The disk ---------------------------------------------------------------------------- */

#define REAL(name) ((__typeof__ (&name))dlsym (RTLD_NEXT, #name))
#define DISK(ret, name, params, args)                                                          \
  ret name params                                                                              \
  {                                                                                            \
    return strikes (0) ? -1 : REAL (name) args;                                                \
  }

DISK (ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
DISK (ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
DISK (ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))
DISK (ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t o), (fd, v, n, o))
DISK (ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), (fd, b, n, o))
DISK (int, fallocate, (int fd, int m, off_t o, off_t n), (fd, m, o, n))
DISK (int, fallocate64, (int fd, int m, off64_t o, off64_t n), (fd, m, o, n))
DISK (int, fsync, (int fd), (fd))
DISK (int, fdatasync, (int fd), (fd))
DISK (int, ftruncate, (int fd, off_t n), (fd, n))
DISK (int, ftruncate64, (int fd, off64_t n), (fd, n))
DISK (int, rename, (const char *a, const char *b), (a, b))
DISK (int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b))
DISK (int, renameat2, (int d, const char *a, int e, const char *b, unsigned f), (d, a, e, b, f))
DISK (int, linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f))
DISK (int, unlink, (const char *a), (a))

#define OPEN(name, first, pass)                                                                \
  int name first                                                                               \
  {                                                                                            \
    mode_t mode = 0;                                                                           \
    va_list ap;                                                                                \
                                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
      va_start (ap, flags);                                                                    \
      mode = va_arg (ap, mode_t);                                                              \
      va_end (ap);                                                                             \
    }                                                                                          \
    return strikes (0) ? -1 : REAL (name) pass;                                                \
  }

OPEN (open, (const char *path, int flags, ...), (path, flags, mode))
OPEN (open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN (openat, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPEN (openat64, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

/* ---- From main on ------------------------------------------------------------------------- */

static int (*real_main) (int, char **, char **);

static void
tell (void)
{
  const char *name = getenv ("FAULT_COUNT");
  char line[32];
  int fd;

  armed = 0;
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

static int
our_main (int argc, char **argv, char **envp)
{
  const char *kind = getenv ("FAULT_KIND");

  at = number ("FAULT_AT");
  from = number ("FAULT_FROM") != 0;
  errnum = (int)number ("FAULT_ERRNO");
  memory = kind != NULL && strcmp (kind, "memory") == 0;
  atexit (tell);
  armed = kind != NULL;
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
