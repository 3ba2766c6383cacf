/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The headers of a hostile server.  The first bytes choose the status, the request and which
 * headers there are; the rest, cut at NULs, is what stands in them.  What is accepted must be
 * bytes that were asked for, of an image that has them (J5).
 */
#include <stdlib.h>
#include <string.h>

#include "source/response.h"

#define must(x)                                                                              \
  do {                                                                                       \
    if (!(x))                                                                                \
      __builtin_trap ();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t n);

/* The next string of *TEXT, or NULL where the bit is not set or there is none. */
static const char *
next (char **text, const char *end, unsigned bits, unsigned bit)
{
  const char *s = *text;

  if ((bits >> bit & 1) == 0 || *text >= end)
    return NULL;
  *text += strlen (*text) + 1;
  return s;
}

static void
check_accepted (const struct response *r, const struct request *q, const struct judgement *j)
{
  if (j->verdict == RESPONSE_PART) {
    must (r->status == 206 || r->status == 200);
    must (q->ranged && j->len > 0 && j->len <= q->len);
    must (j->total <= INT64_MAX && q->from + j->len <= j->total);
    must (q->known == NULL || q->known->length == j->total);
  }
  if (j->verdict == RESPONSE_WHOLE)
    must ((r->status == 200 || (r->status == 206 && q->whole_welcome)) && j->len == j->total
          && (!q->ranged || q->whole_welcome));
  if (j->verdict == RESPONSE_EMPTY)
    must (r->status == 416 && j->len == 0);
  if (j->verdict > RESPONSE_EMPTY)
    must (j->why[0] != '\0' && strpbrk (j->why, "\n\r\033") == NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t n)
{
  static const long statuses[] = { 200, 206, 416, 302, 403, 404, 503, 203 };
  struct source_identity known = { .length = 1 << 20, .etag = "\"a\"", .ranges = true }, id;
  struct response r = { 0 };
  struct request q = { .from = 4096, .len = 65536 };
  struct judgement j;
  struct content_range c;
  char *text, *p, *end;

  if (n < 3)
    return 0;
  text = p = malloc (n);
  must (text != NULL);
  memcpy (text, data + 3, n - 3);
  text[n - 3] = '\0';
  end = text + n - 3;
  r.status = statuses[data[0] & 7];
  q.ranged = data[0] >> 3 & 1;
  q.whole_welcome = data[0] >> 4 & 1;
  q.if_range = data[0] >> 5 & 1;
  q.known = data[0] >> 6 & 1 ? &known : NULL;
  r.copies_differ = data[2] & 1;
  r.content_range = next (&p, end, data[1], 0);
  r.content_length = next (&p, end, data[1], 1);
  r.content_encoding = next (&p, end, data[1], 2);
  r.content_type = next (&p, end, data[1], 3);
  r.etag = next (&p, end, data[1], 4);
  r.last_modified = next (&p, end, data[1], 5);
  r.date = next (&p, end, data[1], 6);
  r.retry_after = next (&p, end, data[1], 7);
  response_check (&r, &q, &j);
  check_accepted (&r, &q, &j);
  response_identity (&r, 1 << 20, &id);
  must (id.trust == SOURCE_TRUST_STRONG || response_if_range (&id) == NULL);
  if (content_range_parse (text, &c) == 0) {
    must (c.total == LENGTH_UNKNOWN || c.total <= INT64_MAX);
    must (!c.has_range || (c.first <= c.last && c.last < c.total));
  }
  free (text);
  return 0;
}
