/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * repair: just the segments that differ are fetched again, and zeros made where zeros should
 * be.  What was fetched must have the digest that the journal has of it before a byte of it is
 * written: a source that changed can never get onto the target this way (J4).
 */
#include "import/audit.h"
#include "verify/committed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_SEGMENTS = 16, BATCH_BYTES = 16 << 20 };

struct repair {
  struct qimport *q;
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

  return target_write (r->q->target, at, buf, len, err);
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
                 source_url (r->q->sources[s->layer]), s->need.at.v);
  return committed_decode (&r->committed, s, buf, put_target, r, err);
}

/* ---- Fetching -----------------------------------------------------------------------------
 */

/* The next segments of one layer, up to a batch's worth. */
static int
collect (struct repair *r, const struct compare_result *found, struct error *err)
{
  uint64_t bytes = 0;
  size_t n;

  for (r->n = 0; r->n < BATCH_SEGMENTS && r->segment < found->segments_differ; r->n++) {
    struct segment *s = &r->segs[r->n];

    if (journal_segments (r->reader, found->segment_ords[r->segment], s, 1, &n, err) == -1)
      return -1;
    if (n != 1 || s->layer >= r->q->n_layers)
      return fail (err, ERR_JOURNAL_CORRUPT,
                   "%s: segment %" PRIu64 " is missing; restore the journal",
                   journal_path (r->q->journal), found->segment_ords[r->segment]);
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
    if (journal_check_need (r->reader, &r->segs[i], r->q->imp.need_max, err) == -1)
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
fetched (const struct qimport *q)
{
  uint64_t sum = 0;
  unsigned k;

  for (k = 0; k < q->n_layers; k++)
    sum += source_fetched (q->sources[k]);
  return sum;
}

static int
mend_batch (struct repair *r, struct audit *a, struct error *err)
{
  size_t i;
  int rc = -1;

  if (collect (r, &a->result, err) == 0 && allocate (r, err) == 0)
    rc = source_read (r->q->sources[r->segs[0].layer], r->wants, r->n, err);
  for (i = 0; rc == 0 && i < r->n; i++)
    rc = mend_segment (r, &r->segs[i], r->wants[i].buf, err);
  if (rc == 0)
    a->repaired_segments += r->n;
  a->repair_fetched = fetched (r->q) - r->fetched_before;
  release (r);
  return rc;
}

static int
mend_zeros (struct repair *r, struct audit *a, struct error *err)
{
  const struct difference *d = &a->result.differences[r->range++];
  guest_off at = { d->start };

  if (!d->zero)
    return 0;
  a->repaired_zeros += d->length;
  return target_zero (r->q->target, at, d->length, &r->q->stop_check, err);
}

int
repair_step (struct repair *r, struct audit *a, struct error *err)
{
  if (r->segment < a->result.segments_differ)
    return mend_batch (r, a, err) == -1 ? -1 : 1;
  if (r->range < a->result.n_differences)
    return mend_zeros (r, a, err) == -1 ? -1 : 1;
  return target_sync (r->q->target, err);
}

/* ---- Open and close -----------------------------------------------------------------------
 */

/* What was read as a stream is known by no more than its header; the digests of the segments
 * tell whether its bytes are the same. */
static int
open_sources (struct qimport *q, struct error *err)
{
  bool recorded = !q->imp.stream;

  q->options->stream = false;
  if (q->sources[0] != NULL)
    return 0;
  if (import_recall_sources (q, err) == -1)
    return -1;
  if (strcmp (q->url, "-") == 0)
    return fail (err, ERR_USAGE,
                 "import %.8s came through a pipe; say where its image is with --url",
                 q->imp.id);
  if (import_open_image (q, recorded, err) == -1)
    return -1;
  if (q->stream)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: does not honour ranges, so that single segments cannot be fetched; give "
                 "another place with --url, or import anew",
                 source_url (q->sources[0]));
  return 0;
}

int
repair_open (struct repair **out, struct qimport *q, const struct audit *a, struct error *err)
{
  struct repair *r = calloc (1, sizeof *r);

  if (r == NULL)
    return fail_memory (err, "a repair");
  *out = r;
  r->q = q;
  if (journal_reader_open (&r->reader, journal_path (q->journal), q->imp.no, err) == -1)
    return -1;
  committed_init (&r->committed, r->reader, &q->imp, q->formats);
  if (a->result.segments_differ == 0)
    return 0;
  if (open_sources (q, err) == -1)
    return -1;
  r->fetched_before = fetched (q) - a->repair_fetched;
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
