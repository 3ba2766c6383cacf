/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * span: a piece of text that somebody else owns, and its lines.  It may hold any byte, NUL too.
 */
#ifndef QIMPORT_TRUST_SPAN_H
#define QIMPORT_TRUST_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
  const char *at;
  size_t len;
};

static inline bool
span_is (struct span s, const char *text)
{
  return s.len == strlen (text) && memcmp (s.at, text, s.len) == 0;
}

static inline bool
span_begins (struct span s, const char *text)
{
  size_t n = strlen (text);

  return s.len >= n && memcmp (s.at, text, n) == 0;
}

static inline struct span
span_from (struct span s, size_t start)
{
  return (struct span){ s.at + start, s.len - start };
}

static inline bool
is_blank (char c)
{
  return c == ' ' || c == '\t' || c == '\r';
}

/* How many of its first bytes are blank, or are not. */
static inline size_t
span_blanks (struct span s)
{
  size_t n = 0;

  while (n < s.len && is_blank (s.at[n]))
    n++;
  return n;
}

static inline size_t
span_word (struct span s)
{
  size_t n = 0;

  while (n < s.len && !is_blank (s.at[n]))
    n++;
  return n;
}

static inline struct span
span_trim_end (struct span s)
{
  while (s.len > 0 && is_blank (s.at[s.len - 1]))
    s.len--;
  return s;
}

static inline struct span
span_trim (struct span s)
{
  return span_trim_end (span_from (s, span_blanks (s)));
}

/* Takes the next line off REST, without its end; false when there is none. */
static inline bool
span_line (struct span *rest, struct span *line)
{
  const char *end;

  if (rest->len == 0)
    return false;
  end = memchr (rest->at, '\n', rest->len);
  *line = *rest;
  line->len = end == NULL ? rest->len : (size_t)(end - rest->at);
  *rest = span_from (*rest, line->len + (end != NULL));
  return true;
}

/* A UTF-8 byte order mark is no text. */
static inline struct span
span_without_mark (struct span s)
{
  return span_begins (s, "\xEF\xBB\xBF") ? span_from (s, 3) : s;
}

#endif
