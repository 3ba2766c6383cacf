/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mirror: are the mirrors what they are said to be (J4)?  The length must be that of the image
 * (every answer is held against it), and either the strong ETag is the same, or all that
 * source_prove_by names reads the same there as where the image is known: its tables and some
 * of its data.  Nothing waits for it.  And what came of each.
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { END_LEN = 65536, PIECE_GAP = 65536, PIECE_LEN = 1 << 20, PIECES_MAX = 65536 };

/* The first bytes and the last: not enough, but they tell most of what is another. */
static int
first_pieces (struct source *s, struct error *err)
{
  uint64_t len = min_u64 (END_LEN, s->id.length);

  s->proof.piece = calloc (2, sizeof *s->proof.piece);
  if (s->proof.piece == NULL)
    return fail_memory (err, "what a mirror is compared by");
  s->proof.piece[0].range.len = len;
  s->proof.piece[1].range.at.v = s->id.length - len;
  s->proof.piece[1].range.len = len;
  s->proof.n = 2;
  return 0;
}

static int
by_offset (const void *pa, const void *pb)
{
  const struct host_range *a = pa, *b = pb;

  return (a->at.v > b->at.v) - (a->at.v < b->at.v);
}

/* Near ones become one piece.  Returns how many there are; OUT may be R. */
static size_t
merge (struct host_range *out, const struct host_range *r, size_t n)
{
  size_t i, k = 0;

  for (i = 0; i < n; i++) {
    struct host_range *last = k > 0 ? &out[k - 1] : NULL;
    uint64_t end = last == NULL ? 0 : max_u64 (host_end (*last), host_end (r[i]));

    if (r[i].len == 0)
      continue;
    if (last != NULL && r[i].at.v <= host_end (*last) + PIECE_GAP
        && end - last->at.v <= PIECE_LEN)
      last->len = end - last->at.v;
    else
      out[k++] = r[i];
  }
  return k;
}

int
source_prove_by (struct source *s, struct host_range *ranges, size_t n, struct error *err)
{
  struct piece *more;
  size_t i;

  if (s->places.n < 2 || s->proof.whole)
    return 0;
  if (s->proof.n == 0 && first_pieces (s, err) == -1)
    return -1;
  qsort (ranges, n, sizeof *ranges, by_offset);
  n = merge (ranges, ranges, n);
  s->proof.whole = true;
#ifdef SEEDED_BUG_MIRROR_VETTED_BY_64K
  return 0;
#endif
  s->proof.refused = n == 0 || n > PIECES_MAX;
  if (s->proof.refused)
    return 0;
  more = reallocarray (s->proof.piece, s->proof.n + n, sizeof *more);
  if (more == NULL)
    return fail_memory (err, "what a mirror is compared by");
  s->proof.piece = more;
  for (i = 0; i < n; i++)
    s->proof.piece[s->proof.n++] = (struct piece){ .range = ranges[i] };
  return 0;
}

static int
piece_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct place *p = ctx;

  (void)at;
  (void)err;
  digest_update (&p->vet.digest, data, len);
  p->vet.left -= len;
  p->vet.done = p->vet.left == 0;
  return 0;
}

/* Ask P for the piece that is its next. */
static int
ask (struct source *s, struct place *p, struct error *err)
{
  const struct piece *piece = &s->proof.piece[p->vet.proven];

  (void)err;
  if (p->dead || p->vet.job != NULL || p->vet.done)
    return 0;
  if (!p->image.known) {
    p->image.id
        = (struct source_identity){ .length = s->id.length, .trust = SOURCE_TRUST_LENGTH };
    p->image.known = true;
  }
  p->vet.job = job_new (s, JOB_VET, piece->range, piece_sink, p);
  if (p->vet.job == NULL)
    return 0; /* all are busy */
  p->vet.job->bound = p;
  p->vet.left = piece->range.len;
  digest_init (&p->vet.digest);
  return 0;
}

static void
admit (struct source *s, struct place *p, const char *why)
{
  p->vetted = true;
  if (p->vet.job != NULL)
    job_finish (p->vet.job);
  source_tell (s, "mirror", "%s: in use: %s", p->url.shown, why);
}

