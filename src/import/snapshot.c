/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: see snapshot.h.
 */
#include "import/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"

/* Entries are small: many are read at once.  The longest there may be has about 130 KiB. */
enum { WINDOW = 64 << 10, ENTRY_MAX = 256 << 10 };

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
  struct image_reader r = { read_source, s, file_len };

  return r;
}

/* Let the window begin at AT, with WANT bytes or all there are. */
static int
move_window (struct window *w, host_off at, size_t want, struct error *err)
{
  const struct image_reader *r = w->reader;

  if (at.v >= r->end)
    return fail (
        err, ERR_IMAGE_TRUNCATED,
        "snapshot table: an entry at host offset %" PRIu64 " lies beyond the end of the "
        "image (%" PRIu64 " bytes); the image is cut off or damaged, ask for a sound one",
        at.v, r->end);
  if (at.v >= w->at.v && at.v + want <= w->at.v + w->len)
    return 0;
  w->at = at;
  w->len = (size_t)min_u64 (max_u64 (want, WINDOW), r->end - at.v);
  return r->read (r->ctx, at, w->buf, w->len, err);
}

/* Parse the entry at AT, which may need more bytes than are there. */
static int
parse_entry (struct window *w, const struct qcow2_header *h, host_off at,
             struct qcow2_snapshot *snap, size_t *entry_len, struct error *err)
{
  size_t want = 1;

  for (;;) {
    size_t have;
    int rc;

    if (move_window (w, at, want, err) == -1)
      return -1;
    have = (size_t)(w->at.v + w->len - at.v);
    rc = qcow2_snapshot_parse (h, at, w->buf + (at.v - w->at.v), have, snap, entry_len, err);
    if (rc <= 0)
      return rc;
    if (have < want || *entry_len <= have || *entry_len > ENTRY_MAX)
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "snapshot table: the entry at host offset %" PRIu64
                   " reaches beyond the end "
                   "of the image; the image is cut off or damaged, ask for a sound one",
                   at.v);
    want = *entry_len;
  }
}

int
import_each_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                      snapshot_each each, void *ctx, struct error *err)
{
  OWN_MEM uint8_t *buf = malloc (ENTRY_MAX);
  struct window w = { .reader = r, .buf = buf };
  struct qcow2_snapshot snap;
  host_off at = { h->snapshots_at };
  uint32_t i;

  if (buf == NULL)
    return fail_memory (err, "the snapshot table");
  for (i = 0; i < h->snapshots; i++) {
    size_t len = 0;
    int rc;

    if (parse_entry (&w, h, at, &snap, &len, err) == -1)
      return -1;
    at.v += len;
    if (at.v - h->snapshots_at > QCOW2_SNAPSHOT_TABLE_MAX)
      return fail (err, ERR_IMAGE_MALFORMED,
                   "snapshot table at host offset %" PRIu64
                   ": larger than 64 MiB; the image is "
                   "damaged, ask for a sound one",
                   h->snapshots_at);
    rc = each (ctx, &snap, err);
    if (rc != 0)
      return rc;
  }
  return 0;
}

struct wanted {
  const char *name;
  struct qcow2_disk *disk;
  bool by_id;
};

static int
match (void *ctx, const struct qcow2_snapshot *snap, struct error *err)
{
  struct wanted *w = ctx;

  const uint8_t *raw = w->by_id ? snap->raw_id : snap->raw_name;
  size_t len = w->by_id ? snap->raw_id_len : snap->raw_name_len;

  (void)err;
  if (strlen (w->name) != len || memcmp (raw, w->name, len) != 0)
    return 0;
  *w->disk = snap->disk;
  return 1;
}

static int
ignore_snapshot (void *ctx, const struct qcow2_snapshot *snap, struct error *err)
{
  (void)ctx;
  (void)snap;
  (void)err;
  return 0;
}

int
import_find_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                      const char *name, struct qcow2_disk *disk, struct error *err)
{
  char shown[80];
  struct wanted by_id = { name, disk, true }, by_name = { name, disk, false };
  int rc;

  if (name == NULL) {
    qcow2_active_disk (h, disk);
    return import_each_snapshot (r, h, ignore_snapshot, NULL, err);
  }
  rc = import_each_snapshot (r, h, match, &by_id, err);
  if (rc == 0)
    rc = import_each_snapshot (r, h, match, &by_name, err);
  if (rc == 0)
    return fail (err, ERR_USAGE,
                 "the image has no snapshot with the ID or name %s; `qimport info` lists them",
                 escape_text (shown, sizeof shown, name, strlen (name)));
  return rc == 1 ? 0 : -1;
}
