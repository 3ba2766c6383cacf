/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_needs: how many bytes the staged map makes somebody fetch.
 */
#include "journal/map_build.h"

struct need {
  uint64_t bytes, to;
};

static int
add_need (void *ctx, const struct extent *e, struct error *err)
{
  struct need *n = ctx;

  (void)err;
  map_count_needed (e, &n->bytes, &n->to);
  return 0;
}

int
journal_map_needs (struct journal_map *m, uint64_t *bytes, struct error *err)
{
  struct need n = { 0 };

  if (map_flush (m, err) == -1)
    return -1;
  *bytes = m->needed;
  if (m->held.in_host_order)
    return 0;
  if (map_scan (m, add_need, &n, err) == -1)
    return -1;
  *bytes = n.bytes;
  return 0;
}
