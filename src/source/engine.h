/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * engine: what the files of this room share, and nobody else sees.
 *
 *   place   somewhere the image can be had: the URL, or a mirror of it.  Knows where requests
 *           go now (redirects are followed by hand, once, and pinned) and what the image is
 *           there.
 *   job     a range somebody wants, from the first request until its last byte is delivered.
 *           Lives over any number of requests.
 *   answer  one request of a job and what came of it.
 *
 * While a place is not settled (its redirects not known, or no longer right) only one job, its
 * scout, may ask it; the first answer that is accepted settles it.
 */
#ifndef QIMPORT_SOURCE_ENGINE_H
#define QIMPORT_SOURCE_ENGINE_H

#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "source/rate.h"
#include "source/refusal.h"
#include "source/response.h"
#include "source/retry.h"
#include "source/source.h"

enum {
  REDIRECTS_MAX = 5,
  META_MAX = 32,   /* metadata requests in flight */
  HTTP2_FAILS = 3, /* after so many it is not tried any more */
  POLL_MS = 100,   /* the longest that the stop flag goes unseen */
  OVERLAP = 4096,  /* compared again where the identity is weak */
  STREAM_BUFFER = 1 << 20,
  BODY_KEPT = 4096,
  SHOWN_MAX = 512
};

/* Where it is. */
struct place_url {
  char *original;                                 /* without userinfo */
  char *origin;                                   /* scheme://host:port of original */
  char *pinned, *pinned_origin;                   /* where requests go */
  char *user, *password;                          /* from the URL; may be NULL */
  char shown[SHOWN_MAX], shown_pinned[SHOWN_MAX]; /* J8 */
  bool own;  /* the credentials of the options are meant for its origin */
  bool home; /* its origin is that of the source's URL */
  bool ours; /* the origin is this machine or its link */
};

/* How requests came to go where they go. */
struct place_way {
  bool settled;
  struct job *scout;
  unsigned hops, generation;
  unsigned resolved; /* again, since the last accepted answer, */
  char *failed_at;   /* because this URL failed; NULL: it was not */
};

/* What is known of the image there. */
struct place_image {
  bool known;
  struct source_identity id; /* if known: what every answer is held against (J4) */
  bool no_if_range;
  bool no_tag;        /* its ETag is not looked at any more */
  unsigned tags;      /* so many, each other than the one before */
  char last_tag[256]; /* of those where nothing but the tag was another */
};

/* What fails. */
struct place_health {
  unsigned stuck; /* failures in a row without a byte, at the URL of now */
  int64_t stuck_ms;
  unsigned fails; /* since an answer was as it should be */
  unsigned wrong; /* answers in a row that failed their checks */
  int64_t wrong_ms;
  int64_t not_before_ms; /* it may be asked again */
  unsigned http2_fails;
  int64_t http2_failed_ms;
};

/* pace.c's: what came lately, and in what time. */
struct speed {
  double bytes, ms;
};

struct place_pace {
  struct speed speed[2]; /* of an answer: metadata, data */
  int64_t slow_until_ms;
  unsigned slow_times;
};

/* All that there were, for the log. */
struct place_total {
  uint64_t requests, bytes, failures;
};

/* share.c's */
struct place_share {
  bool http2;       /* it speaks it: small requests share a connection */
  unsigned borne;   /* answers since it refused */
  double window;    /* so many at a time; 0: as many as there are */
  double per_s;     /* so many a second; likewise */
  bool limited;     /* it refused, */
  char *refused_at; /* when requests went to this URL */
  bool limit_found; /* it refused at that rate */
  double served;    /* lately */
  int64_t next_ms, served_ms, refused_ms;
};

/* mirror.c's */
struct place_vet {
  struct job *job;      /* in flight: the piece after those that were compared */
  size_t proven;        /* so many were */
  struct digest digest; /* of what came of it, */
  uint64_t left;        /* but for so many bytes, */
  bool done;            /* or all of it */
};

struct place {
  struct place_url url;
  struct place_way way;
  struct place_image image;
  struct place_health health;
  struct place_pace pace;
  struct place_total total;
  struct place_share share;
  struct place_vet vet;
  unsigned running; /* answers */
  bool digest;      /* login.c's: it wants passwords so */
  bool vetted;      /* serves the bytes the import belongs to */
  bool dead;
  bool may_come_back; /* dead for now: of what passes */
};

