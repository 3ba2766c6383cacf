/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * options_table: see options.h.  A new option is a row of the table here, a field in options.h,
 * and its paragraph in the manual, which a test misses otherwise.
 */
#include "import/options_table.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/own.h"
#include "base/text.h"
#include "import/memo.h"
#include "qimport.h"

enum {
  COPY = QIMPORT_FOR_START | QIMPORT_FOR_ENSURE | QIMPORT_FOR_RESUME,
  FRESH = QIMPORT_FOR_START | QIMPORT_FOR_ENSURE,
  NET = COPY | QIMPORT_FOR_AUDIT | QIMPORT_FOR_INFO
};

#define ROW(name, arg, help, def, cmds, rep, type, field, hold, lo, hi)                  \
  {                                                                                      \
    { name, arg, help, def, cmds, rep }, type, offsetof (struct qimport_options, field), \
        HOLDS_##hold, lo, hi                                                             \
  }

static const struct option_row rows[] = {
  ROW ("connections", "N", "ranges in flight", "4", NET, 0, TYPE_COUNT, connections, CHANGES, 1,
       64),
  ROW ("workers", "N", "decoding threads; 0: the processors there are", "0",
       COPY | QIMPORT_FOR_AUDIT, 0, TYPE_COUNT, workers, CHANGES, 0, 256),
  ROW ("memory", "BYTES", "ceiling for buffers; suffixes K M G T", "64M",
       COPY | QIMPORT_FOR_AUDIT, 0, TYPE_SIZE, memory, CHANGES, 1 << 20, UINT64_C (1) << 40),
  ROW ("limit-rate", "BYTES", "per second, for the whole import; 0: no limit", "0", NET, 0,
       TYPE_SIZE, limit_rate, CHANGES, 0, UINT64_MAX),
  ROW ("max-time", "SECS", "stop after this long; the import stays resumable", "0", COPY, 0,
       TYPE_SECONDS, max_time_s, ONE_RUN, 0, INT_MAX),
  ROW ("retry-time", "SECS", "give up after this long without a new byte; 0: at once", "300",
       NET, 0, TYPE_SECONDS, retry_time_s, CHANGES, 0, INT_MAX),
  ROW ("stall-time", "SECS", "cut a connection slower than 1 KiB/s for this long", "30", NET, 0,
       TYPE_SECONDS, stall_time_s, CHANGES, 1, INT_MAX),
  ROW ("connect-timeout", "SECS", "give up connecting after this long", "15", NET, 0,
       TYPE_SECONDS, connect_timeout_s, CHANGES, 1, INT_MAX),
  ROW ("commit-interval", "SECS", "at most this much work is ever done twice", "1", COPY, 0,
       TYPE_MS, commit_interval_ms, CHANGES, 50, 3600 * 1000),
  ROW ("header-file", "FILE", "headers for the requests, one a line", NULL, NET, 0, TYPE_FILE,
       header_file, CHANGES, 0, 0),
  ROW ("netrc", NULL, "take user and password from ~/.netrc", NULL, NET, 0, TYPE_SWITCH, netrc,
       CHANGES, 0, 0),
  ROW ("netrc-file", "FILE", "take user and password from this file", NULL, NET, 0, TYPE_FILE,
       netrc_file, CHANGES, 0, 0),
  ROW ("user-file", "FILE", "a file with user:password", NULL, NET, 0, TYPE_FILE, user_file,
       CHANGES, 0, 0),
  ROW ("bearer-file", "FILE", "a file with a bearer token", NULL, NET, 0, TYPE_FILE,
       bearer_file, CHANGES, 0, 0),
  ROW ("digest-auth", NULL, "give the server its password by Digest only", NULL, NET, 0,
       TYPE_SWITCH, digest_auth, CHANGES, 0, 0),
  ROW ("cacert", "FILE", "trust these certificate authorities", NULL, NET, 0, TYPE_FILE, cacert,
       CHANGES, 0, 0),
  ROW ("cert", "FILE", "client certificate (PEM)", NULL, NET, 0, TYPE_FILE, cert, CHANGES, 0,
       0),
  ROW ("key", "FILE", "its private key (PEM)", NULL, NET, 0, TYPE_FILE, key, CHANGES, 0, 0),
  ROW ("pinnedpubkey", "HASH", "the server's public key must be this, as curl's", NULL, NET, 0,
       TYPE_TEXT, pinnedpubkey, CHANGES, 0, 0),
  ROW ("insecure", NULL, "do not check the server's certificate; never remembered", NULL, NET,
       0, TYPE_SWITCH, insecure, ONE_RUN, 0, 0),
  ROW ("proxy", "URL", "go through this proxy", NULL, NET, 0, TYPE_URL, proxy, CHANGES, 0, 0),
  ROW ("proxy-user-file", "FILE", "a file with user:password for the proxy", NULL, NET, 0,
       TYPE_FILE, proxy_user_file, CHANGES, 0, 0),
  ROW ("proxy-digest", NULL, "give the proxy its password by Digest only", NULL, NET, 0,
       TYPE_SWITCH, proxy_digest, CHANGES, 0, 0),
  ROW ("aws-sigv4", "PROVIDER", "sign requests, as curl's; needs --user-file", NULL, NET, 0,
       TYPE_TEXT, aws_sigv4, CHANGES, 0, 0),
  ROW ("ipv4", NULL, "ask names for IPv4 addresses only", NULL, NET, 0, TYPE_SWITCH, ipv4,
       CHANGES, 0, 0),
  ROW ("ipv6", NULL, "ask names for IPv6 addresses only", NULL, NET, 0, TYPE_SWITCH, ipv6,
       CHANGES, 0, 0),
  ROW ("resolve", "HOST:PORT:ADDRESS", "there HOST has this address, as curl's", NULL, NET, 1,
       TYPE_LIST, resolve, CHANGES, 0, 0),
  ROW ("mirror", "URL", "another place that serves the same bytes", NULL, COPY, 1, TYPE_LIST,
       mirror, CHANGES, 0, 0),
  ROW ("url", "URL", "the image has moved, or its link was renewed", NULL,
       QIMPORT_FOR_RESUME | QIMPORT_FOR_AUDIT, 0, TYPE_URL, url, ONE_RUN, 0, 0),
  ROW ("accept-new-validator", NULL, "the ETag changed, the bytes did not: prove it, go on",
       NULL, QIMPORT_FOR_RESUME, 0, TYPE_SWITCH, accept_new_validator, ONE_RUN, 0, 0),
  ROW ("stream", NULL, "read forward from the start, without ranges", NULL, COPY, 0,
       TYPE_SWITCH, stream, ONE_RUN, 0, 0),
  ROW ("length", "BYTES", "of a pipe or socket: so many bytes are the image's", NULL,
       COPY | QIMPORT_FOR_INFO, 0, TYPE_SIZE, length, CHANGES, 1, INT64_MAX),
  ROW ("once", NULL, "nothing of an import that does not complete stays", NULL, FRESH, 0,
       TYPE_SWITCH, once, CHANGES, 0, 0),
  ROW ("restart", NULL, "forget what is committed and begin again", NULL, QIMPORT_FOR_RESUME, 0,
       TYPE_SWITCH, restart, ONE_RUN, 0, 0),
  ROW ("max-size", "BYTES", "refuse larger virtual disks", "64T", FRESH | QIMPORT_FOR_INFO, 0,
       TYPE_SIZE, max_size, CHANGES, 512, UINT64_C (1) << 62),
  ROW ("checksum", "ALGO:HEX", "what the image file's checksum must be", NULL, COPY, 0,
       TYPE_CHECKSUM, checksum, CHANGES, 0, 0),
  ROW ("sha256", "HEX", "the same, of SHA-256", NULL, COPY, 0, TYPE_SHA256, checksum, CHANGES,
       0, 0),
  ROW ("checksums", "URL|FILE", "a file of checksums to take it from", NULL, COPY, 0, TYPE_URL,
       checksums, ONE_RUN, 0, 0),
  ROW ("signed-by", "KEYRING", "it, or the image, must be signed by one of these keys", NULL,
       COPY, 0, TYPE_FILE, signed_by, ONE_RUN, 0, 0),
  ROW ("signature", "URL|FILE", "where the signature is", NULL, COPY, 0, TYPE_URL, signature,
       ONE_RUN, 0, 0),
  ROW ("newer", NULL, "ask whether the image is another one now, and import it again", NULL,
       QIMPORT_FOR_ENSURE, 0, TYPE_SWITCH, newer, ONE_RUN, 0, 0),
  ROW ("spool-dir", "DIR", "where what has no place yet, or is kept for a resume, waits", NULL,
       COPY, 0, TYPE_FILE, spool_dir, CHANGES, 0, 0),
  ROW ("no-keep", NULL, "keep nothing of a wrapped file for a resume", NULL, COPY, 0,
       TYPE_SWITCH, no_keep, CHANGES, 0, 0),
  ROW ("keep-format", NULL, "TARGET is the image itself, as it is, checked", NULL, FRESH, 0,
       TYPE_SWITCH, keep_format, DEFINES, 0, 0),
  ROW ("size", "BYTES", "make the target at least this large, the disk at its start", NULL,
       FRESH, 0, TYPE_SIZE, size, DEFINES, 512, UINT64_C (1) << 62),
  ROW ("fix-gpt", NULL, "move the backup of a GPT to the end of a larger target", NULL, FRESH,
       0, TYPE_SWITCH, fix_gpt, DEFINES, 0, 0),
  ROW ("digest", "on|off", "SHA-256 of every segment written, for audit", "on", FRESH, 0,
       TYPE_CHOICE, digest, DEFINES, 1, 0),
  ROW ("format", "auto|qcow2|raw", "what the image is; auto: by its first bytes", "auto",
       FRESH | QIMPORT_FOR_INFO, 0, TYPE_WORD, format, DEFINES, 0, 0),
  ROW ("snapshot", "NAME", "import that internal snapshot", NULL, FRESH | QIMPORT_FOR_INFO, 0,
       TYPE_TEXT, snapshot, DEFINES, 0, 0),
  ROW ("backing", "URL", "the backing file's image; repeated, top down", NULL,
       COPY | QIMPORT_FOR_INFO, 1, TYPE_LIST, backing, LAYERS, 0, 0),
  ROW ("unallocated", "zero|keep", "what the target reads as where the image has nothing",
       "zero", FRESH, 0, TYPE_CHOICE, unallocated_keep, DEFINES, 0, 0),
  ROW ("target-is-zero", NULL, "you promise that the device reads as zeros", NULL, FRESH, 0,
       TYPE_SWITCH, target_is_zero, PROMISES, 0, 0),
  ROW ("allow-partial", NULL, "a map without its backing file: what it has is not known", NULL,
       QIMPORT_FOR_INFO, 0, TYPE_SWITCH, allow_partial, ONE_RUN, 0, 0),
  ROW ("preallocate", NULL, "reserve the space of a file target first", NULL, FRESH, 0,
       TYPE_SWITCH, preallocate, CHANGES, 0, 0),
  ROW ("verify", NULL, "audit before the import is called complete", NULL, COPY, 0, TYPE_SWITCH,
       verify, CHANGES, 0, 0),
  ROW ("repair", NULL, "fetch again what differs", NULL, QIMPORT_FOR_AUDIT, 0, TYPE_SWITCH,
       repair, ONE_RUN, 0, 0),
  ROW ("force", NULL, "overwrite an existing file, or a device that holds data", NULL, COPY, 0,
       TYPE_SWITCH, force, ONE_RUN, 0, 0),
};

