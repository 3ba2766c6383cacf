/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image: what is imported, as one value: its sources, top down, what their headers say, and
 * whether they belong on each other and are those that a journal recorded (J4).  Reads metadata
 * only; knows no options, no target, no phases.
 *
 *     image_name;  image_open;  (map_walk over its layers);  image_close
 */
#ifndef QIMPORT_IMAGE_IMAGE_H
#define QIMPORT_IMAGE_IMAGE_H

#include "image/image_spec.h"
#include "image/walk.h"
#include "journal/journal.h"
#include "source/source.h"
#include "unwrap/unwrap.h"

enum {
  IMAGE_LAYERS_MAX = 17,     /* the image, and as many backing files as may be given */
  IMAGE_HEAD_MAX = 16 << 10, /* of the first request: headers end before it */
  IMAGE_TABLES_MAX = 1 << 20,
  RAW_CLUSTER_BITS = 16 /* of what has no clusters: as finely as zeros are looked for */
};

struct image {
  unsigned n_layers;
  struct source *sources[IMAGE_LAYERS_MAX];
  char *urls[IMAGE_LAYERS_MAX]; /* with their secrets; never stored */
  struct map_layer layers[IMAGE_LAYERS_MAX];
  struct layer_format formats[IMAGE_LAYERS_MAX];
  struct journal_layer *records; /* IMAGE_LAYERS_MAX of them */
  struct host_range *tables;     /* of the image, for its mirrors; NULL: none */
  size_t n_tables;
  bool stream;            /* it can only be read forward, or is to be */
  bool ranges;            /* of a stream: the source honours them all the same */
  enum wrapper wrapper;   /* around the image, which is then a stream */
  bool validator_changed; /* and may be the same image all the same */
  bool unproven;          /* validators do not prove that it is the same image */
};

/* The empty one; -1 without memory. */
int image_init (struct image *i, struct error *err);
void image_release (struct image *i);
/* Ends its requests; what is known stays. */
void image_close (struct image *i);

/* The empty one again. */
void image_forget (struct image *i);

/* Which sources there are: n_layers, urls, and what of them may be recorded. */
int image_name (struct image *i, const struct image_spec *spec, struct error *err);
/* Open and probe each, parse the headers (of a sealed map only what decoding needs), refuse
 * what must be refused before anything is made.  Of a stream the header comes later. */
int image_open (struct image *i, const struct image_spec *spec, struct error *err);
/* Parse the headers after all, where image_open only glanced at them. */
int image_parse (struct image *i, const struct image_spec *spec, struct error *err);
/* Into the records: format, cluster and segment size.  FEATURES: of the image itself, in words.
 */
void image_record_format (struct image *i, char *features, size_t size);
/* Layer K for people: its URL, or "standard input". */
const char *image_shown (const struct image *i, unsigned k);
/* An error about the image of layer K gets its URL, where it has none yet.  Returns -1. */
int image_name_error (const struct image *i, unsigned k, struct error *err);
/* For the log: what came of each mirror. */
void image_tell_mirrors (struct image *i);
/* A table of the image itself was read: its mirrors must have the same. */
int image_note_table (struct image *i, struct host_range r, struct error *err);
/* A plain path is remembered as an absolute one; the caller frees. */
int image_absolute_url (const char *url, char **out, struct error *err);

/* chain.c: do the layers belong on each other? */

/* Whether layer K > 0, of whose first bytes LEN are in HEAD, is raw: the layer above says it.
 */
int image_layer_is_raw (struct image *i, const struct image_spec *spec, unsigned k,
                        const uint8_t *head, size_t len, bool *raw, struct error *err);
/* Every backing file the chain needs was given, in this order, and no more. */
int image_check_chain (struct image *i, const struct image_spec *spec, struct error *err);

#endif
