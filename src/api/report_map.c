/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report_map: the disk as a picture (report_page.h): a cell is a piece of the guest, coloured
 * by what most of it is; one that is not wholly committed is pale.
 */
#include "api/report_page.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/text.h"

enum { COLUMNS = 64, ROWS = 32, KINDS = 4, CELL_LEAST = 64 << 10 };

struct cell {
  uint64_t bytes[KINDS];
  uint64_t open; /* not committed */
};

struct grid {
  uint64_t cell_bytes, size;
  unsigned n;
  struct cell cell[COLUMNS * ROWS];
};

static const struct {
  const char *class, *words;
} kinds[KINDS] = {
  [EXTENT_DATA] = { "d", "data" },
  [EXTENT_COMPRESSED] = { "c", "compressed in the image" },
  [EXTENT_ZERO] = { "z", "zeros" },
  [EXTENT_HOLE] = { "h", "nothing in the image" },
};

static int
add_state (void *ctx, enum extent_kind kind, struct guest_range r, bool committed,
           struct error *err)
{
  struct grid *g = ctx;
  uint64_t at = r.at.v, len = r.len;

  (void)err;
  while (len > 0 && at < g->size) {
    struct cell *c = &g->cell[at / g->cell_bytes];
    uint64_t n = min_u64 (len, g->cell_bytes - at % g->cell_bytes);

    c->bytes[kind] += n;
    c->open += committed ? 0 : n;
    at += n;
    len -= n;
  }
  return 0;
}

/* Its colour: bytes of the disk count before zeros, however few they are. */
static enum extent_kind
kind_of (const struct cell *c)
{
  if (c->bytes[EXTENT_DATA] + c->bytes[EXTENT_COMPRESSED] > 0)
    return c->bytes[EXTENT_DATA] >= c->bytes[EXTENT_COMPRESSED] ? EXTENT_DATA
                                                                : EXTENT_COMPRESSED;
  return c->bytes[EXTENT_ZERO] >= c->bytes[EXTENT_HOLE] && c->bytes[EXTENT_ZERO] > 0
             ? EXTENT_ZERO
             : EXTENT_HOLE;
}

static bool
same (const struct cell *a, const struct cell *b)
{
  return kind_of (a) == kind_of (b) && (a->open > 0) == (b->open > 0);
}

/* Neighbours of a row that look the same are one rectangle. */
static void
print_cells (FILE *out, const struct grid *g)
{
  unsigned i, end, row_end;

  for (i = 0; i < g->n; i = end) {
    row_end = (i / COLUMNS + 1) * COLUMNS;
    for (end = i + 1; end < g->n && end < row_end && same (&g->cell[i], &g->cell[end]); end++)
      ;
    fprintf (out, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"1\" class=\"%s%s\"/>\n",
             i % COLUMNS, i / COLUMNS, end - i, kinds[kind_of (&g->cell[i])].class,
             g->cell[i].open > 0 ? " o" : "");
  }
}

static void
print_legend (FILE *out, const struct grid *g)
{
  uint64_t sum[KINDS] = { 0 }, open = 0;
  char size[24];
  unsigned i, k;

  for (i = 0; i < g->n; i++) {
    open += g->cell[i].open;
    for (k = 0; k < KINDS; k++)
      sum[k] += g->cell[i].bytes[k];
  }
  fputs ("<p class=\"legend\">", out);
  for (k = 0; k < KINDS; k++)
    if (sum[k] > 0)
      fprintf (out,
               "<span><svg class=\"key\" viewBox=\"0 0 1 1\"><rect width=\"1\" height=\"1\""
               " class=\"%s\"/></svg> %s, %s</span>\n",
               kinds[k].class, kinds[k].words, format_size (size, sum[k]));
  if (open > 0)
    fprintf (out,
             "<span><svg class=\"key\" viewBox=\"0 0 1 1\"><rect width=\"1\" height=\"1\" "
             "class=\"d o\"/></svg> pale: not committed yet, %s</span>\n",
             format_size (size, open));
  fprintf (out, "<span>a cell is %s</span></p>\n", format_size (size, g->cell_bytes));
}

int
report_map (FILE *out, struct journal *j, const struct journal_import *imp, struct error *err)
{
  OWN_MEM struct grid *g = calloc (1, sizeof *g);
  unsigned rows;

  if (g == NULL)
    return fail_memory (err, "a report");
  if (imp->virtual_size == 0)
    return 0;
  g->size = imp->virtual_size;
  g->cell_bytes = align_up (imp->virtual_size / (COLUMNS * ROWS) + 1, CELL_LEAST);
  g->n = (unsigned)((imp->virtual_size - 1) / g->cell_bytes) + 1;
  if (journal_states (j, imp, add_state, g, err) == -1)
    return -1;
  rows = (g->n - 1) / COLUMNS + 1;
  fprintf (out,
           "<section><h2>The disk</h2>\n<svg class=\"map\" viewBox=\"0 0 %d %u\" role=\"img\" "
           "aria-label=\"what lies where on the disk\" shape-rendering=\"crispEdges\">\n",
           COLUMNS, rows);
  print_cells (out, g);
  fputs ("</svg>\n", out);
  print_legend (out, g);
  fputs ("</section>\n", out);
  return 0;
}
