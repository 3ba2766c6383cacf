/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * source_samples: is it still the image that the import began with, where validators prove
 * nothing (C3, C5, C6) or have changed (C7)?  Some committed segments are fetched again and
 * must have the digests of the journal.  Writes nothing.
 */
#include "verify/verify.h"

#include <stdlib.h>

#include "verify/committed.h"

enum { SAMPLES = 8, NEAR = 64 };

/* What was found so far. */
struct found {
  bool compared;
  bool unknown; /* committed, but without a digest */
};

static int
changed (const struct verify_spec *v, const struct segment *seg, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began: what is committed of host offset "
               "%llu has other bytes now; give the same image (--url), or `qimport resume "
               "--restart %.8s` begins anew",
               source_url (v->image->sources[seg->layer]), (unsigned long long)seg->need.at.v,
               v->imp->id);
}

/* CTX becomes the end of what is needed for E. */
static int
reach (void *ctx, const struct extent *e, uint64_t len, struct error *err)
{
  uint64_t *end = ctx;

  (void)err;
  *end = max_u64 (*end, e->host.v + (e->kind == EXTENT_COMPRESSED ? e->stored : len));
  return 0;
}

static int
fetch_and_check (const struct verify_spec *v, struct committed *c, const struct segment *seg,
                 struct found *found, struct error *err)
{
  OWN_MEM uint8_t *stored = NULL;
  struct source_want want = { seg->need, NULL };
  uint64_t end = 0;
  int rc;

  if (journal_check_need (c->reader, seg, v->imp->need_max, err) == -1
      || committed_walk (c, seg, reach, &end, err) == -1)
    return -1;
  want.range.len = min_u64 (seg->need.len, end - min_u64 (end, seg->need.at.v));
  if (want.range.len == 0) /* of none of it a byte is committed */
    return 0;
  found->compared = true;
  want.buf = stored = calloc (1, seg->need.len + 1);
  if (stored == NULL)
    return fail_memory (err, "a sample");
  if (source_read (v->image->sources[seg->layer], &want, 1, err) == -1)
    return -1;
  rc = committed_compare (c, seg, stored, err);
  return rc == 1 ? changed (v, seg, err) : rc;
}

enum which { ONE_COMMITTED, ALL_IN_PART };

/* Check the segments WHICH from ORD up to END that have a digest; nothing where there is none.
 */
static int
check_from (const struct verify_spec *v, struct committed *c, uint64_t ord, uint64_t end,
            enum which which, struct found *found, struct error *err)
{
  struct segment seg;
  size_t n;

  for (; ord < end; ord = seg.ord + 1) {
    if (journal_segments (c->reader, ord, &seg, 1, &n, err) == -1)
      return -1;
    if (n == 0)
      return 0;
    found->unknown |= seg.committed && seg.hash_len == 0 && seg.extents > 0;
    if (seg.committed != (which == ONE_COMMITTED) || seg.hash_len == 0 || seg.extents == 0)
      continue;
    if (fetch_and_check (v, c, &seg, found, err) == -1)
      return -1;
    if (which == ONE_COMMITTED)
      return 0;
  }
  return 0;
}

/* Some of all that is committed, the last one too: there an image that was made anew is most
 * likely to differ.  And all that are committed in part, of those near the end: the rest of
 * them would come from another image. */
static int
check_some (const struct verify_spec *v, struct committed *c, struct found *found,
            struct error *err)
{
  uint64_t n = v->imp->now.segments_committed, step = n / SAMPLES + 1, ord;

  for (ord = n > 0 ? (n - 1) % step : 0; ord < n; ord += step)
    if (check_from (v, c, ord, ord + step, ONE_COMMITTED, found, err) == -1)
      return -1;
  if (check_from (v, c, n > NEAR ? n - NEAR : 0, n + NEAR, ALL_IN_PART, found, err) == -1)
    return -1;
  /* with --digest off those that have one may be few and far */
  return found->compared ? 0 : check_from (v, c, 0, UINT64_MAX, ONE_COMMITTED, found, err);
}

/* What cannot be compared is not believed. */
static int
cannot_tell (const struct verify_spec *v, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: nothing proves that it is the image that the import began with: its server "
               "gives no validator that would, and with --digest off none of what is committed "
               "yet can be compared; `qimport resume --restart %.8s` begins anew",
               source_url (v->image->sources[0]), v->imp->id);
}

int
verify_source_samples (const struct verify_spec *v, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  struct found found = { false, false };
  struct committed c;
  int rc;

  if (v->imp->now.guest_committed == 0)
    return 0;
  if (journal_reader_open (&reader, v->journal_path, v->imp->no, err) == -1)
    return -1;
  committed_init (&c, reader, v->imp, v->image->formats);
  rc = check_some (v, &c, &found, err);
  committed_release (&c);
  return rc == 0 && !found.compared && found.unknown ? cannot_tell (v, err) : rc;
}
