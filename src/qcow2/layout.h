/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * layout: what the files of this room share and nobody else needs - the offsets of the header
 * fields, the bits of the entries, and the structures whose place the header tells.
 */
#ifndef QIMPORT_QCOW2_LAYOUT_H
#define QIMPORT_QCOW2_LAYOUT_H

#include "qcow2/qcow2.h"

/* "Header": byte offsets of its fields. */
enum {
  AT_VERSION = 4,
  AT_BACKING_OFFSET = 8,
  AT_BACKING_SIZE = 16,
  AT_CLUSTER_BITS = 20,
  AT_SIZE = 24,
  AT_CRYPT_METHOD = 32,
  AT_L1_SIZE = 36,
  AT_L1_OFFSET = 40,
  AT_REFTABLE_OFFSET = 48,
  AT_REFTABLE_CLUSTERS = 56,
  AT_NB_SNAPSHOTS = 60,
  AT_SNAPSHOTS_OFFSET = 64,
  AT_INCOMPATIBLE = 72,
  AT_COMPATIBLE = 80,
  AT_AUTOCLEAR = 88,
  AT_REFCOUNT_ORDER = 96,
  AT_HEADER_LENGTH = 100,
  AT_COMPRESSION = 104
};

enum {
  QCOW2_V2_HEADER_LEN = 72,
  EXT_END = 0,              /* magic of the header extension that ends them */
  QCOW2_SNAPSHOT_FIXED = 40 /* an entry of the snapshot table before its variable parts */
};

/* Bits of incompatible_features and autoclear_features. */
enum {
  FEATURE_DIRTY = 1 << 0,
  FEATURE_CORRUPT = 1 << 1,
  FEATURE_DATA_FILE = 1 << 2,
  FEATURE_COMPRESSION = 1 << 3,
  FEATURE_EXTENDED_L2 = 1 << 4,
  FEATURES_KNOWN = (1 << 5) - 1,

  AUTOCLEAR_BITMAPS = 1 << 0,
  AUTOCLEAR_RAW_DATA_FILE = 1 << 1
};

/* Bits of L1 and L2 entries. */
#define ENTRY_COPIED (UINT64_C (1) << 63)
#define ENTRY_COMPRESSED (UINT64_C (1) << 62)
#define ENTRY_OFFSET UINT64_C (0x00fffffffffffe00)
#define ENTRY_ZERO UINT64_C (1)
#define L1_RESERVED UINT64_C (0x7f000000000001ff)
#define L2_RESERVED UINT64_C (0x3f000000000001fe)

/* What the header extensions say; pointers lead into the bytes that were parsed. */
struct qcow2_extensions {
  const uint8_t *feature_names; /* entries of 48 bytes, or NULL */
  size_t feature_names_n;
  struct host_range bitmap_directory; /* len 0: none in use */
  size_t bitmap_directory_seen_at;    /* byte of the field */
  char backing_format[16];
};

/* Parse the "Header extensions" in bytes [FROM, TO) of RAW.  Facts found before an error are
 * in OUT even then.  V2 images have no autoclear features: AUTOCLEAR is 0. */
int qcow2_extensions_parse (struct qcow2_extensions *out, const uint8_t *raw, size_t from,
                            size_t to, uint64_t autoclear, struct error *err);

/* The name of incompatible feature BIT, escaped, or "without a name". */
const char *qcow2_feature_name (const struct qcow2_extensions *x, unsigned bit, char *out,
                                size_t out_size);

/* A table of N bytes at AT, as WHAT (field at byte FIELD): aligned to clusters, inside the
 * file, clear of every structure that H places already. */
struct qcow2_placed {
  const char *what;
  uint64_t field;
  struct host_range range;
};
int qcow2_place (const struct qcow2_header *h, const struct qcow2_placed *t, struct error *err);

/* The structure of H (with DISK's L1 table, if DISK is not NULL) that shares a cluster with
 * the bytes R, in words; NULL if there is none.  R ends below 2^63. */
const char *qcow2_overlap (const struct qcow2_header *h, const struct qcow2_disk *disk,
                           struct host_range r);

/* L1 entries that SIZE bytes of guest need. */
uint64_t qcow2_l1_needed (const struct qcow2_header *h, uint64_t size);

#endif
