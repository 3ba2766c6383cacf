/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * timeline: see timeline.h.
 */
#include "import/timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void
timeline_begin (struct timeline *t)
{
  memset (t, 0, sizeof *t);
  t->last = monotonic_ms ();
}

void
timeline_mark (struct timeline *t, const char *word)
{
  int64_t now = monotonic_ms ();
  unsigned i;

  for (i = 0; i < t->n && strcmp (t->span[i].word, word) != 0; i++)
    ;
  if (i == TIMELINE_SPANS)
    i--; /* more kinds of work than are told apart */
  if (i == t->n) {
    t->span[i].word = word;
    t->n++;
  }
  t->span[i].ms += now - t->last;
  t->last = now;
}

char *
timeline_text (const struct timeline *t)
{
  int64_t sum = 0;
  char *text = NULL;
  size_t len;
  FILE *out;
  unsigned i;

  if (t->last == 0 || (out = open_memstream (&text, &len)) == NULL)
    return NULL;
  for (i = 0; i < t->n; i++)
    sum += t->span[i].ms;
  fprintf (out, "%" PRId64 " ms", sum);
  for (i = 0; i < t->n; i++)
    fprintf (out, "%s %s %" PRId64, i == 0 ? ":" : ",", t->span[i].word, t->span[i].ms);
  if (fclose (out) == EOF) {
    free (text);
    return NULL;
  }
  return text;
}
