/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sample: is it still the image that the import began with, where validators prove nothing (C3,
 * C5, C6) or have changed (C7)?  All tables are read again and must make the sealed map, and
 * some committed segments are fetched again and must have the digests of the journal.  Writes
 * nothing to the target.
 */
#include "import/import.h"

#include <stdlib.h>

#include "import/compare.h"

enum { SAMPLES = 2, BATCH = 256, NEAR = 64 };

struct sample {
  struct qimport *q;
  struct journal_reader *reader;
  const struct segment *seg;
  uint8_t *stored;  /* seg->need */
  uint8_t *cluster; /* one, decoded */
  struct qcow2_decoder *decoder;
  struct digest digest;
};

/* The first LEN guest bytes of E. */
static int
hash_extent (struct sample *s, const struct extent *e, uint64_t len, struct error *err)
{
  const uint8_t *in = s->stored + (e->host.v - s->seg->need.at.v);

  if (e->kind == EXTENT_DATA || len == 0) {
    digest_update (&s->digest, in, len);
    return 0;
  }
  if (qcow2_decode (s->decoder, e->host, in, e->stored, s->cluster, err) == -1)
    return -1;
  digest_update (&s->digest, s->cluster + e->skip, len);
  return 0;
}

static int
hash_extents (struct sample *s, struct error *err)
{
  struct extent batch[BATCH];
  uint64_t i;
  size_t n, k;

  for (i = 0; i < s->seg->extents; i += n) {
    if (journal_extents (s->reader, s->q->imp.no, s->seg, i, batch, BATCH, &n, err) == -1)
      return -1;
    for (k = 0; k < n; k++)
      if (hash_extent (s, &batch[k], compare_committed (s->seg, i + k, &batch[k]), err) == -1)
        return -1;
  }
  return 0;
}

static int
changed (const struct sample *s, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began: what is committed of host offset "
               "%llu has other bytes now; give the same image (--url), or `qimport resume "
               "--restart %.8s` begins anew",
               source_url (s->q->sources[s->seg->layer]), (unsigned long long)s->seg->need.at.v,
               s->q->imp.id);
}

static int
check_segment (struct sample *s, struct error *err)
{
  const struct layer_format *f = &s->q->formats[s->seg->layer];
  struct source_want want = { s->seg->need, s->stored };

  digest_init (&s->digest);
  if (source_read (s->q->sources[s->seg->layer], &want, 1, err) == -1
      || (!f->raw
          && qcow2_decoder_new (&s->decoder, f->compression, f->cluster_bits, err) == -1))
    return -1;
  if (hash_extents (s, err) == -1) {
    /* what does not even decode is not what was decoded before */
    return error_status (err->code) == QIMPORT_IMAGE ? changed (s, err) : -1;
  }
  return compare_is_same (s->seg, &s->digest) ? 0 : changed (s, err);
}

static int
fetch_and_check (struct qimport *q, struct journal_reader *reader, const struct segment *seg,
                 struct error *err)
{
  struct sample s = { .q = q, .reader = reader, .seg = seg };
  int rc;

  s.stored = malloc (seg->need.len);
  s.cluster = malloc ((size_t)1 << q->formats[seg->layer].cluster_bits);
  if (s.stored == NULL || s.cluster == NULL)
    rc = fail_memory (err, "a sample");
  else
    rc = check_segment (&s, err);
  qcow2_decoder_close (s.decoder);
  free (s.stored);
  free (s.cluster);
  return rc;
}

/* Check the first segment from ORD up to END that is committed, or IN_PART, and has a digest;
 * nothing where there is none. */
static int
check_from (struct qimport *q, struct journal_reader *reader, uint64_t ord, uint64_t end,
            bool in_part, struct error *err)
{
  struct segment seg;
  size_t n;

  for (; ord < end; ord = seg.ord + 1) {
    if (journal_segments (reader, q->imp.no, ord, &seg, 1, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    if (seg.committed != in_part && seg.hash_len > 0 && seg.extents > 0)
      return fetch_and_check (q, reader, &seg, err);
  }
  return 0;
}

/* One from the end, where an image that was made anew is most likely to differ, and one from
 * the middle of what is committed; and one that is committed in part, of those near the end. */
static int
check_samples (struct qimport *q, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  uint64_t i, n = q->imp.segments_committed;

  if (!q->imp.digests || q->imp.guest_committed == 0)
    return 0;
  if (journal_reader_open (&reader, journal_path (q->journal), err) == -1)
    return -1;
  for (i = 0; n > 0 && i < SAMPLES; i++)
    if (check_from (q, reader, (n - 1) / (i + 1), UINT64_MAX, false, err) == -1)
      return -1;
  return check_from (q, reader, n > NEAR ? n - NEAR : 0, n + NEAR, true, err);
}

/* A tag tells apart only what one URL has served.  (A stream: stream_check.c.) */
int
import_check_identity (struct qimport *q, bool validator_changed, struct error *err)
{
  bool proven = !q->unproven && !validator_changed && q->options->url == NULL;

  if (!q->imp.sealed || q->stream || proven)
    return 0;
  if (import_map_again (q, err) == -1)
    return -1;
  return check_samples (q, err);
}
