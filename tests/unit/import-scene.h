/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import-scene: imports as a program makes them, by qimport.h, from images in a scratch
 * directory.  A test says what is done and what must come of it; "~" in a word is the
 * directory, and "$" the server, where one was started.
 */
#ifndef TESTS_UNIT_IMPORT_SCENE_H
#define TESTS_UNIT_IMPORT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qimport.h"

struct scene {
  char dir[32];
  struct qimport_journal *j;
  struct qimport_error err;
  char warned[16384];         /* by the last import */
  struct qimport_progress at; /* of it, at its end */
  char *found;                /* by the last audit: JSON */
  pid_t server;
  char origin[64];
};

/* TEXT with what "~" and "$" stand for. */
static inline char *
scene_words (const struct scene *sc, const char *text)
{
  char *out = calloc (1, 8192), *to = out;

  assert_non_null (out);
  for (; *text != '\0'; text++)
    to += *text == '~'   ? sprintf (to, "%s", sc->dir)
          : *text == '$' ? sprintf (to, "%s", sc->origin)
                         : sprintf (to, "%c", *text);
  return out;
}

/* LINE of the shell, in the directory, where nothing stands for another thing. */
static inline int
scene_sh (struct scene *sc, const char *line)
{
  const char *top = getenv ("top_srcdir");
  char *all = NULL;
  int rc;

  assert_true (asprintf (&all,
                         "top=$(cd '%s' && pwd); cd '%s' || exit 1\n"
                         "writer () { python3 \"$top/tests/tools/qcow2-writer.py\" \"$@\"; }\n"
                         "%s",
                         top != NULL ? top : ".", sc->dir, line)
               != -1);
  rc = system (all);
  free (all);
  return rc;
}

static inline void
scene_must_sh (struct scene *sc, const char *line)
{
  if (scene_sh (sc, line) != 0)
    fail_msg ("fails: %s", line);
}

/* In place of the tests, where what makes the images is not there. */
static inline bool
scene_skips_all (void)
{
  if (system ("for p in qemu-img qemu-io python3 gzip cmp; do command -v $p || exit 1; done "
              ">/dev/null")
      == 0)
    return false;
  printf ("1..0 # SKIP needs qemu-img, qemu-io, python3, gzip and cmp\n");
  return true;
}

/* Ends a test of wrapped files in a build that does not unpack them. */
static inline void
scene_needs_gzip (void)
{
  if (strstr (qimport_built_in (), "gzip") == NULL)
    skip ();
}

static inline int
scene_enter (void **state)
{
  struct scene *sc = calloc (1, sizeof *sc);

  if (sc == NULL)
    return -1;
  *state = sc;
  snprintf (sc->dir, sizeof sc->dir, "/tmp/scene-XXXXXX");
  if (mkdtemp (sc->dir) == NULL)
    return -1;
  char *path = scene_words (sc, "~/journal.db");
  int rc = qimport_journal_open (&sc->j, path, 0, &sc->err);

  free (path);
  return rc;
}

static inline int
scene_leave (void **state)
{
  struct scene *sc = *state;
  int rc;

  qimport_journal_close (sc->j);
  if (sc->server > 0) {
    kill (sc->server, SIGTERM);
    waitpid (sc->server, NULL, 0);
  }
  rc = scene_sh (sc, "rm -rf \"$PWD\"");
  qimport_free (sc->found);
  free (sc);
  return rc;
}

/* Serves the file NAME of the directory, and tells the lies that its file "lies" has (see
 * tests/tools/lying-server.py). */
static inline void
scene_serve (struct scene *sc, const char *name)
{
  const char *top = getenv ("top_srcdir");
  char script[512], file[64], lies[64], line[32] = "";
  int out[2];
  FILE *f;

  snprintf (script, sizeof script, "%s/tests/tools/lying-server.py", top != NULL ? top : ".");
  snprintf (file, sizeof file, "%s/%s", sc->dir, name);
  snprintf (lies, sizeof lies, "%s/lies", sc->dir);
  scene_must_sh (sc, ": >lies");
  assert_int_equal (pipe (out), 0);
  sc->server = fork ();
  if (sc->server == 0) {
    dup2 (out[1], 1);
    close (out[0]);
    execlp ("python3", "python3", script, "--file", file, "--control", lies, (char *)NULL);
    _exit (127);
  }
  close (out[1]);
  f = fdopen (out[0], "r");
  assert_non_null (fgets (line, sizeof line, f));
  fclose (f);
  snprintf (sc->origin, sizeof sc->origin, "http://127.0.0.1:%d", atoi (line));
}

