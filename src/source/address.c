/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * address: where a redirect must not lead (A5).  This machine itself, its link, and the places
 * where clouds keep an instance's credentials are reached from here and from nowhere else: a
 * server somewhere else has no business to send anyone there.  Private networks are another
 * matter; mirrors live in them.
 */
#include "source/engine.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct network {
  uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
  unsigned bits;
};

#define V4(a, b, c, d, n)                                            \
  {                                                                  \
    { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, 96 + n \
  }

static const struct network ours[] = {
  V4 (127, 0, 0, 0, 8),        /* loopback */
  V4 (0, 0, 0, 0, 8),          /* the same, in effect */
  V4 (169, 254, 0, 0, 16),     /* link-local */
  V4 (100, 100, 100, 200, 32), /* a metadata service */
  { { 0 }, 127 },              /* :: and ::1 */
  { { 0xfe, 0x80 }, 10 },      /* link-local */
  { { 0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54 }, 128 }, /* metadata */
  { { 0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x54 }, 128 }, /* metadata */
};

static bool
within (const uint8_t address[16], const struct network *n)
{
  unsigned whole = n->bits / 8, rest = n->bits % 8;

  if (memcmp (address, n->address, whole) != 0)
    return false;
  return rest == 0 || (address[whole] ^ n->address[whole]) >> (8 - rest) == 0;
}

static bool
is_ours (const uint8_t address[16])
{
  size_t i;

  for (i = 0; i < sizeof ours / sizeof *ours; i++) {
    if (within (address, &ours[i]))
      return true;
  }
  return false;
}

static void
map_v4 (uint8_t out[16], const struct in_addr *v4)
{
  memset (out, 0, 10);
  out[10] = out[11] = 0xff;
  memcpy (out + 12, v4, 4);
}

bool
address_is_ours (const struct sockaddr *address)
{
  uint8_t mapped[16];

  if (address->sa_family == AF_INET6)
    return is_ours (((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
  if (address->sa_family != AF_INET)
    return false;
  map_v4 (mapped, &((const struct sockaddr_in *)(const void *)address)->sin_addr);
  return is_ours (mapped);
}

bool
address_text_is_ours (const char *address)
{
  uint8_t mapped[16];
  struct in_addr v4;

  if (inet_pton (AF_INET6, address, mapped) == 1)
    return is_ours (mapped);
  if (inet_pton (AF_INET, address, &v4) != 1)
    return false;
  map_v4 (mapped, &v4);
  return is_ours (mapped);
}

/* A name under "localhost". */
static bool
is_localhost (const char *host)
{
  size_t n = strlen (host), m = strlen ("localhost");

  n -= n > 0 && host[n - 1] == '.';
  return n >= m && strncasecmp (host + n - m, "localhost", m) == 0
         && (n == m || host[n - m - 1] == '.');
}

bool
host_is_ours (const char *host)
{
  char bare[INET6_ADDRSTRLEN];
  uint8_t address[16];
  struct in_addr v4;
  size_t n;

  if (host[0] == '[') { /* a zone may follow */
    n = strcspn (host + 1, "]%");
    if (n >= sizeof bare)
      return false;
    memcpy (bare, host + 1, n);
    bare[n] = '\0';
    return inet_pton (AF_INET6, bare, address) == 1 && is_ours (address);
  }
  /* as the resolver reads it: "127.1" and "0x7f000001" are addresses */
  if (inet_aton (host, &v4) == 0)
    return is_localhost (host);
  map_v4 (address, &v4);
  return is_ours (address);
}
