/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * xz: one stream, by liblzma, which verifies the checks, the sizes and the index.  With
 * threads, several blocks at once, where the stream has several that tell their size (as `xz
 * -T` and `xz
 * --block-size` make them) and the caller allows the memory.  liblzma from 5.3.3 to 5.8.0 needs
 * the mend of CVE-2025-31115, which distributions have.
 */
#include "unwrap/codec.h"

#include <lzma.h>
#include <stdlib.h>

enum { MAGIC = 6, SLACK = 4 << 10, DICT_LOG_LEAST = 12, DICT_LOG_MOST = 32 };

struct xz {
  lzma_stream lzma;
  bool full; /* there was no more room: there may be more output */
};

static size_t
xz_need (const uint8_t *head, size_t n)
{
  return unwrap_begins (head, n, "\xfd\x37\x7a\x58\x5a\0", MAGIC) ? MAGIC : 0;
}

/* What LZMA2 takes with a dictionary of so many bytes, with room for the filters before it. */
static uint64_t
usage (uint64_t dictionary)
{
  lzma_options_lzma options = { .dict_size = (uint32_t)dictionary };
  const lzma_filter chain[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };

  if (dictionary > UINT32_MAX)
    options.dict_size = UINT32_MAX;
  return lzma_raw_decoder_memusage (chain) + SLACK;
}

static bool
suffices (lzma_stream *lzma, uint64_t dictionary)
{
  lzma->avail_in = lzma->avail_out = 0;
  return lzma_memlimit_set (lzma, usage (dictionary)) == LZMA_OK
         && lzma_code (lzma, LZMA_RUN) != LZMA_MEMLIMIT_ERROR;
}

/* The dictionary that a block asks for, of which liblzma has said that it is too large; they
 * are 2^n or 3 * 2^(n-1).  With threads lzma_memusage () does not tell, so that it is tried;
 * what is allocated then is not touched. */
static uint64_t
dictionary_of (lzma_stream *lzma)
{
  unsigned log;

  for (log = DICT_LOG_LEAST; log < DICT_LOG_MOST; log++) {
    uint64_t d = UINT64_C (1) << log;

    if (suffices (lzma, d))
      return d;
    if (suffices (lzma, d + d / 2))
      return d + d / 2;
  }
  return UINT32_MAX;
}

/* liblzma's own bound is never less than what threads may take. */
static uint64_t
most (const struct unwrap *u)
{
  uint64_t window = usage (u->limits.window);

  return u->limits.threads > 1 && u->limits.memory > window ? u->limits.memory : window;
}

#ifdef HAVE_LZMA_THREADS
static lzma_ret
xz_open_threads (struct unwrap *u, lzma_stream *lzma)
{
  lzma_mt mt = { .flags = LZMA_TELL_UNSUPPORTED_CHECK,
                 .threads = u->limits.threads,
                 .memlimit_threading = u->limits.memory,
                 .memlimit_stop = most (u) };

  return lzma_stream_decoder_mt (lzma, &mt);
}
#endif

/* Of threads as many as liblzma takes. */
static lzma_ret
xz_open (struct unwrap *u, lzma_stream *lzma)
{
#ifdef HAVE_LZMA_THREADS
  if (u->limits.threads > 1)
    return xz_open_threads (u, lzma);
#endif
  return lzma_stream_decoder (lzma, most (u), LZMA_TELL_UNSUPPORTED_CHECK);
}

static int
xz_begin (struct unwrap *u, const uint8_t *head, struct error *err)
{
  struct xz *x = u->state;

  (void)head;
  if (x == NULL)
    u->state = x = calloc (1, sizeof *x);
  if (x == NULL)
    return fail_memory (err, "unpacking xz");
  x->full = false;
  return xz_open (u, &x->lzma) == LZMA_OK ? 0 : fail_memory (err, "unpacking xz");
}

static int
xz_fault (const struct unwrap *u, lzma_ret rc, struct error *err)
{
  struct xz *x = u->state;

  if (rc == LZMA_MEM_ERROR)
    return fail_memory (err, "unpacking xz");
  if (rc == LZMA_MEMLIMIT_ERROR)
    return unwrap_window (u, dictionary_of (&x->lzma), err);
  if (rc == LZMA_UNSUPPORTED_CHECK || rc == LZMA_OPTIONS_ERROR)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "the xz file has %s of a kind that liblzma %s does not know; unpack it "
                 "elsewhere first",
                 rc == LZMA_OPTIONS_ERROR ? "a filter or a flag" : "checks",
                 lzma_version_string ());
  if (rc == LZMA_DATA_ERROR || rc == LZMA_FORMAT_ERROR)
    return unwrap_damaged (u, "its data is broken, or a check differs", err);
  return fail (err, ERR_INTERNAL, "lzma_code () says %d", rc);
}

/* Without bytes, and not at the end, liblzma would wait for its threads; they are asked when
 * there are bytes for them.  At the end it is asked again until it says that nothing comes. */
static int
xz_step (struct unwrap *u, struct unwrap_io *io, bool last, struct error *err)
{
  struct xz *x = u->state;
  const bool finish = last && io->in_len == 0;
  lzma_ret rc;

  if (io->in_len == 0 && !finish && !x->full)
    return 1;
  x->lzma.next_in = io->in;
  x->lzma.avail_in = io->in_len;
  x->lzma.next_out = io->out;
  x->lzma.avail_out = io->out_len;
  do
    rc = lzma_code (&x->lzma, finish ? LZMA_FINISH : LZMA_RUN);
  while (finish && rc == LZMA_OK && x->lzma.avail_out == io->out_len);
  x->full = x->lzma.avail_out == 0;
  unwrap_moved (u, io, io->in_len - x->lzma.avail_in, io->out_len - x->lzma.avail_out);
  if (rc == LZMA_STREAM_END)
    return 0;
  return rc == LZMA_OK || rc == LZMA_BUF_ERROR ? 1 : xz_fault (u, rc, err);
}

static uint64_t
xz_memory (const struct unwrap *u)
{
  const struct xz *x = u->state;

  return lzma_memusage (&x->lzma);
}

static void
xz_close (struct unwrap *u)
{
  struct xz *x = u->state;

  lzma_end (&x->lzma);
  free (x);
}

const struct unwrap_codec unwrap_xz = { xz_need, xz_begin, xz_step, xz_memory, xz_close };
