/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * human: see human.h.
 */
#include "cli/human.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* VALUE becomes less than 1024; the index of its unit is returned. */
static size_t
scale (double *value)
{
  size_t u = 0;

  while (*value >= 1023.95 && u < 6) {
    *value /= 1024;
    u++;
  }
  return u;
}

char *
human_size (char out[HUMAN_SIZE], uint64_t bytes)
{
  static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
  double value = (double)bytes;
  size_t u = scale (&value);

  if (u == 0)
    snprintf (out, HUMAN_SIZE, "%" PRIu64 " B", bytes);
  else
    snprintf (out, HUMAN_SIZE, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[u]);
  return out;
}

char *
human_short_size (char out[HUMAN_SIZE], uint64_t bytes)
{
  double value = (double)bytes;
  size_t u = scale (&value);

  if (u == 0)
    snprintf (out, HUMAN_SIZE, "%" PRIu64 "B", bytes);
  else
    snprintf (out, HUMAN_SIZE, value < 99.95 ? "%.1f%c" : "%.0f%c", value, "BKMGTPE"[u]);
  return out;
}

char *
human_duration (char out[HUMAN_SIZE], double seconds)
{
  uint64_t s;

  if (!(seconds >= 0 && seconds < 1e15)) {
    snprintf (out, HUMAN_SIZE, "-:--");
    return out;
  }
  s = (uint64_t)seconds;
  if (s >= 86400)
    snprintf (out, HUMAN_SIZE, "%" PRIu64 "d %02d:%02d", s / 86400, (int)(s / 3600 % 24),
              (int)(s / 60 % 60));
  else if (s >= 3600)
    snprintf (out, HUMAN_SIZE, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
              (int)(s % 60));
  else
    snprintf (out, HUMAN_SIZE, "%d:%02d", (int)(s / 60), (int)(s % 60));
  return out;
}

static bool
local_time (struct tm *tm, int64_t unix_ms)
{
  time_t seconds = (time_t)(unix_ms / 1000);

  return unix_ms > 0 && localtime_r (&seconds, tm) != NULL;
}

char *
human_time (char out[HUMAN_SIZE], int64_t unix_ms)
{
  struct tm tm;

  if (!local_time (&tm, unix_ms) || strftime (out, HUMAN_SIZE, "%Y-%m-%d %H:%M:%S", &tm) == 0)
    snprintf (out, HUMAN_SIZE, "-");
  return out;
}

char *
human_short_time (char out[HUMAN_SIZE], int64_t unix_ms, int64_t now_ms)
{
  const int64_t day = INT64_C (86400) * 1000;
  int64_t age = now_ms - unix_ms;
  struct tm tm;
  size_t n;

  if (!local_time (&tm, unix_ms))
    n = 0;
  else if (age >= 0 && age < day)
    n = strftime (out, HUMAN_SIZE, "%H:%M", &tm);
  else if (age >= 0 && age < 300 * day)
    n = strftime (out, HUMAN_SIZE, "%m-%d", &tm);
  else
    n = strftime (out, HUMAN_SIZE, "%Y", &tm);
  if (n == 0)
    snprintf (out, HUMAN_SIZE, "-");
  return out;
}

double
percent_of (uint64_t part, uint64_t whole)
{
  double p;

  if (whole == 0)
    return 0;
  if (part >= whole)
    return 100;
  p = (double)(uint64_t)(1000.0 * ((double)part / (double)whole)) / 10;
  return p > 99.9 ? 99.9 : p;
}

static int64_t
read_clock (clockid_t id)
{
  struct timespec t;

  clock_gettime (id, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
now_wall_ms (void)
{
  return read_clock (CLOCK_REALTIME);
}

int64_t
now_monotonic_ms (void)
{
  return read_clock (CLOCK_MONOTONIC);
}

/* The next character of TEXT: its bytes, and the columns it takes.  A byte that is no
 * character of this locale takes one. */
static size_t
next_character (const char *text, size_t *columns, mbstate_t *state)
{
  wchar_t wide;
  size_t n;
  int w;

  if (*text >= ' ' && *text <= '~' && mbsinit (state)) { /* in every locale that there is */
    *columns = 1;
    return 1;
  }
  n = mbrtowc (&wide, text, strnlen (text, MB_CUR_MAX), state);
  if (n == 0 || n == (size_t)-1 || n == (size_t)-2) {
    memset (state, 0, sizeof *state);
    *columns = 1;
    return 1;
  }
  w = wcwidth (wide);
  *columns = w < 0 ? 1 : (size_t)w;
  return n;
}

size_t
columns_of (const char *text)
{
  mbstate_t state = { 0 };
  size_t sum = 0, w;

  while (*text != '\0') {
    text += next_character (text, &w, &state);
    sum += w;
  }
  return sum;
}

void
cut_columns (char *text, size_t columns, const char *dots)
{
  size_t room = columns_of (dots), sum = 0, w;
  char *p = text, *cut = text;
  mbstate_t state = { 0 };

  if (columns_of (text) <= columns)
    return;
  room = columns > room ? columns - room : 0;
  while (sum <= room && *p != '\0') {
    if (strlen (p) >= strlen (dots)) /* an ellipsis has three bytes */
      cut = p;
    p += next_character (p, &w, &state);
    sum += w;
  }
  if (room > 0 && strlen (cut) >= strlen (dots))
    memcpy (cut, dots, strlen (dots) + 1);
  else
    *cut = '\0';
}

void
cut_front (char *text, size_t columns)
{
  size_t len = strlen (text), from = 0, left = columns_of (text), w;
  mbstate_t state = { 0 };

  if (left <= columns)
    return;
  while (text[from] != '\0' && left + 3 > columns) {
    from += next_character (text + from, &w, &state);
    left -= w;
  }
  if (from < 3) /* cannot be: three columns more were there than fit */
    return;
  memmove (text + 3, text + from, len - from + 1);
  memcpy (text, "...", 3);
}

int
speaks_utf8 (void)
{
  return strcmp (nl_langinfo (CODESET), "UTF-8") == 0;
}
