/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksums: what the image's SHA-256 must be, from a SHA256SUMS file: lines "HEX  NAME" or
 * "HEX *NAME" (sha256sum), or "SHA256 (NAME) = HEX" (BSD, Fedora's CHECKSUM files); anything
 * else, such as a signature around them, is passed over.
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { SUMS_MAX = 1 << 20 };

/* The last component of URL, without query. */
static void
base_name (const char *url, char *out, size_t size)
{
  size_t len = strstr (url, "://") == NULL ? strlen (url) : strcspn (url, "?#");
  const char *slash = memrchr (url, '/', len);
  const char *name = slash == NULL ? url : slash + 1;

  snprintf (out, size, "%.*s", (int)(len - (size_t)(name - url)), name);
}

/* If LINE is about NAME: its digest. */
static bool
parse_line (const char *line, const char *name, char hex[DIGEST_HEX])
{
  uint8_t digest[DIGEST_SIZE];
  size_t len = strlen (name);
  const char *at;

  if (strncmp (line, "SHA256 (", 8) == 0) {
    at = line + 8;
    if (strncmp (at, name, len) != 0 || strncmp (at + len, ") = ", 4) != 0)
      return false;
    snprintf (hex, DIGEST_HEX, "%s", at + len + 4);
  } else {
    snprintf (hex, DIGEST_HEX, "%s", line);
    if (strlen (line) < DIGEST_HEX + 1 || line[DIGEST_HEX - 1] != ' ')
      return false;
    at = line + DIGEST_HEX;
    at += *at == ' ' || *at == '*';
    if (strncmp (at, "./", 2) == 0)
      at += 2;
    if (strcmp (at, name) != 0)
      return false;
  }
  return digest_from_hex (digest, hex);
}

static int
find_line (char *text, const char *where, const char *url, char hex[DIGEST_HEX],
           struct error *err)
{
  char name[1024], shown[256];
  char *save = NULL, *line;

  base_name (url, name, sizeof name);
  for (line = strtok_r (text, "\r\n", &save); line != NULL;
       line = strtok_r (NULL, "\r\n", &save))
    if (parse_line (line, name, hex))
      return 0;
  return fail (err, ERR_SOURCE_CHECKSUM, "%s: has no SHA-256 for %s; give it with --sha256",
               where, escape_text (shown, sizeof shown, name, strlen (name)));
}

static int
read_ranged (struct source *s, uint64_t len, size_t have, char *text, struct error *err)
{
  struct source_want rest = { { { have }, len - have }, (uint8_t *)text + have };

  return len > have ? source_read (s, &rest, 1, err) : 0;
}

static int
read_stream (struct source *s, char *text, size_t *len, struct error *err)
{
  size_t got;

  *len = 0;
  do {
    if (source_stream_read (s, text + *len, SUMS_MAX - *len, &got, err) == -1)
      return -1;
    *len += got;
  } while (got > 0 && *len < SUMS_MAX);
  return 0;
}

/* All of the file, at most SUMS_MAX bytes. */
static int
read_sums (struct source *s, char *text, size_t *len, struct error *err)
{
  struct source_identity id;

  if (source_probe (s, NULL, false, &id, (uint8_t *)text, HEAD_MAX, len, err) == -1)
    return -1;
  if (!id.ranges)
    return read_stream (s, text, len, err);
  if (id.length > SUMS_MAX)
    return fail (err, ERR_SOURCE_CHECKSUM, "%s: too large for a SHA256SUMS file",
                 source_url (s));
  if (read_ranged (s, id.length, *len, text, err) == -1)
    return -1;
  *len = (size_t)id.length;
  return 0;
}

int
import_checksums (struct qimport *q, struct error *err)
{
  struct source_options so = { .stop = &q->give_up };
  const char *where = q->options->checksums;
  OWN_MEM char *text = NULL;
  OWN (source) s = NULL;
  char hex[DIGEST_HEX];
  size_t len;

  if (where == NULL)
    return 0;
  text = malloc (SUMS_MAX + 1);
  if (text == NULL)
    return fail_memory (err, "the checksums");
  import_source_options (q->options, &so);
  if (source_open (&s, where, &so, err) == -1 || read_sums (s, text, &len, err) == -1)
    return -1;
  text[len] = '\0';
  if (find_line (text, source_url (s), q->url, hex, err) == -1)
    return -1;
  return options_set (q->options, "sha256", hex, err);
}
