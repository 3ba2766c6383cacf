/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * request: what is asked, and how: the range, the headers, and libcurl's options.  Here it is
 * decided who gets to see credentials (A1), and whom a redirect must not reach (A5).
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"

/* Which bytes to ask for: what is missing, with a weak identity the last ones delivered too
 * (nothing of the range where none was). */
static void
choose_range (struct job *job, const struct place *place)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  struct request *q = &a->sent.request;

  q->whole_welcome
      = job->kind == JOB_PROBE || (job->kind == JOB_STREAM && job->range.at.v == 0);
  q->known = place->image.known ? &place->image.id : NULL;
  if ((job->kind == JOB_STREAM && ((job->range.at.v == 0 && job->done == 0) || !s->id.ranges))
      || (job->kind == JOB_PROBE && s->ranges.none)) {
    a->bytes.skip = job->done;
    q->len = LENGTH_UNKNOWN;
    return;
  }
  a->bytes.skip = min_u64 (job->tail_len, job->done);
  q->ranged = true;
  q->from = job->range.at.v + job->done - a->bytes.skip;
  q->len = job->range.len - job->done + a->bytes.skip;
}

static void
add_line (struct answer *a, const char *line, bool *ok)
{
  struct curl_slist *grown = curl_slist_append (a->sent.headers, line);

  if (grown == NULL)
    *ok = false;
  else
    a->sent.headers = grown;
}

/* A1: the caller's headers only where they were meant for. */
static bool
add_headers (struct job *job, const struct place *place)
{
  struct answer *a = &job->answer;
  const char *tag = NULL;
  char line[320];
  struct curl_slist *h;
  bool credentials = place->url.own && place_at_origin (place);
  bool ok = true;

  add_line (a, "Accept-Encoding: identity", &ok);
  if (a->sent.request.ranged && place->image.known && job->kind != JOB_PROBE
      && !place->image.no_if_range)
    tag = response_if_range (&place->image.id);
  a->sent.request.if_range = tag != NULL;
  if (tag != NULL) {
    snprintf (line, sizeof line, "If-Range: %s", tag);
    add_line (a, line, &ok);
  }
  for (h = credentials ? job->s->login.own.headers : NULL; h != NULL; h = h->next)
    add_line (a, h->data, &ok);
  return ok;
}

int
request_choose (struct job *job, struct error *err)
{
  struct answer *a = &job->answer;

  choose_range (job, a->place);
  if (add_headers (job, a->place))
    return 0;
  request_release (a);
  return fail_memory (err, "a request");
}

void
request_release (struct answer *a)
{
  curl_slist_free_all (a->sent.headers);
  a->sent.headers = NULL;
  free (a->said.body);
  a->said.body = NULL;
  a->said.len = 0;
}

/* Shared cookies are looked at by a handle that once had one of its own, which is over; the
 * option that is meant for it leaks with each reset (7.88). */