/* What must read the same at a mirror. */
struct piece {
  struct host_range range;
  bool known;
  uint8_t digest[DIGEST_SIZE]; /* once it is */
};

enum job_kind { JOB_PROBE, JOB_DATA, JOB_META, JOB_STREAM, JOB_VET };
enum job_state { JOB_FREE, JOB_WAITING, JOB_RUNNING };

/* What was asked. */
struct answer_sent {
  unsigned generation; /* of the place then */
  struct request request;
  struct curl_slist *headers;
  bool http2;                /* was welcome */
  bool digest, proxy_digest; /* so passwords were given */
};

/* Of its body. */
struct answer_bytes {
  uint64_t skip;     /* at its beginning: they were delivered before */
  uint64_t received; /* accepted */
  uint64_t fresh;    /* of them: delivered, never seen before */
};

/* pace.c's */
struct answer_pace {
  int64_t started_ms;
  int64_t slow_since_ms, window_at_ms;
  uint64_t window_bytes;
  unsigned windows; /* in a row */
  double rate;      /* of the last one, bytes a millisecond */
};

/* What is said of a failure. */
struct answer_said {
  char words[CURL_ERROR_SIZE]; /* by libcurl */
  char *body;                  /* the first BODY_KEPT bytes of a refusal's, */
  size_t len;                  /* so many of them; and what it says */
  struct refusal refusal;
};

struct answer {
  struct place *place;
  struct answer_sent sent;
  struct answer_bytes bytes;
  bool headed; /* its headers are all there */
  bool judged, accepted, paused, overlong;
  bool proxied;
  bool barred;          /* its redirect leads where it must not (A5) */
  const char *mistyped; /* it failed as it does with a mistyped URL: what is to be checked; or
                         * NULL */
  struct judgement j;
  struct answer_pace pace;
  struct digest skipped; /* a stream read again: of its first bytes */
  struct answer_said said;
};

struct job {
  struct source *s;
  enum job_state state;
  enum job_kind kind;
  struct host_range range; /* len INT64_MAX: to the end, wherever that is */
  uint64_t done;
  source_sink sink;
  void *ctx;
  struct place *bound; /* ask only there; NULL: anywhere */
  struct place *avoid; /* was too slow for this one */
  unsigned tries, wrong;
  bool no_http2; /* it failed with it */
  int64_t due_ms;
  uint8_t *tail; /* the last bytes delivered, at most OVERLAP */
  size_t tail_len;
  CURL *easy;
  struct answer answer;
};

struct inflow {
  uint8_t *buf;
  size_t start, fill;
  struct job *job; /* NULL: not begun, or ended */
  bool begun, ended;
  uint64_t taken; /* by source_stream_read */
  size_t cap;
  bool broke;         /* reset by the other side */
  struct digest seen; /* of all that was put into buf */
};

/* What was read of a stream, for metadata (recall.c). */
struct recall {
  int fd; /* -1: nothing was yet */
  uint64_t have;
};

struct credentials {
  struct curl_slist *headers; /* "Name: value", Authorization: Bearer among them */
  char *user, *password;
};

enum source_kind { SOURCE_HTTP, SOURCE_FILE, SOURCE_PIPE };

struct login {
  struct credentials own;
  struct credentials proxy; /* no headers */
  bool proxy_digest;        /* login.c's: it wants passwords so */
  int64_t reread_ms;        /* when the credential files were read again; */
  bool reread;              /* no answer was accepted since */
};

/* doubt.c's: what is known of its ranges. */
struct ranges {
  bool none;          /* is asked for */
  bool work;          /* one beyond the first bytes came as it should */
  bool failed;        /* none ever will */
  unsigned rangeless; /* so many answers in a row were all of the image instead */
  uint64_t told;      /* how long it is, by answers that were too long; 0: by none */
};

struct net {
  CURLM *multi;
  struct curl_slist *resolve; /* what names mean, of the options */
  CURLSH *cookies;            /* of this run, each for the site that set it */
  atomic_bool woken;
};

struct jobs {
  struct job *job;
  size_t n, first;
  size_t busy_data;
};

struct places {
  struct place *place;
  size_t n, next;
  struct place *reference; /* the place that was probed */
};

/* mirror.c's */
struct proof {
  struct piece *piece;
  size_t n;
  bool whole, refused; /* source_prove_by was called; to no use */
};

struct waits {
  struct retry_budget budget, first;
  bool answered, recorded; /* by anyone; in an earlier run */
};

