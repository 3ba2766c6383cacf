/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2: bytes in, facts out.  Everything here is a pure function of the bytes given: no
 * system call, no thread, no allocation sized by the image (J7), so that a fuzzer runs all of
 * it.  Who fetches the bytes, and in which order, is not known here; the caller asks which
 * bytes are needed, gets them, and hands them in.
 *
 * Derived from QEMU's docs/interop/qcow2.txt; section names in quotes are that document's.
 * Where qemu-img is laxer than the specification this room is as strict as the table of
 * verdicts in tests/ pins it.  What is parsed here is checked here, once; what comes out is
 * never checked again.
 *
 * Errors are ERR_IMAGE_MALFORMED, _TRUNCATED (something lies beyond the end of the file),
 * _TOO_LARGE or _UNSUPPORTED, each naming the field and its offset in the file.
 */
#ifndef QIMPORT_QCOW2_QCOW2_H
#define QIMPORT_QCOW2_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"

enum {
  QCOW2_HEADER_MIN = 104, /* what qcow2_header_need wants to see */
  QCOW2_LOOK = 68 << 10,  /* what a raw disk is known by lies within */
  QCOW2_CLUSTER_MAX = 2 << 20,
  QCOW2_L1_MAX = 32 << 20, /* bytes; qemu's limits */
  QCOW2_REFTABLE_MAX = 8 << 20,
  QCOW2_SNAPSHOTS_MAX = 65536,
  QCOW2_SNAPSHOT_TABLE_MAX = 64 << 20,
  QCOW2_SNAPSHOT_EXTRA_MAX = 1024,
  QCOW2_NAME_MAX = 1023
};

/* The length of a stream that has not ended yet.  Then nothing is refused for lying beyond the
 * end, and it is the caller who finds that bytes are missing: of a compressed cluster less than
 * 512 may be (its last sector is counted whole), of all else none. */
#define QCOW2_LEN_UNKNOWN ((uint64_t)INT64_MAX)

enum qcow2_compression { QCOW2_DEFLATE = 0, QCOW2_ZSTD = 1 };

/* What the bytes of a layer of an import are, as far as decoding goes. */
struct layer_format {
  bool raw; /* no qcow2: it has no clusters */
  enum qcow2_compression compression;
  uint32_t cluster_bits;
};

/* A table of 8-byte entries in the file. */
struct qcow2_table {
  host_off at;
  uint64_t n; /* entries */
};

struct qcow2_header {
  uint32_t version;
  uint32_t cluster_bits;
  uint64_t cluster_size;
  uint64_t file_len;
  uint64_t virtual_size; /* a multiple of 512 */
  struct qcow2_table l1;
  struct host_range refcount_table;
  uint32_t refcount_order;
  uint64_t snapshots_at;
  uint32_t snapshots;
  uint64_t incompatible, compatible, autoclear;
  enum qcow2_compression compression;
  bool extended_l2; /* entries of 16 bytes with a subcluster bitmap */
  bool dirty;       /* refcounts may be wrong; harmless for reading */
  bool has_backing;
  char backing_name[QCOW2_NAME_MAX
                    + 1]; /* as in the file; never opened; escape before showing */
  size_t backing_name_len;
  char backing_format[16];
};

/* How many bytes from the start of the file qcow2_header_parse needs, seen its first
 * QCOW2_HEADER_MIN (or all N, in a shorter file): the first cluster, or the file's length if
 * that is less.  Refuses here what has no qcow2 magic, saying what it looks like instead
 * (empty, HTML, gzip, xz, zstd, raw disk with a boot signature, VMDK, VHDX, VDI...). */
int qcow2_header_need (const uint8_t *raw, size_t n, uint64_t file_len, size_t *need,
                       struct error *err);

/* What the first N bytes of a file that nobody called raw show: a disk image of another format,
 * its name and what to do about it, or NULL.  Some say it in their last sector only. */
const char *qcow2_other_format (const uint8_t *raw, size_t n);
const char *qcow2_other_trailer (const uint8_t last[SECTOR]);

/* The partition table or file system that shows that it is a raw disk, or NULL; all that is
 * looked at is in the first QCOW2_LOOK bytes. */
const char *qcow2_raw_disk (const uint8_t *raw, size_t n);
/* What N bytes that are no qcow2 header look like, in words, never NULL. */
const char *qcow2_looks_like (const uint8_t *raw, size_t n);
/* Nothing shows that it is anything else. */
bool qcow2_may_be_raw (const uint8_t *raw, size_t n);

/* Parse and check header and header extensions.  RAW holds at least what qcow2_header_need
 * said.  MAX_SIZE refuses larger virtual disks (ERR_IMAGE_TOO_LARGE).  Decodes to a private
 * copy, checks everything, then publishes.  An image with a backing file is no error here:
 * the caller knows whether it was given explicitly. */
int qcow2_header_parse (struct qcow2_header *out, const uint8_t *raw, size_t n,
                        uint64_t file_len, uint64_t max_size, struct error *err);

/* Do the first N bytes hold all that qcow2_header_parse looks at?  Then the rest of the cluster
 * need not be fetched; zeros do in its place. */
