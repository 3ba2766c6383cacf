/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * describe: see describe.h.
 *
 *     virtual size: 64.0 MiB (67108864 bytes)
 *     format specific:
 *         compression type: zlib
 *     snapshots:
 *         [0]:
 *             name: before-upgrade
 */
#include "cli/describe.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/output.h"

enum { DEPTH_MAX = 32 };

struct level {
  bool is_array;
  unsigned index; /* of the next element */
};

/* The key, its dashes and underlines as spaces; or the index in an array. */
static void
print_key (const char *key, struct level *level, size_t depth)
{
  char shown[512];
  char *p;

  if (level->is_array) {
    out ("%*s[%u]:", (int)(4 * depth), "", level->index++);
    return;
  }
  clean_text (shown, sizeof shown, key);
  for (p = shown; *p != '\0'; p++)
    if (*p == '-' || *p == '_')
      *p = ' ';
  out ("%*s%s:", (int)(4 * depth), "", shown);
}

static bool
counts_bytes (const char *key)
{
  return strstr (key, "size") != NULL || strstr (key, "bytes") != NULL
         || strcmp (key, "length") == 0 || strcmp (key, "fetched") == 0;
}

static void
print_value (const char *key, enum json_kind kind, const char *text)
{
  char shown[8192], size[HUMAN_SIZE];

  if (kind == JSON_WORD && counts_bytes (key) && isdigit ((unsigned char)text[0])
      && strlen (text) > 3) {
    out (" %s (%s bytes)\n", human_size (size, strtoull (text, NULL, 10)), text);
    return;
  }
  if (kind == JSON_WORD && strcmp (text, "null") == 0)
    text = "-";
  out (" %s\n", clean_text (shown, sizeof shown, text));
}

void
describe_json (const char *document)
{
  struct level level[DEPTH_MAX] = { { .is_array = false } };
  size_t depth = 0; /* 1: within the document's own braces */
  enum json_kind kind;
  struct json j;

  json_begin (&j, document);
  while ((kind = json_next (&j)) != JSON_END) {
    if (kind == JSON_OBJECT_END || kind == JSON_ARRAY_END) {
      if (depth > 0)
        depth--;
      continue;
    }
    if (depth > 0)
      print_key (j.key, &level[depth], depth - 1);
    if (kind == JSON_STRING || kind == JSON_WORD) {
      print_value (j.key, kind, j.text);
      continue;
    }
    if (depth > 0)
      out ("\n");
    if (depth + 1 == DEPTH_MAX)
      return;
    level[++depth] = (struct level){ .is_array = kind == JSON_ARRAY };
  }
}
