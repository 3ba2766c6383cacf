/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * transfer: one request on the wire.  Judges the answer at its first body byte (J5), and hands
 * body bytes that passed to the job's sink.  What becomes of the job afterwards is outcome.c's.
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Body of a refused answer that is read to its end, to keep the connection. */
enum { REFUSED_BODY_MAX = 2 * BODY_KEPT };

/* J5 holds because this is the only way from a socket to a sink. */
static int
deliver (struct job *job, const uint8_t *data, size_t len)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  host_off at = { job->range.at.v + job->done };

  if (job->sink (job->ctx, at, data, len, &s->error) == -1) {
    s->failed = true;
    return -1;
  }
  job->done += len;
  a->bytes.fresh += len;
  /* crumbs are no progress: else a server could keep an import alive with a byte at a time */
  if (a->bytes.fresh >= 1024 || job->done >= job->range.len)
    retry_budget_progress (&s->waits.budget, monotonic_ms ());
  return 0;
}

static void
changed (struct job *job, const char *why)
{
  job->answer.accepted = false;
  job->answer.j.verdict = RESPONSE_CHANGED;
  snprintf (job->answer.j.why, sizeof job->answer.j.why, "%s", why);
}

/* The beginning of an answer, which was delivered before: compared, not delivered again. */
static int
skip_delivered (struct job *job, const uint8_t *data, size_t len)
{
  struct answer *a = &job->answer;
  uint8_t was[DIGEST_SIZE], is[DIGEST_SIZE];

  if (a->sent.request.ranged) {
    size_t at = job->tail_len - (size_t)(a->bytes.skip - a->bytes.received);

    if (memcmp (job->tail + at, data, len) != 0) {
      changed (job, "bytes that were read before read differently now");
      return -1;
    }
    return 0;
  }
  if (a->place->image.id.trust == SOURCE_TRUST_STRONG)
    return 0;
  digest_update (&a->skipped, data, len);
  if (a->bytes.received + len < a->bytes.skip)
    return 0;
  digest_peek (&a->skipped, is);
  digest_peek (&job->s->stream.seen, was);
  if (memcmp (was, is, DIGEST_SIZE) != 0) {
    changed (job, "read again from its start it differs");
    return -1;
  }
  return 0;
}

static void
remember_tail (struct job *job, const uint8_t *data, size_t len)
{
  size_t keep;

  if (job->tail == NULL)
    return;
  if (len >= OVERLAP) {
    memcpy (job->tail, data + len - OVERLAP, OVERLAP);
    job->tail_len = OVERLAP;
    return;
  }
  keep = job->tail_len + len > OVERLAP ? OVERLAP - len : job->tail_len;
  memmove (job->tail, job->tail + job->tail_len - keep, keep);
  memcpy (job->tail + keep, data, len);
  job->tail_len = keep + len;
}

/* Body bytes of an answer that was accepted. */
static int
take (struct job *job, const uint8_t *data, size_t len)
{
  struct answer *a = &job->answer;
  bool enough = false;
  size_t n;

  if (len > a->j.len - a->bytes.received) {
    len = (size_t)(a->j.len - a->bytes.received);
    a->overlong = true;
  }
  if (a->bytes.received < a->bytes.skip) {
    n = (size_t)min_u64 (len, a->bytes.skip - a->bytes.received);
    if (skip_delivered (job, data, n) == -1)
      return -1;
    a->bytes.received += n;
    data += n;
    len -= n;
  }
  if (len > job->range.len - job->done) { /* source_shorten */
    len = (size_t)(job->range.len - job->done);
    enough = true;
  }
  if (len > 0) {
    a->bytes.received += len;
    if (deliver (job, data, len) == -1)
      return -1;
    remember_tail (job, data, len);
  }
  return a->overlong || enough ? -1 : 0;
}

/* Bytes that are skipped are not for the stream's buffer. */
static bool
must_wait (struct job *job, size_t len)
{
  struct source *s = job->s;

  if (rate_wait_ms (&s->rate, monotonic_ms ()) > 0)
    return true;
  return job->kind == JOB_STREAM && job->answer.bytes.received + len > job->answer.bytes.skip
         && !stream_room (s, len);
}

