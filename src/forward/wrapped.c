/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * wrapped: see wrapped.h.
 */
#include "forward/wrapped.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* So many pieces are fetched ahead for one that is unpacked. */
enum { AT_ONCE = 32 };

struct wrapped {
  struct wrapped_spec spec;
  struct unwrap *unwrap;
  uint8_t *in;         /* KEPT_PIECE bytes */
  struct unwrap_io io; /* what is left of them */
  uint64_t taken, recalled;
  uint8_t *unkept; /* KEPT_PIECE bytes: what came when nothing could be kept any more */
  size_t unkept_len;
  bool fetching; /* what an earlier run kept is read */
  bool last;     /* the file has ended */
  bool ended;    /* and so has what is in it */
};

int
wrapped_open (struct wrapped **out, const struct wrapped_spec *spec, struct error *err)
{
  OWN (wrapped) w = calloc (1, sizeof *w);

  if (w == NULL)
    return fail_memory (err, "a wrapped image");
  w->spec = *spec;
  w->fetching = spec->kept == NULL;
  w->in = malloc (KEPT_PIECE);
  w->unkept = malloc (KEPT_PIECE);
  if (w->in == NULL || w->unkept == NULL)
    return fail_memory (err, "a wrapped image");
  if (unwrap_new (&w->unwrap, spec->kind, &spec->limits, err) == -1)
    return fail_in (err, source_url (spec->source));
  *out = w;
  w = NULL;
  return 0;
}

void
wrapped_close (struct wrapped *w)
{
  if (w == NULL)
    return;
  unwrap_close (w->unwrap);
  free (w->in);
  free (w->unkept);
  free (w);
}

/* What is kept and was not read yet; *LEN 0: nothing, the source goes on where it ends. */
static int
recall (struct wrapped *w, size_t *len, struct error *err)
{
  if (w->spec.kept == NULL)
    return 0;
  if (kept_read (w->spec.kept, w->in, len, err) == -1)
    return -1;
  if (!w->fetching)
    w->recalled += *len;
  if (w->fetching || *len > 0)
    return 0;
  w->fetching = true;
  return w->taken > 0 ? source_stream_seek (w->spec.source, w->taken, err) : 0;
}

/* False where LEN bytes at BUF cannot be kept. */
static bool
keep (struct wrapped *w, const uint8_t *buf, size_t len)
{
  struct error why;

  if (w->spec.kept == NULL || !kept_takes_more (w->spec.kept))
    return false;
  if (kept_append (w->spec.kept, buf, len, &why) == 0)
    return true;
  w->spec.lost (w->spec.ctx, &why);
  return false;
}

/* What has come meanwhile is kept at once, so that a kill does not lose it, and is unpacked in
 * its turn. */
static int
keep_what_came (struct wrapped *w, struct error *err)
{
  size_t len = 1;
  unsigned n;

  if (!w->fetching || w->spec.kept == NULL)
    return 0;
  for (n = 0; n < AT_ONCE && len > 0 && kept_takes_more (w->spec.kept); n++) {
    if (source_stream_poll (w->spec.source, w->unkept, KEPT_PIECE, &len, err) == -1)
      return -1;
    if (len > 0 && !keep (w, w->unkept, len))
      w->unkept_len = len;
  }
  return 0;
}

/* The next bytes that are not kept yet; waits for them, but 1 when none came for WAIT_MS. */
static int
fetch (struct wrapped *w, int wait_ms, size_t *len, struct error *err)
{
  int rc;

  if (w->unkept_len > 0) {
    memcpy (w->in, w->unkept, w->unkept_len);
    *len = w->unkept_len;
    w->unkept_len = 0;
    return 0;
  }
  rc = source_stream_wait (w->spec.source, w->in, KEPT_PIECE, wait_ms, len, err);
  if (rc != 0)
    return rc;
  w->last = *len == 0;
  if (*len > 0 && keep (w, w->in, *len))
    return kept_read (w->spec.kept, w->in, len, err);
  return 0;
}

static int
next_bytes (struct wrapped *w, int wait_ms, struct error *err)
{
  size_t len = 0;
  int rc = recall (w, &len, err);

  if (rc == 0 && len == 0)
    rc = fetch (w, wait_ms, &len, err);
  if (rc != 0)
    return rc;
  if (w->spec.hash != NULL)
    hash_update (w->spec.hash, w->in, len);
  w->taken += len;
  w->io.in = w->in;
  w->io.in_len = len;
  return 0;
}

/* Where nobody knows how long it is, a connection that ended looks like a file that was cut. */
static int
refuse (const struct wrapped *w, struct error *err)
{
  if (err->code != ERR_IMAGE_TRUNCATED || w->spec.length != UINT64_MAX)
    return fail_in (err, source_url (w->spec.source));
  return fail (err, ERR_SOURCE_ENDED,
               "%s: the stream ended after %" PRIu64
               " bytes, in the middle of its %s data; give "
               "it again, the same bytes and all of them",
               source_url (w->spec.source), w->taken, wrapper_name (w->spec.kind));
}

static int
too_much (const struct wrapped *w, struct error *err)
{
  char most[24];

  return fail (
      err, ERR_IMAGE_TOO_LARGE,
      "%s: what is in the %s file is longer than %s, which is more than an image of the "
      "largest disk that --max-size allows; raise that if it is right",
      source_url (w->spec.source), wrapper_name (w->spec.kind),
      format_size (most, w->spec.most));
}

int
wrapped_read (struct wrapped *w, void *buf, size_t max, int wait_ms, size_t *got,
              struct error *err)
{
  int rc = 1;

  *got = 0;
  while (rc == 1 && *got == 0 && !w->ended) {
    rc = keep_what_came (w, err);
    if (rc == 0 && w->io.in_len == 0 && !w->last)
      rc = next_bytes (w, wait_ms, err);
    if (rc != 0)
      return rc;
    w->io.out = buf;
    w->io.out_len = max;
    rc = unwrap_push (w->unwrap, &w->io, w->last, err);
    if (rc == -1)
      return refuse (w, err);
    *got = max - w->io.out_len;
    w->ended = rc == 0;
  }
  return unwrap_given (w->unwrap) > w->spec.most ? too_much (w, err) : 0;
}

uint64_t
wrapped_taken (const struct wrapped *w)
{
  return w->taken;
}

uint64_t
wrapped_recalled (const struct wrapped *w)
{
  return w->recalled;
}
