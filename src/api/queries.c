/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * queries: the functions of qimport.h that open the journal and ask it.  No network, no target.
 */
#include "import/import.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
default_path (char **out, struct error *err)
{
  const char *env = getenv ("QIMPORT_JOURNAL"), *state = getenv ("XDG_STATE_HOME");
  const char *home = getenv ("HOME"), *unit = getenv ("STATE_DIRECTORY"); /* systemd.exec(5) */
  int n;

  if (env != NULL && env[0] != '\0')
    n = asprintf (out, "%s", env);
  else if (geteuid () == 0)
    n = asprintf (out, "/var/lib/qimport/journal.db");
  else if (unit != NULL && unit[0] == '/')
    n = asprintf (out, "%.*s/journal.db", (int)strcspn (unit, ":"), unit);
  else if (state != NULL && state[0] == '/')
    n = asprintf (out, "%s/qimport/journal.db", state);
  else if (home != NULL && home[0] == '/')
    n = asprintf (out, "%s/.local/state/qimport/journal.db", home);
  else
    return fail (err, ERR_USAGE,
                 "no place for the journal: HOME is not set; give --journal PATH");
  if (n == -1) {
    *out = NULL;
    return fail_memory (err, "the journal's path");
  }
  return 0;
}

int
qimport_journal_open (struct qimport_journal **out, const char *path, unsigned flags,
                      struct qimport_error *error)
{
  struct qimport_journal *j = calloc (1, sizeof *j);
  enum journal_mode mode = flags & QIMPORT_READ_ONLY ? JOURNAL_READ : JOURNAL_CREATE;
  OWN_MEM char *own = NULL;
  struct error err;

  if (j == NULL) {
    fail_memory (&err, "a journal");
    return publish_error (error, &err);
  }
  if (path == NULL && default_path (&own, &err) == -1) {
    free (j);
    return publish_error (error, &err);
  }
  if (journal_open (&j->journal, path != NULL ? path : own, mode, &err) == -1) {
    free (j);
    return publish_error (error, &err);
  }
  j->read_only = (flags & QIMPORT_READ_ONLY) != 0;
  *out = j;
  return 0;
}

void
qimport_journal_close (struct qimport_journal *j)
{
  if (j == NULL)
    return;
  journal_close (j->journal);
  free (j);
}

const char *
qimport_journal_path (const struct qimport_journal *j)
{
  return journal_path (j->journal);
}

struct listing {
  struct qimport_info info;
  int (*each) (void *ctx, const struct qimport_info *info);
  void *ctx;
};

static void
copy_text (char *to, size_t size, const char *from)
{
  snprintf (to, size, "%s", from);
}

static int
list_one (void *ctx, const struct journal_import *imp, const struct journal_layer *layer,
          struct error *err)
{
  struct listing *l = ctx;
  struct qimport_info *info = &l->info;

  copy_text (info->id, sizeof info->id, imp->id);
  copy_text (info->state, sizeof info->state, import_state_word (imp->now.state));
  copy_text (info->url, sizeof info->url, layer->url);
  copy_text (info->target, sizeof info->target, imp->target);
  copy_text (info->target_kind, sizeof info->target_kind, imp->target_kind);
  info->virtual_size = imp->virtual_size;
  info->cluster_size = imp->cluster_size;
  info->guest_total = imp->guest_total;
  info->guest_committed = imp->now.guest_committed;
  info->data_total = imp->guest_total - imp->zero_total;
  info->data_committed = imp->now.guest_committed - imp->now.zero_committed;
  info->image_total = imp->image_total;
  info->fetched = imp->now.fetched;
  info->segments_total = imp->segments;
  info->segments_committed = imp->now.segments_committed;
  info->attempts = imp->now.attempts;
  copy_text (info->error_code, sizeof info->error_code, imp->now.error_code);
  copy_text (info->error_message, sizeof info->error_message, imp->now.error_message);
  info->started_at = imp->started_at;
  info->updated_at = imp->now.updated_at;
  info->finished_at = imp->now.finished_at;
  copy_text (info->holder, sizeof info->holder, imp->now.holder);
  return l->each (l->ctx, info) == 0 ? 0 : fail (err, ERR_INTERRUPTED, "stopped by the caller");
}

int
import_find (struct journal *j, const char *id, struct journal_import *out, struct error *err)
{
  char canonical[PATH_MAX];
  struct error ignored;

  if (journal_find (j, id, out, err) == 0)
    return 0;
  if (err->code != ERR_NO_SUCH_IMPORT)
    return -1;
  target_canonical (id, canonical);
  if (canonical[0] == '\0' || strcmp (canonical, id) == 0)
    return -1;
  return journal_find (j, canonical, out, &ignored) == 0 ? 0 : -1;
}

/* The import ID means, or NULL for all. */
static int
find (struct qimport_journal *j, const char *id, struct journal_import **out, struct error *err)
{
  *out = NULL;
  if (id == NULL)
    return 0;
  *out = malloc (sizeof **out);
  if (*out == NULL)
    return fail_memory (err, "an import");
  return import_find (j->journal, id, *out, err);
}

static int
list_it (struct qimport_journal *j, const struct journal_import *imp, struct listing *l,
         struct error *err)
{
  OWN_MEM struct journal_layer *layer = malloc (sizeof *layer);

  if (layer == NULL)
    return fail_memory (err, "an import");
  if (journal_get_layer (j->journal, imp->no, 0, layer, err) == -1)
    return -1;
  return list_one (l, imp, layer, err);
}

