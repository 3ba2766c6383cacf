/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * walk: from the tables of an image, and of its backing files, to extents in guest order. Reads
 * tables in batches of a few MiB, ahead, so that memory does not grow with the image and many
 * requests are in flight; knows nothing of the journal.
 */
#ifndef QIMPORT_IMAGE_WALK_H
#define QIMPORT_IMAGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"
#include "qcow2/qcow2.h"
#include "source/source.h"

/* One layer of the image: its source and what its header says. */
struct map_layer {
  struct source *source;
  bool raw;
  uint64_t file_len;
  struct qcow2_header header; /* not of raw ones */
  struct qcow2_disk disk;
  uint8_t *l1; /* of L1_AT, where it was read before; else NULL */
  struct host_range l1_at;
};

/* TABLE (may be NULL) is called for every table that is read, before its extents.  KEEP_HOLES:
 * a HOLE will not be made zeros, so that what has to read as zeros must not be one.  DEPTHS:
 * the layer of a HOLE is the lowest that reaches as far, else 0. */
struct map_sink {
  int (*extent) (void *ctx, const struct extent *e, struct error *err);
  int (*table) (void *ctx, uint32_t layer, struct host_range r, const char *what,
                struct error *err);
  void *ctx;
  bool keep_holes, depths;
};

/* Emit every guest byte of [0, VIRTUAL_SIZE) once, in guest order: from the topmost layer that
 * has it; HOLE where none has.  LAYERS outlive the call. */
int map_walk (struct map_layer *layers, unsigned n, uint64_t virtual_size,
              const struct map_sink *sink, struct error *err);

#endif
