/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_tool: qcow-stream-tool, the command line of the program that qimport succeeds, for
 * daemons that start it with an image on standard input and wait for its end:
 *
 *     qcow-stream-tool stream_decode [--progress] [--target-is-zero] PATH
 *     qcow-stream-tool read_headers [PATH]
 *
 * A caller that cannot resume: nothing of what does not complete stays, and the journal is one
 * of its own that goes with it, unless QIMPORT_JOURNAL names another.  It has no powers of its
 * own either.
 */
#include <errno.h>
#include <qimport.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP_MS = 200, PATH_SIZE = 4096 };

struct tool {
  const char *journal; /* NULL: the default one */
  char dir[PATH_SIZE]; /* of a journal of its own; "": it has none */
  char path[PATH_SIZE + 16];
};

static struct qimport *volatile running;

static void
on_signal (int signal)
{
  (void)signal;
  if (running != NULL)
    qimport_cancel (running);
}

/* One line, as the callers put it into their logs. */
__attribute__ ((format (printf, 1, 2))) static void
message (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  fputs ("qcow-stream-tool: ", stderr);
  vfprintf (stderr, fmt, ap);
  fputc ('\n', stderr);
  va_end (ap);
}

/* There is nothing to go on with: advice that says how is left out. */
static int
complain (const struct qimport_error *err)
{
  const char *advice = strstr (err->message, "; `qimport");
  size_t len = strlen (err->message);

  if (err->status == QIMPORT_INTERRUPTED && advice != NULL)
    len = (size_t)(advice - err->message);
  message ("%.*s", (int)len, err->message);
  return (int)err->status;
}

static int
usage (void)
{
  fputs ("usage: qcow-stream-tool stream_decode [--progress] [--target-is-zero] PATH\n"
         "       qcow-stream-tool read_headers [PATH]\n"
         "       qcow-stream-tool --version\n",
         stderr);
  return QIMPORT_USAGE;
}

/* ---- The journal ------------------------------------------------------------------------ */