enum { N_ROWS = sizeof rows / sizeof *rows };
_Static_assert(N_ROWS <= 64, "the bits of qimport_options.set");

const struct qimport_option_info *
qimport_option_info (size_t i)
{
  return i < N_ROWS ? &rows[i].info : NULL;
}

const struct option_row *
option_row_at (int i)
{
  return i < N_ROWS ? &rows[i] : NULL;
}

int
option_row_find (const char *name)
{
  int i;

  for (i = 0; i < N_ROWS; i++)
    if (strcmp (rows[i].info.name, name) == 0)
      return i;
  return -1;
}

/* The row that keeps what is given as row I. */
int
option_kept_as (int i)
{
  return rows[i].type == TYPE_SHA256 ? i - 1 : i;
}

/* The rows that are void once row I is given, the last one wins; bits as in
 * qimport_options.set.
 */
uint64_t
option_voids (int i)
{
  if (strcmp (rows[i].info.name, "ipv4") == 0)
    return UINT64_C (1) << option_row_find ("ipv6");
  if (strcmp (rows[i].info.name, "ipv6") == 0)
    return UINT64_C (1) << option_row_find ("ipv4");
  return 0;
}

static void
forget_switches (struct qimport_options *o, uint64_t bits)
{
  int i;

  for (i = 0; i < N_ROWS; i++)
    if (bits >> i & 1)
      *(bool *)option_field (o, &rows[i]) = false;
  o->set &= ~bits;
}

