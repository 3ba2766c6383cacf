/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * image: the sources of an import, the image and its backing files, opened and known before
 * anything is made: probe, header, refusals, identity (J4).  See image.h.
 */
#include "image/image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/own.h"
#include "base/text.h"
#include "base/url.h"
#include "image/raw_disk.h"
#include "image/snapshots.h"

/* Somebody sits before a start, and wants to know of a slip soon; nobody before the others. */
/* Of header and L1 table so much goes into the digest by which an image is known again. */
enum { IDENTITY_HEAD = 4096, IDENTITY_L1_MAX = 1 << 20, L1_KEPT = 64 << 10 };

int
image_init (struct image *i, struct error *err)
{
  memset (i, 0, sizeof *i);
  i->records = calloc (IMAGE_LAYERS_MAX, sizeof *i->records);
  return i->records == NULL ? fail_memory (err, "an image") : 0;
}

int
image_absolute_url (const char *url, char **out, struct error *err)
{
  OWN_MEM char *cwd = NULL;

  if (url_descriptor (url, NULL) || url[0] == '/' || strstr (url, "://") != NULL) {
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
  redact_url (r->url, sizeof r->url, url);
  r->url_had_secret = url_has_secret (url);
}

/* The first bytes of a layer: all that its header needs. */
static int
read_head (struct image *i, unsigned k, uint8_t **head, size_t *len, uint64_t file_len,
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
  return here ? 0 : source_read (i->sources[k], &rest, 1, err);
}

/* The digest by which an image is known again: of the start of its header, and of its L1 table.
 */
static int
head_digest (struct image *i, unsigned k, const uint8_t *head, size_t len,
             uint8_t out[DIGEST_SIZE], struct error *err)
{
  OWN_MEM uint8_t *l1 = NULL;
  struct qcow2_glance glance;
  struct source_want want;
  struct digest d;

  digest_init (&d);
  digest_update (&d, head, min_u64 (len, IDENTITY_HEAD));
  if (!i->layers[k].raw) {
    if (qcow2_header_glance (head, len, i->layers[k].file_len, &glance, err) == -1)
      return -1;
    want.range.at = glance.l1.at;
    want.range.len = min_u64 (glance.l1.n * 8, IDENTITY_L1_MAX);
    l1 = malloc (want.range.len + 1);
    if (l1 == NULL)
      return fail_memory (err, "the L1 table");
    want.buf = l1;
    if (want.range.len > 0 && source_read (i->sources[k], &want, 1, err) == -1)
      return -1;
    digest_update (&d, l1, want.range.len);
    if (want.range.len <= L1_KEPT) { /* the map will want it, a round trip later */
      free (i->layers[k].l1);
      i->layers[k].l1 = l1;
      i->layers[k].l1_at = want.range;
      l1 = NULL;
    }
  }
  digest_peek (&d, out);
  return 0;
}

const char *
image_shown (const struct image *i, unsigned k)
{
  const char *url = source_url (i->sources[k]);

  return strcmp (url, "-") == 0 ? "standard input" : url;
}

int
image_name_error (const struct image *i, unsigned k, struct error *err)
{
  if (!error_blames_image (err->code) && err->code != ERR_USAGE)
    return -1;
  return fail_in (err, image_shown (i, k));
}

static int
find_snapshot (struct image *i, const struct image_spec *spec, struct error *err)
{
  struct image_reader r = source_reader (i->sources[0], i->layers[0].file_len);
  struct snapshot_search search = { .name = spec->snapshot, .max_size = spec->max_size };
  struct map_layer *l = &i->layers[0];

  if (image_each_snapshot (&r, &l->header, image_search_snapshot, &search, err) == -1)
    return -1;
  return image_found_disk (&search, &l->header, &l->disk, err) == -1
             ? image_name_error (i, 0, err)
             : 0;
}

/* The first bytes of the image, where they are no qcow2 header: *HEAD grows until all that may
 * tell what it is has been seen; LAST becomes its last sector. */
static int
see_more (struct image *i, uint8_t **head, size_t *len, uint8_t last[SECTOR], struct error *err)
{
  uint64_t file_len = i->layers[0].file_len, tail = min_u64 (file_len, SECTOR);
  size_t all = (size_t)min_u64 (file_len, QCOW2_LOOK);
  uint8_t *more = realloc (*head, max_u64 (all, 1));
  struct source_want wants[2];

  if (more == NULL)
    return fail_memory (err, "the image's first bytes");
  *head = more;
  wants[0] = (struct source_want){ { { file_len - tail }, tail }, last };
  wants[1] = (struct source_want){ { { *len }, all - *len }, more + *len };
  *len = all;
  return source_read (i->sources[0], wants, wants[1].range.len > 0 ? 2 : 1, err);
}

static struct raw_disk_ask
raw_ask (const struct image *i, const struct image_spec *spec, unsigned k)
{
  return (struct raw_disk_ask){ spec->format, spec->snapshot, spec->max_size,
                                source_url (i->sources[k]) };
}

static int
decide_format (struct image *i, const struct image_spec *spec, uint8_t **head, size_t *len,
               bool *raw, struct error *err)
{
  struct raw_disk_ask ask = raw_ask (i, spec, 0);
  uint8_t last[SECTOR] = { 0 };
  bool more = *len > 0 && raw_disk_undecided (spec->format, *head, *len);

  *raw = false;
  if (i->layers[0].file_len == UINT64_MAX) /* it is described; a raw disk ends where it ends */
    return 0;
  if (more && see_more (i, head, len, last, err) == -1)
    return -1;
  return raw_disk_decide (&ask, *head, *len, more ? last : NULL, raw, err);
}

static int
check_raw (struct image *i, const struct image_spec *spec, unsigned k, struct error *err)
{
  struct raw_disk_ask ask = raw_ask (i, spec, k);
  struct map_layer *l = &i->layers[k];

  l->raw = i->formats[k].raw = true;
  i->formats[k].cluster_bits = RAW_CLUSTER_BITS;
  return raw_disk_size (&ask, l->file_len, &l->disk.virtual_size, err);
}

/* Nothing of it has to be decoded. */
static void
take_as_file (struct layer_format *f)
{
  f->raw = true;
  f->cluster_bits = RAW_CLUSTER_BITS;
}

static int
parse_layer (struct image *i, const struct image_spec *spec, unsigned k, uint8_t **head,
             size_t *len, struct error *err)
{
  struct map_layer *l = &i->layers[k];
  bool raw;

  if ((k == 0 ? decide_format (i, spec, head, len, &raw, err)
              : image_layer_is_raw (i, spec, k, *head, *len, &raw, err))
      == -1)
    return -1;
  if (raw)
    return check_raw (i, spec, k, err);
  if (read_head (i, k, head, len, l->file_len, err) == -1
      || qcow2_header_parse (&l->header, *head, *len, l->file_len, spec->max_size, err) == -1)
    return -1;
  l->raw = i->formats[k].raw = false;
  i->formats[k].compression = l->header.compression;
  i->formats[k].cluster_bits = l->header.cluster_bits;
  if (spec->as_file)
    take_as_file (&i->formats[k]);
  if (k == 0)
    return find_snapshot (i, spec, err);
  qcow2_active_disk (&l->header, &l->disk);
  return 0;
}

/* The map is sealed: of the header only what decoding needs, once it is known to be the same.
 */
static int
glance_layer (struct image *i, const struct image_spec *spec, unsigned k, const uint8_t *head,
              size_t len, struct error *err)
{
  struct qcow2_glance glance;

  i->layers[k].raw = i->formats[k].raw = strcmp (i->records[k].format, "raw") == 0;
  if (i->layers[k].raw)
    return check_raw (i, spec, k, err);
  if (qcow2_header_glance (head, len, i->layers[k].file_len, &glance, err) == -1)
    return -1;
  i->formats[k].compression = glance.compression;
  i->formats[k].cluster_bits = glance.cluster_bits;
  if (spec->as_file)
    take_as_file (&i->formats[k]);
  return 0;
}

int
image_parse (struct image *i, const struct image_spec *spec, struct error *err)
{
  unsigned k;

  for (k = 0; k < i->n_layers; k++) {
    struct source_want want
        = { { { 0 }, min_u64 (IMAGE_HEAD_MAX, i->layers[k].file_len) }, NULL };
    OWN_MEM uint8_t *head = malloc (IMAGE_HEAD_MAX);
    size_t len = (size_t)want.range.len;

    want.buf = head;
    if (head == NULL)
      return fail_memory (err, "the image's header");
    if (source_read (i->sources[k], &want, 1, err) == -1
        || parse_layer (i, spec, k, &head, &len, err) == -1)
      return image_name_error (i, k, err);
  }
  return 0;
}

static int
head_changed (const struct image *i, const struct image_spec *spec, unsigned k,
              struct error *err)
{
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: the image changed since the import began (header or L1 table differ); "
               "`qimport resume --restart %s` begins anew",
               source_url (i->sources[k]), spec->import_id);
}

