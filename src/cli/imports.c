/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * imports: see imports.h.
 */
#include "cli/imports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"

static const char *
put (char **room, const char *text)
{
  const char *at = *room;

  *room = stpcpy (*room, text) + 1;
  return at;
}

static struct import_row *
row_of (const struct qimport_info *i)
{
  size_t texts = strlen (i->id) + strlen (i->state) + strlen (i->url) + strlen (i->target)
                 + strlen (i->target_kind) + strlen (i->error_message) + strlen (i->holder) + 7;
  struct import_row *row = malloc (sizeof *row + texts);
  char *room = row == NULL ? NULL : row->texts;

  if (row == NULL)
    return NULL;
  *row = (struct import_row){
    .id = put (&room, i->id),
    .state = put (&room, i->state),
    .url = put (&room, i->url),
    .target = put (&room, i->target),
    .target_kind = put (&room, i->target_kind),
    .error_message = put (&room, i->error_message),
    .holder = put (&room, i->holder),
    .virtual_size = i->virtual_size,
    .cluster_size = i->cluster_size,
    .guest_total = i->guest_total,
    .guest_committed = i->guest_committed,
    .work_total = i->data_total > 0 ? i->data_total : i->guest_total,
    .work_done = i->data_total > 0 ? i->data_committed : i->guest_committed,
    .image_total = i->image_total,
    .fetched = i->fetched,
    .segments_total = i->segments_total,
    .segments_committed = i->segments_committed,
    .attempts = i->attempts,
    .started_at = i->started_at,
    .updated_at = i->updated_at,
    .finished_at = i->finished_at,
  };
  return row;
}

static int
add (void *ctx, const struct qimport_info *info)
{
  struct import_list *l = ctx;

  if ((l->n & (l->n - 1)) == 0) { /* full at every power of two */
    size_t room = l->n == 0 ? 1 : 2 * l->n;
    struct import_row **v = reallocarray (l->v, room, sizeof *v);

    if (v == NULL)
      return -1;
    l->v = v;
  }
  l->v[l->n] = row_of (info);
  if (l->v[l->n] == NULL)
    return -1;
  l->n++;
  return 0;
}

int
import_list_add (struct import_list *l, struct qimport_journal *j, const char *id)
{
  struct qimport_error err = { 0 };

  if (qimport_list (j, id, add, l, &err) == 0)
    return 0;
  return err.status == QIMPORT_INTERRUPTED ? out_of_memory () : complain (&err); /* by add () */
}

void
import_list_filter (struct import_list *l,
                    bool (*keep) (void *ctx, const struct import_row *row), void *ctx)
{
  size_t i, kept = 0;

  for (i = 0; i < l->n; i++)
    if (keep (ctx, l->v[i]))
      l->v[kept++] = l->v[i];
    else
      free (l->v[i]);
  l->n = kept;
}

void
import_list_release (struct import_list *l)
{
  size_t i;

  for (i = 0; i < l->n; i++)
    free (l->v[i]);
  free (l->v);
  *l = (struct import_list){ 0 };
}

struct prefix {
  const char *id;
  size_t len;
};

static int
lengthen (void *ctx, const struct qimport_info *info)
{
  struct prefix *p = ctx;
  size_t same = 0;

  if (strcmp (p->id, info->id) == 0)
    return 0;
  while (p->id[same] != '\0' && p->id[same] == info->id[same])
    same++;
  if (same + 1 > p->len)
    p->len = same + 1;
  return 0;
}

char *
short_id (char out[SHORT_ID_SIZE], struct qimport_journal *j, const char *id)
{
  struct prefix p = { id, 8 };
  struct qimport_error err;

  if (qimport_list (j, NULL, lengthen, &p, &err) == -1)
    p.len = SHORT_ID_SIZE - 1;
  snprintf (out, SHORT_ID_SIZE, "%.*s", (int)p.len, id);
  return out;
}

void
journal_option (char *out, size_t size, const char *path)
{
  size_t n = 0;

  out[0] = '\0';
  if (path == NULL)
    return;
  if (strpbrk (path, " \t\n\"'\\$`*?[]{}()<>|&;!~#") == NULL) {
    snprintf (out, size, " --journal %s", path);
    return;
  }
  n = (size_t)snprintf (out, size, " --journal '");
  for (; *path != '\0' && n + 6 < size; path++) {
    if (*path == '\'')
      n += (size_t)snprintf (out + n, size - n, "'\\'");
    out[n++] = *path;
  }
  snprintf (out + n, size - n, "'");
}

bool
import_is_running (const struct import_row *i)
{
  return i->holder[0] != '\0';
}

bool
import_is_interrupted (const struct import_row *i)
{
  return !import_is_running (i) && strcmp (i->state, "complete") != 0
         && strcmp (i->state, "failed") != 0;
}
