/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_end: the end of what comes once is the disk's: every table read, every byte that one
 * names here.  Who sends may keep a pipe open behind it and wait for us, or break off before;
 * what is said then, and when it is final, is here.
 */
#include "forward/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BESIDE = 64 << 20 };

/* ---- Is it all there? ---------------------------------------------------------------------
 */

uint64_t
stream_needs (const struct stream *s, bool *all)
{
  const struct stream_places *p = &s->places;
  uint64_t end = max_u64 (s->search.end, p->data_end);

  *all = stream_all_parsed (s) && s->snapshots.left == 0;
  if (p->compressed_end > 0) /* of its last sector nobody knows how much */
    end = max_u64 (end, p->compressed_end - (SECTOR - 1));
  if (s->snapshots.left > 0)
    end = max_u64 (end, s->snapshots.at.v + 1);
  if (s->have_disk)
    end = max_u64 (end, s->disk.l1.at.v + s->disk.l1.n * 8);
  return max_u64 (end, stream_tables_end (s));
}

/* Does a file of LEN bytes have what its header names? */
static bool
header_fits (const struct stream *s, uint64_t len)
{
  struct qcow2_header again;
  struct error ignored;

  return qcow2_header_parse (&again, s->head.bytes, s->head.len, len, UINT64_MAX, &ignored)
         == 0;
}

bool
stream_is_whole (const struct stream *s)
{
  bool all;

  if (s->copy == NULL)
    return false;
  return stream_needs (s, &all) <= s->supply.pos && all
         && (!s->supply.pipe || header_fits (s, s->supply.pos));
}

/* A sender that stopped within the last sector may be slow, or have sent a file that ends
 * there: the cluster itself tells. */
static int
decode_last (struct stream *s, struct error *err)
{
  const struct extent *e = &s->places.last_compressed;
  size_t stored = (size_t)(min_u64 (extent_host_end (e), s->supply.pos) - e->host.v);
  OWN_MEM uint8_t *in = malloc (stored);
  OWN_MEM uint8_t *out = malloc (s->header.cluster_size);
  struct qcow2_decoder *d = NULL;
  int rc = -1;

  if (in == NULL || out == NULL)
    return fail_memory (err, "a cluster");
  if (qcow2_decoder_new (&d, s->header.compression, s->header.cluster_bits, err) == 0
      && stream_read_host (s, e->host, in, stored, err) == 0)
    rc = qcow2_decode (d, e->host, in, stored, out, err);
  qcow2_decoder_close (d);
  return rc;
}

bool
stream_ends_here (struct stream *s)
{
  struct error ignored;

  return extent_host_end (&s->places.last_compressed) <= s->supply.pos
         || decode_last (s, &ignored) == 0;
}

/* J7: what follows a whole disk is read for the digest of the file alone, and may never end. */
uint64_t
stream_most (const struct stream *s)
{
  uint64_t most;

  if (__builtin_mul_overflow (2 * (uint64_t)(s->header.snapshots + 1), s->header.virtual_size,
                              &most))
    return INT64_MAX;
  return min_u64 (most, INT64_MAX / 2) + BESIDE;
}

/* ---- Too early ----------------------------------------------------------------------------
 */

/* "at least N bytes are missing", as far as that is known. */
static const char *
missing (const struct stream *s, char text[80])
{
  bool all;
  uint64_t end = stream_needs (s, &all);

  if (end <= s->supply.pos)
    snprintf (text, 80, "its end is missing");
  else
    snprintf (text, 80, "%s%" PRIu64 " bytes are missing", all ? "" : "at least ",
              end - s->supply.pos);
  return text;
}

/* Where the length is known, and in a wrapper, which tells its end, no more can come. */
static int
truncated (const struct stream *s, const char *where, struct error *err)
{
  char text[80];

  return fail (err, ERR_IMAGE_TRUNCATED,
               "%s: the image%s is truncated: it ends after %" PRIu64
               " bytes, and %s; publish it again, whole",
               stream_url (s), where, s->supply.pos, missing (s, text));
}

/* The second time at the same byte is no accident. */
static int
ended_again (const struct stream *s, struct error *err)
{
  char text[80];

  return fail (err, ERR_IMAGE_TRUNCATED,
               "%s: the image is truncated: it ended after %" PRIu64
               " bytes for the second time, and %s; get all of it, `qimport forget %.8s`, and "
               "start again",
               stream_url (s), s->supply.pos, missing (s, text), s->spec.imp->id);
}

/* So that the next reading knows where this one ended. */
static void
remember_end (struct stream *s)
{
  struct journal_layer *record = &s->spec.image->records[0];
  struct error ignored;

  record->length = s->supply.pos;
  journal_put_layer (s->spec.journal, s->spec.imp->no, 0, record, &ignored);
}

