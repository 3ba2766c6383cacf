/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * several: see several.h.
 */
#include "import/several.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "import/memo.h"

/* ---- Members ----------------------------------------------------------------------------- */

static bool
lives (const struct qimport *m)
{
  return !m->machine.over;
}

/* The first that lives, or NULL. */
static struct qimport *
first_alive (const struct several *s)
{
  unsigned i;

  for (i = 0; i < s->n; i++)
    if (lives (s->member[i]))
      return s->member[i];
  return NULL;
}

/* The first that failed has the last word. */
static int
first_failure (const struct several *s, struct error *err)
{
  unsigned i;

  for (i = 0; i < s->n; i++)
    if (s->member[i]->machine.result == -1) {
      *err = s->member[i]->machine.failure;
      return -1;
    }
  return 0;
}

/* How far it came stands in its row. */
static void
end_member (struct qimport *m, const struct error *why)
{
  OWN_MEM struct journal_import *now = malloc (sizeof *now);
  struct error unheard;

  import_end (m, why);
  if (now != NULL && m->imp.no > 0 && journal_find (m->journal, m->imp.id, now, &unheard) == 0)
    m->imp = *now;
  import_update_progress (m);
}

/* -1 when none is left. */
static int
check_alive (const struct several *s, struct error *err)
{
  return first_alive (s) != NULL ? 0 : first_failure (s, err);
}

int
several_open (struct qimport *q, struct qimport *const *member, unsigned n, struct error *err)
{
  struct several *s = calloc (1, sizeof *s);
  unsigned i;

  if (s == NULL)
    return fail_memory (err, "the imports of several targets");
  assert (n <= COPY_OUTLETS_MAX);
  s->carrier = q;
  s->n = n;
  q->several = s;
  for (i = 0; i < n; i++) {
    s->member[i] = member[i];
    s->member[i]->several = s;
  }
  return 0;
}

void
several_close (struct qimport *q)
{
  struct several *s = q->several;
  unsigned i;

  q->several = NULL;
  for (i = 0; i < s->n; i++) {
    s->member[i]->several = NULL;
    qimport_close (s->member[i]);
  }
  free (s);
}

void
several_leave (struct qimport *q, const struct error *why)
{
  struct several *s = q->several;
  unsigned i;

  for (i = 0; i < s->n; i++) {
    struct error own = s->member[i]->machine.failure;

    if (lives (s->member[i]))
      end_member (s->member[i], own.code != ERR_NONE ? &own : why);
  }
}

void
several_cancel (struct qimport *q)
{
  unsigned i;

  for (i = 0; i < q->several->n; i++)
    qimport_cancel (q->several->member[i]);
}

void
several_event (struct qimport *q, const char *kind, const char *detail)
{
  unsigned i;

  for (i = 0; i < q->several->n; i++)
    if (lives (q->several->member[i]))
      import_event (q->several->member[i], kind, detail);
}

/* ---- Gather ------------------------------------------------------------------------------ */

/* Another name of a target that is written already.  What only shows when both are open is
 * refused by its lock, or its marker. */
static int
refuse_twin (const struct several *s, unsigned i, struct error *err)
{
  const char *target = s->member[i]->imp.target;
  char shown[512];
  unsigned k;

  for (k = 0; k < i; k++)
    if (lives (s->member[k]) && target_is_same (s->member[k]->imp.target, target))
      return fail (err, ERR_TARGET_REFUSED,
                   "%s: is the same target as another one that was named; name each once",
                   escape_text (shown, sizeof shown, target, strlen (target)));
  return 0;
}

static void
check_members (struct several *s)
{
  struct error why;
  unsigned i;

  for (i = 0; i < s->n; i++)
    if (import_check_target (s->member[i], false, &why) == -1 || refuse_twin (s, i, &why) == -1)
      end_member (s->member[i], &why);
}

static void
exchange_image (struct qimport *a, struct qimport *b)
{
  struct image image = a->image;

  a->image = b->image;
  b->image = image;
}

/* M begins with the image that the carrier has opened, and what was found out on its way. */
static int
begin_member (struct qimport *q, struct qimport *m, struct error *err)
{
  struct qimport_options *o = options_copy (q->options);
  int rc;

  if (o == NULL)
    return fail_memory (err, "the options");
  options_close (m->options);
  m->options = o;
  m->imp.virtual_size = q->imp.virtual_size;
  m->imp.cluster_size = q->imp.cluster_size;
  m->imp.layers = q->imp.layers;
  memcpy (m->imp.format_features, q->imp.format_features, sizeof m->imp.format_features);
  exchange_image (q, m);
  rc = import_refuse_sources (m, err);
  if (rc == 0)
    rc = import_begin (m, err);
  exchange_image (q, m);
  return rc;
}

static int
refuse_stream (const struct qimport *q, struct error *err)
{
  if (!q->image.stream)
    return 0;
  return fail (err, ERR_USAGE,
               "%s: comes once, in its order (a pipe, a wrapped file, or a server without "
               "ranges), and then goes to one target; name one, or fetch the image first",
               source_url (q->image.sources[0]));
}

int
phase_gather (struct qimport *q, int timeout_ms, struct error *err)
{
  struct several *s = q->several;
  struct error why;
  unsigned i;

  (void)timeout_ms;
  if (import_check_keeping (q, err) == -1)
    return -1;
  check_members (s);
  if (check_alive (s, err) == -1 || import_checksums (q, err) == -1
      || import_open_image (q, false, err) == -1 || refuse_stream (q, err) == -1)
    return -1;
  for (i = 0; i < s->n; i++)
    if (lives (s->member[i]) && begin_member (q, s->member[i], &why) == -1)
      end_member (s->member[i], &why);
  if (check_alive (s, err) == -1)
    return -1;
  q->imp = first_alive (s)->imp;
  return PHASE_MAP;
}

