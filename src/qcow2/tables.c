/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tables: "L1 table entry", "Standard Cluster Descriptor", "Compressed Clusters Descriptor" and
 * "Extended L2 Entries", turned into a stream of extents in guest order.  Every guest byte
 * below the virtual size is in it exactly once, those that read as zeros too (J6).  Loops are
 * bounded by the entries handed in (J7).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "qcow2/layout.h"

#define DAMAGED "the image is damaged, ask for a sound one"

int
qcow2_l1_parse (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t first,
                const uint8_t *raw, size_t n, host_off *l2, struct error *err)
{
  size_t i;

  assert (first <= disk->l1.n && n <= disk->l1.n - first);
  for (i = 0; i < n; i++) {
    uint64_t entry = load_be64 (raw + 8 * i), off = entry & ENTRY_OFFSET;
    uint64_t idx = first + i, at = disk->l1.at.v + 8 * idx;
    struct host_range used
        = { { off }, qcow2_l2_used (h, disk, idx) * qcow2_l2_entry_size (h) };
    const char *other;

    l2[i].v = off;
    if (entry == 0)
      continue;
    if ((entry & L1_RESERVED) != 0 || off == 0 || !is_aligned (off, h->cluster_size))
      return fail (err, ERR_IMAGE_MALFORMED,
                   "L1 entry %" PRIu64 " at byte %" PRIu64 " is 0x%016" PRIx64 ": %s; " DAMAGED,
                   idx, at, entry,
                   (entry & L1_RESERVED) != 0 ? "reserved bits are set"
                   : off == 0                 ? "a table at offset 0"
                                              : "not aligned to the cluster size");
    if (!host_range_within (used, h->file_len))
      return fail (err, ERR_IMAGE_TRUNCATED,
                   "L1 entry %" PRIu64 " at byte %" PRIu64 " is 0x%016" PRIx64
                   ": its L2 table ends beyond the image (%" PRIu64 " bytes); the image is cut "
                   "off or damaged, ask for a sound one",
                   idx, at, entry, h->file_len);
    other = qcow2_overlap (h, disk, used);
    if (other != NULL)
      return fail (err, ERR_IMAGE_MALFORMED,
                   "L1 entry %" PRIu64 " at byte %" PRIu64 " is 0x%016" PRIx64
                   ": its L2 table overlaps %s; " DAMAGED,
                   idx, at, entry, other);
  }
  return 0;
}

/* Guest bytes of L1 entry L1_IDX. */
static uint64_t
l1_guest_len (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx)
{
  uint64_t span = qcow2_l1_span (h);

  return min_u64 (span, disk->virtual_size - l1_idx * span);
}

uint64_t
qcow2_l2_used (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx)
{
  return (l1_guest_len (h, disk, l1_idx) + h->cluster_size - 1) >> h->cluster_bits;
}

int
qcow2_l1_hole (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx,
               qcow2_emit emit, void *ctx, struct error *err)
{
  struct extent e = { .kind = EXTENT_HOLE };

  assert (l1_idx < disk->l1.n);
  e.guest.v = l1_idx * qcow2_l1_span (h);
  e.len = l1_guest_len (h, disk, l1_idx);
  return emit (ctx, &e, err);
}

/* Bitmaps of an extended entry whose 32 subclusters are alike. */
#define BITMAP_ALLOCATED UINT64_C (0x00000000ffffffff)
#define BITMAP_ZERO UINT64_C (0xffffffff00000000)

/* ---- The walk over an L2 table --------------------------------------------------------- */

struct walk {
  const struct qcow2_header *h;
  const struct qcow2_disk *disk;
  host_off l2_at;
  qcow2_emit emit;
  void *ctx;
  struct error *err;
  struct extent run; /* not emitted yet, may grow; len 0: none */
};

/* One cluster of the guest as its entry has it, or a run of such that are alike. */
struct cluster {
  guest_off guest;
  uint64_t len; /* guest bytes below the virtual size */
  uint64_t entry, bitmap;
  uint64_t at; /* byte of the entry, for messages */
};

static int
refuse (const struct walk *w, const struct cluster *c, enum error_code code, const char *why)
{
  return fail (w->err, code,
               "L2 entry at byte %" PRIu64 " (guest offset %" PRIu64 ") is 0x%016" PRIx64
               ": %s; " DAMAGED,
               c->at, c->guest.v, c->entry, why);
}

/* R holds data, or belongs to a cluster that reads as zeros: no table may be there. */
static const char *
overlap (const struct walk *w, struct host_range r)
{
  uint64_t l2_end = w->l2_at.v + w->h->cluster_size;

  if (r.at.v < l2_end && w->l2_at.v < host_end (r))
    return "its own L2 table";
  return qcow2_overlap (w->h, w->disk, r);
}

