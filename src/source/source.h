/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * source: the image's bytes, wherever they are.  The only room that knows libcurl, sockets and
 * stdin.  It hands out bytes of which it is certain that they are those asked for, of the
 * one image the import belongs to (J4, J5): what fails a check never reaches a sink.  What the
 * bytes mean is not known here.
 *
 * http, https, file and plain paths; "-" for a pipe on standard input, "fd:N" for what is open
 * there, a file or what comes once.  One struct source for
 * one image (a mirror list is one source); used by one thread, but for source_wake.
 *
 * Passing failures are retried inside, with backoff and jitter, until the budget of time
 * without a new byte is spent (ERR_RETRY_BUDGET).  Permanent ones are ERR_SOURCE_*.
 * ERR_INTERRUPTED as soon as options->stop is set.
 */
#ifndef QIMPORT_SOURCE_SOURCE_H
#define QIMPORT_SOURCE_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/extent.h"
#include "base/own.h"

/* What source tells about itself while it works: kind is one of the journal's event kinds
 * ("retry", "redirected", "source_changed", "mirror"); detail one escaped line without secrets
 * (J8). */
typedef void (*source_event) (void *ctx, const char *kind, const char *detail);

/* With what a user is known, and whose these are. */
struct source_login {
  const char *header_file, *netrc_file, *user_file, *bearer_file, *proxy_user_file;
  bool netrc;                     /* ~/.netrc */
  bool digest_auth, proxy_digest; /* passwords are never given in another way */
  const char *aws_sigv4;
  /* They are sent to the origin of this URL and to no other (a netrc names its hosts itself);
   * NULL: of the source's own.  Not kept. */
  const char *credentials_url;
};

/* Who is trusted, and as whom we are. */
struct source_tls {
  const char *cacert, *cert, *key, *pinnedpubkey;
  bool insecure;
};

/* What names mean. */
struct source_address {
  bool ipv4, ipv6;            /* they have no other addresses */
  const char *const *resolve; /* HOST:PORT:ADDRESS; NULL-terminated; may be NULL; not kept */
};

struct source_options {
  unsigned connections;  /* data ranges in flight */
  uint64_t limit_rate;   /* bytes a second over all; 0: none */
  unsigned retry_time_s; /* 0: no retry */
  unsigned first_time_s; /* the same before the first answer, for what a mistyped URL or proxy
                          * looks like; 0: no other than retry_time_s */
  unsigned stall_time_s;
  unsigned connect_timeout_s;
  struct source_login login;
  struct source_tls tls;
  struct source_address address;
  const char *proxy;
  bool may_turn;              /* where ranges prove to be no good the caller reads forward
                               * instead, and wants to know soon: source_ranges_failed */
  bool forward;               /* no ranges are asked for: a stream in any case */
  bool recall;                /* of a stream source_read reads too, what comes first once */
  uint64_t length;            /* of a pipe: so many bytes are the image's; 0: up to its end */
  const char *const *mirrors; /* NULL-terminated; may be NULL */
  const atomic_bool *stop;
  int64_t deadline_ms; /* monotonic; ERR_MAX_TIME from then on; 0: none */
  source_event event;  /* may be NULL; called on the thread that uses the source */
  void *event_ctx;
};

/* How well one answer can be told to be of the same image as another (design: identity). */
enum source_trust {
  SOURCE_TRUST_STRONG, /* strong ETag, or a strong date; for a file: inode, size, mtime */
  SOURCE_TRUST_WEAK,   /* weak ETag or date: compared, proves nothing */
  SOURCE_TRUST_LENGTH  /* no validator at all */
};

struct source_identity {
  uint64_t length; /* UINT64_MAX: not known (a pipe) */
  char etag[256];  /* as sent, with W/ and quotes; "" if none; a file: its inode, device-free */
  char last_modified[64]; /* as sent; "" if none */
  enum source_trust trust;
  bool ranges; /* ranged requests are honoured */
  bool proven; /* found: its validators prove that it is the image that was recorded */
};

struct source;

/* URL may hold secrets; they stay inside.  Reads the credential files. No request yet. */
int source_open (struct source **out, const char *url, const struct source_options *options,
                 struct error *err);
void source_close (struct source *s);
/* The path by which what URL names on this machine can be looked at, the caller's to free: of a
 * file: URL, a plain path, or standard input; NULL where it is elsewhere. */
int source_local_path (const char *url, char **path, struct error *err);
OWNABLE (source)

/* The first request: a ranged GET of [0, IMAGE_HEAD_MAX), which settles final URL, length,
 * validators and whether ranges are honoured.  RECORDED (may be NULL) is the identity of an
 * earlier run: a difference is ERR_SOURCE_CHANGED, unless ACCEPT_NEW_VALIDATOR and the length
 * is the same.  HEAD gets the first bytes, *HEAD_LEN how many (all of them, or the whole file).
 * When !found->ranges the source is left as a stream that source_stream_read reads from byte 0
 * (HEAD's bytes are in it again). */
