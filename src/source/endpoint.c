/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * endpoint: URLs.  Splits userinfo off, tells origins apart, follows a redirect if it may be
 * followed, and chooses whom to ask.  Sends nothing itself.
 */
#include "source/engine.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"
#include "base/text.h"

/* So long a fast place that is to be left alone is waited for, before a slow one is asked. */
enum { WORTH_MS = 2000 };

bool
url_is_http (const char *url)
{
  return strncasecmp (url, "http://", 7) == 0 || strncasecmp (url, "https://", 8) == 0;
}

/* Take userinfo and fragment out of U. */
static int
split_userinfo (CURLU *u, char **user, char **password)
{
  char *part = NULL;

  if (curl_url_get (u, CURLUPART_USER, &part, CURLU_URLDECODE) == CURLUE_OK) {
    *user = strdup (part);
    curl_free (part);
    if (*user == NULL)
      return -1;
  }
  if (curl_url_get (u, CURLUPART_PASSWORD, &part, CURLU_URLDECODE) == CURLUE_OK) {
    *password = strdup (part);
    curl_free (part);
    if (*password == NULL)
      return -1;
  }
  if (curl_url_set (u, CURLUPART_USER, NULL, 0) != CURLUE_OK
      || curl_url_set (u, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK
      || curl_url_set (u, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK)
    return -1;
  return 0;
}

static char *
url_part (CURLU *u, CURLUPart part, unsigned flags)
{
  char *text = NULL, *copy;

  if (curl_url_get (u, part, &text, flags) != CURLUE_OK)
    return NULL;
  copy = strdup (text);
  curl_free (text);
  return copy;
}

/* scheme://host:port, lower case. */
static char *
url_origin (CURLU *u)
{
  OWN_MEM char *scheme = url_part (u, CURLUPART_SCHEME, 0);
  OWN_MEM char *host = url_part (u, CURLUPART_HOST, 0);
  OWN_MEM char *port = url_part (u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  char *origin = NULL, *p;

  if (scheme == NULL || host == NULL || port == NULL
      || asprintf (&origin, "%s://%s:%s", scheme, host, port) == -1)
    return NULL;
  for (p = origin; *p != '\0'; p++) {
    if (*p >= 'A' && *p <= 'Z')
      *p = (char)(*p - 'A' + 'a');
  }
  return origin;
}

struct parsed_url {
  char *text, *origin, *user, *password;
};

static void
parsed_url_release (struct parsed_url *p)
{
  if (p->password != NULL)
    explicit_bzero (p->password, strlen (p->password));
  free (p->text);
  free (p->origin);
  free (p->user);
  free (p->password);
  *p = (struct parsed_url){ 0 };
}

/* URL is http or https; FLAGS are libcurl's.  Words that fail are shown without what may be
 * secret. */
static int
parse_url (const char *url, unsigned flags, struct parsed_url *out, struct error *err)
{
  char shown[SHOWN_MAX];
  CURLU *u = curl_url ();
  CURLUcode rc;

  if (u == NULL)
    return fail_memory (err, "a URL");
  rc = curl_url_set (u, CURLUPART_URL, url, flags);
  if (rc != CURLUE_OK) {
    curl_url_cleanup (u);
    if (rc == CURLUE_OUT_OF_MEMORY)
      return fail_memory (err, "a URL");
    return fail (err, ERR_USAGE, "%s: not a URL (%s); check how it is written",
                 redact_url (shown, sizeof shown, url), curl_url_strerror (rc));
  }
  if (split_userinfo (u, &out->user, &out->password) == 0) {
    out->text = url_part (u, CURLUPART_URL, 0);
    out->origin = url_origin (u);
  }
  curl_url_cleanup (u);
  if (out->text == NULL || out->origin == NULL) {
    parsed_url_release (out);
    return fail_memory (err, "a URL");
  }
  return 0;
}

/* ORIGIN: scheme://host:port. */
static bool
origin_is_ours (const char *origin)
{
  const char *host = strstr (origin, "://") + 3;
  OWN_MEM char *copy = strndup (host, (size_t)(strrchr (host, ':') - host));

  return copy == NULL || host_is_ours (copy);
}

int
place_init (struct place *p, const char *url, struct error *err)
{
  struct parsed_url u = { 0 };

  *p = (struct place){ 0 };
  if (parse_url (url, 0, &u, err) == -1)
    return -1;
  p->url.original = u.text;
  p->url.origin = u.origin;
  p->url.ours = origin_is_ours (p->url.origin);
  p->url.user = u.user;
  p->url.password = u.password;
  redact_url (p->url.shown, sizeof p->url.shown, p->url.original);
  return place_unsettle (p, err);
}

void
place_release (struct place *p)
{
  if (p->url.password != NULL)
    explicit_bzero (p->url.password, strlen (p->url.password));
  free (p->url.original);
  free (p->url.origin);
  free (p->url.pinned);
  free (p->url.pinned_origin);
  free (p->way.failed_at);
  free (p->share.refused_at);
  free (p->url.user);
  free (p->url.password);
  *p = (struct place){ 0 };
}

int
place_unsettle (struct place *p, struct error *err)
{
  char *copy = strdup (p->url.original), *origin = strdup (p->url.origin);

  if (copy == NULL || origin == NULL) {
    free (copy);
    free (origin);
    return fail_memory (err, "a URL");
  }
  free (p->url.pinned);
  free (p->url.pinned_origin);
  p->url.pinned = copy;
  p->url.pinned_origin = origin;
  redact_url (p->url.shown_pinned, sizeof p->url.shown_pinned, p->url.pinned);
  share_moved (p);
  p->way.settled = false;
  p->way.hops = p->health.stuck = 0;
  p->way.generation++;
  return 0;
}

int
place_go_back (struct place *p, struct error *err)
{
  free (p->way.failed_at);
  p->way.failed_at = strdup (p->url.pinned);
  return place_unsettle (p, err);
}

/* A2, A3: http and https only, and https never falls to http. */
static int
redirect_allowed (const struct place *p, const char *url, struct error *err)
{
  char to[SHOWN_MAX];
  size_t n = strcspn (url, ":?#/");

  if (!url_is_http (url)) {
    escape_text (to, sizeof to, url, n > 32 ? 32 : n);
    return fail (
        err, ERR_SOURCE_FAILED,
        "%s: redirected to %s:, which is not followed, as only http and https are; check "
        "the URL",
        p->url.shown_pinned, to);
  }
  if (strncasecmp (p->url.pinned, "https:", 6) == 0 && strncasecmp (url, "https:", 6) != 0)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: redirected from https to %s, which is not followed; give that URL if it "
                 "is meant",
                 p->url.shown_pinned, redact_url (to, sizeof to, url));
  if (p->way.hops >= REDIRECTS_MAX)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: more than %d redirects, the last one to %s; check the URL", p->url.shown,
                 REDIRECTS_MAX, redact_url (to, sizeof to, url));
  return 0;
}

int
place_barred (const struct place *p, const char *url, struct error *err)
{
  char to[SHOWN_MAX];

  return fail (
      err, ERR_SOURCE_FAILED,
      "%s: redirected to %s, which is this machine or its link: from elsewhere that is "
      "not followed; give that URL if it is meant",
      p->url.shown, redact_url (to, sizeof to, url));
}

int
place_redirect (struct place *p, const char *url, struct error *err)
{
  struct parsed_url u = { 0 };

  if (redirect_allowed (p, url, err) == -1)
    return -1;
  /* servers forget to encode what they redirect to */
  if (parse_url (url, CURLU_URLENCODE | CURLU_ALLOW_SPACE, &u, err) == -1) {
    err->code = err->code == ERR_USAGE ? ERR_SOURCE_FAILED : err->code;
    return -1;
  }
  /* A5; what a name means is looked at when a connection is made */
  if (origin_is_ours (u.origin) && !p->url.ours) {
    parsed_url_release (&u);
    return place_barred (p, url, err);
  }
  free (p->url.pinned);
  free (p->url.pinned_origin);
  p->url.pinned = u.text;
  p->url.pinned_origin = u.origin;
  u.text = u.origin = NULL;
  parsed_url_release (&u); /* userinfo in a redirect is not ours to send */
  redact_url (p->url.shown_pinned, sizeof p->url.shown_pinned, p->url.pinned);
  share_moved (p);
  p->way.hops++;
  p->health.stuck = 0;
  p->way.generation++;
  return 0;
}

bool
place_at_origin (const struct place *p)
{
  return strcmp (p->url.pinned_origin, p->url.origin) == 0;
}

/* What a name means is known when somebody has answered to it. */
void
place_answered (struct place *p, const char *address)
{
  if (p->way.hops == 0)
    p->url.ours = origin_is_ours (p->url.origin) || address_text_is_ours (address);
}

/* A place that may be asked for JOB at all. */
static bool
place_serves (const struct place *p, const struct job *job)
{
  if (p->dead)
    return false;
  if (job->bound != NULL)
    return job->bound == p;
  return p->vetted || job->kind == JOB_PROBE;
}

/* May P be asked for JOB now, if no better one may? */
static bool
place_free (const struct source *s, const struct place *p, const struct job *job, int64_t now)
{
  return place_serves (p, job) && p->health.not_before_ms <= now
         && (p->way.settled || p->way.scout == NULL) && share_has_room (s, p, job, now);
}

/* How little P suits JOB.  One that failed last time is tried with one request at a time; one
 * that has just been slow for this JOB where there is no other; one that is slow for all hardly
 * ever. */
static unsigned
place_rank (const struct place *p, const struct job *job, int64_t now)
{
  if (place_is_slow (p, now))
    return 3;
  if (job->avoid == p)
    return 2;
  return p->health.fails > 0 && p->running > 0;
}

/* Is one that is faster than the slow ones worth waiting for? */
static bool
better_soon (const struct source *s, const struct job *job, int64_t now)
{
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    const struct place *p = &s->places.place[i];

    if (place_serves (p, job) && !place_is_slow (p, now)
        && p->health.not_before_ms < now + WORTH_MS)
      return true;
  }
  return false;
}

