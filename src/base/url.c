/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * url: see url.h.  Sends nothing and stores nothing.
 */
#include "base/url.h"

#include <nettle/pbkdf2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/own.h"

enum { SALT_SIZE = 8, MARK_SIZE = 8, ROUNDS = 200000 };

/* ---- Parts ------------------------------------------------------------------------------- */

struct parts {
  const char *user, *query; /* within the URL; NULL: it has none */
  size_t user_len, query_len;
};

static struct parts
parts_of (const char *url)
{
  const char *authority = strstr (url, "://"), *at, *end;
  struct parts p = { NULL, NULL, 0, 0 };

  if (authority == NULL || url[0] == '/' || strncasecmp (url, "file:", 5) == 0)
    return p;
  authority += 3;
  end = authority + strcspn (authority, "/?#");
  at = memrchr (authority, '@', (size_t)(end - authority));
  if (at != NULL) {
    p.user = authority;
    p.user_len = strcspn (authority, ":@");
  }
  end += strcspn (end, "?#");
  if (*end == '?') {
    p.query = end + 1;
    p.query_len = strcspn (p.query, "#");
  }
  return p;
}

bool
url_has_secret (const char *url)
{
  struct parts p = parts_of (url);

  return p.user != NULL || p.query != NULL;
}

/* "http:", "https:/", "http//": its length, or 0. */
static size_t
broken_scheme (const char *url)
{
  size_t len = strncasecmp (url, "https", 5) == 0 ? 5 : 4;

  if (strncasecmp (url, "http", 4) != 0
      || (url[len] != ':' && strncmp (url + len, "//", 2) != 0))
    return 0;
  return len + strspn (url + len, ":/");
}

const char *
url_lost_scheme (const char *url)
{
  size_t host = strcspn (url, "/"), scheme = broken_scheme (url);

  if (url[0] == '\0' || strchr ("/.-", url[0]) != NULL || strstr (url, "://") != NULL)
    return NULL;
  if (scheme > 0)
    return url + scheme;
  if (url[host] != '/'
      || (strcspn (url, ".:") >= host && strncmp (url, "localhost", host) != 0))
    return NULL;
  return url;
}

/* ---- Credentials ------------------------------------------------------------------------- */

/* Names that no publisher gives to what selects an image.  One that is missing here costs a
 * question to the server when the link is renewed; one too many could let another image pass.
 */
static bool
is_credential (const char *name, size_t len)
{
  static const char *const beginnings[] = { "x-amz-", "x-goog-", "x-oss-", "temp_url_" };
  static const char *const names[] = { "awsaccesskeyid",
                                       "googleaccessid",
                                       "ossaccesskeyid",
                                       "signature",
                                       "sig",
                                       "expires",
                                       "policy",
                                       "key-pair-id",
                                       "security-token",
                                       "token",
                                       "access_token",
                                       "auth_token",
                                       "jwt",
                                       "hdnts",
                                       "hdnea",
                                       "apikey",
                                       "api_key",
                                       "api-key",
                                       "password",
                                       "passwd",
                                       "pwd",
                                       "secret" };
  size_t i;

  for (i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (len > strlen (beginnings[i])
        && strncasecmp (name, beginnings[i], strlen (beginnings[i])) == 0)
      return true;
  for (i = 0; i < sizeof names / sizeof *names; i++)
    if (len == strlen (names[i]) && strncasecmp (name, names[i], len) == 0)
      return true;
  return false;
}

/* The short names of a shared access signature mean that only beside one. */
static bool
is_of_sas (const char *name, size_t len)
{
  static const char names[] = " sv st se sr sp sip spr ss srt skoid sktid skt ske sks skv ";
  char word[8];

  if (len > 5)
    return false;
  snprintf (word, sizeof word, " %.*s ", (int)len, name);
  return strstr (names, word) != NULL;
}

static bool
has_sas (const char *query, size_t len)
{
  return memmem (query, len, "sig=", 4) != NULL && memmem (query, len, "sv=", 3) != NULL;
}

/* ---- Marks ------------------------------------------------------------------------------- */

/* What of URL says which image is meant, and is not stored; NULL when memory is out. */
static char *
meaning (const char *url)
{
  struct parts p = parts_of (url);
  bool sas = p.query != NULL && has_sas (p.query, p.query_len);
  char *out = malloc (p.user_len + p.query_len + 4), *o = out;
  size_t at, len;

  if (out == NULL)
    return NULL;
  if (p.user_len > 0) {
    o = mempcpy (o, p.user, p.user_len);
    *o++ = '@';
  }
  for (at = 0; at < p.query_len; at += len + 1) {
    const char *part = p.query + at;
    size_t name;

    len = strcspn (part, "&#");
    name = strcspn (part, "=&#");
    if (len == 0 || is_credential (part, name) || (sas && is_of_sas (part, name)))
      continue;
    *o++ = '&';
    o = mempcpy (o, part, len);
  }
  *o = '\0';
  return out;
}

static void
to_hex (char *out, const uint8_t *bytes, size_t n)
{
  size_t i;

  for (i = 0; i < n; i++)
    snprintf (out + 2 * i, 3, "%02x", bytes[i]);
}

static void
make_mark (char out[URL_MARK_SIZE], const char *means, const char *salt)
{
  uint8_t mark[MARK_SIZE];

  pbkdf2_hmac_sha256 (strlen (means), (const uint8_t *)means, ROUNDS, 2 * SALT_SIZE,
                      (const uint8_t *)salt, sizeof mark, mark);
  memcpy (out, salt, 2 * SALT_SIZE);
  out[2 * SALT_SIZE] = ':';
  to_hex (out + 2 * SALT_SIZE + 1, mark, sizeof mark);
}

char *
url_mark (char out[URL_MARK_SIZE], const char *url)
{
  OWN_MEM char *means = meaning (url);
  uint8_t salt[SALT_SIZE] = { 0 };
  char hex[2 * SALT_SIZE + 1];

  out[0] = '\0';
  if (means != NULL && means[0] == '\0')
    return strcpy (out, "-");
  if (means != NULL && getrandom (salt, sizeof salt, 0) == sizeof salt) {
    to_hex (hex, salt, sizeof salt);
    make_mark (out, means, hex);
  }
  return out;
}

bool
url_mark_fits (const char *mark, const char *url)
{
  OWN_MEM char *means = meaning (url);
  char made[URL_MARK_SIZE];

  if (means == NULL)
    return false;
  if (means[0] == '\0' || strlen (mark) != URL_MARK_SIZE - 1)
    return means[0] == '\0' && strcmp (mark, "-") == 0;
  make_mark (made, means, mark);
  return strcmp (made, mark) == 0;
}
