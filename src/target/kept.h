/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * kept: what was fetched of a wrapped file, kept on disk until the import is complete, so that
 * after a kill or a power cut it is unpacked again from here and not fetched again.
 *
 * The file begins with a block that says of which file at which source the bytes are; then come
 * records, each with its length and a digest, so that what a crash left half-written, or what
 * somebody spoilt, is told from what is sound: nothing behind the first record that is not
 * sound is given out, and the file is cut there.  It needs no journal, and none needs it:
 * without it the import fetches again.  That no more can be kept (the disk is full) is an error
 * of the one call that says so: what was appended before can still be read.
 *
 * Read and appended to by one thread; kept_sync may be called by another.
 */
#ifndef QIMPORT_TARGET_KEPT_H
#define QIMPORT_TARGET_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/own.h"

enum { KEPT_PIECE = 64 << 10 }; /* the longest record */

struct kept;

/* Where it is, for the import of TARGET: SPOOL_DIR where that is given, else beside a file,
 * else beside the JOURNAL.  The caller frees; NULL: no memory. */
char *kept_path (const char *target, bool file, const char *spool_dir, const char *journal);

/* Open the file at PATH, or make it.  What it holds of another SOURCE is thrown away.  A file
 * that is none of ours, or in use, is ERR_TARGET_REFUSED, and left alone. */
int kept_open (struct kept **out, const char *path, const uint8_t source[DIGEST_SIZE],
               struct error *err);
void kept_close (struct kept *k);
OWNABLE (kept)

/* The next record, of at most KEPT_PIECE bytes; *LEN 0 when there is none that is sound.  From
 * the first time on, what is fetched may be appended, and is read next. */
int kept_read (struct kept *k, uint8_t *buf, size_t *len, struct error *err);
/* At most KEPT_PIECE bytes. */
int kept_append (struct kept *k, const uint8_t *buf, size_t len, struct error *err);
/* May more be appended? */
bool kept_takes_more (const struct kept *k);
/* Nothing is in it. */
bool kept_is_empty (const struct kept *k);
/* So many bytes are free where it is. */
uint64_t kept_room (const struct kept *k);
/* What was appended is durable.  Best effort: what is lost is fetched again. */
void kept_sync (struct kept *k);

/* It is not needed any more. */
void kept_remove (struct kept *k);
/* The same where it is not open; only a file of ours that nobody uses. */
void kept_remove_at (const char *path);

#endif