/* Where such an answer ends is as doubtful as the rest of it: its connection is closed, lest
 * what is left of it is taken for the next answer. */
static bool
is_garbled (const struct answer *a)
{
  return a->j.verdict == RESPONSE_WRONG || a->j.verdict == RESPONSE_CHANGED;
}

/* What a refusal says; without memory it says nothing. */
static void
keep_body (struct answer *a, const char *data, size_t len)
{
  if (a->said.body == NULL)
    a->said.body = malloc (BODY_KEPT);
  if (a->said.body == NULL)
    return;
  len = (size_t)min_u64 (len, BODY_KEPT - a->said.len);
  memcpy (a->said.body + a->said.len, data, len);
  a->said.len += len;
}

static size_t
on_body (char *data, size_t size, size_t n, void *ctx)
{
  struct job *job = ctx;
  struct source *s = job->s;
  struct answer *a = &job->answer;
  size_t len = size * n;

  transfer_judge (job);
  if (s->failed)
    return CURL_WRITEFUNC_ERROR;
  if (a->accepted && must_wait (job, len)) {
    a->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  s->seen.fetched += len;
  a->pace.window_bytes += len;
  a->place->total.bytes += len;
  rate_take (&s->rate, len);
  if (!a->accepted) {
    keep_body (a, data, len);
    a->bytes.received += len;
    return is_garbled (a) || a->bytes.received > REFUSED_BODY_MAX ? CURL_WRITEFUNC_ERROR : len;
  }
  return take (job, (const uint8_t *)data, len) == -1 ? CURL_WRITEFUNC_ERROR : len;
}

void
transfer_unpause (struct job *job)
{
  struct answer *a = &job->answer;

  if (!a->paused)
    return;
  a->paused = false;
  a->pace.slow_since_ms = monotonic_ms ();
  /* calls on_body, which may pause it again */
  curl_easy_pause (job->easy, CURLPAUSE_CONT);
}

/* libcurl calls an answer that ends within its headers a success without a body. */
static size_t
on_header (char *line, size_t size, size_t n, void *ctx)
{
  struct answer *a = &((struct job *)ctx)->answer;
  size_t len = size * n;

  if (len >= 5 && memcmp (line, "HTTP/", 5) == 0)
    a->headed = false;
  if (len <= 2 && (line[0] == '\r' || line[0] == '\n'))
    a->headed = true;
  return len;
}

/* The value of NAME in the last answer; *DIFFER when it was sent twice, not alike. */
static const char *
header (CURL *easy, const char *name, bool *differ)
{
  struct curl_header *h;
  const char *value;
  size_t i, amount;

  if (curl_easy_header (easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
    return NULL;
  value = h->value;
  amount = h->amount;
  for (i = 1; i < amount && differ != NULL; i++) {
    if (curl_easy_header (easy, name, i, CURLH_HEADER, -1, &h) == CURLHE_OK
        && strcmp (h->value, value) != 0)
      *differ = true;
  }
  return value;
}

static void
collect (CURL *easy, struct response *r)
{
  *r = (struct response){ 0 };
  curl_easy_getinfo (easy, CURLINFO_RESPONSE_CODE, &r->status);
  r->content_range = header (easy, "Content-Range", &r->copies_differ);
  r->content_length = header (easy, "Content-Length", &r->copies_differ);
  r->content_encoding = header (easy, "Content-Encoding", &r->copies_differ);
  r->content_type = header (easy, "Content-Type", NULL);
  r->etag = header (easy, "ETag", &r->copies_differ);
  r->last_modified = header (easy, "Last-Modified", &r->copies_differ);
  r->date = header (easy, "Date", NULL);
  r->retry_after = header (easy, "Retry-After", NULL);
}

/* SHA-256 of the certificate, from the PEM that libcurl keeps. */
static void
note_certificate (struct source *s, CURL *easy)
{
  struct curl_certinfo *info = NULL;
  struct curl_slist *line;
  uint8_t sum[DIGEST_SIZE];
  struct digest d;
  uint32_t bits = 0;
  int have = 0;
  const char *p = NULL;

  if (s->fingerprint[0] != '\0'
      || curl_easy_getinfo (easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == NULL
      || info->num_of_certs < 1)
    return;
  for (line = info->certinfo[0]; line != NULL && p == NULL; line = line->next)
    p = strncmp (line->data, "Cert:", 5) == 0 ? strstr (line->data, "CERTIFICATE-----") : NULL;
  if (p == NULL)
    return;
  digest_init (&d);
  for (p += strlen ("CERTIFICATE-----"); *p != '\0' && *p != '-' && *p != '='; p++) {
    static const char alphabet[]
        = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digit = strchr (alphabet, *p);
    uint8_t byte;

    if (digit == NULL)
      continue;
    bits = bits << 6 | (uint32_t)(digit - alphabet);
    have += 6;
    if (have >= 8) {
      have -= 8;
      byte = (uint8_t)(bits >> have);
      digest_update (&d, &byte, 1);
    }
  }
  digest_peek (&d, sum);
  digest_hex (s->fingerprint, sum);
}

static void
identify (struct place *p, const struct response *r, uint64_t total)
{
  struct response without = *r;

  if (p->image.no_tag)
    without.etag = NULL;
  response_identity (&without, total, &p->image.id);
}

/* What an accepted answer settles about the image at its place. */
static void
accept_image (struct job *job, const struct response *r)
{
  const struct answer *a = &job->answer;
  struct place *p = a->place;

  if (!p->image.known || job->kind == JOB_PROBE || (job->kind == JOB_VET && !p->vetted))
    identify (p, r, a->j.total);
  else if (!a->j.proven && p->image.id.trust == SOURCE_TRUST_STRONG)
    p->image.id.trust = SOURCE_TRUST_WEAK;
  p->image.known = true;
  p->image.tags = 0;
  p->image.last_tag[0] = '\0';
}

/* And about the way there, unless it tells of a URL that is not used any more. */
static void
accept_way (struct job *job)
{
  struct place *p = job->answer.place;

  if (job->answer.sent.generation != p->way.generation)
    return;
  p->way.settled = true;
  p->way.resolved = 0;
  free (p->way.failed_at);
  p->way.failed_at = NULL;
  if (p->way.scout == job)
    p->way.scout = NULL;
}

static int
accept_answer (struct job *job, const struct response *r)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  struct place *p = a->place;

  if (!p->way.settled && s->places.reference == NULL)
    note_certificate (s, job->easy);
  if (a->j.verdict == RESPONSE_WHOLE && a->j.len == LENGTH_UNKNOWN && s->ranges.told > 0)
    a->j.len = a->j.total = s->ranges.told; /* or such a one would never end */
  accept_image (job, r);
  if (p->url.own && a->pace.started_ms >= s->login.reread_ms)
    s->login.reread = false;
  if (job->kind == JOB_PROBE) {
    s->places.reference = p;
    p->vetted = true;
    job->bound = p; /* its bytes are not mixed with another's */
  }
  accept_way (job);
  job->wrong = 0;
  job->avoid = NULL;
  if (a->j.verdict == RESPONSE_EMPTY) {
    job->range.len = 0;
    return 0;
  }
  if (p->image.id.trust != SOURCE_TRUST_STRONG && job->tail == NULL) {
    job->tail = malloc (OVERLAP);
    job->tail_len = 0;
    if (job->tail == NULL)
      return fail_memory (&s->error, "an overlap");
  }
  s->ranges.work |= a->j.verdict == RESPONSE_PART && job->kind != JOB_PROBE;
  if (a->j.verdict == RESPONSE_WHOLE) {
    a->sent.request.ranged = false;
    if (job->kind == JOB_PROBE)
      return stream_adopt (job, a->j.total, &s->error);
    a->bytes.skip = job->done;
    return 0;
  }
  if (job->kind == JOB_PROBE)
    job->range.len = min_u64 (job->range.len, a->j.total);
  return 0;
}

/* From the request to the first byte of its answer. */
static void
note_round_trip (struct source *s, CURL *easy)
{
  curl_off_t sent = 0, answered = 0;

  curl_easy_getinfo (easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  curl_easy_getinfo (easy, CURLINFO_STARTTRANSFER_TIME_T, &answered);
  if (answered > sent
      && (s->seen.round_trip_us == 0 || answered - sent < s->seen.round_trip_us))
    s->seen.round_trip_us = answered - sent;
}

/* A mirror's page of excuses, where a redirect promised an image: the next one may have it.  A
 * page that comes again is for the caller to judge. */
static bool
is_page (struct job *job, const struct response *r)
{
  struct answer *a = &job->answer;
  struct place *p = a->place;

  if (job->kind != JOB_PROBE || p->way.hops == 0 || r->content_type == NULL
      || strncasecmp (r->content_type, "text/html", 9) != 0
      || (a->j.verdict != RESPONSE_WHOLE && a->j.verdict != RESPONSE_PART)
      || (p->way.failed_at != NULL && strcmp (p->way.failed_at, p->url.pinned) == 0))
    return false;
  snprintf (a->j.why, sizeof a->j.why, "a page, not an image");
  return true;
}

void
transfer_judge (struct job *job)
{
  struct answer *a = &job->answer;
  char *address = NULL;
  struct response r;

  if (a->judged)
    return;
  a->judged = true;
  note_round_trip (job->s, job->easy);
  curl_easy_getinfo (job->easy, CURLINFO_PRIMARY_IP, &address);
  if (!a->proxied && address != NULL && a->sent.generation == a->place->way.generation)
    place_answered (a->place, address);
  collect (job->easy, &r);
  response_check (&r, &a->sent.request, &a->j);
  if (is_page (job, &r))
    a->j.verdict = RESPONSE_WRONG;
  a->accepted = a->j.verdict == RESPONSE_PART || a->j.verdict == RESPONSE_WHOLE
                || a->j.verdict == RESPONSE_EMPTY;
  if (a->accepted && accept_answer (job, &r) == -1)
    job->s->failed = true;
}

static int
setup_failed (const struct source *s, CURLcode rc, struct error *err)
{
  if (rc == CURLE_OUT_OF_MEMORY)
    return fail_memory (err, "a request");
  return fail (err, ERR_USAGE,
               "%s: libcurl refuses an option: %s; see the options of TLS, proxy "
               "and signatures",
               s->shown, curl_easy_strerror (rc));
}

static CURLcode
set_callbacks (struct job *job)
{
  CURLcode rc = curl_easy_setopt (job->easy, CURLOPT_HEADERFUNCTION, on_header);

  if (rc == CURLE_OK)
    rc = curl_easy_setopt (job->easy, CURLOPT_HEADERDATA, job);
  if (rc == CURLE_OK)
    rc = curl_easy_setopt (job->easy, CURLOPT_WRITEFUNCTION, on_body);
  if (rc == CURLE_OK)
    rc = curl_easy_setopt (job->easy, CURLOPT_WRITEDATA, job);
  return rc;
}

int
transfer_start (struct job *job, struct place *place, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  CURLcode rc;

  *a = (struct answer){ .place = place,
                        .sent.generation = place->way.generation,
                        .pace.started_ms = monotonic_ms () };
  a->pace.slow_since_ms = a->pace.window_at_ms = a->pace.started_ms;
  digest_init (&a->skipped);
  if (job->easy == NULL && (job->easy = request_handle ()) == NULL)
    return fail_memory (err, "a request");
  if (request_choose (job, err) == -1)
    return -1;
  rc = request_set_up (job);
  if (rc == CURLE_OK)
    rc = set_callbacks (job);
  if (rc == CURLE_OK && curl_multi_add_handle (s->net.multi, job->easy) != CURLM_OK)
    rc = CURLE_OUT_OF_MEMORY;
  if (rc != CURLE_OK) {
    request_release (a);
    return setup_failed (s, rc, err);
  }
  if (!place->way.settled)
    place->way.scout = job;
  place->total.requests++;
  place->running++;
  share_asked (place, a->pace.started_ms);
  job->state = JOB_RUNNING;
  return 0;
}

/* Whatever it was doing; connections in mid-answer are closed by libcurl. */
void
transfer_stop (struct job *job)
{
  struct answer *a = &job->answer;

  if (job->state != JOB_RUNNING)
    return;
  curl_multi_remove_handle (job->s->net.multi, job->easy);
  request_release (a);
  if (a->place->way.scout == job)
    a->place->way.scout = NULL;
  a->place->running--;
  job->state = JOB_WAITING;
}
