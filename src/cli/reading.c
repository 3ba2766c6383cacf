/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * reading: see reading.h; and qimport receipt, which is no more than that.
 */
#include "cli/reading.h"

#include "cli/commands.h"
#include "cli/output.h"

int
open_reader (struct qimport_journal **j, const struct arguments *a)
{
  struct qimport_error err;

  if (qimport_journal_open (j, a->journal, QIMPORT_READ_ONLY, &err) == -1)
    return complain (&err);
  return 0;
}

int
read_document (const struct arguments *a, const char *id, journal_document read, char **text)
{
  struct qimport_journal *j = NULL;
  struct qimport_error err;
  int status = open_reader (&j, a);

  if (status == 0 && read (j, id, text, &err) == -1)
    status = complain (&err);
  qimport_journal_close (j);
  return status;
}

int
run_receipt (const struct arguments *a)
{
  const char *id = a->all ? NULL : a->words[0];
  char *json = NULL;
  int status;

  if (a->all == (a->n_words == 1))
    return usage_error (a->command->name, "needs ID or --all");
  status = read_document (a, id, qimport_receipt, &json);
  if (status == 0)
    out_text (json);
  qimport_free (json);
  return status;
}
