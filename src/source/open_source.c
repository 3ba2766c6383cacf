/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * open_source: opening and closing.  What kind of source a URL is, its options, and everything
 * that lives as long as it does.  No request is made here.
 */
#include "source/engine.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "base/descriptor.h"

/* libcurl's global state is made once in a process, and stays: another library may use it. */
static void
curl_begin (void)
{
  curl_global_init (CURL_GLOBAL_DEFAULT);
}

static char **
option_string (struct source_options *o, size_t i)
{
  const char **strings[]
      = { &o->login.header_file, &o->login.netrc_file,     &o->login.user_file,
          &o->login.bearer_file, &o->tls.cacert,           &o->tls.cert,
          &o->tls.key,           &o->tls.pinnedpubkey,     &o->proxy,
          &o->login.aws_sigv4,   &o->login.proxy_user_file };

  return i < sizeof strings / sizeof strings[0] ? (char **)strings[i] : NULL;
}

/* On failure the rest is NULL, for options_release. */
static int
options_copy (struct source_options *to, const struct source_options *from, struct error *err)
{
  bool ok = true;
  char **p;
  size_t i;

  *to = *from;
  to->mirrors = NULL;         /* places are made of them, */
  to->address.resolve = NULL; /* and of these a list of libcurl's */
  for (i = 0; (p = option_string (to, i)) != NULL; i++) {
    if (*p == NULL)
      continue;
    *p = ok ? strdup (*p) : NULL;
    ok = ok && *p != NULL;
  }
  if (to->connections == 0)
    to->connections = 1;
  return ok ? 0 : fail_memory (err, "options");
}

static void
options_release (struct source_options *o)
{
  char **p;
  size_t i;

  for (i = 0; (p = option_string (o, i)) != NULL; i++)
    free (*p);
}

static size_t
count (const char *const *list)
{
  size_t n = 0;

  while (list != NULL && list[n] != NULL)
    n++;
  return n;
}

/* J8: which places may get the credentials of the options. */
static int
share_credentials (struct source *s, const char *url, struct error *err)
{
  struct place whose = { 0 };
  size_t i;

  for (i = 0; i < s->places.n; i++) {
    struct place *p = &s->places.place[i];

    p->url.home = strcmp (p->url.origin, s->places.place[0].url.origin) == 0;
    p->url.own = url == NULL && p->url.home;
  }
#ifdef SEEDED_BUG_CREDENTIALS_EVERYWHERE
  url = s->places.place[0].url.original;
#endif
  if (url == NULL || !url_is_http (url))
    return 0;
  if (place_init (&whose, url, err) == -1)
    return -1;
  for (i = 0; i < s->places.n; i++)
    s->places.place[i].url.own = strcmp (s->places.place[i].url.origin, whose.url.origin) == 0;
  place_release (&whose);
  return 0;
}

static int
open_places (struct source *s, const char *url, const char *const *mirrors, struct error *err)
{
  size_t i, n = count (mirrors) + 1;
  char shown[SHOWN_MAX];

  s->places.place = calloc (n, sizeof *s->places.place);
  if (s->places.place == NULL)
    return fail_memory (err, "mirrors");
  for (i = 0; i < n; i++) {
    const char *text = i == 0 ? url : mirrors[i - 1];

    if (!url_is_http (text))
      return fail (err, ERR_USAGE, "%s: a mirror must be http or https",
                   redact_url (shown, sizeof shown, text));
    s->places.n++;
    if (place_init (&s->places.place[i], text, err) == -1)
      return -1;
  }
  return share_credentials (s, s->options.login.credentials_url, err);
}

/* Those that are sent nowhere are not read either: a file of secrets may be a pipe, which can
 * be read once. */
static bool
needs_credentials (const struct source *s)
{
  size_t i;

  for (i = 0; i < s->places.n; i++)
    if (s->places.place[i].url.own)
      return true;
  return false;
}

static int
open_jobs (struct source *s, struct error *err)
{
  s->jobs.n = s->options.connections + META_MAX + s->places.n + 1;
  s->jobs.job = calloc (s->jobs.n, sizeof *s->jobs.job);
  s->net.multi = curl_multi_init ();
  s->net.cookies = curl_share_init ();
  if (s->jobs.job == NULL || s->net.multi == NULL || s->net.cookies == NULL
      || curl_share_setopt (s->net.cookies, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE)
             != CURLSHE_OK
      || curl_multi_setopt (s->net.multi, CURLMOPT_MAXCONNECTS, (long)s->jobs.n) != CURLM_OK
      || curl_multi_setopt (s->net.multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX)
             != CURLM_OK)
    return fail_memory (err, "transfers");
  return 0;
}

int
source_local_path (const char *url, char **path, struct error *err)
{
  int fd;

  *path = NULL;
  if (url_is_http (url))
    return 0;
  if (strncasecmp (url, "file:", 5) == 0)
    return file_url_path (url, path, err);
  if (!url_descriptor (url, &fd)) {
    *path = strdup (url);
  } else if (asprintf (path, "/proc/self/fd/%d", fd) == -1) {
    *path = NULL;
  }
  return *path == NULL ? fail_memory (err, "a path") : 0;
}

