/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * describe_image: what an image is, and its map, from metadata alone.  Fetches no data cluster,
 * touches no journal and no target.
 */
#include "import/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "api/document.h"
#include "image/snapshots.h"

/* An import that will never be one, to open sources with. */
static int
open_described (struct qimport *q, const char *url, const struct qimport_options *options,
                struct error *err)
{
  pthread_mutex_init (&q->shown.lock, NULL);
  checker_init (&q->checker);
  q->standing.describes = true;
  q->options = options_copy (options);
  q->given.url = strdup (url);
  if (q->options == NULL || q->given.url == NULL)
    return fail_memory (err, "an image");
  if (image_init (&q->image, err) == -1)
    return -1;
  if (import_open_image (q, false, err) == -1)
    return -1;
  if (q->image.wrapper != WRAPPER_NONE)
    return fail (
        err, ERR_IMAGE_UNSUPPORTED,
        "%s: is wrapped (%s), so that its tables cannot be read alone; unpack it first",
        source_url (q->image.sources[0]), wrapper_name (q->image.wrapper));
  return 0;
}

/* ---- map ----------------------------------------------------------------------------------
 */

typedef int (*extent_call) (void *ctx, const struct qimport_extent *extent);

/* Neighbours that are alike are told as one, as qemu-img does. */
struct teller {
  extent_call each;
  void *ctx;
  struct extent last; /* len 0: none yet */
  unsigned depth;     /* of a journal's holes, which know no layer */
  bool partial;       /* a backing file was not given: what no layer has is not known */
  bool told;
  bool raw[IMAGE_LAYERS_MAX];
};

static int
tell_last (struct teller *t, struct error *err)
{
  static const unsigned flags[] = {
    [EXTENT_DATA] = QIMPORT_PRESENT | QIMPORT_DATA | QIMPORT_OFFSET,
    [EXTENT_COMPRESSED] = QIMPORT_PRESENT | QIMPORT_DATA | QIMPORT_COMPRESSED,
    [EXTENT_ZERO] = QIMPORT_PRESENT | QIMPORT_ZERO,
    [EXTENT_HOLE] = QIMPORT_ZERO,
  };
  const struct extent *e = &t->last;
  struct qimport_extent told = {
    .start = e->guest.v,
    .length = e->len,
    .offset = e->kind == EXTENT_COMPRESSED ? 0 : e->host.v,
    .depth = e->layer + (e->kind == EXTENT_HOLE ? t->depth : 0),
    .flags = e->kind == EXTENT_HOLE && t->partial ? 0 : flags[e->kind],
  };

  if (e->kind == EXTENT_ZERO && e->host.v != 0)
    told.flags |= QIMPORT_OFFSET;
  t->told |= e->len > 0;
  if (e->len == 0 || t->each (t->ctx, &told) == 0)
    return 0;
  return fail (err, ERR_INTERRUPTED, "stopped by the caller");
}

/* Is E, which is of the same kind, stored behind LAST? */
static bool
is_next (const struct extent *last, const struct extent *e)
{
  if (e->kind == EXTENT_DATA || (e->kind == EXTENT_ZERO && last->host.v != 0))
    return last->host.v + last->len == e->host.v;
  return e->kind != EXTENT_ZERO || e->host.v == 0;
}

static int
tell_extent (void *ctx, const struct extent *extent, struct error *err)
{
  struct teller *t = ctx;
  struct extent *last = &t->last, copy = *extent, *e = &copy;

  if (e->kind == EXTENT_COMPRESSED && t->raw[e->layer]) /* the last sector, which is cut */
    e->kind = EXTENT_DATA;
  if (last->len > 0 && last->kind == e->kind && last->layer == e->layer
      && extent_guest_end (last) == e->guest.v && is_next (last, e)) {
    last->len += e->len;
    return 0;
  }
  if (tell_last (t, err) == -1)
    return -1;
  *last = *e;
  return 0;
}

/* A disk of no bytes is one extent of that length, in the words of qemu-img. */
static int
tell_nothing (const struct teller *t, struct error *err)
{
  const struct qimport_extent nothing = { .length = 0 };

  if (t->each (t->ctx, &nothing) == 0)
    return 0;
  return fail (err, ERR_INTERRUPTED, "stopped by the caller");
}

static int
check_chain (struct qimport *q, struct error *err)
{
  struct image_spec spec;

  import_image_spec (q, false, &spec);
  return image_check_chain (&q->image, &spec, err);
}

