/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: the inside of reading forward, shared by stream.c (pieces, steps),
 * stream_end.c (what is the end), stream_map.c (tables, as they come) and stream_place.c (where
 * the bytes of a piece go).
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

#include "forward/forward_spec.h"
#include "forward/wrapped.h"
#include "image/snapshots.h"
#include "target/spool.h"

/* A bit per unit of host space; grows as the stream does. */
struct stream_bits {
  uint8_t *byte;
  size_t size;
};

/* Neighbouring host bytes that are these extents' alone; SURE is their end. */
struct stream_run {
  uint64_t from, sure; /* the same: none */
};

/* The bytes that are here: two of the largest pieces. */
struct stream_window {
  uint8_t *buf;
  uint64_t at;   /* host offset of buf[0] */
  uint64_t have; /* bytes in it */
  bool looked;   /* the tables in it were parsed */
};

/* Where they come from. */
struct stream_supply {
  uint64_t pos;            /* host offset of the next byte of the source */
  uint64_t known_len;      /* of all of it; UINT64_MAX: a pipe that never came to its end */
  uint64_t fetched_before; /* by earlier runs, as the journal knows it */
  bool pipe;               /* how long the image is is not known before its end */
  bool open;               /* nor how long what comes is, and it may not end at all */
  bool ended;
  bool broke; /* but who sends did not say so: more may have followed */
  struct hash hash;
};

/* What the header was parsed from. */
struct stream_head {
  uint8_t *bytes;
  size_t len;
};

/* Every L2 table, ascending: see stream_map.c. */
struct stream_tables {
  bool have_l1;                     /* then they are here: */
  uint64_t *table;                  /* its place, and the index of its L1 entry */
  size_t n, next;                   /* those before next are parsed */
  uint8_t *buf;                     /* for one of them */
  uint64_t guest_found, data_found; /* guest bytes that those so far tell of */
  uint64_t stored_found;            /* host bytes of these */
};

/* What became of the bytes. */
struct stream_places {
  uint64_t unit;              /* bytes that one bit of dropped stands for */
  struct stream_bits dropped; /* not in the spool (any more) */
  struct stream_bits late;    /* pieces with extents that came before their table */
  uint64_t late_from, late_to;
  uint64_t data_end, compressed_end; /* the furthest byte that extents need */
  struct extent last_compressed;     /* the one that begins last */
  uint64_t reach;                    /* how far bytes are surely the earlier pieces' extents' */
  uint64_t segments;                 /* that were handed on, or were committed already */
};

struct stream {
  struct forward_spec spec;
  struct forward_result *result;
  struct copy *copy; /* NULL: the disk is not known yet */
  struct journal_map *map;
  struct journal_reader *reader;
  struct spool *spool;
  struct wrapped *wrapped; /* NULL: the source's bytes are the image */
  uint64_t piece;          /* bytes */
  struct stream_window window;
  struct stream_supply supply;

  struct stream_head head;
  struct qcow2_header header;
  struct qcow2_disk disk;
  bool have_header, have_disk;
  struct snapshot_walk snapshots; /* those that were not seen yet */
  struct snapshot_search search;
  struct stream_tables tables;
  struct stream_places places;
};

/* What they are given must outlive it. */
int stream_open (struct stream **out, const struct forward_spec *spec,
                 struct forward_result *result, struct error *err);
/* 1: more; 0: that was all. */
int stream_step (struct stream *s, struct error *err);
void stream_close (struct stream *s);
OWNABLE (stream)

/* Of the source, for a message. */
const char *stream_url (const struct stream *s);
/* A line for the user. */
void stream_warn (const struct stream *s, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));

/* How much there is, as far as it is known: guest bytes of the disk, and those of them that are
 * zeros; until all tables were seen every byte that none told of is work.  STORED: host bytes.
 */
struct stream_totals {
  uint64_t guest, zeros, stored;
};
struct stream_totals stream_totals (const struct stream *s);
/* The journal knows them with the next piece. */
void stream_tell_totals (struct stream *s);

/* Bytes that were seen: from the buffer or the spool. */
int stream_read_host (struct stream *s, host_off at, void *buf, size_t len, struct error *err);

/* ---- stream_end.c -------------------------------------------------------------------------
 */

/* Every table and every byte that one names is here. */
bool stream_is_whole (const struct stream *s);
/* Up to where bytes are needed, as far as it is known; *ALL: no table is to come. */
uint64_t stream_needs (const struct stream *s, bool *all);
/* It is whole and nothing comes any more.  But is the last cluster's last sector there? */
bool stream_ends_here (struct stream *s);
/* Behind so many bytes nothing of it is waited for. */
uint64_t stream_most (const struct stream *s);
/* The source has ended: -1 where that is too early. */
int stream_check_end (struct stream *s, struct error *err);
int stream_ended_early (struct stream *s, struct error *err);
/* All is placed: seal the map. */
int stream_finish (struct stream *s, struct error *err);

/* ---- stream_map.c -------------------------------------------------------------------------
 */

/* Look at the snapshots that are here by now, and know which disk it is (have_disk), if what
 * tells it is. */
int stream_find_disk (struct stream *s, struct error *err);

/* Parse every table that is here by now. */
int stream_parse_tables (struct stream *s, struct error *err);

/* No table is to come: every byte has a place, or needs none. */
bool stream_all_parsed (const struct stream *s);

/* Up to where the last table is needed; 0: none is known. */
uint64_t stream_tables_end (const struct stream *s);

/* The first parsed L2 table that ends behind AT, if it begins before END: its place. */
bool stream_parsed_table (const struct stream *s, uint64_t at, uint64_t end, uint64_t *table);

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
