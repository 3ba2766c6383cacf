/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_export: what nbd_export.c and nbd_connect.c share: the open export.
 */
#ifndef QIMPORT_TARGET_NBD_EXPORT_H
#define QIMPORT_TARGET_NBD_EXPORT_H

#include <libnbd.h>
#include <pthread.h>

#include "base/extent.h"
#include "target/nbd.h"

/* Of the log: when it is full it is flushed. */
enum { LOG_ENTRIES = 4096, LOG_BYTES = 32 << 20, IN_FLIGHT = 16 };

enum entry_state { ENTRY_PENDING, ENTRY_FLYING, ENTRY_DONE };

struct entry {
  uint64_t at, len;
  const uint8_t *data; /* in the log's bytes; NULL: zeros */
  int64_t cookie;
  enum entry_state state;
};

/* What was written since the last flush. */
struct nbd_log {
  struct entry entry[LOG_ENTRIES];
  unsigned n, next;           /* those from NEXT on may be pending */
  unsigned flying[IN_FLIGHT]; /* positions */
  unsigned n_flying;
  uint8_t *bytes;
  size_t used;
};

struct nbd_export {
  pthread_mutex_t lock; /* of everything below */
  struct nbd_handle *h; /* NULL: not connected */
  struct nbd_facts facts;
  uint32_t piece; /* the longest write */
  bool zeroes;    /* the server knows WRITE_ZEROES */
  char *uri;
  bool tls, insecure;
  int64_t retry_time_ms;
  const atomic_bool *stop;
  int64_t lost_at;       /* monotonic; 0: it is not */
  int64_t heard;         /* when the server last answered */
  int failed;            /* errno of the failure that ended it */
  uint8_t first[SECTOR]; /* what stood at 0 with the last flush, or when it was opened */
  char why[EXPORT_WHY];
  struct nbd_log log;
};

/* nbd_connect.c */
/* One try: 0, ENOTCONN, or ESTALE where the server answered and refuses. */
int nbd_connect_once (struct nbd_export *x);
void nbd_disconnect (struct nbd_export *x);
bool nbd_is_lost (const struct nbd_export *x);
/* WHY becomes what libnbd says. */
void nbd_note_why (struct nbd_export *x);
bool nbd_stopped (const struct nbd_export *x);
/* Tries until BUDGET_MS after SINCE. */
int nbd_connect_until (struct nbd_export *x, int64_t since, int64_t budget_ms);

#endif
