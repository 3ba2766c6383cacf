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
  if (q->image.stream)
    return fail (
        err, ERR_SOURCE_FAILED,
        "%s: the server does not honour ranges, so that its tables cannot be read alone; "
        "fetch the image first",
        source_url (q->image.sources[0]));
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
  unsigned depth;     /* of what no layer has */
  bool raw[IMAGE_LAYERS_MAX];
};

static int
tell_last (const struct teller *t, struct error *err)
{
  static const unsigned flags[] = {
    [EXTENT_DATA] = QIMPORT_PRESENT | QIMPORT_DATA | QIMPORT_OFFSET,
    [EXTENT_COMPRESSED] = QIMPORT_PRESENT | QIMPORT_DATA | QIMPORT_COMPRESSED,
    [EXTENT_ZERO] = QIMPORT_PRESENT | QIMPORT_ZERO,
    [EXTENT_HOLE] = QIMPORT_ZERO,
  };
  const struct extent *e = &t->last;
  const struct qimport_extent told = {
    .start = e->guest.v,
    .length = e->len,
    .offset = e->kind == EXTENT_DATA ? e->host.v : 0,
    .depth = e->kind == EXTENT_HOLE ? t->depth : (unsigned)e->layer,
    .flags = flags[e->kind],
  };

  if (e->len == 0 || t->each (t->ctx, &told) == 0)
    return 0;
  return fail (err, ERR_INTERRUPTED, "stopped by the caller");
}

static int
tell_extent (void *ctx, const struct extent *extent, struct error *err)
{
  struct teller *t = ctx;
  struct extent *last = &t->last, copy = *extent, *e = &copy;

  if (e->kind == EXTENT_COMPRESSED && t->raw[e->layer]) /* the last sector, which is cut */
    e->kind = EXTENT_DATA;
  if (last->len > 0 && last->kind == e->kind && last->layer == e->layer
      && extent_guest_end (last) == e->guest.v
      && (e->kind != EXTENT_DATA || last->host.v + last->len == e->host.v)) {
    last->len += e->len;
    return 0;
  }
  if (tell_last (t, err) == -1)
    return -1;
  *last = *e;
  return 0;
}

static int
tell_image (struct qimport *q, const char *url, const struct qimport_options *options,
            struct teller *t, struct error *err)
{
  const struct map_sink sink = { tell_extent, NULL, t, false };
  unsigned k;

  if (open_described (q, url, options, err) == -1)
    return -1;
  t->depth = q->image.n_layers - 1;
  for (k = 0; k < q->image.n_layers; k++)
    t->raw[k] = q->image.layers[k].raw;
  if (map_walk (q->image.layers, q->image.n_layers, q->imp.virtual_size, &sink, err) == -1)
    return -1;
  return tell_last (t, err);
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
           ", \"vm-clock-sec\": %" PRIu64 ", \"vm-clock-nsec\": %" PRIu64
           ", \"virtual-size\": %" PRIu64 " }",
           s->vm_state_size, s->date_s, s->vm_clock_ns / 1000000000,
           s->vm_clock_ns % 1000000000, s->disk.virtual_size);
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
           "    \"virtual-size\": %" PRIu64 ",\n"
           "    \"actual-size\": %" PRIu64 ",\n"
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
           h->virtual_size, h->file_len, h->cluster_size, json_bool (h->dirty),
           h->version == 2 ? "0.10" : "1.1", h->compression == QCOW2_ZSTD ? "zstd" : "zlib",
           json_bool (h->compatible & 1), 1u << h->refcount_order, json_bool (h->extended_l2));
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
  const struct map_sink sink = { sum_extent, sum_table, &sums, false };
  struct image_spec spec;

  fputs ("{\n    \"filename\": ", out);
  json_string (out, source_url (q->image.sources[0]));
  fputs (",\n", out);
  if (q->image.layers[0].raw)
    print_raw_format (out, &q->image.layers[0]);
  else
    print_format (out, h);
  print_backing (out, h);
  if (h->snapshots > 0) {
    fputs ("    \"snapshots\": [", out);
    if (image_each_snapshot (&reader, h, print_snapshot, &snapshots, err) == -1)
      return -1;
    fputs ("\n    ],\n", out);
  }
  import_image_spec (q, false, &spec);
  image_check_chain (&q->image, &spec, &why);
  if (map_walk (q->image.layers, q->image.n_layers, q->imp.virtual_size, &sink, &why) == -1
      && error_status (why.code) != QIMPORT_IMAGE) {
    *err = why;
    return -1;
  }
  print_verdict (out, &sums, &why);
  return 0;
}

int
qimport_info_json (const char *url, const struct qimport_options *options, char **json,
                   struct qimport_error *error)
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
    rc = print_info (q, out, &err);
  rc = end_document (out, json, rc, &err);
  qimport_close (q);
  return rc == -1 ? publish_error (error, &err) : 0;
}