static int
set_number (uint64_t *field, const struct option_row *row, const char *value, struct error *err)
{
  char what[64];
  uint64_t n;

  snprintf (what, sizeof what, "--%s", row->info.name);
  if (parse_size (value, &n, what, err) == -1)
    return -1;
  if (row->type != TYPE_SIZE && value[strspn (value, "0123456789")] != '\0')
    return fail (err, ERR_USAGE, "%s: give a whole number", what);
  if (n < row->least || n > row->most)
    return fail (err, ERR_USAGE, "%s: must be from %llu to %llu", what,
                 (unsigned long long)row->least, (unsigned long long)row->most);
  *field = n;
  return 0;
}

static int
set_duration (uint64_t *field, const struct option_row *row, const char *value,
              struct error *err)
{
  uint64_t ms, unit = row->type == TYPE_SECONDS ? 1000 : 1;
  char what[64];

  snprintf (what, sizeof what, "--%s", row->info.name);
  if (parse_duration (value, &ms, what, err) == -1)
    return -1;
  if (ms % unit != 0)
    return fail (err, ERR_USAGE, "%s: give whole seconds", what);
  if (ms / unit < row->least || ms / unit > row->most)
    return fail (err, ERR_USAGE, "%s: must be from %g to %g seconds", what,
                 (double)(row->least * unit) / 1000, (double)row->most * (double)unit / 1000);
  *field = ms / unit;
  return 0;
}

