/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * stream: the inside of reading forward, shared by stream.c (pieces, spool, phases) and
 * stream_map.c (tables, as they come).
 *
 * The bytes come once, in order.  They are taken a piece at a time; a cluster whose table was
 * seen goes to the target, everything else waits in the spool (target/spool.h).  What is done
 * with a byte depends on its offset and on the bytes before, never on when it arrived, so that
 * a second reading makes the same segments again and finds its progress in the journal.
 */
#ifndef QIMPORT_IMPORT_STREAM_H
#define QIMPORT_IMPORT_STREAM_H

#include "import/import.h"
#include "target/spool.h"

/* A table of the image: it may overlap nothing. */
struct stream_table {
  host_off at;
  uint64_t len;
  uint64_t l1_idx; /* of an L2 table, else NO_L2 */
  bool parsed;
};

#define NO_L2 UINT64_MAX

/* Flags per unit of host space; grows as the stream does. */
struct stream_bits {
  uint8_t *byte;
  size_t size;
};

struct stream {
  struct qimport *q;
  struct journal_map *map;
  struct journal_reader *reader;
  struct spool *spool;
  bool running; /* target and copy are there */

  uint64_t piece; /* bytes; the buffer holds two of the largest */
  uint8_t *buf;
  uint64_t at;    /* host offset of buf[0] */
  uint64_t have;  /* bytes in it */
  uint64_t pos;   /* host offset of the next byte of the source */
  bool ended;
  struct digest digest;

  struct qcow2_header header;
  struct qcow2_disk disk;
  bool have_header, have_disk, have_l1;
  struct stream_table *tables; /* ascending, once have_l1 */
  size_t n_tables, cap_tables;
  size_t unparsed, next_table;
  uint8_t *table_buf; /* an L2 table */

  uint64_t unit;              /* bytes that one bit of dropped stands for */
  struct stream_bits dropped; /* not in the spool (any more) */
  struct stream_bits late;    /* pieces with extents that came before their table */
  uint64_t data_end, compressed_end; /* the furthest byte that extents need */
  uint64_t placed_to; /* extents of earlier pieces reach to here */
};

bool stream_bit (const struct stream_bits *b, uint64_t i);
int stream_set_bit (struct stream_bits *b, uint64_t i, struct error *err);

/* Bytes that were seen: from the buffer or the spool. */
int stream_read_host (struct stream *s, host_off at, void *buf, size_t len, struct error *err);

/* Know which disk it is (have_disk), if what tells it is here by now. */
int stream_find_disk (struct stream *s, struct error *err);

/* Parse every table that is here by now. */
int stream_parse_tables (struct stream *s, struct error *err);

#endif
