/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * response: see response.h.
 */
#include "source/response.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/text.h"

/* A date is strong when it is this much older than the answer: two changes within its one
 * second of resolution would go unseen otherwise (RFC 9110 8.8.2.2). */
enum { STRONG_DATE_MARGIN_S = 60 };

static const char *
skip_spaces (const char *p)
{
  while (*p == ' ' || *p == '\t')
    p++;
  return p;
}

/* Digits only, at least one, no overflow.  Returns what follows, or NULL. */
static const char *
parse_number (const char *p, uint64_t *out)
{
  uint64_t v = 0;

  if (*p < '0' || *p > '9')
    return NULL;
  for (; *p >= '0' && *p <= '9'; p++) {
    if (__builtin_mul_overflow (v, (uint64_t)10, &v)
        || __builtin_add_overflow (v, (uint64_t)(*p - '0'), &v))
      return NULL;
  }
  *out = v;
  return p;
}

/* "first-last" or a star. */
static const char *
parse_span (const char *p, struct content_range *c)
{
  if (*p == '*') {
    c->has_range = false;
    return p + 1;
  }
  c->has_range = true;
  p = parse_number (p, &c->first);
  if (p == NULL || *p != '-')
    return NULL;
  return parse_number (p + 1, &c->last);
}

int
content_range_parse (const char *text, struct content_range *out)
{
  struct content_range c = { .total = LENGTH_UNKNOWN };
  const char *p = skip_spaces (text);

  if (strncasecmp (p, "bytes", 5) != 0 || (p[5] != ' ' && p[5] != '\t'))
    return -1;
  p = parse_span (skip_spaces (p + 5), &c);
  if (p == NULL || *p++ != '/')
    return -1;
  if (*p == '*')
    p++;
  else
    p = parse_number (p, &c.total);
  if (p == NULL || *skip_spaces (p) != '\0')
    return -1;
  if (!c.has_range && c.total == LENGTH_UNKNOWN)
    return -1;
  /* an end behind 2^63 is no file's, and keeps every later sum within 64 bits */
  if (c.total != LENGTH_UNKNOWN && c.total > INT64_MAX)
    return -1;
  if (c.has_range && (c.first > c.last || c.last >= c.total || c.last >= INT64_MAX))
    return -1;
  *out = c;
  return 0;
}

/* IMF-fixdate only ("Sun, 06 Nov 1994 08:49:37 GMT"), which is all that may be sent today. */
static bool
parse_date (const char *text, int64_t *out)
{
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm tm = { 0 };
  char month[4], zone[4];
  const char *m;
  int end = 0;

  if (text == NULL)
    return false;
  if (sscanf (text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3s%n", &tm.tm_mday, month,
              &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone, &end)
          != 7
      || *skip_spaces (text + end) != '\0' || strcmp (zone, "GMT") != 0)
    return false;
  m = strstr (months, month);
  if (m == NULL || strlen (month) != 3 || (m - months) % 3 != 0 || tm.tm_year < 1900)
    return false;
  tm.tm_mon = (int)(m - months) / 3;
  tm.tm_year -= 1900;
  *out = (int64_t)timegm (&tm);
  return true;
}

unsigned
retry_after_parse (const char *text, const char *date)
{
  int64_t then, now;
  const char *end, *p;
  uint64_t n;

  if (text == NULL)
    return 0;
  p = skip_spaces (text);
  end = parse_number (p, &n);
  if (end != NULL && *skip_spaces (end) == '\0')
    return n > INT_MAX ? INT_MAX : (unsigned)n;
  /* digits that fit no number still say "very long" */
  if (p[0] != '\0' && p[strspn (p, "0123456789")] == '\0')
    return INT_MAX;
  if (!parse_date (text, &then) || !parse_date (date, &now) || then <= now)
    return 0;
  return then - now > INT_MAX ? INT_MAX : (unsigned)(then - now);
}

static bool
is_given (const char *text)
{
  return text != NULL && text[0] != '\0';
}

/* One that has to be escaped is no tag, and is never sent back (A8). */
static bool
etag_is_strong (const char *etag)
{
  size_t i, n = strlen (etag);

  for (i = 0; i < n; i++) {
    if (etag[i] < 0x20 || etag[i] > 0x7e || etag[i] == '\\')
      return false;
  }
#ifdef SEEDED_BUG_WEAK_TAG_TRUSTED
  return n >= 2 && etag[n - 1] == '"';
#else
  return n >= 2 && etag[0] == '"' && etag[n - 1] == '"';
#endif
}

