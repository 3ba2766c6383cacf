/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * journal: the memory.  The only room that knows SQLite and libuuid.  One file holds any number
 * of imports, worked on by any number of processes.  It keeps what an import is (identities,
 * sealed map), how far it came, and what happened; it never touches the network or the target.
 *
 *   J2  The map is complete, checked and sealed (with its digest) before the first data cluster
 *       is written, and never changes after.  In a stream it is sealed a piece at a time.
 *   J8  No secret reaches this room: the caller hands in what may be stored.
 *
 * Keys: an import has a small number NO; its segments, extents and zero runs are numbered
 * (ORD) from 0 in the order of their layer and host offset (zero runs: in guest order), so that
 * a row is found without an index beside the table's own.
 *
 * Threads: one struct journal may be used by several threads (it has a lock); a struct
 * journal_reader belongs to one.  No transaction waits for the network or for another thread.
 *
 * Errors: ERR_JOURNAL_*, each naming the file; a full disk is ERR_JOURNAL_FULL.
 */
#ifndef QIMPORT_JOURNAL_JOURNAL_H
#define QIMPORT_JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/hash.h"
#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"

enum { JOURNAL_ID_SIZE = 37, JOURNAL_LAYERS_MAX = 64 };

/* ---- The file ------------------------------------------------------------------------- */

struct journal;

enum journal_mode {
  JOURNAL_CREATE, /* make it if it is not there; migrate an older one */
  JOURNAL_WRITE,  /* must exist */
  JOURNAL_READ    /* must exist; never blocks a writer, never writes, migrates nothing */
};

/* Opens PATH and checks: regular file, one name (st_nlink), not writable by others than its
 * owner and root, application_id, user_version (newer: ERR_JOURNAL_NEWER, untouched), schema
 * as the migrations make it, journal_mode really WAL.  Creates with mode 0600, directories
 * 0700. A file that is not ours is never changed. */
int journal_open (struct journal **out, const char *path, enum journal_mode mode,
                  struct error *err);
void journal_close (struct journal *j);
OWNABLE (journal)
const char *journal_path (const struct journal *j);

/* quick_check and our own invariants over import NO, on a connection of its own, so that it
 * can run beside the first fetch.  ERR_JOURNAL_CORRUPT, or ERR_INTERRUPTED when *STOP
 * becomes true. */
int journal_check (const char *path, int64_t no, const atomic_bool *stop, struct error *err);

/* Whether rows of import NO were altered since they were written: the chain of its events, and
 * of a complete one what "completed" said of its map, segments and facts (doc/digests.md).
 * ERR_JOURNAL_CORRUPT, naming what; ERR_INTERRUPTED. */
int journal_check_witness (const char *path, int64_t no, const atomic_bool *stop,
                           struct error *err);

/* ---- What an import is ----------------------------------------------------------------- */

#define IMPORT_STATES(X)                                                   \
  X (PROBING, "probing") /* the map is being read */                       \
  X (MAPPED, "mapped")   /* the map is sealed; nothing written yet */      \
  X (COPYING, "copying")                                                   \
  X (INTERRUPTED, "interrupted") /* resume will go on */                   \
  X (FAILED, "failed")           /* resume needs something mended first */ \
  X (COMPLETE, "complete")

enum import_state {
#define X(name, word) IMPORT_##name,
  IMPORT_STATES (X)
#undef X
};

const char *import_state_word (enum import_state s);

/* One source of an import: the image (0) or a backing file. */
struct journal_layer {
  char url[4096];      /* without secrets, escaped */
  bool url_had_secret; /* something was dropped from it */
  char final_url[4096];
  char format[8];  /* "qcow2" or "raw" */
  uint64_t length; /* UINT64_MAX: a pipe */
  char etag[256];
  char last_modified[64];
  unsigned trust; /* enum source_trust */
  char tls_fingerprint[96];
  uint64_t cluster_size;
  uint64_t segment_size;            /* bytes; a power of two, at least cluster_size */
  uint8_t head_digest[DIGEST_SIZE]; /* of header and L1 table, see import/identity */
};

/* Which segments get a SHA-256 of what was written.  A sample of them always does, so that
 * source and target can be known again; but for what the first version began with --digest off.
 */
enum journal_digests { DIGESTS_NONE, DIGESTS_ALL, DIGESTS_SAMPLE };

