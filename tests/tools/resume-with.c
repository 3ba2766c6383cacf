/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * resume-with ID [NAME [VALUE]]...: qimport_resume with any options, also those that the command line does not
 * take there.  A NAME that ends with "=" has the next word as its VALUE.  Exits with the status; tells the
 * message and the warnings.
 */
#include <qimport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  struct qimport_options *o = qimport_options_new ();
  struct qimport_journal *j = NULL;
  struct qimport *q = NULL;
  struct qimport_error err = { .message = "" };
  char *warning;
  int i, more = -1;

  for (i = 2; i < argc; i++) {
    size_t len = strlen (argv[i]);
    const char *value = len > 0 && argv[i][len - 1] == '=' ? argv[i + 1] : NULL;
    char name[64];

    snprintf (name, sizeof name, "%.*s", (int)(len - (value != NULL)), argv[i]);
    if (qimport_options_set (o, name, value, &err) == -1)
      return fprintf (stderr, "%s\n", err.message), 99;
    i += value != NULL;
  }
  if (argc > 1 && qimport_journal_open (&j, NULL, 0, &err) == 0
      && qimport_resume (&q, j, argv[1], o, &err) == 0)
    while ((more = qimport_step (q, 100, &err)) == 1)
      ;
  if (q != NULL && (warning = qimport_take_warning (q)) != NULL) {
    fprintf (stderr, "%s\n", warning);
    qimport_free (warning);
  }
  if (more == -1)
    fprintf (stderr, "%s\n", err.message);
  qimport_close (q);
  qimport_journal_close (j);
  qimport_options_free (o);
  return more == 0 ? 0 : (int)err.status;
}
