/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image_spec: which image is meant, and what is known of it.
 */
#ifndef QIMPORT_IMAGE_IMAGE_SPEC_H
#define QIMPORT_IMAGE_IMAGE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "source/source.h"

/* What the user says that the image itself is. */
enum image_format { FORMAT_AUTO, FORMAT_QCOW2, FORMAT_RAW };

/* Names of what there may be besides; the lists end with NULL. */
struct image_spec {
  const char *url;
  char *const *backing; /* top down */
  char *const *mirrors; /* of the image itself */
  const char *snapshot; /* NULL: the active disk */
  enum image_format format;
  uint64_t max_size; /* of the virtual disk */
  bool accept_new_validator;
  bool stream;   /* read forward, also where ranges are honoured */
  bool describe; /* only looked at: a backing file may be missing */
  bool keep;     /* onto what a target holds: the last backing file may be missing */
  bool as_file;  /* the file itself is what is imported, once its tables are checked */

  /* What the journal has; only with RECORDED is it held against the sources. */
  bool recorded, sealed, was_stream;
  const char *import_id;                       /* for what a message advises */
  void (*warn) (void *ctx, const char *words); /* a line for the user */
  void *ctx;
  struct source_options source;
};

/* A line for the user. */
void image_warn (const struct image_spec *spec, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

#endif
