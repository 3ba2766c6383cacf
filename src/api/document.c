/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * document: see document.h.
 */
#include "api/document.h"

void
json_string (FILE *out, const char *text)
{
  const char *p;

  putc ('"', out);
  for (p = text; *p != '\0'; p++) {
    if (*p == '"' || *p == '\\')
      putc ('\\', out);
    putc (*p, out);
  }
  putc ('"', out);
}
