/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * failure: what becomes of a job to whose request no answer came that could be judged: by what
 * libcurl reports.  Which statuses pass is response.c's.
 */
#include "source/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum transport_failure {
  TRANSPORT_PASSING,
  TRANSPORT_GARBAGE,
  TRANSPORT_FILES, /* of ours: certificates, keys */
  TRANSPORT_TLS,
  TRANSPORT_MEMORY,
  TRANSPORT_DENIED,
  TRANSPORT_PERMANENT
};

/* CURLcode is no enum of ours: what is not named here may pass. */
static enum transport_failure
transport_failure (CURLcode code, long connect_status)
{
  if (connect_status == 403 || connect_status == 401)
    return TRANSPORT_DENIED;
  switch ((int)code) {
  case CURLE_OUT_OF_MEMORY:
    return TRANSPORT_MEMORY;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_WEIRD_SERVER_REPLY:
  case CURLE_BAD_CONTENT_ENCODING:
    return TRANSPORT_GARBAGE;
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CRL_BADFILE:
    return TRANSPORT_FILES;
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CIPHER:
  case CURLE_SSL_ENGINE_INITFAILED:
  case CURLE_SSL_ENGINE_NOTFOUND:
  case CURLE_SSL_ENGINE_SETFAILED:
  case CURLE_SSL_INVALIDCERTSTATUS:
  case CURLE_SSL_ISSUER_ERROR:
  case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
  case CURLE_SSL_CLIENTCERT:
  case CURLE_USE_SSL_FAILED:
    return TRANSPORT_TLS;
  case CURLE_LOGIN_DENIED:
  case CURLE_AUTH_ERROR:
    return TRANSPORT_DENIED;
  case CURLE_URL_MALFORMAT:
  case CURLE_NOT_BUILT_IN:
  case CURLE_FAILED_INIT:
  case CURLE_UNKNOWN_OPTION:
  case CURLE_BAD_FUNCTION_ARGUMENT:
  case CURLE_READ_ERROR:
  case CURLE_FILE_COULDNT_READ_FILE:
    return TRANSPORT_PERMANENT;
  default:
    return TRANSPORT_PASSING;
  }
}

/* A server that does not want our certificate says so in an alert, which libcurl has no code
 * for: the first read or the handshake fails, as it does when a connection breaks off. */
static bool
is_client_refused (const struct source *s, CURLcode code, const char *words)
{
  if (code != CURLE_SSL_CONNECT_ERROR && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR)
    return false;
  if (strstr (words, "alert") == NULL)
    return false;
  return strstr (words, "certificate") != NULL || strstr (words, "unknown ca") != NULL
         || (s->options.tls.cert != NULL && strstr (words, "handshake failure") != NULL);
}

/* OpenSSL's and GnuTLS's words where what answers has no TLS, or only what is not safe any
 * more: the next attempt ends in the same way.  A connection that broke off is none of these.
 */
static bool
is_never_tls (CURLcode code, const char *words)
{
  static const char *const never[]
      = { "wrong version number",  "http request",           "packet length too long",
          "unsupported protocol",  "alert protocol version", "no protocols available",
          "alert handshake failu", "no shared cipher",       "no ciphers available",
          "dh key too small",      "legacy sigalg",          "insufficient security",
          "bad signature type",    "unsafe legacy",          "unsupported version" };
  size_t i;

  for (i = 0; code == CURLE_SSL_CONNECT_ERROR && i < sizeof never / sizeof *never; i++)
    if (strstr (words, never[i]) != NULL)
      return true;
  return false;
}

static bool
has_no_tls (const char *words)
{
  return strstr (words, "wrong version number") != NULL
         || strstr (words, "http request") != NULL
         || strstr (words, "packet length too long") != NULL;
}

