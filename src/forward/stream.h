/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: the inside of reading forward, shared by stream.c (pieces, phases, the end),
 * stream_map.c (tables, as they come) and stream_place.c (where the bytes of a piece go).
 *
 * The bytes come once, in order.  They are taken a piece at a time; a cluster whose table was
 * seen goes to the target, everything else waits in the spool (target/spool.h) until all tables
 * were seen.  What is done with a byte depends on its offset and on the bytes before, never on
 * when it arrived, so that a second reading makes the same segments again and finds its
 * progress in the journal (J3).  A pipe that ends early therefore ends the import before
 * anything is made of its last, shorter piece.
 */
#ifndef QIMPORT_FORWARD_STREAM_H
#define QIMPORT_FORWARD_STREAM_H

#include "import/import.h"
#include "forward/wrapped.h"
#include "image/snapshots.h"
#include "target/spool.h"

/* A bit per unit of host space; grows as the stream does. */
struct stream_bits {
  uint8_t *byte;
  size_t size;
};

/* Neighbouring host bytes that extents cover.  The last sector of a compressed cluster is
 * counted whole, and the next cluster may begin in it: SURE is how far the bytes are these
 * extents' alone. */
struct stream_run {
  uint64_t from, to, sure; /* to 0: none */
};

struct stream {
  struct qimport *q;
  struct journal_map *map;
  struct journal_reader *reader;
  struct spool *spool;
  struct wrapped *wrapped; /* NULL: the source's bytes are the image */
  uint64_t fetched_before; /* by earlier runs, as the journal knows it */
  bool running;            /* target and copy are there */

  uint64_t piece; /* bytes; the buffer holds two of the largest */
  uint8_t *buf;
  uint64_t at;        /* host offset of buf[0] */
  uint64_t have;      /* bytes in it */
  uint64_t pos;       /* host offset of the next byte of the source */
  uint64_t known_len; /* of all of it; UINT64_MAX: a pipe that never came to its end */
  bool pipe;          /* how long it is is not known before its end */
  bool ended;
  bool looked; /* the tables in the buffer were parsed */
  bool hashes;
  struct hash hash;

  uint8_t *head; /* what the header was parsed from */
  size_t head_len;
  struct qcow2_header header;
  struct qcow2_disk disk;
  bool raw;            /* the image is the disk: no header, no tables */
  uint64_t disk_needs; /* of a raw one: how long it is at least, by its partition table */
  bool have_header, have_disk, have_l1;
  struct snapshot_walk snapshots; /* those that were not seen yet */
  struct snapshot_search search;
  uint64_t *tables;            /* every L2 table, ascending: see stream_map.c */
  size_t n_tables, next_table; /* those before next_table are parsed */
  uint8_t *table_buf;

  uint64_t unit;              /* bytes that one bit of dropped stands for */
  struct stream_bits dropped; /* not in the spool (any more) */
  struct stream_bits late;    /* pieces with extents that came before their table */
  uint64_t late_from, late_to;
  uint64_t data_end, compressed_end; /* the furthest byte that extents need */
  struct stream_run reach;           /* of the earlier pieces' extents */
  uint64_t guest_found, data_found;  /* guest bytes that the tables so far tell of */
  uint64_t segments;                 /* that were handed on, or were committed already */
};

/* Bytes that were seen: from the buffer or the spool. */
int stream_read_host (struct stream *s, host_off at, void *buf, size_t len, struct error *err);

/* ---- stream_map.c -------------------------------------------------------------------------
 */

/* Look at the snapshots that are here by now, and know which disk it is (have_disk), if what
 * tells it is. */
int stream_find_disk (struct stream *s, struct error *err);

/* Parse every table that is here by now. */
int stream_parse_tables (struct stream *s, struct error *err);

/* No table is to come: every byte has a place, or needs none. */
bool stream_all_parsed (const struct stream *s);

/* The first parsed L2 table that ends behind AT, if it begins before END: its place. */
bool stream_parsed_table (const struct stream *s, uint64_t at, uint64_t end, uint64_t *table);

/* ---- stream_raw.c -------------------------------------------------------------------------
 */

/* Seen the first bytes: S->raw. */
int stream_decide_format (struct stream *s, struct error *err);
int stream_begin_raw (struct stream *s, struct error *err);
/* The piece at the start of the buffer is the disk's. */
int stream_add_raw (struct stream *s, struct error *err);
/* Can that have been all? */
int stream_end_raw (const struct stream *s, struct error *err);

/* ---- stream.c -----------------------------------------------------------------------------
 */

/* Not the first bytes that the import began with. */
int stream_refuse_other (const struct stream *s, struct error *err);

/* ---- stream_wrapped.c ---------------------------------------------------------------------
 */

/* Where the image is wrapped: what unpacks it, and what was kept of it. */
int stream_open_wrapped (struct stream *s, struct error *err);

/* What came out of a wrapper is not wrapped again, and no archive. */
int stream_check_unwrapped (const struct stream *s, struct error *err);

/* ---- stream_place.c -----------------------------------------------------------------------
 */

/* An extent was found: its bytes must still be there. */
int stream_expect (struct stream *s, const struct extent *e, struct error *err);

/* Extents whose table came after them, a piece a call.  1: there may be more. */
int stream_place_late (struct stream *s, struct error *err);

/* The piece at the start of the buffer goes where it belongs. */
int stream_place_piece (struct stream *s, struct error *err);

#endif
