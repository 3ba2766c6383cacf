/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * audit: qimport audit.
 */
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/jobs.h"
#include "cli/output.h"
#include "cli/stop.h"

/* What was found, whether it differs or not. */
static int
print_findings (const struct arguments *a, struct qimport *q)
{
  struct qimport_error err;
  char *json;

  if (qimport_audit_json (q, &json, &err) == -1)
    return complain (&err);
  if (a->json)
    out_text (json);
  else if (!a->quiet)
    describe_json (json);
  qimport_free (json);
  return 0;
}

/* An audit leaves nothing to go on with: it is begun again. */
static int
tell_end (const struct qimport_error *err)
{
  if (err->status == QIMPORT_INTERRUPTED && stop_requested ()) {
    message ("the audit was interrupted; run it again");
    return QIMPORT_INTERRUPTED;
  }
  return complain_again (err);
}

static int
audit (const struct arguments *a, struct display *d, struct qimport *q)
{
  struct qimport_error err;
  int rc, status, printed = 0;

  display_begin (d, 0, a->words[0], q);
  rc = drive (d, 0, a, q, &err);
  if (rc == 0 || err.status == QIMPORT_DIFFERS)
    printed = print_findings (a, q);
  status = rc == 0 ? 0 : tell_end (&err);
  if (rc == 0 && printed == 0 && !a->quiet)
    message ("the target is as it was imported");
  return status != 0 ? status : printed;
}

int
run_audit (const struct arguments *a)
{
  struct qimport_journal *j = NULL;
  struct display *d = NULL;
  struct qimport *q = NULL;
  struct qimport_error err;
  int status = stop_begin ();

  if (status != 0)
    return status;
  d = display_new (a, 1, 1, false);
  if (d == NULL)
    return out_of_memory ();
  if (qimport_journal_open (&j, a->journal, 0, &err) == -1
      || qimport_audit (&q, j, a->words[0], a->options, &err) == -1)
    status = complain (&err);
  else
    status = audit (a, d, q);
  qimport_close (q);
  qimport_journal_close (j);
  display_close (d);
  return status;
}
