/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * json: see json.h.
 */
#include "cli/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32 };

void
json_begin (struct json *j, const char *document)
{
  j->p = document;
  j->key[0] = j->text[0] = '\0';
}

static void
put_utf8 (char **o, uint32_t c)
{
  unsigned char *p = (unsigned char *)*o;

  if (c < 0x80) {
    *p++ = (unsigned char)c;
  } else if (c < 0x800) {
    *p++ = (unsigned char)(0xc0 | c >> 6);
    *p++ = (unsigned char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *p++ = (unsigned char)(0xe0 | c >> 12);
    *p++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    *p++ = (unsigned char)(0x80 | (c & 0x3f));
  } else {
    *p++ = (unsigned char)(0xf0 | c >> 18);
    *p++ = (unsigned char)(0x80 | (c >> 12 & 0x3f));
    *p++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    *p++ = (unsigned char)(0x80 | (c & 0x3f));
  }
  *o = (char *)p;
}

/* Four hexadecimal digits at P, or 0xfffd. */
static uint32_t
hex4 (const char **p)
{
  char digits[5] = { 0 };
  char *end;
  uint32_t c;

  memcpy (digits, *p, strnlen (*p, 4));
  c = (uint32_t)strtoul (digits, &end, 16);
  *p += end - digits;
  return end - digits == 4 ? c : 0xfffd;
}

/* Behind "\u". */
static uint32_t
code_point (const char **p)
{
  uint32_t c = hex4 (p), low;

  if (c >= 0xd800 && c < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u') {
    *p += 2;
    low = hex4 (p);
    return low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00)
                                         : 0xfffd;
  }
  return c == 0 || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c;
}

static void
put_escaped (char **o, const char **p)
{
  static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
  char c = *(*p)++;
  const char *known = strchr (from, c);

  if (c == 'u')
    put_utf8 (o, code_point (p));
  else
    *(*o)++ = known == NULL ? c : to[known - from];
}

/* *P stands behind the opening quote. */
static void
read_string (const char **p, char *out, size_t size)
{
  char one[8], *o;
  size_t n = 0;

  while (**p != '\0' && **p != '"') {
    o = one;
    if (**p == '\\' && (*p)[1] != '\0') {
      ++*p;
      put_escaped (&o, p);
    } else {
      *o++ = *(*p)++;
    }
    if (n + (size_t)(o - one) < size) {
      memcpy (out + n, one, (size_t)(o - one));
      n += (size_t)(o - one);
    }
  }
  out[n] = '\0';
  if (**p == '"')
    ++*p;
}

static void
read_word (struct json *j)
{
  size_t n = strcspn (j->p, ",:]} \t\r\n\"");
  size_t kept = n < sizeof j->text ? n : sizeof j->text - 1;

  memcpy (j->text, j->p, kept);
  j->text[kept] = '\0';
  j->p += n;
}

enum json_kind
json_next (struct json *j)
{
  j->key[0] = '\0';
  for (;;) {
    j->p += strspn (j->p, " \t\r\n,:");
    switch (*j->p) {
    case '\0':
      return JSON_END;
    case '{':
      return j->p++, JSON_OBJECT;
    case '}':
      return j->p++, JSON_OBJECT_END;
    case '[':
      return j->p++, JSON_ARRAY;
    case ']':
      return j->p++, JSON_ARRAY_END;
    case '"':
      j->p++;
      read_string (&j->p, j->text, sizeof j->text);
      j->p += strspn (j->p, " \t\r\n");
      if (*j->p != ':')
        return JSON_STRING;
      snprintf (j->key, sizeof j->key, "%.*s", (int)sizeof j->key - 1, j->text);
      break;
    default:
      read_word (j);
      return JSON_WORD;
    }
  }
}

/* Where we are: "image." within the object of that key. */
struct place {
  char path[512];
  size_t len[DEPTH_MAX]; /* of path, outside of each level */
  size_t depth;
};

static bool
go_down (struct place *at, const char *key)
{
  size_t n = strlen (at->path);

  if (at->depth == DEPTH_MAX || n + strlen (key) + 2 > sizeof at->path)
    return false;
  at->len[at->depth++] = n;
  if (key[0] != '\0')
    snprintf (at->path + n, sizeof at->path - n, "%s.", key);
  return true;
}

static void
go_up (struct place *at)
{
  if (at->depth > 0)
    at->path[at->len[--at->depth]] = '\0';
}

static bool
is_at (const struct place *at, const char *key, const char *path)
{
  size_t n = strlen (at->path);

  return key[0] != '\0' && strncmp (path, at->path, n) == 0 && strcmp (path + n, key) == 0;
}

bool
json_find (const char *document, const char *path, char *out, size_t size)
{
  struct place at = { .depth = 0 };
  enum json_kind kind;
  struct json j;

  json_begin (&j, document);
  while ((kind = json_next (&j)) != JSON_END) {
    if (kind == JSON_OBJECT || kind == JSON_ARRAY) {
      if (!go_down (&at, j.key))
        return false;
    } else if (kind == JSON_OBJECT_END || kind == JSON_ARRAY_END) {
      go_up (&at);
    } else if (is_at (&at, j.key, path)) {
      if (kind == JSON_WORD && strcmp (j.text, "null") == 0)
        return false;
      snprintf (out, size, "%.*s", (int)size - 1, j.text);
      return true;
    }
  }
  return false;
}
