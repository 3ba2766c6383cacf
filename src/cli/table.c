/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * table: see table.h.  On a terminal the table is as wide as it, and what matters least is left
 * out of a narrow one, or of one that has no room for the names of files; else it has 80
 * columns, where only the URL is cut: a target can be found by grep.
 */
#include "cli/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/json.h"
#include "cli/publisher.h"
#include "cli/output.h"

enum column { ID, STATE, PERCENT, SIZE, UPDATED, RATE, TARGET, URL, COLUMNS };

/* WIDTH is that of its cells, 0 where it depends; LEAST the terminal that shows it. */
static const struct {
  const char *name;
  bool right;
  size_t width, least;
} heads[COLUMNS] = {
  [ID] = { "ID", false, 0, 0 },           [STATE] = { "STATE", false, 11, 0 },
  [PERCENT] = { "DONE", true, 6, 0 },     [SIZE] = { "SIZE", true, 5, 50 },
  [UPDATED] = { "UPDATED", true, 7, 58 }, [RATE] = { "RATE", true, 7, 50 },
  [TARGET] = { "TARGET", false, 0, 0 },   [URL] = { "URL", false, 0, 72 },
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

static int
by_id (const void *a, const void *b)
{
  return strcmp ((*(struct import_row *const *)a)->id, (*(struct import_row *const *)b)->id);
}

/* The shortest length, of 8 or more, at which no two ids of L are alike: none is as like
 * another as its neighbour in their order.  0: out of memory. */
static size_t
id_length (const struct import_list *l)
{
  struct import_row **sorted = calloc (l->n + 1, sizeof *sorted);
  size_t i, same, len = 8;

  if (sorted == NULL)
    return 0;
  if (l->n > 0)
    memcpy (sorted, l->v, l->n * sizeof *sorted);
  qsort (sorted, l->n, sizeof *sorted, by_id);
  for (i = 1; i < l->n; i++) {
    const char *a = sorted[i - 1]->id, *b = sorted[i]->id;

    for (same = 0; a[same] != '\0' && a[same] == b[same]; same++)
      ;
    if (same >= len && a[same] != '\0')
      len = same + 1;
  }
  free (sorted);
  return len;
}

/* What is shown, and how wide: 0 is not. */
struct layout {
  const struct earlier *earlier;
  size_t width[COLUMNS];
};

/* The columns of the longest name at the end of a path or URL, and of what is cut before it. */
static size_t
name_columns (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL ? columns_of (path) : columns_of (slash + 1) + strlen (".../");
}

/* How much the cells of TARGET and URL need, to be whole and to keep the names at their ends.
 */
struct needs {
  size_t target, target_name, url_name;
};

static struct needs
needs_of (const struct import_list *l)
{
  struct needs n = { TARGET_LEAST, TARGET_LEAST, URL_LEAST };
  size_t i;

  for (i = 0; i < l->n; i++) {
    size_t target = columns_of (l->v[i]->target), name = name_columns (l->v[i]->target);
    size_t url = name_columns (l->v[i]->url);

    n.target = target > n.target ? target : n.target;
    n.target_name = name > n.target_name ? name : n.target_name;
    n.url_name = url > n.url_name ? url : n.url_name;
  }
  return n;
}

static size_t
used_by (const struct layout *w)
{
  size_t used = 0;
  enum column c;

  for (c = ID; c < TARGET; c++)
    used += w->width[c] > 0 ? w->width[c] + 1 : 0;
  return used;
}

/* What matters less than the names goes where they have no room. */
static void
make_room (struct layout *w, const struct needs *n, size_t terminal)
{
  static const enum column lesser[] = { UPDATED, SIZE };
  size_t i;

  for (i = 0; i < sizeof lesser / sizeof *lesser; i++)
    if (w->width[URL] > 0 && used_by (w) + n->target_name + 1 + n->url_name > terminal)
      w->width[lesser[i]] = 0;
}

/* TARGET has what it needs, URL the rest; on a terminal both are cut, at their beginnings. */
static void
share (struct layout *w, const struct needs *n, size_t rest)
{
  size_t url = w->width[URL] > 0 ? URL_LEAST + 1 : 0, most = n->target;

  if (isatty (STDOUT_FILENO) && url > 0 && rest > n->url_name + 1 + TARGET_LEAST)
    url = n->url_name + 1;
  if (isatty (STDOUT_FILENO) && most + url > rest)
    most = rest > url ? rest - url : 0;
  w->width[TARGET] = most < TARGET_LEAST ? TARGET_LEAST : most;
  if (url > 0 && rest > w->width[TARGET] + URL_LEAST + 1)
    w->width[URL] = rest - w->width[TARGET] - 1;
}

/* IDS long are the ids. */
static struct layout
fit (const struct import_list *l, const struct earlier *earlier, size_t ids)
{
  struct layout w = { .earlier = earlier };
  size_t terminal = terminal_columns ();
  struct needs n = needs_of (l);
  enum column c;

  for (c = ID; c < COLUMNS; c++)
    w.width[c] = terminal >= heads[c].least ? heads[c].width : 0;
  w.width[earlier == NULL ? RATE : UPDATED] = 0;
  w.width[ID] = ids;
  w.width[URL] = terminal >= heads[URL].least ? URL_LEAST : 0;
  if (isatty (STDOUT_FILENO))
    make_room (&w, &n, terminal);
  share (&w, &n, terminal > used_by (&w) ? terminal - used_by (&w) : 0);
  return w;
}

/* Bytes a second that came of import I. */
static void
rate_cell (char *out, const struct import_row *i, const struct earlier *earlier)
{
  uint64_t ms = (uint64_t)(earlier->since_ms > 0 ? earlier->since_ms : 1);
  char size[HUMAN_SIZE];
  size_t k;

  out[0] = '\0';
  for (k = 0; import_is_running (i) && k < earlier->list->n; k++) {
    const struct import_row *was = earlier->list->v[k];

    if (strcmp (was->id, i->id) == 0 && was->fetched <= i->fetched)
      snprintf (out, CELL_SIZE, "%s/s",
                human_short_size (size, (i->fetched - was->fetched) * 1000 / ms));
  }
}

static char *
cell (char out[CELL_SIZE], const struct import_row *i, enum column c, const struct layout *w)
{
  char number[HUMAN_SIZE];

  switch (c) {
  case ID:
    snprintf (out, CELL_SIZE, "%.*s", (int)w->width[ID], i->id);
    break;
  case STATE:
    clean_text (out, CELL_SIZE, i->state);
    break;
  case PERCENT:
    snprintf (out, CELL_SIZE, "%.1f%%", percent_of (i->work_done, i->work_total));
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
    cut_front (clean_text (out, CELL_SIZE, i->target),
               w->width[TARGET]); /* its end says more */
    break;
  case URL:
    cut_front (clean_text (out, CELL_SIZE, i->url), w->width[URL]);
    break;
  case COLUMNS:
    break;
  }
  return out;
}

/* The last column of a row is not filled up. */
static void
print_cell (const char *text, enum column c, const struct layout *w)
{
  enum column last = w->width[URL] > 0 ? URL : TARGET;
  size_t columns = columns_of (text);
  int fill = columns < w->width[c] ? (int)(w->width[c] - columns) : 0;

  if (heads[c].right)
    out ("%*s%s", fill, "", text);
  else
    out ("%s%*s", text, c < last ? fill : 0, "");
  out (c < last ? " " : "\n");
}

int
print_table (const struct import_list *l, const struct earlier *earlier)
{
  size_t i, ids = id_length (l);
  char text[CELL_SIZE];
  struct layout w;
  enum column c;

  if (ids == 0)
    return out_of_memory ();
  w = fit (l, earlier, ids);
  for (c = ID; c < COLUMNS && l->n > 0; c++)
    if (w.width[c] > 0)
      print_cell (heads[c].name, c, &w);
  for (i = 0; i < l->n; i++)
    for (c = ID; c < COLUMNS; c++)
      if (w.width[c] > 0)
        print_cell (cell (text, l->v[i], c, &w), c, &w);
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
                                          { "image-checksum:", "image.checksum" } };
  char *json, value[4096], publisher[PUBLISHER_SIZE];
  struct qimport_error err;
  size_t i;

  if (qimport_status_json (j, id, &json, &err) == -1)
    return;
  for (i = 0; i < sizeof lines / sizeof *lines; i++)
    if (json_find (json, lines[i][1], value, sizeof value))
      print_line (lines[i][0], value);
  if (publisher_words (publisher, json, "image"))
    print_line ("checked-against:", publisher);
  qimport_free (json);
}

void
print_details (struct qimport_journal *j, const struct import_row *i)
{
  char text[64];

  print_line ("id:", i->id);
  print_line ("state:", i->state);
  print_line ("url:", i->url);
  print_line ("target:", i->target);
  print_line ("target-kind:", i->target_kind);
  print_bytes ("virtual-size:", i->virtual_size);
  print_bytes ("cluster-size:", i->cluster_size);
  print_part ("committed:", i->work_done, i->work_total);
  print_part ("zeros:", i->guest_committed - i->work_done, i->guest_total - i->work_total);
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
