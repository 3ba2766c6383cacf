/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image: open the sources of an import, the image and its backing files, and know what they are
 * before anything is made: probe, header, refusals, identity (J4).  Reads metadata only.
 */
#include "import/import.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "import/snapshot.h"

/* Of header and L1 table so much goes into the digest by which an image is known again. */
enum { IDENTITY_HEAD = 4096, IDENTITY_L1_MAX = 1 << 20, L1_KEPT = 64 << 10 };

void
import_source_options (const struct qimport_options *o, struct source_options *so)
{
  so->connections = (unsigned)o->connections;
  so->limit_rate = o->limit_rate;
  so->retry_time_s = (unsigned)o->retry_time_s;
  so->stall_time_s = (unsigned)o->stall_time_s;
  so->connect_timeout_s = (unsigned)o->connect_timeout_s;
  so->header_file = o->header_file;
  so->netrc_file = o->netrc_file;
  so->user_file = o->user_file;
  so->bearer_file = o->bearer_file;
  so->netrc = o->netrc;
  so->cacert = o->cacert;
  so->cert = o->cert;
  so->key = o->key;
  so->pinnedpubkey = o->pinnedpubkey;
  so->proxy = o->proxy;
  so->aws_sigv4 = o->aws_sigv4;
  so->insecure = o->insecure;
}

/* The first answers come before there is an import; their events are not lost for it. */
static void
keep_early (struct qimport *q, const char *kind, const char *detail)
{
  struct early_event *e = &q->early[q->n_early];

  if (q->n_early == EARLY_MAX)
    return;
  snprintf (e->kind, sizeof e->kind, "%s", kind);
  e->detail = strdup (detail);
  q->n_early += e->detail != NULL;
}

int
import_tell_early (struct qimport *q, struct error *err)
{
  unsigned i;
  int rc = 0;

  for (i = 0; i < q->n_early; i++) {
    if (rc == 0 && q->in_journal)
      rc = journal_event (q->journal, q->imp.no, q->early[i].kind, q->early[i].detail, err);
    free (q->early[i].detail);
  }
  q->n_early = 0;
  return rc;
}

static void
on_event (void *ctx, const char *kind, const char *detail)
{
  struct qimport *q = ctx;
  struct error ignored;

  if (strcmp (kind, "warning") == 0)
    import_warn (q, "%s", detail);
  else
    import_note (q, "%s: %s", kind, detail);
  /* The event is for people; that it cannot be kept must not end the import. */
  if (q->in_journal)
    journal_event (q->journal, q->imp.no, kind, detail, &ignored);
  else
    keep_early (q, kind, detail);
}

int
import_absolute_url (const char *url, char **out, struct error *err)
{
  OWN_MEM char *cwd = NULL;

  if (strcmp (url, "-") == 0 || url[0] == '/' || strstr (url, "://") != NULL) {
    *out = strdup (url);
    return *out == NULL ? fail_memory (err, "the URL") : 0;
  }
  cwd = getcwd (NULL, 0);
  if (cwd == NULL)
    return fail_errno (err, ERR_USAGE, errno, "%s: where am I; give an absolute path", url);
  if (asprintf (out, "%s/%s", cwd, url) == -1) {
    *out = NULL;
    return fail_memory (err, "the URL");
  }
  return 0;
}

static void
recorded_identity (const struct journal_layer *r, struct source_identity *id)
{
  memset (id, 0, sizeof *id);
  id->length = r->length;
  snprintf (id->etag, sizeof id->etag, "%s", r->etag);
  snprintf (id->last_modified, sizeof id->last_modified, "%s", r->last_modified);
  id->trust = (enum source_trust)r->trust;
  id->ranges = true;
}

static void
record_identity (const struct source *s, const struct source_identity *id,
                 struct journal_layer *r)
{
  redact_url (r->final_url, sizeof r->final_url, source_final_url (s));
  snprintf (r->tls_fingerprint, sizeof r->tls_fingerprint, "%s", source_tls_fingerprint (s));
  snprintf (r->etag, sizeof r->etag, "%s", id->etag);
  snprintf (r->last_modified, sizeof r->last_modified, "%s", id->last_modified);
  r->length = id->length;
  r->trust = id->trust;
}