/* "-", fd:N, a path, file: or http.  Another scheme is refused, a path with a colon is not. */
static int
open_kind (struct source *s, const char *url, const char *const *mirrors, struct error *err)
{
  char *path = NULL;
  int r;

  if (url_is_http (url))
    return s->options.length > 0 ? refuse_length (s, err) : open_places (s, url, mirrors, err);
  if (count (mirrors) > 0)
    return fail (err, ERR_USAGE, "%s: only an http or https image can have mirrors", s->shown);
  if (strncasecmp (url, "file:", 5) == 0) {
    if (file_url_path (url, &path, err) == -1)
      return -1;
    r = file_open (s, path, err);
    free (path);
    return r;
  }
  if (strstr (url, "://") != NULL && access (url, F_OK) == -1)
    return fail (err, ERR_USAGE, "%s: only http, https and file are read", s->shown);
  return file_open (s, url, err);
}

/* libcurl finds out late, and says it as if the network were broken.  GIVEN: where it stands.
 */
static int
check_proxy (const char *proxy, const char *given, struct error *err)
{
  static const char *const schemes[]
      = { "http", "https", "socks4", "socks4a", "socks5", "socks5h" };
  const char *end = proxy == NULL ? NULL : strstr (proxy, "://");
  char shown[128];
  size_t i;

  for (i = 0; end != NULL && i < sizeof schemes / sizeof *schemes; i++)
    if (strlen (schemes[i]) == (size_t)(end - proxy)
        && strncasecmp (proxy, schemes[i], (size_t)(end - proxy)) == 0)
      return 0;
  if (end == NULL)
    return 0;
  return fail (err, ERR_USAGE,
               "%s %s: no kind of proxy that is known; give http, https, socks4, socks4a, "
               "socks5 or socks5h",
               given, redact_url (shown, sizeof shown, proxy));
}

/* Those that the environment names for our places. */
static int
check_proxies (const struct source *s, struct error *err)
{
  size_t i;

  for (i = 0; i < s->places.n; i++)
    if (check_proxy (proxy_for (&s->options, s->places.place[i].url.origin),
                     s->options.proxy != NULL ? "--proxy"
                                              : "http_proxy or its like in the environment:",
                     err)
        == -1)
      return -1;
  return 0;
}

static int
open_all (struct source *s, const char *url, const struct source_options *options,
          struct error *err)
{
  if (options_copy (&s->options, options, err) == -1
      || open_kind (s, url, options->mirrors, err) == -1 || check_proxies (s, err) == -1
      || open_jobs (s, err) == -1 || resolve_open (s, options->address.resolve, err) == -1
      || (s->kind == SOURCE_HTTP && credentials_read_proxy (s, err) == -1))
    return -1;
  s->options.login.credentials_url = NULL; /* the caller's */
  return needs_credentials (s) ? credentials_read (s, err) : 0;
}

int
source_open (struct source **out, const char *url, const struct source_options *options,
             struct error *err)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct source *s;
  int64_t now = monotonic_ms ();

  *out = NULL;
  pthread_once (&once, curl_begin);
  if (check_proxy (options->proxy, "--proxy", err) == -1)
    return -1;
  s = calloc (1, sizeof *s);
  if (s == NULL)
    return fail_memory (err, "a source");
  s->local.fd = s->local.recall.fd = -1;
  s->ranges.none = options->forward;
  redact_url (s->shown, sizeof s->shown, url);
  retry_budget_init (&s->waits.budget, options->retry_time_s, now);
  retry_budget_init (&s->waits.first,
                     options->first_time_s > 0 && options->first_time_s < options->retry_time_s
                         ? options->first_time_s
                         : options->retry_time_s,
                     now);
  rate_init (&s->rate, options->limit_rate, now);
  if (getrandom (&s->random, sizeof s->random, GRND_NONBLOCK) != sizeof s->random)
    s->random = (uint32_t)now; /* jitter needs no more */
  if (open_all (s, url, options, err) == -1) {
    source_close (s);
    return -1;
  }
  *out = s;
  return 0;
}

void
source_close (struct source *s)
{
  size_t i;

  if (s == NULL)
    return;
  for (i = 0; s->jobs.job != NULL && i < s->jobs.n; i++) {
    if (s->jobs.job[i].state != JOB_FREE)
      job_finish (&s->jobs.job[i]);
    if (s->jobs.job[i].easy != NULL)
      curl_easy_cleanup (s->jobs.job[i].easy);
  }
  curl_multi_cleanup (s->net.multi);
  curl_share_cleanup (s->net.cookies);
  curl_slist_free_all (s->net.resolve);
  for (i = 0; i < s->places.n; i++)
    place_release (&s->places.place[i]);
  if (s->local.fd != -1)
    close (s->local.fd);
  if (s->local.recall.fd != -1)
    close (s->local.recall.fd);
  credentials_release (&s->login.own);
  credentials_release (&s->login.proxy);
  options_release (&s->options);
  free (s->places.place);
  free (s->proof.piece);
  free (s->jobs.job);
  free (s->stream.buf);
  free (s->local.buf);
  free (s);
}

const char *
source_url (const struct source *s)
{
  return s->shown;
}

const char *
source_final_url (const struct source *s)
{
  return s->places.reference != NULL ? s->places.reference->url.shown_pinned : s->shown;
}

const char *
source_tls_fingerprint (const struct source *s)
{
  return s->fingerprint;
}

uint64_t
source_fetched (const struct source *s)
{
  return s->seen.fetched;
}

int64_t
source_round_trip_ms (const struct source *s)
{
  return s->seen.round_trip_us / 1000;
}

double
source_first_rate (const struct source *s)
{
  return s->seen.rate;
}

bool
source_ranges_failed (const struct source *s)
{
  return s->ranges.failed;
}

uint64_t
source_retries (const struct source *s)
{
  return s->seen.retries;
}