int
stream_ended_early (struct stream *s, struct error *err)
{
  char text[80], where[64];

  snprintf (where, sizeof where, " in the %s file", wrapper_name (s->spec.image->wrapper));
  if (s->wrapped != NULL || !s->supply.pipe)
    return truncated (s, s->wrapped != NULL ? where : "", err);
  if (!s->spec.begun)
    return fail (err, ERR_SOURCE_ENDED,
                 "the pipe ended after %" PRIu64
                 " bytes, before the image did (%s); start again with the whole image",
                 s->supply.pos, missing (s, text));
  if (s->supply.known_len == s->supply.pos && !s->supply.broke)
    return ended_again (s, err);
  remember_end (s);
  return fail (err, ERR_SOURCE_ENDED,
               "the pipe ended after %" PRIu64
               " bytes, before the image did (%s), and all of them are needed again; `qimport "
               "resume` goes on",
               s->supply.pos, missing (s, text));
}

/* A length that an earlier reading ended at, too early for what is known now, says nothing. */
static bool
is_other_length (const struct stream *s)
{
  bool all;

  return s->supply.known_len != UINT64_MAX && !s->supply.broke
         && s->supply.known_len != s->supply.pos
         && s->supply.known_len >= stream_needs (s, &all)
         && header_fits (s, s->supply.known_len);
}

/* It may go on behind what was read: then nobody knows its checksum; but one that fits is it.
 */
static int
check_unended (const struct stream *s, struct error *err)
{
  char made[HASH_TEXT];
  struct checksum sum;

  if (s->spec.checksum[0] == '\0')
    return 0;
  hash_peek (&s->supply.hash, &sum);
  if (strcmp (checksum_text (made, &sum), s->spec.checksum) == 0)
    return 0;
  return fail (
      err, ERR_SOURCE_ENDED,
      "%s: the disk is whole after %" PRIu64
      " bytes, but what was sent did not end there, so that its checksum is not known; "
      "close it behind the image, or give --length BYTES",
      stream_url (s), s->supply.pos);
}

int
stream_check_end (struct stream *s, struct error *err)
{
  if (!stream_is_whole (s))
    return stream_ended_early (s, err);
  if (is_other_length (s))
    return fail (err, ERR_SOURCE_CHANGED,
                 "%s: has %" PRIu64 " bytes, not the %" PRIu64
                 " that the import began with; give "
                 "the same image, or begin anew with `qimport resume --restart %.8s`",
                 stream_url (s), s->supply.pos, s->supply.known_len, s->spec.imp->id);
  return s->supply.broke ? check_unended (s, err) : 0;
}

/* ---- The seal -----------------------------------------------------------------------------
 */

static void
tell_spooled (const struct stream *s)
{
  char text[128];
  struct error ignored;

  snprintf (text, sizeof text, "%" PRIu64 " bytes waited for their table beside the target",
            spool_written (s->spool));
  journal_event (s->spec.journal, s->spec.imp->no, "spooled", text, &ignored);
  if (!s->supply.broke)
    return;
  snprintf (text, sizeof text,
            "the disk was whole after %" PRIu64
            " bytes, and nothing followed; the image's own digest is not known",
            s->supply.pos);
  journal_event (s->spec.journal, s->spec.imp->no, "stayed_open", text, &ignored);
}

/* What is known of the whole file, where all of it came. */
static void
note_file (struct stream *s)
{
  struct journal_layer *record = &s->spec.image->records[0];
  bool fits = s->spec.checksum[0] != '\0';
  struct checksum sum;

  if (s->supply.broke && !fits)
    record->length = UINT64_MAX;
  else /* of a wrapped image it is the file's, by which that is known again */
    record->length = s->wrapped == NULL ? s->supply.pos : wrapped_taken (s->wrapped);
  if (!s->spec.hashes || (s->supply.broke && !fits))
    return;
  hash_peek (&s->supply.hash, &sum);
  checksum_text (s->result->checksum, &sum);
}

int
stream_finish (struct stream *s, struct error *err)
{
  struct journal_import *imp = s->spec.imp;

  note_file (s);
  journal_map_stop_when (s->map, s->spec.seal_stop);
  if (journal_put_layer (s->spec.journal, imp->no, 0, &s->spec.image->records[0], err) == -1
      || journal_map_seal (s->map, imp, err) == -1)
    return -1;
  if (imp->segments != s->places.segments)
    return fail (err, ERR_INTERNAL,
                 "of %" PRIu64 " segments of a stream %" PRIu64
                 " were handed on: please report this",
                 imp->segments, s->places.segments);
  tell_spooled (s);
  copy_submit_end (s->copy);
  return 0;
}
