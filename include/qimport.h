/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libqimport: import qcow2 disk images over networks that break, and prove afterwards what was
 * put on which disk.  This is the only installed header, and its comments are the manual;
 * libqimport(3) says the same with examples.
 *
 * An import is opened, stepped and closed:
 *
 *     struct qimport_error err;
 *     struct qimport_journal *j = NULL;
 *     struct qimport *q = NULL;
 *     int more;
 *
 *     if (qimport_journal_open (&j, NULL, 0, &err) == -1 ||
 *         qimport_start (&q, j, "https://example.org/disk.qcow2", "disk.img", NULL, &err) == -1)
 *       complain (err.message);
 *     while ((more = qimport_step (q, 100, &err)) == 1)
 *       ;                                   // show qimport_progress_get here
 *     // 0: the disk is whole, durable and in its place; -1: err.status and err.message say why
 *     qimport_close (q);
 *     qimport_journal_close (j);
 *
 * Killed at any instant, qimport_resume goes on and loses at most one commit interval.
 *
 * The library never prints, never exits, installs no signal handler and keeps no global state.
 * Several imports may run in several threads of one process; one struct qimport belongs to one
 * thread at a time, but for qimport_cancel, qimport_progress_get and qimport_progress_work, which
 * any thread may call until qimport_close begins.  One struct qimport_journal may be shared by
 * all threads, and one journal file by any number of processes.  After fork, a child uses nothing
 * that the parent opened.
 *
 * Sizes and offsets are bytes, times milliseconds since 1970 UTC unless the name says otherwise;
 * times within JSON are RFC 3339, UTC.  Functions return 0, or -1 with *err filled; err may be
 * NULL where nobody asks why.  What is handed out through a pointer to a pointer is set only on
 * success (a char ** is NULL after a failure).  Strings in structs are owned by the struct they
 * stand in; strings handed out through char ** are the caller's, for qimport_free.
 */
#ifndef QIMPORT_H
#define QIMPORT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

/* Exit statuses of qimport(1), and what qimport_error.status holds. */
enum qimport_status {
  QIMPORT_DONE = 0,
  QIMPORT_INTERNAL = 1,
  QIMPORT_USAGE = 2,
  QIMPORT_INTERRUPTED = 3, /* resume will go on */
  QIMPORT_SOURCE = 4,      /* the source is refused */
  QIMPORT_IMAGE = 5,       /* the image is refused */
  QIMPORT_TARGET = 6,      /* the target is refused, or failed */
  QIMPORT_JOURNAL = 7,     /* the journal is refused, no such import, or held by another */
  QIMPORT_DIFFERS = 8      /* audit found differences */
};

/* CODE is a word for programs that keeps its meaning, MESSAGE one line for people, printable. */
struct qimport_error {
  enum qimport_status status;
  char code[32];      /* "source-changed": troubleshooting.md */
  char message[1024]; /* what, where, why, what next; UTF-8 */
};

/* The version of the library, "1.2.3"; static. */
const char *qimport_version (void);

/* What this build unpacks, and what else may be in or out, words with blanks between: "xz
 * (threads) gzip zstd bzip2"; static. */
const char *qimport_built_in (void);

/* Frees a string the library handed out.  NULL is fine. */
void qimport_free (void *p);

/* ---- Options ----------------------------------------------------------------------------
 *
 * Options have the names and the values of qimport(1)'s long options, without the dashes:
 * "connections" "8".  The list exists once, in the library; programs may read it. */

struct qimport_options;

struct qimport_option_info {
  const char *name;     /* "memory" */
  const char *argument; /* "BYTES", or NULL for a switch */
  const char *help;     /* one line */
  const char *fallback; /* the default as text, or NULL */
  unsigned commands;    /* QIMPORT_FOR_*: the commands that take it */
  int repeats;          /* may be given several times */
};

enum {
  QIMPORT_FOR_START = 1,
  QIMPORT_FOR_RESUME = 2,
  QIMPORT_FOR_ENSURE = 4,
  QIMPORT_FOR_AUDIT = 8,
  QIMPORT_FOR_INFO = 16, /* and map of a URL */
};