int
qimport_list (struct qimport_journal *j, const char *id,
              int (*each) (void *ctx, const struct qimport_info *info), void *ctx,
              struct qimport_error *error)
{
  OWN_MEM struct listing *l = calloc (1, sizeof *l);
  OWN_MEM struct journal_import *imp = NULL;
  struct error err;
  int rc;

  if (l == NULL) {
    fail_memory (&err, "a list");
    return publish_error (error, &err);
  }
  l->each = each;
  l->ctx = ctx;
  rc = find (j, id, &imp, &err);
  if (rc == 0)
    rc = imp != NULL ? list_it (j, imp, l, &err) : journal_list (j->journal, list_one, l, &err);
  return rc == -1 ? publish_error (error, &err) : 0;
}

typedef int (*document) (struct journal *j, const struct journal_import *imp, char **json,
                         struct error *err);

static int
make_document (struct qimport_journal *j, const char *id, document make, char **json,
               struct qimport_error *error)
{
  OWN_MEM struct journal_import *imp = NULL;
  struct error err;

  *json = NULL;
  if (find (j, id, &imp, &err) == -1 || make (j->journal, imp, json, &err) == -1)
    return publish_error (error, &err);
  return 0;
}

int
qimport_status_json (struct qimport_journal *j, const char *id, char **json,
                     struct qimport_error *err)
{
  return make_document (j, id, journal_status_json, json, err);
}

int
qimport_log_json (struct qimport_journal *j, const char *id, char **json,
                  struct qimport_error *err)
{
  return make_document (j, id, journal_log_json, json, err);
}

int
qimport_receipt (struct qimport_journal *j, const char *id, char **json,
                 struct qimport_error *err)
{
  return make_document (j, id, journal_receipt_json, json, err);
}

struct event_listing {
  int (*each) (void *ctx, const struct qimport_event *event);
  void *ctx;
};

static int
list_event (void *ctx, const struct journal_event_row *row, struct error *err)
{
  const struct event_listing *l = ctx;
  struct qimport_event event;

  event.at = row->at;
  copy_text (event.kind, sizeof event.kind, row->kind);
  copy_text (event.detail, sizeof event.detail, row->detail);
  return l->each (l->ctx, &event) == 0 ? 0
                                       : fail (err, ERR_INTERRUPTED, "stopped by the caller");
}

int
qimport_log (struct qimport_journal *j, const char *id,
             int (*each) (void *ctx, const struct qimport_event *event), void *ctx,
             struct qimport_error *error)
{
  struct event_listing l = { each, ctx };
  OWN_MEM struct journal_import *imp = NULL;
  struct error err;

  if (find (j, id, &imp, &err) == -1
      || journal_events (j->journal, imp, list_event, &l, &err) == -1)
    return publish_error (error, &err);
  return 0;
}

/* With --unallocated keep the target held something before: where the marker stands it comes
 * back, for who forgets the import may want what is left of the rest. */
static int
give_back (struct journal *j, const struct journal_import *imp, struct error *err)
{
  struct target_spec spec = { .path = imp->target,
                              .virtual_size = imp->virtual_size,
                              .import_uuid = imp->id,
                              .in_place = true };
  OWN_MEM uint8_t *held = NULL;
  int rc;

  if (!imp->keep_holes || imp->now.state == IMPORT_COMPLETE)
    return 0;
  held = malloc (TARGET_HELD_SIZE);
  if (held == NULL)
    return fail_memory (err, "the first block of the target");
  rc = journal_held (j, imp->no, 0, held, TARGET_HELD_SIZE, err);
  if (rc != 0)
    return rc == -1 ? -1 : 0;
  return target_give_back (&spec, held, (size_t)min_u64 (TARGET_HELD_DATA, imp->virtual_size),
                           err);
}

/* What was kept of a wrapped file is of no use without the import. */
static void
remove_kept (struct journal *j, const struct journal_import *imp)
{
  struct qimport_options *o = options_new ();
  OWN_MEM char *path = NULL;
  struct error ignored;

  if (o != NULL && imp->stream && imp->now.state != IMPORT_COMPLETE
      && options_recall (o, imp->options, &ignored) == 0)
    path = forward_kept_path (imp, o->spool_dir, j);
  if (path != NULL)
    kept_remove_at (path);
  options_close (o);
}

int
import_forget (struct journal *j, struct journal_import *imp, struct error *err)
{
  bool complete = imp->now.state == IMPORT_COMPLETE;
  struct error ignored;
  int rc = 0;

  if (journal_hold_audit (j, imp, err) == -1)
    return -1;
  if (!complete && imp->now.state == IMPORT_COMPLETE)
    rc = fail (err, ERR_IMPORT_HELD,
               "import %.8s: another process has just completed it; look at it again", imp->id);
  if (rc == -1 || give_back (j, imp, err) == -1 || journal_forget (j, imp->no, err) == -1) {
    journal_release_audit (j, imp->no, &ignored);
    return -1;
  }
  remove_kept (j, imp);
  return 0;
}

int
qimport_forget (struct qimport_journal *j, const char *id, struct qimport_error *error)
{
  OWN_MEM struct journal_import *imp = NULL;
  struct error err;

  if (find (j, id, &imp, &err) == -1 || import_forget (j->journal, imp, &err) == -1)
    return publish_error (error, &err);
  return 0;
}
