/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * json_reader: see json_reader.h.
 */
#include "trust/json_reader.h"

#include <stdint.h>

/* What may come next. */
enum {
  VALUE = 'v',
  VALUE_OR_END = 'V', /* after [ */
  KEY_OR_END = 'K',   /* after { */
  MORE = 'm',         /* after a value: a comma or an end */
  NOTHING = 'n'
};

void
json_begin (struct json_reader *r, struct span document)
{
  r->rest = document;
  r->depth = 0;
  r->expects = VALUE;
  r->text[0] = '\0';
}

static void
skip_space (struct json_reader *r)
{
  while (r->rest.len > 0 && (is_blank (r->rest.at[0]) || r->rest.at[0] == '\n'))
    r->rest = span_from (r->rest, 1);
}

static void
after_value (struct json_reader *r)
{
  r->expects = r->depth > 0 ? MORE : NOTHING;
}

static enum json_token
open_nest (struct json_reader *r, bool object)
{
  if (r->depth == JSON_DEPTH)
    return JSON_BAD;
  r->in_object[r->depth++] = object;
  r->rest = span_from (r->rest, 1);
  r->expects = object ? KEY_OR_END : VALUE_OR_END;
  return object ? JSON_OBJECT : JSON_ARRAY;
}

static enum json_token
close_nest (struct json_reader *r, bool object)
{
  if (r->depth == 0 || r->in_object[r->depth - 1] != object)
    return JSON_BAD;
  r->depth--;
  r->rest = span_from (r->rest, 1);
  after_value (r);
  return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

/* ---- Strings ----------------------------------------------------------------------------- */

/* The text as it grows; what does not fit is not kept at all. */
struct writer {
  char *out;
  size_t n;
  bool whole;
};

static void
put (struct writer *w, char c)
{
  if (w->n == JSON_TEXT - 1 || c == '\0') /* a NUL is in no file's name */
    w->whole = false;
  else
    w->out[w->n++] = c;
}

static void
put_utf8 (struct writer *w, uint32_t c)
{
  if (c < 0x80) {
    put (w, (char)c);
  } else if (c < 0x800) {
    put (w, (char)(0xC0 | c >> 6));
    put (w, (char)(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    put (w, (char)(0xE0 | c >> 12));
    put (w, (char)(0x80 | (c >> 6 & 0x3F)));
    put (w, (char)(0x80 | (c & 0x3F)));
  } else {
    put (w, (char)(0xF0 | c >> 18));
    put (w, (char)(0x80 | (c >> 12 & 0x3F)));
    put (w, (char)(0x80 | (c >> 6 & 0x3F)));
    put (w, (char)(0x80 | (c & 0x3F)));
  }
}

/* Four hexadecimal digits at AT. */
static bool
hex4 (struct span s, size_t at, uint32_t *out)
{
  static const char digits[] = "0123456789abcdefABCDEF";
  size_t i;

  if (s.len < at + 4)
    return false;
  *out = 0;
  for (i = at; i < at + 4; i++) {
    const char *d = s.at[i] == '\0' ? NULL : strchr (digits, s.at[i]);

    if (d == NULL)
      return false;
    *out = *out << 4 | (uint32_t)(d - digits < 16 ? d - digits : d - digits - 6);
  }
  return true;
}

/* \uXXXX, and the second half of a pair.  Returns how many bytes of S it takes; 0: it is none.
 */
static size_t
unicode (struct span s, struct writer *w)
{
  uint32_t high, low;

  if (!hex4 (s, 2, &high))
    return 0;
  if (high < 0xD800 || high > 0xDFFF) {
    put_utf8 (w, high);
    return 6;
  }
  if (high > 0xDBFF || s.len < 12 || s.at[6] != '\\' || s.at[7] != 'u' || !hex4 (s, 8, &low)
      || low < 0xDC00 || low > 0xDFFF)
    return 0;
  put_utf8 (w, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
  return 12;
}

/* S begins with a backslash. */
static size_t
escape (struct span s, struct writer *w)
{
  static const char names[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
  const char *name;

  if (s.len < 2 || s.at[1] == '\0')
    return 0;
  if (s.at[1] == 'u')
    return unicode (s, w);
  name = strchr (names, s.at[1]);
  if (name == NULL)
    return 0;
  put (w, means[name - names]);
  return 2;
}

static bool
read_string (struct json_reader *r)
{
  struct writer w = { r->text, 0, true };
  size_t n;

  r->rest = span_from (r->rest, 1);
  for (; r->rest.len > 0 && r->rest.at[0] != '"'; r->rest = span_from (r->rest, n)) {
    unsigned char c = (unsigned char)r->rest.at[0];

    n = 1;
    if (c < 0x20)
      return false;
    if (c == '\\')
      n = escape (r->rest, &w);
    else
      put (&w, (char)c);
    if (n == 0)
      return false;
  }
  if (r->rest.len == 0)
    return false;
  r->rest = span_from (r->rest, 1);
  r->text[w.whole ? w.n : 0] = '\0';
  return true;
}

/* ---- Tokens ------------------------------------------------------------------------------ */

static size_t
digits (struct span s, size_t at)
{
  size_t n = 0;

  while (at + n < s.len && s.at[at + n] >= '0' && s.at[at + n] <= '9')
    n++;
  return n;
}

/* How long the number is that S begins with; 0: it is none. */
static size_t
number (struct span s)
{
  size_t n = span_begins (s, "-"), d = digits (s, n);

  if (d == 0 || (d > 1 && s.at[n] == '0'))
    return 0;
  n += d;
  if (n < s.len && s.at[n] == '.') {
    d = digits (s, n + 1);
    if (d == 0)
      return 0;
    n += 1 + d;
  }
  if (n < s.len && (s.at[n] == 'e' || s.at[n] == 'E')) {
    n++;
    n += n < s.len && (s.at[n] == '+' || s.at[n] == '-');
    d = digits (s, n);
    if (d == 0)
      return 0;
    n += d;
  }
  return n;
}

static enum json_token
other (struct json_reader *r)
{
  static const char *const words[] = { "true", "false", "null" };
  size_t i, n = number (r->rest);

  for (i = 0; n == 0 && i < sizeof words / sizeof *words; i++)
    if (span_begins (r->rest, words[i]))
      n = strlen (words[i]);
  if (n == 0)
    return JSON_BAD;
  r->rest = span_from (r->rest, n);
  after_value (r);
  return JSON_OTHER;
}

static enum json_token
value (struct json_reader *r)
{
  switch (r->rest.at[0]) {
  case '{':
    return open_nest (r, true);
  case '[':
    return open_nest (r, false);
  case '"':
    if (!read_string (r))
      return JSON_BAD;
    after_value (r);
    return JSON_STRING;
  default:
    return other (r);
  }
}

static enum json_token
key (struct json_reader *r)
{
  if (r->rest.at[0] != '"' || !read_string (r))
    return JSON_BAD;
  skip_space (r);
  if (!span_begins (r->rest, ":"))
    return JSON_BAD;
  r->rest = span_from (r->rest, 1);
  r->expects = VALUE;
  return JSON_KEY;
}

/* A comma is passed over; the token is what follows it. */
static enum json_token
more (struct json_reader *r)
{
  bool object = r->in_object[r->depth - 1];

  if (r->rest.at[0] == (object ? '}' : ']'))
    return close_nest (r, object);
  if (r->rest.at[0] != ',')
    return JSON_BAD;
  r->rest = span_from (r->rest, 1);
  skip_space (r);
  if (r->rest.len == 0)
    return JSON_BAD;
  return object ? key (r) : value (r);
}

enum json_token
json_next (struct json_reader *r)
{
  skip_space (r);
  if (r->rest.len == 0)
    return r->expects == NOTHING ? JSON_END : JSON_BAD;
  switch (r->expects) {
  case VALUE_OR_END:
    return r->rest.at[0] == ']' ? close_nest (r, false) : value (r);
  case VALUE:
    return value (r);
  case KEY_OR_END:
    return r->rest.at[0] == '}' ? close_nest (r, true) : key (r);
  case MORE:
    return more (r);
  default:
    return JSON_BAD;
  }
}
