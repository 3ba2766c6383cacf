/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * header: the "Header" of a qcow2 file, checked field by field before anything is published.
 * Owns the question where the structures that the header names lie, and that they lie apart.
 * Never follows a name that stands in the image.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "qcow2/layout.h"

static const uint8_t magic[4] = { 'Q', 'F', 'I', 0xfb };

#define DAMAGED "the image is damaged, ask for a sound one"

int
qcow2_header_need (const uint8_t *raw, size_t n, uint64_t file_len, size_t *need,
                   struct error *err)
{
  uint32_t version, bits;

  if (n < sizeof magic || memcmp (raw, magic, sizeof magic) != 0)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "no qcow2 image: the magic at byte 0 is missing; this looks like %s",
                 qcow2_looks_like (raw, n));
  if (n < QCOW2_HEADER_MIN)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "the image ends after %zu bytes, within its header; fetch it anew from "
                 "where it came from",
                 n);
  version = load_be32 (raw + AT_VERSION);
  if (version != 2 && version != 3)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "version at byte %d is %" PRIu32 ", only 2 and 3 are read; "
                 "\"qemu-img convert -O qcow2\" writes version 3",
                 AT_VERSION, version);
  bits = load_be32 (raw + AT_CLUSTER_BITS);
  if (bits < 9 || bits > 21)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "cluster_bits at byte %d is %" PRIu32 ", not 9 to 21; " DAMAGED,
                 AT_CLUSTER_BITS, bits);
  *need = (size_t)min_u64 (UINT64_C (1) << bits, file_len);
  return 0;
}

/* ---- Features ---------------------------------------------------------------------------- */

static int
refuse_unknown (const struct qcow2_header *h, const struct qcow2_extensions *x,
                struct error *err)
{
  uint64_t unknown = h->incompatible & ~(uint64_t)FEATURES_KNOWN;
  unsigned bit = (unsigned)__builtin_ctzll (unknown);
  char name[96];

  return fail (err, ERR_IMAGE_UNSUPPORTED,
               "incompatible_features at byte %d is 0x%" PRIx64 ": bit %u (%s) is unknown; "
               "\"qemu-img convert -O qcow2\" of a version that knows it removes it",
               AT_INCOMPATIBLE, h->incompatible, bit,
               qcow2_feature_name (x, bit, name, sizeof name));
}

static int
check_features (const struct qcow2_header *h, struct error *err)
{
  if (h->incompatible & FEATURE_CORRUPT)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "incompatible_features at byte %d is 0x%" PRIx64 ": the image is marked "
                 "corrupt; \"qemu-img check -r all\" repairs it, if it can be repaired",
                 AT_INCOMPATIBLE, h->incompatible);
  if (h->incompatible & FEATURE_DATA_FILE)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "incompatible_features at byte %d is 0x%" PRIx64 ": the data is in an "
                 "external file, which is never opened; ask for a flattened image "
                 "(\"qemu-img convert -O qcow2\")",
                 AT_INCOMPATIBLE, h->incompatible);
  if (h->autoclear & AUTOCLEAR_RAW_DATA_FILE)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "autoclear_features at byte %d is 0x%" PRIx64 ": a raw external data file, "
                 "but the image has none; " DAMAGED,
                 AT_AUTOCLEAR, h->autoclear);
  if (h->extended_l2 && h->cluster_bits < 14)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "incompatible_features at byte %d is 0x%" PRIx64 ": extended L2 entries need "
                 "cluster_bits of 14 or more, at byte %d it is %" PRIu32 "; " DAMAGED,
                 AT_INCOMPATIBLE, h->incompatible, AT_CLUSTER_BITS, h->cluster_bits);
  return 0;
}

static int
check_compression (struct qcow2_header *h, const uint8_t *raw, uint32_t header_len,
                   struct error *err)
{
  bool flagged = (h->incompatible & FEATURE_COMPRESSION) != 0;
  unsigned type = header_len > AT_COMPRESSION ? raw[AT_COMPRESSION] : 0;

  if (flagged != (type != 0))
    return fail (err, ERR_IMAGE_MALFORMED,
                 "compression_type at byte %d is %u, but incompatible_features at byte %d "
                 "(0x%" PRIx64 ") %s the compression bit; " DAMAGED,
                 AT_COMPRESSION, type, AT_INCOMPATIBLE, h->incompatible,
                 flagged ? "has" : "lacks");
  if (type > QCOW2_ZSTD)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "compression_type at byte %d is %u, only 0 (deflate) and 1 (zstd) are read; "
                 "\"qemu-img convert -O qcow2\" changes it",
                 AT_COMPRESSION, type);
  h->compression = type == 0 ? QCOW2_DEFLATE : QCOW2_ZSTD;
  return 0;
}

