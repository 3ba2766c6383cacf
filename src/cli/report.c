/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report: qimport report.  The file is written beside its name and renamed, so that a reader
 * sees the old page or the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/reading.h"

/* 0, or -1 with errno. */
static int
write_all (int fd, const char *text)
{
  size_t left = strlen (text);

  while (left > 0) {
    ssize_t n = write (fd, text, left);

    if (n == -1 && errno == EINTR)
      continue;
    if (n == -1)
      return -1;
    text += n;
    left -= (size_t)n;
  }
  return 0;
}

/* FD is closed, whatever happens. */
static int
write_and_close (int fd, const char *text, bool durable)
{
  int failed = write_all (fd, text) == -1 || (durable && fsync (fd) == -1) ? errno : 0;

  if (close (fd) == -1 && failed == 0)
    failed = errno;
  errno = failed;
  return failed == 0 ? 0 : -1;
}

/* A device or a pipe is written to, not replaced. */
static bool
is_replaceable (const char *path)
{
  struct stat st;

  return stat (path, &st) == -1 || S_ISREG (st.st_mode);
}

static int
write_in_place (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd == -1 ? -1 : write_and_close (fd, text, false);
}

/* 0, or -1 with errno.  A name of our own; the mode is the umask's, as for any new file. */
static int
replace (const char *path, const char *text)
{
  char *beside;
  int fd, rc, errnum;

  if (asprintf (&beside, "%s.%ld.tmp", path, (long)getpid ()) == -1) {
    errno = ENOMEM;
    return -1;
  }
  fd = open (beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  rc = fd == -1 ? -1 : write_and_close (fd, text, true);
  if (rc == 0)
    rc = rename (beside, path);
  errnum = errno;
  if (rc == -1 && fd != -1)
    unlink (beside);
  free (beside);
  errno = errnum;
  return rc;
}

static int
write_report (const char *path, const char *html)
{
  int rc;

  if (strcmp (path, "-") == 0) {
    out_text (html);
    return 0;
  }
  rc = is_replaceable (path) ? replace (path, html) : write_in_place (path, html);
  if (rc == 0)
    return 0;
  message ("%s: the page cannot be written there; name another file with -o, or mend this: %s",
           path, strerror (errno));
  return QIMPORT_INTERNAL;
}

int
run_report (const struct arguments *a)
{
  char *html = NULL;
  int status;

  if (a->output == NULL)
    return usage_error (a->command->name, "needs -o FILE.html (or -o - for standard output)");
  status = read_document (a, a->words[0], qimport_report, &html);
  if (status == 0)
    status = write_report (a->output, html);
  qimport_free (html);
  return status;
}
