/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * import: the order of things, and the only place that knows it:
 *
 *     probe > parse > map > seal > claim the target > copy > finish > complete
 *
 * An import is a row of phases (phase.h); each is a function that does a bit of work and says
 * which comes next.  What a phase made is in the journal before the next one begins, so that a
 * resume enters at the same place.
 */
#ifndef QIMPORT_IMPORT_IMPORT_H
#define QIMPORT_IMPORT_IMPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "copy/copy.h"
#include "forward/forward.h"
#include "image/image.h"
#include "import/options.h"
#include "import/phase.h"
#include "import/timeline.h"
#include "journal/journal.h"
#include "qimport.h"
#include "source/source.h"
#include "target/target.h"
#include "verify/checker.h"
#include "verify/verify.h"

enum { EARLY_MAX = 32 };

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

/* What the user named. */
struct given {
  char *url, *target_path, *id;
  char **local_sources; /* paths of what of it, and of its mirrors, is here; then NULL */
};

/* Why the image may be another one than the journal has. */
struct doubt {
  bool ask_source; /* the URL may be another one: only its bytes tell (import_same_url) */
  unsigned proofs; /* of this run (prove.c) */
};

/* How the import stands to what was there before. */
struct standing {
  bool in_journal; /* imp.no is valid, and held by us */
  bool fresh;      /* begun by this run: what ends it before it copies leaves nothing behind */
  bool renews;     /* over an older image that this program imported: what is the same stays */
  bool describes;  /* only looks: has neither journal nor target */
  bool began;      /* its target was made by this run, too: it can be taken back (--once) */
  char replaces[37]; /* an import of the same target that nobody can resume; "" */
};

/* Events from before the import was in the journal. */
struct early {
  struct early_event event[EARLY_MAX];
  unsigned n;
};

/* The map that this run made; without extents it is in the journal. */
struct made_map {
  struct extent *extents;
  size_t n;
};

struct machine {
  enum phase phase;
  bool over;
  int result; /* when over */
  struct error failure;
  struct timeline timeline;
};

/* Whoever waits looks at these. */
struct stops {
  atomic_bool asked;   /* by the user */
  atomic_bool give_up; /* for the sources: a stop, or a journal that cannot be believed */
  atomic_bool check;   /* for checks and audits */
  int64_t deadline;    /* monotonic; 0: none */
};

/* Read by any thread, under its lock. */
struct shown {
  pthread_mutex_t lock;
  struct qimport_progress progress;
  struct qimport_work work;
  char *warnings;
  int64_t rate_at;
  uint64_t rate_bytes;
};

struct qimport {
  enum job job;
  struct journal *journal;
  struct qimport_options *options;
  struct given given;
  struct image image;
  struct doubt doubt;
  struct forward forward; /* where the image is read forward */
  struct journal_import imp;
  struct standing standing;
  struct early early;
  struct made_map map;
  struct target *target;
  struct copy *copy;
  struct audit *audit;
  struct machine machine;
  struct stops stops;
  struct checker checker; /* of the journal, beside the first fetch of a resume */
  struct shown shown;
  struct several
      *several; /* of one that writes several targets, and of each of them; or NULL */
};

/* machine.c: do a bit of work.  1: more; 0: done; -1, the same for ever. */
int import_step (struct qimport *q, int timeout_ms, struct error *err);
/* It is over for WHY, and left so. */
void import_end (struct qimport *q, const struct error *why);

/* sources.c: open the image, refuse what must be refused before anything is made.  RECORDED:
 * compare with what the journal has. */
void import_image_spec (struct qimport *q, bool recorded, struct image_spec *spec);
int import_open_image (struct qimport *q, bool recorded, struct error *err);
/* What of layers and mirrors lies on this machine must not be what is written. */
int import_refuse_sources (struct qimport *q, struct error *err);
/* Parse the headers after all, where a resume only glanced at them. */
int import_parse_image (struct qimport *q, struct error *err);
void import_close_image (struct qimport *q);
void import_record_format (struct qimport *q);
void import_source_options (const struct qimport *q, struct source_options *so);

/* fix_gpt.c: all is written and q->target about to be finished: --fix-gpt, where it was given.
 */
int import_fix_gpt (struct qimport *q, struct error *err);
/* What was changed so of q->target, which was opened again. */
int import_recall_amends (struct qimport *q, bool finished, struct error *err);

/* keep_format.c: TARGET is the image itself (--keep-format); without that option they say so,
 * and do nothing. */

/* Options that do not go with it: before anything is asked for. */
int import_check_keeping (const struct qimport *q, struct error *err);
/* Of sources that were opened: may the image be kept? */
int import_check_kept (const struct qimport *q, struct error *err);
/* Was IMP begun so?  Also where its options were not recalled. */
bool import_is_kept (const struct journal_import *imp);
/* How large the disk is that TARGET becomes. */
uint64_t import_disk_size (const struct qimport *q);
/* Remember by which DIGEST the tables in it are known again; or, where they are known, they
 * must be of that one. */
int import_remember_tables (struct qimport *q, const uint8_t digest[DIGEST_SIZE],
                            struct error *err);
int import_same_tables (const struct qimport *q, const uint8_t digest[DIGEST_SIZE],
                        struct error *err);
/* The name of TARGET says another format than will be in it. */
void import_warn_name (struct qimport *q);