/* How an import stands: running totals, changed by journal_commit only, and what came of it. */
struct journal_status {
  enum import_state state; /* as shown: a holder that died shows as INTERRUPTED */
  uint64_t segments_committed, guest_committed, fetched;
  uint64_t zero_committed;     /* of guest_committed */
  uint64_t zero_ord, zero_off; /* zero runs before ZERO_ORD are done, ZERO_OFF bytes of it */
  uint64_t image_hashed_to;    /* host offset in layer 0 */
  uint8_t image_hash[HASH_STATE_MAX]; /* hash_save's, of the algorithm of expect_sha256 */
  size_t image_hash_len;
  char image_sha256[HASH_TEXT];      /* "" until known; as checksum_text () writes it */
  char root_digest[DIGEST_HEX];      /* "" until audited */
  uint64_t target_run, target_epoch; /* its marker, as of the last commit; 0: none yet */
  uint64_t attempts;
  char error_code[32], error_message[1024]; /* "" if none */
  int64_t updated_at, finished_at;          /* ms; 0: not yet */
  char holder[128]; /* "" or who works on it: "pid 123 on HOST", for people */
};

/* What an import is, and NOW how it stands: a row of the table import. */
struct journal_import {
  int64_t no;
  char id[JOURNAL_ID_SIZE];
  int64_t started_at;        /* ms */
  char target[4096];         /* canonical */
  char target_kind[8];       /* "file", "block" or "nbd" */
  char target_identity[512]; /* "" until target_create */
  char options[8192];        /* NAME=VALUE lines that hold at resume */
  char snapshot[256];
  char format_features[256]; /* for the receipt, e.g. "version=3 compression=zstd" */
  unsigned layers;
  bool stream;                   /* began without ranges */
  bool keep_holes;               /* --unallocated keep */
  unsigned digests;              /* enum journal_digests */
  bool hash_image;               /* the image's own checksum is computed (layer 0) */
  char expect_sha256[HASH_TEXT]; /* "" or what it must be, as checksum_text () writes it */

  uint64_t virtual_size, cluster_size;

  /* Of the map. */
  bool sealed; /* it is complete */
  uint64_t segments, extents, zero_runs;
  uint64_t guest_total; /* guest bytes that the map covers */
  uint64_t zero_total;  /* of them: those that read as zeros */
  uint64_t need_max;    /* the longest host range of a segment */
  uint64_t image_total; /* host bytes that have to be fetched */
  uint8_t map_digest[DIGEST_SIZE];

  struct journal_status now;
};

/* Does the segment ORD of IMP get a digest?  Of a sample the first eight, every 32nd, and the
 * last where it is known. */
static inline bool
journal_has_digest (const struct journal_import *imp, uint64_t ord)
{
  switch ((enum journal_digests)imp->digests) {
  case DIGESTS_NONE:
    return false;
  case DIGESTS_ALL:
    return true;
  case DIGESTS_SAMPLE:
    return ord < 8 || ord % 32 == 0 || (!imp->stream && ord + 1 == imp->segments);
  }
  return false;
}

/* Insert a new import (state PROBING) with its layers, held by J; fills no, id and times.
 * ERR_TARGET_EXISTS, saying how to resume it, when the target has an unfinished import. A
 * complete import over the same target stays as history. */
int journal_begin (struct journal *j, struct journal_import *imp,
                   const struct journal_layer *layers, struct error *err);

/* Find by UUID, unique prefix (>= 4 characters) or target path (the newest import of it).
 * ERR_NO_SUCH_IMPORT; ERR_USAGE for an ambiguous prefix. */
int journal_find (struct journal *j, const char *id, struct journal_import *out,
                  struct error *err);
int journal_get_layer (struct journal *j, int64_t no, unsigned layer, struct journal_layer *out,
                       struct error *err);
int journal_put_layer (struct journal *j, int64_t no, unsigned layer,
                       const struct journal_layer *l, struct error *err);

/* Every import, oldest first, with its first layer; a callback's -1 ends it.  It may use the
 * journal. */
typedef int (*journal_each) (void *ctx, const struct journal_import *imp,
                             const struct journal_layer *layer, struct error *err);
int journal_list (struct journal *j, journal_each each, void *ctx, struct error *err);

/* Who works on an import holds it: a lock, by import and struct journal, that ends with the
 * process and that no other process, container or thread can have meanwhile.  What changes an
 * import is called by who holds it (else an assertion fails), and returns ERR_JOURNAL_FAILED
 * where its lock does not count any more because the lock's file was removed.
 *
 * Take IMP: attempts + 1, state as its phase is, event "resumed".  What a killed process left
 * of an unsealed map is removed.  1: it is complete, perhaps only since IMP was read, and was
 * not taken.  ERR_IMPORT_HELD, naming the process, when somebody holds it, this journal too. */