/* ---- Where things lie ------------------------------------------------------------------- */

static bool
share_cluster (const struct qcow2_header *h, struct host_range a, struct host_range b)
{
  uint64_t a_at = align_down (a.at.v, h->cluster_size);
  uint64_t b_at = align_down (b.at.v, h->cluster_size);

  if (a.len == 0 || b.len == 0)
    return false;
  return a_at < align_up (host_end (b), h->cluster_size)
         && b_at < align_up (host_end (a), h->cluster_size);
}

const char *
qcow2_overlap (const struct qcow2_header *h, const struct qcow2_disk *disk, struct host_range r)
{
  struct host_range header = { { 0 }, h->cluster_size };
  struct host_range l1 = { h->l1.at, h->l1.n * 8 };
  struct host_range snapshots
      = { { h->snapshots_at }, (uint64_t)h->snapshots * QCOW2_SNAPSHOT_FIXED };

  if (share_cluster (h, r, header))
    return "the header";
  if (share_cluster (h, r, h->refcount_table))
    return "the refcount table";
  if (share_cluster (h, r, l1))
    return "the L1 table";
  if (share_cluster (h, r, snapshots))
    return "the snapshot table";
  if (disk != NULL) {
    struct host_range own = { disk->l1.at, disk->l1.n * 8 };

    if (share_cluster (h, r, own))
      return "the snapshot's L1 table";
  }
  return NULL;
}

int
qcow2_place (const struct qcow2_header *h, const struct qcow2_placed *t, struct error *err)
{
  const char *other;

  if (!is_aligned (t->range.at.v, h->cluster_size))
    return fail (err, ERR_IMAGE_MALFORMED,
                 "%s at byte %" PRIu64 " is 0x%" PRIx64
                 ", not aligned to the cluster size %" PRIu64 "; " DAMAGED,
                 t->what, t->field, t->range.at.v, h->cluster_size);
  if (t->range.at.v > INT64_MAX)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "%s at byte %" PRIu64 " is 0x%" PRIx64 ", beyond the end of any file; " DAMAGED,
                 t->what, t->field, t->range.at.v);
  if (t->range.len == 0)
    return 0;
  if (!host_range_within (t->range, h->file_len))
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "%s at byte %" PRIu64 " is 0x%" PRIx64 ": its %" PRIu64
                 " bytes lie beyond the end of the image (%" PRIu64
                 " bytes); the image is cut off or damaged, ask for a sound one",
                 t->what, t->field, t->range.at.v, t->range.len, h->file_len);
  other = qcow2_overlap (h, NULL, t->range);
  if (other != NULL)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "%s at byte %" PRIu64 " is 0x%" PRIx64 ": it overlaps %s; " DAMAGED, t->what,
                 t->field, t->range.at.v, other);
  return 0;
}

/* Refcounts are never needed, so that the table's last cluster may be cut, as any other. */
static int
place_refcount_table (struct qcow2_header *h, const uint8_t *raw, struct error *err)
{
  struct qcow2_placed t = { "refcount_table_offset",
                            AT_REFTABLE_OFFSET,
                            { { load_be64 (raw + AT_REFTABLE_OFFSET) }, 0 } };
  uint64_t clusters = load_be32 (raw + AT_REFTABLE_CLUSTERS);
  uint64_t len = clusters * h->cluster_size;

  if (clusters == 0 || len > QCOW2_REFTABLE_MAX)
    return fail (err, clusters == 0 ? ERR_IMAGE_MALFORMED : ERR_IMAGE_TOO_LARGE,
                 "refcount_table_clusters at byte %d is %" PRIu64 ", not 1 to %" PRIu64
                 "; " DAMAGED,
                 AT_REFTABLE_CLUSTERS, clusters, QCOW2_REFTABLE_MAX / h->cluster_size);
  t.range.len = len;
  if (t.range.at.v < h->file_len
      && len <= align_up (h->file_len, h->cluster_size) - t.range.at.v)
    t.range.len = min_u64 (len, h->file_len - t.range.at.v);
  if (qcow2_place (h, &t, err) == -1)
    return -1;
  h->refcount_table = t.range;
  return 0;
}

uint64_t
qcow2_l2_entries (const struct qcow2_header *h)
{
  return h->cluster_size / qcow2_l2_entry_size (h);
}

uint64_t
qcow2_l1_span (const struct qcow2_header *h)
{
  return qcow2_l2_entries (h) * h->cluster_size;
}

uint32_t
qcow2_l2_entry_size (const struct qcow2_header *h)
{
  return h->extended_l2 ? 16 : 8;
}

uint64_t
qcow2_l1_needed (const struct qcow2_header *h, uint64_t size)
{
  uint64_t span = qcow2_l1_span (h);

  return size / span + (size % span != 0);
}

