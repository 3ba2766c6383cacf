/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * proxy: whom a request goes to: the proxy that was asked for, one that the environment names,
 * or nobody in between; and what the options say of a name's address.  Decided here and told to
 * libcurl, so that what bars a redirect (A5) never takes for a proxy's what goes out from here.
 */
#include "source/engine.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "base/text.h"

static const char *
environment (const char *lower, const char *upper)
{
  const char *value = getenv (lower);

  if ((value == NULL || value[0] == '\0') && upper != NULL)
    value = getenv (upper);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* ADDRESS, of FAMILY, is within the network TEXT/BITS. */
static bool
in_network (int family, const uint8_t *address, const char *text, const char *bits)
{
  size_t all = family == AF_INET ? 32 : 128, n = all, whole;
  uint8_t network[16];
  char *end;

  if (inet_pton (family, text, network) != 1)
    return false;
  if (bits != NULL) {
    n = strtoul (bits, &end, 10);
    if (end == bits || *end != '\0' || n > all)
      return false;
  }
  whole = n / 8;
  if (memcmp (address, network, whole) != 0)
    return false;
  return n % 8 == 0 || (address[whole] ^ network[whole]) >> (8 - n % 8) == 0;
}

/* HOST, an address, is the one that WORD says, or within its network. */
static bool
address_matches (const char *host, char *word)
{
  char *bits = strchr (word, '/'), *text = word;
  int family = strchr (host, ':') != NULL ? AF_INET6 : AF_INET;
  uint8_t address[16];

  if (inet_pton (family, host, address) != 1)
    return false;
  if (bits != NULL)
    *bits++ = '\0';
  if (text[0] == '[' && text[strlen (text) - 1] == ']') {
    text[strlen (text) - 1] = '\0';
    text++;
  }
  return in_network (family, address, text, bits);
}

/* HOST is WORD, or a name under it. */
static bool
name_matches (const char *host, const char *word)
{
  size_t n = strlen (host), m;

  word += word[0] == '.';
  m = strlen (word);
  n -= n > 0 && host[n - 1] == '.';
  m -= m > 0 && word[m - 1] == '.';
  if (m == 0 || n < m || strncasecmp (host + n - m, word, m) != 0)
    return false;
  return n == m || host[n - m - 1] == '.';
}

/* HOST without brackets. */
static bool
goes_directly (const char *host, const char *list)
{
  OWN_MEM char *copy = strdup (list);
  char *rest = copy, *word;

  if (strcmp (list, "*") == 0)
    return true;
  while ((word = strsep (&rest, ", \t")) != NULL) {
    if (word[0] != '\0' && (name_matches (host, word) || address_matches (host, word)))
      return true;
  }
  return false;
}

/* ORIGIN: scheme://host:port. */
static char *
host_of (const char *origin)
{
  const char *host = strstr (origin, "://") + 3, *end = strrchr (host, ':');

  if (host[0] == '[' && end[-1] == ']')
    return strndup (host + 1, (size_t)(end - host - 2));
  return strndup (host, (size_t)(end - host));
}

const char *
proxy_for (const struct source_options *o, const char *origin)
{
  const char *list = environment ("no_proxy", "NO_PROXY"), *proxy = o->proxy;
  bool tls = strncasecmp (origin, "https:", 6) == 0;
  OWN_MEM char *host = host_of (origin);

  if (proxy == NULL) /* HTTP_PROXY is anybody's in a CGI */
    proxy = tls ? environment ("https_proxy", "HTTPS_PROXY") : environment ("http_proxy", NULL);
  if (proxy == NULL)
    proxy = environment ("all_proxy", "ALL_PROXY");
  if (proxy == NULL || host == NULL || (list != NULL && goes_directly (host, list)))
    return "";
  return proxy;
}

/* One or more, with commas between them; IPv6 in brackets or not. */
static bool
are_addresses (const char *text)
{
  char one[64];
  uint8_t to[16];
  size_t n;

  for (;; text += n + 1) {
    n = strcspn (text, ",");
    if (n == 0 || n >= sizeof one)
      return false;
    if (text[0] == '[' && text[n - 1] == ']')
      snprintf (one, sizeof one, "%.*s", (int)n - 2, text + 1);
    else
      snprintf (one, sizeof one, "%.*s", (int)n, text);
    if (inet_pton (AF_INET, one, to) != 1 && inet_pton (AF_INET6, one, to) != 1)
      return false;
    if (text[n] == '\0')
      return true;
  }
}

/* HOST:PORT:ADDRESS; libcurl forgives what it does not understand. */
static bool
is_resolve (const char *text)
{
  const char *host_end = text[0] == '[' ? strchr (text, ']') : text - 1, *port;
  char *end;
  unsigned long n;

  if (host_end == NULL || (port = strchr (host_end + 1, ':')) == NULL || port == text
      || port[1] < '0' || port[1] > '9')
    return false;
  n = strtoul (port + 1, &end, 10);
  return n > 0 && n < 65536 && *end == ':' && are_addresses (end + 1);
}

int
resolve_open (struct source *s, const char *const *list, struct error *err)
{
  char shown[128];
  size_t i;

  for (i = 0; list != NULL && list[i] != NULL; i++) {
    struct curl_slist *grown;

    if (!is_resolve (list[i]))
      return fail (err, ERR_USAGE, "--resolve %s: give HOST:PORT:ADDRESS, with an IP address",
                   escape_text (shown, sizeof shown, list[i], strlen (list[i])));
    grown = curl_slist_append (s->net.resolve, list[i]);
    if (grown == NULL)
      return fail_memory (err, "addresses");
    s->net.resolve = grown;
  }
  return 0;
}