static int
flush (struct walk *w)
{
  struct extent e = w->run;
  struct host_range r = { e.host, e.stored };
  const char *other;

  if (e.len == 0)
    return 0;
  w->run.len = 0;
  other = e.stored == 0 ? NULL : overlap (w, r);
  if (other != NULL)
    return fail (w->err, ERR_IMAGE_MALFORMED,
                 "data at bytes %" PRIu64 " to %" PRIu64 " (guest offset %" PRIu64
                 ", L2 table at byte %" PRIu64 ") overlaps %s; " DAMAGED,
                 e.host.v, host_end (r), e.guest.v, w->l2_at.v, other);
  return w->emit (w->ctx, &e, w->err);
}

static bool
grows (const struct extent *run, const struct extent *e)
{
  if (run->len == 0 || run->kind != e->kind)
    return false;
  switch (e->kind) {
  case EXTENT_DATA:
    return extent_host_end (run) == e->host.v;
  case EXTENT_COMPRESSED:
    return false;
  case EXTENT_ZERO: /* with a place, or without */
    return e->host.v == (run->host.v == 0 ? 0 : run->host.v + run->len);
  case EXTENT_HOLE:
    return true;
  }
  return false;
}

static int
add (struct walk *w, const struct extent *e)
{
  if (grows (&w->run, e)) {
    w->run.len += e->len;
    w->run.stored += e->stored;
    return 0;
  }
  if (flush (w) == -1)
    return -1;
  w->run = *e;
  return 0;
}

/* LEN guest bytes, SKIP into the cluster C, stored at its place in the cluster at OFF. */
static int
add_part (struct walk *w, const struct cluster *c, enum extent_kind kind, uint64_t skip,
          uint64_t len, uint64_t off)
{
  struct extent e = { .kind = kind, .guest.v = c->guest.v + skip, .len = len };

  if (kind == EXTENT_ZERO && off != 0)
    e.host.v = off + skip;
  if (kind == EXTENT_DATA) {
    struct host_range r = { { off + skip }, len };

    if (!host_range_within (r, w->h->file_len))
      return refuse (w, c, ERR_IMAGE_TRUNCATED, "its data ends beyond the image");
    e.host = r.at;
    e.stored = len;
  }
  return add (w, &e);
}

/* How many bytes a descriptor covers is told in sectors; where the file ends within the last
 * of them, what is there is all. */
static int
add_compressed (struct walk *w, const struct cluster *c)
{
  unsigned shift = 62 - (w->h->cluster_bits - 8);
  uint64_t off = c->entry & ((UINT64_C (1) << shift) - 1);
  uint64_t sectors = ((c->entry & (ENTRY_COMPRESSED - 1)) >> shift) + 1;
  struct extent e = { .kind = EXTENT_COMPRESSED, .guest = c->guest, .len = c->len };
  uint64_t stored = sectors * SECTOR - (off & (SECTOR - 1));

  if (c->entry & ENTRY_COPIED)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "compressed and marked as copied");
  if (off >> 56 != 0)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "its offset is larger than any file");
  if (off >= w->h->file_len || off + stored - min_u64 (off + stored, w->h->file_len) >= SECTOR)
    return refuse (w, c, ERR_IMAGE_TRUNCATED, "its compressed data ends beyond the image");
  e.host.v = off;
  e.stored = min_u64 (stored, w->h->file_len - off);
  return add (w, &e);
}

/* Checks that hold for every entry that is not compressed.  OFF gets the cluster's place. */
static int
check_entry (const struct walk *w, const struct cluster *c, uint64_t *off)
{
  struct host_range r = { { c->entry & ENTRY_OFFSET }, w->h->cluster_size };

  *off = r.at.v;
  if (c->entry & L2_RESERVED)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "reserved bits are set");
  if (!is_aligned (*off, w->h->cluster_size))
    return refuse (w, c, ERR_IMAGE_MALFORMED, "not aligned to the cluster size");
  if (*off == 0 && (c->entry & ENTRY_COPIED) != 0)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "marked as copied, at offset 0");
  return 0;
}

/* A place that is not read from (zeros, nothing yet) may lie beyond the end, not in a table. */
static int
check_unread (const struct walk *w, const struct cluster *c, uint64_t off)
{
  struct host_range r = { { off }, w->h->cluster_size };

  if (off != 0 && overlap (w, r) != NULL)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "its cluster overlaps a table");
  return 0;
}

static int
add_standard (struct walk *w, const struct cluster *c)
{
  uint64_t off;

  if (check_entry (w, c, &off) == -1)
    return -1;
  if ((c->entry & ENTRY_ZERO) == 0)
    return add_part (w, c, off == 0 ? EXTENT_HOLE : EXTENT_DATA, 0, c->len, off);
  if (w->h->version == 2)
    return refuse (w, c, ERR_IMAGE_MALFORMED, "a zero flag, which version 2 does not have");
  if (check_unread (w, c, off) == -1)
    return -1;
  return add_part (w, c, EXTENT_ZERO, 0, c->len, off);
}

/* Bits set in BITS from bit 0 on, without a gap; 32 if all. */
static unsigned
ones (uint32_t bits)
{
  return ~bits == 0 ? 32 : (unsigned)__builtin_ctz (~bits);
}

