/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * snapshot: find an internal snapshot by ID or name in the image's snapshot table, which is
 * read an entry at a time, so that memory does not follow it.
 */
#include "import/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"

enum { FIRST_READ = 4096, ENTRY_MAX = 256 << 10 };

/* Read the entry at AT; grows what is read until the entry is whole. */
static int
read_entry (struct source *s, const struct qcow2_header *h, host_off at,
            struct qcow2_snapshot *snap, size_t *entry_len, struct error *err)
{
  size_t want = FIRST_READ;

  for (;;) {
    OWN_MEM uint8_t *raw = NULL;
    struct source_want w = { .range = { at, 0 } };
    int rc;

    if (at.v >= h->file_len)
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "snapshot table: an entry at %llu lies beyond the end of the file (%llu)",
                   (unsigned long long)at.v, (unsigned long long)h->file_len);
    w.range.len = min_u64 (want, h->file_len - at.v);
    raw = malloc (w.range.len);
    if (raw == NULL)
      return fail_memory (err, "the snapshot table");
    w.buf = raw;
    if (source_read (s, &w, 1, err) == -1)
      return -1;
    rc = qcow2_snapshot_parse (h, at, raw, w.range.len, snap, entry_len, err);
    if (rc <= 0)
      return rc;
    if (w.range.len < want || *entry_len > ENTRY_MAX || *entry_len <= want)
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "snapshot table: the entry at %llu reaches beyond the end of the file",
                   (unsigned long long)at.v);
    want = *entry_len;
  }
}

int
import_each_snapshot (struct source *s, const struct qcow2_header *h, snapshot_each each,
                      void *ctx, struct error *err)
{
  struct qcow2_snapshot snap;
  host_off at = { h->snapshots_at };
  uint64_t total = 0;
  uint32_t i;

  for (i = 0; i < h->snapshots; i++) {
    size_t len = 0;
    int rc;

    if (read_entry (s, h, at, &snap, &len, err) == -1)
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
import_find_snapshot (struct source *s, const struct qcow2_header *h, const char *name,
                      struct qcow2_disk *disk, struct error *err)
{
  char shown[80];
  struct wanted by_id = { name, disk, true }, by_name = { name, disk, false };
  int rc = import_each_snapshot (s, h, match, &by_id, err);

  if (rc == 0)
    rc = import_each_snapshot (s, h, match, &by_name, err);
  if (rc == 0)
    return fail (err, ERR_USAGE,
                 "the image has no snapshot with the ID or name %s; `qimport info` lists them",
                 escape_text (shown, sizeof shown, name, strlen (name)));
  return rc == 1 ? 0 : -1;
}