/* A validator as it is kept and compared: escaped, so that the journal gives it back as it was.
 * One that does not fit is as good as none: half of a tag would compare equal too easily. */
static void
validator_text (char *out, size_t size, const char *validator)
{
  char escaped[4 * sizeof ((struct source_identity *)NULL)->etag + 4];

  out[0] = '\0';
  if (validator == NULL || strlen (validator) >= size)
    return;
  escape_text (escaped, sizeof escaped, validator, strlen (validator));
  if (strlen (escaped) < size)
    memcpy (out, escaped, strlen (escaped) + 1);
}

enum source_trust
response_trust (const char *etag, const char *last_modified, const char *date)
{
  int64_t changed, now;

  if (is_given (etag))
    return etag_is_strong (etag) ? SOURCE_TRUST_STRONG : SOURCE_TRUST_WEAK;
  if (!is_given (last_modified))
    return SOURCE_TRUST_LENGTH;
  if (parse_date (last_modified, &changed) && parse_date (date, &now)
      && changed <= now - STRONG_DATE_MARGIN_S)
    return SOURCE_TRUST_STRONG;
  return SOURCE_TRUST_WEAK;
}

void
response_identity (const struct response *r, uint64_t total, struct source_identity *id)
{
  validator_text (id->etag, sizeof id->etag, r->etag);
  validator_text (id->last_modified, sizeof id->last_modified, r->last_modified);
  id->length = total;
  id->trust = response_trust (id->etag, id->last_modified, r->date);
}

const char *
response_if_range (const struct source_identity *id)
{
  if (id->trust != SOURCE_TRUST_STRONG)
    return NULL;
  return id->etag[0] != '\0' ? id->etag : id->last_modified;
}