/* What to look at where a request failed so; NULL: that does not come of a slip of the pen. */
static const char *
slip (const struct job *job, CURLcode code, const char *words)
{
  if (strstr (words, "proxy scheme") != NULL)
    return "http_proxy and its like in the environment";
  switch ((int)code) {
  case CURLE_COULDNT_RESOLVE_HOST:
    return job->s->options.address.ipv4 || job->s->options.address.ipv6
               ? "the host's name in the URL, and whether it has such addresses (-4, -6)"
               : "the host's name in the URL";
  case CURLE_COULDNT_RESOLVE_PROXY:
    return "the proxy's name (--proxy, or http_proxy and its like in the environment)";
  case CURLE_COULDNT_CONNECT:
    return job->s->options.proxy != NULL ? "--proxy, and host and port in the URL"
                                         : "host and port in the URL";
  case CURLE_SSL_CONNECT_ERROR:
    if (has_no_tls (words))
      return "the URL: there is no TLS there; it may want http:// instead of https://";
    return is_never_tls (code, words)
               ? "the server: it has no version or cipher of TLS that is safe today"
               : "host and port in the URL: TLS breaks off there";
  default:
    return NULL;
  }
}

/* Its first bytes came: a line of header without end is "out of memory" to libcurl, too. */
static bool
began (const struct job *job)
{
  curl_off_t first_us = 0;

  curl_easy_getinfo (job->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
  return first_us > 0;
}

static int
not_trusted (struct job *job, CURLcode code, const char *why, struct error *err)
{
  int result;

  snprintf (job->answer.j.why, sizeof job->answer.j.why, "not trusted: %.100s", why);
  if (outcome_leads_elsewhere (job, err, &result))
    return result;
  fail (err, ERR_SOURCE_TLS,
        code == CURLE_SSL_CLIENTCERT ? "%s: does not trust us: %s; see --cert and --key"
                                     : "%s: not trusted: %s; see --cacert and --pinnedpubkey",
        job_shown (job), why);
  return place_failed (job, err);
}

/* WHY, in libcurl's words, and what became of a CONNECT to a proxy. */
static int
failed_by (struct job *job, CURLcode code, long connect_status, const char *why,
           struct error *err)
{
  struct answer *a = &job->answer;

  switch (transport_failure (code, connect_status)) {
  case TRANSPORT_PASSING:
    return outcome_passing (job, 0, why, err);
  case TRANSPORT_GARBAGE:
    snprintf (a->j.why, sizeof a->j.why, "no HTTP answer: %.100s", why);
    return doubt_wrong (job, err);
  case TRANSPORT_FILES:
    return fail (err, ERR_USAGE, "%s: %s; see --cacert, --cert and --key", job->s->shown, why);
  case TRANSPORT_MEMORY:
    return fail_memory (err, "a transfer");
  case TRANSPORT_TLS:
    return not_trusted (job, code, why, err);
  case TRANSPORT_DENIED:
    fail (err, ERR_SOURCE_DENIED, "%s: refused: %s; see --proxy and the credentials",
          job_shown (job), why);
    break;
  case TRANSPORT_PERMANENT:
    fail (err, ERR_SOURCE_FAILED, "%s: %s", job_shown (job), why);
    break;
  }
  return place_failed (job, err);
}

int
failure_ended (struct job *job, CURLcode code, struct error *err)
{
  struct answer *a = &job->answer;
  const char *words = a->said.words[0] != '\0' ? a->said.words : curl_easy_strerror (code);
  char why[320];
  long connect_status = 0, errnum = 0;

  if (a->barred && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)) {
    place_barred (a->place, a->place->url.pinned, err);
    return place_failed (job, err);
  }
  escape_text (why, sizeof why, words, strlen (words));
  curl_easy_getinfo (job->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  curl_easy_getinfo (job->easy, CURLINFO_OS_ERRNO, &errnum);
  if (errnum == EMFILE || errnum == ENFILE)
    return outcome_passing (job, 0,
                            "too many open files; raise their limit (ulimit -n), or take fewer "
                            "--connections or --jobs",
                            err);
  if (connect_status == 407)
    return login_proxy_denied (job, err);
  if (is_client_refused (job->s, code, words))
    code = CURLE_SSL_CLIENTCERT;
  if (code == CURLE_OUT_OF_MEMORY && began (job))
    code = CURLE_WEIRD_SERVER_REPLY;
  a->mistyped = slip (job, code, words);
  if (is_never_tls (code, words) && !a->proxied && job->s->options.first_time_s > 0
      && !job->s->waits.answered && !job->s->waits.recorded) {
    fail (err, ERR_SOURCE_TLS, "%s: %s; check %s", job_shown (job), why, a->mistyped);
    return place_failed (job, err);
  }
  return failed_by (job, code, connect_status, why, err);
}
