/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * json_reader: a JSON document (RFC 8259), strictly, one token at a time and without recursion.
 * Keeps nothing of it, and does not know what it means.
 */
#ifndef QIMPORT_TRUST_JSON_READER_H
#define QIMPORT_TRUST_JSON_READER_H

#include "trust/span.h"

enum { JSON_DEPTH = 64, JSON_TEXT = 2048 };

enum json_token {
  JSON_OBJECT,
  JSON_OBJECT_END,
  JSON_ARRAY,
  JSON_ARRAY_END,
  JSON_KEY,    /* text */
  JSON_STRING, /* text */
  JSON_OTHER,  /* a number, true, false, null */
  JSON_END,
  JSON_BAD /* not JSON, or deeper than JSON_DEPTH */
};

struct json_reader {
  struct span rest;
  unsigned depth;
  bool in_object[JSON_DEPTH];
  char expects;         /* what comes next, see json_reader.c */
  char text[JSON_TEXT]; /* of the last key or string, with a NUL; "" where it does not fit */
};

void json_begin (struct json_reader *r, struct span document);
enum json_token json_next (struct json_reader *r);

#endif