static void
record_url (const char *url, struct journal_layer *r)
{
  char escaped[sizeof r->url];

  redact_url (r->url, sizeof r->url, url);
  escape_text (escaped, sizeof escaped, url, strlen (url));
  r->url_had_secret = strcmp (escaped, r->url) != 0;
}

/* The first bytes of a layer: all that its header needs. */
static int
read_head (struct qimport *q, unsigned k, uint8_t **head, size_t *len, uint64_t file_len,
           struct error *err)
{
  struct source_want rest;
  size_t need;
  uint8_t *more;
  bool here;

  if (qcow2_header_need (*head, *len, file_len, &need, err) == -1)
    return -1;
  if (need <= *len) {
    *len = need;
    return 0;
  }
  more = realloc (*head, need);
  if (more == NULL)
    return fail_memory (err, "the image's header");
  here = qcow2_header_is_here (more, *len);
  memset (more + *len, 0, need - *len);
  *head = more;
  rest.range.at.v = *len;
  rest.range.len = need - *len;
  rest.buf = more + *len;
  *len = need;
  return here ? 0 : source_read (q->sources[k], &rest, 1, err);
}

/* The digest by which an image is known again: of the start of its header, and of its L1 table.
 */
static int
head_digest (struct qimport *q, unsigned k, const uint8_t *head, size_t len,
             uint8_t out[DIGEST_SIZE], struct error *err)
{
  OWN_MEM uint8_t *l1 = NULL;
  struct qcow2_glance glance;
  struct source_want want;
  struct digest d;

  digest_init (&d);
  digest_update (&d, head, min_u64 (len, IDENTITY_HEAD));
  if (!q->layers[k].raw) {
    if (qcow2_header_glance (head, len, q->layers[k].file_len, &glance, err) == -1)
      return -1;
    want.range.at = glance.l1.at;
    want.range.len = min_u64 (glance.l1.n * 8, IDENTITY_L1_MAX);
    l1 = malloc (want.range.len + 1);
    if (l1 == NULL)
      return fail_memory (err, "the L1 table");
    want.buf = l1;
    if (want.range.len > 0 && source_read (q->sources[k], &want, 1, err) == -1)
      return -1;
    digest_update (&d, l1, want.range.len);
    if (want.range.len <= L1_KEPT) { /* the map will want it, a round trip later */
      free (q->layers[k].l1);
      q->layers[k].l1 = l1;
      q->layers[k].l1_at = want.range;
      l1 = NULL;
    }
  }
  digest_peek (&d, out);
  return 0;
}

static int
find_snapshot (struct qimport *q, struct error *err)
{
  struct image_reader r = source_reader (q->sources[0], q->layers[0].file_len);
  struct snapshot_search search
      = { .name = q->options->snapshot, .max_size = q->options->max_size };
  struct map_layer *l = &q->layers[0];

  if (import_each_snapshot (&r, &l->header, import_search_snapshot, &search, err) == -1)
    return -1;
  return import_found_disk (&search, &l->header, &l->disk, err);
}

static int
check_raw (struct qimport *q, unsigned k, struct error *err)
{
  if (q->layers[k].file_len % SECTOR != 0)
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: a raw backing file of %llu bytes, no multiple of 512; pad it to one",
                 source_url (q->sources[k]), (unsigned long long)q->layers[k].file_len);
  q->layers[k].raw = q->formats[k].raw = true;
  q->formats[k].cluster_bits = 16;
  return 0;
}

int
import_name_layer (const struct qimport *q, unsigned k, struct error *err)
{
  const char *url = source_url (q->sources[k]);

  if (error_status (err->code) != QIMPORT_IMAGE)
    return -1;
  return fail_in (err, strcmp (url, "-") == 0 ? "standard input" : url);
}

static int
parse_layer (struct qimport *q, unsigned k, uint8_t **head, size_t *len, struct error *err)
{
  struct map_layer *l = &q->layers[k];
  bool raw;

  if (import_layer_is_raw (q, k, *head, *len, &raw, err) == -1)
    return -1;
  if (raw)
    return check_raw (q, k, err);
  if (read_head (q, k, head, len, l->file_len, err) == -1
      || qcow2_header_parse (&l->header, *head, *len, l->file_len, q->options->max_size, err)
             == -1)
    return -1;
  l->raw = q->formats[k].raw = false;
  q->formats[k].compression = l->header.compression;
  q->formats[k].cluster_bits = l->header.cluster_bits;
  if (k == 0)
    return find_snapshot (q, err);
  qcow2_active_disk (&l->header, &l->disk);
  return 0;
}

