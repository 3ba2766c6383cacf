/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import_lock: see import_lock.h.  Knows nothing of the journal but its name.
 *
 * Where there are no such locks (a kernel or a sandbox without them) flock(2) on a file for
 * each import stands in; that file goes with the lock.  SQLite needs locks too, so that a
 * journal which can be written and has neither kind is refused, not used without.
 */
#include "journal/import_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/text.h"

enum { TRIES = 20, OURS = 0, OTHERS = 1, NO_SUCH_LOCKS = 2, GONE = 3 };

static int
refuse (const char *name, int errnum, const char *why, struct error *err)
{
  enum error_code code
      = errnum == ENOSPC || errnum == EDQUOT ? ERR_JOURNAL_FULL : ERR_JOURNAL_REFUSED;
  char words[768];

  escape_text (words, sizeof words, name, strlen (name));
  if (errnum == 0)
    return fail (err, code, "lock file %s: %s; move it away, then try again", words, why);
  return fail_errno (err, code, errnum, "lock file %s: %s", words, why);
}

/* ---- The file ---------------------------------------------------------------------------- */

/* What root makes beside somebody's journal must not lock them out of it. */
static void
give_to_owner (int fd, const char *journal)
{
  struct stat st;

  if (geteuid () == 0 && stat (journal, &st) == 0)
    (void)!fchown (fd, st.st_uid, st.st_gid);
}

static int
open_or_make (const char *name, const char *journal)
{
  const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  int fd, i;

  for (i = 0; i < TRIES; i++) {
    fd = open (name, flags);
    if (fd != -1 || errno != ENOENT)
      return fd;
    fd = open (name, flags | O_CREAT | O_EXCL, 0600);
    if (fd != -1) {
      give_to_owner (fd, journal);
      return fd;
    }
    if (errno != EEXIST)
      return -1;
  }
  return -1;
}

/* Nobody may have put something else in its place, by which they decide who works. */
static int
check_file (int fd, const char *name, const char *journal, struct error *err)
{
  struct stat st, of_journal;

  if (fstat (fd, &st) == -1 || stat (journal, &of_journal) == -1)
    return refuse (name, errno, "cannot be looked at", err);
  if (!S_ISREG (st.st_mode) || st.st_nlink > 1)
    return refuse (name, 0, "is no regular file of one name", err);
  if (st.st_uid != 0 && st.st_uid != geteuid () && st.st_uid != of_journal.st_uid)
    return refuse (name, 0, "belongs to somebody else than the journal", err);
  if ((st.st_mode & 022) != 0)
    return refuse (name, 0, "others than its owner may write it", err);
  return 0;
}

/* FD is what has the name now. */
static bool
is_named (int fd, const char *name)
{
  struct stat st, named;

  return fstat (fd, &st) == 0 && lstat (name, &named) == 0 && st.st_dev == named.st_dev
         && st.st_ino == named.st_ino;
}

/* ---- The lock ---------------------------------------------------------------------------- */

static int
lock_byte (int fd, int64_t no, const char *name, struct error *err)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = no, .l_len = 1 };

#ifdef SEEDED_BUG_ROW_TAKEN_WITHOUT_LOCK
  return OURS;
#endif
#ifdef SEEDED_BUG_NO_LOCK
  return OURS;
#endif
  if (fcntl (fd, F_OFD_SETLK, &lock) == 0)
    return OURS;
  if (errno == EAGAIN || errno == EACCES)
    return OTHERS;
  if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
    return NO_SUCH_LOCKS;
  return refuse (name, errno, "cannot be locked", err);
}

static int
lock_whole (int fd, const char *name, struct error *err)
{
  if (flock (fd, LOCK_EX | LOCK_NB) == 0)
    return OURS;
  return errno == EWOULDBLOCK ? OTHERS : refuse (name, errno, "cannot be locked", err);
}

