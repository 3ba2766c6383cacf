/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * info: qimport info.
 */
#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/output.h"
#include "cli/secret.h"

int
run_info (const struct arguments *a)
{
  char shown[4096], clean[8192];
  struct qimport_error err;
  char *json;

  if (qimport_info_json (a->words[0], a->options, &json, &err) == -1)
    return complain (&err);
  if (a->json) {
    out_text (json);
  } else {
    redact_word (shown, sizeof shown, a->words[0]);
    out ("image: %s\n", clean_text (clean, sizeof clean, shown));
    describe_json (json);
  }
  qimport_free (json);
  return 0;
}
