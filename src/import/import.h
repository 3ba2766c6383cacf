/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import: the order of things, and the only place that knows it:
 *
 *     probe > parse > map > seal > claim the target > copy > finish > complete
 *
 * An import is a row of phases (run.c); each is a function that does a bit of work and says
 * which comes next.  What a phase made is in the journal before the next one begins, so that a
 * resume enters at the same place.
 */
#ifndef QIMPORT_IMPORT_IMPORT_H
#define QIMPORT_IMPORT_IMPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "import/copy.h"
#include "import/map.h"
#include "import/options.h"
#include "journal/journal.h"
#include "qimport.h"
#include "source/source.h"
#include "target/target.h"

enum { HEAD_MAX = 16 << 10, LAYERS_MAX = OPTION_LIST_MAX + 1, EARLY_MAX = 32 };

/* An event from before the import was in the journal. */
struct early_event {
  char kind[16];
  char *detail;
};

struct qimport_journal {
  struct journal *journal;
  bool read_only;
};

enum job { JOB_START, JOB_RESUME, JOB_ENSURE, JOB_AUDIT };

struct qimport {
  enum job job;
  struct journal *journal;
  struct qimport_options *options;
  char *url, *target_path, *id;

  /* What the image is: sources and headers, top down. */
  unsigned n_layers;
  struct source *sources[LAYERS_MAX];
  char *urls[LAYERS_MAX]; /* with their secrets; never stored */
  char **local_sources;   /* of those and of mirrors, what is on this machine; then NULL */
  struct map_layer layers[LAYERS_MAX];
  struct layer_format formats[LAYERS_MAX];
  struct journal_layer *records; /* LAYERS_MAX of them */
  bool validator_changed;        /* --accept-new-validator had something to accept */
  bool stream;
  bool forced_stream; /* --stream: the source honours ranges, but is read forward */
  struct stream *stream_state;
  char stream_sha256[DIGEST_HEX]; /* of all that came, when it has ended */
  bool describes;                 /* only looks: has neither journal nor target */

  struct journal_import imp;
  bool in_journal; /* imp.no is valid, and held by us */
  struct early_event early[EARLY_MAX];
  unsigned n_early;
  bool fresh; /* begun by this run: what ends it before it copies leaves nothing behind */
  struct extent *extents; /* of the map that this run made; NULL: they are in the journal */
  size_t n_extents;
  struct target *target;
  struct copy *copy;
  struct audit *audit;

  int (*phase) (struct qimport *q, int timeout_ms, struct error *err);
  bool over;
  int result; /* when over */
  struct error failure;

  atomic_bool stop;
  atomic_bool give_up; /* for the sources: a stop, or a journal that cannot be believed */
  atomic_bool stop_check;
  int64_t deadline; /* monotonic; 0: none */

  /* The journal's check, beside the first fetch of a resume. */
  pthread_t checker;
  bool checker_runs;
  atomic_bool check_done, may_commit;
  pthread_cond_t check_over; /* with the lock below */
  int check_result;
  struct error check_error;

  pthread_mutex_t lock; /* of what follows: read by any thread */
  struct qimport_progress progress;
  char *warnings;

  int64_t rate_at;
  uint64_t rate_bytes;
};

/* A phase function's results beside -1. */
enum { PHASE_MORE = 1, PHASE_OVER = 0 };

/* probe.c: open and probe every layer, parse headers, refuse what must be refused before
 * anything is made.  RECORDED: compare with what the journal has. */
int import_open_image (struct qimport *q, bool recorded, struct error *err);
/* Parse the headers after all, where a resume only glanced at them. */
int import_parse_image (struct qimport *q, struct error *err);
void import_close_image (struct qimport *q);
/* An error about the image of layer K gets its URL, where it has none yet.  Returns -1. */
int import_name_layer (const struct qimport *q, unsigned k, struct error *err);
/* Into the journal with the events from before the import was there; they are forgotten. */
int import_tell_early (struct qimport *q, struct error *err);
/* For the log: what came of each mirror. */
void import_tell_mirrors (struct qimport *q);
void import_record_format (struct qimport *q);
void import_source_options (const struct qimport_options *o, struct source_options *so);
/* A plain path is remembered as an absolute one; the caller frees. */
int import_absolute_url (const char *url, char **out, struct error *err);