static int
tell_image (struct qimport *q, const char *url, const struct qimport_options *options,
            struct teller *t, struct error *err)
{
  struct map_sink sink = { tell_extent, NULL, t, .depths = true };
  const struct map_layer *lowest;
  unsigned k;

  if (open_described (q, url, options, err) == -1)
    return -1;
  for (k = 0; k < q->image.n_layers; k++)
    t->raw[k] = q->image.layers[k].raw;
  lowest = &q->image.layers[q->image.n_layers - 1];
  t->partial = sink.keep_holes = !lowest->raw && lowest->header.has_backing;
  if (!options->allow_partial && check_chain (q, err) == -1)
    return -1;
  if (map_walk (q->image.layers, q->image.n_layers, q->imp.virtual_size, &sink, err) == -1
      || tell_last (t, err) == -1)
    return -1;
  return t->told ? 0 : tell_nothing (t, err);
}

int
qimport_map (const char *url, const struct qimport_options *options, extent_call each,
             void *ctx, struct qimport_error *error)
{
  struct teller t = { .each = each, .ctx = ctx };
  struct qimport *q = calloc (1, sizeof *q);
  struct error err;
  int rc;

  if (q == NULL) {
    fail_memory (&err, "an image");
    return publish_error (error, &err);
  }
  rc = tell_image (q, url, options, &t, &err);
  qimport_close (q);
  return rc == -1 ? publish_error (error, &err) : 0;
}

static int
tell_import (struct journal *j, const struct journal_import *imp, struct teller *t,
             struct error *err)
{
  OWN_MEM struct journal_layer *layer = malloc (sizeof *layer);
  unsigned k;

  if (layer == NULL)
    return fail_memory (err, "a map");
  for (k = 0; k < imp->layers && k < IMAGE_LAYERS_MAX; k++) {
    if (journal_get_layer (j, imp->no, k, layer, err) == -1)
      return -1;
    t->raw[k] = strcmp (layer->format, "raw") == 0;
  }
  t->depth = imp->layers > 0 ? imp->layers - 1 : 0;
  if (journal_map_each (j, imp, tell_extent, t, err) == -1)
    return -1;
  return tell_last (t, err);
}

int
qimport_map_import (struct qimport_journal *j, const char *id, extent_call each, void *ctx,
                    struct qimport_error *error)
{
  OWN_MEM struct journal_import *imp = malloc (sizeof *imp);
  struct teller t = { .each = each, .ctx = ctx };
  struct error err;
  int rc = -1;

  if (imp == NULL)
    fail_memory (&err, "an import");
  else if (import_find (j->journal, id, imp, &err) == 0)
    rc = tell_import (j->journal, imp, &t, &err);
  return rc == -1 ? publish_error (error, &err) : 0;
}

/* Close the document; TEXT is the caller's. */
static int
end_document (FILE *out, char **text, int rc, struct error *err)
{
  if (fclose (out) != 0 && rc == 0)
    rc = fail_memory (err, "the document");
  if (rc == -1) {
    free (*text);
    *text = NULL;
  }
  return rc;
}

/* ---- info ---------------------------------------------------------------------------------
 */

struct sums {
  const struct map_layer *layers;
  uint64_t data, compressed, zero, stored, tables, table_bytes;
};

static int
sum_extent (void *ctx, const struct extent *e, struct error *err)
{
  struct sums *s = ctx;

  (void)err;
  s->stored += e->stored;
  if (e->kind == EXTENT_DATA || (e->kind == EXTENT_COMPRESSED && s->layers[e->layer].raw))
    s->data += e->len;
  else if (e->kind == EXTENT_COMPRESSED)
    s->compressed += e->len;
  s->zero += e->kind == EXTENT_ZERO ? e->len : 0;
  return 0;
}

static int
sum_table (void *ctx, uint32_t layer, struct host_range r, const char *what, struct error *err)
{
  struct sums *s = ctx;

  (void)layer;
  (void)what;
  (void)err;
  s->tables++;
  s->table_bytes += r.len;
  return 0;
}

struct snapshot_printer {
  FILE *out;
  bool any;
};