struct seen {
  uint64_t fetched, retries;
  int64_t round_trip_us; /* the shortest so far; 0: none yet */
  double rate;           /* source_first_rate */
};

/* A file, or a pipe. */
struct local {
  int fd;
  struct stat st;
  uint8_t *buf; /* file: what is read at a time */
  struct recall recall;
};

struct source {
  enum source_kind kind;
  struct source_options options; /* its strings are copies */
  struct login login;
  char shown[SHOWN_MAX];
  char fingerprint[DIGEST_HEX];
  struct source_identity id; /* as found by the probe */
  bool probed;
  struct ranges ranges;
  struct net net;
  struct jobs jobs;
  struct places places;
  struct proof proof;
  bool failed; /* in a callback; error says how */
  struct error error;
  struct waits waits;
  struct rate rate;
  struct seen seen;
  uint32_t random;
  struct inflow stream;
  struct local local;
};

/* credentials.c: fill what S knows from the files of the options */
int credentials_read (struct source *s, struct error *err);
int credentials_read_proxy (struct source *s, struct error *err);
/* The files may say something else now.  False: they cannot be read; what was known stays. */
bool credentials_read_again (struct source *s);
void credentials_release (struct credentials *c);

/* login.c: how passwords are given, and what becomes of a job to which they were no good */
/* libcurl's words for it (CURLAUTH_*). */
long login_scheme (const struct job *job);
long login_proxy_scheme (const struct job *job);
/* 401, 403, or of the proxy 407. */
int login_denied (struct job *job, struct error *err);
int login_proxy_denied (struct job *job, struct error *err);

/* endpoint.c */
int place_init (struct place *p, const char *url, struct error *err);
void place_release (struct place *p);
/* Requests go to URL from now on, which the place answered with a redirect. */
int place_redirect (struct place *p, const char *url, struct error *err);
/* The error of a redirect to URL that must not lead there (A5). */
int place_barred (const struct place *p, const char *url, struct error *err);
/* Back to the original URL, to be resolved again.  What is known of the image stays (J4). */
int place_unsettle (struct place *p, struct error *err);
/* The same, because what is there will not be right. */
int place_go_back (struct place *p, struct error *err);
/* May credentials be sent to where requests go now (A1)? */
bool place_at_origin (const struct place *p);
/* It was answered from ADDRESS, not by a proxy. */
void place_answered (struct place *p, const char *address);
/* The place for JOB's next request, or NULL: none that may be asked now. */
struct place *place_pick (struct source *s, const struct job *job, int64_t now);
/* One whose bytes are known to be the image's, the one that was probed first; or NULL. */
struct place *place_known (struct source *s);
/* Is there another place than P whose bytes are known to be the image's? */
bool place_vetted_other (const struct source *s, const struct place *p);
/* Is there another place than P that may serve JOB, now or later? */
bool place_other (const struct source *s, const struct job *job, const struct place *p);
/* And that soon. */
bool place_ready (const struct source *s, const struct job *job, const struct place *p,
                  int64_t now);
/* The path of a file: URL, percent-decoded; the caller's to free. */
int file_url_path (const char *url, char **path, struct error *err);
bool url_is_http (const char *url);

/* address.c: this machine, its link, or what only it can reach */
bool address_is_ours (const struct sockaddr *address);
bool address_text_is_ours (const char *address); /* without brackets */
bool host_is_ours (const char *host);            /* a name or a literal, as in a URL */

/* proxy.c: the proxy for requests to ORIGIN; "": none */
const char *proxy_for (const struct source_options *o, const char *origin);
/* S->resolve, from the options. */
int resolve_open (struct source *s, const char *const *list, struct error *err);

/* request.c: fill the job's request and headers in, and its easy handle but for callbacks */
CURL *request_handle (void);
int request_choose (struct job *job, struct error *err);
CURLcode request_set_up (struct job *job);
void request_release (struct answer *a);

/* transfer.c: one request on the wire */
int transfer_start (struct job *job, struct place *place, struct error *err);
void transfer_stop (struct job *job);
/* Judge the answer (J5), unless that is done. */
void transfer_judge (struct job *job);
/* Let go on what waits for the rate limit or for room in the stream. */
void transfer_unpause (struct job *job);

