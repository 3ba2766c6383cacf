/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * publisher: see publisher.h.
 */
#include "cli/publisher.h"

#include <stdio.h>
#include <string.h>

#include "cli/json.h"

int
publisher_words (char out[PUBLISHER_SIZE], const char *document, const char *path)
{
  char member[64], from[16], key[80];

  out[0] = '\0';
  snprintf (member, sizeof member, "%s.checksum_from", path);
  if (!json_find (document, member, from, sizeof from))
    return 0;
  snprintf (member, sizeof member, "%s.signed_by", path);
  if (json_find (document, member, key, sizeof key))
    snprintf (out, PUBLISHER_SIZE, "%s signed by %s",
              strcmp (from, "signature") == 0 ? "image" : "checksum", key);
  else
    snprintf (out, PUBLISHER_SIZE, "%s",
              strcmp (from, "file") == 0 ? "checksum, unsigned" : "checksum as given");
  return 1;
}
