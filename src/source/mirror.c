/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * mirror: are the mirrors what they are said to be (J4)?  The length must be that of the image
 * (every answer is held against it), and either the strong ETag is the same or the first and
 * the last 64 KiB are.  Samples are fetched beside the data, and nothing waits for them.  And
 * what came of each.
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static size_t
head_len (const struct source *s)
{
  return (size_t)min_u64 (SAMPLE, s->id.length);
}

static size_t
samples_len (const struct source *s)
{
  return head_len (s) + (size_t)min_u64 (SAMPLE, s->id.length - head_len (s));
}

/* The sample that comes next: the rest of the head, or of the tail. */
static struct host_range
next_sample (const struct source *s, const struct place *p)
{
  size_t head = head_len (s), all = samples_len (s);
  struct host_range r;

  if (p->sampled < head) {
    r.at.v = p->sampled;
    r.len = head - p->sampled;
  } else {
    r.at.v = s->id.length - (all - p->sampled);
    r.len = all - p->sampled;
  }
  return r;
}

static int
sample_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct place *p = ctx;

  (void)at;
  (void)err;
  memcpy (p->samples + p->sampled, data, len);
  p->sampled += len;
  return 0;
}

static int
sample (struct source *s, struct place *p, struct error *err)
{
  if (p->dead || p->vet != NULL || p->sampled == samples_len (s))
    return 0;
  if (p->samples == NULL)
    p->samples = malloc (2 * SAMPLE);
  if (p->samples == NULL)
    return fail_memory (err, "a mirror's sample");
  if (!p->known) {
    p->id = (struct source_identity){ .length = s->id.length, .trust = SOURCE_TRUST_LENGTH };
    p->known = true;
  }
  p->vet = job_new (s, JOB_VET, next_sample (s, p), sample_sink, p);
  if (p->vet != NULL)
    p->vet->bound = p;
  return 0;
}

static void
admit (struct source *s, struct place *p, const char *why)
{
  p->vetted = true;
  if (p->vet != NULL)
    job_finish (p->vet);
  source_tell (s, "mirror", "%s: in use: %s", p->shown, why);
}

static void
dismiss (struct source *s, struct place *p, const char *why)
{
  p->dead = true;
  if (p->vet != NULL)
    job_finish (p->vet);
  source_tell (s, "mirror", "%s: not used: %s", p->shown, why);
}

static bool
same_strong_tag (const struct source_identity *a, const struct source_identity *b)
{
  return a->trust == SOURCE_TRUST_STRONG && b->trust == SOURCE_TRUST_STRONG
         && a->etag[0] != '\0' && strcmp (a->etag, b->etag) == 0;
}

static int
vet (struct source *s, struct place *p, struct error *err)
{
  struct place *good = s->reference;
  size_t all = samples_len (s);

  if (p->settled && same_strong_tag (&p->id, &good->id)) {
    admit (s, p, "the same ETag");
    return 0;
  }
  if (p->sampled < all)
    return sample (s, p, err);
  if (good->sampled < all && !good->dead)
    return sample (s, good, err);
  if (good->sampled < all)
    dismiss (s, p, "nothing is left to compare it with");
  else if (memcmp (p->samples, good->samples, all) != 0)
    dismiss (s, p, "its bytes differ");
  else
    admit (s, p, "the same first and last bytes");
  return 0;
}

int
mirror_vet (struct source *s, struct error *err)
{
  bool alive = false;
  size_t i;

  if (s->n_places < 2 || !s->probed || !s->id.ranges)
    return 0;
  for (i = 0; i < s->n_places; i++) {
    struct place *p = &s->places[i];

    if (!p->dead && !p->vetted && vet (s, p, err) == -1)
      return -1;
    alive = alive || !p->dead;
  }
  if (!alive)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: no mirror is left that serves the image; "
                 "`qimport log` tells why",
                 s->shown);
  return 0;
}

void
source_tell_mirrors (struct source *s)
{
  size_t i;

  for (i = 0; i < s->n_places && s->n_places > 1; i++) {
    const struct place *p = &s->places[i];

    source_tell (s, "mirror",
                 "%s: %" PRIu64 " requests, %" PRIu64 " bytes, %" PRIu64 " failures", p->shown,
                 p->requests, p->bytes, p->failures);
  }
}
