/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image_spec: see image_spec.h.
 */
#include "image/image_spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
image_warn (const struct image_spec *spec, const char *fmt, ...)
{
  OWN_MEM char *line = NULL;
  va_list ap;

  if (spec->warn == NULL)
    return;
  va_start (ap, fmt);
  if (vasprintf (&line, fmt, ap) == -1)
    line = NULL;
  va_end (ap);
  if (line != NULL)
    spec->warn (spec->ctx, line);
}
