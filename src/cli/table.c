/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * table: see table.h.  On a terminal the table is as wide as it, else 80 columns, where only
 * the URL is cut: a target can be found by grep.
 */
#include "cli/table.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/output.h"

enum column { ID, STATE, PERCENT, SIZE, UPDATED, TARGET, URL, COLUMNS };

static const struct {
  const char *name;
  int flags;
} heads[COLUMNS] = {
  [ID] = { "ID", 0 },
  [STATE] = { "STATE", 0 },
  [PERCENT] = { "DONE", SCOLS_FL_RIGHT },
  [SIZE] = { "SIZE", SCOLS_FL_RIGHT },
  [UPDATED] = { "UPDATED", SCOLS_FL_RIGHT },
  [TARGET] = { "TARGET", 0 },
  [URL] = { "URL", 0 },
};

enum { CELL_SIZE = 4 * 4096 };

/* What stands before TARGET, with a blank behind each, takes at most this. */
enum { FIXED_COLUMNS = 8 + 1 + 11 + 1 + 6 + 1 + 5 + 1 + 7 + 1, URL_LEAST = 12 };

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

struct widths {
  size_t id, target, url;
};

static struct widths
fit (const struct import_list *l)
{
  struct widths w = { id_length (l), 0, 0 };
  size_t i, rest = terminal_columns (), need;

  rest = rest > FIXED_COLUMNS + w.id - 8 ? rest - FIXED_COLUMNS - (w.id - 8) : 0;
  for (i = 0; i < l->n; i++) {
    need = columns_of (l->v[i].target);
    w.target = need > w.target ? need : w.target;
  }
  if (isatty (STDOUT_FILENO) && w.target + 1 + URL_LEAST > rest)
    w.target = rest > URL_LEAST + 1 ? rest - URL_LEAST - 1 : 0;
  w.target = w.target < 6 ? 6 : w.target;
  w.url = rest > w.target + 1 + URL_LEAST ? rest - w.target - 1 : URL_LEAST;
  return w;
}

/* The end of a path says more than its beginning. */
static void
cut_front (char *text, size_t columns)
{
  size_t len = strlen (text), from = 0;

  if (columns_of (text) <= columns)
    return;
  while (text[from] != '\0' && columns_of (text + from) + 3 > columns)
    from++;
  while (((unsigned char)text[from] & 0xc0) == 0x80)
    from++;
  if (from < 3) /* cannot be: three columns more were there than fit */
    return;
  memmove (text + 3, text + from, len - from + 1);
  memcpy (text, "...", 3);
}

static char *
cell (char out[CELL_SIZE], const struct qimport_info *i, enum column c, const struct widths *w)
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
  case TARGET:
    cut_front (clean_text (out, CELL_SIZE, i->target), w->target);
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
add_row (struct libscols_table *t, const struct qimport_info *i, const struct widths *w)
{
  struct libscols_line *line = scols_table_new_line (t, NULL);
  char *text = malloc (CELL_SIZE);
  enum column c;
  int rc = line == NULL || text == NULL ? -1 : 0;

  for (c = ID; c < COLUMNS && rc == 0; c++)
    rc = scols_line_set_data (line, c, cell (text, i, c, w));
  free (text);
  return rc;
}

static int
fill (struct libscols_table *t, const struct import_list *l)
{
  struct widths w = fit (l);
  enum column c;
  size_t i;

  /* Every cell is cut to its width already. */
  scols_table_set_termforce (t, SCOLS_TERMFORCE_NEVER);
  for (c = ID; c < COLUMNS; c++)
    if (scols_table_new_column (t, heads[c].name, 0, heads[c].flags) == NULL)
      return -1;
  for (i = 0; i < l->n; i++)
    if (add_row (t, &l->v[i], &w) != 0)
      return -1;
  return 0;
}

int
print_table (const struct import_list *l)
{
  struct libscols_table *t = scols_new_table ();
  char *text = NULL;
  int rc = t == NULL ? -1 : fill (t, l);

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