static int
open_journal (struct tool *t)
{
  const char *named = getenv ("QIMPORT_JOURNAL"), *tmp = getenv ("TMPDIR");
  int n;

  t->dir[0] = '\0';
  t->journal = named;
  if (named != NULL && named[0] != '\0')
    return 0;
  n = snprintf (t->dir, sizeof t->dir, "%s/qcow-stream-tool.XXXXXX",
                tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
  if (n >= (int)sizeof t->dir || mkdtemp (t->dir) == NULL) {
    message ("%s: no place for a journal; set TMPDIR, or QIMPORT_JOURNAL: %s", t->dir,
             strerror (errno));
    t->dir[0] = '\0';
    return QIMPORT_JOURNAL;
  }
  snprintf (t->path, sizeof t->path, "%s/journal.db", t->dir);
  t->journal = t->path;
  return 0;
}

static void
remove_journal (const struct tool *t)
{
  static const char *const ends[] = { "", "-wal", "-shm", "-journal", "-lock" };
  char path[sizeof t->path + 16];
  size_t i;

  if (t->dir[0] == '\0')
    return;
  for (i = 0; i < sizeof ends / sizeof *ends; i++) {
    snprintf (path, sizeof path, "%s%s", t->path, ends[i]);
    unlink (path);
  }
  if (rmdir (t->dir) == -1)
    message ("%s: cannot be removed: %s", t->dir, strerror (errno));
}

/* ---- stream_decode ---------------------------------------------------------------------- */

static void
tell_progress (struct qimport *q, int *last)
{
  struct qimport_work w;
  int percent;

  qimport_progress_work (q, &w);
  percent = w.total == 0 ? 0 : w.done >= w.total ? 100 : (int)(w.done / (w.total / 100 + 1));
  if (percent <= *last)
    return;
  *last = percent;
  printf ("Progress: %d\n", percent);
  fflush (stdout);
}

static void
tell_warnings (struct qimport *q)
{
  char *all = qimport_take_warning (q), *line, *save = NULL;

  if (all == NULL)
    return;
  for (line = strtok_r (all, "\n", &save); line != NULL; line = strtok_r (NULL, "\n", &save))
    message ("warning: %s", line);
  qimport_free (all);
}

static int
drive (struct qimport *q, bool progress)
{
  struct qimport_error err;
  int more, last = -1;

  running = q;
  do {
    more = qimport_step (q, STEP_MS, &err);
    tell_warnings (q);
    if (progress)
      tell_progress (q, &last);
  } while (more == 1);
  running = NULL;
  return more == -1 ? complain (&err) : 0;
}

/* A device may hold what it will, and a file is replaced: that is what callers expect. */
static struct qimport_options *
decode_options (bool is_zero)
{
  static const char *const given[][2]
      = { { "once", NULL }, { "force", NULL }, { "digest", "off" }, { "format", "qcow2" } };
  struct qimport_options *o = qimport_options_new ();
  struct qimport_error err;
  size_t i;

  for (i = 0; o != NULL && i < sizeof given / sizeof *given; i++)
    if (qimport_options_set (o, given[i][0], given[i][1], &err) == -1)
      complain (&err);
  if (o != NULL && is_zero && qimport_options_set (o, "target-is-zero", NULL, &err) == -1)
    complain (&err);
  return o;
}

static int
decode_to (struct qimport_journal *j, const char *path, bool progress, bool is_zero)
{
  struct qimport_options *o = decode_options (is_zero);
  struct qimport *q = NULL;
  struct qimport_error err;
  int status;

  if (o == NULL) {
    message ("out of memory");
    return QIMPORT_INTERNAL;
  }
  status
      = qimport_start (&q, j, "-", path, o, &err) == -1 ? complain (&err) : drive (q, progress);
  qimport_close (q);
  qimport_options_free (o);
  return status;
}

static int
stream_decode (int argc, char **argv)
{
  const char *path = NULL;
  bool progress = false, is_zero = false;
  struct qimport_journal *j;
  struct qimport_error err;
  struct tool t;
  int i, status;

  for (i = 0; i < argc; i++)
    if (strcmp (argv[i], "--progress") == 0)
      progress = true;
    else if (strcmp (argv[i], "--target-is-zero") == 0)
      is_zero = true;
    else if (argv[i][0] == '-' || path != NULL)
      return usage ();
    else
      path = argv[i];
  if (path == NULL)
    return usage ();
  status = open_journal (&t);
  if (status != 0)
    return status;
  if (qimport_journal_open (&j, t.journal, 0, &err) == -1) {
    status = complain (&err);
  } else {
    status = decode_to (j, path, progress, is_zero);
    qimport_journal_close (j);
  }
  remove_journal (&t);
  return status;
}

/* ---- read_headers ----------------------------------------------------------------------- */

static int
read_headers (int argc, char **argv)
{
  struct qimport_error err;
  char *json;

  if (argc > 1 || (argc == 1 && argv[0][0] == '-' && argv[0][1] != '\0'))
    return usage ();
  if (qimport_headers_json (argc == 1 ? argv[0] : "-", NULL, &json, &err) == -1)
    return complain (&err);
  fputs (json, stdout);
  qimport_free (json);
  return fflush (stdout) == 0 ? 0 : QIMPORT_INTERNAL;
}

int
main (int argc, char **argv)
{
  static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
  struct sigaction act = { .sa_handler = on_signal };
  size_t i;

  signal (SIGPIPE, SIG_IGN);
  for (i = 0; i < sizeof stops / sizeof *stops; i++)
    sigaction (stops[i], &act, NULL);
  if (argc > 1 && strcmp (argv[1], "stream_decode") == 0)
    return stream_decode (argc - 2, argv + 2);
  if (argc > 1 && strcmp (argv[1], "read_headers") == 0)
    return read_headers (argc - 2, argv + 2);
  if (argc == 2 && strcmp (argv[1], "--version") == 0)
    return printf ("qcow-stream-tool %s\n", qimport_version ()) < 0;
  return usage ();
}