int journal_hold (struct journal *j, struct journal_import *imp, struct error *err);
/* Give it back: state, the last error (NULL: none), event "interrupted" with the reason (not
 * for COMPLETE).  Nobody holds it afterwards, whatever is returned.  What J does not hold is
 * left alone. */
int journal_release (struct journal *j, int64_t no, enum import_state state,
                     const struct error *why, struct error *err);
/* Take IMP, whatever its state, to look at it: nothing changes but who has it. */
int journal_hold_audit (struct journal *j, struct journal_import *imp, struct error *err);
int journal_release_audit (struct journal *j, int64_t no, struct error *err);
/* Remove what J holds, with map and events. */
int journal_forget (struct journal *j, int64_t no, struct error *err);

/* Its options and what is expected of its image. */
int journal_set_options (struct journal *j, const struct journal_import *imp,
                         struct error *err);
/* With synchronous=FULL: the part file is on disk before this, and nothing is written to it
 * before this returned. State COPYING. */
int journal_set_target (struct journal *j, int64_t no, const char *identity, struct error *err);
/* Forget map, progress and part file: --restart. */
int journal_unseal (struct journal *j, int64_t no, struct error *err);

/* After journal_unseal: read without ranges from now on, or with them. */
int journal_set_stream (struct journal *j, int64_t no, bool stream, struct error *err);

/* kind: started interrupted resumed retry redirected committed source_changed completed audited
 * repaired mirror warning ...; DETAIL one line, escaped, no secret. */
int journal_event (struct journal *j, int64_t no, const char *kind, const char *detail,
                   struct error *err);

/* ---- The map --------------------------------------------------------------------------- */

/* Collects the map, which comes in guest order, sorts it by host offset in a temporary
 * database (memory bounded, no lock on the journal meanwhile), checks it, and stores it in
 * batches. */
struct journal_map;

int journal_map_begin (struct journal_map **out, struct journal *j,
                       const struct journal_import *imp, const struct journal_layer *layers,
                       struct error *err);
void journal_map_close (struct journal_map *m); /* unsealed: what was stored is removed later */
OWNABLE (journal_map)
/* journal_map_seal ends with ERR_INTERRUPTED when *STOP becomes true. */
void journal_map_stop_when (struct journal_map *m, const atomic_bool *stop);

/* Any order, but guest and host order are quickest; neighbours are merged.  HOLE with
 * keep_holes is neither stored nor counted: nothing has to be done for it.  ERR_IMAGE_TOO_LARGE
 * when there are far more pieces than the tables have entries (J7). */
int journal_map_add (struct journal_map *m, const struct extent *e, struct error *err);
/* A table of the image (header, L1, L2, refcount table, snapshot table): it must overlap no
 * other table and no extent. WHAT names it in the message: a string literal. */
int journal_map_table (struct journal_map *m, uint32_t layer, struct host_range r,
                       const char *what, struct error *err);
/* Of a stream: how many guest bytes there are, how many of them are zeros, and how many host
 * bytes they take, as far as its tables tell; stored with the next piece. */
void journal_map_totals (struct journal_map *m, uint64_t guest, uint64_t zeros,
                         uint64_t stored);
/* So many bytes of tables were read that journal_map_table is not told of: of a stream. */
void journal_map_read (struct journal_map *m, uint64_t len);
/* How many bytes of layer 0's file its extents need, those that several share once. */
int journal_map_needs (struct journal_map *m, uint64_t *bytes, struct error *err);
/* Sort, check overlaps (ERR_IMAGE_MALFORMED), cut into segments, store, digest.  Then, in
 * one small transaction with synchronous=FULL, the seal: state MAPPED (or as it is, once
 * there is a target), totals.  *IMP is read anew.  With imp->hash_image every piece of layer
 * 0's file has a segment.  J6: ERR_INTERNAL if some guest byte was never added (holes with
 * keep_holes may be). A map that is sealed already must be the same: ERR_SOURCE_CHANGED.  At
 * the end of a stream: what was not taken becomes segments too, zero runs are stored. */
int journal_map_seal (struct journal_map *m, struct journal_import *imp, struct error *err);
/* Of a map that was just sealed and is no stream's: its extents as they were stored, *N of them
 * in their order, so that who made the map need not read their rows; the caller frees them.
 * NULL where they were too many to stay in memory. */
