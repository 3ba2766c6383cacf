/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: the internal snapshots of an image, an entry at a time, so that memory does not
 * follow the table.
 */
#ifndef QIMPORT_IMPORT_SNAPSHOT_H
#define QIMPORT_IMPORT_SNAPSHOT_H

#include "qcow2/qcow2.h"
#include "source/source.h"

/* Where the table is read from: a source, or what a stream has seen. */
struct image_reader {
  int (*read) (void *ctx, host_off at, void *buf, size_t len, struct error *err);
  void *ctx;
  uint64_t end; /* no byte from here on can be read */
};

struct image_reader source_reader (struct source *s, uint64_t file_len);

/* 0 to go on, 1 to end with success, -1. */
typedef int (*snapshot_each) (void *ctx, const struct qcow2_snapshot *snap, struct error *err);

int import_each_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                          snapshot_each each, void *ctx, struct error *err);

/* By ID first, then by name, as qemu-img does.  ERR_USAGE when there is none.  NAME NULL: the
 * active disk, after the table was looked at: malformed, it is refused as qemu does. */
int import_find_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                          const char *name, struct qcow2_disk *disk, struct error *err);

#endif
