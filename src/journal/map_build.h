/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * map_build: a map on its way into the journal.  It is staged in memory, a large one in a
 * temporary database of this process (map_build.c), read back in host order and checked
 * (map_scan.c), and stored (map_seal.c; of a stream piece by piece, map_seal_piece.c).
 */
#ifndef QIMPORT_JOURNAL_MAP_BUILD_H
#define QIMPORT_JOURNAL_MAP_BUILD_H

#include "base/digest.h"
#include "journal/transaction.h"
#include "journal/extent_rows.h"

struct staged_layer {
  uint64_t segment_size, length;
  char *url;
};

/* What was added last, and how. */
struct map_held {
  struct extent run;  /* plain data not staged yet; len 0: none */
  struct extent zero; /* likewise */
  struct extent last; /* the last one staged */
  bool in_host_order; /* they came so: no sorting */
  uint64_t zero_end;
  bool zeros_in_order;
};

/* J7: pieces may be as many as are paid for, and PIECES_FREE besides. */
struct map_paid {
  uint64_t pieces, pieces_free, tables_len, guest_len;
};

/* What is staged, up to MOST.  With more all of it is in the database, MOST is 0. */
struct map_few {
  struct extent *at;
  size_t n, cap, most;
  size_t kept; /* sealed: they are as they were stored, so many */
};

/* Of a stream, and of a map that is sealed already. */
struct map_again {
  bool was_sealed;
  uint64_t taken, taken_extents; /* segments so far in this run */
  uint64_t recorded;             /* segments of earlier runs */
};

struct journal_map {
  struct journal *j;
  struct sql stage;
  int64_t no;
  uint64_t virtual_size;
  unsigned layers;
  struct staged_layer layer[JOURNAL_LAYERS_MAX];
  bool stream, keep_holes, hash_image;
  const atomic_bool *stop; /* may be NULL */
  struct map_held held;
  struct map_paid paid;

  /* Bytes of layer 0's file that extents need, and how far; while they come in host order. */
  uint64_t needed, needed_to;

  struct map_few few;
  struct map_again again;
  struct {
    uint64_t guest, zeros, stored;
  } totals, handed; /* of a stream: as far as its tables tell; what was taken */
  struct rows rows; /* extents to be stored */
};

/* Stage what is still held back, so that the staging database has all of it. */
int map_flush (struct journal_map *m, struct error *err);

/* Extents as the journal stores them: in host order, plain neighbours merged, cut at segment
 * borders; then zero runs in guest order, merged.  Overlaps of tables are found on the way.
 * Memory does not grow with the map. */
typedef int (*map_row) (void *ctx, const struct extent *e, struct error *err);
int map_scan (struct journal_map *m, map_row row, void *ctx, struct error *err);
int map_scan_zeros (struct journal_map *m, map_row row, void *ctx, struct error *err);

/* Extent E against the tables staged so far. */
int map_check_tables (struct journal_map *m, const struct extent *e, struct error *err);

/* One extent from a row of stage_extents_*. */
void map_read_extent (sqlite3_stmt *row, struct extent *e);
/* Whether A is stored before B: in the order of layers and host offsets. */
bool map_before (const struct extent *a, const struct extent *b);
/* B continues A in both spaces, in one segment of SIZE (0: in any). */
bool map_continues (const struct extent *a, const struct extent *b, uint64_t size);

/* What E adds to the bytes of layer 0 that those before it NEEDED, up to TO, where they come in
 * host order: what several share counts once. */
void map_count_needed (const struct extent *e, uint64_t *needed, uint64_t *to);

/* Of segment SEG; in the journal with SEG itself, in the same transaction or an earlier one. */
int map_put_extent (struct journal_map *m, uint64_t ord, const struct segment *seg,
                    const struct extent *e, struct error *err);
int map_put_segment (struct journal_map *m, const struct segment *seg, struct error *err);
/* A segment for E, the first extent in it. */
void map_start_segment (const struct journal_map *m, struct segment *seg, uint64_t ord,
                        uint64_t first_extent, const struct extent *e);
void map_grow_segment (struct segment *seg, const struct extent *e);

/* The digest of a map: see doc/journal-format.md. */
void map_digest_start (struct digest *d, uint64_t virtual_size, unsigned layers,
                       const uint64_t *segment_size);
void map_digest_add (struct digest *d, const struct extent *e);

/* Of a stream: put everything that is not taken yet into segments. */
int map_take_rest (struct journal_map *m, struct error *err);

/* Remove the rows of NO's map (its import row does not count them), a batch at a time. */
int map_purge (struct journal *j, int64_t no, struct error *err);
int map_purge_rows (struct journal *j, enum sql_name purge, int64_t no, struct error *err);

#endif
