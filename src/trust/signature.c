/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * signature: see signature.h.  gpgv reads keyring and signature from memory, what is signed
 * from a socket (a pipe would need SIGPIPE to be the program's), and answers into memory.
 */
#include "trust/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "trust/armor.h"
#include "trust/checksum_file.h"

/* The descriptors of gpgv. */
enum { INPUT, OUTPUT, MESSAGES, STATUS, KEYRING, SIGNATURE, FIRST_OF_OURS };

struct signature_check {
  int fds[FIRST_OF_OURS]; /* what gpgv has, our side: INPUT is where it is written to */
  pid_t pid;              /* 0: not running */
  bool detached, ended_early;
};

/* ---- What gpgv gets ---------------------------------------------------------------------- */

static int
make_memory (int *fd, const void *bytes, size_t len, struct error *err)
{
  *fd = memfd_create ("qimport", MFD_CLOEXEC);
  if (*fd == -1)
    return fail_errno (err, ERR_INTERNAL, errno, "memory for gpgv");
  while (len > 0) {
    ssize_t n = write (*fd, bytes, len);

    if (n <= 0)
      return fail_errno (err, ERR_NO_MEMORY, errno, "memory for gpgv");
    bytes = (const char *)bytes + n;
    len -= (size_t)n;
  }
  return 0;
}

/* All of FD, at most MAX bytes, with a NUL behind; -1 with errno. */
static ssize_t
read_all (int fd, char **out, size_t max)
{
  size_t n = 0;
  ssize_t got = 0;

  *out = malloc (max + 1);
  if (*out == NULL)
    return -1;
  while (n < max && (got = read (fd, *out + n, max - n)) > 0)
    n += (size_t)got;
  (*out)[n] = '\0';
  return got == -1 ? -1 : (ssize_t)n;
}

static int
read_keyring (const char *path, char **bytes, size_t *len, struct error *err)
{
  char shown[512];
  int fd = open (path, O_RDONLY | O_CLOEXEC), saved;
  struct stat st;
  ssize_t n = -1;

  escape_text (shown, sizeof shown, path, strlen (path));
  if (fd != -1 && fstat (fd, &st) == 0)
    n = S_ISREG (st.st_mode) && st.st_size > KEYRING_MAX
            ? KEYRING_MAX
            : read_all (fd, bytes,
                        S_ISREG (st.st_mode) ? (size_t)st.st_size : (size_t)KEYRING_MAX);
  saved = errno;
  if (fd != -1)
    close (fd);
  if (n == -1)
    return fail_errno (err, ERR_USAGE, saved,
                       "--signed-by %s: cannot be read; name a file of OpenPGP keys", shown);
  if (n == KEYRING_MAX)
    return fail (err, ERR_USAGE, "--signed-by %s: too large for a keyring (16 MiB)", shown);
  *len = (size_t)n;
  return 0;
}

/* A keybox, or packets of OpenPGP. */
static bool
is_binary_keyring (struct span file)
{
  return file.len > 12
         && (memcmp (file.at + 8, "KBXf", 4) == 0 || ((unsigned char)file.at[0] & 0x80) != 0);
}

static int
open_keyring (int *fd, const char *path, struct error *err)
{
  OWN_MEM char *bytes = NULL;
  char shown[512], where[600];
  struct span file;
  size_t len;

  if (read_keyring (path, &bytes, &len, err) == -1)
    return -1;
  file = (struct span){ bytes, len };
  escape_text (shown, sizeof shown, path, strlen (path));
  snprintf (where, sizeof where, "--signed-by %s", shown);
  if (armor_is (file)) {
    OWN_MEM uint8_t *keys = malloc (len);

    if (keys == NULL)
      return fail_memory (err, "a keyring");
    if (armor_decode (file, keys, &len, err) == -1)
      return fail_in (err, where);
    return make_memory (fd, keys, len, err);
  }
  if (!is_binary_keyring (file))
    return fail (err, ERR_USAGE,
                 "%s: no OpenPGP keys are in it, neither binary nor armored; name the keyring "
                 "that the publisher offers",
                 where);
  return make_memory (fd, bytes, len, err);
}

/* ---- gpgv -------------------------------------------------------------------------------- */

/* What gpgv gets as its descriptors must not be in each other's way. */
static int
move_up (int *fd, struct error *err)
{
  int up = fcntl (*fd, F_DUPFD_CLOEXEC, 2 * FIRST_OF_OURS);

  if (up == -1)
    return fail_errno (err, ERR_INTERNAL, errno, "a descriptor for gpgv");
  close (*fd);
  *fd = up;
  return 0;
}

/* It answers to nobody's Ctrl-C: who started it decides when it ends. */
static int
set_attributes (posix_spawnattr_t *attr)
{
  sigset_t none, pipe;
  int rc;

  sigemptyset (&none);
  sigemptyset (&pipe);
  sigaddset (&pipe, SIGPIPE);
  rc = posix_spawnattr_setsigmask (attr, &none);
  if (rc == 0)
    rc = posix_spawnattr_setsigdefault (attr, &pipe);
  if (rc == 0)
    rc = posix_spawnattr_setpgroup (attr, 0);
  if (rc == 0)
    rc = posix_spawnattr_setflags (attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
                                             | POSIX_SPAWN_SETPGROUP);
  return rc;
}

static int
set_descriptors (posix_spawn_file_actions_t *actions, const int fds[FIRST_OF_OURS],
                 bool detached)
{
  int i, rc = 0;

  for (i = 0; rc == 0 && i < FIRST_OF_OURS; i++) {
    if (i == MESSAGES)
      rc = posix_spawn_file_actions_addopen (actions, i, "/dev/null", O_WRONLY, 0);
    else if (i != SIGNATURE || detached)
      rc = posix_spawn_file_actions_adddup2 (actions, fds[i], i);
  }
  return rc;
}

/* FDS are gpgv's sides.  Returns an error number. */
static int
spawn (pid_t *pid, const int fds[FIRST_OF_OURS], bool detached)
{
  char *argv[] = { "gpgv",
                   "--homedir",
                   "/",
                   "--status-fd",
                   "3",
                   "--output",
                   "-",
                   "--keyring",
                   "/dev/fd/4",
                   detached ? "/dev/fd/5" : "-",
                   detached ? "-" : NULL,
                   NULL };
  char *envp[] = { "LC_ALL=C", "PATH=/usr/bin:/bin", NULL };
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int rc = posix_spawn_file_actions_init (&actions);

  if (rc != 0)
    return rc;
  rc = posix_spawnattr_init (&attr);
  if (rc == 0) {
    rc = set_attributes (&attr);
    if (rc == 0)
      rc = set_descriptors (&actions, fds, detached);
    if (rc == 0)
      rc = posix_spawnp (pid, "gpgv", &actions, &attr, argv, envp);
    posix_spawnattr_destroy (&attr);
  }
  posix_spawn_file_actions_destroy (&actions);
  return rc;
}

static int
start (struct signature_check *c, struct error *err)
{
  int pair[2], fds[FIRST_OF_OURS], rc;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
    return fail_errno (err, ERR_INTERNAL, errno, "a socket for gpgv");
  c->fds[INPUT] = pair[0];
  memcpy (fds, c->fds, sizeof fds);
  fds[INPUT] = pair[1];
  if (move_up (&fds[INPUT], err) == -1) {
    close (pair[1]);
    return -1;
  }
  rc = spawn (&c->pid, fds, c->detached);
  close (fds[INPUT]);
  if (rc == 0)
    return 0;
  c->pid = 0;
  if (rc == ENOENT)
    return fail (err, ERR_USAGE,
                 "--signed-by: gpgv is not installed, which checks signatures; install the "
                 "package gpgv");
  return fail_errno (err, ERR_USAGE, rc, "--signed-by: gpgv cannot be started");
}

int
signature_begin (struct signature_check **out, const char *keyring,
                 const struct span *signature, struct error *err)
{
  static const struct span none = { "", 0 };
  OWN (signature_check) c = calloc (1, sizeof *c);
  int i;

  *out = NULL;
  if (c == NULL)
    return fail_memory (err, "a signature");
  for (i = 0; i < FIRST_OF_OURS; i++)
    c->fds[i] = -1;
  c->detached = signature != NULL;
  if (signature == NULL)
    signature = &none;
  else if (signature->len == 0) /* gpgv would look for one within the bytes */
    return fail (err, ERR_SOURCE_SIGNATURE, "its signature is empty");
  if (open_keyring (&c->fds[KEYRING], keyring, err) == -1
      || make_memory (&c->fds[SIGNATURE], signature->at, signature->len, err) == -1
      || make_memory (&c->fds[OUTPUT], NULL, 0, err) == -1
      || make_memory (&c->fds[STATUS], NULL, 0, err) == -1)
    return -1;
  for (i = OUTPUT; i < FIRST_OF_OURS; i++)
    if (c->fds[i] != -1 && move_up (&c->fds[i], err) == -1)
      return -1;
  if (start (c, err) == -1)
    return -1;
  *out = c;
  c = NULL;
  return 0;
}

int
signature_write (struct signature_check *c, const void *buf, size_t len, struct error *err)
{
  while (len > 0 && !c->ended_early) {
    ssize_t n = send (c->fds[INPUT], buf, len, MSG_NOSIGNAL);

    if (n == -1 && (errno == EPIPE || errno == ECONNRESET)) {
      c->ended_early = true;
    } else if (n == -1 && errno != EINTR) {
      return fail_errno (err, ERR_INTERNAL, errno, "writing to gpgv");
    } else if (n > 0) {
      buf = (const char *)buf + n;
      len -= (size_t)n;
    }
  }
  return 0;
}

/* Its exit status says nothing that its status lines do not say better. */
static void
wait_for_end (struct signature_check *c)
{
  if (c->fds[INPUT] != -1)
    close (c->fds[INPUT]);
  c->fds[INPUT] = -1;
  while (c->pid > 0 && waitpid (c->pid, NULL, 0) == -1 && errno == EINTR)
    ;
  c->pid = 0;
}

static int
read_memory (int fd, char **text, size_t *len, size_t max, struct error *err)
{
  ssize_t n;

  if (lseek (fd, 0, SEEK_SET) == -1)
    return fail_errno (err, ERR_INTERNAL, errno, "reading what gpgv says");
  n = read_all (fd, text, max);
  if (n == -1)
    return fail_errno (err, ERR_INTERNAL, errno, "reading what gpgv says");
  *len = (size_t)n;
  return 0;
}

int
signature_end (struct signature_check *c, struct signer *out, struct error *err)
{
  OWN_MEM char *status = NULL;
  size_t len = 0;

  wait_for_end (c);
  if (read_memory (c->fds[STATUS], &status, &len, SIGNATURE_MAX, err) == -1)
    return -1;
  return gpgv_status_read ((struct span){ status, len }, c->detached, out, err);
}

int
signature_text (struct signature_check *c, char **text, size_t *len, struct error *err)
{
  *text = NULL;
  return read_memory (c->fds[OUTPUT], text, len, CHECKSUM_FILE_MAX, err);
}

void
signature_check_close (struct signature_check *c)
{
  int i;

  if (c == NULL)
    return;
  wait_for_end (c);
  for (i = 0; i < FIRST_OF_OURS; i++)
    if (c->fds[i] != -1)
      close (c->fds[i]);
  free (c);
}
