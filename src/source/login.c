/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * login: how passwords are given to servers and proxies, and what becomes of a job where they
 * were no good: asked again in the way that is wanted, or with what the files say now, or else
 * the end.  A password goes out as it stands (Basic), until somebody asks for Digest; where the
 * options want Digest it never does.  Who may see it at all is request.c's (A1).
 */
#include "source/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

long
login_scheme (const struct job *job)
{
  bool digest = job->s->options.login.digest_auth || job->answer.place->digest;

  return (long)(digest ? CURLAUTH_DIGEST : CURLAUTH_BASIC);
}

long
login_proxy_scheme (const struct job *job)
{
  bool digest = job->s->options.login.proxy_digest || job->s->login.proxy_digest;

  return (long)(digest ? CURLAUTH_DIGEST : CURLAUTH_BASIC);
}

/* A token may have been renewed on disk since: the files are read again, once. */
static bool
may_know_now (struct job *job)
{
  struct source *s = job->s;
  const struct answer *a = &job->answer;

  if (!a->j.unknown_user || !a->place->url.own)
    return false;
  if (a->pace.started_ms >= s->login.reread_ms) {
    if (s->login.reread || !s->probed || !credentials_read_again (s))
      return false;
    s->login.reread = true;
    s->login.reread_ms = monotonic_ms ();
    source_tell (s, "retry", "%s: %s; the credential files are read again", job_shown (job),
                 a->j.why);
  }
  job_again (job, monotonic_ms ());
  return true;
}

static bool
has_password (const struct job *job)
{
  const struct place *p = job->answer.place;
  const struct source *s = job->s;

  return place_at_origin (p)
         && (p->url.user != NULL || (p->url.own && s->login.own.user != NULL)
             || (p->url.home
                 && (s->options.login.netrc || s->options.login.netrc_file != NULL)));
}

/* How one may log in there (CURLAUTH_*). */
static long
offered (struct job *job, CURLINFO which)
{
  long bits = 0;

  curl_easy_getinfo (job->easy, which, &bits);
  return bits;
}

/* Ways that are nobody's but one company's, and Basic where it is not to be used. */
static const char *
what_is_wanted (long bits, bool digest_only)
{
  if ((bits & (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST)) == 0
      && (bits & (long)(CURLAUTH_NTLM | CURLAUTH_NEGOTIATE)) != 0)
    return "it wants NTLM or Negotiate, which qimport does not speak; ";
  if (digest_only && (bits & (long)CURLAUTH_DIGEST) == 0 && (bits & (long)CURLAUTH_BASIC) != 0)
    return "it knows no Digest, and nothing else was to be used; ";
  return "";
}

int
login_denied (struct job *job, struct error *err)
{
  struct answer *a = &job->answer;
  long bits = offered (job, CURLINFO_HTTPAUTH_AVAIL);
  const char *advice = refusal_advice (a->said.refusal.kind), *wanted;
  int result;

  if (!a->sent.digest && (bits & (long)CURLAUTH_DIGEST) != 0 && has_password (job)) {
    a->place->digest = true;
    job_again (job, monotonic_ms ());
    return 0;
  }
  if (may_know_now (job))
    return 0;
  if (outcome_leads_elsewhere (job, err, &result))
    return result;
  wanted = what_is_wanted (bits, job->s->options.login.digest_auth);
  if (advice == NULL)
    advice = job->s->probed
                 ? "URL no longer authorised; `qimport resume --url NEW ID` keeps the progress "
                   "if the validators match"
                 : "not authorised; renew the URL (resume: --url NEW), or give --header-file, "
                   "--user-file, --bearer-file or --netrc again";
  if (job->s->probed)
    fail (err, ERR_SOURCE_DENIED, "%s at host offset %" PRIu64 ": %s: %s%s", job_shown (job),
          job_where (job), a->j.why, wanted, advice);
  else
    fail (err, ERR_SOURCE_DENIED, "%s: %s: %s%s", job_shown (job), a->j.why, wanted, advice);
  return place_failed (job, err);
}

/* PROXY without its password, whether or not it has a scheme. */
static const char *
show_proxy (char out[SHOWN_MAX], const char *proxy)
{
  const char *at = strrchr (proxy, '@');

  if (strstr (proxy, "://") != NULL || at == NULL)
    return redact_url (out, SHOWN_MAX, proxy);
  return escape_text (out, SHOWN_MAX, at + 1, strlen (at + 1));
}

int
login_proxy_denied (struct job *job, struct error *err)
{
  struct source *s = job->s;
  struct answer *a = &job->answer;
  long bits = offered (job, CURLINFO_PROXYAUTH_AVAIL);
  const char *proxy = proxy_for (&s->options, a->place->url.pinned_origin);
  bool given = s->login.proxy.user != NULL || strchr (proxy, '@') != NULL;
  char shown[SHOWN_MAX];

  if (given && !a->sent.proxy_digest && (bits & (long)CURLAUTH_DIGEST) != 0) {
    s->login.proxy_digest = true;
    job_again (job, monotonic_ms ());
    return 0;
  }
  fail (err, ERR_SOURCE_DENIED,
        "%s: the proxy %s %s (HTTP 407): %sgive them in a file (--proxy-user-file), or in "
        "--proxy http://USER:PASSWORD@HOST:PORT (or http_proxy and its like in the "
        "environment)",
        s->shown, show_proxy (shown, proxy),
        given ? "does not take this user and password" : "wants user and password",
        what_is_wanted (bits, s->options.login.proxy_digest));
  return place_failed (job, err);
}