static int
place_l1 (struct qcow2_header *h, const uint8_t *raw, struct error *err)
{
  uint64_t n = load_be32 (raw + AT_L1_SIZE), needed = qcow2_l1_needed (h, h->virtual_size);
  struct qcow2_placed t
      = { "l1_table_offset", AT_L1_OFFSET, { { load_be64 (raw + AT_L1_OFFSET) }, n * 8 } };

  if (t.range.len > QCOW2_L1_MAX)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "l1_size at byte %d is %" PRIu64 ": more than 32 MiB of L1 table; " DAMAGED,
                 AT_L1_SIZE, n);
  if (n < needed)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "l1_size at byte %d is %" PRIu64 ", the %" PRIu64
                 " bytes of the disk need %" PRIu64 " entries; " DAMAGED,
                 AT_L1_SIZE, n, h->virtual_size, needed);
  if (qcow2_place (h, &t, err) == -1)
    return -1;
  h->l1.at = t.range.at;
  h->l1.n = n;
  return 0;
}

/* Only the least that so many entries take is known here. */
static int
place_snapshots (struct qcow2_header *h, const uint8_t *raw, struct error *err)
{
  uint32_t n = load_be32 (raw + AT_NB_SNAPSHOTS);
  struct qcow2_placed t
      = { "snapshots_offset",
          AT_SNAPSHOTS_OFFSET,
          { { load_be64 (raw + AT_SNAPSHOTS_OFFSET) }, (uint64_t)n * QCOW2_SNAPSHOT_FIXED } };

  if (n > QCOW2_SNAPSHOTS_MAX)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "nb_snapshots at byte %d is %" PRIu32 ", more than %d; " DAMAGED,
                 AT_NB_SNAPSHOTS, n, QCOW2_SNAPSHOTS_MAX);
  if (qcow2_place (h, &t, err) == -1)
    return -1;
  h->snapshots_at = t.range.at.v;
  h->snapshots = n;
  return 0;
}

/* ---- The fields ------------------------------------------------------------------------- */

static int
check_size (const struct qcow2_header *h, uint64_t max_size, struct error *err)
{
  char size[24], most[24];

  if (!is_aligned (h->virtual_size, SECTOR))
    return fail (err, ERR_IMAGE_MALFORMED,
                 "size at byte %d is %" PRIu64 ", no multiple of 512: qemu-img would drop the "
                 "last bytes; \"qemu-img resize\" rounds it up",
                 AT_SIZE, h->virtual_size);
  if (h->virtual_size > INT64_MAX)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "size at byte %d is %" PRIu64 ": no disk is that large; " DAMAGED, AT_SIZE,
                 h->virtual_size);
  if (h->virtual_size > max_size)
    return fail (err, ERR_IMAGE_TOO_LARGE,
                 "size at byte %d is %" PRIu64 " (%s), more than %s; --max-size allows more",
                 AT_SIZE, h->virtual_size, format_size (size, h->virtual_size),
                 format_size (most, max_size));
  return 0;
}

static int
check_encryption (const uint8_t *raw, struct error *err)
{
  uint32_t method = load_be32 (raw + AT_CRYPT_METHOD);

  if (method != 0)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "crypt_method at byte %d is %" PRIu32
                 ": the image is encrypted (%s); \"qemu-img convert\" with its key writes a "
                 "plain one",
                 AT_CRYPT_METHOD, method,
                 method == 1   ? "AES"
                 : method == 2 ? "LUKS"
                               : "unknown method");
  return 0;
}

/* The fields that only version 3 has; a version 2 header reads as if they had these values. */
static int
unpack_v3 (struct qcow2_header *h, const uint8_t *raw, uint32_t *header_len, struct error *err)
{
  *header_len = QCOW2_V2_HEADER_LEN;
  h->refcount_order = 4;
  if (h->version == 2)
    return 0;
  *header_len = load_be32 (raw + AT_HEADER_LENGTH);
  if (*header_len < QCOW2_HEADER_MIN || *header_len > h->cluster_size || *header_len % 8 != 0)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "header_length at byte %d is %" PRIu32
                 ", not a multiple of 8 from 104 to the cluster size %" PRIu64 "; " DAMAGED,
                 AT_HEADER_LENGTH, *header_len, h->cluster_size);
  h->incompatible = load_be64 (raw + AT_INCOMPATIBLE);
  h->compatible = load_be64 (raw + AT_COMPATIBLE);
  h->autoclear = load_be64 (raw + AT_AUTOCLEAR);
  h->refcount_order = load_be32 (raw + AT_REFCOUNT_ORDER);
  h->dirty = (h->incompatible & FEATURE_DIRTY) != 0;
  h->extended_l2 = (h->incompatible & FEATURE_EXTENDED_L2) != 0;
  return 0;
}

