/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_name: see checksum_name.h.
 */
#include "trust/checksum_name.h"

#include <string.h>

#include "base/text.h"

static int
hex_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The next byte of a URL's part, decoded; a NUL stays as it is written. */
static char
next_byte (struct span *s)
{
  int hi = s->len >= 3 && s->at[0] == '%' ? hex_digit (s->at[1]) : -1;
  int lo = hi >= 0 ? hex_digit (s->at[2]) : -1;
  bool coded = lo >= 0 && (hi != 0 || lo != 0);
  char c = s->at[0];

  if (coded)
    c = (char)(hi << 4 | lo);
  *s = span_from (*s, coded ? 3 : 1);
  return c;
}

static bool
is_url (struct span s)
{
  return memmem (s.at, s.len, "://", 3) != NULL;
}

/* The last part of a path, or of a URL, of which a query is no part. */
static struct span
last_part (struct span s)
{
  const char *slash;
  size_t n = 0;

  if (is_url (s)) {
    while (n < s.len && s.at[n] != '?' && s.at[n] != '#')
      n++;
    s.len = n;
  }
  slash = memrchr (s.at, '/', s.len);
  return slash == NULL ? s : span_from (s, (size_t)(slash + 1 - s.at));
}

int
checksum_name (const char *url, char out[CHECKSUM_NAME_MAX], struct error *err)
{
  struct span whole = { url, strlen (url) }, part = last_part (whole);
  char shown[256];
  size_t n = 0;

  while (part.len > 0 && n < CHECKSUM_NAME_MAX - 1) {
    if (is_url (whole)) {
      out[n++] = next_byte (&part);
    } else {
      out[n++] = part.at[0];
      part = span_from (part, 1);
    }
  }
  out[n] = '\0';
  if (n == 0 || part.len > 0)
    return fail (err, ERR_USAGE,
                 "%s: ends in no file's name that could be looked up in a file of checksums; "
                 "give the digest with --checksum",
                 redact_url (shown, sizeof shown, url));
  return 0;
}

bool
checksum_name_is (struct span name, const char *want)
{
  struct span part = last_part (name);

  if (span_is (part, want))
    return true;
  if (!is_url (name))
    return false;
  while (part.len > 0 && *want != '\0')
    if (next_byte (&part) != *want++)
      return false;
  return part.len == 0 && *want == '\0';
}
