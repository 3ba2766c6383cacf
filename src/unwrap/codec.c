/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * codec: one file, stream after stream.  What is between two streams is decided here: the
 * first bytes of the next, padding, garbage, the end.  What is in a stream, its codec knows.
 */
#include "unwrap/codec.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { PADDING_UNIT = 4, TRIES = 4 };

/* NULL: not in this build, or nothing that is unwrapped. */
static const struct unwrap_codec *const codecs[] = {
#ifdef HAVE_LZMA
  [WRAPPER_XZ] = &unwrap_xz,
#endif
#ifdef HAVE_ZLIB
  [WRAPPER_GZIP] = &unwrap_gzip,
#endif
#ifdef HAVE_BZIP2
  [WRAPPER_BZIP2] = &unwrap_bzip2,
#endif
  [WRAPPER_ZSTD] = &unwrap_zstd,
};

/* ---- Words ---------------------------------------------------------------------------------
 */

int
unwrap_damaged (const struct unwrap *u, const char *why, struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "the %s file is damaged at byte %" PRIu64 " or before (byte %" PRIu64
               " of what is in it): %s; ask for a sound one",
               wrapper_name (u->kind), u->taken, u->given, why);
}

int
unwrap_window (const struct unwrap *u, uint64_t window, struct error *err)
{
  uint64_t mib = window / (1 << 20) + (window % (1 << 20) != 0);
  char allowed[24];

  format_size (allowed, u->limits.window);
  return fail (err, ERR_IMAGE_TOO_LARGE,
               "unpacking the %s file takes a window of %" PRIu64 " MiB (its stream at byte "
               "%" PRIu64 "), and %s are allowed; give it --memory %" PRIu64 "M",
               wrapper_name (u->kind), mib, u->taken, allowed, mib);
}

static int
truncated (const struct unwrap *u, struct error *err)
{
  return fail (err, ERR_IMAGE_TRUNCATED,
               "the %s file is cut: it ends at byte %" PRIu64 ", %s (byte %" PRIu64
               " of what is in it); ask for a whole one",
               wrapper_name (u->kind), u->taken,
               u->taken == 0 ? "before it begins" : "inside of a stream", u->given);
}

/* The next byte belongs to no stream.  What is held was taken, and is the garbage's start. */
static int
garbage (const struct unwrap *u, struct error *err)
{
  uint64_t at = u->taken - u->held;

  if (u->streams == 0)
    return fail (err, ERR_IMAGE_MALFORMED, "byte %" PRIu64 " is not the beginning of %s data",
                 at, wrapper_name (u->kind));
  return fail (err, ERR_IMAGE_MALFORMED,
               "the %s file is followed by something else, from byte %" PRIu64
               " on; take off what does not belong to it, or ask for a sound one",
               wrapper_name (u->kind), at);
}

static int
odd_padding (const struct unwrap *u, struct error *err)
{
  return fail (err, ERR_IMAGE_MALFORMED,
               "the %s file is followed by %" PRIu64 " bytes of zeros, up to byte %" PRIu64
               "; padding is a multiple of four; ask for a sound file",
               wrapper_name (u->kind), u->padding, u->taken - u->held);
}

const char *
unwrap_built_in (void)
{
  return ""
#ifdef HAVE_LZMA
      UNWRAP_XZ_WORDS " "
#endif
#ifdef HAVE_ZLIB
         "gzip "
#endif
         "zstd"
#ifdef HAVE_BZIP2
         " bzip2"
#endif
      ;
}

/* ---- Between streams -----------------------------------------------------------------------
 */

bool
unwrap_begins (const uint8_t *head, size_t n, const void *magic, size_t len)
{
  return memcmp (head, magic, n < len ? n : len) == 0;
}

/* Zeros behind a stream of xz, and nothing else. */
static void
skip_padding (struct unwrap *u, struct unwrap_io *io)
{
  size_t n = 0;

  if (u->kind != WRAPPER_XZ || u->streams == 0 || u->held > 0)
    return;
  while (n < io->in_len && io->in[n] == 0)
    n++;
  u->padding += n;
  unwrap_moved (u, io, n, 0);
}

/* The first bytes, byte by byte, so that garbage is known at its first.  1: more are needed. */
static int
gather_head (struct unwrap *u, struct unwrap_io *io, struct error *err)
{
  while (io->in_len > 0) {
    size_t need;

    u->hold[u->held++] = io->in[0];
    unwrap_moved (u, io, 1, 0);
    need = u->codec->need (u->hold, u->held);
    assert (need <= UNWRAP_HOLD);
    if (need == 0)
      return garbage (u, err);
    if (u->padding % PADDING_UNIT != 0)
      return odd_padding (u, err);
    if (need == u->held)
      return 0;
  }
  return 1;
}

