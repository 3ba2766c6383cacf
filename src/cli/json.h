/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * json: a reader for the documents of our own library.  It walks over them value by value, and
 * checks no more than it needs to stay within the text.
 */
#ifndef QIMPORT_CLI_JSON_H
#define QIMPORT_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind {
  JSON_END, /* nothing more, or nothing that can be read */
  JSON_OBJECT,
  JSON_OBJECT_END,
  JSON_ARRAY,
  JSON_ARRAY_END,
  JSON_STRING,
  JSON_WORD /* a number, true, false or null */
};

struct json {
  const char *p;
  char key[128];   /* of the last value, or "" */
  char text[4096]; /* STRING (decoded, cut where it is longer), WORD */
};

void json_begin (struct json *j, const char *document);
enum json_kind json_next (struct json *j);

/* The scalar at PATH, such as "image.sha256"; false if there is none or it is null. */
bool json_find (const char *document, const char *path, char *out, size_t size);

#endif