/* GONE: it was removed before it was locked. */
static int
lock_once (struct import_lock *l, const char *journal, struct error *err)
{
  int r;

  l->fd = open_or_make (l->name, journal);
  if (l->fd == -1)
    return refuse (l->name, errno, "cannot be opened, or made", err);
  r = check_file (l->fd, l->name, journal, err);
  if (r == 0)
    r = l->whole ? lock_whole (l->fd, l->name, err) : lock_byte (l->fd, l->no, l->name, err);
  if (r == OURS && !is_named (l->fd, l->name))
    r = GONE;
  if (r != OURS) {
    close (l->fd);
    l->fd = -1;
  }
  return r;
}

static int
lock_file (struct import_lock *l, const char *journal, struct error *err)
{
  int i, r = GONE;

  free (l->name);
  if ((l->whole ? asprintf (&l->name, "%s-lock-%" PRId64, journal, l->no)
                : asprintf (&l->name, "%s-lock", journal))
      == -1) {
    l->name = NULL;
    return fail_memory (err, "a lock");
  }
  for (i = 0; i < TRIES && r == GONE; i++)
    r = lock_once (l, journal, err);
  return r == GONE ? refuse (l->name, 0, "is removed again and again", err) : r;
}

int
import_lock_take (struct import_locks *l, const char *journal, int64_t no, struct error *err)
{
  struct import_lock one = { .no = no, .fd = -1, .pid = getpid () };
  struct import_lock *more = reallocarray (l->item, l->n + 1, sizeof *more);
  int r;

  if (more == NULL)
    return fail_memory (err, "a lock");
  l->item = more;
  r = lock_file (&one, journal, err);
  if (r == NO_SUCH_LOCKS) {
    one.whole = true;
    r = lock_file (&one, journal, err);
  }
  if (r == OURS)
    l->item[l->n++] = one;
  else
    free (one.name);
  return r;
}

/* ---- What is held ------------------------------------------------------------------------ */

static struct import_lock *
find (const struct import_locks *l, int64_t no)
{
  size_t i;

  for (i = 0; i < l->n; i++)
    if (l->item[i].no == no)
      return &l->item[i];
  return NULL;
}

/* Said, not left to the close, for a child may have the descriptor too; but a child that closes
 * what it inherited takes nothing from its parent. */
static void
unlock (struct import_lock *one)
{
  struct flock lock
      = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = one->no, .l_len = 1 };

  if (one->pid == getpid ()) {
    if (!one->whole)
      fcntl (one->fd, F_OFD_SETLK, &lock);
    else if (is_named (one->fd, one->name))
      unlink (one->name); /* whoever opened it looks at its name again */
  }
  close (one->fd);
  free (one->name);
}

void
import_lock_drop (struct import_locks *l, int64_t no)
{
  struct import_lock *one = find (l, no);

  if (one == NULL)
    return;
  unlock (one);
  *one = l->item[--l->n];
}

void
import_locks_release (struct import_locks *l)
{
  while (l->n > 0)
    import_lock_drop (l, l->item[0].no);
  free (l->item);
  l->item = NULL;
}

bool
import_lock_have (const struct import_locks *l, int64_t no)
{
  return find (l, no) != NULL;
}

bool
import_lock_counts (const struct import_locks *l, int64_t no)
{
  const struct import_lock *one = find (l, no);

  return one != NULL && is_named (one->fd, one->name);
}

/* ---- What others hold -------------------------------------------------------------------- */

enum import_lock_view
import_lock_look (const char *journal, int64_t no)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = no, .l_len = 1 };
  OWN_MEM char *name = NULL;
  int fd, r;

  if (asprintf (&name, "%s-lock", journal) == -1) {
    name = NULL;
    return IMPORT_UNSEEN;
  }
  fd = open (name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd == -1)
    return errno == ENOENT ? IMPORT_FREE : IMPORT_UNSEEN;
  r = fcntl (fd, F_OFD_GETLK, &lock);
  close (fd);
  if (r == -1)
    return IMPORT_UNSEEN;
  return lock.l_type == F_UNLCK ? IMPORT_FREE : IMPORT_LOCKED;
}