struct extent *journal_map_keep (struct journal_map *m, size_t *n);
/* Of several imports of one image, begun alike: TO, which has no map yet, is sealed with that of
 * FROM, and read anew.  ERR_INTERRUPTED when *STOP (may be NULL) becomes true. */
int journal_map_copy (struct journal *j, const struct journal_import *from,
                      struct journal_import *to, const atomic_bool *stop, struct error *err);
/* The digest that a seal would have, without storing (--accept-new-validator). */
int journal_map_digest (struct journal_map *m, uint8_t out[DIGEST_SIZE], struct error *err);

/* In a stream: what was added so far, is in no segment yet and starts in host range R of
 * LAYER becomes a segment, sealed by itself (J2), *SEG; of several pieces the first only, so
 * call again until it returns 1: there is nothing (more).  At a resume the same calls find
 * the same segments again (the rows must be the same: ERR_SOURCE_CHANGED), with their
 * progress. */
struct segment;
int journal_map_take (struct journal_map *m, uint32_t layer, struct host_range r,
                      struct segment *seg, struct error *err);

/* ---- Work ------------------------------------------------------------------------------- */

/* A segment: the extents that start in one piece of the host space of a layer. */
struct segment {
  uint64_t ord;
  uint32_t layer;
  host_off at;            /* of the piece: a multiple of the layer's segment_size */
  struct host_range need; /* to fetch; with hash_image the piece, and what reaches out of it */
  uint64_t first_extent, extents;
  uint64_t guest_bytes;
  host_off committed_to;      /* every extent byte before this host offset is committed */
  uint64_t committed_extents; /* how many extents, from the first, are committed entirely */
  bool committed;             /* all of it */
  bool digest_final;          /* hash is the digest; else digest_save's state, or len 0 */
  uint8_t hash[DIGEST_STATE_MAX];
  size_t hash_len;
};

/* Reads of import NO while others write; for one thread. */
struct journal_reader;
int journal_reader_open (struct journal_reader **out, const char *path, int64_t no,
                         struct error *err);
void journal_reader_close (struct journal_reader *r);
OWNABLE (journal_reader)

/* Up to MAX segments from ORD on that are not committed, or (with hash_image) reach beyond
 * IMAGE_HASHED_TO, in order.  Never scans what is done: starts at the import's watermark. */
int journal_claim (struct journal_reader *r, uint64_t from_ord, uint64_t image_hashed_to,
                   struct segment *out, size_t max, size_t *n, struct error *err);
/* Up to MAX segments from ORD on, committed or not: audit. */
int journal_segments (struct journal_reader *r, uint64_t from_ord, struct segment *out,
                      size_t max, size_t *n, struct error *err);
/* Up to MAX extents of SEG from its I-th on, which it must have, in host order; at least one.
 * That there is none is ERR_JOURNAL_CORRUPT, and so is one that is not within the disk, is of
 * more than a cluster, or whose stored bytes are not among those that SEG needs: rows are used
 * beside the journal's check, not after it. */
int journal_extents (struct journal_reader *r, const struct segment *seg, uint64_t i,
                     struct extent *out, size_t max, size_t *n, struct error *err);
/* Is E, which is compressed, of one cluster of CLUSTER_SIZE bytes, as the image itself says
 * they are?  ERR_JOURNAL_CORRUPT. */
int journal_check_cluster (const struct journal_reader *r, const struct extent *e,
                           uint64_t cluster_size, struct error *err);
/* Does SEG need no more bytes than MOST, the need_max of its import?  To be asked before there
 * is memory for them.  ERR_JOURNAL_CORRUPT. */
int journal_check_need (const struct journal_reader *r, const struct segment *seg,
                        uint64_t most, struct error *err);
/* Up to MAX zero runs (kind ZERO or HOLE) from ORD on, in guest order. */
int journal_zeros (struct journal_reader *r, uint64_t from_ord, struct extent *out, size_t max,
                   size_t *n, struct error *err);

/* How far a segment has come. */
struct segment_progress {
  uint64_t ord;
  host_off committed_to;
  uint64_t committed_extents;
  bool committed;
  bool digest_final;
  uint8_t hash[DIGEST_STATE_MAX];
  size_t hash_len;
};

/* Bytes for where the marker stands, and of a device its first MiB, which are written last
 * (target.h): they are kept here, so that they may be committed. */
