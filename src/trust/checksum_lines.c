/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_lines: files of checksums that are lines (checksum_file.h lists their layouts). What
 * is no entry is passed over.
 */
#include "trust/checksum_lines.h"

#include <ctype.h>
#include <strings.h>

#include "trust/checksum_name.h"

/* What the lines are of, as long as nothing else says so. */
struct section {
  bool named, known;
  enum hash_algorithm algorithm; /* if known */
};

/* One line that carries a digest. */
struct entry {
  bool known; /* of an algorithm that counts */
  struct checksum sum;
  struct span name; /* nothing: the line has none */
  bool escaped;     /* it began with a backslash */
};

/* ---- Sections ---------------------------------------------------------------------------- */

static bool
is_decoration (char c)
{
  return c != '\0' && strchr ("#=-*:[]()<>\" \t\r", c) != NULL;
}

static struct span
undecorated (struct span line)
{
  while (line.len > 0 && is_decoration (line.at[0]))
    line = span_from (line, 1);
  while (line.len > 0 && is_decoration (line.at[line.len - 1]))
    line.len--;
  return line;
}

/* One of the words that stand behind an algorithm's name. */
static bool
is_hash_word (struct span word)
{
  static const char *const words[]
      = { "HASH", "HASHES", "SUM", "SUMS", "CHECKSUM", "CHECKSUMS", "DIGEST", "DIGESTS" };
  size_t i;

  for (i = 0; i < sizeof words / sizeof *words; i++)
    if (word.len == strlen (words[i]) && strncasecmp (word.at, words[i], word.len) == 0)
      return true;
  return false;
}

/* Algorithms that are no use to us, but whose digests must not be taken for others'. */
static bool
is_foreign (struct span word)
{
  static const char *const names[]
      = { "BLAKE", "B2",      "WHIRLPOOL", "SHA3", "SHA-3", "RMD", "RIPEMD", "SM3",  "STREEBOG",
          "TIGER", "SHA512/", "SHA-512/",  "CRC",  "GOST",  "MD4", "KECCAK", "SHAKE" };
  size_t i;

  for (i = 0; i < sizeof names / sizeof *names; i++)
    if (word.len >= strlen (names[i])
        && strncasecmp (word.at, names[i], strlen (names[i])) == 0)
      return true;
  return false;
}

/* A line without digest may begin a section. */
static void
begin_section (struct section *s, struct span line)
{
  struct span words = undecorated (line), first = words, rest;

  first.len = span_word (words);
  rest = span_trim (span_from (words, first.len));
  if (first.len == 0 || (rest.len > 0 && !is_hash_word (rest)))
    return;
  if (checksum_algorithm (first, &s->algorithm))
    s->named = s->known = true;
  else if (rest.len > 0 || is_foreign (first)) {
    s->named = true;
    s->known = false;
  }
}

/* ---- Entries ----------------------------------------------------------------------------- */

static size_t
hex_digits (struct span s)
{
  size_t n = 0;

  while (n < s.len && isxdigit ((unsigned char)s.at[n]))
    n++;
  return n;
}

/* Some algorithm's digest, which may be none of ours: 32 digits or more, of whole bytes. */
static bool
is_digest (struct span word)
{
  return word.len >= 32 && word.len % 2 == 0 && hex_digits (word) == word.len;
}

/* The digest HEX, said to be of the algorithm TAG. */
static void
tagged_digest (struct entry *e, struct span tag, struct span hex)
{
  if (tag.len > 5 && strncasecmp (tag.at, "SHA2-", 5) == 0) /* openssl 3 */
    e->known = hash_by_digits (hex.len, &e->sum.algorithm)
               && hash_size (e->sum.algorithm) > hash_size (HASH_SHA1);
  else
    e->known = hash_by_name (tag.at, tag.len, &e->sum.algorithm);
  e->known = e->known && checksum_from_hex (&e->sum, hex.at, hex.len);
}

/* A digest without tag; the section may have something to say. */
static void
plain_digest (struct entry *e, const struct section *s, struct span hex)
{
  if (s->named) {
    e->sum.algorithm = s->algorithm;
    e->known = s->known && checksum_from_hex (&e->sum, hex.at, hex.len);
  } else
    e->known = checksum_from_span (&e->sum, hex);
}

