/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * raw_disk: an image that is the disk itself: whether it is one, by what the user says or by
 * its bytes, never by its name; and how large the disk is.  Reads nothing.
 */
#ifndef QIMPORT_IMAGE_RAW_DISK_H
#define QIMPORT_IMAGE_RAW_DISK_H

#include "image/image_spec.h"
#include "qcow2/qcow2.h"

/* What FORMAT leaves open: more than the first bytes must be seen, if there are any. */
bool raw_disk_undecided (enum image_format format, const uint8_t *head, size_t len);

/* Is the image of which LEN bytes are in HEAD (all, or QCOW2_LOOK of them) a raw disk?  LAST:
 * its last sector, or NULL where that is not known.  Refuses what is neither that nor qcow2. */
int raw_disk_decide (const struct image_spec *spec, const char *url, const uint8_t *head,
                     size_t len, const uint8_t *last, bool *raw, struct error *err);

/* The disk of a raw image of LEN bytes: whole sectors, the last one padded with zeros. */
int raw_disk_size (const struct image_spec *spec, const char *url, uint64_t len, uint64_t *size,
                   struct error *err);

#endif
