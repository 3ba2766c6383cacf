/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * unwrap: what a compressed file around an image is made of, and the bytes in it.  Bytes in,
 * bytes out: no system calls and no threads, but those that liblzma's decoder starts; so a
 * fuzzer runs all of it.  It never asks for a name, never reads ahead, and what it allocates is
 * bounded by what the caller allows, whatever the file says (J7).
 *
 * What a file is, its first bytes say (unwrap_recognise).  xz, gzip, zstd and bzip2 are
 * unwrapped; archives and other compressed things have a name, and are refused by it
 * (unwrap_refuse).  What comes out may be wrapped again: the caller asks the same question of
 * the first bytes that come out, and says what it thinks of the answer.
 *
 *     if (unwrap_new (&u, unwrap_recognise (head, n), &limits, err) == -1)
 *       return -1;
 *     do {
 *       if (io.in_len == 0 && !last)
 *         ...                                the next bytes of the file, or last = true
 *       io.out = ..., io.out_len = ...;      room
 *       rc = unwrap_push (u, &io, last, err);
 *     } while (rc == 1);
 *
 * What makes a whole file:
 *   xz     one stream or several; any number of blocks; padding of zeros behind a stream, a
 *          multiple of four bytes.  Every check in it is verified; a kind of check that liblzma
 *          does not know is refused.
 *   gzip   one member or several.  CRC and length are verified.
 *   zstd   one frame or several, with skippable ones anywhere; checksums are verified.  Windows
 *          up to 2 GiB (`zstd --long=31`; on 32-bit machines 1 GiB), where the caller allows
 * them. Not with a dictionary, and not the formats before zstd 0.8. bzip2  one stream or
 * several. Anything else behind the last of them is garbage, and the file is refused: nobody
 * can know what it was meant to be.
 *
 * Why these libraries: liblzma for xz, because its decoder of version 5.4 works on several
 * blocks at once.  zlib, libzstd and libbz2 themselves, and not libarchive (3.6 was tried),
 * because that takes a gzip file with a wrong CRC, garbage behind gzip and bzip2, and a second
 * member or stream that is cut, all for whole files; has no bound for memory and none but 128
 * MiB for zstd's windows; and pulls, so that every reader would need a thread of its own. Each
 * but libzstd, which qcow2 needs anyway, may be left out (./configure --without-liblzma,
 * --without-zlib, --without-bzip2); what is in, unwrap_built_in tells.
 */
#ifndef QIMPORT_UNWRAP_UNWRAP_H
#define QIMPORT_UNWRAP_UNWRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

/* What is around the image: X (code, words for people).  Those before WRAPPER_TAR are
 * unwrapped, the others refused. */
#define WRAPPERS(X)                           \
  X (NONE, "not wrapped")                     \
  X (XZ, "xz")                                \
  X (GZIP, "gzip")                            \
  X (ZSTD, "zstd")                            \
  X (BZIP2, "bzip2")                          \
  X (TAR, "a tar archive")                    \
  X (OVA, "an OVA (a tar archive)")           \
  X (ZIP, "a zip archive")                    \
  X (SEVEN_ZIP, "a 7z archive")               \
  X (RAR, "a rar archive")                    \
  X (CPIO, "a cpio archive")                  \
  X (AR, "an ar archive or a Debian package") \
  X (CAB, "a cabinet archive")                \
  X (XAR, "a xar archive")                    \
  X (LZ4, "lz4 data")                         \
  X (LZIP, "lzip data")                       \
  X (LZOP, "lzop data")                       \
  X (LZMA, "data of the old lzma format")     \
  X (COMPRESS, "data of compress (.Z)")       \
  X (ZSTD_OLD, "zstd data of a version before 0.8")

enum wrapper {
#define X(code, words) WRAPPER_##code,
  WRAPPERS (X)
#undef X
};

/* So many first bytes tell for sure; with fewer, tar and OVA are not seen. */
enum { UNWRAP_HEAD = 512 };

/* What a file that begins with these bytes is.  WRAPPER_NONE: an image, or nothing that we
 * know. */
enum wrapper unwrap_recognise (const void *head, size_t len);

/* "xz", "a tar archive" */
const char *wrapper_name (enum wrapper kind);

/* Is there a decoder for it, in principle? */
bool wrapper_is_unwrapped (enum wrapper kind);

/* ERR_IMAGE_UNSUPPORTED with the name of a KIND that is not unwrapped, and what to do.  INSIDE
 * (WRAPPER_NONE: nothing) is the wrapper that it came out of.  Returns -1. */
int unwrap_refuse (enum wrapper kind, enum wrapper inside, struct error *err);

/* What this build unwraps: "xz (threads) gzip zstd bzip2". */
const char *unwrap_built_in (void);

struct unwrap_limits {
  uint64_t window; /* the largest window (xz: dictionary) that a file may ask for; bytes */
  uint64_t memory; /* of xz with threads: for blocks that are unwrapped at once; where it is too
                      small for two, one is at a time, which takes the window alone.  Where it
                      is more than WINDOW, a window may be as large as that */
  unsigned threads; /* of xz: at most so many; 0 and 1: none */
};

struct unwrap;

/* A decoder for one file of KIND, from its first byte.  ERR_IMAGE_UNSUPPORTED for a kind that
 * is not unwrapped, or not in this build. */
int unwrap_new (struct unwrap **out, enum wrapper kind, const struct unwrap_limits *limits,
                struct error *err);
void unwrap_close (struct unwrap *u);
OWNABLE (unwrap)

/* Moved on by unwrap_push: what is left of both. */
struct unwrap_io {
  const uint8_t *in;
  size_t in_len;
  uint8_t *out;
  size_t out_len;
};

/* Unwrap what is there into what room there is; it goes on until one of them is used up.  With
 * in_len 0 it gives what it still holds.  LAST: no byte follows those of IN.
 *
 *    1  more: give it bytes, or room, or say that there are no more bytes
 *    0  LAST was said, and the file was whole; all is in OUT.  Never without LAST
 *   -1  ERR_IMAGE_TRUNCATED  cut; names the byte behind the last
 *       ERR_IMAGE_MALFORMED  damaged (names the byte at which it was noticed: the damage is
 * there or before), or followed by garbage (names the first byte of it) ERR_IMAGE_TOO_LARGE its
 * window is larger than what the caller allows: names the --memory that it takes; or than what
 * can be read at all ERR_IMAGE_UNSUPPORTED  a filter, check or dictionary that is not there
 *       ERR_NO_MEMORY
 * What came before a fault has been given out, and some of it may be wrong: the checks of xz,
 * gzip and zstd stand behind what they check, in a file of one stream (xz: of one block) at its
 * very end.  After -1 it can only be closed. */
int unwrap_push (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err);

enum wrapper unwrap_kind (const struct unwrap *u);
/* Bytes of the file that were taken, and bytes that were given out. */
uint64_t unwrap_taken (const struct unwrap *u);
uint64_t unwrap_given (const struct unwrap *u);
/* Bytes that the decoder holds at most for what it has seen so far: its window and buffers. */
uint64_t unwrap_memory (const struct unwrap *u);

#endif
