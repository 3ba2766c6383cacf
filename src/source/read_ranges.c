/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * read_ranges: many small ranges into memory, waiting: metadata.  Near ones become one request.
 */
#include "source/engine.h"

#include <stdlib.h>
#include <string.h>

enum { GAP_MAX = 64 * 1024, MERGED_MAX = 1024 * 1024 };

struct batch {
  const struct source_want **wants; /* by offset */
  size_t n;
  unsigned in_flight;
};

/* Neighbours that are asked for in one request. */
struct group {
  struct batch *batch;
  size_t first, last; /* of batch->wants */
  struct host_range range;
  uint64_t left;
};

static int
by_offset (const void *pa, const void *pb)
{
  const struct source_want *a = *(const struct source_want *const *)pa;
  const struct source_want *b = *(const struct source_want *const *)pb;

  return (a->range.at.v > b->range.at.v) - (a->range.at.v < b->range.at.v);
}

/* Copy to every want that overlaps; wants may overlap one another. */
static int
group_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct group *g = ctx;
  size_t i;

  (void)err;
  for (i = g->first; i <= g->last; i++) {
    const struct source_want *w = g->batch->wants[i];
    uint64_t from = max_u64 (at.v, w->range.at.v);
    uint64_t to = min_u64 (at.v + len, host_end (w->range));

    if (from < to)
      memcpy (w->buf + (from - w->range.at.v), data + (from - at.v), (size_t)(to - from));
  }
  g->left -= len;
  if (g->left == 0)
    g->batch->in_flight--;
  return 0;
}

/* The group that begins with want FIRST. */
static struct group
group_from (struct batch *b, size_t first)
{
  struct group g = { b, first, first, b->wants[first]->range, 0 };

  while (g.last + 1 < b->n) {
    struct host_range next = b->wants[g.last + 1]->range;
    uint64_t end = max_u64 (host_end (g.range), host_end (next));

    if (next.at.v > host_end (g.range) + GAP_MAX || end - g.range.at.v > MERGED_MAX)
      break;
    g.range.len = end - g.range.at.v;
    g.last++;
  }
  g.left = g.range.len;
  return g;
}

static int
read_groups (struct source *s, struct group *groups, size_t n, struct error *err)
{
  struct batch *b = groups[0].batch;
  size_t next = 0;

  while (next < n || b->in_flight > 0) {
    while (next < n && b->in_flight < META_MAX
           && job_new (s, JOB_META, groups[next].range, group_sink, &groups[next]) != NULL) {
      b->in_flight++;
      next++;
    }
    if (engine_turn (s, POLL_MS, err) == -1) {
      source_cancel (s); /* their buffers are about to go */
      return -1;
    }
  }
  return 0;
}

static int
read_http (struct source *s, struct batch *b, struct error *err)
{
  struct group *groups = calloc (b->n, sizeof *groups);
  size_t i = 0, n = 0;
  int r;

  if (groups == NULL)
    return fail_memory (err, "a list of ranges");
  while (i < b->n) {
    groups[n] = group_from (b, i);
    i = groups[n++].last + 1;
  }
  r = read_groups (s, groups, n, err);
  free (groups);
  return r;
}

static int
read_file (struct source *s, const struct batch *b, struct error *err)
{
  size_t i;

  for (i = 0; i < b->n; i++) {
    const struct source_want *w = b->wants[i];

    if (file_read (s, w->range.at.v, w->buf, (size_t)w->range.len, err) == -1)
      return -1;
  }
  return 0;
}

static int
read_stream (struct source *s, const struct batch *b, struct error *err)
{
  size_t i;

  for (i = 0; i < b->n; i++)
    if (recall_read (s, b->wants[i], err) == -1)
      return -1;
  return 0;
}

int
source_read (struct source *s, const struct source_want *wants, size_t n, struct error *err)
{
  struct batch b = { 0 };
  size_t i;
  int r = 0;

  b.wants = calloc (n + 1, sizeof *b.wants);
  if (b.wants == NULL)
    return fail_memory (err, "a list of ranges");
  for (i = 0; i < n && r == 0; i++) {
    if (!host_range_within (wants[i].range, s->id.length)
        || (!s->id.ranges && !source_recalls (s)))
      r = fail (err, ERR_INTERNAL, "%s: bytes outside the image were asked for", s->shown);
    else if (wants[i].range.len > 0)
      b.wants[b.n++] = &wants[i];
  }
  if (r == 0 && b.n > 0) {
    qsort (b.wants, b.n, sizeof *b.wants, by_offset);
    r = !s->id.ranges            ? read_stream (s, &b, err)
        : s->kind == SOURCE_HTTP ? read_http (s, &b, err)
                                 : read_file (s, &b, err);
  }
  free (b.wants);
  return r;
}
