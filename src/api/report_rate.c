/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * report_rate: throughput over time as a picture (report_page.h), from the journal's samples.
 */
#include "api/report_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* A pause is longer than this many usual steps, and is drawn as PAUSE of them. */
enum {
  SAMPLES_MAX = 1024,
  STOPS_MAX = 256,
  WIDTH = 640,
  HEIGHT = 120,
  LONG_STEPS = 10,
  PAUSE = 3
};

struct rates {
  struct journal_sample s[SAMPLES_MAX];
  size_t n;
  double x[SAMPLES_MAX];   /* of each, in seconds that are drawn */
  bool pause[SAMPLES_MAX]; /* before it */
  double top;              /* bytes a second */
  int64_t begun;           /* ms */
  double
      stop[STOPS_MAX]; /* when it was interrupted, in seconds since it began; the first ones */
  size_t stops;
};

static int
add_sample (void *ctx, const struct journal_sample *s, struct error *err)
{
  struct rates *r = ctx;

  (void)err;
  if (r->n < SAMPLES_MAX)
    r->s[r->n++] = *s;
  return 0;
}

static int
add_stop (void *ctx, const struct journal_event_row *e, struct error *err)
{
  struct rates *r = ctx;

  (void)err;
  if (strcmp (e->kind, "interrupted") == 0 && r->stops < STOPS_MAX)
    r->stop[r->stops++] = (double)(e->at - r->begun) / 1000;
  return 0;
}

static int
by_number (const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

  return x < y ? -1 : x > y;
}

static uint64_t
usual_step (const struct rates *r)
{
  uint64_t step[SAMPLES_MAX];
  size_t i;

  for (i = 1; i < r->n; i++)
    step[i - 1] = r->s[i].second - r->s[i - 1].second;
  qsort (step, r->n - 1, sizeof *step, by_number);
  return step[(r->n - 1) / 2];
}

static double
rate_of (const struct rates *r, size_t i)
{
  const struct journal_sample *a = &r->s[i - 1], *b = &r->s[i];

  if (r->pause[i] || b->fetched < a->fetched || b->second <= a->second)
    return 0;
  return (double)(b->fetched - a->fetched) / (double)(b->second - a->second);
}

static void
lay_out (struct rates *r)
{
  uint64_t usual = usual_step (r);
  size_t i;

  for (i = 1; i < r->n; i++) {
    uint64_t step = r->s[i].second - r->s[i - 1].second;

    r->pause[i] = step > usual * LONG_STEPS;
    r->x[i] = r->x[i - 1] + (double)(r->pause[i] ? usual * PAUSE : step);
    if (rate_of (r, i) > r->top)
      r->top = rate_of (r, i);
  }
}

/* An area for each stretch without a pause. */
static void
print_areas (FILE *out, const struct rates *r)
{
  double width = r->x[r->n - 1];
  size_t i = 1, k;

  while (i < r->n) {
    if (r->pause[i]) {
      double x = (r->x[i - 1] + r->x[i]) / 2 / width * WIDTH;

      fprintf (out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\" class=\"pause\"/>\n", x,
               x, HEIGHT);
      i++;
      continue;
    }
    fprintf (out, "<path class=\"area\" d=\"M%.1f %d", r->x[i - 1] / width * WIDTH, HEIGHT);
    for (k = i; k < r->n && !r->pause[k]; k++) {
      double y = HEIGHT - rate_of (r, k) / r->top * (HEIGHT - 4);

      fprintf (out, "L%.1f %.1fH%.1f", r->x[k - 1] / width * WIDTH, y, r->x[k] / width * WIDTH);
    }
    fprintf (out, "V%dZ\"/>\n", HEIGHT);
    i = k;
  }
}

/* Where SECOND is drawn, in seconds that are drawn. */
static double
drawn_at (const struct rates *r, double second)
{
  size_t i = 1;

  while (i + 1 < r->n && (double)r->s[i].second < second)
    i++;
  if (second <= (double)r->s[0].second)
    return 0;
  if (second >= (double)r->s[i].second || r->s[i].second == r->s[i - 1].second)
    return r->x[i];
  return r->x[i - 1]
         + (r->x[i] - r->x[i - 1]) * (second - (double)r->s[i - 1].second)
               / (double)(r->s[i].second - r->s[i - 1].second);
}

static void
print_stops (FILE *out, const struct rates *r)
{
  size_t i;

  for (i = 0; i < r->stops; i++) {
    double x = drawn_at (r, r->stop[i]) / r->x[r->n - 1] * WIDTH;

    fprintf (out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%d\" class=\"stop\"/>\n", x, x,
             HEIGHT);
  }
}

static void
print_caption (FILE *out, const struct rates *r)
{
  unsigned pauses = 0;
  char top[24];
  size_t i;

  for (i = 1; i < r->n; i++)
    pauses += r->pause[i];
  fprintf (out,
           "<p class=\"legend\"><span>top: %s a second</span><span>%.0f seconds of work"
           "</span>",
           format_size (top, (uint64_t)r->top), r->x[r->n - 1]);
  if (pauses > 0)
    fprintf (out, "<span>dashed: %u pause%s, cut short</span>", pauses, pauses == 1 ? "" : "s");
  if (r->stops > 0)
    fputs ("<span>lines: where it was interrupted</span>", out);
  fputs ("</p>\n", out);
}

int
report_rate (FILE *out, struct journal *j, const struct journal_import *imp, struct error *err)
{
  OWN_MEM struct rates *r = calloc (1, sizeof *r);

  if (r == NULL)
    return fail_memory (err, "a report");
  r->begun = imp->started_at;
  if (journal_samples (j, imp, add_sample, r, err) == -1
      || journal_events (j, imp, add_stop, r, err) == -1)
    return -1;
  if (r->n < 3)
    return 0; /* it was over before there was anything to draw */
  lay_out (r);
  if (r->top <= 0)
    return 0;
  fprintf (
      out,
      "<section><h2>Throughput</h2>\n<svg class=\"rate\" viewBox=\"0 0 %d %d\" "
      "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"bytes a second over time\">\n",
      WIDTH, HEIGHT);
  print_areas (out, r);
  print_stops (out, r);
  fputs ("</svg>\n", out);
  print_caption (out, r);
  fputs ("</section>\n", out);
  return 0;
}
