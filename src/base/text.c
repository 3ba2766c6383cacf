/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * text: see text.h.
 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Length of the valid UTF-8 sequence at P (RFC 3629), 0 if there is none. */
static size_t
utf8_sequence (const unsigned char *p, size_t n, uint32_t *cp)
{
  size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  size_t i;

  if (len == 1) {
    *cp = p[0];
    return 1;
  }
  if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
    return 0;
  *cp = p[0] & (0xffu >> (len + 1));
  for (i = 1; i < len; i++) {
    if ((p[i] & 0xc0) != 0x80)
      return 0;
    *cp = *cp << 6 | (p[i] & 0x3f);
  }
  if (*cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
    return 0;
  return len;
}

/* C0, DEL, C1; line and paragraph separators; what reorders or hides text. */
static bool
must_escape (uint32_t cp)
{
  return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == '\\' || cp == 0x61c
         || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e)
         || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb);
}

char *
escape_text (char *out, size_t out_size, const void *in, size_t len)
{
  const unsigned char *p = in;
  size_t i = 0, o = 0;

  while (i < len) {
    uint32_t cp = 0;
    size_t n = utf8_sequence (p + i, len - i, &cp);
    bool plain = n > 0 && !must_escape (cp);
    size_t need = plain ? n : 4;

    if (o + need + 4 > out_size && !(i + (plain ? n : 1) == len && o + need < out_size)) {
      memcpy (out + o, "...", 3);
      o += 3;
      break;
    }
    if (plain) {
      memcpy (out + o, p + i, n);
      o += n;
      i += n;
    } else {
      snprintf (out + o, 5, "\\x%02x", p[i]);
      o += 4;
      i++;
    }
  }
  out[o] = '\0';
  return out;
}

char *
unescape_text (char *text)
{
  char *in = text, *out = text;
  unsigned byte;

  while (*in != '\0') {
    if (in[0] == '\\' && in[1] == 'x' && isxdigit ((unsigned char)in[2])
        && isxdigit ((unsigned char)in[3]) && sscanf (in + 2, "%2x", &byte) == 1 && byte != 0) {
      *out++ = (char)byte;
      in += 4;
    } else {
      *out++ = *in++;
    }
  }
  *out = '\0';
  return text;
}

bool
text_is_printable (const char *text)
{
  const unsigned char *p = (const unsigned char *)text;
  size_t left = strlen (text), n;
  uint32_t cp = 0;

  for (; left > 0; p += n, left -= n) {
    n = utf8_sequence (p, left, &cp);
    if (n == 0 || (must_escape (cp) && cp != '\\'))
      return false;
  }
  return true;
}

static const char scheme_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789+-.";

char *
redact_url (char *out, size_t out_size, const char *url)
{
  const char *authority = url + strspn (url, scheme_characters);
  size_t scheme_len, host_len, path_len;
  const char *at;
  char *plain;

  if (strncmp (authority, "://", 3) != 0 || strncasecmp (url, "file:", 5) == 0)
    return escape_text (out, out_size, url, strlen (url));
  authority += 3;
  scheme_len = (size_t)(authority - url);
  host_len = strcspn (authority, "/?#");
  at = memrchr (authority, '@', host_len);
  if (at != NULL) {
    host_len -= (size_t)(at + 1 - authority);
    authority = at + 1;
  }
  path_len = strcspn (authority + host_len, "?#");
  plain = malloc (scheme_len + host_len + path_len + 1);
  if (plain == NULL)
    return escape_text (out, out_size, "(url)", 5);
  memcpy (plain, url, scheme_len);
  memcpy (plain + scheme_len, authority, host_len + path_len);
  escape_text (out, out_size, plain, scheme_len + host_len + path_len);
  free (plain);
  return out;
}