/* WORDS: "NAME=VALUE NAME ..." */
static inline struct qimport_options *
scene_options (struct scene *sc, const char *words)
{
  struct qimport_options *o = qimport_options_new ();
  char *all = scene_words (sc, words), *rest = all, *word;

  assert_non_null (o);
  while ((word = strsep (&rest, " ")) != NULL) {
    char *value = strchr (word, '=');

    if (*word == '\0')
      continue;
    if (value != NULL)
      *value++ = '\0';
    if (qimport_options_set (o, word, value, &sc->err) == -1)
      fail_msg ("--%s %s: %s", word, value != NULL ? value : "", sc->err.message);
  }
  free (all);
  return o;
}

static inline void
scene_hear (struct scene *sc, struct qimport *q)
{
  char *text = qimport_take_warning (q);

  if (text != NULL)
    strncat (sc->warned, text, sizeof sc->warned - strlen (sc->warned) - 1);
  qimport_free (text);
}

/* Until it is over, or so many bytes of the disk are committed: then it is asked to stop. */
static inline int
scene_run (struct scene *sc, struct qimport *q, uint64_t until)
{
  struct qimport_work work;
  char *json = NULL;
  int rc;

  sc->warned[0] = '\0';
  do {
    rc = qimport_step (q, 20, &sc->err);
    scene_hear (sc, q);
    qimport_progress_get (q, &sc->at);
    qimport_progress_work (q, &work);
    if (rc == 1 && until > 0 && sc->at.guest_committed >= until)
      qimport_cancel (q);
  } while (rc == 1);
  qimport_free (sc->found);
  sc->found = NULL;
  if (qimport_progress_json (q, &json, &(struct qimport_error){ 0 }) == 0)
    qimport_free (json);
  qimport_audit_json (q, &sc->found, &(struct qimport_error){ 0 });
  qimport_close (q);
  return rc == 0 ? QIMPORT_DONE : (int)sc->err.status;
}

/* VERB: start, ensure (of URL onto TARGET), resume, audit (of TARGET).  Its exit status. */
static inline int
scene_once (struct scene *sc, const char *verb, const char *url, const char *target,
            const char *words, uint64_t until)
{
  struct qimport_options *o = scene_options (sc, words);
  char *from = scene_words (sc, url), *to = scene_words (sc, target);
  struct qimport *q = NULL;
  int rc;

  if (strcmp (verb, "start") == 0)
    rc = qimport_start (&q, sc->j, from, to, o, &sc->err);
  else if (strcmp (verb, "ensure") == 0)
    rc = qimport_ensure (&q, sc->j, from, to, o, &sc->err);
  else if (strcmp (verb, "resume") == 0)
    rc = qimport_resume (&q, sc->j, to, o, &sc->err);
  else
    rc = qimport_audit (&q, sc->j, to, o, &sc->err);
  qimport_options_free (o);
  free (from);
  free (to);
  return rc == -1 ? (int)sc->err.status : scene_run (sc, q, until);
}

/* What is to be interrupted is begun again, and slower, where it was over before that. */
static inline int
scene_do_until (struct scene *sc, const char *verb, const char *url, const char *target,
                const char *words, uint64_t until)
{
  int rc = scene_once (sc, verb, url, target, words, until);
  char slower[1024];

  if (rc != 0 || until == 0 || strcmp (verb, "start") != 0)
    return rc;
  snprintf (slower, sizeof slower, "%s force limit-rate=300K", words);
  return scene_once (sc, verb, url, target, slower, until);
}

#define scene_do(sc, verb, url, target, words) scene_do_until (sc, verb, url, target, words, 0)

/* The last call ended with STATUS, and what it said has WORDS ("" for any). */
#define scene_ends(sc, call, want, words)                                                \
  do {                                                                                   \
    int is_ = (call);                                                                    \
    if (is_ != (want))                                                                   \
      fail_msg ("line %d: ends with %d, not %d: %s", __LINE__, is_, (want),              \
                is_ == 0 ? "" : (sc)->err.message);                                      \
    if ((want) != 0 && strstr ((sc)->err.message, words) == NULL)                        \
      fail_msg ("line %d: says \"%s\", not \"%s\"", __LINE__, (sc)->err.message, words); \
  } while (0)

#define scene_warned(sc, words)                                                         \
  do {                                                                                  \
    if (strstr ((sc)->warned, words) == NULL)                                           \
      fail_msg ("line %d: warns \"%s\", not of \"%s\"", __LINE__, (sc)->warned, words); \
  } while (0)

static inline void
scene_same (struct scene *sc, const char *one, const char *other)
{
  char line[256];

  snprintf (line, sizeof line, "cmp '%s' '%s'", one, other);
  scene_must_sh (sc, line);
}

#endif
