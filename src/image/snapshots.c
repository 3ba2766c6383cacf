/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshots: see snapshots.h.
 */
#include "image/snapshots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"

/* Entries are small: many are read at once.  The longest there may be has about 130 KiB. */
enum { WINDOW = 64 << 10, ENTRY_LEAST = 40, ENTRY_MAX = 256 << 10 };

/* Some bytes of the table. */
struct window {
  const struct image_reader *reader;
  uint8_t *buf; /* ENTRY_MAX */
  host_off at;
  size_t len;
};

static int
read_source (void *ctx, host_off at, void *buf, size_t len, struct error *err)
{
  struct source_want want = { { at, len }, buf };

  return source_read (ctx, &want, 1, err);
}

struct image_reader
source_reader (struct source *s, uint64_t file_len)
{
  struct image_reader r
      = { read_source, s, file_len, source_recalls (s) ? ENTRY_LEAST : WINDOW };

  return r;
}

/* Let the window begin at AT, with WANT bytes or all there are. */
static int
move_window (struct window *w, host_off at, size_t want, struct error *err)
{
  const struct image_reader *r = w->reader;

  if (at.v >= w->at.v && at.v + want <= w->at.v + w->len)
    return 0;
  w->at = at;
  w->len = (size_t)min_u64 (max_u64 (want, r->ahead), r->end - at.v);
  return r->read (r->ctx, at, w->buf, w->len, err);
}

/* Parse the entry at AT, which may need more bytes than are there: 1 if so. */
static int
parse_entry (struct window *w, const struct qcow2_header *h, host_off at,
             struct qcow2_snapshot *snap, size_t *entry_len, struct error *err)
{
  size_t want = 1;

  while (at.v < w->reader->end && want <= w->reader->end - at.v) {
    size_t have;
    int rc;

    if (move_window (w, at, want, err) == -1)
      return -1;
    have = (size_t)(w->at.v + w->len - at.v);
    rc = qcow2_snapshot_parse (h, at, w->buf + (at.v - w->at.v), have, snap, entry_len, err);
    if (rc <= 0)
      return rc;
    if (*entry_len <= have || *entry_len > ENTRY_MAX)
      return fail (err, ERR_INTERNAL, "an entry of the snapshot table needs %zu bytes",
                   *entry_len);
    want = *entry_len;
  }
  return 1;
}

struct snapshot_walk
image_snapshots_begin (const struct qcow2_header *h)
{
  struct snapshot_walk w = { { h->snapshots_at }, h->snapshots };

  return w;
}

int
image_snapshots_go_on (struct snapshot_walk *walk, const struct image_reader *r,
                       const struct qcow2_header *h, snapshot_each each, void *ctx,
                       struct error *err)
{
  OWN_MEM uint8_t *buf = NULL;
  struct window w = { .reader = r };
  struct qcow2_snapshot snap;

  if (walk->left == 0)
    return 0;
  w.buf = buf = malloc (ENTRY_MAX);
  if (buf == NULL)
    return fail_memory (err, "the snapshot table");
  for (; walk->left > 0; walk->left--) {
    size_t len = 0;
    int rc = parse_entry (&w, h, walk->at, &snap, &len, err);

    if (rc != 0)
      return rc;
    if (each (ctx, &snap, err) == -1)
      return -1;
    walk->at.v += len;
  }
  return 0;
}

int
image_each_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                     snapshot_each each, void *ctx, struct error *err)
{
  struct snapshot_walk walk = image_snapshots_begin (h);
  int rc = image_snapshots_go_on (&walk, r, h, each, ctx, err);

  if (rc == 1)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "snapshot table: the entry at host offset %" PRIu64
                 " reaches beyond the end of the image (%" PRIu64
                 " bytes); the image is cut off or damaged, ask for a sound one",
                 walk.at.v, r->end);
  return rc;
}

static bool
is_called (const char *name, const uint8_t *raw, size_t len)
{
  return name != NULL && strlen (name) == len && memcmp (raw, name, len) == 0;
}

int
image_search_snapshot (void *search, const struct qcow2_snapshot *snap, struct error *err)
{
  struct snapshot_search *s = search;

  (void)err;
  s->end = max_u64 (s->end, snap->entry_end);
  if (snap->disk.l1.n > 0)
    s->end = max_u64 (s->end, snap->disk.l1.at.v + snap->disk.l1.n * 8);
  if (!s->by_id && is_called (s->name, snap->raw_id, snap->raw_id_len)) {
    s->by_id = true;
    s->disk = snap->disk;
  } else if (!s->by_id && !s->by_name
             && is_called (s->name, snap->raw_name, snap->raw_name_len)) {
    s->by_name = true;
    s->disk = snap->disk;
  }
  return 0;
}

int
image_found_disk (const struct snapshot_search *s, const struct qcow2_header *h,
                  struct qcow2_disk *disk, struct error *err)
{
  char shown[80], size[24], most[24];

  if (s->name != NULL && !s->by_id && !s->by_name)
    return fail (err, ERR_USAGE,
                 "the image has no snapshot with the ID or name %s; `qimport info` lists them",
                 escape_text (shown, sizeof shown, s->name, strlen (s->name)));
  if (s->name != NULL && s->disk.virtual_size > s->max_size)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "the disk of snapshot %s has %s, more than %s; --max-size allows more",
                 escape_text (shown, sizeof shown, s->name, strlen (s->name)),
                 format_size (size, s->disk.virtual_size), format_size (most, s->max_size));
  if (s->name == NULL)
    qcow2_active_disk (h, disk);
  else
    *disk = s->disk;
  return 0;
}