static int
suffix_shift (const char *suffix)
{
  static const char letters[] = "KMGT";
  const char *letter;

  if (suffix[0] == '\0' || strcasecmp (suffix, "B") == 0)
    return 0;
  letter = strchr (letters, toupper ((unsigned char)suffix[0]));
  if (letter == NULL)
    return -1;
  if (suffix[1] != '\0' && strcasecmp (suffix + 1, "B") != 0
      && strcasecmp (suffix + 1, "iB") != 0)
    return -1;
  return 10 * (int)(letter - letters + 1);
}

int
parse_size (const char *text, uint64_t *bytes, const char *what, struct error *err)
{
  char *end = NULL;
  double value;
  int shift;

  if (!isdigit ((unsigned char)text[0]) || strpbrk (text, "xXpP") != NULL)
    return fail (err, ERR_USAGE, "%s: not a size; give a number with K, M, G or T", what);
  value = strtod (text, &end);
  shift = suffix_shift (end);
  if (end[0] != '\0' && (end[1] == 'b' || strcmp (end, "b") == 0))
    return fail (err, ERR_USAGE, "%s: b would be bits; give bytes, as %.*s%.1s", what,
                 (int)(end - text), text, end[0] == 'b' ? "" : end);
  if (shift == -1)
    return fail (err, ERR_USAGE, "%s: unknown suffix; give a number with K, M, G or T", what);
  if (strcspn (text, ".eE") == (size_t)(end - text)) {
    unsigned long long whole;

    errno = 0;
    whole = strtoull (text, NULL, 10);
    if (errno == ERANGE || whole > (UINT64_MAX >> shift))
      return fail (err, ERR_USAGE, "%s: too large", what);
    *bytes = (uint64_t)whole << shift;
    return 0;
  }
  value = ldexp (value, shift);
  if (!(value >= 0 && value < 9.2e18))
    return fail (err, ERR_USAGE, "%s: too large", what);
  *bytes = (uint64_t)value;
  return 0;
}

static uint64_t
unit_ms (const char *suffix)
{
  static const struct {
    const char *suffix;
    uint64_t ms;
  } units[]
      = { { "", 1000 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
  size_t i;

  for (i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp (suffix, units[i].suffix) == 0)
      return units[i].ms;
  return 0;
}

int
parse_duration (const char *text, uint64_t *ms, const char *what, struct error *err)
{
  size_t digits = strspn (text, "0123456789.");
  uint64_t unit = unit_ms (text + digits);
  double value;
  char *end;

  if (strcmp (text + digits, "M") == 0)
    return fail (err, ERR_USAGE, "%s: M is of sizes; for minutes write %.*sm", what,
                 (int)digits, text);
  value = strtod (text, &end);
  if (!isdigit ((unsigned char)text[0]) || end != text + digits || unit == 0)
    return fail (err, ERR_USAGE,
                 "%s: give seconds, or a number with s, m, h or d (seconds to days)", what);
  value *= (double)unit;
  if (!(value < 9.2e18))
    return fail (err, ERR_USAGE, "%s: too long", what);
  *ms = (uint64_t)(value + 0.5);
  return 0;
}

char *
format_size (char out[24], uint64_t bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  double value = (double)bytes;
  size_t u = 0;

  while (value >= 1024 && u < 6) {
    value /= 1024;
    u++;
  }
  if (u == 0)
    snprintf (out, 24, "%" PRIu64 " B", bytes);
  else
    snprintf (out, 24, value < 10 ? "%.2f %s" : "%.1f %s", value, units[u]);
  return out;
}

char *
format_time (char out[32], int64_t unix_ms)
{
  time_t seconds = (time_t)(unix_ms / 1000);
  struct tm tm;
  size_t n;

  if (gmtime_r (&seconds, &tm) == NULL || tm.tm_year + 1900 > 9999 || unix_ms < 0) {
    snprintf (out, 32, "?");
    return out;
  }
  n = strftime (out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf (out + n, 32 - n, ".%03dZ", (int)(unix_ms % 1000));
  return out;
}