int source_probe (struct source *s, const struct source_identity *recorded,
                  bool accept_new_validator, struct source_identity *found, uint8_t *head,
                  size_t head_max, size_t *head_len, struct error *err);

/* What may be shown and stored: URL without secrets; the final one after redirects. */
const char *source_url (const struct source *s);
const char *source_final_url (const struct source *s);
/* SHA-256 fingerprint of the server's certificate, hex; "" if there is none. */
const char *source_tls_fingerprint (const struct source *s);
/* Body bytes received so far over the wire, those that were thrown away included. */
uint64_t source_fetched (const struct source *s);
/* The shortest time from a request to the first byte of its answer so far; 0 for files. */
int64_t source_round_trip_ms (const struct source *s);
/* Bytes a millisecond of the first answer's body; 0 where it came too fast to tell. */
double source_first_rate (const struct source *s);
/* It failed because its ranges are no good; read forward it may do. */
bool source_ranges_failed (const struct source *s);
/* Retries so far. */
uint64_t source_retries (const struct source *s);

/* A mirror that does not show the same strong ETag is used once all of RANGES (the image's
 * tables, and some of its data) read the same there; before this call, or with N 0, it is not.
 * RANGES are put in order.  Compared beside the other work. */
int source_prove_by (struct source *s, struct host_range *ranges, size_t n, struct error *err);

/* Where there are mirrors, tell of each what came of it: an event of kind "mirror" with its
 * requests, bytes and failures so far. */
void source_tell_mirrors (struct source *s);

/* One range to read into memory. */
struct source_want {
  struct host_range range;
  uint8_t *buf; /* range.len bytes */
};

/* Is it a stream of which source_read reads? */
bool source_recalls (const struct source *s);
/* With options->recall, of a stream, no byte more is read than is asked for here; what went by
 * is kept in a file without a name meanwhile.  ERR_IMAGE_TRUNCATED where it ends before.
 *
 * Read all of WANTS (ascending or not), waiting: metadata.  Up to 32 requests in flight, near
 * ranges coalesced into one request (gap at most 64 KiB). */
int source_read (struct source *s, const struct source_want *wants, size_t n,
                 struct error *err);

/* Gets the bytes of a range in order, each exactly once, checked; on the thread that calls
 * source_step.  Returns -1 with err to end everything. */
typedef int (*source_sink) (void *ctx, host_off at, const uint8_t *data, size_t len,
                            struct error *err);

/* Ask for RANGE.  Bytes go to SINK until all are there; a request that breaks off is continued
 * from the next byte, without the sink's noticing.  The number in flight is the caller's to
 * limit by options->connections (source_idle tells). */
int source_get (struct source *s, struct host_range range, source_sink sink, void *ctx,
                struct error *err);

/* The range that was asked for with CTX ends after LEN bytes, or where it has come to if that
 * is more; the sink gets nothing beyond.  Its connection is given up. */
void source_shorten (struct source *s, const void *ctx, uint64_t len);

/* How many more ranges may be asked for now. */
unsigned source_idle (const struct source *s);
/* How many ranges are in flight. */
unsigned source_busy (const struct source *s);

/* Let the network go on for TIMEOUT_MS at the most; returns early when something happened
 * or at source_wake.  0, or -1. */
int source_step (struct source *s, int timeout_ms, struct error *err);

/* Make source_step return; from any thread. */
void source_wake (struct source *s);

/* Drop every request in flight. */
void source_cancel (struct source *s);

/* A source without ranges: the next bytes in order, at most MAX.  *GOT 0 at its end, which is
 * checked against the length where one is known (ERR_SOURCE_ENDED).  A plain http server's body
 * that breaks off is asked for again from the start and skipped up to where it was. */
int source_stream_read (struct source *s, void *buf, size_t max, size_t *got,
                        struct error *err);
/* The same, but 1 when nothing came for WAIT_MS. */
int source_stream_wait (struct source *s, void *buf, size_t max, int wait_ms, size_t *got,
                        struct error *err);
/* Of a pipe that came to its end: its other side broke off, instead of ending it. */
bool source_stream_broke (const struct source *s);
/* The same without waiting: *GOT 0 where nothing is there now, or it has ended. */
int source_stream_poll (struct source *s, void *buf, size_t max, size_t *got,
                        struct error *err);
/* Where ranges are honoured, and before the first source_stream_read: it begins at byte AT. */
int source_stream_seek (struct source *s, uint64_t at, struct error *err);

#endif