/* doubt.c: what becomes of an answer that failed its checks */
int doubt_wrong (struct job *job, struct error *err);
int doubt_changed (struct job *job, struct error *err);
/* More came than the answer had said; what was right of it was delivered already. */
int doubt_overlong (struct job *job, struct error *err);
/* All of the image came instead of a range.  False: that may pass. */
bool doubt_rangeless (struct job *job, struct error *err, int *result);
/* Until somebody knows that ranges are served at once, whichever they are, one is asked for at
 * a time; nobody does: a cache that fetches all of the image before it serves its end. */
bool doubt_scouts (const struct source *s);
bool doubt_is_late (const struct job *job, int64_t now);
int doubt_late (struct job *job, struct error *err);

/* outcome.c: what becomes of a job whose request ended */
/* Something that may pass: wait and ask again, or at once elsewhere. */
int outcome_passing (struct job *job, unsigned retry_after_s, const char *why,
                     struct error *err);
/* Where a redirect led does not serve: the original URL may lead elsewhere now (N9, C10), and
 * is asked: *RESULT says how that went.  But not for ever, nor back to the one that has just
 * failed: false. */
bool outcome_leads_elsewhere (struct job *job, struct error *err, int *result);
/* share.c: may JOB be asked of P now, or has P enough to do? */
bool share_has_room (const struct source *s, const struct place *p, const struct job *job,
                     int64_t now);
/* Requests to P go elsewhere now. */
void share_moved (struct place *p);
void share_asked (struct place *p, int64_t now);
void share_served (struct source *s, struct place *p, int64_t now);
/* The place of A refused for being asked too much. */
void share_refused (struct source *s, const struct answer *a, int64_t now);
/* Until a place may be asked again, at most POLL_MS. */
int64_t share_wait_ms (const struct source *s, int64_t now);
/* failure.c: no answer came that could be judged */
int failure_ended (struct job *job, CURLcode code, struct error *err);
/* Another place goes on, or ERR is the end.  Vetting a mirror is never the end. */
int place_failed (struct job *job, struct error *err);
/* For messages: which host offset comes next, and where it is asked for. */
uint64_t job_where (const struct job *job);
const char *job_shown (const struct job *job);
uint32_t source_random (struct source *s);
int outcome_ended (struct job *job, CURLcode code, struct error *err);
int outcome_stalled (struct job *job, struct error *err);
/* It goes on with another request. */
void outcome_outpaced (struct job *job);

/* pace.c */
enum pace { PACE_FINE, PACE_STALLED, PACE_OUTPACED };
/* To be called often for what is running. */
enum pace pace_watch (struct job *job, int64_t now);
void pace_ended (struct job *job);
bool place_is_slow (const struct place *p, int64_t now);

/* fetch.c: the jobs and the loop */
struct job *job_new (struct source *s, enum job_kind kind, struct host_range range,
                     source_sink sink, void *ctx);
void job_finish (struct job *job);
/* Ask again at DUE_MS. */
void job_again (struct job *job, int64_t due_ms);
/* One turn: start what is due, let the network go on, wait at most TIMEOUT_MS. 1: something
 * happened that a caller may wait for. */
int engine_turn (struct source *s, int timeout_ms, struct error *err);
int engine_stopped (const struct source *s, struct error *err);
void source_tell (struct source *s, const char *kind, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

/* read_forward.c */
bool stream_room (const struct source *s, size_t len);
/* The job goes on as the stream: the answer to the probe is the whole image. */
int stream_adopt (struct job *job, uint64_t total, struct error *err);
int stream_alloc (struct source *s, size_t head_max, struct error *err);
int stream_peek (struct source *s, uint8_t *head, size_t head_max, size_t *head_len,
                 struct error *err);

/* local_file.c: paths, and pipes of every kind */
int file_open (struct source *s, const char *path, struct error *err);
int refuse_length (const struct source *s, struct error *err);
int file_probe (struct source *s, const struct source_identity *recorded,
                bool accept_new_validator, struct error *err);
/* 1: nothing came for WAIT_MS; -1: wait for ever. */
int pipe_read (struct source *s, uint8_t *buf, size_t max, int wait_ms, size_t *got,
               struct error *err);
int file_read (struct source *s, uint64_t at, uint8_t *buf, size_t len, struct error *err);
int file_step (struct source *s, int timeout_ms, struct error *err);

/* recall.c: what lies there of a stream, by reading on where that must be */
int recall_read (struct source *s, const struct source_want *w, struct error *err);

/* mirror.c: are the mirrors what they are said to be? */
int mirror_vet (struct source *s, struct error *err);

#endif
