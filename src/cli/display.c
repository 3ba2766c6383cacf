/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * display: see display.h.
 */
#include "cli/display.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/bar.h"
#include "cli/human.h"
#include "cli/notify.h"
#include "cli/output.h"
#include "cli/stop.h"

enum {
  TICK_MS = 100,
  PLAIN_MS = 5000,
  PLAIN_LEAST_MS = 1000,
  JSON_MS = 1000,
  NOTIFY_MS = 1000
};

struct line {
  struct qimport *q; /* NULL: there is none in this slot */
  char name[1024];
  struct qimport_progress progress;
  int64_t told_ms;     /* plain, JSON: when the last line was printed; 0: never */
  double told_percent; /* plain: what it said */
  char told_note[sizeof ((struct qimport_progress *)0)->note];
};

struct display {
  pthread_mutex_t lock;
  pthread_cond_t end; /* of the ticker */
  pthread_t ticker;
  bool ticks, quit;
  enum progress_style style; /* never AUTO */
  bool verbose, colour;
  bool notifies, starting; /* systemd is told; it waits for the end */
  int64_t notified_ms;
  size_t drawn; /* lines of the terminal that are ours, the cursor behind the last */
  size_t imports, over;
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

void
progress_of (struct qimport *q, struct qimport_progress *p)
{
  struct qimport_work w;

  qimport_progress_get (q, p);
  qimport_progress_work (q, &w);
  p->guest_total = w.total;
  p->guest_committed = w.done;
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

/* Under the bars of several: how many are done, and how fast they are together. */
static char *
draw_total (char *text, const struct display *d, const struct bar_look *look)
{
  size_t i, at_work = 0;
  double rate = 0;

  for (i = 0; i < d->slots; i++) {
    at_work += d->line[i].q != NULL;
    rate += d->line[i].q != NULL ? d->line[i].progress.rate : 0;
  }
  return total_line (text, look, d->over, d->imports, at_work, rate);
}

/* At most ROWS lines to F; how many they are. */
static size_t
draw_lines (FILE *f, const struct display *d, const struct bar_look *look, size_t rows)
{
  size_t i, n = 0, total = d->imports > 1;
  char text[LINE_SIZE];

  for (i = 0; i < d->slots && n + total < rows; i++)
    if (d->line[i].q != NULL)
      fprintf (f, "%s\r%s\033[K", n++ == 0 ? "" : "\n",
               bar_line (text, look, d->line[i].name, &d->line[i].progress));
  if (total > 0 && n > 0)
    fprintf (f, "\n\r%s\033[K", draw_total (text, d, look));
  return n > 0 ? n + total : 0;
}

/* Every line in one write; one column stays free, so that no terminal wraps. */
static void
draw (struct display *d)
{
  struct bar_look look = { 80, speaks_utf8 () != 0, d->colour };
  size_t rows, n, len = 0;
  char *all = NULL;
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
  n = draw_lines (f, d, &look, rows > 1 ? rows - 1 : 1);
  fputs ("\033[J", f);
  if (fclose (f) == 0 && n > 0) {
    write_terminal (all);
    d->drawn = n;
    stop_terminal_lines ((int)n);
  }
  free (all);
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
show_json (struct line *l, bool last)
{
  int64_t now = now_monotonic_ms ();
  struct qimport_error err;
  char *json;

  if (!last && l->told_ms != 0 && now - l->told_ms < JSON_MS)
    return;
  l->told_ms = now;
  if (qimport_progress_json (l->q, &json, &err) == -1)
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
tick (struct display *d)
{
  size_t i;

  for (i = 0; i < d->slots; i++) {
    struct line *l = &d->line[i];

    if (l->q == NULL)
      continue;
    progress_of (l->q, &l->progress);
    tell_note (d, l);
    if (d->style == PROGRESS_PLAIN)
      show_plain (l);
  }
  if (d->style == PROGRESS_BAR)
    draw (d);
}

static void *
tick_on (void *display)
{
  struct display *d = display;
  struct timespec at;
  int rc;

  pthread_mutex_lock (&d->lock);
  while (!d->quit) {
    clock_gettime (CLOCK_MONOTONIC, &at);
    at.tv_nsec += TICK_MS * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    rc = pthread_cond_timedwait (&d->end, &d->lock, &at);
    if (rc == ETIMEDOUT)
      tick (d);
  }
  pthread_mutex_unlock (&d->lock);
  return NULL;
}

/* Without a thread it only tells less. */
static void
begin_ticking (struct display *d)
{
  pthread_condattr_t monotonic;

  pthread_mutex_init (&d->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&d->end, &monotonic);
  pthread_condattr_destroy (&monotonic);
  if (d->verbose || d->style == PROGRESS_BAR || d->style == PROGRESS_PLAIN)
    d->ticks = pthread_create (&d->ticker, NULL, tick_on, d) == 0;
}

struct display *
display_new (const struct arguments *a, size_t slots, size_t n, bool waits)
{
  struct display *d = calloc (1, sizeof *d + slots * sizeof d->line[0]);
  const char *no_colour = getenv ("NO_COLOR");

  if (d == NULL)
    return NULL;
  d->style = choose_style (a);
  d->verbose = a->verbose;
  d->colour
      = (no_colour == NULL || no_colour[0] == '\0') && isatty (STDERR_FILENO) && !is_dumb ();
  d->imports = n;
  d->slots = slots;
  d->notifies = notify_listens ();
  d->starting = waits;
  begin_ticking (d);
  return d;
}

void
display_begin (struct display *d, size_t slot, const char *name, struct qimport *q)
{
  struct line *l = &d->line[slot];

  pthread_mutex_lock (&d->lock);
  memset (l, 0, sizeof *l);
  l->q = q;
  progress_of (q, &l->progress);
  snprintf (l->name, sizeof l->name, "%s", name);
  pthread_mutex_unlock (&d->lock);
}

/* Told from between the steps, so that one that hangs is silent. */
static void
show_notify (struct display *d, struct line *l)
{
  const struct bar_look look = { .columns = 200 };
  int64_t now = now_monotonic_ms ();
  size_t i, at_work = 0;
  char text[LINE_SIZE];
  double rate = 0;

  if (now - d->notified_ms < NOTIFY_MS)
    return;
  d->notified_ms = now;
  progress_of (l->q, &l->progress);
  for (i = 0; i < d->slots; i++) {
    at_work += d->line[i].q != NULL;
    rate += d->line[i].q != NULL ? d->line[i].progress.rate : 0;
  }
  if (d->imports > 1)
    total_line (text, &look, d->over, d->imports, at_work, rate);
  else
    plain_line (text, l->name, &l->progress);
  notify_status (text);
  notify_alive (d->starting || stop_requested ());
}

void
display_show (struct display *d, size_t slot)
{
  if (d->style != PROGRESS_JSON && !d->notifies)
    return;
  pthread_mutex_lock (&d->lock);
  if (d->style == PROGRESS_JSON)
    show_json (&d->line[slot], false);
  if (d->notifies)
    show_notify (d, &d->line[slot]);
  pthread_mutex_unlock (&d->lock);
}

void
display_end (struct display *d, size_t slot)
{
  pthread_mutex_lock (&d->lock);
  if (d->style == PROGRESS_JSON)
    show_json (&d->line[slot], true);
  d->line[slot].q = NULL;
  wipe (d);
  pthread_mutex_unlock (&d->lock);
}

void
display_count (struct display *d)
{
  pthread_mutex_lock (&d->lock);
  d->over++;
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
  pthread_mutex_lock (&d->lock);
  d->quit = true;
  pthread_cond_signal (&d->end);
  pthread_mutex_unlock (&d->lock);
  if (d->ticks)
    pthread_join (d->ticker, NULL);
  wipe (d);
  pthread_cond_destroy (&d->end);
  pthread_mutex_destroy (&d->lock);
  free (d);
}
