/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * checksum_json: files of checksums that are JSON, such as the lists of streams and releases.
 * Looked for is an object that names the file (by a member, or by the key under which it
 * stands) and has its digests; of what lies deeper it says nothing.
 */
#include "trust/checksum_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/own.h"
#include "trust/json_reader.h"

/* Keys of a digest of any algorithm, of an object of several, and within such an object. */
static const char *const any_digest[] = { "digest", "checksum", "hash", NULL };
static const char *const many_digests[] = { "digests", "checksums", "hashes", NULL };
static const char *const inner_type[] = { "type", NULL }, *const inner_value[]
                                                          = { "value", NULL };

struct object {
  bool named; /* it is about the file */
  bool inner; /* of digests, which are those of the object that it is in */
  struct checksum_search said;
  char loose[HASH_HEX]; /* a digest whose algorithm another member may tell */
  char type[16];
};

struct reading {
  struct json_reader json;
  struct checksum_search *search;
  struct object objects[JSON_DEPTH];
  char key[JSON_TEXT]; /* of the member that is read; "" in an array */
};

static bool
is_one_of (const char *key, const char *const *words)
{
  for (; *words != NULL; words++)
    if (strcasecmp (key, *words) == 0)
      return true;
  return false;
}

static struct span
text_of (const char *text)
{
  return (struct span){ text, strlen (text) };
}

static void
begin_object (struct reading *r)
{
  struct object *o = &r->objects[r->json.depth - 1];

  memset (o, 0, sizeof *o);
  o->inner = is_one_of (r->key, any_digest) || is_one_of (r->key, many_digests);
  o->named = r->key[0] != '\0' && checksum_search_wants (r->search, text_of (r->key));
  r->key[0] = '\0';
}

/* A digest whose algorithm another member told. */
static void
end_loose (struct object *o)
{
  char text[sizeof o->type + sizeof o->loose];
  struct checksum c;

  snprintf (text, sizeof text, "%s%s%s", o->type, o->type[0] != '\0' ? ":" : "", o->loose);
  if (o->loose[0] != '\0' && checksum_from_span (&c, text_of (text)))
    checksum_search_add (&o->said, &c);
}

/* All of FROM is said of TO as well.  Returns how much that is. */
static size_t
pass_on (struct checksum_search *to, const struct checksum_search *from)
{
  size_t i, n = 0;

  for (i = 0; i < HASH_N; i++)
    if (from->found.has[i]) {
      checksum_search_add (to, &from->found.of[i]);
      n++;
    }
  if (from->contradicts) {
    checksum_search_add (to, &from->one);
    checksum_search_add (to, &from->another);
  }
  return n;
}

/* What the object said is said about the file, if it is about it. */
static void
end_object (struct reading *r)
{
  struct object *o = &r->objects[r->json.depth]; /* the reader has left it already */
  struct checksum_search nobody = { .name = "" };

  end_loose (o);
  if (o->named)
    pass_on (r->search, &o->said);
  else if (o->inner && r->json.depth > 0)
    pass_on (&r->objects[r->json.depth - 1].said, &o->said);
  else
    r->search->others += pass_on (&nobody, &o->said) > 0;
}

/* What does not fit is kept as something that is no digest and no algorithm. */
static void
keep (char *out, size_t size, const char *text)
{
  size_t len = strlen (text);

  memcpy (out, len < size ? text : "?", len < size ? len + 1 : 2);
}

/* KEY is an algorithm, or a word for any of them. */
static bool
take_digest (struct object *o, const char *key, const char *text)
{
  static const char *const types[]
      = { "checksum_type", "checksumType", "checksum-type", "algorithm", NULL };
  struct checksum c;

  if (is_one_of (key, types) || (o->inner && is_one_of (key, inner_type))) {
    keep (o->type, sizeof o->type, text);
    return true;
  }
  if (is_one_of (key, any_digest) || (o->inner && is_one_of (key, inner_value))) {
    if (strchr (text, ':') == NULL)
      keep (o->loose, sizeof o->loose, text);
    else if (checksum_from_span (&c, text_of (text)))
      checksum_search_add (&o->said, &c);
    return true;
  }
  if (!checksum_algorithm (text_of (key), &c.algorithm))
    return false;
  if (checksum_from_hex (&c, text, strlen (text)))
    checksum_search_add (&o->said, &c);
  return true;
}

static void
take_string (struct reading *r)
{
  static const char *const names[]
      = { "location", "name",     "path",      "url",
          "file",     "filename", "file_name", "browser_download_url",
          "href",     NULL };
  struct object *o = &r->objects[r->json.depth - 1];
  struct checksum c;

  if (r->key[0] == '\0' || take_digest (o, r->key, r->json.text))
    return;
  if (is_one_of (r->key, names))
    o->named = o->named || checksum_search_wants (r->search, text_of (r->json.text));
  else if (checksum_search_wants (r->search, text_of (r->key))
           && checksum_from_span (&c, text_of (r->json.text)))
    checksum_search_add (r->search, &c);
}

static bool
step (struct reading *r, enum json_token token)
{
  switch (token) {
  case JSON_OBJECT:
    begin_object (r);
    break;
  case JSON_OBJECT_END:
    end_object (r);
    break;
  case JSON_KEY:
    snprintf (r->key, sizeof r->key, "%s", r->json.text);
    return true;
  case JSON_STRING:
    take_string (r);
    break;
  case JSON_ARRAY:
  case JSON_ARRAY_END:
  case JSON_OTHER:
    break;
  case JSON_END:
  case JSON_BAD:
    return false;
  }
  r->key[0] = '\0';
  return true;
}

int
checksum_search_json (struct checksum_search *s, struct span text, struct error *err)
{
  OWN_MEM struct reading *r = malloc (sizeof *r);
  enum json_token token;

  if (r == NULL)
    return fail_memory (err, "a file of checksums");
  r->search = s;
  r->key[0] = '\0';
  json_begin (&r->json, text);
  do
    token = json_next (&r->json);
  while (step (r, token));
  if (token == JSON_BAD)
    return fail (err, ERR_SOURCE_CHECKSUM,
                 "begins like JSON and is none (at byte %zu); fetch the file again",
                 text.len - r->json.rest.len);
  return 0;
}
