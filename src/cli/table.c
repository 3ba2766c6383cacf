/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * table: see table.h.  On a terminal the table is as wide as it, and what matters least is left
 * out of a narrow one; else it has 80 columns, where only the URL is cut: a target can be found
 * by grep.
 */
#include "cli/table.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/output.h"

enum column { ID, STATE, PERCENT, SIZE, UPDATED, RATE, TARGET, URL, COLUMNS };

/* WIDTH is the most that it takes, 0 where that depends; LEAST the terminal that shows it. */
static const struct {
  const char *name;
  int flags;
  size_t width, least;
} heads[COLUMNS] = {
  [ID] = { "ID", 0, 8, 0 },
  [STATE] = { "STATE", 0, 11, 0 },
  [PERCENT] = { "DONE", SCOLS_FL_RIGHT, 6, 0 },
  [SIZE] = { "SIZE", SCOLS_FL_RIGHT, 5, 50 },
  [UPDATED] = { "UPDATED", SCOLS_FL_RIGHT, 7, 58 },
  [RATE] = { "RATE", SCOLS_FL_RIGHT, 7, 50 },
  [TARGET] = { "TARGET", 0, 0, 0 },
  [URL] = { "URL", 0, 0, 72 },
};

enum { CELL_SIZE = 4 * 4096, URL_LEAST = 12, TARGET_LEAST = 6 };

static size_t
terminal_columns (void)
{
  struct winsize w;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
    return w.ws_col;
  return 80;
}

/* The shortest length, of 8 or more, at which no two ids of L are alike. */
static size_t
id_length (const struct import_list *l)
{
  size_t i, k, same, len = 8;

  for (i = 0; i < l->n; i++)
    for (k = 0; k < i; k++) {
      for (same = 0; same < 36 && l->v[i].id[same] == l->v[k].id[same]; same++)
        ;
      if (same >= len && same < 36)
        len = same + 1;
    }
  return len;
}

/* What is shown, and how wide. */
struct layout {
  const struct earlier *earlier;
  bool shown[COLUMNS];
  size_t id, target, url;
};

static void
choose_columns (struct layout *w, size_t terminal)
{
  enum column c;

  for (c = ID; c < COLUMNS; c++)
    w->shown[c] = terminal >= heads[c].least;
  w->shown[w->earlier == NULL ? RATE : UPDATED] = false;
}

static struct layout
fit (const struct import_list *l, const struct earlier *earlier)
{
  struct layout w = { .earlier = earlier, .id = id_length (l) };
  size_t i, rest = terminal_columns (), used = w.id - heads[ID].width, need, url;
  enum column c;

  choose_columns (&w, rest);
  for (c = ID; c < COLUMNS; c++)
    used += w.shown[c] && heads[c].width > 0 ? heads[c].width + 1 : 0;
  rest = rest > used ? rest - used : 0;
  url = w.shown[URL] ? URL_LEAST + 1 : 0;
  for (i = 0; i < l->n; i++) {
    need = columns_of (l->v[i].target);
    w.target = need > w.target ? need : w.target;
  }
  if (isatty (STDOUT_FILENO) && w.target + url > rest)
    w.target = rest > url ? rest - url : 0;
  w.target = w.target < TARGET_LEAST ? TARGET_LEAST : w.target;
  w.url = rest > w.target + url ? rest - w.target - 1 : URL_LEAST;
  return w;
}

/* Bytes a second that came of import I. */
static void
rate_cell (char *out, const struct qimport_info *i, const struct earlier *earlier)
{
  uint64_t ms = (uint64_t)(earlier->since_ms > 0 ? earlier->since_ms : 1);
  char size[HUMAN_SIZE];
  size_t k;

  out[0] = '\0';
  for (k = 0; import_is_running (i) && k < earlier->list->n; k++) {
    const struct qimport_info *was = &earlier->list->v[k];

    if (strcmp (was->id, i->id) == 0 && was->fetched <= i->fetched)
      snprintf (out, CELL_SIZE, "%s/s",
                human_short_size (size, (i->fetched - was->fetched) * 1000 / ms));
  }
}

static char *
cell (char out[CELL_SIZE], const struct qimport_info *i, enum column c, const struct layout *w)
{
  char number[HUMAN_SIZE];

  switch (c) {
  case ID:
    snprintf (out, CELL_SIZE, "%.*s", (int)w->id, i->id);
    break;
  case STATE:
    clean_text (out, CELL_SIZE, i->state);
    break;
  case PERCENT:
    snprintf (out, CELL_SIZE, "%.1f%%", percent_of (i->guest_committed, i->guest_total));
    break;
  case SIZE:
    snprintf (out, CELL_SIZE, "%s", human_short_size (number, i->virtual_size));
    break;
  case UPDATED:
    snprintf (out, CELL_SIZE, "%s", human_short_time (number, i->updated_at, now_wall_ms ()));
    break;
  case RATE:
    rate_cell (out, i, w->earlier);
    break;
  case TARGET:
    cut_front (clean_text (out, CELL_SIZE, i->target), w->target); /* its end says more */
    break;
  case URL:
    cut_columns (clean_text (out, CELL_SIZE, i->url), w->url, "...");
    break;
  case COLUMNS:
    break;
  }
  return out;
}

