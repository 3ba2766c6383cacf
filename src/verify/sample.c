/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sample: is it still the image that the import began with, where validators prove nothing (C3,
 * C5, C6) or have changed (C7)?  All tables are read again and must make the sealed map, and
 * some committed segments are fetched again and must have the digests of the journal.  Writes
 * nothing to the target.
 */
#include "import/import.h"

#include <stdlib.h>

#include "verify/committed.h"

enum { SAMPLES = 2, NEAR = 64 };

static int
changed (const struct qimport *q, const struct segment *seg, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began: what is committed of host offset "
               "%llu has other bytes now; give the same image (--url), or `qimport resume "
               "--restart %.8s` begins anew",
               source_url (q->sources[seg->layer]), (unsigned long long)seg->need.at.v,
               q->imp.id);
}

static int
fetch_and_check (struct qimport *q, struct committed *c, const struct segment *seg,
                 struct error *err)
{
  OWN_MEM uint8_t *stored = NULL;
  struct source_want want = { seg->need, NULL };
  int rc;

  if (journal_check_need (c->reader, seg, q->imp.need_max, err) == -1)
    return -1;
  want.buf = stored = malloc (seg->need.len + 1);
  if (stored == NULL)
    return fail_memory (err, "a sample");
  if (source_read (q->sources[seg->layer], &want, 1, err) == -1)
    return -1;
  rc = committed_compare (c, seg, stored, err);
  return rc == 1 ? changed (q, seg, err) : rc;
}

/* What was found so far. */
struct found {
  bool compared;
  bool unknown; /* committed, but without a digest */
};

/* Check the first segment from ORD up to END that is committed, or IN_PART, and has a digest;
 * nothing where there is none. */
static int
check_from (struct qimport *q, struct committed *c, uint64_t ord, uint64_t end, bool in_part,
            struct found *found, struct error *err)
{
  struct segment seg;
  size_t n;

  for (; ord < end; ord = seg.ord + 1) {
    if (journal_segments (c->reader, ord, &seg, 1, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    found->unknown |= seg.committed && seg.hash_len == 0 && seg.extents > 0;
    if (seg.committed != in_part && seg.hash_len > 0 && seg.extents > 0) {
      found->compared = true;
      return fetch_and_check (q, c, &seg, err);
    }
  }
  return 0;
}

/* One from the end, where an image that was made anew is most likely to differ, and one from
 * the middle of what is committed; and one that is committed in part, of those near the end. */
static int
check_some (struct qimport *q, struct committed *c, struct found *found, struct error *err)
{
  uint64_t i, n = q->imp.now.segments_committed;

  for (i = 0; n > 0 && i < SAMPLES; i++)
    if (check_from (q, c, (n - 1) / (i + 1), UINT64_MAX, false, found, err) == -1)
      return -1;
  if (check_from (q, c, n > NEAR ? n - NEAR : 0, n + NEAR, true, found, err) == -1)
    return -1;
  /* with --digest off those that have one may be few and far */
  return found->compared ? 0 : check_from (q, c, 0, UINT64_MAX, false, found, err);
}

/* What cannot be compared is not believed. */
static int
cannot_tell (const struct qimport *q, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: nothing proves that it is the image that the import began with: its server "
               "gives no validator that would, and with --digest off none of what is committed "
               "yet can be compared; `qimport resume --restart %.8s` begins anew",
               source_url (q->sources[0]), q->imp.id);
}

static int
check_samples (struct qimport *q, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  struct found found = { false, false };
  struct committed c;
  int rc;

  if (q->imp.now.guest_committed == 0)
    return 0;
  if (journal_reader_open (&reader, journal_path (q->journal), q->imp.no, err) == -1)
    return -1;
  committed_init (&c, reader, &q->imp, q->formats);
  rc = check_some (q, &c, &found, err);
  committed_release (&c);
  return rc == 0 && !found.compared && found.unknown ? cannot_tell (q, err) : rc;
}

/* A tag tells apart only what one URL has served.  Where there are mirrors the tables are
 * wanted in any case.  (A stream: stream_check.c.) */
int
import_check_identity (struct qimport *q, bool validator_changed, struct error *err)
{
  bool proven = !q->unproven && !validator_changed && q->options->url == NULL;

  if (!q->imp.sealed || q->stream || (proven && q->options->mirror.item[0] == NULL))
    return 0;
  if (import_map_again (q, err) == -1)
    return -1;
  return proven ? 0 : check_samples (q, err);
}