/* TAG (NAME) = HEX, TAG(NAME)= HEX */
static bool
parse_bsd (struct entry *e, struct span line)
{
  const char *open = memchr (line.at, '(', line.len);
  const char *equals = memrchr (line.at, '=', line.len);
  struct span tag, name, hex;

  if (open == NULL || equals == NULL || equals < open)
    return false;
  tag = span_trim ((struct span){ line.at, (size_t)(open - line.at) });
  name = span_trim ((struct span){ open + 1, (size_t)(equals - open - 1) });
  hex = span_trim (span_from (line, (size_t)(equals + 1 - line.at)));
  if (tag.len == 0 || span_word (tag) < tag.len || name.len < 2 || name.at[name.len - 1] != ')'
      || !is_digest (hex))
    return false;
  name.len--;
  e->name = name;
  tagged_digest (e, tag, hex);
  return true;
}

/* "ALGO:HEX" or "HEX" in one word. */
static bool
parse_digest (struct entry *e, const struct section *s, struct span word)
{
  const char *colon = memchr (word.at, ':', word.len);
  struct span tag = { word.at, 0 }, hex = word;

  if (colon != NULL) {
    tag.len = (size_t)(colon - word.at);
    hex = span_from (word, tag.len + 1);
  }
  if (!is_digest (hex))
    return false;
  if (colon != NULL)
    tagged_digest (e, tag, hex);
  else
    plain_digest (e, s, hex);
  return true;
}

/* HEX  NAME, HEX *NAME, HEX */
static bool
parse_coreutils (struct entry *e, const struct section *s, struct span line)
{
  struct span word = { line.at, span_word (line) };

  if (!parse_digest (e, s, word))
    return false;
  e->name = span_trim (span_from (line, word.len));
  if (span_is (e->name, "-")) /* of standard input */
    e->name.len = 0;
  return true;
}

/* NAME HEX, NAME: HEX, NAME = HEX; with an algorithm for the name it has none */
static bool
parse_reversed (struct entry *e, const struct section *s, struct span line)
{
  struct span word = line, name = line;
  enum hash_algorithm algorithm;

  while (name.len > 0 && !is_blank (name.at[name.len - 1]))
    name.len--;
  word = span_from (line, name.len);
  if (!parse_digest (e, s, word))
    return false;
  name = span_trim_end (name);
  while (name.len > 0 && (name.at[name.len - 1] == ':' || name.at[name.len - 1] == '='))
    name.len--;
  e->name = span_trim (name);
  if (checksum_algorithm (e->name, &algorithm)
      || (is_foreign (e->name) && memchr (e->name.at, '.', e->name.len) == NULL)) {
    tagged_digest (e, e->name, word);
    e->name.len = 0;
  }
  return true;
}

static bool
parse_entry (struct entry *e, const struct section *s, struct span line)
{
  *e = (struct entry){ .escaped = line.len > 0 && line.at[0] == '\\' };
  if (e->escaped)
    line = span_from (line, 1);
  return parse_bsd (e, line) || parse_coreutils (e, s, line) || parse_reversed (e, s, line);
}

/* ---- The file ---------------------------------------------------------------------------- */

/* The name without its escapes; one that is too long is none that is looked for. */
static struct span
unescape (struct span name, char out[CHECKSUM_NAME_MAX])
{
  size_t i, n = 0;

  for (i = 0; i < name.len && n < CHECKSUM_NAME_MAX; i++) {
    char c = name.at[i];

    if (c == '\\' && i + 1 < name.len) {
      c = name.at[++i];
      c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
    }
    out[n++] = c;
  }
  return (struct span){ out, n };
}

static bool
is_wanted (const struct checksum_search *s, const struct entry *e)
{
  char buf[CHECKSUM_NAME_MAX];
  struct span name = e->escaped ? unescape (e->name, buf) : e->name;

  return checksum_search_wants (s, name)
         || (span_begins (name, "*") && checksum_search_wants (s, span_from (name, 1)));
}

struct tally {
  size_t lines;       /* that are no comment */
  struct entry alone; /* a digest without name */
  bool has_alone;
};

static void
take_entry (struct checksum_search *s, struct tally *t, const struct entry *e)
{
  if (e->name.len == 0) {
    t->alone = *e;
    t->has_alone = true;
  } else if (!is_wanted (s, e)) {
    s->others++;
  } else if (e->known) {
    checksum_search_add (s, &e->sum);
  }
}

void
checksum_search_lines (struct checksum_search *s, struct span text)
{
  struct section section = { 0 };
  struct tally t = { 0 };
  struct span line;

  while (span_line (&text, &line)) {
    struct entry e;

    line = span_trim (line);
    if (line.len == 0)
      continue;
    if (line.at[0] == '#') {
      begin_section (&section, line);
      continue;
    }
    t.lines++;
    if (parse_entry (&e, &section, line))
      take_entry (s, &t, &e);
    else
      begin_section (&section, line);
  }
  if (t.has_alone && t.lines == 1 && t.alone.known)
    checksum_search_add (s, &t.alone.sum);
}