static int
feed_head (struct unwrap *u, struct unwrap_io *head, struct error *err)
{
  int rc = 1;

  while (rc == 1 && head->in_len > 0) {
    size_t before = head->in_len;

    rc = u->codec->step (u, head, false, err);
    if (rc != -1 && head->in_len == before)
      return fail (err, ERR_INTERNAL, "the decoder of %s does not take the beginning",
                   wrapper_name (u->kind));
  }
  return rc;
}

/* The codec takes the bytes that were held.  No stream has output in them, or its end; but an
 * empty skippable frame of zstd is over with its header. */
static int
begin_stream (struct unwrap *u, const struct unwrap_io *io, struct error *err)
{
  uint8_t bytes[UNWRAP_HOLD];
  struct unwrap_io head = { bytes, u->held, io->out, io->out_len };
  int rc;

  memcpy (bytes, u->hold, u->held);
  u->taken -= u->held;
  u->held = 0;
  u->padding = 0;
  u->streams++;
  rc = u->codec->begin (u, bytes, err) == -1 ? -1 : feed_head (u, &head, err);
  u->taken += head.in_len;
  assert (rc == -1 || (head.in_len == 0 && head.out_len == io->out_len));
  u->inside = rc == 1;
  return rc == -1 ? -1 : 0;
}

/* Up to the beginning of the next stream, or to the last of the bytes. */
static int
between (struct unwrap *u, struct unwrap_io *io, struct error *err)
{
  int rc;

  skip_padding (u, io);
  rc = gather_head (u, io, err);
  return rc == 0 ? begin_stream (u, io, err) : rc == 1 ? 0 : -1;
}

static int
end_file (struct unwrap *u, struct error *err)
{
  if (u->held > 0 || u->streams == 0)
    return truncated (u, err);
  if (u->padding % PADDING_UNIT != 0)
    return odd_padding (u, err);
  return 0;
}

/* ---- The whole -----------------------------------------------------------------------------
 */

void
unwrap_moved (struct unwrap *u, struct unwrap_io *io, size_t in, size_t out)
{
  assert (in <= io->in_len && out <= io->out_len);
  io->in += in;
  io->in_len -= in;
  io->out += out;
  io->out_len -= out;
  u->taken += in;
  u->given += out;
}

/* On in the stream, or to its end.  1: not without more bytes. */
static int
inside (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  const uint64_t taken = u->taken, given = u->given;
  unsigned tries;

  for (tries = 0; tries < TRIES; tries++) {
    int rc = u->codec->step (u, io, last, err);

    u->inside = rc == 1;
    if (rc != 1)
      return rc;
    if (u->taken != taken || u->given != given)
      return 0;
    if (io->in_len == 0)
      return last ? truncated (u, err) : 1;
  }
  return fail (err, ERR_INTERNAL, "the decoder of %s stands still", wrapper_name (u->kind));
}

static int
push (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  int rc = 0;

  while (rc == 0) {
    if (u->inside)
      rc = io->out_len == 0 ? 1 : inside (u, io, last, err);
    else if (io->in_len > 0)
      rc = between (u, io, err);
    else
      return last ? end_file (u, err) : 1;
  }
  return rc;
}

int
unwrap_push (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  int rc;

  assert (!u->dead);
  rc = push (u, io, last, err);
  u->dead = rc != 1;
  return rc;
}

int
unwrap_new (struct unwrap **out, enum wrapper kind, const struct unwrap_limits *limits,
            struct error *err)
{
  struct unwrap *u;

  if (!wrapper_is_unwrapped (kind))
    return unwrap_refuse (kind, WRAPPER_NONE, err);
  if (kind >= sizeof codecs / sizeof codecs[0] || codecs[kind] == NULL)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "this is %s data, and this qimport was built without what unpacks it (it has "
                 "%s); unpack it first, and give the image in it",
                 wrapper_name (kind), unwrap_built_in ());
  u = calloc (1, sizeof *u);
  if (u == NULL)
    return fail_memory (err, "a decoder");
  u->kind = kind;
  u->limits = *limits;
  u->codec = codecs[kind];
  *out = u;
  return 0;
}

void
unwrap_close (struct unwrap *u)
{
  if (u == NULL)
    return;
  if (u->state != NULL)
    u->codec->close (u);
  free (u);
}

enum wrapper
unwrap_kind (const struct unwrap *u)
{
  return u->kind;
}

uint64_t
unwrap_taken (const struct unwrap *u)
{
  return u->taken;
}

uint64_t
unwrap_given (const struct unwrap *u)
{
  return u->given;
}

uint64_t
unwrap_memory (const struct unwrap *u)
{
  return u->state != NULL ? u->codec->memory (u) : 0;
}