static int
add_subclusters (struct walk *w, const struct cluster *c, uint64_t off)
{
  uint32_t alloc = (uint32_t)c->bitmap, zero = (uint32_t)(c->bitmap >> 32);
  unsigned i, n, sub_bits = w->h->cluster_bits - 5;

  for (i = 0; i < 32 && (uint64_t)i << sub_bits < c->len; i += n) {
    uint64_t skip = (uint64_t)i << sub_bits, len;
    enum extent_kind kind = EXTENT_HOLE;

    n = ones (~(alloc | zero) >> i);
    if (alloc >> i & 1) {
      kind = EXTENT_DATA;
      n = ones (alloc >> i);
    } else if (zero >> i & 1) {
      kind = EXTENT_ZERO;
      n = ones (zero >> i);
    }
    len = min_u64 ((uint64_t)n << sub_bits, c->len - skip);
    if (add_part (w, c, kind, skip, len, off) == -1)
      return -1;
  }
  return 0;
}

/* Bit 0 of the entry is no zero flag here. */
static int
add_extended (struct walk *w, const struct cluster *c)
{
  uint32_t alloc = (uint32_t)c->bitmap, zero = (uint32_t)(c->bitmap >> 32);
  uint64_t off;

  if (check_entry (w, c, &off) == -1)
    return -1;
  if ((alloc & zero) != 0 || (alloc != 0 && off == 0))
    return refuse (w, c, ERR_IMAGE_MALFORMED,
                   off == 0 ? "allocated subclusters at offset 0"
                            : "a subcluster is both allocated and zero");
  if (alloc == 0 && check_unread (w, c, off) == -1)
    return -1;
  switch (c->bitmap) {
  case 0:
    return add_part (w, c, EXTENT_HOLE, 0, c->len, off);
  case BITMAP_ALLOCATED:
    return add_part (w, c, EXTENT_DATA, 0, c->len, off);
  case BITMAP_ZERO:
    return add_part (w, c, EXTENT_ZERO, 0, c->len, off);
  }
  return add_subclusters (w, c, off);
}

static int
add_cluster (struct walk *w, const struct cluster *c)
{
  if (c->entry & ENTRY_COMPRESSED)
    return add_compressed (w, c);
  return w->h->extended_l2 ? add_extended (w, c) : add_standard (w, c);
}

/* Whether C says the same of all its bytes, so that entries like it make a run. */
static bool
is_uniform (const struct qcow2_header *h, const struct cluster *c)
{
  bool placed = (c->entry & ENTRY_OFFSET) != 0;

  if (c->entry & ENTRY_COMPRESSED)
    return false;
  if (!h->extended_l2)
    return !placed || (c->entry & ENTRY_ZERO) == 0;
  return placed ? c->bitmap == BITMAP_ALLOCATED : c->bitmap == 0 || c->bitmap == BITMAP_ZERO;
}

/* How many of the N entries at RAW, the first of which is C, go on as C does: the same without
 * a place, or data a cluster further each.  Most tables are a few such runs.  What would leave
 * the file, or the bits of an offset, is no part of a run and so refused by its own entry. */
static uint64_t
run_length (const struct qcow2_header *h, const struct cluster *c, const uint8_t *raw,
            uint64_t n)
{
  uint64_t off = c->entry & ENTRY_OFFSET, end = min_u64 (h->file_len, ENTRY_OFFSET);
  uint64_t step = off == 0 ? 0 : h->cluster_size, seen = off == 0 ? UINT64_MAX : ~ENTRY_COPIED;
  uint64_t want = c->entry & seen, i;
  uint32_t size = qcow2_l2_entry_size (h);

  if (!is_uniform (h, c))
    return 1;
  if (off != 0)
    n = off < end ? min_u64 (n, (end - off) / step) : 1;
  for (i = 1; i < n; i++) {
    raw += size;
    want += step;
    if ((load_be64 (raw) & seen) != want
        || (h->extended_l2 && load_be64 (raw + 8) != c->bitmap))
      break;
  }
  return i;
}

int
qcow2_l2_walk (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx,
               host_off l2_at, uint64_t first, const uint8_t *raw, size_t n, qcow2_emit emit,
               void *ctx, struct error *err)
{
  struct walk w = { h, disk, l2_at, emit, ctx, err, { .len = 0 } };
  uint32_t entry_size = qcow2_l2_entry_size (h);
  uint64_t idx, end, run;

  assert (l1_idx < disk->l1.n);
  end = min_u64 (first + n, qcow2_l2_used (h, disk, l1_idx));
  for (idx = first; idx < end; idx += run, raw += run * entry_size) {
    struct cluster c = { .at = l2_at.v + idx * entry_size };

    c.entry = load_be64 (raw);
    if (h->extended_l2)
      c.bitmap = load_be64 (raw + 8);
    run = run_length (h, &c, raw, end - idx);
    c.guest.v = l1_idx * qcow2_l1_span (h) + (idx << h->cluster_bits);
    c.len = min_u64 (run << h->cluster_bits, disk->virtual_size - c.guest.v);
    if (add_cluster (&w, &c) == -1)
      return -1;
  }
  return flush (&w);
}
