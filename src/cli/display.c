/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * display: see display.h.
 */
#include "cli/display.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/bar.h"
#include "cli/human.h"
#include "cli/output.h"
#include "cli/stop.h"

enum { DRAW_MS = 100, PLAIN_MS = 5000, PLAIN_LEAST_MS = 1000, JSON_MS = 1000 };

struct line {
  bool shown;
  char name[1024];
  struct qimport_progress progress;
  int64_t told_ms;     /* plain, JSON: when the last line was printed; 0: never */
  double told_percent; /* plain: what it said */
  char told_note[sizeof ((struct qimport_progress *)0)->note];
};

struct display {
  pthread_mutex_t lock;
  enum progress_style style; /* never AUTO */
  bool verbose, colour;
  int64_t drawn_ms;
  size_t drawn; /* lines of the terminal that are ours, the cursor behind the last */
  size_t slots;
  struct line line[];
};

static bool
is_dumb (void)
{
  const char *term = getenv ("TERM");

  return term == NULL || strcmp (term, "dumb") == 0;
}

static enum progress_style
choose_style (const struct arguments *a)
{
  if (a->progress != PROGRESS_AUTO)
    return a->progress;
  if (a->quiet)
    return PROGRESS_NONE;
  return isatty (STDERR_FILENO) && !is_dumb () ? PROGRESS_BAR : PROGRESS_PLAIN;
}

struct display *
display_new (const struct arguments *a, size_t slots)
{
  struct display *d = calloc (1, sizeof *d + slots * sizeof d->line[0]);
  const char *no_colour = getenv ("NO_COLOR");

  if (d == NULL)
    return NULL;
  pthread_mutex_init (&d->lock, NULL);
  d->style = choose_style (a);
  d->verbose = a->verbose;
  d->colour
      = (no_colour == NULL || no_colour[0] == '\0') && isatty (STDERR_FILENO) && !is_dumb ();
  d->slots = slots;
  return d;
}

int
display_interval_ms (const struct display *d)
{
  return d->style == PROGRESS_BAR ? DRAW_MS : 2 * DRAW_MS;
}

static void
write_terminal (const char *text)
{
  if (write (STDERR_FILENO, text, strlen (text)) == -1) {
    /* an import does not end because nobody watches it */
  }
}

static void
wipe (struct display *d)
{
  char move[32];

  if (d->drawn == 0)
    return;
  if (d->drawn == 1)
    snprintf (move, sizeof move, "\r\033[K");
  else
    snprintf (move, sizeof move, "\r\033[%zuA\033[J", d->drawn - 1);
  write_terminal (move);
  d->drawn = 0;
  stop_terminal_lines (0);
}