/* ---- Deal -------------------------------------------------------------------------------- */

/* Of an image that is kept as it is, a digest of its tables is among the options. */
static int
deal_tables (const struct qimport *q, struct qimport *m, struct error *err)
{
  const char *tables = q->options->memo.tables;

  if (tables == NULL)
    return 0;
  return memo_tables (&m->options->memo, tables, err) == -1 ? -1
                                                            : import_remember_options (m, err);
}

static int
deal_map (struct qimport *q, struct qimport *m, struct error *err)
{
  if (m->imp.no == q->imp.no)
    m->imp = q->imp;
  else if (journal_map_copy (q->journal, &q->imp, &m->imp, &q->stops.asked, err) == -1)
    return -1;
  return deal_tables (q, m, err);
}

/* One export by two names: whoever claimed it last has it. */
static int
check_marker (struct qimport *m, struct error *err)
{
  struct target_spec spec;
  char marked[37];

  import_target_spec (m, &spec);
  target_marked_by (&spec, marked);
  if (marked[0] == '\0' || strcmp (marked, m->imp.id) == 0)
    return 0;
  return fail (err, ERR_TARGET_REFUSED,
               "%s: is the same target as another one that was named; name each once",
               m->imp.target);
}

static int
each_target (struct several *s, int (*work) (struct qimport *m, struct error *err),
             struct error *err)
{
  struct error why;
  unsigned i;

  for (i = 0; i < s->n; i++)
    if (lives (s->member[i])) {
      struct qimport *m = s->member[i];
      int rc;

      exchange_image (s->carrier, m); /* its length may say how large the target is */
      rc = work (m, &why);
      exchange_image (s->carrier, m);
      if (rc == -1)
        end_member (m, &why);
    }
  return check_alive (s, err);
}

static int
open_copy (struct qimport *q, struct error *err)
{
  struct several *s = q->several;
  struct copy_outlet outlet[COPY_OUTLETS_MAX];
  struct copy_spec spec;
  unsigned i;

  q->imp = first_alive (s)->imp;
  import_copy_spec (q, &spec);
  for (i = 0; i < s->n; i++)
    if (lives (s->member[i])) {
      outlet[spec.n_outlets]
          = (struct copy_outlet){ s->member[i]->target, s->member[i]->imp.no };
      s->outlet[spec.n_outlets++] = i;
    }
  s->n_outlets = spec.n_outlets;
  spec.outlets = outlet;
  if (spec.workers < spec.n_outlets)
    spec.workers = spec.n_outlets; /* one waits for its disk while another writes */
  if (copy_open (&q->copy, &spec, err) == -1)
    return -1;
  for (i = 0; i < s->n_outlets; i++)
    s->member[s->outlet[i]]->standing.fresh = false;
  return 0;
}

int
phase_deal (struct qimport *q, int timeout_ms, struct error *err)
{
  struct several *s = q->several;
  unsigned i;

  (void)timeout_ms;
  for (i = 0; i < s->n; i++)
    if (lives (s->member[i]) && deal_map (q, s->member[i], err) == -1)
      return -1;
  if (each_target (s, import_create_target, err) == -1
      || each_target (s, check_marker, err) == -1 || open_copy (q, err) == -1)
    return -1;
  return PHASE_SPREAD;
}

/* ---- Spread ------------------------------------------------------------------------------ */

void
several_note_failures (struct qimport *q)
{
  struct several *s = q->several;
  unsigned i;

  for (i = 0; i < s->n_outlets; i++)
    if (!s->told[s->outlet[i]]
        && !copy_lives (q->copy, i, &s->member[s->outlet[i]]->machine.failure)) {
      s->told[s->outlet[i]] = true;
      import_warn (q, "%s (the other targets go on)",
                   s->member[s->outlet[i]]->machine.failure.text);
    }
}

/* What is committed of M stands in its row; from there it is finished, or resumed. */
static int
part_member (struct qimport *m, struct error *err)
{
  struct error own = m->machine.failure;

  if (own.code != ERR_NONE) {
    end_member (m, &own);
    return 0;
  }
  m->machine.phase = PHASE_FINISH;
  return journal_find (m->journal, m->imp.id, &m->imp, err);
}

static int
end_copy (struct qimport *q, struct error *err)
{
  struct several *s = q->several;
  unsigned i;

  several_note_failures (q);
  import_update_progress (q);
  copy_close (q->copy);
  q->copy = NULL;
  image_tell_mirrors (&q->image);
  for (i = 0; i < s->n; i++)
    if (lives (s->member[i]) && part_member (s->member[i], err) == -1)
      return -1;
  return PHASE_PART;
}

int
phase_spread (struct qimport *q, int timeout_ms, struct error *err)
{
  int rc = copy_step (q->copy, timeout_ms, err);

  several_note_failures (q);
  if (rc == 0)
    return end_copy (q, err);
  return rc == -1 ? -1 : PHASE_SPREAD;
}

/* ---- Part -------------------------------------------------------------------------------- */

int
phase_part (struct qimport *q, int timeout_ms, struct error *err)
{
  struct qimport *m = first_alive (q->several);
  struct error why;

  if (m == NULL)
    return first_failure (q->several, err) == -1 ? -1 : PHASE_OVER;
  import_step (m, timeout_ms, &why);
  return PHASE_PART;
}
