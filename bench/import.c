/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import: one import, and nothing that a command line adds to it.
 *
 *     import URL TARGET [OPTION VALUE]...
 *
 * Linked twice: with all rooms (bench/import), and with no-journal.c in the journal's place
 * (bench/import-no-journal).
 */
#include <stdio.h>

#include "qimport.h"

static int
run (struct qimport_journal *j, char **words, const struct qimport_options *o,
     struct qimport_error *err)
{
  struct qimport *q;
  int rc;

  if (qimport_start (&q, j, words[0], words[1], o, err) == -1)
    return -1;
  rc = qimport_run (q, NULL, NULL, 1000, err);
  qimport_close (q);
  return rc;
}

int
main (int argc, char **argv)
{
  struct qimport_options *o;
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int i, rc = 0;

  if (argc < 3 || argc % 2 == 0) {
    fprintf (stderr, "usage: import URL TARGET [OPTION VALUE]...\n");
    return 1;
  }
  o = qimport_options_new ();
  if (o == NULL)
    return 1;
  for (i = 3; i < argc && rc == 0; i += 2)
    rc = qimport_options_set (o, argv[i], argv[i + 1], &err);
  if (rc == 0)
    rc = qimport_journal_open (&j, NULL, 0, &err);
  if (rc == 0)
    rc = run (j, argv + 1, o, &err);
  if (rc == -1)
    fprintf (stderr, "import: %s\n", err.message);
  qimport_journal_close (j);
  qimport_options_free (o);
  return rc == 0 ? 0 : err.status;
}