static int
add_row (struct libscols_table *t, const struct qimport_info *i, const struct layout *w)
{
  struct libscols_line *line = scols_table_new_line (t, NULL);
  char *text = malloc (CELL_SIZE);
  size_t n = 0;
  enum column c;
  int rc = line == NULL || text == NULL ? -1 : 0;

  for (c = ID; c < COLUMNS && rc == 0; c++)
    if (w->shown[c])
      rc = scols_line_set_data (line, n++, cell (text, i, c, w));
  free (text);
  return rc;
}

static int
fill (struct libscols_table *t, const struct import_list *l, const struct earlier *earlier)
{
  struct layout w = fit (l, earlier);
  enum column c;
  size_t i;

  /* Every cell is cut to its width already. */
  scols_table_set_termforce (t, SCOLS_TERMFORCE_NEVER);
  for (c = ID; c < COLUMNS; c++)
    if (w.shown[c] && scols_table_new_column (t, heads[c].name, 0, heads[c].flags) == NULL)
      return -1;
  for (i = 0; i < l->n; i++)
    if (add_row (t, &l->v[i], &w) != 0)
      return -1;
  return 0;
}

int
print_table (const struct import_list *l, const struct earlier *earlier)
{
  struct libscols_table *t = scols_new_table ();
  char *text = NULL;
  int rc = t == NULL ? -1 : fill (t, l, earlier);

  if (rc == 0 && l->n > 0)
    rc = scols_print_table_to_string (t, &text);
  scols_unref_table (t);
  if (rc != 0) {
    free (text);
    return out_of_memory ();
  }
  if (text != NULL) {
    out_text (text);
    if (text[0] != '\0' && text[strlen (text) - 1] != '\n')
      out_text ("\n");
  }
  free (text);
  return 0;
}

static void
print_line (const char *key, const char *value)
{
  char clean[CELL_SIZE];

  if (value[0] != '\0')
    out ("%-14s%s\n", key, clean_text (clean, sizeof clean, value));
}

static void
print_time (const char *key, int64_t at)
{
  char text[HUMAN_SIZE];

  if (at > 0)
    print_line (key, human_time (text, at));
}

static void
print_part (const char *key, uint64_t part, uint64_t whole)
{
  char text[128], a[HUMAN_SIZE], b[HUMAN_SIZE];

  if (whole == 0)
    return;
  snprintf (text, sizeof text, "%s of %s (%.1f%%)", human_size (a, part), human_size (b, whole),
            percent_of (part, whole));
  print_line (key, text);
}

static void
print_bytes (const char *key, uint64_t bytes)
{
  char text[128], human[HUMAN_SIZE];

  snprintf (text, sizeof text, "%s (%" PRIu64 " bytes)", human_size (human, bytes), bytes);
  print_line (key, text);
}

/* What only the JSON knows. */
static void
print_image (struct qimport_journal *j, const char *id)
{
  static const char *const lines[][2] = { { "image-etag:", "image.etag" },
                                          { "image-date:", "image.last_modified" },
                                          { "image-sha256:", "image.sha256" } };
  struct qimport_error err;
  char *json, value[4096];
  size_t i;

  if (qimport_status_json (j, id, &json, &err) == -1)
    return;
  for (i = 0; i < sizeof lines / sizeof *lines; i++)
    if (json_find (json, lines[i][1], value, sizeof value))
      print_line (lines[i][0], value);
  qimport_free (json);
}

void
print_details (struct qimport_journal *j, const struct qimport_info *i)
{
  char text[64];

  print_line ("id:", i->id);
  print_line ("state:", i->state);
  print_line ("url:", i->url);
  print_line ("target:", i->target);
  print_line ("target-kind:", i->target_kind);
  print_bytes ("virtual-size:", i->virtual_size);
  print_bytes ("cluster-size:", i->cluster_size);
  print_part ("committed:", i->guest_committed, i->guest_total);
  print_bytes ("to-fetch:", i->image_total);
  print_bytes ("fetched:", i->fetched);
  snprintf (text, sizeof text, "%" PRIu64 " of %" PRIu64, i->segments_committed,
            i->segments_total);
  print_line ("segments:", text);
  snprintf (text, sizeof text, "%" PRIu64, i->attempts);
  print_line ("attempts:", text);
  print_image (j, i->id);
  print_time ("started:", i->started_at);
  print_time ("updated:", i->updated_at);
  print_time ("finished:", i->finished_at);
  print_line ("worked-on-by:", i->holder);
  print_line ("error:", i->error_message);
}
