/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * sources: the image of an import is opened as its options and its row say: which sources, with
 * which credentials, and that none of them is what will be written.  What an image is, is
 * image/'s.
 */
#include "import/several.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
import_source_options (const struct qimport *q, struct source_options *so)
{
  const struct qimport_options *o = q->options;

  so->connections = (unsigned)o->connections;
  so->limit_rate = o->limit_rate;
  so->retry_time_s = (unsigned)o->retry_time_s;
  so->first_time_s = q->job == JOB_START ? FIRST_TIME_S : 0;
  so->stall_time_s = (unsigned)o->stall_time_s;
  so->connect_timeout_s = (unsigned)o->connect_timeout_s;
  so->login.header_file = o->header_file;
  so->login.netrc_file = o->netrc_file;
  so->login.user_file = o->user_file;
  so->login.bearer_file = o->bearer_file;
  so->login.netrc = o->netrc;
  so->tls.cacert = o->cacert;
  so->tls.cert = o->cert;
  so->tls.key = o->key;
  so->tls.pinnedpubkey = o->pinnedpubkey;
  so->proxy = o->proxy;
  so->login.proxy_user_file = o->proxy_user_file;
  so->login.digest_auth = o->digest_auth;
  so->login.proxy_digest = o->proxy_digest;
  so->login.aws_sigv4 = o->aws_sigv4;
  so->address
      = (struct source_address){ o->ipv4, o->ipv6, (const char *const *)o->resolve.item };
  so->tls.insecure = o->insecure;
}

static void
forget_local_sources (struct qimport *q)
{
  size_t i;

  for (i = 0; q->given.local_sources != NULL && q->given.local_sources[i] != NULL; i++)
    free (q->given.local_sources[i]);
  free (q->given.local_sources);
  q->given.local_sources = NULL;
}

int
import_refuse_sources (struct qimport *q, struct error *err)
{
  char *const *mirrors = q->options->mirror.item;
  struct target_spec spec;
  unsigned k, n = 0;

  forget_local_sources (q);
  q->given.local_sources
      = calloc (IMAGE_LAYERS_MAX + OPTION_LIST_MAX + 1, sizeof *q->given.local_sources);
  if (q->given.local_sources == NULL)
    return fail_memory (err, "the sources");
  for (k = 0; k < q->image.n_layers; k++) {
    if (source_local_path (q->image.urls[k], &q->given.local_sources[n], err) == -1)
      return -1;
    n += q->given.local_sources[n] != NULL;
  }
  for (k = 0; k < OPTION_LIST_MAX && mirrors[k] != NULL; k++) {
    if (source_local_path (mirrors[k], &q->given.local_sources[n], err) == -1)
      return -1;
    n += q->given.local_sources[n] != NULL;
  }
  import_target_spec (q, &spec);
  return target_refuse_sources (&spec, err);
}

static void
on_warning (void *ctx, const char *words)
{
  import_warn (ctx, "%s", words);
}

static void
on_event (void *ctx, const char *kind, const char *detail)
{
  struct qimport *q = ctx;

  if (strcmp (kind, "warning") == 0)
    import_warn (q, "%s", detail);
  else
    import_note (q, "%s: %s", kind, detail);
  import_event (q, kind, detail);
}

/* Other validators than those that were recorded are no end where the bytes can prove to be the
 * same: a checksum is of all of them, whichever mirror a redirect leads to. */
static bool
may_have_changed (const struct qimport *q)
{
  return q->options->accept_new_validator
         || (q->imp.expect_sha256[0] != '\0' && q->options->backing.item[0] == NULL
             && !q->doubt.ask_source && q->imp.now.state != IMPORT_COMPLETE);
}

void
import_image_spec (struct qimport *q, bool recorded, struct image_spec *spec)
{
  const struct qimport_options *o = q->options;

  *spec = (struct image_spec){
    .url = q->given.url,
    .backing = o->backing.item,
    .mirrors = q->doubt.ask_source ? NULL : o->mirror.item, /* asked is that URL alone */
    .snapshot = o->snapshot,
    .format = (enum image_format)o->format,
    .max_size = o->max_size,
    .accept_new_validator = may_have_changed (q),
    .stream = o->stream,
    .describe = q->standing.describes,
    .keep = o->unallocated_keep,
    .as_file = o->keep_format,
    .recorded = recorded,
    .sealed = q->imp.sealed,
    .was_stream = q->imp.stream,
    .import_id = q->imp.id,
    .warn = on_warning,
    .ctx = q,
    .source = { .stop = &q->stops.give_up,
                .deadline_ms = q->stops.deadline,
                .event = on_event,
                .event_ctx = q,
                .may_turn = !recorded && !q->standing.describes && !q->doubt.ask_source
                            && o->backing.item[0] == NULL && o->mirror.item[0] == NULL,
                .forward = o->stream,
                .recall = q->standing.describes,
                .length = o->length },
  };
  import_source_options (q, &spec->source);
}

void
import_record_format (struct qimport *q)
{
  image_record_format (&q->image, q->imp.format_features, sizeof q->imp.format_features);
}

int
import_open_image (struct qimport *q, bool recorded, struct error *err)
{
  struct image_spec spec;

  import_image_spec (q, recorded, &spec);
  if (image_name (&q->image, &spec, err) == -1
      || (!q->standing.describes && !import_is_carrier (q)
          && import_refuse_sources (q, err) == -1)
      || image_open (&q->image, &spec, err) == -1 || import_check_kept (q, err) == -1)
    return -1;
  if (q->image.stream || (recorded && q->imp.sealed))
    return 0;
  import_record_format (q);
  q->imp.virtual_size = import_disk_size (q);
  q->imp.cluster_size = UINT64_C (1) << q->image.formats[0].cluster_bits;
  q->imp.layers = q->image.n_layers;
  return 0;
}

int
import_parse_image (struct qimport *q, struct error *err)
{
  struct image_spec spec;

  import_image_spec (q, true, &spec);
  return image_parse (&q->image, &spec, err);
}

void
import_close_image (struct qimport *q)
{
  forget_local_sources (q);
  image_close (&q->image);
}
