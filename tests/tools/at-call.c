/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * at-call: run a program and strike at its N-th system call that changes a file, counted over
 * all of its threads.  For the tests of durability; owns nothing of the program, and sees its
 * true system calls, whoever makes them.
 *
 *     at-call [-k N | -t N | -e N ERRNO | -E N ERRNO] [-l LOG] [-o PART] [-x PART]
 *             [-s PART COPY] PROG ARG...
 *
 *     -k N        kill -9 before the N-th call
 *     -t N        the same, but if it writes, the first half of it is written (a torn write);
 *                 of whole sectors whole sectors, as no disk and no kernel tears one
 *     -e N ERRNO  the N-th call fails with that number; -E: it and every one after it
 *     -l LOG      a line for each call: NUMBER CALL PATH
 *     -o PART     count only calls whose line in the log has PART, a pattern as of a shell
 *                 ("pwrite* /dev/loop0"); -x: only those that have not
 *     -s PART COPY  after each sync that succeeds and whose line has PART, COPY is what that
 *                 file holds: what is left of it after a power cut
 *
 * What counts: writes to files and devices (not to pipes, sockets and terminals), sizes, zeros,
 * syncs, names, attributes, and open with O_CREAT.  The exit status is the program's, 137 when
 * it was killed, 77 where this machine cannot be watched.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
int
main (void)
{
  fprintf (stderr, "at-call: knows the registers of x86-64 only\n");
  return 77;
}
#else

enum how { WATCH, KILL, TEAR, FAIL_ONCE, FAIL_ALWAYS };
enum by { BY_FD, BY_PATH, BY_CREAT };

static const struct watched {
  int nr;
  const char *name;
  enum by by;
} watched[] = {
  { SYS_write, "write", BY_FD },           { SYS_writev, "writev", BY_FD },
  { SYS_pwrite64, "pwrite64", BY_FD },     { SYS_pwritev, "pwritev", BY_FD },
  { SYS_pwritev2, "pwritev2", BY_FD },     { SYS_fsync, "fsync", BY_FD },
  { SYS_fdatasync, "fdatasync", BY_FD },   { SYS_syncfs, "syncfs", BY_FD },
  { SYS_ftruncate, "ftruncate", BY_FD },   { SYS_fallocate, "fallocate", BY_FD },
  { SYS_fchmod, "fchmod", BY_FD },         { SYS_fchown, "fchown", BY_FD },
  { SYS_fsetxattr, "fsetxattr", BY_FD },   { SYS_rename, "rename", BY_PATH },
  { SYS_renameat, "renameat", BY_FD },     { SYS_renameat2, "renameat2", BY_FD },
  { SYS_unlink, "unlink", BY_PATH },       { SYS_unlinkat, "unlinkat", BY_FD },
  { SYS_link, "link", BY_PATH },           { SYS_linkat, "linkat", BY_FD },
  { SYS_mkdir, "mkdir", BY_PATH },         { SYS_mkdirat, "mkdirat", BY_FD },
  { SYS_truncate, "truncate", BY_PATH },   { SYS_openat, "openat", BY_CREAT },
  { SYS_open, "open", BY_CREAT },          { SYS_creat, "creat", BY_PATH },
};
enum { WATCHED = sizeof watched / sizeof *watched };

struct strike {
  enum how how;
  unsigned long at, seen;
  int errnum;
  FILE *log;
  const char *only, *without, *sync, *copy;
  pid_t child, torn; /* TORN: die at the exit of this thread's call */
  pid_t syncing;     /* copy SYNCED at the exit of this thread's call */
  char synced[4096];
};

static void
die (const char *what)
{
  perror (what);
  _exit (99);
}

static void
install_filter (void)
{
  struct sock_filter f[2 * WATCHED + 2];
  struct sock_fprog prog = { .len = 0, .filter = f };
  size_t i;

  f[prog.len++] = (struct sock_filter)BPF_STMT (BPF_LD | BPF_W | BPF_ABS,
                                                offsetof (struct seccomp_data, nr));
  for (i = 0; i < WATCHED; i++) {
    f[prog.len++] = (struct sock_filter)BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K,
                                                  (unsigned)watched[i].nr, 0, 1);
    f[prog.len++] = (struct sock_filter)BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_TRACE);
  }
  f[prog.len++] = (struct sock_filter)BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1
      || prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == -1)
    die ("at-call: seccomp");
}

static pid_t
start (char **argv)
{
  pid_t pid = fork ();

  if (pid == -1)
    die ("at-call: fork");
  if (pid > 0)
    return pid;
  if (ptrace (PTRACE_TRACEME, 0, 0, 0) == -1) {
    perror ("at-call: ptrace");
    _exit (77);
  }
  raise (SIGSTOP);
  install_filter ();
  execvp (argv[0], argv);
  die (argv[0]);
  return -1;
}

