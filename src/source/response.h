/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * response: what an HTTP answer says, and whether it may be believed (J4, J5).  Pure: strings
 * in, a verdict out; no libcurl, no clock, no allocation, so that a fuzzer can drive all of it.
 * Every answer is judged here before the first byte of its body goes anywhere.
 */
#ifndef QIMPORT_SOURCE_RESPONSE_H
#define QIMPORT_SOURCE_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "source/source.h"

#define LENGTH_UNKNOWN UINT64_MAX

/* "bytes 0-99/1000", "bytes 0-99/STAR" (total unknown), "bytes STAR/1000" (no range). */
struct content_range {
  bool has_range;
  uint64_t first, last;
  uint64_t total; /* LENGTH_UNKNOWN for a star */
};

/* 0, or -1 for anything that is not exactly of these forms, is reversed, overflows or ends
 * behind its own total. */
int content_range_parse (const char *text, struct content_range *out);

/* The headers of one answer; NULL where there is none.  COPIES_DIFFER: a header that may
 * stand only once was sent twice with different values. */
struct response {
  long status;
  const char *content_range, *content_length, *content_encoding, *content_type;
  const char *etag, *last_modified, *date, *retry_after;
  bool copies_differ;
};

/* What was asked for. */
struct request {
  bool ranged;                         /* false: the whole body, no Range header */
  uint64_t from, len;                  /* of a ranged one */
  bool if_range;                       /* an If-Range header was sent */
  bool whole_welcome;                  /* 200 will do: the probe, and streams */
  const struct source_identity *known; /* NULL: this is the first answer */
};

enum response_verdict {
  RESPONSE_PART,     /* the bytes asked for, or the first of them: len says how many */
  RESPONSE_WHOLE,    /* the whole body from byte 0 */
  RESPONSE_EMPTY,    /* 416 at the probe of an empty image */
  RESPONSE_NO_RANGE, /* 200, validators equal: ask again, without If-Range if it was sent */
  RESPONSE_WRONG,    /* not what was asked, or makes no sense */
  RESPONSE_CHANGED,  /* another image */
  RESPONSE_REDIRECT,
  RESPONSE_DENIED,    /* 401 403 407 */
  RESPONSE_NOT_FOUND, /* 404 410 */
  RESPONSE_FAILED,    /* a status that is permanent */
  RESPONSE_PASSING    /* worth another try */
};

struct judgement {
  enum response_verdict verdict;
  uint64_t len;           /* PART, WHOLE: bytes of body to come; LENGTH_UNKNOWN */
  uint64_t total;         /* PART, WHOLE: length of the image; LENGTH_UNKNOWN */
  unsigned retry_after_s; /* 0: not said */
  bool unknown_user;      /* DENIED: the credentials are not right, or not any more */
  bool proxy_refuses;     /* DENIED: it is the proxy that wants credentials */
  bool busy;              /* PASSING: it is asked too much */
  bool proven;            /* its validators are those that are known, and strong */
  bool only_tag;          /* CHANGED: nothing but the ETag is another, */
  char etag[256];         /* which is this, escaped */
  char why[400];          /* printable */
};

enum sameness { SAMENESS_NONE, SAMENESS_UNKNOWN, SAMENESS_PROVEN };

/* Is what has ETAG and DATE ("" for none) now the same as BEFORE?  *ONLY_TAG: it is not, and
 * nothing but the tag says so. */
enum sameness response_compare (const struct source_identity *before, const char *etag,
                                const char *date, bool *only_tag);

void response_check (const struct response *r, const struct request *q, struct judgement *j);

/* How well ETAG and LAST_MODIFIED (either may be NULL or "") identify bytes (RFC 9110 8.8). */
enum source_trust response_trust (const char *etag, const char *last_modified,
                                  const char *date);

/* Fill length, validators and trust from an answer that was accepted.  ranges is left alone. */
void response_identity (const struct response *r, uint64_t total, struct source_identity *id);

/* What to send as If-Range for ID, or NULL where that would prove nothing. */
const char *response_if_range (const struct source_identity *id);

/* Seconds from a Retry-After ("120", or a date against DATE); 0 for garbage.  At most 2^31-1.
 */
unsigned retry_after_parse (const char *text, const char *date);

#endif
