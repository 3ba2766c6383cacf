/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * transfer: one request on the wire.  Sets the easy handle up, judges the answer at its first
 * body byte (J5), and hands body bytes that passed to the job's sink.  What becomes of the job
 * afterwards is outcome.c's.
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Body of a refused answer that is read to its end, to keep the connection. */
enum { REFUSED_BODY_MAX = 65536 };

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
  a->fresh += len;
  /* crumbs are no progress: else a server could keep an import alive with a byte at a time */
  if (a->fresh >= 1024 || job->done >= job->range.len)
    retry_budget_progress (&s->budget, monotonic_ms ());
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

  if (a->request.ranged) {
    size_t at = job->tail_len - (size_t)(a->skip - a->received);

    if (memcmp (job->tail + at, data, len) != 0) {
      changed (job, "bytes that were read before read differently now");
      return -1;
    }
    return 0;
  }
  if (a->place->id.trust == SOURCE_TRUST_STRONG)
    return 0;
  digest_update (&a->skipped, data, len);
  if (a->received + len < a->skip)
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

  if (len > a->j.len - a->received) {
    len = (size_t)(a->j.len - a->received);
    a->overlong = true;
  }
  if (a->received < a->skip) {
    n = (size_t)min_u64 (len, a->skip - a->received);
    if (skip_delivered (job, data, n) == -1)
      return -1;
    a->received += n;
    data += n;
    len -= n;
  }
  if (len > job->range.len - job->done) { /* source_shorten */
    len = (size_t)(job->range.len - job->done);
    enough = true;
  }
  if (len > 0) {
    a->received += len;
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
  return job->kind == JOB_STREAM && job->answer.received + len > job->answer.skip
         && !stream_room (s, len);
}

/* Where such an answer ends is as doubtful as the rest of it: its connection is closed, lest
 * what is left of it is taken for the next answer. */
