/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * keep_format: --keep-format, where TARGET is the image itself and no disk that was decoded
 * from it: what does not go with it, how large it is, and which tables it has.  Reads and
 * writes nothing but the journal.
 */
#include "import/import.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "import/memo.h"

/* An option that says something about the disk in the image, or NULL. */
static const char *
contradiction (const struct qimport_options *o)
{
  if (o->snapshot != NULL)
    return "--snapshot";
  if (o->backing.item[0] != NULL)
    return "--backing";
  if (o->unallocated_keep)
    return "--unallocated keep";
  if (o->size > 0)
    return "--size";
  if (o->fix_gpt)
    return "--fix-gpt";
  return NULL;
}

int
import_check_keeping (const struct qimport *q, struct error *err)
{
  const char *other = q->options->keep_format ? contradiction (q->options) : NULL;

  if (other == NULL)
    return 0;
  return fail (err, ERR_USAGE,
               "%s does not go with --keep-format, which keeps all of the image and decodes "
               "nothing of it; leave one of them out",
               other);
}

int
import_check_kept (const struct qimport *q, struct error *err)
{
  const char *url = source_url (q->image.sources[0]);

  if (!q->options->keep_format || (q->imp.sealed && !q->image.stream))
    return 0;
  if (strcmp (q->imp.target_kind, "nbd") == 0)
    return fail (err, ERR_USAGE,
                 "%s: --keep-format does not go with NBD targets, whose server decodes and "
                 "encodes itself; leave it out, or name a file",
                 q->imp.target);
  if (q->image.stream)
    return fail (err, ERR_USAGE,
                 "%s: can only be read forward, and --keep-format checks all tables before a "
                 "byte is written; store it in a file first, and import that",
                 image_shown (&q->image, 0));
  if (q->image.layers[0].file_len <= q->options->max_size)
    return 0;
  return fail (err, ERR_IMAGE_TOO_LARGE,
               "%s: the image has %llu bytes, and --max-size allows %llu; give a larger one if "
               "that is right",
               url, (unsigned long long)q->image.layers[0].file_len,
               (unsigned long long)q->options->max_size);
}

bool
import_is_kept (const struct journal_import *imp)
{
  static const char line[] = "keep-format=";

  return strncmp (imp->options, line, strlen (line)) == 0
         || strstr (imp->options, "\nkeep-format=") != NULL;
}

uint64_t
import_disk_size (const struct qimport *q)
{
  const struct map_layer *image = &q->image.layers[0];

  return q->options->keep_format ? align_up (image->file_len, SECTOR)
                                 : image->disk.virtual_size;
}

int
import_remember_tables (struct qimport *q, const uint8_t digest[DIGEST_SIZE], struct error *err)
{
  char hex[DIGEST_HEX];

  if (memo_tables (&q->options->memo, digest_hex (hex, digest), err) == -1)
    return -1;
  return import_remember_options (q, err);
}

int
import_same_tables (const struct qimport *q, const uint8_t digest[DIGEST_SIZE],
                    struct error *err)
{
  const char *was = q->options->memo.tables;
  char hex[DIGEST_HEX];

  if (was != NULL && strcmp (was, digest_hex (hex, digest)) == 0)
    return 0;
  return fail (err, ERR_SOURCE_CHANGED,
               "%s: its tables are not those this import began with; start anew with "
               "--restart, or give the right --url",
               source_url (q->image.sources[0]));
}

void
import_warn_name (struct qimport *q)
{
  static const char *const names[] = { "qcow2", "vmdk", "vhd", "vhdx", "vdi" };
  const char *dot = strrchr (q->imp.target, '.');
  size_t i;

  if (dot == NULL || q->options->keep_format || strcmp (q->imp.target_kind, "file") != 0)
    return;
  for (i = 0; i < sizeof names / sizeof *names; i++)
    if (strcasecmp (dot + 1, names[i]) == 0)
      import_warn (q,
                   "%s: will be a raw disk, whatever its name says; --keep-format keeps a "
                   "qcow2 image as it is",
                   q->imp.target);
}
