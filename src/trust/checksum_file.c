/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_file: see checksum_file.h.  Which layout a file has, and what comes of several
 * entries.
 */
#include "trust/checksum_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/own.h"
#include "base/text.h"
#include "trust/checksum_json.h"
#include "trust/checksum_lines.h"
#include "trust/clear_signed.h"

const struct checksum *
checksums_strongest (const struct checksums *c)
{
  size_t i = HASH_N - 1;

  while (i > 0 && !c->has[i])
    i--;
  return &c->of[i];
}

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