static void
dismiss (struct source *s, struct place *p, const char *why)
{
  p->dead = true;
  if (p->vet.job != NULL)
    job_finish (p->vet.job);
  source_tell (s, "mirror", "%s: not used: %s", p->url.shown, why);
}

static bool
same_strong_tag (const struct source_identity *a, const struct source_identity *b)
{
  return a->trust == SOURCE_TRUST_STRONG && b->trust == SOURCE_TRUST_STRONG
         && a->etag[0] != '\0' && strcmp (a->etag, b->etag) == 0;
}

/* Go on with what the image's own bytes are, read where they are known. */
static int
advance (struct source *s, struct place *good, struct error *err)
{
  struct piece *piece;

  while (good->vet.proven < s->proof.n && s->proof.piece[good->vet.proven].known
         && good->vet.job == NULL)
    good->vet.proven++;
  if (good->vet.proven == s->proof.n)
    return 0;
  if (!good->vet.done)
    return ask (s, good, err);
  piece = &s->proof.piece[good->vet.proven++];
  digest_peek (&good->vet.digest, piece->digest);
  piece->known = true;
  good->vet.done = false;
  return 0;
}

/* P has the next piece, and so has the image. */
static void
compare (struct source *s, struct place *p)
{
  uint8_t digest[DIGEST_SIZE];

  digest_peek (&p->vet.digest, digest);
  p->vet.done = false;
  if (memcmp (digest, s->proof.piece[p->vet.proven].digest, DIGEST_SIZE) != 0)
    dismiss (s, p, "its bytes differ");
  else
    p->vet.proven++;
}

static int
vet (struct source *s, struct place *p, struct error *err)
{
  struct place *good = place_known (s);

  if (p->way.settled && same_strong_tag (&p->image.id, &s->id)) {
    admit (s, p, "the same ETag");
    return 0;
  }
  if (p->vet.proven == s->proof.n && s->proof.whole) {
    if (s->proof.refused)
      dismiss (s, p, "another ETag, or none, and too many tables to compare");
    else
      admit (s, p, "the same tables and samples");
    return 0;
  }
  if (p->vet.proven == s->proof.n)
    return 0; /* until the tables are known */
  if (!p->vet.done && ask (s, p, err) == -1)
    return -1;
  if (s->proof.piece[p->vet.proven].known) {
    if (p->vet.done)
      compare (s, p);
    return 0;
  }
  if (good != NULL)
    return advance (s, good, err);
  if (p->vet.done) /* and it has said what its ETag is */
    dismiss (s, p, "nothing is left to compare it with");
  return 0;
}

/* One that failed for now may be there at a resume. */
static int
none_is_left (const struct source *s, bool may_come_back, struct error *err)
{
  return fail (err, may_come_back ? ERR_RETRY_BUDGET : ERR_SOURCE_FAILED,
               "%s: no mirror is left that serves the image%s; `qimport log` tells why",
               s->shown, may_come_back ? " now, `qimport resume` asks them again" : "");
}

int
mirror_vet (struct source *s, struct error *err)
{
  bool alive = false, may_come_back = false;
  size_t i;

  if (s->places.n < 2 || !s->probed || !s->id.ranges)
    return 0;
  if (s->proof.n == 0 && first_pieces (s, err) == -1)
    return -1;
  for (i = 0; i < s->places.n; i++) {
    struct place *p = &s->places.place[i];

    if (!p->dead && !p->vetted && vet (s, p, err) == -1)
      return -1;
    alive = alive || !p->dead;
    may_come_back = may_come_back || p->may_come_back;
  }
  return alive ? 0 : none_is_left (s, may_come_back, err);
}

void
source_tell_mirrors (struct source *s)
{
  size_t i;

  for (i = 0; i < s->places.n && s->places.n > 1; i++) {
    const struct place *p = &s->places.place[i];

    source_tell (s, "mirror",
                 "%s: %" PRIu64 " requests, %" PRIu64 " bytes, %" PRIu64 " failures",
                 p->url.shown, p->total.requests, p->total.bytes, p->total.failures);
  }
}