/* chain.c: do the layers belong on each other? */

/* Whether layer K, of whose first bytes LEN are in HEAD, is raw: the layer above says it. */
int import_layer_is_raw (struct qimport *q, unsigned k, const uint8_t *head, size_t len,
                         bool *raw, struct error *err);
/* Every backing file the chain needs was given, in this order, and no more. */
int import_check_chain (struct qimport *q, struct error *err);

/* sample.c: is it still the same image, where validators cannot tell? */
int import_check_identity (struct qimport *q, bool validator_changed, struct error *err);
/* run.c: read all tables again; they must make the sealed map. */
int import_map_again (struct qimport *q, struct error *err);

/* checksums.c: --checksums becomes --sha256. */
int import_checksums (struct qimport *q, struct error *err);

/* audit.c: --verify, before the import is called complete. */
int import_verify (struct qimport *q, int timeout_ms, struct error *err); /* 1: more */
/* End its threads; what was found stays until import_close_audit. */
void import_stop_audit (struct qimport *q);
void import_close_audit (struct qimport *q);

/* phases, in their order; each sets q->phase */
int phase_ensure (struct qimport *q, int timeout_ms, struct error *err);
int phase_start (struct qimport *q, int timeout_ms, struct error *err);
int phase_resume (struct qimport *q, int timeout_ms, struct error *err);
int phase_map (struct qimport *q, int timeout_ms, struct error *err);
int phase_target (struct qimport *q, int timeout_ms, struct error *err);
int phase_copy (struct qimport *q, int timeout_ms, struct error *err);
int phase_finish (struct qimport *q, int timeout_ms, struct error *err);
int phase_stream (struct qimport *q, int timeout_ms, struct error *err);
int phase_audit (struct qimport *q, int timeout_ms, struct error *err);

/* The sources as the journal has them, where the user gives none anew. */
int import_recall_sources (struct qimport *q, struct error *err);

/* What was committed of a device's first MiB, but is written last. */
int import_restore_held (struct qimport *q, struct error *err);

/* Parts of phases that a stream has in another order: the record in the journal; target and
 * copy. */
int import_begin (struct qimport *q, struct error *err);
int import_open_copy (struct qimport *q, struct error *err);
/* A --restart met an image that does not fit the target: -1. */
int import_other_disk (const struct qimport *q, uint64_t now, uint64_t before,
                       struct error *err);
/* The identity of q->target goes into the journal. */
int import_record_target (struct qimport *q, struct error *err);
void import_close_stream (struct qimport *q);

/* spot.c: some of what is committed is read from the target again, at a resume. */
int import_check_target (struct qimport *q, struct error *err);

/* The journal's check has ended, and not well: -1. */
int import_check_failed (struct qimport *q, struct error *err);

/* A row that was altered makes a sound image look damaged, source or target changed, the memory
 * too little, or qimport broken: before they are blamed, the journal's check, where one runs,
 * has its say (SQ3). */
void import_prefer_check (struct qimport *q, struct error *err);

/* Leave the import as it should be found after ERR: commit, release, or forget. */
void import_leave (struct qimport *q, const struct error *why);

/* queries.c: the import that a user means by ID: UUID, prefix, or target however it is spelt.
 */
int import_find (struct journal *j, const char *id, struct journal_import *out,
                 struct error *err);

/* progress.c */
void import_note (struct qimport *q, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
void import_warn (struct qimport *q, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
void import_update_progress (struct qimport *q);

/* ERR of the rooms as the public header has it. */
int publish_error (struct qimport_error *out, const struct error *err);

void import_target_spec (const struct qimport *q, struct target_spec *spec);
#endif