/* The map is sealed: of the header only what decoding needs, once it is known to be the same.
 */
static int
glance_layer (struct qimport *q, unsigned k, const uint8_t *head, size_t len, struct error *err)
{
  struct qcow2_glance glance;

  q->layers[k].raw = q->formats[k].raw = strcmp (q->records[k].format, "raw") == 0;
  if (q->layers[k].raw)
    return check_raw (q, k, err);
  if (qcow2_header_glance (head, len, q->layers[k].file_len, &glance, err) == -1)
    return -1;
  q->formats[k].compression = glance.compression;
  q->formats[k].cluster_bits = glance.cluster_bits;
  return 0;
}

int
import_parse_image (struct qimport *q, struct error *err)
{
  unsigned k;

  for (k = 0; k < q->n_layers; k++) {
    struct source_want want = { { { 0 }, min_u64 (HEAD_MAX, q->layers[k].file_len) }, NULL };
    OWN_MEM uint8_t *head = malloc (HEAD_MAX);
    size_t len = (size_t)want.range.len;

    want.buf = head;
    if (head == NULL)
      return fail_memory (err, "the image's header");
    if (source_read (q->sources[k], &want, 1, err) == -1
        || parse_layer (q, k, &head, &len, err) == -1)
      return import_name_layer (q, k, err);
  }
  return 0;
}

static int
head_changed (const struct qimport *q, unsigned k, struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began (header or L1 table differ); "
               "`qimport resume --restart %s` begins anew",
               source_url (q->sources[k]), q->imp.id);
}

/* J4: header and L1 table must be those that the import began with, whatever the validators
 * say: some servers ignore If-Range. */
static int
check_head_digest (struct qimport *q, unsigned k, const uint8_t *head, size_t len,
                   bool recorded, struct error *err)
{
  struct journal_layer *r = &q->records[k];
  uint8_t digest[DIGEST_SIZE];

  if (head_digest (q, k, head, len, digest, err) == -1)
    return -1;
  if (recorded && memcmp (digest, r->head_digest, DIGEST_SIZE) != 0)
    return head_changed (q, k, err);
  memcpy (r->head_digest, digest, DIGEST_SIZE);
  return 0;
}

static int
open_layer (struct qimport *q, unsigned k, const struct source_options *so, bool recorded,
            struct error *err)
{
  struct journal_layer *r = &q->records[k];
  struct source_identity before, found;
  OWN_MEM uint8_t *head = malloc (HEAD_MAX);
  bool sealed = recorded && q->imp.sealed;
  size_t len;

  if (head == NULL)
    return fail_memory (err, "the image's header");
  recorded_identity (r, &before);
  if (source_open (&q->sources[k], q->urls[k], so, err) == -1)
    return -1;
  if (source_probe (q->sources[k], recorded ? &before : NULL, q->options->accept_new_validator,
                    &found, head, sealed ? IDENTITY_HEAD : HEAD_MAX, &len, err)
      == -1)
    return -1;
  if (!found.ranges || q->options->stream || (recorded && q->imp.stream)) {
    if (k > 0)
      return fail (err, ERR_SOURCE_FAILED,
                   "%s: a backing file must come from a server that honours ranges",
                   source_url (q->sources[k]));
    q->stream = true;
    q->forced_stream = found.ranges;
  }
  if (recorded
      && (strcmp (before.etag, found.etag) != 0
          || strcmp (before.last_modified, found.last_modified) != 0))
    q->validator_changed = q->options->accept_new_validator;
  q->layers[k].source = q->sources[k];
  q->layers[k].file_len = found.length;
  record_identity (q->sources[k], &found, r);
  if (q->stream)
    return 0;
  if (sealed && glance_layer (q, k, head, len, err) == -1)
    return error_status (err->code) == QIMPORT_IMAGE ? head_changed (q, k, err) : -1;
  if (!sealed && parse_layer (q, k, &head, &len, err) == -1)
    return import_name_layer (q, k, err);
  return check_head_digest (q, k, head, len, recorded, err);
}

