/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream_wrapped: an image that is wrapped is a stream, of what comes out of it.  How much
 * memory unpacking may take, what of the file is kept for a resume and where, and what may be
 * in it.
 */
#include "forward/stream.h"

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/text.h"

enum {
  BESIDE_MEMORY = 64 << 20, /* what the process may take beside --memory */
  BESIDE_DISK = 64 << 20    /* what an image of the smallest disk may have beside it */
};

char *
import_kept_path (const struct journal_import *imp, const char *spool_dir,
                  const struct journal *j)
{
  return kept_path (imp->target, strcmp (imp->target_kind, "file") == 0, spool_dir,
                    journal_path (j));
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
  digest_update (&d, r->etag, strlen (r->etag) + 1);
  digest_update (&d, r->last_modified, strlen (r->last_modified) + 1);
  digest_peek (&d, sum);
}

static void
on_lost (void *ctx, const struct error *why)
{
  import_warn (ctx, "%s; it goes on, but a resume will fetch all again (see --spool-dir)",
               why->text);
}

/* Of a file on this machine nothing need be kept; and what comes from its start whenever it is
 * asked for cannot be gone on with. */
static int
open_kept (struct qimport *q, struct error *err)
{
  OWN_MEM char *path = NULL, *local = NULL;
  uint8_t sum[DIGEST_SIZE];
  struct error why;

  if (source_local_path (q->image.urls[0], &local, err) == -1)
    return -1;
  path = import_kept_path (&q->imp, q->options->spool_dir, q->journal);
  if (path == NULL)
    return fail_memory (err, "what was fetched");
  if (q->options->restart || q->options->no_keep)
    kept_remove_at (path);
  if (q->options->no_keep || local != NULL || !q->image.ranges)
    return 0;
  kept_source (&q->image.records[0], sum);
  if (kept_open (&q->forward.kept, path, sum, &why) == -1)
    on_lost (q, &why);
  return 0;
}

static void
warn_room (struct qimport *q)
{
  uint64_t len = q->image.records[0].length, room;
  char need[24], have[24];

  if (q->forward.kept == NULL || !kept_is_empty (q->forward.kept))
    return;
  room = kept_room (q->forward.kept);
  if (len > room)
    import_warn (q,
                 "%s: its %s of %s data are kept until the import is complete, and %s are free "
                 "there; see --spool-dir, or --no-keep",
                 source_url (q->image.sources[0]), format_size (need, len),
                 wrapper_name (q->image.wrapper), format_size (have, room));
}

/* What a resume without it costs. */
static void
tell_cost (struct qimport *q)
{
  uint64_t len = q->image.records[0].length;
  char size[24];

  if (!q->standing.in_journal || q->options->restart
      || (q->forward.kept != NULL && !kept_is_empty (q->forward.kept)))
    return;
  import_warn (q,
               "%s: nothing of the %s file was kept, so that it is read again from its start "
               "(%s); what is committed is not written again",
               source_url (q->image.sources[0]), wrapper_name (q->image.wrapper),
               len == UINT64_MAX ? "all of it" : format_size (size, len));
}

/* What the copy leaves of --memory, and half of what the process may take beside it, is for
 * blocks of xz that are unpacked at once. */
int
stream_open_wrapped (struct stream *s, struct error *err)
{
  const struct qimport_options *o = s->q->options;
  long cpus = sysconf (_SC_NPROCESSORS_ONLN);
  struct wrapped_spec spec = {
    .source = s->q->image.sources[0],
    .kind = s->q->image.wrapper,
    .limits = { .window = o->memory,
                .memory = o->memory / 4 * 3 + BESIDE_MEMORY / 2,
                .threads = (unsigned)(o->workers > 0 ? o->workers
                                      : cpus > 0     ? cpus
                                                     : 1) },
    .length = s->q->image.records[0].length,
    .most = o->max_size + o->max_size / 16 + BESIDE_DISK,
    .hash = s->hashes ? &s->hash : NULL,
    .lost = on_lost,
    .ctx = s->q,
  };

  if (s->q->image.wrapper == WRAPPER_NONE)
    return 0;
  if (open_kept (s->q, err) == -1)
    return -1;
  tell_cost (s->q);
  warn_room (s->q);
  spec.kept = s->q->forward.kept;
  s->pipe = true;
  return wrapped_open (&s->wrapped, &spec, err);
}

int
stream_check_unwrapped (const struct stream *s, struct error *err)
{
  enum wrapper kind = WRAPPER_NONE;

  if (s->wrapped != NULL)
    kind = unwrap_recognise (s->buf, (size_t)s->have);
  if (kind == WRAPPER_NONE)
    return 0;
  unwrap_refuse (kind, s->q->image.wrapper, err);
  return image_name_error (&s->q->image, 0, err);
}

bool
import_stream_found (const struct qimport *q, uint64_t *guest, uint64_t *data)
{
  const struct stream *s = q->forward.stream;

  if (s == NULL || !s->running || q->imp.sealed)
    return false;
  *guest = s->guest_found;
  *data = s->data_found;
  return true;
}

uint64_t
import_stream_taken (const struct qimport *q)
{
  const struct stream *s = q->forward.stream;

  return s == NULL || s->wrapped == NULL ? 0 : wrapped_taken (s->wrapped);
}