static int
unpack_backing (struct qcow2_header *h, const uint8_t *raw, uint32_t header_len,
                struct error *err)
{
  uint64_t at = load_be64 (raw + AT_BACKING_OFFSET);
  uint32_t len = load_be32 (raw + AT_BACKING_SIZE);

  if (at == 0)
    return 0;
  if (at < header_len || at > h->cluster_size)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "backing_file_offset at byte %d is 0x%" PRIx64
                 ", not between the header and the end of its cluster; " DAMAGED,
                 AT_BACKING_OFFSET, at);
  if (len == 0 || len > QCOW2_NAME_MAX || len > h->cluster_size - at)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "backing_file_size at byte %d is %" PRIu32
                 ", not 1 to 1023 or not in the first cluster; " DAMAGED,
                 AT_BACKING_SIZE, len);
  h->has_backing = true;
  memcpy (h->backing_name, raw + at, len);
  h->backing_name[len] = '\0';
  h->backing_name_len = len;
  return 0;
}

static int
unpack_extensions (struct qcow2_header *h, const uint8_t *raw, uint32_t header_len,
                   struct qcow2_placed *directory, struct error *err)
{
  size_t to
      = h->has_backing ? (size_t)load_be64 (raw + AT_BACKING_OFFSET) : (size_t)h->cluster_size;
  struct qcow2_extensions x;
  int rc = qcow2_extensions_parse (&x, raw, header_len, to, h->autoclear, err);

  /* Even of a header whose extensions are broken: the feature is the better reason. */
  if (h->incompatible & ~(uint64_t)FEATURES_KNOWN)
    return refuse_unknown (h, &x, err);
  if (check_features (h, err) == -1 || rc == -1)
    return -1;
  memcpy (h->backing_format, x.backing_format, sizeof h->backing_format);
  directory->what = "bitmap_directory_offset";
  directory->field = x.bitmap_directory_seen_at;
  directory->range = x.bitmap_directory;
  return 0;
}

static int
place_tables (struct qcow2_header *h, const uint8_t *raw, const struct qcow2_placed *directory,
              struct error *err)
{
  if (place_refcount_table (h, raw, err) == -1 || place_l1 (h, raw, err) == -1
      || place_snapshots (h, raw, err) == -1)
    return -1;
  return qcow2_place (h, directory, err);
}

static int
unpack (struct qcow2_header *h, const uint8_t *raw, uint64_t max_size, struct error *err)
{
  struct qcow2_placed directory = { 0 };
  uint32_t header_len;

  if (check_size (h, max_size, err) == -1 || check_encryption (raw, err) == -1
      || unpack_v3 (h, raw, &header_len, err) == -1)
    return -1;
  if (h->refcount_order > 6)
    return fail (err, ERR_IMAGE_MALFORMED,
                 "refcount_order at byte %d is %" PRIu32 ", more than 6; " DAMAGED,
                 AT_REFCOUNT_ORDER, h->refcount_order);
  if (unpack_backing (h, raw, header_len, err) == -1
      || unpack_extensions (h, raw, header_len, &directory, err) == -1
      || check_compression (h, raw, header_len, err) == -1)
    return -1;
  return place_tables (h, raw, &directory, err);
}

int
qcow2_header_parse (struct qcow2_header *out, const uint8_t *raw, size_t n, uint64_t file_len,
                    uint64_t max_size, struct error *err)
{
  struct qcow2_header h = { 0 };
  size_t need;

  if (qcow2_header_need (raw, n, file_len, &need, err) == -1)
    return -1;
  assert (n >= need);
  h.version = load_be32 (raw + AT_VERSION);
  h.cluster_bits = load_be32 (raw + AT_CLUSTER_BITS);
  h.cluster_size = UINT64_C (1) << h.cluster_bits;
  h.file_len = min_u64 (file_len, QCOW2_LEN_UNKNOWN);
  h.virtual_size = load_be64 (raw + AT_SIZE);
  if (h.file_len < h.cluster_size)
    return fail (err, ERR_IMAGE_TRUNCATED,
                 "the image ends after %" PRIu64 " bytes, within its first cluster of %" PRIu64
                 " bytes; fetch it anew from where it came from",
                 h.file_len, h.cluster_size);
  if (unpack (&h, raw, max_size, err) == -1)
    return -1;
  *out = h;
  return 0;
}

void
qcow2_active_disk (const struct qcow2_header *h, struct qcow2_disk *out)
{
  out->virtual_size = h->virtual_size;
  out->l1.at = h->l1.at;
  out->l1.n = qcow2_l1_needed (h, h->virtual_size);
}