struct held_piece {
  unsigned piece; /* at most 255 */
  const void *bytes;
  size_t len;
};

/* What a commit changes in the import's row: new values, not differences. */
struct import_progress {
  uint64_t segments_committed, guest_committed, fetched;
  uint64_t zero_committed;
  uint64_t zero_ord, zero_off;
  uint64_t image_hashed_to;
  uint8_t image_hash[HASH_STATE_MAX];
  size_t image_hash_len;
  uint64_t done_to; /* watermark: every segment before it is committed (and hashed) */
  uint64_t target_run, target_epoch; /* the target's marker, as of the sync before the commit */
  const struct held_piece *held;     /* those that changed */
  size_t n_held;
};

/* Pieces that are held back, before the target is claimed: what it held there (J9).  FULL. */
int journal_hold_back (struct journal *j, int64_t no, const struct held_piece *held, size_t n,
                       struct error *err);

/* J1: only after a target_sync that covers it.  One transaction, synchronous=NORMAL; at the
 * first error it is rolled back and nothing counts.  ERR_IMPORT_HELD if this process no longer
 * holds the import. */
int journal_commit (struct journal *j, int64_t no, const struct segment_progress *segs,
                    size_t n, const struct import_progress *p, struct error *err);

/* What of the target was changed on purpose, after its finish too (target/amend.h): a piece
 * that stays when the import is complete, of any length. */
enum { JOURNAL_AMENDS = 128 };
/* The caller frees *BYTES.  1: there is none. */
int journal_amends (struct journal *j, int64_t no, void **bytes, size_t *len,
                    struct error *err);

/* A held piece, of SIZE bytes, into OUT.  1: there is none. */
int journal_held (struct journal *j, int64_t no, unsigned piece, void *out, size_t size,
                  struct error *err);

/* Also gives the import back.  ERR_INTERNAL unless every segment and zero run is committed
 * (the zero cursor stands at the end).  The last step, in order: everything is committed and
 * target_finish returned 0.  FULL, checkpointed as far as readers let it; event "completed".
 * IMAGE_SHA256 may be "". */
int journal_complete (struct journal *j, int64_t no, const char *image_sha256,
                      struct error *err);
/* In one transaction, FULL: an event KIND ("audited" or "repaired"), VERDICT in words, and the
 * root digest, "" if none was made. */
int journal_audited (struct journal *j, int64_t no, const char *kind, const char *verdict,
                     const char *root_hex, struct error *err);

/* ---- Questions --------------------------------------------------------------------------- */

/* JSON documents of the contract, made by SQLite, a line with its newline; the caller frees
 * *JSON.  IMP NULL: all (status: one document; log, receipt: a line for each). */
int journal_status_json (struct journal *j, const struct journal_import *imp, char **json,
                         struct error *err);
int journal_log_json (struct journal *j, const struct journal_import *imp, char **json,
                      struct error *err);
int journal_receipt_json (struct journal *j, const struct journal_import *imp, char **json,
                          struct error *err);

struct journal_event_row {
  int64_t at; /* ms */
  char kind[32];
  char detail[1024];
};
typedef int (*journal_each_event) (void *ctx, const struct journal_event_row *e,
                                   struct error *err);
int journal_events (struct journal *j, const struct journal_import *imp,
                    journal_each_event each, void *ctx, struct error *err);

/* Pieces of the guest in any order: what they are, and whether they are committed. */
typedef int (*journal_each_state) (void *ctx, enum extent_kind kind, struct guest_range r,
                                   bool committed, struct error *err);
int journal_states (struct journal *j, const struct journal_import *imp,
                    journal_each_state each, void *ctx, struct error *err);

/* How far it was when, for a picture: at most 600. */
struct journal_sample {
  uint64_t second; /* since it began */
  uint64_t fetched, committed;
};
typedef int (*journal_each_sample) (void *ctx, const struct journal_sample *s,
                                    struct error *err);
int journal_samples (struct journal *j, const struct journal_import *imp,
                     journal_each_sample each, void *ctx, struct error *err);

/* The sealed map in guest order, without a gap: plain data that touches in both spaces is
 * merged over the borders of segments; compressed clusters come one by one; holes that
 * keep_holes left out are there again.  For map, report.  The callback may use the journal. */
typedef int (*journal_each_extent) (void *ctx, const struct extent *e, struct error *err);
int journal_map_each (struct journal *j, const struct journal_import *imp,
                      journal_each_extent each, void *ctx, struct error *err);

#endif
