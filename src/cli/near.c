/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * near: see near.h.  The distance counts letters inserted, dropped, changed, or swapped with
 * their neighbour.
 */
#include "cli/near.h"

#include <string.h>

enum { WORD_MAX = 32 };

static unsigned
least (unsigned a, unsigned b)
{
  return a < b ? a : b;
}

static unsigned
distance (const char *a, size_t na, const char *b, size_t nb)
{
  unsigned d[WORD_MAX + 1][WORD_MAX + 1];
  size_t i, k;

  for (i = 0; i <= na; i++)
    d[i][0] = (unsigned)i;
  for (k = 0; k <= nb; k++)
    d[0][k] = (unsigned)k;
  for (i = 1; i <= na; i++)
    for (k = 1; k <= nb; k++) {
      d[i][k] = least (least (d[i - 1][k], d[i][k - 1]) + 1,
                       d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
      if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
        d[i][k] = least (d[i][k], d[i - 2][k - 2] + 1);
    }
  return d[na][nb];
}

void
near_begin (struct near *n, const char *typed)
{
  size_t len = strlen (typed);

  n->typed = typed;
  n->best = NULL;
  n->distance = (unsigned)(len < 4 ? 1 : len < 8 ? 2 : 3) + 1;
}

void
near_try (struct near *n, const char *word)
{
  size_t na = strlen (n->typed), nb = strlen (word);
  unsigned d;

  if (na == 0 || na > WORD_MAX || nb > WORD_MAX)
    return;
  d = distance (n->typed, na, word, nb);
  if (na >= 3 && na < nb && strncmp (n->typed, word, na) == 0)
    d = 0; /* cut short */
  if (d >= n->distance)
    return;
  n->distance = d;
  n->best = word;
}