static int
print_snapshot (void *ctx, const struct qcow2_snapshot *s, struct error *err)
{
  struct snapshot_printer *p = ctx;

  (void)err;
  fprintf (p->out, "%s\n        { \"id\": ", p->any ? "," : "");
  json_string (p->out, s->id);
  fputs (", \"name\": ", p->out);
  json_string (p->out, s->name);
  fprintf (p->out,
           ", \"vm-state-size\": %" PRIu64 ", \"date-sec\": %" PRId64
           ", \"date-nsec\": %" PRIu32 ", \"vm-clock-sec\": %" PRIu64
           ", \"vm-clock-nsec\": %" PRIu64 ", \"virtual-size\": %" PRIu64,
           s->vm_state_size, s->date_s, s->date_ns, s->vm_clock_ns / 1000000000,
           s->vm_clock_ns % 1000000000, s->disk.virtual_size);
  if (s->icount != UINT64_MAX)
    fprintf (p->out, ", \"icount\": %" PRIu64, s->icount);
  fputs (" }", p->out);
  p->any = true;
  return 0;
}

static void
print_backing (FILE *out, const struct qcow2_header *h)
{
  char name[4 * QCOW2_NAME_MAX + 8], format[80];

  if (!h->has_backing)
    return;
  fputs ("    \"backing-filename\": ", out);
  json_string (out, escape_text (name, sizeof name, h->backing_name, h->backing_name_len));
  fputs (",\n", out);
  if (h->backing_format[0] == '\0')
    return;
  fputs ("    \"backing-filename-format\": ", out);
  json_string (out, escape_text (format, sizeof format, h->backing_format,
                                 strnlen (h->backing_format, sizeof h->backing_format)));
  fputs (",\n", out);
}

static void
print_raw_format (FILE *out, const struct map_layer *l)
{
  fprintf (out,
           "    \"format\": \"raw\",\n"
           "    \"virtual-size\": %" PRIu64 ",\n"
           "    \"actual-size\": %" PRIu64 ",\n"
           "    \"dirty-flag\": false,\n",
           l->disk.virtual_size, l->file_len);
}

static void
print_format (FILE *out, const struct qcow2_header *h)
{
  fprintf (out,
           "    \"format\": \"qcow2\",\n"
           "    \"virtual-size\": %" PRIu64 ",\n",
           h->virtual_size);
  if (h->file_len != QCOW2_LEN_UNKNOWN)
    fprintf (out, "    \"actual-size\": %" PRIu64 ",\n", h->file_len);
  fprintf (out,
           "    \"cluster-size\": %" PRIu64 ",\n"
           "    \"dirty-flag\": %s,\n"
           "    \"encrypted\": false,\n"
           "    \"format-specific\": {\n"
           "        \"type\": \"qcow2\",\n"
           "        \"data\": {\n"
           "            \"compat\": \"%s\",\n"
           "            \"compression-type\": \"%s\",\n"
           "            \"lazy-refcounts\": %s,\n"
           "            \"refcount-bits\": %u,\n"
           "            \"corrupt\": false,\n"
           "            \"extended-l2\": %s\n"
           "        }\n"
           "    },\n",
           h->cluster_size, json_bool (h->dirty), h->version == 2 ? "0.10" : "1.1",
           h->compression == QCOW2_ZSTD ? "zstd" : "zlib", json_bool (h->compatible & 1),
           1u << h->refcount_order, json_bool (h->extended_l2));
}

/* What tells this image from another one at the same place; as status has them of an import. */
static void
print_validators (FILE *out, const struct journal_layer *record)
{
  if (record->etag[0] != '\0') {
    fputs ("    \"etag\": ", out);
    json_string (out, record->etag);
    fputs (",\n", out);
  }
  if (record->last_modified[0] != '\0') {
    fputs ("    \"last-modified\": ", out);
    json_string (out, record->last_modified);
    fputs (",\n", out);
  }
}

/* Whether start would take it, as far as the image says; WHY as start would put it. */
static void
print_verdict (FILE *out, const struct sums *s, const struct error *why)
{
  enum { REQUEST = 8 << 20 };

  fprintf (out,
           "    \"data-bytes\": %" PRIu64 ",\n    \"compressed-bytes\": %" PRIu64 ",\n"
           "    \"zero-bytes\": %" PRIu64 ",\n    \"bytes-to-fetch\": %" PRIu64 ",\n"
           "    \"requests\": %" PRIu64 ",\n    \"importable\": %s",
           s->data, s->compressed, s->zero, s->stored + s->table_bytes,
           1 + (s->tables + 15) / 16 + (s->stored + REQUEST - 1) / REQUEST,
           json_bool (why->code == ERR_NONE));
  if (why->code != ERR_NONE) {
    fputs (",\n    \"reason\": ", out);
    json_string (out, why->text);
  }
  fputs ("\n}\n", out);
}