bool qcow2_header_is_here (const uint8_t *raw, size_t n);

/* What a resume needs of a header that an earlier run parsed and checked: RAW holds at least
 * QCOW2_HEADER_MIN bytes.  The caller makes sure that they are the same bytes. */
struct qcow2_glance {
  uint32_t cluster_bits;
  enum qcow2_compression compression;
  struct qcow2_table l1; /* the active disk's; within the file */
};

int qcow2_header_glance (const uint8_t *raw, size_t n, uint64_t file_len,
                         struct qcow2_glance *out, struct error *err);

/* One guest disk in the image: the active one, or a snapshot's. */
struct qcow2_disk {
  uint64_t virtual_size;
  struct qcow2_table
      l1; /* n: entries needed for virtual_size (a longer table's rest is ignored) */
};

void qcow2_active_disk (const struct qcow2_header *h, struct qcow2_disk *out);

/* An entry of the snapshot table. */
struct qcow2_snapshot {
  struct qcow2_disk disk; /* its own virtual size, from its extra data, else the active one's */
  uint64_t entry_at, entry_end; /* without its padding */
  char id[64];                  /* cut, escaped: for people */
  char name[256];
  const uint8_t *raw_id; /* as in the file, within the bytes that were parsed */
  const uint8_t *raw_name;
  size_t raw_id_len, raw_name_len;
  int64_t date_s;
  uint32_t date_ns;
  uint64_t vm_state_size;
  uint64_t vm_clock_ns;
  uint64_t icount; /* UINT64_MAX: not recorded */
};

/* Parse one entry of the "Snapshot table" that starts at host offset AT, from N bytes there.
 * Returns 0 with *ENTRY_LEN, its length with padding (of the last entry the padding need not be
 * in the file); 1 with *ENTRY_LEN, the bytes that are needed to go on, when N is too few; -1.
 * An entry is at most about 130 KiB + 1 KiB. */
int qcow2_snapshot_parse (const struct qcow2_header *h, host_off at, const uint8_t *raw,
                          size_t n, struct qcow2_snapshot *out, size_t *entry_len,
                          struct error *err);

/* Entries per L2 table, guest bytes that one L1 entry covers, bytes of an L2 entry. */
uint64_t qcow2_l2_entries (const struct qcow2_header *h);
uint64_t qcow2_l1_span (const struct qcow2_header *h);
uint32_t qcow2_l2_entry_size (const struct qcow2_header *h);

/* Parse N entries of DISK's L1 table, beginning with entry FIRST, from RAW (8 bytes each);
 * FIRST + N is at most DISK->l1.n.  L2[i] is where the L2 table starts, 0 where there is none.
 * That two tables do not overlap, and one serves one entry only, is for the caller to see. */
int qcow2_l1_parse (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t first,
                    const uint8_t *raw, size_t n, host_off *l2, struct error *err);

/* Of the L2 table of L1 entry L1_IDX, how many entries lie below the virtual size: all that is
 * read of it, and all that must be in the file. */
uint64_t qcow2_l2_used (const struct qcow2_header *h, const struct qcow2_disk *disk,
                        uint64_t l1_idx);

/* Receives extents in guest order, without gap.  -1 ends the walk, with ERR filled. */
typedef int (*qcow2_emit) (void *ctx, const struct extent *e, struct error *err);

/* Parse N entries of the L2 table at L2_AT, of L1 entry L1_IDX, beginning with entry FIRST, and
 * emit every guest byte they cover (cut at the virtual size), neighbours that are stored alike
 * merged.  layer is 0 in what is emitted.  HOLE is emitted for what is not allocated.  Stored
 * bytes are inside the file and clear of this table and of what the header places; that they
 * are clear of all other tables is for the caller to see.  A compressed cluster that the end
 * of the file cuts by less than a sector is emitted with what is really there. */
int qcow2_l2_walk (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx,
                   host_off l2_at, uint64_t first, const uint8_t *raw, size_t n,
                   qcow2_emit emit, void *ctx, struct error *err);

/* Emit the hole of L1 entry L1_IDX, which has no L2 table. */
int qcow2_l1_hole (const struct qcow2_header *h, const struct qcow2_disk *disk, uint64_t l1_idx,
                   qcow2_emit emit, void *ctx, struct error *err);

/* Decodes compressed clusters; one a thread. */
struct qcow2_decoder;

int qcow2_decoder_new (struct qcow2_decoder **out, enum qcow2_compression compression,
                       uint32_t cluster_bits, struct error *err);
void qcow2_decoder_close (struct qcow2_decoder *d);

/* Decode one compressed cluster ("Compressed Clusters Descriptor"): from STORED bytes at IN
 * exactly CLUSTER_SIZE bytes to OUT.  Padding behind the stream is fine, more output than one
 * cluster is not; zstd may be several frames, also skippable ones.  AT is for the message. */
int qcow2_decode (struct qcow2_decoder *d, host_off at, const uint8_t *in, size_t stored,
                  uint8_t *out, struct error *err);

#endif