static void
terminal_size (size_t *columns, size_t *rows)
{
  struct winsize w;

  *columns = 80;
  *rows = 24;
  if (ioctl (STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
    *columns = w.ws_col;
    *rows = w.ws_row;
  }
}

/* In the background it leaves the terminal to whoever is in front. */
static bool
in_background (void)
{
  pid_t front = tcgetpgrp (STDERR_FILENO);

  return front != -1 && front != getpgrp ();
}

/* Every shown line in one write; one column stays free, so that no terminal wraps. */
static void
draw (struct display *d)
{
  struct bar_look look = { 80, speaks_utf8 () != 0, d->colour };
  char text[LINE_SIZE], *all = NULL;
  size_t rows, i, n = 0, len = 0;
  FILE *f;

  if (in_background ())
    return;
  terminal_size (&look.columns, &rows);
  look.columns--;
  f = open_memstream (&all, &len);
  if (f == NULL)
    return;
  if (d->drawn > 1)
    fprintf (f, "\r\033[%zuA", d->drawn - 1);
  for (i = 0; i < d->slots && n + 1 < rows; i++)
    if (d->line[i].shown)
      fprintf (f, "%s\r%s\033[K", n++ == 0 ? "" : "\n",
               bar_line (text, &look, d->line[i].name, &d->line[i].progress));
  fputs ("\033[J", f);
  if (fclose (f) == 0 && n > 0) {
    write_terminal (all);
    d->drawn = n;
    stop_terminal_lines ((int)n);
  }
  free (all);
}

static void
show_bar (struct display *d)
{
  int64_t now = now_monotonic_ms ();

  if (now - d->drawn_ms < DRAW_MS)
    return;
  d->drawn_ms = now;
  draw (d);
}

/* A line every five seconds, or every five per cent but not more than one a second. */
static void
show_plain (struct line *l)
{
  double percent = percent_of (l->progress.guest_committed, l->progress.guest_total);
  int64_t now = now_monotonic_ms ();
  char text[LINE_SIZE];

  if (l->told_ms == 0) { /* the first is due when it has run for a while */
    l->told_ms = now;
    return;
  }
  if (now - l->told_ms < PLAIN_LEAST_MS
      || (now - l->told_ms < PLAIN_MS && percent < l->told_percent + 5))
    return;
  l->told_ms = now;
  l->told_percent = percent;
  message ("%s", plain_line (text, l->name, &l->progress));
}

static void
show_json (struct line *l, struct qimport *q, bool last)
{
  int64_t now = now_monotonic_ms ();
  struct qimport_error err;
  char *json;

  if (!last && l->told_ms != 0 && now - l->told_ms < JSON_MS)
    return;
  l->told_ms = now;
  if (qimport_progress_json (q, &json, &err) == -1)
    return;
  out ("%s\n", json);
  out_flush ();
  qimport_free (json);
}

/* --verbose: what it waits for, once, where no line shows it anyway. */
static void
tell_note (struct display *d, struct line *l)
{
  if (!d->verbose || d->style == PROGRESS_BAR || strcmp (l->told_note, l->progress.note) == 0)
    return;
  memcpy (l->told_note, l->progress.note, sizeof l->told_note);
  if (l->told_note[0] != '\0')
    message ("%s: %s", l->name, l->told_note);
}

static void
show (struct display *d, struct line *l, struct qimport *q, bool last)
{
  switch (d->style) {
  case PROGRESS_BAR:
    if (!last)
      show_bar (d);
    break;
  case PROGRESS_PLAIN:
    if (!last)
      show_plain (l);
    break;
  case PROGRESS_JSON:
    show_json (l, q, last);
    break;
  case PROGRESS_AUTO:
  case PROGRESS_NONE:
    break;
  }
}

void
display_begin (struct display *d, size_t slot, const char *name)
{
  pthread_mutex_lock (&d->lock);
  memset (&d->line[slot], 0, sizeof d->line[slot]);
  d->line[slot].shown = true;
  snprintf (d->line[slot].name, sizeof d->line[slot].name, "%s", name);
  pthread_mutex_unlock (&d->lock);
}

void
display_show (struct display *d, size_t slot, struct qimport *q)
{
  pthread_mutex_lock (&d->lock);
  qimport_progress_get (q, &d->line[slot].progress);
  tell_note (d, &d->line[slot]);
  show (d, &d->line[slot], q, false);
  pthread_mutex_unlock (&d->lock);
}

void
display_end (struct display *d, size_t slot, struct qimport *q)
{
  pthread_mutex_lock (&d->lock);
  qimport_progress_get (q, &d->line[slot].progress);
  show (d, &d->line[slot], q, true);
  d->line[slot].shown = false;
  wipe (d);
  pthread_mutex_unlock (&d->lock);
}

void
display_message (struct display *d, const char *fmt, ...)
{
  char text[4096];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  pthread_mutex_lock (&d->lock);
  wipe (d);
  message ("%s", text);
  pthread_mutex_unlock (&d->lock);
}

void
display_close (struct display *d)
{
  if (d == NULL)
    return;
  wipe (d);
  pthread_mutex_destroy (&d->lock);
  free (d);
}
