/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_file: see checksum_file.h.  Which layout a file has, whose names mean the file that
 * is looked for, and what comes of several entries.
 */
#include "trust/checksum_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/own.h"
#include "base/text.h"
#include "trust/checksum_search.h"
#include "trust/clear_signed.h"

/* ---- Names ------------------------------------------------------------------------------- */

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
checksum_search_wants (const struct checksum_search *s, struct span name)
{
  struct span part = last_part (name);
  const char *want = s->name;

  if (span_is (part, want))
    return true;
  if (!is_url (name))
    return false;
  while (part.len > 0 && *want != '\0')
    if (next_byte (&part) != *want++)
      return false;
  return part.len == 0 && *want == '\0';
}

/* ---- What is said about the file --------------------------------------------------------- */

void
checksum_search_add (struct checksum_search *s, const struct checksum *c)
{
  struct checksum *have = &s->found.of[c->algorithm];

  if (s->found.has[c->algorithm] && !s->contradicts && !checksum_same (have, c)) {
    s->contradicts = true;
    s->one = *have;
    s->another = *c;
  }
  s->found.has[c->algorithm] = true;
  *have = *c;
}

bool
checksum_algorithm (struct span word, enum hash_algorithm *out)
{
  if (word.len > 4 && strncasecmp (word.at + word.len - 4, "sums", 4) == 0)
    word.len -= 4;
  else if (word.len > 3 && strncasecmp (word.at + word.len - 3, "sum", 3) == 0)
    word.len -= 3;
  return hash_by_name (word.at, word.len, out);
}

bool
checksum_from_span (struct checksum *out, struct span digits)
{
  const char *colon = memchr (digits.at, ':', digits.len);

  if (colon != NULL) {
    size_t n = (size_t)(colon - digits.at);

    if (!hash_by_name (digits.at, n, &out->algorithm))
      return false;
    digits = span_from (digits, n + 1);
  } else if (!hash_by_digits (digits.len, &out->algorithm))
    return false;
  return checksum_from_hex (out, digits.at, digits.len);
}

const struct checksum *
checksums_strongest (const struct checksums *c)
{
  size_t i = HASH_N - 1;

  while (i > 0 && !c->has[i])
    i--;
  return &c->of[i];
}

/* ---- The file ---------------------------------------------------------------------------- */

/* A section may stand in brackets too: what follows those of JSON is a value. */
static bool
is_json (struct span text)
{
  size_t i;

  for (i = 0; i < text.len && (is_blank (text.at[i]) || text.at[i] == '\n'); i++)
    ;
  if (i == text.len || text.at[i] != '[')
    return i < text.len && text.at[i] == '{';
  for (i++; i < text.len && (is_blank (text.at[i]) || text.at[i] == '\n'); i++)
    ;
  return i < text.len && strchr ("{[\"]", text.at[i]) != NULL && text.at[i] != '\0';
}

static int
nothing_found (const struct checksum_search *s, struct error *err)
{
  char shown[256], others[64] = "";

  if (s->others > 0)
    snprintf (others, sizeof others, " (it has %zu under other names)", s->others);
  return fail (err, ERR_SOURCE_CHECKSUM,
               "has no digest of %s that qimport knows%s; give it with --checksum",
               escape_text (shown, sizeof shown, s->name, strlen (s->name)), others);
}

static int
contradiction (const struct checksum_search *s, struct error *err)
{
  char shown[256], one[HASH_HEX], another[HASH_HEX];

  return fail (err, ERR_SOURCE_CHECKSUM,
               "contradicts itself: the %s of %s is %s and %s; ask its publisher, or give "
               "--checksum",
               hash_title (s->one.algorithm),
               escape_text (shown, sizeof shown, s->name, strlen (s->name)),
               checksum_hex (one, &s->one), checksum_hex (another, &s->another));
}

static int
search_text (struct checksum_search *s, struct span text, struct error *err)
{
  if (is_json (text))
    return checksum_search_json (s, text, err);
  checksum_search_lines (s, text);
  return 0;
}

/* Only what was signed; the rest anyone may have written around it. */
static int
search_signed (struct checksum_search *s, struct span text, struct error *err)
{
  OWN_MEM char *plain = malloc (text.len + 1);

  if (plain == NULL)
    return fail_memory (err, "a file of checksums");
  return search_text (s, (struct span){ plain, clear_signed_plain (text, plain) }, err);
}

int
checksum_file_read (struct span file, const char *name, struct checksums *out,
                    struct error *err)
{
  struct checksum_search s = { .name = name };
  struct clear_signed signed_part;
  size_t i;
  int rc;

  if (file.len > CHECKSUM_FILE_MAX)
    return fail (err, ERR_SOURCE_CHECKSUM, "too large for a file of checksums (%d MiB at most)",
                 CHECKSUM_FILE_MAX >> 20);
  file = span_without_mark (file);
  rc = clear_signed_find (file, &signed_part, err);
#ifdef SEEDED_BUG_UNSIGNED_LINES_COUNT
  rc = 0;
#endif
  if (rc == 1)
    rc = search_signed (&s, signed_part.text, err);
  else if (rc == 0)
    rc = search_text (&s, file, err);
  if (rc == -1)
    return -1;
  if (s.contradicts)
    return contradiction (&s, err);
  *out = s.found;
  for (i = 0; i < HASH_N; i++)
    if (out->has[i])
      return 0;
  return nothing_found (&s, err);
}
