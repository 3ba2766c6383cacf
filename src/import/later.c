/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * later: what is refused until its room is built.
 */
#include "import/import.h"

int
phase_audit (struct qimport *q, int timeout_ms, struct error *err)
{
  (void)q;
  (void)timeout_ms;
  return fail (err, ERR_USAGE, "audit is not built yet");
}

int
import_verify (struct qimport *q, struct error *err)
{
  return q->options->verify ? fail (err, ERR_USAGE, "--verify is not built yet") : 0;
}

void
import_close_audit (struct qimport *q)
{
  (void)q;
}

static int
refuse (struct qimport_error *error, const char *what)
{
  struct error err;

  fail (&err, ERR_USAGE, "%s is not built yet", what);
  return publish_error (error, &err);
}

int
qimport_audit_json (struct qimport *q, char **json, struct qimport_error *error)
{
  (void)q;
  (void)json;
  return refuse (error, "audit");
}

int
qimport_report (struct qimport_journal *j, const char *id, char **html,
                struct qimport_error *error)
{
  (void)j;
  (void)id;
  (void)html;
  return refuse (error, "report");
}