/* The I-th option, or NULL behind the last.  Static. */
const struct qimport_option_info *qimport_option_info (size_t i);

/* An empty set; NULL when memory is out. */
struct qimport_options *qimport_options_new (void);
/* VALUE NULL for a switch; it is copied.  A second value replaces the first, but for options
 * that repeat.  QIMPORT_USAGE for an unknown name or a bad value; *O is as it was then. */
int qimport_options_set (struct qimport_options *o, const char *name, const char *value,
                         struct qimport_error *err);
/* NULL is fine. */
void qimport_options_free (struct qimport_options *o);

/* ---- The journal ------------------------------------------------------------------------ */

struct qimport_journal;

enum { QIMPORT_READ_ONLY = 1 };

/* PATH NULL: $QIMPORT_JOURNAL, else for root /var/lib/qimport/journal.db, else in a unit of systemd
 * that has one $STATE_DIRECTORY/journal.db, else $XDG_STATE_HOME/qimport/journal.db (default
 * ~/.local/state).  Made if it is not there, but
 * not with QIMPORT_READ_ONLY, which never writes and never makes an import wait.  Fails with
 * QIMPORT_JOURNAL; its code is "no-journal" where there is none to read. */
int qimport_journal_open (struct qimport_journal **out, const char *path, unsigned flags,
                          struct qimport_error *err);
/* After every import that was begun with it was closed.  NULL is fine. */
void qimport_journal_close (struct qimport_journal *j);
/* Which file it is; J's. */
const char *qimport_journal_path (const struct qimport_journal *j);

/* What status shows of an import.  Its state is probing, mapped (what is to be done is known),
 * copying, interrupted (resume goes on), failed (something was refused; resume goes on when
 * that was mended) or complete. */
struct qimport_info {
  char id[37];                 /* UUID */
  char state[16];              /* "copying" or another, as above */
  char url[4096];              /* without secrets */
  char target[4096];           /* path */
  char target_kind[8];         /* "file", "block", "nbd", or "" */
  uint64_t virtual_size;       /* of the disk; of a kept image, of its file */
  uint64_t cluster_size;       /* of the image */
  uint64_t guest_total;        /* bytes to be made of the disk */
  uint64_t guest_committed;    /* of them durable, and recorded */
  uint64_t image_total;        /* bytes to be fetched */
  uint64_t fetched;            /* body bytes, over all attempts */
  uint64_t segments_total;     /* pieces of the work */
  uint64_t segments_committed; /* of them done */
  uint64_t attempts;           /* how often it was begun or resumed */
  char error_code[32];         /* what ended the last attempt, or "" */
  char error_message[1024];    /* in words */
  int64_t started_at;          /* ms since 1970 */
  int64_t updated_at;          /* when it last got on */
  int64_t finished_at;         /* 0: not yet */
  char holder[128];            /* who works on it now, in words, or "" */
  uint64_t data_total;         /* of guest_total what is fetched and decoded, not zeros */
  uint64_t data_committed;     /* of it durable, and recorded: how far the import is */
};

/* Every import, oldest first, or with ID (UUID, prefix of 4 or more characters, or target) that
 * one.  EACH is called on this thread; *INFO is its own only until it returns.  It returns 0 to
 * go on; anything else ends the list with -1 and QIMPORT_INTERRUPTED. */
int qimport_list (struct qimport_journal *j, const char *id,
                  int (*each) (void *ctx, const struct qimport_info *info), void *ctx,
                  struct qimport_error *err);

/* Documents of qimport(1): JSON, newline at the end; report is a page of HTML.  ID NULL: all of
 * them, for status one object {"imports":[...]}, for receipt an object a line. */
int qimport_status_json (struct qimport_journal *j, const char *id, char **json,
                         struct qimport_error *err);
int qimport_log_json (struct qimport_journal *j, const char *id, char **json,
                      struct qimport_error *err);
int qimport_receipt (struct qimport_journal *j, const char *id, char **json,
                     struct qimport_error *err);
int qimport_report (struct qimport_journal *j, const char *id, char **html,
                    struct qimport_error *err);