/* J4: header and L1 table must be those that the import began with, whatever the validators
 * say: some servers ignore If-Range. */
static int
check_head_digest (struct image *i, const struct image_spec *spec, unsigned k,
                   const uint8_t *head, size_t len, struct error *err)
{
  struct journal_layer *r = &i->records[k];
  uint8_t digest[DIGEST_SIZE];

  if (head_digest (i, k, head, len, digest, err) == -1)
    return -1;
  if (spec->recorded && memcmp (digest, r->head_digest, DIGEST_SIZE) != 0)
    return head_changed (i, spec, k, err);
  memcpy (r->head_digest, digest, DIGEST_SIZE);
  return 0;
}

/* What the first bytes say is around the image.  One wrapper is unpacked, around the image
 * itself alone: what lies in it is read in order. */
static int
look_at_wrapper (struct image *i, unsigned k, const uint8_t *head, size_t len,
                 struct error *err)
{
  enum wrapper kind = unwrap_recognise (head, len);

  if (kind == WRAPPER_NONE)
    return 0;
  if (k > 0 && wrapper_is_unwrapped (kind))
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: a backing file must not be wrapped (this is %s data); unpack it first",
                 source_url (i->sources[k]), wrapper_name (kind));
  if (!wrapper_is_unwrapped (kind)) {
    unwrap_refuse (kind, WRAPPER_NONE, err);
    return image_name_error (i, k, err);
  }
  i->wrapper = kind;
  return 0;
}