static int
print_info (struct qimport *q, FILE *out, struct error *err)
{
  const struct qcow2_header *h = &q->image.layers[0].header;
  struct image_reader reader = source_reader (q->image.sources[0], h->file_len);
  struct snapshot_printer snapshots = { out, false };
  struct error why = { .code = ERR_NONE };
  struct sums sums = { .layers = q->image.layers };
  const struct map_sink sink = { .extent = sum_extent, .table = sum_table, .ctx = &sums };

  fputs ("{\n    \"filename\": ", out);
  json_string (out, source_url (q->image.sources[0]));
  fputs (",\n", out);
  if (q->image.layers[0].raw)
    print_raw_format (out, &q->image.layers[0]);
  else
    print_format (out, h);
  print_validators (out, &q->image.records[0]);
  print_backing (out, h);
  if (h->snapshots > 0) {
    fputs ("    \"snapshots\": [", out);
    if (image_each_snapshot (&reader, h, print_snapshot, &snapshots, err) == -1)
      return -1;
    fputs ("\n    ],\n", out);
  }
  check_chain (q, &why);
  if (map_walk (q->image.layers, q->image.n_layers, q->imp.virtual_size, &sink, &why) == -1
      && error_status (why.code) != QIMPORT_IMAGE) {
    *err = why;
    return -1;
  }
  print_verdict (out, &sums, &why);
  return 0;
}

/* ---- headers ------------------------------------------------------------------------------
 */

struct cluster_run {
  FILE *out;
  uint64_t size; /* of a cluster */
  uint64_t first, end;
  bool any;
};

static void
print_run (struct cluster_run *r)
{
  if (r->end > r->first)
    fprintf (r->out, "%s[%" PRIu64 ", %" PRIu64 "]", r->any ? ", " : "", r->first, r->end - 1);
  r->any |= r->end > r->first;
}

/* Guest clusters of which some bytes are stored in the image itself. */
static int
add_clusters (void *ctx, const struct extent *e, struct error *err)
{
  struct cluster_run *r = ctx;
  uint64_t first = e->guest.v / r->size, end = (extent_guest_end (e) - 1) / r->size + 1;

  (void)err;
  if (e->layer > 0 || (e->kind != EXTENT_DATA && e->kind != EXTENT_COMPRESSED))
    return 0;
  if (first > r->end || r->end == 0) {
    print_run (r);
    r->first = first;
  }
  r->end = end;
  return 0;
}

static int
print_headers (struct qimport *q, FILE *out, struct error *err)
{
  unsigned bits = q->image.formats[0].cluster_bits;
  struct cluster_run run = { .out = out, .size = UINT64_C (1) << bits };
  const struct map_sink sink = { .extent = add_clusters, .ctx = &run };

  fprintf (out, "{\"virtual_size\": %" PRIu64 ", \"cluster_bits\": %u, \"data_clusters\": [",
           q->imp.virtual_size, bits);
  if (map_walk (q->image.layers, 1, q->imp.virtual_size, &sink, err) == -1)
    return -1;
  print_run (&run);
  fputs ("]}\n", out);
  return 0;
}

typedef int (*image_print) (struct qimport *q, FILE *out, struct error *err);

static int
describe (const char *url, const struct qimport_options *options, image_print print,
          char **json, struct qimport_error *error)
{
  struct qimport *q = calloc (1, sizeof *q);
  struct error err;
  FILE *out;
  size_t size;
  int rc;

  *json = NULL;
  if (q == NULL || (out = open_memstream (json, &size)) == NULL) {
    free (q);
    fail_memory (&err, "the document");
    return publish_error (error, &err);
  }
  rc = open_described (q, url, options, &err);
  if (rc == 0)
    rc = print (q, out, &err);
  rc = end_document (out, json, rc, &err);
  qimport_close (q);
  return rc == -1 ? publish_error (error, &err) : 0;
}

int
qimport_info_json (const char *url, const struct qimport_options *options, char **json,
                   struct qimport_error *error)
{
  return describe (url, options, print_info, json, error);
}

int
qimport_headers_json (const char *url, const struct qimport_options *options, char **json,
                      struct qimport_error *error)
{
  return describe (url, options, print_headers, json, error);
}