struct qimport_event {
  int64_t at;        /* ms since 1970 */
  char kind[32];     /* "started", ...: qimport-journal(5) */
  char detail[1024]; /* for people */
};
/* What happened, oldest first.  EACH as in qimport_list. */
int qimport_log (struct qimport_journal *j, const char *id,
                 int (*each) (void *ctx, const struct qimport_event *event), void *ctx,
                 struct qimport_error *err);

/* Remove from the journal; the target stays, and so does the part file of an unfinished one.
 * One that is being worked on is refused (QIMPORT_JOURNAL, "import-held"). */
int qimport_forget (struct qimport_journal *j, const char *id, struct qimport_error *err);

/* ---- Imports ---------------------------------------------------------------------------- */

struct qimport;

/* Begin.  Checks words and options only: the network, the journal and the target are first
 * touched by qimport_step, which is where their errors come from.  URL, TARGET and OPTIONS are
 * copied; OPTIONS may be NULL.  J, not read-only, must outlive *OUT. */
int qimport_start (struct qimport **out, struct qimport_journal *j, const char *url,
                   const char *target, const struct qimport_options *options,
                   struct qimport_error *err);
/* The same image onto several targets, NULL behind the last, QIMPORT_TARGETS_MAX at most: it is
 * fetched once and written to all of them.  Each is an import of its own, which can be resumed,
 * audited and forgotten like any other; one that fails does not stop the others, a slow one makes
 * them wait.  qimport_step does the work of all of them.  It returns 0 when all are complete; -1
 * when all are over and some of them are not complete, with the error of the first of these.
 * An image that comes once (a pipe, a wrapped file, a server without ranges) is QIMPORT_USAGE. */
enum { QIMPORT_TARGETS_MAX = 8 };
int qimport_start_several (struct qimport **out, struct qimport_journal *j, const char *url,
                           const char *const *targets, const struct qimport_options *options,
                           struct qimport_error *err);
/* The import of the I-th target, Q's until it is closed, or NULL behind the last; of any other
 * import the 0th is Q itself.  What came of it: qimport_step does none of its work, and tells: 1
 * as long as it is not over.  qimport_progress_get has its id. */
struct qimport *qimport_target (struct qimport *q, unsigned i);
/* Go on with an interrupted import; options given at start hold unless given anew.  One that says
 * what the import is (snapshot, backing, unallocated, digest, target-is-zero), and another value,
 * is QIMPORT_USAGE; so is a complete import. */
int qimport_resume (struct qimport **out, struct qimport_journal *j, const char *id,
                    const struct qimport_options *options, struct qimport_error *err);
/* Start it, resume it, or (complete and the target still there) do nothing: then the first
 * qimport_step returns 0.  Another URL, or another value of an option that says what the import
 * is, is QIMPORT_TARGET; where only the query differs, the server is asked. */
int qimport_ensure (struct qimport **out, struct qimport_journal *j, const char *url,
                    const char *target, const struct qimport_options *options,
                    struct qimport_error *err);
/* Compare the target with the journal; option "repair" fetches again what differs.  The last
 * step is -1 with QIMPORT_DIFFERS when it differs (and was not repaired). */
int qimport_audit (struct qimport **out, struct qimport_journal *j, const char *id,
                   const struct qimport_options *options, struct qimport_error *err);

/* Do some work, for about TIMEOUT_MS (a step that opens, syncs or ends an import may take
 * longer).  1: more is to be done.  0: done, all of it durable (and 0 again at every later call).
 * -1: over (the same error again at every later call); the import was left so that resume goes
 * on from what is committed, if err->status is QIMPORT_INTERRUPTED, or after its cause was mended. */
int qimport_step (struct qimport *q, int timeout_ms, struct qimport_error *err);

/* Ask it to stop: the running step commits what is written and returns -1 with
 * QIMPORT_INTERRUPTED, within two seconds.  From any thread, or a signal handler. */
void qimport_cancel (struct qimport *q);

