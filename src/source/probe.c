/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * probe: the first request of a source: what is there, and is it what was there before?  A
 * ranged GET, never HEAD: only the answer to what will be asked later proves anything.
 */
#include "source/engine.h"

#include <string.h>

/* An answer that came faster tells nothing of the link's rate. */
enum { TELLING_MS = 100 };

struct head {
  uint8_t *buf;
  size_t got;
  int64_t first_ms, last_ms;
};

static int
head_sink (void *ctx, host_off at, const uint8_t *data, size_t len, struct error *err)
{
  struct head *head = ctx;

  (void)err;
  memcpy (head->buf + at.v, data, len);
  head->last_ms = monotonic_ms ();
  if (head->got == 0)
    head->first_ms = head->last_ms;
  head->got += len;
  return 0;
}

/* J4.  What the first answers are held against: all that was recorded at the URL itself; the
 * length alone at a mirror, or where new validators are welcome. */
static void
expect_recorded (struct source *s, const struct source_identity *recorded,
                 bool accept_new_validator)
{
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    struct place *p = &s->places.place[i];

    p->image.known = recorded != NULL;
    if (recorded == NULL)
      continue;
    p->image.id = *recorded;
    if (i > 0 || accept_new_validator) {
      p->image.id.etag[0] = p->image.id.last_modified[0] = '\0';
      p->image.id.trust = SOURCE_TRUST_LENGTH;
    }
  }
}

/* A mirror that answered in place of the URL an import began with: its own validators say
 * nothing about what was recorded, unless they are the same strong tag. */
static void
found_identity (const struct source *s, const struct source_identity *recorded,
                struct source_identity *found)
{
  bool only_tag;

  *found = s->id;
  found->proven = recorded != NULL
                  && response_compare (recorded, s->id.etag, s->id.last_modified, &only_tag)
                         == SAMENESS_PROVEN;
  if (recorded == NULL || s->places.n == 0 || s->places.reference == &s->places.place[0])
    return;
  if (found->proven && recorded->etag[0] != '\0')
    return;
  *found = *recorded;
  found->ranges = s->id.ranges;
  found->trust = SOURCE_TRUST_LENGTH;
  found->proven = false;
}

static int
probe_http (struct source *s, uint8_t *head, size_t head_max, size_t *head_len,
            struct error *err)
{
  struct host_range range = { { 0 }, head_max };
  struct head ctx = { .buf = head };
  struct job *job = job_new (s, JOB_PROBE, range, head_sink, &ctx);

  if (job == NULL)
    return fail (err, ERR_INTERNAL, "%s: no room for the probe", s->shown);
  while (job->state != JOB_FREE && !s->stream.begun) {
    if (engine_turn (s, POLL_MS, err) == -1)
      return -1;
  }
  s->id = s->places.reference->image.id;
  s->id.ranges = !s->stream.begun;
  s->probed = true;
  if (ctx.last_ms - ctx.first_ms >= TELLING_MS)
    s->seen.rate = (double)ctx.got / (double)(ctx.last_ms - ctx.first_ms);
  if (s->stream.begun)
    return stream_peek (s, head, head_max, head_len, err);
  *head_len = (size_t)min_u64 (head_max, s->id.length);
  return 0;
}

static int
probe_file (struct source *s, const struct source_identity *recorded, bool accept_new_validator,
            uint8_t *head, size_t head_max, size_t *head_len, struct error *err)
{
  if (file_probe (s, recorded, accept_new_validator, err) == -1)
    return -1;
  s->probed = true;
  if (s->kind == SOURCE_PIPE)
    return stream_peek (s, head, head_max, head_len, err);
  *head_len = (size_t)min_u64 (head_max, s->id.length);
  return file_read (s, 0, head, *head_len, err);
}

int
source_probe (struct source *s, const struct source_identity *recorded,
              bool accept_new_validator, struct source_identity *found, uint8_t *head,
              size_t head_max, size_t *head_len, struct error *err)
{
  int r;

  if (s->probed || head_max == 0)
    return fail (err, ERR_INTERNAL, "%s: probed twice, or for nothing", s->shown);
  *head_len = 0;
  if (stream_alloc (s, head_max, err) == -1)
    return -1;
  s->waits.recorded = recorded != NULL;
  expect_recorded (s, recorded, accept_new_validator);
  if (s->kind == SOURCE_HTTP)
    r = probe_http (s, head, head_max, head_len, err);
  else
    r = probe_file (s, recorded, accept_new_validator, head, head_max, head_len, err);
  if (r == -1) {
    source_cancel (s);
    return -1;
  }
  found_identity (s, recorded, found);
  return 0;
}
