/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * info: qimport info.
 */
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/secret.h"

int
run_info (const struct arguments *a)
{
  char shown[4096], clean[8192];
  struct qimport_error err;
  struct patience p;
  char *json;
  int rc;

  redact_word (shown, sizeof shown, a->words[0]);
  patience_begin (&p, a->quiet ? NULL : shown);
  rc = qimport_info_json (a->words[0], a->options, &json, &err);
  patience_end (&p);
  if (rc == -1)
    return complain_again (&err);
  if (a->json) {
    out_text (json);
  } else {
    out ("image: %s\n", clean_text (clean, sizeof clean, shown));
    describe_json (json);
  }
  qimport_free (json);
  return 0;
}
