/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: the internal snapshots of an image, an entry at a time.
 */
#ifndef QIMPORT_IMPORT_SNAPSHOT_H
#define QIMPORT_IMPORT_SNAPSHOT_H

#include "qcow2/qcow2.h"
#include "source/source.h"

/* 0 to go on, 1 to end with success, -1. */
typedef int (*snapshot_each) (void *ctx, const struct qcow2_snapshot *snap, struct error *err);

int import_each_snapshot (struct source *s, const struct qcow2_header *h, snapshot_each each,
                          void *ctx, struct error *err);

/* By ID first, then by name, as qemu-img does.  ERR_USAGE when there is none. */
int import_find_snapshot (struct source *s, const struct qcow2_header *h, const char *name,
                          struct qcow2_disk *disk, struct error *err);

#endif
