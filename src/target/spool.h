/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * spool: in a stream, bytes of the image whose place on the target is not known yet wait here:
 * a file without a name beside the target, which ends with its process.  Sparse: a byte lies at
 * its host offset, and what found its place is punched out again, so that it takes no more
 * room than what is really unplaced.
 *
 * One thread.  Errors: ERR_TARGET_FULL, ERR_TARGET_FAILED.
 */
#ifndef QIMPORT_TARGET_SPOOL_H
#define QIMPORT_TARGET_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"

struct spool;

/* DIR, or where that is NULL the directory of TARGET, for a block device $TMPDIR or /var/tmp.
 * The file is made with the first spool_write. */
int spool_open (struct spool **out, const char *target, bool block, const char *dir,
                struct error *err);
void spool_close (struct spool *s);
OWNABLE (spool)

int spool_write (struct spool *s, host_off at, const void *buf, size_t len, struct error *err);
/* Of bytes that were written and not dropped. */
int spool_read (struct spool *s, host_off at, void *buf, size_t len, struct error *err);
/* Give back the space; whole blocks within the range only. Best effort. */
void spool_drop (struct spool *s, struct host_range r);

/* Bytes written so far, dropped ones included. */
uint64_t spool_written (const struct spool *s);

#endif
