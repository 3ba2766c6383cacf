/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_search: see checksum_search.h.
 */
#include "trust/checksum_search.h"

#include <strings.h>

#include "trust/checksum_name.h"

bool
checksum_search_wants (const struct checksum_search *s, struct span name)
{
  return checksum_name_is (name, s->name);
}

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
