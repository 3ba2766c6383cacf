/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mirrors: what a mirror must have in common with the image before its bytes are used: all
 * tables, and some of the data.  Says which ranges; whether they are the same is for the source
 * to find out.
 */
#include "import/import.h"

#include <stdlib.h>

enum { TABLES_MAX = 1 << 20, MIRROR_SAMPLES = 12, MIRROR_SAMPLE = 65536 };

int
import_note_table (struct qimport *q, struct host_range r, struct error *err)
{
  size_t n = q->n_tables;
  struct host_range *more;

  if (q->options->mirror.item[0] == NULL || n > TABLES_MAX)
    return 0;
  if ((n & (n - 1)) == 0) { /* full: a power of two */
    more = reallocarray (q->tables, n == 0 ? 1 : 2 * n, sizeof *more);
    if (more == NULL)
      return fail_memory (err, "the image's tables");
    q->tables = more;
  }
  q->tables[q->n_tables++] = r;
  return 0;
}

/* The beginnings of a dozen segments, the last one among them: more than as many bytes in one
 * place would tell. */
static int
note_samples (struct qimport *q, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  struct segment seg;
  uint64_t i;
  size_t n;

  if (q->imp.segments == 0)
    return 0;
  if (journal_reader_open (&reader, journal_path (q->journal), q->imp.no, err) == -1)
    return -1;
  for (i = 0; i < MIRROR_SAMPLES; i++) {
    uint64_t ord = (q->imp.segments - 1) * i / (MIRROR_SAMPLES - 1);

    if (journal_segments (reader, ord, &seg, 1, &n, err) == -1)
      return -1;
    seg.need.len = min_u64 (seg.need.len, MIRROR_SAMPLE);
    if (n == 1 && seg.layer == 0 && import_note_table (q, seg.need, err) == -1)
      return -1;
  }
  return 0;
}

int
import_prove_mirrors (struct qimport *q, struct error *err)
{
  int rc;

  if (q->options->mirror.item[0] == NULL)
    return 0;
  rc = note_samples (q, err);
  if (rc == 0)
    rc = source_prove_by (q->sources[0], q->tables, q->n_tables > TABLES_MAX ? 0 : q->n_tables,
                          err);
  free (q->tables);
  q->tables = NULL;
  q->n_tables = 0;
  return rc;
}
