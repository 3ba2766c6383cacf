/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kernel: calls of Linux for which not every C library has a function (musl has had statx since
 * 1.2.5 and has no renameat2), made by their numbers.  Decides nothing.
 */
#ifndef QIMPORT_BASE_KERNEL_H
#define QIMPORT_BASE_KERNEL_H

#include <stdbool.h>

/* renameat2 with RENAME_NOREPLACE. -1 and errno: EEXIST; EINVAL or ENOSYS where it is not
 * known how. */
int rename_no_replace (int from_dir, const char *from, int to_dir, const char *to);

/* Is NAME, seen from DIR, a block device, and which?  The server of a network file system, who
 * may never answer, is not asked. */
bool block_device_at (int dir, const char *name, unsigned *major, unsigned *minor);

/* What is cached of the attributes of PATH is made good, where a server knows better. */
void refresh_attributes (const char *path);

#endif
