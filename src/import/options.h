/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * options: the one list of what a user may ask for.  Names, help, defaults and checks are rows
 * of one table (options_table.c); the command line, the manual's test, completions and the
 * journal (which remembers what holds at resume) read that table.
 */
#ifndef QIMPORT_IMPORT_OPTIONS_H
#define QIMPORT_IMPORT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { OPTION_LIST_MAX = 16 };

/* A repeated option, in the order given; NULL-terminated. */
struct option_list {
  char *item[OPTION_LIST_MAX + 1];
};

/* What the journal remembers of an import beside the values of its options (memo.h). */
struct option_memo {
  char *url_mark[OPTION_LIST_MAX + 1]; /* of each layer's URL (base/url.h); NULL: not known */
  struct option_list mirror;           /* mirrors that had secrets, without them */
  char *proxy;                         /* the same of the proxy */
  char *publisher[3]; /* --checksums, --signed-by and --signature, as they were given last */
  char *tables;                        /* of a kept image: the digest of its map; NULL: none */
  bool promises_void;                  /* it was begun anew: see PROMISES in options_table.c */
};

/* A member for each row of the table in options_table.c. */
struct qimport_options {
  uint64_t set; /* bit I: the I-th option of the table was given */

  uint64_t connections, workers, memory, limit_rate, max_time_s, retry_time_s, stall_time_s,
      connect_timeout_s, max_size, size, length, format;
  uint64_t commit_interval_ms;
  char *header_file, *netrc_file, *user_file, *bearer_file, *cacert, *cert, *key, *pinnedpubkey,
      *proxy, *proxy_user_file, *aws_sigv4, *url, *checksum, *checksums, *signed_by, *signature,
      *snapshot, *spool_dir;
  struct option_list mirror, backing, resolve;
  bool netrc, digest_auth, proxy_digest, ipv4, ipv6, insecure, accept_new_validator, stream,
      restart, target_is_zero, preallocate, verify, force, repair, newer, no_keep,
      allow_partial, once, keep_format, fix_gpt;
  bool digest;           /* on|off */
  bool unallocated_keep; /* zero|keep */

  struct option_memo memo;
};

/* Every option at its default. */
struct qimport_options *options_new (void);
void options_close (struct qimport_options *o);
/* A deep copy, or NULL. */
struct qimport_options *options_copy (const struct qimport_options *o);

int options_set (struct qimport_options *o, const char *name, const char *value,
                 struct error *err);

/* --restart: what was promised of the target as it was before does not hold any more, neither
 * in this run nor in those that recall O.  True if something was promised. */
bool options_void_promises (struct qimport_options *o);

/* As if --checksum had not been given. */
void options_forget_checksum (struct qimport_options *o);
/* --restart: the publisher is asked what was asked before, where nothing else is given. */
int options_ask_publisher_again (struct qimport_options *o, struct error *err);

enum { OPTION_SHOWN = 320 };

/* Was an option given in O that defines the import, and has another value in WAS, with which it
 * began?  Then both are shown as they would be typed, escaped, "no --snapshot" where it has
 * none. Promises count where PROMISES.  Which images the layers are is not asked here (same.c).
 */
bool options_contradict (const struct qimport_options *o, const struct qimport_options *was,
                         bool promises, char given[OPTION_SHOWN], char began[OPTION_SHOWN]);

/* What holds at resume, as NAME=VALUE lines (credentials: paths of files only, J8; never
 * insecure or force), and the memo.  ERR_USAGE when it does not fit. */
int options_save (const struct qimport_options *o, char *text, size_t size, struct error *err);
/* Set from such lines what is not set yet in O.  A list is given whole or recalled whole. */
int options_recall (struct qimport_options *o, const char *text, struct error *err);
/* Only those that say what the import is. */
int options_recall_defining (struct qimport_options *o, const char *text, struct error *err);

#endif