static const struct watched *
find (unsigned long long nr)
{
  size_t i;

  for (i = 0; i < WATCHED; i++)
    if ((unsigned long long)watched[i].nr == nr)
      return &watched[i];
  return NULL;
}

/* The file behind FD of PID; "" for what is no file. */
static void
name_of (pid_t pid, int fd, char *out, size_t size)
{
  char link[64];
  ssize_t n;

  snprintf (link, sizeof link, "/proc/%d/fd/%d", (int)pid, fd);
  n = readlink (link, out, size - 1);
  out[n < 0 ? 0 : n] = '\0';
  if (out[0] != '/' || strncmp (out, "/dev/pts", 8) == 0 || strcmp (out, "/dev/null") == 0)
    out[0] = '\0';
}

static void
read_text (pid_t pid, unsigned long long at, char *out, size_t size)
{
  size_t n = 0;

  while (n + 1 < size) {
    long word;
    size_t i;

    errno = 0;
    word = ptrace (PTRACE_PEEKDATA, pid, at + n, 0);
    if (errno != 0)
      break;
    for (i = 0; i < sizeof word && n + 1 < size; i++) {
      out[n] = ((const char *)&word)[i];
      if (out[n++] == '\0')
        return;
    }
  }
  out[n] = '\0';
}

/* Does the call count?  WHERE: what it is about. */
static int
counts (const struct watched *w, pid_t pid, const struct user_regs_struct *r, char *where,
        size_t size)
{
  if (w->by == BY_FD) {
    name_of (pid, (int)r->rdi, where, size);
    return where[0] != '\0';
  }
  if (w->by == BY_CREAT) {
    unsigned long long flags = w->nr == SYS_open ? r->rsi : r->rdx;

    if (!(flags & O_CREAT))
      return 0;
    read_text (pid, w->nr == SYS_open ? r->rdi : r->rsi, where, size);
    return 1;
  }
  read_text (pid, r->rdi, where, size);
  return 1;
}

static void
set_regs (pid_t pid, struct user_regs_struct *r)
{
  if (ptrace (PTRACE_SETREGS, pid, 0, r) == -1)
    die ("at-call: registers");
}

/* The last buffer of a vector that is written. */
static void
halve_last (pid_t pid, const struct user_regs_struct *r)
{
  char *len = (char *)(uintptr_t)r->rsi + (r->rdx - 1) * sizeof (struct iovec)
              + offsetof (struct iovec, iov_len);
  long was;

  errno = 0;
  was = ptrace (PTRACE_PEEKDATA, pid, len, 0);
  if (errno != 0 || ptrace (PTRACE_POKEDATA, pid, len, (void *)(was / 2)) == -1)
    die ("at-call: a vector");
}

/* True if the call is a write, now of about half as much. */
static int
halve (pid_t pid, const struct watched *w, struct user_regs_struct *r)
{
  if (w->nr == SYS_write || w->nr == SYS_pwrite64) {
    unsigned long long half = r->rdx / 2;

    if (w->nr == SYS_pwrite64 && r->rdx % 512 == 0 && r->r10 % 512 == 0)
      half -= half % 512;
    if (half == 0)
      return 0;
    r->rdx = half;
  } else if (r->rdx > 0
             && (w->nr == SYS_writev || w->nr == SYS_pwritev || w->nr == SYS_pwritev2)) {
    r->rdx = (r->rdx + 1) / 2;
    halve_last (pid, r);
  } else
    return 0;
  set_regs (pid, r);
  return 1;
}

/* True if the program was killed. */
static int
hit (struct strike *s, pid_t pid, const struct watched *w, struct user_regs_struct *r,
     int *request)
{
  switch (s->how) {
  case TEAR:
    if (halve (pid, w, r)) {
      s->torn = pid;
      *request = PTRACE_SYSCALL;
      return 0;
    }
    /* fall through */
  case KILL:
    kill (s->child, SIGKILL);
    return 1;
  case FAIL_ONCE:
  case FAIL_ALWAYS:
    r->orig_rax = (unsigned long long)-1;
    r->rax = (unsigned long long)-s->errnum;
    set_regs (pid, r);
    return 0;
  case WATCH:
    return 0;
  }
  return 0;
}

static int
has (const char *line, const char *part)
{
  char pattern[4400];

  snprintf (pattern, sizeof pattern, "*%s*", part);
  return fnmatch (pattern, line, 0) == 0;
}

static int
is_sync (const struct watched *w)
{
  return w->nr == SYS_fsync || w->nr == SYS_fdatasync;
}

