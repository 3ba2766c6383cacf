/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * repair: just the segments that differ are fetched again, and zeros made where zeros should
 * be.  What was fetched must have the digest that the journal has of it before a byte of it is
 * written: a source that changed can never get onto the target this way (J4).
 */
#include "verify/repair.h"

#include "verify/committed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_SEGMENTS = 16, BATCH_BYTES = 16 << 20 };

struct repair {
  struct verify_spec v;
  const struct compare_result *found;
  struct repair_result *result;
  struct journal_reader *reader;
  struct committed committed;
  size_t segment, range; /* of the findings: the next ones */
  uint64_t fetched_before;

  struct segment segs[BATCH_SEGMENTS];
  struct source_want wants[BATCH_SEGMENTS];
  size_t n;
};

static int
put_target (void *repair, guest_off at, const uint8_t *buf, uint64_t len, struct error *err)
{
  struct repair *r = repair;

  return target_write (r->v.target, at, buf, len, err);
}

static int
mend_segment (struct repair *r, const struct segment *s, const uint8_t *buf, struct error *err)
{
  int rc = committed_compare (&r->committed, s, buf, err);

  if (rc == -1)
    return -1;
  if (rc == 1)
    return fail (err, ERR_SOURCE_CHANGED,
                 "%s: the bytes at host offset %" PRIu64 " are not those that were imported; "
                 "nothing was written; give where they are with --url, or import anew",
                 source_url (r->v.image->sources[s->layer]), s->need.at.v);
  return committed_decode (&r->committed, s, buf, put_target, r, err);
}

/* ---- Fetching -----------------------------------------------------------------------------
 */

/* The next segments of one layer, up to a batch's worth. */
static int
collect (struct repair *r, struct error *err)
{
  const struct compare_result *found = r->found;
  uint64_t bytes = 0;
  size_t n;

  for (r->n = 0; r->n < BATCH_SEGMENTS && r->segment < found->segments_differ; r->n++) {
    struct segment *s = &r->segs[r->n];

    if (journal_segments (r->reader, found->segment_ords[r->segment], s, 1, &n, err) == -1)
      return -1;
    if (n != 1 || s->layer >= r->v.image->n_layers)
      return fail (err, ERR_JOURNAL_CORRUPT,
                   "%s: segment %" PRIu64 " is missing; restore the journal", r->v.journal_path,
                   found->segment_ords[r->segment]);
    bytes += s->need.len;
    if (r->n > 0 && (s->layer != r->segs[0].layer || bytes > BATCH_BYTES))
      return 0;
    r->segment++;
  }
  return 0;
}

static int
allocate (struct repair *r, struct error *err)
{
  size_t i;

  for (i = 0; i < r->n; i++) {
    if (journal_check_need (r->reader, &r->segs[i], r->v.imp->need_max, err) == -1)
      return -1;
    r->wants[i].range = r->segs[i].need;
    r->wants[i].buf = malloc (r->segs[i].need.len + 1);
    if (r->wants[i].buf == NULL)
      return fail_memory (err, "a segment");
  }
  return 0;
}

static void
release (struct repair *r)
{
  size_t i;

  for (i = 0; i < BATCH_SEGMENTS; i++) {
    free (r->wants[i].buf);
    r->wants[i].buf = NULL;
  }
}

static uint64_t
fetched (const struct image *image)
{
  uint64_t sum = 0;
  unsigned k;

  for (k = 0; k < image->n_layers; k++)
    sum += source_fetched (image->sources[k]);
  return sum;
}

static int
mend_batch (struct repair *r, struct error *err)
{
  size_t i;
  int rc = -1;

  if (collect (r, err) == 0 && allocate (r, err) == 0)
    rc = source_read (r->v.image->sources[r->segs[0].layer], r->wants, r->n, err);
  for (i = 0; rc == 0 && i < r->n; i++)
    rc = mend_segment (r, &r->segs[i], r->wants[i].buf, err);
  if (rc == 0)
    r->result->segments += r->n;
  r->result->fetched = fetched (r->v.image) - r->fetched_before;
  release (r);
  return rc;
}

static int
mend_zeros (struct repair *r, const atomic_bool *stop, struct error *err)
{
  const struct difference *d = &r->found->differences[r->range++];
  guest_off at = { d->start };

  if (!d->zero)
    return 0;
  r->result->zeros += d->length;
  return target_zero (r->v.target, at, d->length, stop, err);
}

int
repair_step (struct repair *r, const atomic_bool *stop, struct error *err)
{
  if (r->segment < r->found->segments_differ)
    return mend_batch (r, err) == -1 ? -1 : 1;
  if (r->range < r->found->n_differences)
    return mend_zeros (r, stop, err) == -1 ? -1 : 1;
  return target_sync (r->v.target, err);
}

/* ---- Open and close -----------------------------------------------------------------------
 */

int
repair_open (struct repair **out, const struct verify_spec *v,
             const struct compare_result *found, struct repair_result *result,
             struct error *err)
{
  struct repair *r = calloc (1, sizeof *r);

  if (r == NULL)
    return fail_memory (err, "a repair");
  *out = r;
  r->v = *v;
  r->found = found;
  r->result = result;
  if (journal_reader_open (&r->reader, v->journal_path, v->imp->no, err) == -1)
    return -1;
  committed_init (&r->committed, r->reader, v->imp, v->image->formats);
  if (found->segments_differ > 0)
    r->fetched_before = fetched (v->image) - result->fetched;
  return 0;
}

void
repair_close (struct repair *r)
{
  if (r == NULL)
    return;
  release (r);
  committed_release (&r->committed);
  journal_reader_close (r->reader);
  free (r);
}
