/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * timeline: what an import's time went to, for people.  Decides nothing.
 */
#ifndef QIMPORT_IMPORT_TIMELINE_H
#define QIMPORT_IMPORT_TIMELINE_H

#include <stdint.h>

enum { TIMELINE_SPANS = 24 };

struct timeline {
  int64_t last; /* monotonic; 0: it did not begin yet */
  unsigned n;
  struct {
    const char *word;
    int64_t ms;
  } span[TIMELINE_SPANS]; /* in the order in which they began */
};

void timeline_begin (struct timeline *t);
/* What passed since the last mark was WORD's, which stays as long as T. */
void timeline_mark (struct timeline *t, const char *word);
/* "264 ms: start 35, map 8, ...", for free; NULL: it did not begin, or there is no memory. */
char *timeline_text (const struct timeline *t);

#endif
