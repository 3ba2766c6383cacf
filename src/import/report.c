/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report: temporary.
 */
#include "import/import.h"
int
qimport_report (struct qimport_journal *j, const char *id, char **html,
                struct qimport_error *error)
{
  struct error err;
  (void)j;
  (void)id;
  (void)html;
  fail (&err, ERR_USAGE, "report is not built yet");
  return publish_error (error, &err);
}
