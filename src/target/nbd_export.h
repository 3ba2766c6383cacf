/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * nbd_export: what nbd_export.c, nbd_pump.c and nbd_connect.c share: the open export.
 *
 * What is written goes into a bank of the log, and from there to the server by a thread of its
 * own, the pump, so that the connections are never idle while those who write do something
 * else.  There are two banks: while one is flushed the other is filled.  A bank is emptied when
 * all its writes were answered and a FLUSH that was sent after that came back with success.
 *
 *     append > bank (active) > pump > server ... answered > FLUSH > empty
 *
 * When a connection is lost all of them are opened anew, and whatever is in a bank is written
 * again: the server may have lost any of it.  Requests in flight never overlap: a server may
 * carry them out in any order.
 *
 * Several connections only where the server says that a FLUSH on one covers the others.
 */
#ifndef QIMPORT_TARGET_NBD_EXPORT_H
#define QIMPORT_TARGET_NBD_EXPORT_H

#include <libnbd.h>
#include <pthread.h>

#include "base/extent.h"
#include "target/nbd.h"

enum {
  BANK_ENTRIES = 2048,
  BANK_BYTES = 16 << 20,
  CONNECTIONS = 4,
  IN_FLIGHT = 16, /* on each */
  POLL_MS = 200
};

enum entry_state { ENTRY_PENDING, ENTRY_FLYING, ENTRY_DONE };

struct entry {
  uint64_t at, len;
  const uint8_t *data; /* in the bank's bytes; NULL: zeros */
  int64_t cookie;
  unsigned conn;
  enum entry_state state;
};

struct bank {
  struct entry entry[BANK_ENTRIES];
  unsigned n, next; /* those from NEXT on may be pending */
  unsigned undone;  /* not answered yet */
  uint8_t *bytes;
  size_t used;
};

/* What was written since the last flush. */
struct nbd_log {
  struct bank bank[2];
  unsigned active; /* is filled */
  bool flushing;   /* somebody flushes the other one */
  struct flight {
    unsigned bank, pos;
  } flying[CONNECTIONS * IN_FLIGHT];
  unsigned n_flying;
};

/* The way to the server. */
struct nbd_link {
  struct nbd_handle *h[CONNECTIONS];
  unsigned n_h; /* 0: not connected */
  unsigned flying_on[CONNECTIONS];
  unsigned asked;      /* commands in flight that are no entries */
  unsigned generation; /* changes with the connections */
  bool shares;         /* the server takes several connections */
  bool grown;          /* all that are to be had are there */
  bool broken;         /* they are to be opened anew */
  int64_t lost_at;     /* monotonic; 0: it is not */
  int64_t heard;       /* when the server last answered */
};

struct nbd_export {
  /* What never changes. */
  char *uri;
  bool tls, insecure;
  int64_t retry_time_ms;
  const atomic_bool *stop;
  pthread_t pump;
  bool pumps;
  int wake_fd; /* the pump looks */

  pthread_mutex_t lock; /* of everything below */
  pthread_cond_t changed;
  bool quit;
  struct nbd_link link;
  struct nbd_log log;
  struct nbd_facts facts;
  uint32_t piece;        /* the longest write */
  bool zeroes;           /* the server knows WRITE_ZEROES */
  int error;             /* errno that the pump waits over; the next call tries again */
  int failed;            /* errno of the failure that ended it */
  uint8_t first[SECTOR]; /* what stood at 0 with the last flush, or when it was opened */
  char why[EXPORT_WHY];
};

/* nbd_connect.c */
/* One try: 0, ENOTCONN, or ESTALE where the server answered and refuses. */
int nbd_connect_once (struct nbd_export *x);
/* More connections, as many as are to be had at once. */
void nbd_connect_more (struct nbd_export *x);
void nbd_disconnect (struct nbd_export *x);
bool nbd_is_lost (const struct nbd_export *x);
/* WHY becomes what libnbd says. */
void nbd_note_why (struct nbd_export *x);
/* The same; and its errno, ENOTCONN where the connection is lost. */
int nbd_error_now (struct nbd_export *x);
bool nbd_stopped (const struct nbd_export *x);
/* Tries until BUDGET_MS after SINCE. */
int nbd_connect_until (struct nbd_export *x, int64_t since, int64_t budget_ms);

/* nbd_pump.c */
int nbd_pump_start (struct nbd_export *x);
void nbd_pump_stop (struct nbd_export *x);
/* There is something to do for it. */
void nbd_pump_wake (struct nbd_export *x);
/* The server has answered nothing for so many ms. */
int64_t nbd_idle_ms (const struct nbd_export *x);

#endif
