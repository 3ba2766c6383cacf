/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshots: the internal snapshots of an image, an entry at a time, so that memory does not
 * follow the table.
 */
#ifndef QIMPORT_IMAGE_SNAPSHOTS_H
#define QIMPORT_IMAGE_SNAPSHOTS_H

#include <stdbool.h>

#include "qcow2/qcow2.h"
#include "source/source.h"

/* Where the table is read from: a source, or what a stream has seen. */
struct image_reader {
  int (*read) (void *ctx, host_off at, void *buf, size_t len, struct error *err);
  void *ctx;
  uint64_t end;   /* no byte from here on can be read */
  uint64_t ahead; /* so much may be read at once, more than is asked for */
};

struct image_reader source_reader (struct source *s, uint64_t file_len);

typedef int (*snapshot_each) (void *ctx, const struct qcow2_snapshot *snap, struct error *err);

/* Every entry of the table, which must be there. */
int image_each_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                         snapshot_each each, void *ctx, struct error *err);

/* A table of which not everything can be read yet. */
struct snapshot_walk {
  host_off at;   /* of the next entry */
  uint32_t left; /* entries */
};

struct snapshot_walk image_snapshots_begin (const struct qcow2_header *h);

/* The entries that R has by now: 0 when those were all, 1 when some are to come. */
int image_snapshots_go_on (struct snapshot_walk *w, const struct image_reader *r,
                           const struct qcow2_header *h, snapshot_each each, void *ctx,
                           struct error *err);

/* Looks for the snapshot NAME, by ID first, then by name, as qemu-img does; NULL: for none.
 * Sees the whole table in any case: what is malformed is refused, as by qemu-img. */
struct snapshot_search {
  const char *name;
  uint64_t max_size; /* of its disk; that of the active one is in the header */
  bool by_id, by_name;
  struct qcow2_disk disk; /* if by_id or by_name */
  uint64_t end;           /* how much of the file the entries and their L1 tables need */
};

int image_search_snapshot (void *search, const struct qcow2_snapshot *snap, struct error *err);

/* What the search found, having seen all; without a name, the active disk.  ERR_USAGE when
 * there is no such snapshot, ERR_IMAGE_TOO_LARGE when its disk is larger than it may be. */
int image_found_disk (const struct snapshot_search *search, const struct qcow2_header *h,
                      struct qcow2_disk *disk, struct error *err);

#endif
