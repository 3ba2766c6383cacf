/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * target_samples: does the target still hold what the journal says was committed (T9)?  A file
 * put back from a backup has the same name and identity, but older bytes.  At a resume some
 * committed segments are read, uncached, and must have the journal's digests: the first, one in
 * the middle and the newest ones, which an older copy lacks.  Reads only; audit reads all of
 * it.
 */
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "verify/committed.h"

enum { PIECE = 256 << 10, NEWEST = 6, SCAN = 96, THERE_TRIES = 8 };

struct look {
  const struct verify_spec *v;
  struct committed *committed;
  struct digest digest; /* of what is looked at */
  bool telling;         /* which is not one byte over and over: other disks have that as well */
  uint8_t *buf;         /* PIECE */
};

static int
changed (const struct look *s, const struct segment *seg, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s: it does not hold any more what was committed (of host offset %" PRIu64
               "): it was put back from an older copy, or changed; restore the newer one, or "
               "`qimport audit --repair %.8s` fetches again what differs, then resume",
               s->v->imp->target, seg->at.v, s->v->imp->id);
}

static int
hash_guest (void *look, const struct extent *e, uint64_t len, struct error *err)
{
  struct look *s = look;
  guest_off at = e->guest;

  while (len > 0) {
    size_t n = (size_t)min_u64 (len, PIECE);

    if (target_read (s->v->target, at, s->buf, n, err) == -1)
      return -1;
    digest_update (&s->digest, s->buf, n);
    s->telling |= !bytes_are_one (s->buf, n);
    at.v += n;
    len -= n;
  }
  return 0;
}

/* 1: it reads otherwise. */
static int
compare_segment (struct look *s, const struct segment *seg, struct error *err)
{
  digest_init (&s->digest);
  s->telling = false;
  if (committed_walk (s->committed, seg, hash_guest, s, err) == -1)
    return -1;
  return committed_is_same (seg, &s->digest) ? 0 : 1;
}

static int
look_at (struct look *s, const struct segment *seg, struct error *err)
{
  int rc = compare_segment (s, seg, err);

  return rc == 1 ? changed (s, seg, err) : rc;
}

/* MOST of the segments from ORD on that have something committed. */
static int
look_from (struct look *s, uint64_t ord, unsigned most, struct error *err)
{
  uint64_t end = ord + SCAN;
  struct segment seg;
  size_t n;

  for (; most > 0 && ord < end; ord++) {
    if (journal_segments (s->committed->reader, ord, &seg, 1, &n, err) == -1)
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

static int
look_at_some (struct look *s, struct error *err)
{
  uint64_t n = s->v->imp->now.segments_committed;
  uint64_t newest = n > NEWEST / 2 ? n - NEWEST / 2 : 0;

  if (look_from (s, 0, 1, err) == -1 || look_from (s, newest / 2, 1, err) == -1)
    return -1;
  return look_from (s, newest, NEWEST, err);
}

enum { FIRST_BLOCK = 4096 };

int
verify_name_first (const struct verify_spec *v, char out[24], struct error *err)
{
  size_t len = (size_t)min_u64 (FIRST_BLOCK, v->imp->virtual_size);
  uint8_t block[FIRST_BLOCK], sum[DIGEST_SIZE];
  char hex[DIGEST_HEX];
  struct digest d;

  out[0] = '\0';
  if (target_read (v->target, (guest_off){ 0 }, block, len, err) == -1)
    return -1;
  if (bytes_are_one (block, len))
    return 0;
  digest_init (&d);
  digest_update (&d, block, len);
  digest_peek (&d, sum);
  snprintf (out, 24, " boot=%.16s", digest_hex (hex, sum));
  return 0;
}

bool
verify_first_is_same (const struct verify_spec *v)
{
  struct error unheard;
  char now[24];

  return verify_name_first (v, now, &unheard) == 0 && now[0] != '\0'
         && strstr (v->imp->target_identity, now) != NULL;
}

/* Segments from all over the disk, until one agrees. */
static int
find_same (struct look *s, bool *there, struct error *err)
{
  uint64_t n = s->v->imp->segments, ord;
  unsigned i, compared = 0;

  for (i = 0; i < THERE_TRIES; i++)
    for (ord = n / THERE_TRIES * i; ord < n && ord < n / THERE_TRIES * i + SCAN; ord++) {
      struct segment seg;
      size_t got;
      int rc;

      if (journal_segments (s->committed->reader, ord, &seg, 1, &got, err) == -1)
        return -1;
      if (got == 0 || seg.extents == 0 || seg.hash_len == 0)
        continue;
      rc = compare_segment (s, &seg, err);
      if (rc == 0 && !s->telling)
        continue;
      *there = rc == 0;
      if (rc != 1)
        return rc;
      compared++;
      break;
    }
  *there = compared == 0 || verify_first_is_same (s->v);
  return 0;
}

int
verify_target_is_there (const struct verify_spec *v, bool *there, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  OWN_MEM uint8_t *buf = malloc (PIECE);
  struct committed c;
  struct look s = { .v = v, .committed = &c, .buf = buf };
  int rc;

  if (buf == NULL)
    return fail_memory (err, "a look at the target");
  if (journal_reader_open (&reader, v->journal_path, v->imp->no, err) == -1)
    return -1;
  committed_init (&c, reader, v->imp, NULL);
  rc = find_same (&s, there, err);
  committed_release (&c);
  return rc;
}

int
verify_target_samples (const struct verify_spec *v, struct error *err)
{
  OWN (journal_reader) reader = NULL;
  OWN_MEM uint8_t *buf = NULL;
  struct committed c;
  struct look s = { .v = v, .committed = &c };
  int rc;

  if (v->target == NULL || v->imp->now.guest_committed == 0)
    return 0;
  s.buf = buf = malloc (PIECE);
  if (buf == NULL)
    return fail_memory (err, "a look at the target");
  if (journal_reader_open (&reader, v->journal_path, v->imp->no, err) == -1)
    return -1;
  committed_init (&c, reader, v->imp, NULL);
  rc = look_at_some (&s, err);
  committed_release (&c);
  return rc;
}
