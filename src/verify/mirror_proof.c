/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mirror_proof: what a mirror must have in common with the image before its bytes are used: all
 * tables, and some of the data; of a raw one, which has no tables, more of that.  Says which
 * ranges; whether they are the same is for the source to find out.
 */
#include "verify/verify.h"

#include <stdlib.h>

enum { MIRROR_SAMPLES = 12, MIRROR_SAMPLE = 65536 };

/* How many bytes of the I-th sampled segment.  Tables tell nearly any image from another; where
 * there are none, the first of the segments, the middle and the last are compared as a whole.
 */
static uint64_t
sample_len (const struct verify_spec *v, const struct segment *seg, uint64_t i)
{
  bool whole = i == 0 || i == MIRROR_SAMPLES / 2 || i == MIRROR_SAMPLES - 1;

  return v->image->layers[0].raw && whole ? seg->need.len
                                          : min_u64 (seg->need.len, MIRROR_SAMPLE);
}

/* The beginnings of a dozen segments, the last one among them: more than as many bytes in one
 * place would tell. */
static int
note_samples (const struct verify_spec *v, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  struct segment seg;
  uint64_t i;
  size_t n;

  if (v->imp->segments == 0)
    return 0;
  if (journal_reader_open (&reader, v->journal_path, v->imp->no, err) == -1)
    return -1;
  for (i = 0; i < MIRROR_SAMPLES; i++) {
    uint64_t ord = (v->imp->segments - 1) * i / (MIRROR_SAMPLES - 1);

    if (journal_segments (reader, ord, &seg, 1, &n, err) == -1)
      return -1;
    seg.need.len = sample_len (v, &seg, i);
    if (n == 1 && seg.layer == 0 && image_note_table (v->image, seg.need, err) == -1)
      return -1;
  }
  return 0;
}

int
verify_mirrors (const struct verify_spec *v, struct error *err)
{
  int rc;

  rc = note_samples (v, err);
  if (rc == 0)
    rc = source_prove_by (v->image->sources[0], v->image->tables,
                          v->image->n_tables > IMAGE_TABLES_MAX ? 0 : v->image->n_tables, err);
  free (v->image->tables);
  v->image->tables = NULL;
  v->image->n_tables = 0;
  return rc;
}