struct qimport_progress {
  char id[37];              /* "" until the import is in the journal */
  char state[16];           /* as in qimport_info */
  uint64_t guest_total;     /* bytes to be made of the disk */
  uint64_t guest_committed; /* of them durable, and recorded */
  uint64_t guest_written;   /* of them written, some not yet durable */
  uint64_t image_total;     /* bytes to be fetched */
  uint64_t fetched;         /* body bytes, over all attempts */
  uint64_t fetched_now;     /* in this attempt */
  uint64_t retries;         /* in this attempt */
  double rate;              /* bytes a second, of the last seconds */
  double eta_seconds;       /* until all is fetched; -1: not known */
  char note[160];           /* what it waits for, or "" */
};
/* How far it is, at the end of the last step; the note also within one.  Never blocks for long;
 * from any thread: so one that draws goes on while a step waits. */
void qimport_progress_get (struct qimport *q, struct qimport_progress *out);

/* What has to be fetched and decoded for the disk: how far an import is.  What reads as zeros is
 * made for nothing; of a disk of nothing else it is the work. */
struct qimport_work {
  uint64_t total; /* bytes of the disk */
  uint64_t done;  /* of them durable, and recorded; of an audit: compared */
};
/* As of the end of the last step; from any thread. */
void qimport_progress_work (struct qimport *q, struct qimport_work *out);

/* The object of --progress json for this instant, one line without newline.  On Q's thread; it
 * reads the journal. */
int qimport_progress_json (struct qimport *q, char **json, struct qimport_error *err);

/* What audit found: JSON as of qimport audit --json.  After the last step (QIMPORT_USAGE
 * before), also when that was -1 with QIMPORT_DIFFERS. */
int qimport_audit_json (struct qimport *q, char **json, struct qimport_error *err);

/* Warnings meant for a person since the last call (one line each), or NULL; for
 * qimport_free. */
char *qimport_take_warning (struct qimport *q);

/* Stops (as a kill would, but tidily) what still runs, and frees; an import that was not over
 * is "interrupted" then.  NULL is fine. */
void qimport_close (struct qimport *q);

/* step until done, calling PROGRESS (may be NULL) about every INTERVAL_MS on this thread; when
 * it returns nonzero the import is cancelled.  Returns 0 or -1, as the last step did. */
int qimport_run (struct qimport *q, int (*progress) (void *ctx, const struct qimport_progress *p),
                 void *ctx, int interval_ms, struct qimport_error *err);

/* ---- Images ----------------------------------------------------------------------------- */

/* What the image at URL is, from its metadata alone.  JSON: the keys of `qemu-img info
 * --output=json` where they apply, and "importable", "bytes-to-fetch", "requests".  This and
 * the map of a URL wait for the network as long as the options allow, and need no journal. */
int qimport_info_json (const char *url, const struct qimport_options *options, char **json,
                       struct qimport_error *err);

/* What must be known before its data come: JSON with virtual_size, cluster_bits, and
 * data_clusters, [first, last] for each run of the disk's clusters that are stored in the image
 * itself, backing files left out. */
int qimport_headers_json (const char *url, const struct qimport_options *options, char **json,
                          struct qimport_error *err);

/* Bytes of the disk that are alike, in the words of `qemu-img map`. */
enum qimport_extent_flag {
  QIMPORT_PRESENT = 1,    /* a layer says what they are; no flag at all: the backing file that
                           * was not given does (--allow-partial) */
  QIMPORT_ZERO = 2,       /* they read as zeros, and no data is stored */
  QIMPORT_DATA = 4,       /* data is stored */
  QIMPORT_COMPRESSED = 8, /* and compressed */
  QIMPORT_OFFSET = 16     /* as it is, at OFFSET */
};
struct qimport_extent {
  uint64_t start, length; /* of the disk */
  uint64_t offset;        /* in the file of the layer */
  unsigned depth;         /* of the layer: 0 is the image, 1 its backing file, ... */
  unsigned flags;         /* enum qimport_extent_flag */
};
/* The whole disk in order; of a URL, from metadata alone, or of an import, from the journal.
 * EACH as in qimport_list.  What fails may do so after the first calls. */
int qimport_map (const char *url, const struct qimport_options *options,
                 int (*each) (void *ctx, const struct qimport_extent *extent), void *ctx,
                 struct qimport_error *err);
int qimport_map_import (struct qimport_journal *j, const char *id,
                        int (*each) (void *ctx, const struct qimport_extent *extent), void *ctx,
                        struct qimport_error *err);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