/* The thread that asked for the sync waits meanwhile. */
static void
copy_synced (struct strike *s)
{
  static char piece[1 << 20];
  int from = open (s->synced, O_RDONLY | O_CLOEXEC);
  int to = open (s->copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t n;

  if (from == -1 || to == -1)
    die (s->synced);
  while ((n = read (from, piece, sizeof piece)) > 0)
    if (write (to, piece, (size_t)n) != n)
      die (s->copy);
  close (from);
  close (to);
}

static int
at_call (struct strike *s, pid_t pid, int *request)
{
  struct user_regs_struct r;
  const struct watched *w;
  char where[4096] = "", line[4300];

  if (ptrace (PTRACE_GETREGS, pid, 0, &r) == -1)
    return 0;
  w = find (r.orig_rax);
  if (w == NULL || !counts (w, pid, &r, where, sizeof where))
    return 0;
  snprintf (line, sizeof line, "%s %s", w->name, where);
  if ((s->only != NULL && !has (line, s->only))
      || (s->without != NULL && has (line, s->without)))
    return 0;
  s->seen++;
  if (s->log != NULL) {
    fprintf (s->log, "%lu %s\n", s->seen, line);
    fflush (s->log);
  }
  if (s->seen == s->at || (s->how == FAIL_ALWAYS && s->seen > s->at))
    return hit (s, pid, w, &r, request);
  if (s->sync != NULL && s->syncing == 0 && is_sync (w) && has (line, s->sync)) {
    memcpy (s->synced, where, sizeof s->synced);
    s->syncing = pid;
    *request = PTRACE_SYSCALL;
  }
  return 0;
}

/* 1: the program was killed.  The call is entered, then left. */
static int
at_exit_of (struct strike *s, pid_t pid, int *request)
{
  struct user_regs_struct r;

  if (ptrace (PTRACE_GETREGS, pid, 0, &r) == -1 || (long long)r.rax == -ENOSYS) {
    *request = PTRACE_SYSCALL;
    return 0;
  }
  if (s->torn == pid) {
    kill (s->child, SIGKILL);
    return 1;
  }
  if (r.rax == 0)
    copy_synced (s);
  s->syncing = 0;
  return 0;
}

/* One stop of one thread. */
static void
stopped (struct strike *s, pid_t pid, int status)
{
  int event = status >> 16, sig = WSTOPSIG (status), request = PTRACE_CONT;

  if (event == PTRACE_EVENT_SECCOMP) {
    if (at_call (s, pid, &request))
      return;
    sig = 0;
  } else if (sig == (SIGTRAP | 0x80)) {
    if ((s->torn == pid || s->syncing == pid) && at_exit_of (s, pid, &request))
      return;
    sig = 0;
  } else if (event != 0 || sig == SIGSTOP) {
    sig = 0;
  }
  ptrace (request, pid, 0, sig);
}

static int
watch (struct strike *s)
{
  int status, result = 99;
  pid_t pid;

  if (waitpid (s->child, &status, 0) != s->child || !WIFSTOPPED (status))
    return WIFEXITED (status) ? WEXITSTATUS (status) : 99;
  if (ptrace (PTRACE_SETOPTIONS, s->child, 0,
              PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK
                  | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESECCOMP
                  | PTRACE_O_EXITKILL)
      == -1)
    die ("at-call: ptrace");
  ptrace (PTRACE_CONT, s->child, 0, 0);
  while ((pid = waitpid (-1, &status, __WALL)) > 0 || errno == EINTR) {
    if (pid > 0 && WIFSTOPPED (status))
      stopped (s, pid, status);
    else if (pid == s->child)
      result = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
  }
  return result;
}

static char **
parse (struct strike *s, int argc, char **argv)
{
  int c;

  while ((c = getopt (argc, argv, "+k:t:e:E:l:o:x:s:")) != -1) {
    if (c == 'l') {
      s->log = fopen (optarg, "we");
      if (s->log == NULL)
        die (optarg);
      continue;
    }
    if (c == 'o' || c == 'x') {
      *(c == 'o' ? &s->only : &s->without) = optarg;
      continue;
    }
    if (c == '?' || (c == 's' && optind == argc))
      return NULL;
    if (c == 's') {
      s->sync = optarg;
      s->copy = argv[optind++];
      continue;
    }
    s->how = c == 'k' ? KILL : c == 't' ? TEAR : c == 'e' ? FAIL_ONCE : FAIL_ALWAYS;
    s->at = strtoul (optarg, NULL, 10);
    if (c == 'e' || c == 'E')
      s->errnum = optind < argc ? atoi (argv[optind++]) : 0;
  }
  return optind < argc ? argv + optind : NULL;
}

int
main (int argc, char **argv)
{
  struct strike s = { .how = WATCH };
  char **command = parse (&s, argc, argv);

  if (command == NULL) {
    fprintf (stderr, "usage: at-call [-k N] [-t N] [-e N ERRNO] [-E N ERRNO] [-l LOG] "
                     "[-o PART] [-x PART] [-s PART COPY] PROGRAM ARG...\n");
    return 2;
  }
  s.child = start (command);
  return watch (&s);
}
#endif
