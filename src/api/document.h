/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * document: strings for documents that do not come from the journal.
 */
#ifndef QIMPORT_API_DOCUMENT_H
#define QIMPORT_API_DOCUMENT_H

#include <stdbool.h>
#include <stdio.h>

/* "TEXT" with quotes; TEXT is valid UTF-8 without control bytes (escape_text made it so). */
void json_string (FILE *out, const char *text);

static inline const char *
json_bool (bool b)
{
  return b ? "true" : "false";
}

#endif
