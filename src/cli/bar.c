/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bar: see bar.h.
 *
 *     disk.img  42.3% [########>-----------]  1.2 of 2.0 GiB  85.3 MiB/s  ETA 0:12
 *     disk.img  42.3% [########>-----------]  1.2 of 2.0 GiB  waiting for the network
 *     disk.img  reading the map, 1.2 MiB fetched
 */
#include "cli/bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/human.h"
#include "cli/output.h"

enum { NAME_COLUMNS = 20, BAR_LEAST = 8, BAR_MOST = 40 };

/* "1.2 of 2.0 GiB", or with both units where they differ. */
static void
amounts (char *out, size_t size, uint64_t done, uint64_t total)
{
  char a[HUMAN_SIZE], b[HUMAN_SIZE];
  char *unit_a, *unit_b;

  human_size (a, done);
  human_size (b, total);
  unit_a = strchr (a, ' ');
  unit_b = strchr (b, ' ');
  if (unit_a != NULL && unit_b != NULL && strcmp (unit_a, unit_b) == 0)
    *unit_a = '\0';
  snprintf (out, size, "%s of %s", a, b);
}

/* How fast, and how long yet; or what it waits for. */
static void
tail (char *out, size_t size, const struct qimport_progress *p, const char *gap)
{
  char rate[HUMAN_SIZE], eta[HUMAN_SIZE], retries[32] = "";
  char note[sizeof p->note];

  if (p->note[0] != '\0') {
    snprintf (out, size, "%s", clean_text (note, sizeof note, p->note));
    return;
  }
  if (p->retries > 0)
    snprintf (retries, sizeof retries, "%s%" PRIu64 " %s", gap, p->retries,
              p->retries == 1 ? "retry" : "retries");
  human_size (rate, p->rate > 0 ? (uint64_t)p->rate : 0);
  if (p->eta_seconds >= 0)
    snprintf (out, size, "%s/s%sETA %s%s", rate, gap, human_duration (eta, p->eta_seconds),
              retries);
  else
    snprintf (out, size, "%s/s%s", rate, retries);
}

static void
before_map (char *out, size_t size, const struct qimport_progress *p)
{
  char fetched[HUMAN_SIZE], note[sizeof p->note];

  if (p->note[0] != '\0')
    snprintf (out, size, "%s", clean_text (note, sizeof note, p->note));
  else
    snprintf (out, size, "reading the map, %s fetched", human_size (fetched, p->fetched_now));
}

/* COLUMNS wide with its brackets, FRACTION of it filled. */
static void
append_bar (char *out, const struct bar_look *look, size_t columns, double fraction)
{
  static const char *const eighths[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
  size_t inner = columns - 2, i;
  size_t steps = (size_t)(fraction * (double)(8 * inner));
  char *o = out + strlen (out);

  o = stpcpy (o, look->utf8 ? "▕" : "[");
  if (look->colour)
    o = stpcpy (o, "\033[36m");
  for (i = 0; i < inner; i++) {
    if (steps >= 8 * (i + 1))
      o = stpcpy (o, look->utf8 ? "█" : "#");
    else if (look->utf8)
      o = stpcpy (o, steps > 8 * i ? eighths[steps - 8 * i] : " ");
    else
      o = stpcpy (o, "-");
  }
  if (look->colour)
    o = stpcpy (o, "\033[0m");
  stpcpy (o, look->utf8 ? "▏" : "]");
}

static void
short_name (char *out, size_t size, const char *name, bool utf8)
{
  clean_text (out, size, name);
  cut_columns (out, NAME_COLUMNS, utf8 ? "…" : "...");
}

/* Why it waits stands at the end of a note, behind the URL.  USED columns are before it. */
static void
cut_note (char *note, const struct bar_look *look, size_t used)
{
  cut_front (note, look->columns > used + 12 ? look->columns - used : 12);
}

char *
bar_line (char out[LINE_SIZE], const struct bar_look *look, const char *name,
          const struct qimport_progress *p)
{
  char shown[256], right[512], done[96], rest[384];
  double percent = percent_of (p->guest_committed, p->guest_total);
  size_t used;

  short_name (shown, sizeof shown, name, look->utf8);
  if (p->guest_total == 0) {
    before_map (rest, sizeof rest, p);
    cut_note (rest, look, columns_of (shown) + 2);
    snprintf (out, LINE_SIZE, "%s  %s", shown, rest);
    cut_columns (out, look->columns, "");
    return out;
  }
  amounts (done, sizeof done, p->guest_committed, p->guest_total);
  tail (rest, sizeof rest, p, "  ");
  if (p->note[0] != '\0')
    cut_note (rest, look, columns_of (shown) + 8 + columns_of (done) + 2);
  snprintf (right, sizeof right, "%s  %s", done, rest);
  snprintf (out, LINE_SIZE, "%s %5.1f%% ", shown, percent);
  used = columns_of (out) + 2 + columns_of (right);
  if (used + BAR_LEAST <= look->columns) {
    size_t room = look->columns - used;

    append_bar (out, look, room < BAR_MOST ? room : BAR_MOST, percent / 100);
    snprintf (out + strlen (out), LINE_SIZE - strlen (out), "  %s", right);
    return out;
  }
  snprintf (out + strlen (out), LINE_SIZE - strlen (out), " %s", right);
  cut_columns (out, look->columns, "");
  return out;
}

char *
plain_line (char out[LINE_SIZE], const char *name, const struct qimport_progress *p)
{
  char shown[1024], done[96], rest[384];

  clean_text (shown, sizeof shown, name);
  if (p->guest_total == 0) {
    before_map (rest, sizeof rest, p);
    snprintf (out, LINE_SIZE, "%s: %s", shown, rest);
    return out;
  }
  amounts (done, sizeof done, p->guest_committed, p->guest_total);
  tail (rest, sizeof rest, p, ", ");
  snprintf (out, LINE_SIZE, "%s: %.1f%%, %s, %s", shown,
            percent_of (p->guest_committed, p->guest_total), done, rest);
  return out;
}

char *
total_line (char out[LINE_SIZE], const struct bar_look *look, size_t done, size_t all,
            size_t at_work, double rate)
{
  char speed[HUMAN_SIZE];

  snprintf (out, LINE_SIZE, "%zu of %zu done, %zu at work  %s/s", done, all, at_work,
            human_size (speed, rate > 0 ? (uint64_t)rate : 0));
  cut_columns (out, look->columns, "");
  return out;
}