/* Those that suit best in rotation, and of others the one that failed least.  The probe prefers
 * the first that was named. */
struct place *
place_pick (struct source *s, const struct job *job, int64_t now)
{
  struct place *best = NULL;
  size_t i, first = job->kind == JOB_PROBE ? 0 : s->places.next;
  unsigned rank, best_rank = 0;

  for (i = 0; i < s->places.n; i++) {
    struct place *p = &s->places.place[(first + i) % s->places.n];

    if (!place_free (s, p, job, now))
      continue;
    rank = place_rank (p, job, now);
    if (best != NULL
        && (rank > best_rank
            || (rank == best_rank && (rank == 0 || p->health.fails >= best->health.fails))))
      continue;
    best = p;
    best_rank = rank;
  }
  if (best != NULL && place_is_slow (best, now) && better_soon (s, job, now))
    return NULL;
  if (best != NULL)
    s->places.next = (size_t)(best - s->places.place + 1) % s->places.n;
  return best;
}

bool
place_ready (const struct source *s, const struct job *job, const struct place *p, int64_t now)
{
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    const struct place *other = &s->places.place[i];

    if (other != p && place_serves (other, job)
        && other->health.not_before_ms <= now + RETRY_MOST_MS)
      return true;
  }
  return false;
}

struct place *
place_known (struct source *s)
{
  size_t i;

  if (s->places.reference != NULL && !s->places.reference->dead)
    return s->places.reference;
  for (i = 0; i < s->places.n; i++) {
    if (s->places.place[i].vetted && !s->places.place[i].dead)
      return &s->places.place[i];
  }
  return NULL;
}

bool
place_vetted_other (const struct source *s, const struct place *p)
{
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    if (&s->places.place[i] != p && s->places.place[i].vetted && !s->places.place[i].dead)
      return true;
  }
  return false;
}

bool
place_other (const struct source *s, const struct job *job, const struct place *p)
{
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    const struct place *other = &s->places.place[i];

    /* one that is being vetted may yet serve */
    if (other != p && !other->dead && (job->bound == NULL || job->bound == other))
      return true;
  }
  return false;
}

int
file_url_path (const char *url, char **path, struct error *err)
{
  char shown[SHOWN_MAX];
  CURLU *u = curl_url ();

  if (u == NULL)
    return fail_memory (err, "a URL");
  *path = NULL;
  if (curl_url_set (u, CURLUPART_URL, url, 0) == CURLUE_OK)
    *path = url_part (u, CURLUPART_PATH, CURLU_URLDECODE);
  curl_url_cleanup (u);
  if (*path == NULL)
    return fail (err, ERR_USAGE, "%s: not a file: URL; write file:///path",
                 redact_url (shown, sizeof shown, url));
  return 0;
}