static int
set_text (char **field, const char *value, struct error *err)
{
  char *copy = strdup (value);

  if (copy == NULL)
    return fail_memory (err, "an option");
  free (*field);
  *field = copy;
  return 0;
}

static int
set_file (char **field, const struct option_row *row, const char *value, struct error *err)
{
  OWN_MEM char *absolute = NULL;
  OWN_MEM char *cwd = NULL;

  if (value[0] == '/')
    return set_text (field, value, err);
  cwd = getcwd (NULL, 0);
  if (cwd == NULL)
    return fail_errno (err, ERR_USAGE, errno, "--%s %s: where am I", row->info.name, value);
  if (asprintf (&absolute, "%s/%s", cwd, value) == -1) {
    absolute = NULL;
    return fail_memory (err, "an option");
  }
  return set_text (field, absolute, err);
}

static int
add_item (struct option_list *list, const struct option_row *row, const char *value,
          struct error *err)
{
  size_t n = 0;

  while (list->item[n] != NULL)
    n++;
  if (n == OPTION_LIST_MAX)
    return fail (err, ERR_USAGE, "--%s: at most %d of them", row->info.name, OPTION_LIST_MAX);
  return set_text (&list->item[n], value, err);
}

/* VALUE is one of the two words of ARGUMENT, "first|second". */
static int
set_choice (bool *field, const struct option_row *row, const char *value, struct error *err)
{
  size_t first = strcspn (row->info.argument, "|");
  bool is_first = strlen (value) == first && strncmp (value, row->info.argument, first) == 0;
  bool is_second = strcmp (value, row->info.argument + first + 1) == 0;

  if (!is_first && !is_second)
    return fail (err, ERR_USAGE, "--%s: must be %s", row->info.name, row->info.argument);
  *field = row->least == 1 ? is_first : is_second;
  return 0;
}

/* VALUE is one of the words of ARGUMENT, "first|second|...". */
static int
set_word (uint64_t *field, const struct option_row *row, const char *value, struct error *err)
{
  const char *word = row->info.argument;
  size_t len = strlen (value);
  uint64_t i = 0;

  for (;; word++, i++) {
    size_t n = strcspn (word, "|");

    if (n == len && strncmp (word, value, n) == 0)
      break;
    word += n;
    if (*word == '\0')
      return fail (err, ERR_USAGE, "--%s: must be %s", row->info.name, row->info.argument);
  }
  *field = i;
  return 0;
}

static int
set_checksum (char **field, const struct option_row *row, const char *value, struct error *err)
{
  char text[HASH_TEXT];
  struct checksum c;
  bool valid = checksum_from_text (&c, value);

  if (row->type == TYPE_SHA256 && !(valid && c.algorithm == HASH_SHA256))
    return fail (
        err, ERR_USAGE,
        "--sha256: give 64 hexadecimal digits; --checksum ALGO:HEX takes other digests");
  if (!valid)
    return fail (err, ERR_USAGE,
                 "--checksum: give ALGO:HEX with sha256, sha512, sha384, sha224, sha1 or md5, "
                 "and all digits of the digest");
  return set_text (field, checksum_text (text, &c), err);
}

static int
set_row (struct qimport_options *o, const struct option_row *row, const char *value,
         struct error *err)
{
  void *field = option_field (o, row);

  switch (row->type) {
  case TYPE_SWITCH:
    *(bool *)field = true;
    return 0;
  case TYPE_COUNT:
  case TYPE_SIZE:
    return set_number (field, row, value, err);
  case TYPE_SECONDS:
  case TYPE_MS:
    return set_duration (field, row, value, err);
  case TYPE_TEXT:
  case TYPE_URL:
    return set_text (field, value, err);
  case TYPE_FILE:
    return set_file (field, row, value, err);
  case TYPE_CHECKSUM:
  case TYPE_SHA256:
    return set_checksum (field, row, value, err);
  case TYPE_LIST:
    return add_item (field, row, value, err);
  case TYPE_WORD:
    return set_word (field, row, value, err);
  case TYPE_CHOICE:
    return set_choice (field, row, value, err);
  }
  return fail (err, ERR_INTERNAL, "option --%s has no type", row->info.name);
}

