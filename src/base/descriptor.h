/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * descriptor: the names of what is open already.  A header alone, since the program sees it
 * too.
 */
#ifndef QIMPORT_BASE_DESCRIPTOR_H
#define QIMPORT_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Is URL an open descriptor: "-", standard input, or "fd:N"?  *FD (may be NULL) is which. */
static inline bool
url_descriptor (const char *url, int *fd)
{
  const char *number = strcmp (url, "-") == 0 ? "0" : url + 3;
  size_t n;

  if (number == url + 3 && strncmp (url, "fd:", 3) != 0)
    return false;
  n = strspn (number, "0123456789");
  if (n == 0 || n > 9 || number[n] != '\0')
    return false;
  if (fd != NULL)
    *fd = (int)strtol (number, NULL, 10);
  return true;
}

#endif