/* A server has no range of it to give, so that it looks like one that honours none. */
static int
refuse_empty (const struct image *i, unsigned k, struct error *err)
{
  uint8_t none = 0;
  size_t need;

  if (qcow2_header_need (&none, 0, 0, &need, err) == 0)
    fail (err, ERR_INTERNAL, "an empty file has a header");
  return image_name_error (i, k, err);
}

/* Can layer K only be read forward, or is it to be? */
static int
decide_stream (struct image *i, const struct image_spec *spec, unsigned k,
               const struct source_identity *found, struct error *err)
{
  if ((found->ranges || spec->describe) && !spec->stream
      && !(spec->recorded && spec->was_stream) && i->wrapper == WRAPPER_NONE)
    return 0;
  if (k > 0)
    return fail (err, ERR_SOURCE_FAILED,
                 "%s: a backing file must come from a server that honours ranges",
                 source_url (i->sources[k]));
  i->stream = true;
  i->ranges = found->ranges;
  return 0;
}

static int
open_layer (struct image *i, const struct image_spec *spec, unsigned k,
            const struct source_options *so, struct error *err)
{
  struct journal_layer *r = &i->records[k];
  struct source_identity before, found;
  OWN_MEM uint8_t *head = malloc (IMAGE_HEAD_MAX);
  bool recorded = spec->recorded, sealed = recorded && spec->sealed;
  bool brief = sealed || (recorded && spec->was_stream);
  size_t len;

  if (head == NULL)
    return fail_memory (err, "the image's header");
  recorded_identity (r, &before);
  if (source_open (&i->sources[k], i->urls[k], so, err) == -1)
    return -1;
  if (source_probe (i->sources[k], recorded ? &before : NULL, spec->accept_new_validator,
                    &found, head, brief ? IDENTITY_HEAD : IMAGE_HEAD_MAX, &len, err)
          == -1
      || look_at_wrapper (i, k, head, len, err) == -1)
    return -1;
  if (!found.ranges && found.length == 0)
    return refuse_empty (i, k, err);
  if (decide_stream (i, spec, k, &found, err) == -1)
    return -1;
  if (recorded
      && (strcmp (before.etag, found.etag) != 0
          || strcmp (before.last_modified, found.last_modified) != 0))
    i->validator_changed = true;
  i->unproven |= recorded && !found.proven;
  i->layers[k].source = i->sources[k];
  i->layers[k].file_len = found.length;
  record_identity (i->sources[k], &found, r);
  if (i->stream)
    return 0;
  if (sealed && glance_layer (i, spec, k, head, len, err) == -1)
    return error_blames_image (err->code) ? head_changed (i, spec, k, err) : -1;
  if (!sealed && parse_layer (i, spec, k, &head, &len, err) == -1)
    return image_name_error (i, k, err);
  return check_head_digest (i, spec, k, head, len, err);
}