static bool
is_garbled (const struct answer *a)
{
  return a->j.verdict == RESPONSE_WRONG || a->j.verdict == RESPONSE_CONTRADICTS;
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
  s->fetched += len;
  a->slow_bytes += len;
  rate_take (&s->rate, len);
  if (!a->accepted) {
    a->received += len;
    return is_garbled (a) || a->received > REFUSED_BODY_MAX ? CURL_WRITEFUNC_ERROR : len;
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
  a->slow_since_ms = monotonic_ms ();
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

/* What an accepted answer settles about its place and its job. */
static int
accept_answer (struct job *job, const struct response *r)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  struct place *p = a->place;

  if (!p->settled && s->reference == NULL)
    note_certificate (s, job->easy);
  if (!p->known || job->kind == JOB_PROBE || (job->kind == JOB_VET && !p->vetted))
    response_identity (r, a->j.total, &p->id);
  p->known = true;
  if (job->kind == JOB_PROBE) {
    s->reference = p;
    p->vetted = true;
    job->bound = p; /* its bytes are not mixed with another's */
  }
  if (a->generation == p->generation) { /* else it tells of a URL that is not used any more */
    p->settled = true;
    p->resolved_again = false;
    if (p->scout == job)
      p->scout = NULL;
  }
  job->wrong = 0;
  if (a->j.verdict == RESPONSE_EMPTY) {
    job->range.len = 0;
    return 0;
  }
  if (p->id.trust != SOURCE_TRUST_STRONG && job->tail == NULL) {
    job->tail = malloc (OVERLAP);
    job->tail_len = 0;
    if (job->tail == NULL)
      return fail_memory (&s->error, "an overlap");
  }
  if (a->j.verdict == RESPONSE_WHOLE) {
    a->request.ranged = false;
    if (job->kind == JOB_PROBE)
      return stream_adopt (job, a->j.total, &s->error);
    a->skip = job->done;
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
  if (answered > sent && (s->round_trip_us == 0 || answered - sent < s->round_trip_us))
    s->round_trip_us = answered - sent;
}

void
transfer_judge (struct job *job)
{
  struct answer *a = &job->answer;
  struct response r;

  if (a->judged)
    return;
  a->judged = true;
  note_round_trip (job->s, job->easy);
  collect (job->easy, &r);
  response_check (&r, &a->request, &a->j);
  a->accepted = a->j.verdict == RESPONSE_PART || a->j.verdict == RESPONSE_WHOLE
                || a->j.verdict == RESPONSE_EMPTY;
  if (a->accepted && accept_answer (job, &r) == -1)
    job->s->failed = true;
}

/* Which bytes to ask for: what is missing, with a weak identity the last ones delivered too
 * (nothing of the range where none was). */
static void
choose_range (struct job *job, struct place *place)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  struct request *q = &a->request;

  q->whole_welcome = job->kind == JOB_PROBE || job->kind == JOB_STREAM;
  q->known = place->known ? &place->id : NULL;
  if (job->kind == JOB_STREAM && (job->done == 0 || !s->id.ranges)) {
    a->skip = job->done;
    q->len = LENGTH_UNKNOWN;
    return;
  }
  a->skip = min_u64 (job->tail_len, job->done);
  q->ranged = true;
  q->from = job->range.at.v + job->done - a->skip;
  q->len = job->range.len - job->done + a->skip;
}

static void
add_line (struct answer *a, const char *line, bool *ok)
{
  struct curl_slist *grown = curl_slist_append (a->headers, line);

  if (grown == NULL)
    *ok = false;
  else
    a->headers = grown;
}

/* A1: the caller's headers only where they were meant for. */
static bool
add_headers (struct job *job, const struct place *place, bool credentials)
{
  struct answer *a = &job->answer;
  const char *tag = NULL;
  char line[320];
  struct curl_slist *h;
  bool ok = true;

  add_line (a, "Accept-Encoding: identity", &ok);
  if (a->request.ranged && place->known && job->kind != JOB_PROBE && !place->no_if_range)
    tag = response_if_range (&place->id);
  a->request.if_range = tag != NULL;
  if (tag != NULL) {
    snprintf (line, sizeof line, "If-Range: %s", tag);
    add_line (a, line, &ok);
  }
  for (h = credentials ? job->s->credentials.headers : NULL; h != NULL; h = h->next)
    add_line (a, h->data, &ok);
  return ok;
}

struct setter {
  CURL *easy;
  CURLcode rc;
};

#define SET(t, option, value)                                \
  do {                                                       \
    if ((t)->rc == CURLE_OK)                                 \
      (t)->rc = curl_easy_setopt ((t)->easy, option, value); \
  } while (0)

/* A7: ~/.netrc only when asked; client certificates are credentials too. */
static void
set_credentials (struct setter *t, const struct source *s, const struct place *place)
{
  const struct source_options *o = &s->options;
  bool from_url = place->user != NULL;

  if (from_url || (place->own && s->credentials.user != NULL)) {
    SET (t, CURLOPT_USERNAME, from_url ? place->user : s->credentials.user);
    SET (t, CURLOPT_PASSWORD,
         !from_url                 ? s->credentials.password
         : place->password != NULL ? place->password
                                   : "");
  }
  if (!place->own)
    return;
  if (o->netrc || o->netrc_file != NULL)
    SET (t, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
  if (o->netrc_file != NULL)
    SET (t, CURLOPT_NETRC_FILE, o->netrc_file);
  if (o->cert != NULL)
    SET (t, CURLOPT_SSLCERT, o->cert);
  if (o->key != NULL)
    SET (t, CURLOPT_SSLKEY, o->key);
  if (o->aws_sigv4 != NULL)
    SET (t, CURLOPT_AWS_SIGV4, o->aws_sigv4);
}

static void
set_trust (struct setter *t, const struct source *s)
{
  const struct source_options *o = &s->options;

  SET (t, CURLOPT_PROTOCOLS_STR, "http,https");
  if (o->cacert != NULL)
    SET (t, CURLOPT_CAINFO, o->cacert);
  if (o->pinnedpubkey != NULL)
    SET (t, CURLOPT_PINNEDPUBLICKEY, o->pinnedpubkey);
  if (o->proxy != NULL)
    SET (t, CURLOPT_PROXY, o->proxy);
  if (o->insecure) {
    SET (t, CURLOPT_SSL_VERIFYPEER, 0L);
    SET (t, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (s->reference == NULL)
    SET (t, CURLOPT_CERTINFO, 1L);
}

/* Data goes over connections of its own: over HTTP/2 all of it would share one. */
static void
set_wire (struct setter *t, const struct source *s, enum job_kind kind)
{
  bool data = kind == JOB_DATA || kind == JOB_STREAM;

  SET (t, CURLOPT_NOSIGNAL, 1L);
  SET (t, CURLOPT_QUICK_EXIT, 1L);
  SET (t, CURLOPT_TCP_NODELAY, 1L);
  SET (t, CURLOPT_TCP_KEEPALIVE, 1L);
  SET (t, CURLOPT_CONNECTTIMEOUT, (long)s->options.connect_timeout_s);
  /* refused while the handle still holds a buffer, as after a name that was not found; the
   * default will do then */
  curl_easy_setopt (t->easy, CURLOPT_BUFFERSIZE, data ? 512L * 1024 : 64L * 1024);
  SET (t, CURLOPT_HTTP_VERSION,
       data ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
  SET (t, CURLOPT_PIPEWAIT, data ? 0L : 1L);
  SET (t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET (t, CURLOPT_USERAGENT, "qimport/" PACKAGE_VERSION);
}

static CURLcode
set_up (struct job *job, struct place *place, bool credentials)
{
  struct setter t = { job->easy, CURLE_OK };
  const struct request *q = &job->answer.request;
  char range[64];

  curl_easy_reset (job->easy);
  set_wire (&t, job->s, job->kind);
  set_trust (&t, job->s);
  if (credentials)
    set_credentials (&t, job->s, place);
  SET (&t, CURLOPT_URL, place->pinned);
  SET (&t, CURLOPT_FOLLOWLOCATION, 0L);
  SET (&t, CURLOPT_HTTPHEADER, job->answer.headers);
  if (q->ranged) {
    snprintf (range, sizeof range, "%" PRIu64 "-%" PRIu64, q->from, q->from + q->len - 1);
    SET (&t, CURLOPT_RANGE, range);
  }
  SET (&t, CURLOPT_HEADERFUNCTION, on_header);
  SET (&t, CURLOPT_HEADERDATA, job);
  SET (&t, CURLOPT_WRITEFUNCTION, on_body);
  SET (&t, CURLOPT_WRITEDATA, job);
  SET (&t, CURLOPT_PRIVATE, job);
  SET (&t, CURLOPT_ERRORBUFFER, job->answer.words);
  return t.rc;
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

int
transfer_start (struct job *job, struct place *place, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  bool credentials = place_at_origin (place);
  CURLcode rc;

  *a = (struct answer){ .place = place,
                        .generation = place->generation,
                        .started_ms = monotonic_ms () };
  a->slow_since_ms = a->slow_at_ms = a->started_ms;
  digest_init (&a->skipped);
  choose_range (job, place);
  if (job->easy == NULL)
    job->easy = curl_easy_init ();
  if (job->easy == NULL || !add_headers (job, place, credentials && place->own)) {
    curl_slist_free_all (a->headers);
    a->headers = NULL;
    return fail_memory (err, "a request");
  }
  rc = set_up (job, place, credentials);
  if (rc == CURLE_OK && curl_multi_add_handle (s->multi, job->easy) != CURLM_OK)
    rc = CURLE_OUT_OF_MEMORY;
  if (rc != CURLE_OK) {
    curl_slist_free_all (a->headers);
    a->headers = NULL;
    return setup_failed (s, rc, err);
  }
  if (!place->settled)
    place->scout = job;
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
  curl_multi_remove_handle (job->s->multi, job->easy);
  curl_slist_free_all (a->headers);
  a->headers = NULL;
  if (a->place->scout == job)
    a->place->scout = NULL;
  job->state = JOB_WAITING;
}
