/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_wrapped: an image that is wrapped is a stream, of what comes out of it.  How much
 * memory unpacking may take, what of the file is kept for a resume and where, and what may be
 * in it.
 */
#include "forward/stream.h"

#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "forward/forward.h"

enum {
  BESIDE_MEMORY = 64 << 20, /* what the process may take beside --memory */
  BESIDE_DISK = 64 << 20    /* what an image of the smallest disk may have beside it */
};

/* Only a strong ETag says that what is kept and what comes are of one file: nothing compares
 * them, and they would be unpacked one behind the other, by another import too. */
static bool
may_keep (const struct journal_layer *r)
{
  return r->etag[0] != '\0' && strncmp (r->etag, "W/", 2) != 0;
}

/* By this what is kept is known to be of the same file. */
static void
kept_source (const struct journal_layer *r, uint8_t sum[DIGEST_SIZE])
{
  uint8_t length[8];
  struct digest d;

  store_be64 (length, r->length);
  digest_init (&d);
  digest_update (&d, length, sizeof length);
  digest_update (&d, r->url, strlen (r->url) + 1);
  digest_update (&d, r->etag, strlen (r->etag) + 1);
  digest_peek (&d, sum);
}

static void
on_lost (void *ctx, const struct error *why)
{
  stream_warn (ctx, "%s; it goes on, but a resume will fetch all again (see --spool-dir)",
               why->text);
}

/* Of a file on this machine nothing need be kept; and what comes from its start whenever it is
 * asked for cannot be gone on with. */
static int
open_kept (struct stream *s, struct error *err)
{
  OWN_MEM char *path = NULL, *local = NULL;
  bool keep = may_keep (&s->spec.image->records[0]) && !s->spec.no_keep;
  uint8_t sum[DIGEST_SIZE];
  struct error why;

  if (source_local_path (s->spec.image->urls[0], &local, err) == -1)
    return -1;
  path = forward_kept_path (s->spec.imp, s->spec.spool_dir, s->spec.journal);
  if (path == NULL)
    return fail_memory (err, "what was fetched");
  if (s->spec.restart || !keep)
    kept_remove_at (path);
  if (!keep || local != NULL || !s->spec.image->ranges)
    return 0;
  kept_source (&s->spec.image->records[0], sum);
  if (kept_open (&s->result->kept, path, sum, &why) == -1)
    on_lost (s, &why);
  return 0;
}

static void
warn_room (struct stream *s)
{
  uint64_t len = s->spec.image->records[0].length, room;
  char need[24], have[24];

  if (s->result->kept == NULL || !kept_is_empty (s->result->kept))
    return;
  room = kept_room (s->result->kept);
  if (len > room)
    stream_warn (s,
                 "%s: its %s of %s data are kept until the import is complete, and %s are free "
                 "there; see --spool-dir, or --no-keep",
                 stream_url (s), format_size (need, len), wrapper_name (s->spec.image->wrapper),
                 format_size (have, room));
}

/* What a resume without it costs. */
static void
tell_cost (struct stream *s)
{
  uint64_t len = s->spec.image->records[0].length;
  char size[24];

  if (!s->spec.begun || s->spec.restart
      || (s->result->kept != NULL && !kept_is_empty (s->result->kept)))
    return;
  stream_warn (s,
               "%s: nothing of the %s file was kept, so that it is read again from its start "
               "(%s); what is committed is not written again",
               stream_url (s), wrapper_name (s->spec.image->wrapper),
               len == UINT64_MAX ? "all of it" : format_size (size, len));
}

/* What the copy leaves of --memory, and half of what the process may take beside it, is for
 * blocks of xz that are unpacked at once. */
int
stream_open_wrapped (struct stream *s, struct error *err)
{
  const struct forward_spec *o = &s->spec;
  struct wrapped_spec spec = {
    .source = s->spec.image->sources[0],
    .kind = s->spec.image->wrapper,
    .limits = { .window = o->memory,
                .memory = o->memory / 4 * 3 + BESIDE_MEMORY / 2,
                .threads = o->threads },
    .length = s->spec.image->records[0].length,
    .most = o->max_size + o->max_size / 16 + BESIDE_DISK,
    .hash = s->spec.hashes ? &s->supply.hash : NULL,
    .lost = on_lost,
    .ctx = s,
  };

  if (s->spec.image->wrapper == WRAPPER_NONE)
    return 0;
  if (open_kept (s, err) == -1)
    return -1;
  tell_cost (s);
  warn_room (s);
  spec.kept = s->result->kept;
  s->supply.pipe = true;
  return wrapped_open (&s->wrapped, &spec, err);
}

int
stream_check_unwrapped (const struct stream *s, struct error *err)
{
  enum wrapper kind = WRAPPER_NONE;

  if (s->wrapped != NULL)
    kind = unwrap_recognise (s->window.buf, (size_t)s->window.have);
  if (kind == WRAPPER_NONE)
    return 0;
  unwrap_refuse (kind, s->spec.image->wrapper, err);
  return image_name_error (s->spec.image, 0, err);
}