CURL *
request_handle (void)
{
  CURL *easy = curl_easy_init ();

  if (easy != NULL
      && curl_easy_setopt (
             easy, CURLOPT_COOKIELIST,
             "Set-Cookie: x=; domain=invalid; expires=Thu, 01-Jan-1970 00:00:01 GMT")
             == CURLE_OUT_OF_MEMORY) {
    curl_easy_cleanup (easy);
    easy = NULL;
  }
  return easy;
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

/* By name, then by value. */
static int
compare_parts (const void *a, const void *b)
{
  const char *x = *(char *const *)a, *y = *(char *const *)b;
  size_t n = strcspn (x, "="), m = strcspn (y, "=");
  int order = memcmp (x, y, n < m ? n : m);

  if (order != 0)
    return order;
  return n != m ? (n < m ? -1 : 1) : strcmp (x + n, y + m);
}

/* The parts of QUERY, which is changed, in order and each with a "=". */
static void
write_parts (char *out, char *query, char **parts)
{
  size_t i, n = 0;
  char *part, *rest = query;

  while ((part = strsep (&rest, "&")) != NULL) {
    if (part[0] != '\0')
      parts[n++] = part;
  }
  qsort (parts, n, sizeof *parts, compare_parts);
  for (i = 0; i < n; i++)
    out += sprintf (out, "%s%s%s", i > 0 ? "&" : "", parts[i],
                    strchr (parts[i], '=') == NULL ? "=" : "");
}

/* URL as it can be signed: libcurl 7.88 signs the query as it stands, AWS as it ought to. */
static char *
signable_url (const char *url)
{
  size_t len = strcspn (url, "#"), before = strcspn (url, "?");
  char *out, **parts, *query;

  if (before >= len)
    return strdup (url);
  before++;
  query = strndup (url + before, len - before);
  parts = calloc (len - before + 1, sizeof *parts);
  out = malloc (2 * len + 2);
  if (query != NULL && parts != NULL && out != NULL) {
    memcpy (out, url, before);
    out[before] = '\0';
    write_parts (out + before, query, parts);
  } else {
    free (out);
    out = NULL;
  }
  free (parts);
  free (query);
  return out;
}

static void
set_signature (struct setter *t, const struct place *place, const char *provider)
{
  OWN_MEM char *url = signable_url (place->url.pinned);

  if (url == NULL && t->rc == CURLE_OK)
    t->rc = CURLE_OUT_OF_MEMORY;
  SET (t, CURLOPT_URL, url);
  SET (t, CURLOPT_AWS_SIGV4, provider);
}

/* A7: ~/.netrc only when asked; client certificates are credentials too. */
static void
set_credentials (struct setter *t, struct job *job, const struct place *place)
{
  const struct source *s = job->s;
  const struct source_options *o = &s->options;
  bool from_url = place->url.user != NULL;

  if (from_url || (place->url.own && s->login.own.user != NULL)) {
    SET (t, CURLOPT_USERNAME, from_url ? place->url.user : s->login.own.user);
    SET (t, CURLOPT_PASSWORD,
         !from_url                     ? s->login.own.password
         : place->url.password != NULL ? place->url.password
                                       : "");
  }
  if (o->login.aws_sigv4 == NULL) {
    SET (t, CURLOPT_HTTPAUTH, login_scheme (job));
    job->answer.sent.digest = login_scheme (job) == (long)CURLAUTH_DIGEST;
  }
  if (place->url.home && (o->login.netrc || o->login.netrc_file != NULL))
    SET (t, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
  if (place->url.home && o->login.netrc_file != NULL)
    SET (t, CURLOPT_NETRC_FILE, o->login.netrc_file);
  if (!place->url.own)
    return;
  if (o->tls.cert != NULL)
    SET (t, CURLOPT_SSLCERT, o->tls.cert);
  if (o->tls.key != NULL)
    SET (t, CURLOPT_SSLKEY, o->tls.key);
  if (o->login.aws_sigv4 != NULL)
    set_signature (t, place, o->login.aws_sigv4);
}

static const char *
given (const char *name)
{
  const char *value = getenv (name);

  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Whom to trust where --cacert does not say: as the program curl has it. */
static void
set_authorities (struct setter *t, const char *cacert)
{
  const char *bundle = cacert != NULL ? cacert : given ("CURL_CA_BUNDLE");
  const char *directory = bundle == NULL ? given ("SSL_CERT_DIR") : NULL;

  if (bundle == NULL)
    bundle = given ("SSL_CERT_FILE");
  if (directory != NULL)
    SET (t, CURLOPT_CAPATH, directory);
  if (bundle != NULL)
    SET (t, CURLOPT_CAINFO, bundle);
}

static void
set_trust (struct setter *t, const struct source *s)
{
  const struct source_options *o = &s->options;

  SET (t, CURLOPT_PROTOCOLS_STR, "http,https");
  set_authorities (t, o->tls.cacert);
  if (o->tls.pinnedpubkey != NULL)
    SET (t, CURLOPT_PINNEDPUBLICKEY, o->tls.pinnedpubkey);
  if (o->tls.insecure) {
    SET (t, CURLOPT_SSL_VERIFYPEER, 0L);
    SET (t, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (s->places.reference == NULL)
    SET (t, CURLOPT_CERTINFO, 1L);
}

static void
set_proxy (struct setter *t, struct job *job)
{
  const char *proxy = proxy_for (&job->s->options, job->answer.place->url.pinned_origin);

  job->answer.proxied = proxy[0] != '\0';
  SET (t, CURLOPT_PROXY, proxy);
  SET (t, CURLOPT_PROXYAUTH, login_proxy_scheme (job));
  job->answer.sent.proxy_digest = login_proxy_scheme (job) == (long)CURLAUTH_DIGEST;
  if (job->s->login.proxy.user != NULL) { /* what stands in its URL goes before */
    SET (t, CURLOPT_PROXYUSERNAME, job->s->login.proxy.user);
    SET (t, CURLOPT_PROXYPASSWORD, job->s->login.proxy.password);
  }
  SET (t, CURLOPT_NOPROXY, "");
}

/* A5.  What a proxy is asked to reach is the proxy's to judge. */
static bool
is_barred (const struct job *job, bool ours)
{
  const struct answer *a = &job->answer;

  return ours && !a->proxied && a->place->way.hops > 0 && !a->place->url.ours;
}

/* Before anything is sent, and whatever name led there. */
static curl_socket_t
on_socket (void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
  struct job *job = ctx;

  job->answer.barred
      = purpose == CURLSOCKTYPE_IPCXN && is_barred (job, address_is_ours (&address->addr));
  if (job->answer.barred)
    return CURL_SOCKET_BAD;
  return socket (address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* A connection may have been made for somebody else. */
static int
on_request (void *ctx, char *address, char *local, int port, int local_port)
{
  struct job *job = ctx;

  (void)local;
  (void)port;
  (void)local_port;
  job->answer.barred = is_barred (job, address_text_is_ours (address));
  return job->answer.barred ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* A libcurl that was built without it refuses to be asked for it. */
static bool
curl_knows_http2 (void)
{
  return (curl_version_info (CURLVERSION_NOW)->features & CURL_VERSION_HTTP2) != 0;
}

/* Data goes over connections of its own: over HTTP/2 all of it would share one. */
static void
set_wire (struct setter *t, struct job *job)
{
  const struct source *s = job->s;
  bool data = job->kind == JOB_DATA || job->kind == JOB_STREAM;
  const struct place *place = job->answer.place;
  bool http2 = !data && !job->no_http2 && place->health.http2_fails < HTTP2_FAILS
               && curl_knows_http2 ();

  job->answer.sent.http2 = http2;
  SET (t, CURLOPT_NOSIGNAL, 1L);
  SET (t, CURLOPT_QUICK_EXIT, 1L);
  SET (t, CURLOPT_TCP_NODELAY, 1L);
  SET (t, CURLOPT_TCP_KEEPALIVE, 1L);
  if (s->options.address.ipv4 || s->options.address.ipv6)
    SET (t, CURLOPT_IPRESOLVE,
         (long)(s->options.address.ipv4 ? CURL_IPRESOLVE_V4 : CURL_IPRESOLVE_V6));
  SET (t, CURLOPT_RESOLVE, s->net.resolve);
  SET (t, CURLOPT_CONNECTTIMEOUT, (long)s->options.connect_timeout_s);
  /* refused while the handle still holds a buffer, as after a name that was not found; the
   * default will do then */
  curl_easy_setopt (t->easy, CURLOPT_BUFFERSIZE, data ? 512L * 1024 : 64L * 1024);
  SET (t, CURLOPT_HTTP_VERSION,
       http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
  SET (t, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
  /* Where a server speaks both, libcurl (7.88 does) takes a busy connection of HTTP/1.1 for one
   * that can be shared, and two answers get mixed up.  Connections whose options of TLS differ
   * it keeps apart, even where the difference makes none.  Where nobody asks for HTTP/2 any
   * more the connections that there are serve all. */
  if (!http2 && place->health.http2_fails < HTTP2_FAILS)
    SET (t, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_MAX_TLSv1_3);
  /* N12: what moved to another address is found there */
  if (job->tries > 0)
    SET (t, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  if (job->wrong > 0)
    SET (t, CURLOPT_FRESH_CONNECT, 1L);
  SET (t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET (t, CURLOPT_USERAGENT, "qimport/" PACKAGE_VERSION);
}

CURLcode
request_set_up (struct job *job)
{
  struct setter t = { job->easy, CURLE_OK };
  struct place *place = job->answer.place;
  const struct request *q = &job->answer.sent.request;
  char range[64];

  curl_easy_reset (job->easy);
  set_wire (&t, job);
  set_trust (&t, job->s);
  set_proxy (&t, job);
  SET (&t, CURLOPT_URL, place->url.pinned);
  if (place_at_origin (place))
    set_credentials (&t, job, place);
  SET (&t, CURLOPT_FOLLOWLOCATION, 0L);
  SET (&t, CURLOPT_SHARE, job->s->net.cookies);
  SET (&t, CURLOPT_HTTPHEADER, job->answer.sent.headers);
  if (q->ranged) {
    snprintf (range, sizeof range, "%" PRIu64 "-%" PRIu64, q->from, q->from + q->len - 1);
    SET (&t, CURLOPT_RANGE, range);
  }
  SET (&t, CURLOPT_OPENSOCKETFUNCTION, on_socket);
  SET (&t, CURLOPT_OPENSOCKETDATA, job);
  SET (&t, CURLOPT_PREREQFUNCTION, on_request);
  SET (&t, CURLOPT_PREREQDATA, job);
  SET (&t, CURLOPT_PRIVATE, job);
  SET (&t, CURLOPT_ERRORBUFFER, job->answer.said.words);
  return t.rc;
}