static void judge (struct judgement *j, enum response_verdict v, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

static void
judge (struct judgement *j, enum response_verdict v, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  j->verdict = v;
  vsnprintf (j->why, sizeof j->why, fmt, ap);
  va_end (ap);
}

/* J4: before, now, what follows.  Tags are compared weakly (RFC 9110 8.8.3.2), so that one
 * which only became weak, or strong, is no change; but only the same strong one proves
 * anything. */
enum seen { SEEN_GONE, SEEN_OTHER, SEEN_LIKE, SEEN_SAME };
enum had { HAD_NONE, HAD_WEAK, HAD_STRONG };

static const enum sameness follows[][4] = {
  /*              gone              another           but for its W/    the same */
  [HAD_NONE] = { SAMENESS_UNKNOWN, SAMENESS_UNKNOWN, SAMENESS_UNKNOWN, SAMENESS_UNKNOWN },
  [HAD_WEAK] = { SAMENESS_NONE, SAMENESS_NONE, SAMENESS_UNKNOWN, SAMENESS_UNKNOWN },
  [HAD_STRONG] = { SAMENESS_NONE, SAMENESS_NONE, SAMENESS_UNKNOWN, SAMENESS_PROVEN },
};

static const char *
opaque_tag (const char *tag)
{
  return strncmp (tag, "W/", 2) == 0 ? tag + 2 : tag;
}

static enum had
had_tag (const char *tag)
{
  return tag[0] == '\0' ? HAD_NONE : etag_is_strong (tag) ? HAD_STRONG : HAD_WEAK;
}

static enum seen
see (const char *was, const char *is)
{
  if (is[0] == '\0')
    return SEEN_GONE;
  if (strcmp (was, is) == 0)
    return SEEN_SAME;
  return strcmp (opaque_tag (was), opaque_tag (is)) == 0 ? SEEN_LIKE : SEEN_OTHER;
}

/* A date counts where no strong tag has spoken.  Beside a tag it may be left out. */
static enum sameness
compare_dates (const struct source_identity *before, const char *date)
{
  enum seen seen = see (before->last_modified, date);
  enum had had = before->last_modified[0] == '\0'       ? HAD_NONE
                 : before->trust == SOURCE_TRUST_STRONG ? HAD_STRONG
                                                        : HAD_WEAK;

  if (before->etag[0] == '\0')
    return follows[had][seen];
  return had != HAD_NONE && seen == SEEN_OTHER ? SAMENESS_NONE : SAMENESS_UNKNOWN;
}

enum sameness
response_compare (const struct source_identity *before, const char *etag, const char *date,
                  bool *only_tag)
{
  enum sameness tag = follows[had_tag (before->etag)][see (before->etag, etag)], dates;

  *only_tag = false;
  if (tag == SAMENESS_PROVEN)
    return tag;
  dates = compare_dates (before, date);
  if (tag == SAMENESS_NONE)
    *only_tag = dates != SAMENESS_NONE && etag[0] != '\0';
  return tag == SAMENESS_NONE ? tag : dates;
}

static void
say_how_they_differ (const struct source_identity *known, const char *tag, const char *date,
                     struct judgement *j)
{
  enum sameness tags = follows[had_tag (known->etag)][see (known->etag, tag)];

  if (tags == SAMENESS_NONE && tag[0] == '\0')
    judge (j, RESPONSE_CHANGED, "the ETag it had is gone");
  else if (tags == SAMENESS_NONE)
    judge (j, RESPONSE_CHANGED, "its ETag was %.60s and is %.60s", known->etag, tag);
  else if (date[0] == '\0')
    judge (j, RESPONSE_CHANGED, "the Last-Modified it had is gone");
  else
    judge (j, RESPONSE_CHANGED, "it was last modified %s and is %s", known->last_modified,
           date);
}

/* Q's answer R against what is known.  What answers an If-Range may leave out its date. */
static bool
validators_differ (const struct response *r, const struct request *q, struct judgement *j)
{
  char date[sizeof q->known->last_modified];
  enum sameness same;

  validator_text (j->etag, sizeof j->etag, r->etag);
  validator_text (date, sizeof date, r->last_modified);
  same = response_compare (q->known, j->etag, date, &j->only_tag);
  j->proven = same == SAMENESS_PROVEN;
  if (same != SAMENESS_NONE)
    return false;
  if (q->if_range && r->status == 206 && q->known->etag[0] == '\0' && date[0] == '\0')
    judge (j, RESPONSE_NO_RANGE, "no Last-Modified in the answer to If-Range");
  else
    say_how_they_differ (q->known, j->etag, date, j);
  return true;
}

static bool
length_differs (uint64_t total, const struct source_identity *known, struct judgement *j)
{
  if (known->length == LENGTH_UNKNOWN || total == LENGTH_UNKNOWN || total == known->length)
    return false;
  judge (j, RESPONSE_CHANGED, "its length was %" PRIu64 " and is %" PRIu64, known->length,
         total);
  return true;
}

/* Does this list name a coding that changes bytes?  Of words that name none (utf-8, binary,
 * aws-chunked) some servers have many. */
static bool
is_encoded (const char *list)
{
  static const char *const codings[] = { "gzip", "x-gzip", "deflate",    "br",  "zstd",
                                         "dcb",  "dcz",    "x-compress", "exi", "compress" };
  size_t i, n;

  for (; *list != '\0'; list += n + (list[n] == ',')) {
    list = skip_spaces (list);
    n = strcspn (list, ",");
    for (i = 0; i < sizeof codings / sizeof *codings; i++) {
      size_t len = strlen (codings[i]);

      if (strncasecmp (list, codings[i], len) == 0 && strchr (" \t,;", list[len]) != NULL)
        return true;
    }
  }
  return false;
}

/* True, with J filled, for a body that is not the image's bytes as they are. */
static bool
body_is_foreign (const struct response *r, struct judgement *j)
{
  char text[64];
  const char *p = r->content_encoding;

  if (p != NULL && is_encoded (p)) {
    judge (j, RESPONSE_WRONG, "Content-Encoding %s although identity was asked for",
           escape_text (text, sizeof text, p, strlen (p)));
    return true;
  }
  p = r->content_type;
  if (p != NULL && strncasecmp (skip_spaces (p), "multipart/", 10) == 0) {
    judge (j, RESPONSE_WRONG, "a multipart answer to a single range");
    return true;
  }
  return false;
}

/* False: there is a Content-Length and it is no number. */
static bool
content_length (const struct response *r, uint64_t *len)
{
  const char *end;

  *len = LENGTH_UNKNOWN;
  if (r->content_length == NULL)
    return true;
  end = parse_number (skip_spaces (r->content_length), len);
  return end != NULL && *skip_spaces (end) == '\0' && *len <= INT64_MAX;
}

/* The range of a 206 against the one asked for; the end may be an earlier one. */
static void
check_range (const struct content_range *c, uint64_t body, const struct request *q,
             struct judgement *j)
{
  uint64_t len = c->last - c->first + 1;

  if (q->whole_welcome && c->first == 0 && len == c->total && (!q->ranged || len > q->len)
      && (body == LENGTH_UNKNOWN || body == len)) {
    j->verdict = RESPONSE_WHOLE; /* whatever its status is */
    j->len = j->total = len;
    return;
  }
  if (!q->ranged)
    judge (j, RESPONSE_WRONG, "206, a part of it, although no range was asked for");
  else if (c->first != q->from || len > q->len)
    judge (j, RESPONSE_WRONG,
           "asked for bytes %" PRIu64 "-%" PRIu64 ", got %" PRIu64 "-%" PRIu64, q->from,
           q->from + q->len - 1, c->first, c->last);
  else if (body != LENGTH_UNKNOWN && body != len)
    judge (j, RESPONSE_WRONG, "Content-Range says %" PRIu64 " bytes, Content-Length %" PRIu64,
           len, body);
  else {
    j->verdict = RESPONSE_PART;
    j->len = len;
    j->total = c->total;
  }
}

static void
check_206 (const struct response *r, const struct request *q, struct judgement *j)
{
  struct content_range c;
  char text[64];
  uint64_t body;

  if (body_is_foreign (r, j))
    return;
  if (r->content_range == NULL)
    judge (j, RESPONSE_WRONG, "206 without Content-Range");
  else if (content_range_parse (r->content_range, &c) == -1 || !c.has_range)
    judge (j, RESPONSE_WRONG, "Content-Range %s makes no sense",
           escape_text (text, sizeof text, r->content_range, strlen (r->content_range)));
  else if (c.total == LENGTH_UNKNOWN)
    judge (j, RESPONSE_WRONG, "the server does not state the size of the image");
  else if (!content_length (r, &body))
    judge (j, RESPONSE_WRONG, "Content-Length makes no sense");
  else if (q->known != NULL
           && (length_differs (c.total, q->known, j) || validators_differ (r, q, j)))
    return;
  else
    check_range (&c, body, q, j);
}

static void
check_200 (const struct response *r, const struct request *q, struct judgement *j)
{
  uint64_t body;

  if (body_is_foreign (r, j))
    return;
  if (!content_length (r, &body)) {
    judge (j, RESPONSE_WRONG, "Content-Length makes no sense");
    return;
  }
  if (q->known != NULL && (length_differs (body, q->known, j) || validators_differ (r, q, j)))
    return;
  j->len = body;
  j->total = body;
  if (!q->ranged || q->whole_welcome)
    j->verdict = RESPONSE_WHOLE;
  else if (body != LENGTH_UNKNOWN && q->from == 0 && q->len == body)
    j->verdict = RESPONSE_PART; /* the whole is what was asked for */
  else
    judge (j, RESPONSE_NO_RANGE, "it sends the whole image instead of the range");
}

static void
check_416 (const struct response *r, const struct request *q, struct judgement *j)
{
  struct content_range c;
  bool said = r->content_range != NULL && content_range_parse (r->content_range, &c) == 0
              && !c.has_range;

  if (said && q->known != NULL && length_differs (c.total, q->known, j))
    return;
  if (said && q->whole_welcome && c.total == 0) {
    j->verdict = RESPONSE_EMPTY;
    j->total = 0;
    j->len = 0;
    return;
  }
  judge (j, RESPONSE_WRONG, "HTTP 416 for bytes %" PRIu64 "-%" PRIu64 ", which the image has",
         q->from, q->from + q->len - 1);
}

static enum response_verdict
status_verdict (long status)
{
  switch (status) {
  case 301:
  case 302:
  case 303:
  case 307:
  case 308:
    return RESPONSE_REDIRECT;
  case 401:
  case 403:
  case 407:
    return RESPONSE_DENIED;
  case 404:
  case 410:
    return RESPONSE_NOT_FOUND;
  case 408:
  case 425:
  case 429:
    return RESPONSE_PASSING;
  default:
    break;
  }
  if (status >= 500 && status <= 599)
    return RESPONSE_PASSING;
  return status >= 400 && status <= 499 ? RESPONSE_FAILED : RESPONSE_WRONG;
}

void
response_check (const struct response *r, const struct request *q, struct judgement *j)
{
  *j = (struct judgement){ .len = LENGTH_UNKNOWN, .total = LENGTH_UNKNOWN };
  if (r->status == 200 || r->status == 206) {
    if (r->copies_differ)
      judge (j, RESPONSE_WRONG, "a header is sent twice with different values");
    else if (r->status == 200)
      check_200 (r, q, j);
    else
      check_206 (r, q, j);
  } else if (r->status == 416 && q->ranged) {
    check_416 (r, q, j);
  } else {
    judge (j, status_verdict (r->status), "HTTP %ld", r->status);
    j->unknown_user = r->status == 401;
    j->proxy_refuses = r->status == 407;
    j->busy = r->status == 429 || r->status == 503;
    j->retry_after_s = retry_after_parse (r->retry_after, r->date);
  }
}
