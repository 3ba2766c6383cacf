/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * codec: what codec.c and the four decoders share.  A file is a row of streams (gzip: members,
 * zstd: frames), each of which begins with bytes that tell it; a decoder knows one stream, and
 * codec.c what comes between them.
 */
#ifndef QIMPORT_UNWRAP_CODEC_H
#define QIMPORT_UNWRAP_CODEC_H

#include "unwrap/unwrap.h"

/* What unwrap_built_in says of xz. */
#ifdef HAVE_LZMA_THREADS
#define UNWRAP_XZ_WORDS "xz (threads)"
#else
#define UNWRAP_XZ_WORDS "xz"
#endif

enum { UNWRAP_HOLD = 18 }; /* the longest first bytes: a zstd frame's header */

struct unwrap_codec {
  /* How many bytes the first ones of a stream are, of which N (>= 1) are here; 0: no stream
   * begins with these. */
  size_t (*need) (const uint8_t *head, size_t n);
  /* A stream begins with HEAD, which is given to step again. */
  int (*begin) (struct unwrap *u, const uint8_t *head, struct error *err);
  /* As unwrap_push, of this stream alone: 0 is its end, whatever LAST says.  Says by
   * unwrap_moved what it took and gave, also before it fails.  There is room, but perhaps not
   * while the bytes of HEAD are given. */
  int (*step) (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err);
  uint64_t (*memory) (const struct unwrap *u);
  void (*close) (struct unwrap *u);
};

struct unwrap {
  enum wrapper kind;
  struct unwrap_limits limits;
  const struct unwrap_codec *codec;
  void *state; /* the codec's */
  bool inside; /* of a stream */
  bool dead;   /* it failed, or ended */
  uint64_t taken, given;
  uint64_t streams; /* begun */
  uint64_t padding; /* zeros behind the last stream */
  uint8_t hold[UNWRAP_HOLD];
  size_t held;
};

extern const struct unwrap_codec unwrap_xz, unwrap_gzip, unwrap_zstd, unwrap_bzip2;

/* So many bytes were taken and given. */
void unwrap_moved (struct unwrap *u, struct unwrap_io *io, size_t in, size_t out);

/* ERR_IMAGE_MALFORMED at the byte that was taken last. */
int unwrap_damaged (const struct unwrap *u, const char *why, struct error *err);

/* ERR_IMAGE_TOO_LARGE: the file's window is so many bytes. */
int unwrap_window (const struct unwrap *u, uint64_t window, struct error *err);

/* N of the LEN bytes of MAGIC, or all of them, are what HEAD begins with. */
bool unwrap_begins (const uint8_t *head, size_t n, const void *magic, size_t len);

#endif
