/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * decode: one compressed cluster, deflate (raw, RFC 1951) or zstd (RFC 8878), straight into the
 * caller's cluster.  Output is bounded by the cluster whatever the stream says (J7), and only
 * exactly one cluster is a success.  No state is kept from one cluster to the next.
 */
#include <inttypes.h>
#include <libdeflate.h>
#include <stdlib.h>
#if HAVE_ZLIB
#include <zlib.h>
#endif
#include <zstd.h>

#include "base/bytes.h"
#include "qcow2/layout.h"

#define DAMAGED "the image is damaged, ask for a sound one"

struct qcow2_decoder {
  enum qcow2_compression compression;
  size_t cluster_size;
  struct libdeflate_decompressor *deflate;
  ZSTD_DCtx *zstd;
};

int
qcow2_decoder_new (struct qcow2_decoder **out, enum qcow2_compression compression,
                   uint32_t cluster_bits, struct error *err)
{
  struct qcow2_decoder *d = calloc (1, sizeof *d);

  if (d == NULL)
    return fail_memory (err, "a decoder");
  d->compression = compression;
  d->cluster_size = (size_t)1 << cluster_bits;
  switch (compression) {
  case QCOW2_DEFLATE:
    d->deflate = libdeflate_alloc_decompressor ();
    break;
  case QCOW2_ZSTD:
    d->zstd = ZSTD_createDCtx ();
    break;
  }
  if (d->deflate == NULL && d->zstd == NULL) {
    free (d);
    return fail_memory (err, "a decoder");
  }
  *out = d;
  return 0;
}

void
qcow2_decoder_close (struct qcow2_decoder *d)
{
  if (d == NULL)
    return;
  libdeflate_free_decompressor (d->deflate);
  ZSTD_freeDCtx (d->zstd);
  free (d);
}

static int
refuse (const struct qcow2_decoder *d, host_off at, size_t stored, const char *why,
        struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "compressed cluster at byte %" PRIu64 " (%zu bytes, %s): %s; " DAMAGED, at.v,
               stored, d->compression == QCOW2_ZSTD ? "zstd" : "deflate", why);
}

/* A stream that goes on behind its cluster, whole or not: its first bytes are the cluster.
 * libdeflate wants room for all of it, or says nothing of what it has; zlib stops there. */
static bool
inflate_begin (const struct qcow2_decoder *d, const uint8_t *in, size_t stored, uint8_t *out)
{
#if HAVE_ZLIB
  z_stream z = { .next_in = (Bytef *)(uintptr_t)in,
                 .avail_in = (uInt)stored,
                 .next_out = out,
                 .avail_out = (uInt)d->cluster_size };
  int rc;

  if (inflateInit2 (&z, -MAX_WBITS) != Z_OK)
    return false;
  rc = inflate (&z, Z_FINISH);
  inflateEnd (&z);
  return (rc == Z_STREAM_END || rc == Z_BUF_ERROR) && z.avail_out == 0;
#else
  (void)d;
  (void)in;
  (void)stored;
  (void)out;
  return false;
#endif
}

/* The stream ends where its last block does; what is behind it is padding, or the next
 * cluster's stream, and is not looked at. */
static int
decode_deflate (struct qcow2_decoder *d, host_off at, const uint8_t *in, size_t stored,
                uint8_t *out, struct error *err)
{
  size_t in_used, out_used = 0;
  enum libdeflate_result rc = libdeflate_deflate_decompress_ex (
      d->deflate, in, stored, out, d->cluster_size, &in_used, &out_used);

  if (rc != LIBDEFLATE_SUCCESS && inflate_begin (d, in, stored, out))
    return 0;
  if (rc == LIBDEFLATE_INSUFFICIENT_SPACE)
    return refuse (d, at, stored, "it decodes to more than one cluster, or it is cut", err);
  if (rc != LIBDEFLATE_SUCCESS)
    return refuse (d, at, stored, "its stream is broken or cut", err);
  if (out_used != d->cluster_size)
    return refuse (d, at, stored, "it decodes to less than one cluster", err);
  return 0;
}

enum {
  FRAME_LEAST = 8, /* a skippable frame's header; a frame's own is followed by a block */
  FRAME_MAGIC = 4,
  FRAME_SINGLE_SEGMENT = 1 << 5,
  FRAME_WINDOW_LOG_MIN = 10,
  FRAME_WINDOW_LOG_MAX = 27 /* zstd's own default, and so qemu's */
};

/* Why the frame at IN is not decoded, NULL if it may be.  Frames of zstd before 0.8 are not
 * read: no writer of qcow2 ever made them, and their decoders are old code. */
static const char *
frame_refusal (const uint8_t *in, size_t n)
{
  uint32_t magic;

  if (n < FRAME_LEAST)
    return "its stream is cut, or decodes to less than one cluster";
  magic = load_le32 (in);
  if ((magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
    return NULL;
  if (magic != ZSTD_MAGICNUMBER)
    return "no zstd frame where one must be, or it decodes to less than one cluster";
  if ((in[FRAME_MAGIC] & FRAME_SINGLE_SEGMENT) == 0) {
    unsigned log = FRAME_WINDOW_LOG_MIN + (in[FRAME_MAGIC + 1] >> 3);
    unsigned eighths = in[FRAME_MAGIC + 1] & 7;

    if (log > FRAME_WINDOW_LOG_MAX || (log == FRAME_WINDOW_LOG_MAX && eighths != 0))
      return "its zstd window is larger than 128 MiB";
  }
  return NULL;
}

/* Frame after frame, each at once into what is left of the cluster: the cluster itself is the
 * window, so that no frame, whatever window it asks for, costs any memory.  Every turn consumes
 * at least a frame's header.  As with deflate, what is behind the full cluster is not looked
 * at. */
static int
unzstd (struct qcow2_decoder *d, host_off at, const uint8_t *in, size_t stored, uint8_t *out,
        struct error *err)
{
  size_t in_at = 0, out_at = 0;

  while (out_at < d->cluster_size) {
    const char *why = frame_refusal (in + in_at, stored - in_at);
    size_t frame, got;

    if (why != NULL)
      return refuse (d, at, stored, why, err);
    frame = ZSTD_findFrameCompressedSize (in + in_at, stored - in_at);
    if (ZSTD_isError (frame))
      return refuse (d, at, stored, "a zstd frame is broken or cut", err);
    got = ZSTD_decompressDCtx (d->zstd, out + out_at, d->cluster_size - out_at, in + in_at,
                               frame);
    if (ZSTD_isError (got))
      return refuse (d, at, stored, ZSTD_getErrorName (got), err);
    in_at += frame;
    out_at += got;
  }
  return 0;
}

int
qcow2_decode (struct qcow2_decoder *d, host_off at, const uint8_t *in, size_t stored,
              uint8_t *out, struct error *err)
{
  switch (d->compression) {
  case QCOW2_DEFLATE:
    return decode_deflate (d, at, in, stored, out, err);
  case QCOW2_ZSTD:
    return unzstd (d, at, in, stored, out, err);
  }
  return fail (err, ERR_INTERNAL, "no such compression");
}
