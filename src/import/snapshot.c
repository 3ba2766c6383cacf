/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: see snapshot.h.
 */
#include "import/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"

enum { FIRST_READ = 4096, ENTRY_MAX = 256 << 10 };

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

/* Read the entry at AT; grows what is read until the entry is whole. */
static int
read_entry (const struct image_reader *r, const struct qcow2_header *h, host_off at,
            struct qcow2_snapshot *snap, size_t *entry_len, struct error *err)
{
  size_t want = FIRST_READ;

  for (;;) {
    OWN_MEM uint8_t *raw = NULL;
    size_t len;
    int rc;

    if (at.v >= r->end)
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "snapshot table: an entry at %llu lies beyond the end of the file (%llu)",
                   (unsigned long long)at.v, (unsigned long long)r->end);
    len = (size_t)min_u64 (want, r->end - at.v);
    raw = malloc (len);
    if (raw == NULL)
      return fail_memory (err, "the snapshot table");
    if (r->read (r->ctx, at, raw, len, err) == -1)
      return -1;
    rc = qcow2_snapshot_parse (h, at, raw, len, snap, entry_len, err);
    if (rc <= 0)
      return rc;
    if (len < want || *entry_len > ENTRY_MAX || *entry_len <= want)
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "snapshot table: the entry at %llu reaches beyond the end of the file",
                   (unsigned long long)at.v);
    want = *entry_len;
  }
}

int
import_each_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                      snapshot_each each, void *ctx, struct error *err)
{
  struct qcow2_snapshot snap;
  host_off at = { h->snapshots_at };
  uint64_t total = 0;
  uint32_t i;

  for (i = 0; i < h->snapshots; i++) {
    size_t len = 0;
    int rc;

    if (read_entry (r, h, at, &snap, &len, err) == -1)
      return -1;
    total += len;
    if (total > QCOW2_SNAPSHOT_TABLE_MAX)
      return fail (err, ERR_IMAGE_MALFORMED, "snapshot table: larger than 64 MiB");
    rc = each (ctx, &snap, err);
    if (rc != 0)
      return rc;
    at.v += len;
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

  (void)err;
  if (strcmp (w->by_id ? snap->id : snap->name, w->name) != 0)
    return 0;
  *w->disk = snap->disk;
  return 1;
}

int
import_find_snapshot (const struct image_reader *r, const struct qcow2_header *h,
                      const char *name, struct qcow2_disk *disk, struct error *err)
{
  char shown[80];
  struct wanted by_id = { name, disk, true }, by_name = { name, disk, false };
  int rc = import_each_snapshot (r, h, match, &by_id, err);

  if (rc == 0)
    rc = import_each_snapshot (r, h, match, &by_name, err);
  if (rc == 0)
    return fail (err, ERR_USAGE,
                 "the image has no snapshot with the ID or name %s; `qimport info` lists them",
                 escape_text (shown, sizeof shown, name, strlen (name)));
  return rc == 1 ? 0 : -1;
}