int
options_set (struct qimport_options *o, const char *name, const char *value, struct error *err)
{
  int i = option_row_find (name);

  if (i == -1)
    return fail (err, ERR_USAGE, "no such option: --%s", name);
  if (rows[i].type == TYPE_SWITCH && value != NULL)
    return fail (err, ERR_USAGE, "--%s takes no argument", name);
  if (rows[i].type != TYPE_SWITCH && (value == NULL || value[0] == '\0'))
    return fail (err, ERR_USAGE, "--%s needs an argument: %s", name, rows[i].info.argument);
  if (value != NULL && strpbrk (value, "\r\n") != NULL)
    return fail (err, ERR_USAGE, "--%s: a line break in its argument", name);
  if (set_row (o, &rows[i], value, err) == -1)
    return -1;
  forget_switches (o, option_voids (i));
  o->set |= UINT64_C (1) << option_kept_as (i);
  return 0;
}

void
options_forget_checksum (struct qimport_options *o)
{
  free (o->checksum);
  o->checksum = NULL;
  o->set &= ~(UINT64_C (1) << option_row_find ("checksum"));
}

bool
options_void_promises (struct qimport_options *o)
{
  bool any = false;
  int i;

  for (i = 0; i < N_ROWS; i++)
    if (rows[i].hold == HOLDS_PROMISES) {
      any |= *(bool *)option_field (o, &rows[i]);
      *(bool *)option_field (o, &rows[i]) = false;
      o->set &= ~(UINT64_C (1) << i);
    }
  o->memo.promises_void = true;
  return any;
}

struct qimport_options *
options_new (void)
{
  struct qimport_options *o = calloc (1, sizeof *o);
  struct error err;
  int i;

  if (o == NULL)
    return NULL;
  o->digest = true;
  for (i = 0; i < N_ROWS; i++) {
    const char *fallback = rows[i].info.fallback;

    if (fallback == NULL || rows[i].type == TYPE_CHOICE)
      continue;
    if (set_row (o, &rows[i], fallback, &err) == -1) {
      options_close (o);
      return NULL;
    }
  }
  return o;
}

void
options_close (struct qimport_options *o)
{
  int i, k;

  if (o == NULL)
    return;
  for (i = 0; i < N_ROWS; i++) {
    enum option_type type = rows[i].type;

    if (type == TYPE_TEXT || type == TYPE_URL || type == TYPE_FILE || type == TYPE_CHECKSUM)
      free (*(char **)option_field (o, &rows[i]));
    if (type == TYPE_LIST)
      for (k = 0; k < OPTION_LIST_MAX; k++)
        free (((struct option_list *)option_field (o, &rows[i]))->item[k]);
  }
  memo_release (&o->memo);
  free (o);
}

static int
copy_row (struct qimport_options *to, const struct qimport_options *from,
          const struct option_row *row, struct error *err)
{
  const struct option_list *list;
  char *text;
  int k;

  switch (row->type) {
  case TYPE_SWITCH:
  case TYPE_CHOICE:
    *(bool *)option_field (to, row) = *(bool *)option_field (from, row);
    return 0;
  case TYPE_COUNT:
  case TYPE_SIZE:
  case TYPE_SECONDS:
  case TYPE_MS:
  case TYPE_WORD:
    *(uint64_t *)option_field (to, row) = *(uint64_t *)option_field (from, row);
    return 0;
  case TYPE_TEXT:
  case TYPE_URL:
  case TYPE_FILE:
  case TYPE_CHECKSUM:
  case TYPE_SHA256:
    text = *(char **)option_field (from, row);
    return text == NULL ? 0 : set_text (option_field (to, row), text, err);
  case TYPE_LIST:
    list = option_field (from, row);
    for (k = 0; list->item[k] != NULL; k++)
      if (add_item (option_field (to, row), row, list->item[k], err) == -1)
        return -1;
    return 0;
  }
  return 0;
}

struct qimport_options *
options_copy (const struct qimport_options *o)
{
  struct qimport_options *copy = options_new ();
  struct error err;
  int i;

  if (copy == NULL || o == NULL)
    return copy;
  copy->set = o->set;
  for (i = 0; i < N_ROWS; i++)
    if (copy_row (copy, o, &rows[i], &err) == -1) {
      options_close (copy);
      return NULL;
    }
  return copy;
}