void
image_record_format (struct image *i, char *features, size_t size)
{
  const struct qcow2_header *h = &i->layers[0].header;
  const char *wrapper = i->wrapper != WRAPPER_NONE ? wrapper_name (i->wrapper) : "";
  const char *before = *wrapper != '\0' ? " wrapper=" : "";
  unsigned k;

  for (k = 0; k < i->n_layers; k++) {
    struct journal_layer *r = &i->records[k];

    snprintf (r->format, sizeof r->format, "%s", i->layers[k].raw ? "raw" : "qcow2");
    r->cluster_size = UINT64_C (1) << i->formats[k].cluster_bits;
    r->segment_size = max_u64 (r->cluster_size, 1 << 20);
  }
  if (i->layers[0].raw)
    snprintf (features, size, "raw%s%s", before, wrapper);
  else
    snprintf (features, size,
              "version=%u cluster_size=%llu compression=%s extended_l2=%d dirty=%d%s%s%s",
              h->version, (unsigned long long)h->cluster_size,
              h->compression == QCOW2_ZSTD ? "zstd" : "deflate", h->extended_l2, h->dirty,
              i->formats[0].raw ? " kept=1" : "", before, wrapper);
}

/* A path that is not there and looks like a URL that lost its beginning. */
static int
check_scheme (const char *url, const char *absolute, struct error *err)
{
  const char *rest = url_lost_scheme (url);
  OWN_MEM char *meant = NULL;
  char shown[512];

  if (rest == NULL || url_descriptor (url, NULL) || access (absolute, F_OK) == 0)
    return 0;
  if (asprintf (&meant, "https://%s", rest) == -1) {
    meant = NULL;
    return fail_memory (err, "a URL");
  }
  redact_url (shown, sizeof shown, meant);
  return fail (err, ERR_SOURCE_NOT_FOUND,
               "%s: there is no such file; if it is a URL, begin it with https:// (or http://)",
               shown + strlen ("https://"));
}

int
image_name (struct image *i, const struct image_spec *spec, struct error *err)
{
  char *const *backing = spec->backing;
  unsigned k;

  i->n_layers = 1;
  while (backing[i->n_layers - 1] != NULL)
    i->n_layers++;
  for (k = 0; k < i->n_layers; k++) {
    const char *given = k == 0 ? spec->url : backing[k - 1];

    if (image_absolute_url (given, &i->urls[k], err) == -1
        || check_scheme (given, i->urls[k], err) == -1)
      return -1;
    record_url (i->urls[k], &i->records[k]);
  }
  return 0;
}

int
image_open (struct image *i, const struct image_spec *spec, struct error *err)
{
  struct source_options so = spec->source;
  unsigned k;

  for (k = 0; k < i->n_layers; k++) {
    so.mirrors = k == 0 ? (const char *const *)spec->mirrors : NULL;
    so.login.credentials_url = i->urls[0];
    so.length = k == 0 ? spec->source.length : 0;
    if (open_layer (i, spec, k, &so, err) == -1)
      return -1;
  }
  if (i->stream || (spec->recorded && spec->sealed))
    return 0;
  if (!spec->describe && image_check_chain (i, spec, err) == -1)
    return -1;
  if (i->layers[0].header.dirty)
    image_warn (spec,
                "%s: the image was not closed cleanly (dirty bit); its tables are read as "
                "they are",
                source_url (i->sources[0]));
  return 0;
}

int
image_note_table (struct image *i, struct host_range r, struct error *err)
{
  size_t n = i->n_tables;
  struct host_range *more;

  if (n > IMAGE_TABLES_MAX)
    return 0;
  if ((n & (n - 1)) == 0) { /* full: a power of two */
    more = reallocarray (i->tables, n == 0 ? 1 : 2 * n, sizeof *more);
    if (more == NULL)
      return fail_memory (err, "the image's tables");
    i->tables = more;
  }
  i->tables[i->n_tables++] = r;
  return 0;
}

void
image_tell_mirrors (struct image *i)
{
  unsigned k;

  for (k = 0; k < i->n_layers; k++)
    if (i->sources[k] != NULL)
      source_tell_mirrors (i->sources[k]);
}

void
image_close (struct image *i)
{
  unsigned k;

  for (k = 0; k < IMAGE_LAYERS_MAX; k++) {
    source_close (i->sources[k]);
    i->sources[k] = NULL;
    free (i->urls[k]);
    i->urls[k] = NULL;
    free (i->layers[k].l1);
    i->layers[k].l1 = NULL;
  }
}

void
image_forget (struct image *i)
{
  struct journal_layer *records = i->records;

  image_close (i);
  free (i->tables);
  memset (records, 0, IMAGE_LAYERS_MAX * sizeof *records);
  memset (i, 0, sizeof *i);
  i->records = records;
}

void
image_release (struct image *i)
{
  image_close (i);
  free (i->tables);
  free (i->records);
  i->tables = NULL;
  i->records = NULL;
}