/* resuming.c: into the journal. */
int import_remember_options (struct qimport *q, struct error *err);

/* events.c: an event for the journal, as soon as the import is there. */
void import_event (struct qimport *q, const char *kind, const char *detail);
/* Into the journal with the events from before the import was there; they are forgotten. */
int import_tell_early (struct qimport *q, struct error *err);

/* is it still the same image, where validators cannot tell?  All tables are read again
 * and must make the sealed map, and samples of the data are compared. */
int import_check_identity (struct qimport *q, bool validator_changed, struct error *err);
/* What verify/ is asked about. */
void import_verify_spec (struct qimport *q, struct verify_spec *v);
/* read all tables again; they must make the sealed map. */
int import_map_again (struct qimport *q, struct error *err);

/* checksums.c: what --checksums and --signed-by say becomes --checksum. */
int import_checksums (struct qimport *q, struct error *err);

/* newer.c: the next phase, where the import has the checksum HAVE and the image must have WANT
 * now; "" where nobody knows. */
int import_newer (struct qimport *q, const char *have, const char *want, struct error *err);
/* That a server does not answer is no reason to fail over a complete import. */
int import_not_asked (struct qimport *q, struct error *err);
/* same.c: the options of q->imp, where no others are given. */
int import_began_with (struct qimport *q, struct error *err);

/* auditing.c: --verify, before the import is called complete. */
int import_verify (struct qimport *q, int timeout_ms, struct error *err); /* 1: more */
/* End its threads; what was found stays until import_close_audit. */
void import_stop_audit (struct qimport *q);
void import_close_audit (struct qimport *q);

/* same.c: is what is asked for now the import that the journal has? */

/* The options that it began with hold; what was given anew must not say that it is another one.
 * Writes nothing. */
int import_hold_options (struct qimport *q, struct error *err);
/* The sources as the journal has them, where the user gives none anew.  What was dropped of
 * them as secret and is needed is named. */
int import_recall_sources (struct qimport *q, struct error *err);
/* ensure: is the URL given now the one that Q->IMP has?  Of what is not stored its mark tells;
 * if that says no, Q->ASK_SOURCE is set, and the bytes behind it must prove that they are the
 * same. */
int import_same_url (struct qimport *q, struct error *err);
/* Q->IMP is complete: it is what the options ask for, or -1. */
int import_same_disk (struct qimport *q, struct error *err);
/* The tags that it began with tell also of another URL whether the image is the same. */
int import_strong_tags (const struct qimport *q, struct error *err);
/* Open the sources; they have the image that the import began with, as far as must be known. */
int import_open_same (struct qimport *q, struct error *err);
/* The URLs in use are those that the memo has marks of. */
int import_mark_urls (struct qimport *q, struct error *err);
/* ensure: over a complete import, where Q->ASK_SOURCE. */

/* What the sources are now, where the user or the server changed it. */
int import_record_sources (struct qimport *q, struct error *err);
/* prove.c: the source serves something else since ERR; may that prove to be the same? */
bool import_may_prove (const struct qimport *q, const struct error *err);
/* beginning.c: it failed because ranges prove to be no good, before anything was committed: it
 * may be begun again, as with --stream. */
bool import_goes_forward (struct qimport *q, const struct error *err);
/* Commit what is written, and end the threads that copy. */
void import_stop_copy (struct qimport *q);

/* What was committed of a device's first MiB, but is written last. */
int import_restore_held (struct qimport *q, struct error *err);

/* Parts of phases that a stream has in another order: the record in the journal; target and
 * copy. */
int import_begin (struct qimport *q, struct error *err);
/* Is the target free, as far as can be said?  NOW: it is about to be begun. */
int import_check_target (struct qimport *q, bool now, struct error *err);
/* Create or reopen the target, and claim it. */
int import_create_target (struct qimport *q, struct error *err);
/* All but its target. */
void import_copy_spec (const struct qimport *q, struct copy_spec *spec);
int import_open_copy (struct qimport *q, struct error *err);
/* Threads that decode, or unpack. */
unsigned import_workers (const struct qimport *q);
/* A --restart met an image that does not fit the target: -1. */
int import_other_disk (const struct qimport *q, uint64_t now, uint64_t before,
                       struct error *err);
/* J9: the identity of q->target goes into the journal, and what it must get back; then it is
 * claimed.  Nothing where it is. */
int import_claim_target (struct qimport *q, struct error *err);
/* Is what --size says no less than the disk, as large as it is known to be? */
int import_check_size (const struct qimport *q, struct error *err);
/* Only that identity. */
int import_record_target (struct qimport *q, struct error *err);
/* The target is finished, and the journal does not know it: -1. */
int import_refuse_finished (struct qimport *q, struct error *err);

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

/* Remove it from the journal; a target that is kept gets back what its marker replaced. */
int import_forget (struct journal *j, struct journal_import *imp, struct error *err);

/* shown.c */
void import_note (struct qimport *q, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
void import_warn (struct qimport *q, const char *fmt, ...)
    __attribute__ ((format (printf, 2, 3)));
void import_update_progress (struct qimport *q);

/* ERR of the rooms as the public header has it. */
int publish_error (struct qimport_error *out, const struct error *err);

/* What a mistyped URL or a server that is not there looks like is waited for no longer by a
 * start. */
enum { FIRST_TIME_S = 15 };

void import_target_spec (const struct qimport *q, struct target_spec *spec);
#endif