void
import_record_format (struct qimport *q)
{
  const struct qcow2_header *h = &q->layers[0].header;
  unsigned k;

  for (k = 0; k < q->n_layers; k++) {
    struct journal_layer *r = &q->records[k];

    snprintf (r->format, sizeof r->format, "%s", q->layers[k].raw ? "raw" : "qcow2");
    r->cluster_size = UINT64_C (1) << q->formats[k].cluster_bits;
    r->segment_size = max_u64 (r->cluster_size, 1 << 20);
  }
  snprintf (q->imp.format_features, sizeof q->imp.format_features,
            "version=%u cluster_size=%llu compression=%s extended_l2=%d dirty=%d", h->version,
            (unsigned long long)h->cluster_size,
            h->compression == QCOW2_ZSTD ? "zstd" : "deflate", h->extended_l2, h->dirty);
}

static int
collect_urls (struct qimport *q, struct error *err)
{
  char *const *backing = q->options->backing.item;
  unsigned k;

  q->n_layers = 1;
  while (backing[q->n_layers - 1] != NULL)
    q->n_layers++;
  for (k = 0; k < q->n_layers; k++) {
    if (import_absolute_url (k == 0 ? q->url : backing[k - 1], &q->urls[k], err) == -1)
      return -1;
    record_url (q->urls[k], &q->records[k]);
  }
  return 0;
}

static void
forget_local_sources (struct qimport *q)
{
  size_t i;

  for (i = 0; q->local_sources != NULL && q->local_sources[i] != NULL; i++)
    free (q->local_sources[i]);
  free (q->local_sources);
  q->local_sources = NULL;
}

/* What of layers and mirrors lies on this machine must not be what is written. */
static int
refuse_sources (struct qimport *q, struct error *err)
{
  char *const *mirrors = q->options->mirror.item;
  struct target_spec spec;
  unsigned k, n = 0;

  forget_local_sources (q);
  q->local_sources = calloc (LAYERS_MAX + OPTION_LIST_MAX + 1, sizeof *q->local_sources);
  if (q->local_sources == NULL)
    return fail_memory (err, "the sources");
  for (k = 0; k < q->n_layers; k++) {
    if (source_local_path (q->urls[k], &q->local_sources[n], err) == -1)
      return -1;
    n += q->local_sources[n] != NULL;
  }
  for (k = 0; k < OPTION_LIST_MAX && mirrors[k] != NULL; k++) {
    if (source_local_path (mirrors[k], &q->local_sources[n], err) == -1)
      return -1;
    n += q->local_sources[n] != NULL;
  }
  import_target_spec (q, &spec);
  return target_refuse_sources (&spec, err);
}

int
import_open_image (struct qimport *q, bool recorded, struct error *err)
{
  struct source_options so
      = { .stop = &q->give_up, .deadline_ms = q->deadline, .event = on_event, .event_ctx = q };
  unsigned k;

  import_source_options (q->options, &so);
  if (collect_urls (q, err) == -1 || (!q->describes && refuse_sources (q, err) == -1))
    return -1;
  for (k = 0; k < q->n_layers; k++) {
    so.mirrors = k == 0 ? (const char *const *)q->options->mirror.item : NULL;
    if (open_layer (q, k, &so, recorded, err) == -1)
      return -1;
  }
  if (q->stream || (recorded && q->imp.sealed))
    return 0;
  if (!q->describes && import_check_chain (q, err) == -1)
    return -1;
  if (q->layers[0].header.dirty)
    import_warn (q,
                 "%s: the image was not closed cleanly (dirty bit); its tables are read as "
                 "they are",
                 source_url (q->sources[0]));
  import_record_format (q);
  q->imp.virtual_size = q->layers[0].disk.virtual_size;
  q->imp.cluster_size = q->layers[0].header.cluster_size;
  q->imp.layers = q->n_layers;
  return 0;
}

void
import_tell_mirrors (struct qimport *q)
{
  unsigned k;

  for (k = 0; k < q->n_layers; k++)
    if (q->sources[k] != NULL)
      source_tell_mirrors (q->sources[k]);
}

void
import_close_image (struct qimport *q)
{
  unsigned k;

  forget_local_sources (q);
  for (k = 0; k < LAYERS_MAX; k++) {
    source_close (q->sources[k]);
    q->sources[k] = NULL;
    free (q->urls[k]);
    q->urls[k] = NULL;
    free (q->layers[k].l1);
    q->layers[k].l1 = NULL;
  }
}
