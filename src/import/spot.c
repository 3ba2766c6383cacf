/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * spot: does the target still hold what the journal says was committed (T9)?  A file put back
 * from a backup has the same name and identity, but older bytes.  At a resume some committed
 * segments are read, uncached, and must have the journal's digests: the first, one in the
 * middle and the newest ones, which an older copy lacks.  Reads only; audit reads all of it.
 */
#include "import/import.h"

#include <inttypes.h>
#include <stdlib.h>

#include "import/compare.h"

enum { BATCH = 64, PIECE = 256 << 10, NEWEST = 6, SCAN = 96 };

struct spot {
  struct qimport *q;
  struct journal_reader *reader;
  uint8_t *buf; /* PIECE */
};

static int
changed (const struct spot *s, const struct segment *seg, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s: it does not hold any more what was committed (of host offset %" PRIu64
               "): it was put back from an older copy, or changed; restore the newer one, or "
               "`qimport audit --repair %.8s` fetches again what differs, then resume",
               s->q->imp.target, seg->at.v, s->q->imp.id);
}

static int
hash_guest (struct spot *s, struct digest *d, guest_off at, uint64_t len, struct error *err)
{
  while (len > 0) {
    size_t n = (size_t)min_u64 (len, PIECE);

    if (target_read (s->q->target, at, s->buf, n, err) == -1)
      return -1;
    digest_update (d, s->buf, n);
    at.v += n;
    len -= n;
  }
  return 0;
}

static int
look_at (struct spot *s, const struct segment *seg, struct error *err)
{
  struct extent batch[BATCH];
  struct digest d;
  uint64_t i = 0;
  size_t k, n;

  digest_init (&d);
  while (i < seg->extents) {
    if (journal_extents (s->reader, s->q->imp.no, seg, i, batch, BATCH, &n, err) == -1)
      return -1;
    for (k = 0; k < n; k++, i++)
      if (hash_guest (s, &d, batch[k].guest, compare_committed (seg, i, &batch[k]), err) == -1)
        return -1;
  }
  return compare_is_same (seg, &d) ? 0 : changed (s, seg, err);
}

/* MOST of the segments from ORD on that have something committed. */
static int
look_from (struct spot *s, uint64_t ord, unsigned most, struct error *err)
{
  uint64_t end = ord + SCAN;
  struct segment seg;
  size_t n;

  for (; most > 0 && ord < end; ord++) {
    if (journal_segments (s->reader, s->q->imp.no, ord, &seg, 1, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    if (seg.extents == 0 || seg.hash_len == 0)
      continue;
    if (look_at (s, &seg, err) == -1)
      return -1;
    most--;
  }
  return 0;
}

int
import_check_target (struct qimport *q, struct error *err)
{
  const struct journal_import *imp = &q->imp;
  OWN (journal_reader) reader = NULL;
  OWN_MEM uint8_t *buf = NULL;
  struct spot s = { .q = q };
  uint64_t newest;

  if (q->target == NULL || !imp->digests || imp->guest_committed == 0)
    return 0;
  buf = malloc (PIECE);
  if (buf == NULL)
    return fail_memory (err, "a look at the target");
  if (journal_reader_open (&reader, journal_path (q->journal), err) == -1)
    return -1;
  s.reader = reader;
  s.buf = buf;
  newest = imp->segments_committed > NEWEST / 2 ? imp->segments_committed - NEWEST / 2 : 0;
  if (look_from (&s, 0, 1, err) == -1 || look_from (&s, newest / 2, 1, err) == -1)
    return -1;
  return look_from (&s, newest, NEWEST, err);
}
