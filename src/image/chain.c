/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * chain: do the images that were given belong on each other, in this order?  Backing files are
 * given explicitly and never opened by the name in an overlay; that name, and the format beside
 * it, are only held against what was given.
 */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { NAME_SHOWN = 64 };

static bool
has_backing (const struct map_layer *l)
{
  return !l->raw && l->header.has_backing;
}

static const char *
shown_name (const struct map_layer *l, char out[NAME_SHOWN])
{
  return escape_text (out, NAME_SHOWN, l->header.backing_name, l->header.backing_name_len);
}

/* ---- Formats ------------------------------------------------------------------------------
 */

static bool
is_qcow2 (const uint8_t *head, size_t len)
{
  return len >= 4 && memcmp (head, "QFI\xfb", 4) == 0;
}

/* qemu reads it as what it is, and we cannot: as a raw disk it would be another one. */
static int
refuse_other_format (struct image *i, unsigned k, const uint8_t *head, size_t len,
                     struct error *err)
{
  const char *what = qcow2_other_format (head, len);

  if (what == NULL)
    return 0;
  return fail (err, ERR_IMAGE_UNSUPPORTED,
               "%s: is %s; if it is a raw disk on which a guest wrote that, say so in %s with "
               "qemu-img rebase -u -F raw",
               source_url (i->sources[k]), what, source_url (i->sources[k - 1]));
}

/* Other words for raw, which nothing has to be converted for. */
static bool
means_raw (const char *format)
{
  return strcasecmp (format, "raw") == 0 || strcmp (format, "file") == 0
         || strcmp (format, "host_device") == 0;
}

/* What a guest writes to a raw disk must not make another image of it: the overlay's word
 * holds, and the bytes are looked at only where it says nothing. */
int
image_layer_is_raw (struct image *i, const struct image_spec *spec, unsigned k,
                    const uint8_t *head, size_t len, bool *raw, struct error *err)
{
  const struct map_layer *over = &i->layers[k - 1];
  const char *url = source_url (i->sources[k]), *format = "";
  char shown[NAME_SHOWN];

  *raw = false;
  if (has_backing (over))
    format = over->header.backing_format;
  if (strcmp (format, "qcow2") == 0)
    return 0;
  if (strcmp (format, "raw") != 0 && format[0] != '\0')
    return fail (err, ERR_IMAGE_UNSUPPORTED,
                 "%s: the backing file of %s is of format \"%s\", and only qcow2 and raw are "
                 "read; %s",
                 url, source_url (i->sources[k - 1]),
                 escape_text (shown, sizeof shown, format, strlen (format)),
                 means_raw (format)
                     ? "that means raw: say so with qemu-img rebase -u -F raw"
                     : "convert it, and say so with qemu-img rebase -u -F qcow2");
  *raw = format[0] != '\0' || !is_qcow2 (head, len);
  if (format[0] == '\0' && *raw && refuse_other_format (i, k, head, len, err) == -1)
    return -1;
  if (*raw && is_qcow2 (head, len))
    image_warn (spec,
                "%s: read as raw, as %s says, though it looks like qcow2; if it is, say so "
                "with qemu-img rebase -u -F qcow2",
                url, source_url (i->sources[k - 1]));
  return 0;
}

/* ---- Names --------------------------------------------------------------------------------
 */

struct base_name {
  const char *at;
  size_t len;
};

static struct base_name
base_of (const char *name, size_t len)
{
  const char *slash = memrchr (name, '/', len);
  struct base_name b = { name, len };

  if (slash != NULL) {
    b.at = slash + 1;
    b.len = (size_t)(name + len - b.at);
  }
  return b;
}

/* The last part of the path, without query. */
static struct base_name
base_of_url (const char *url)
{
  return base_of (url, strstr (url, "://") != NULL ? strcspn (url, "?#") : strlen (url));
}

static int
hex_value (char c)
{
  static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
  const char *at = c == '\0' ? NULL : strchr (digits, c);

  return at == NULL ? -1 : (int)(at - digits) / 2;
}

/* Is GIVEN, where %XX may stand for a byte, the name NAMED? */
static bool
is_named (struct base_name named, struct base_name given)
{
  size_t i, k;

  if (named.len == given.len && memcmp (named.at, given.at, named.len) == 0)
    return true;
  for (i = k = 0; i < given.len && k < named.len; i++, k++) {
    char c = given.at[i];

    if (c == '%' && i + 2 < given.len && hex_value (given.at[i + 1]) != -1
        && hex_value (given.at[i + 2]) != -1) {
      c = (char)(hex_value (given.at[i + 1]) << 4 | hex_value (given.at[i + 2]));
      i += 2;
    }
    if (c != named.at[k])
      return false;
  }
  return i == given.len && k == named.len;
}

/* Files may have been renamed, so that another name is a warning; but where the name is that of
 * another layer, the order is wrong and so would be the disk. */
static int
check_name (struct image *i, const struct image_spec *spec, unsigned k, struct error *err)
{
  const struct qcow2_header *h = &i->layers[k].header;
  struct base_name named = base_of (h->backing_name, h->backing_name_len);
  char shown[NAME_SHOWN];
  unsigned other;

  if (is_named (named, base_of_url (i->urls[k + 1])))
    return 0;
  for (other = 1; other < i->n_layers; other++)
    if (other != k && is_named (named, base_of_url (i->urls[other])))
      return fail (err, ERR_IMAGE_UNSUPPORTED,
                   "%s: its backing file is \"%s\", but --backing gives %s in its place; check "
                   "the order (top down)",
                   source_url (i->sources[k]), shown_name (&i->layers[k], shown),
                   source_url (i->sources[k + 1]));
  image_warn (
      spec,
      "%s: its backing file was \"%s\", and %s is taken for it, as --backing says; make "
      "sure that it is the same",
      source_url (i->sources[k]), shown_name (&i->layers[k], shown),
      source_url (i->sources[k + 1]));
  return 0;
}

/* ---- The chain ----------------------------------------------------------------------------
 */

/* Whoever opens the copy opens a file of that name, whatever it is there. */
static int
refuse_overlay (struct image *i, struct error *err)
{
  char shown[NAME_SHOWN];

  return fail (err, ERR_IMAGE_UNSUPPORTED,
               "%s: the image has a backing file, \"%s\", which the copy would name too, "
               "whatever has that name here; import it without --keep-format, or publish a "
               "flattened image",
               source_url (i->sources[0]), shown_name (&i->layers[0], shown));
}

int
image_check_chain (struct image *i, const struct image_spec *spec, struct error *err)
{
  char shown[NAME_SHOWN];
  unsigned k;

  if (spec->as_file && has_backing (&i->layers[0]))
    return refuse_overlay (i, err);
  for (k = 0; k < i->n_layers; k++) {
    const struct map_layer *l = &i->layers[k];
    bool below = k + 1 < i->n_layers;

    if (has_backing (l) && !below && !spec->keep)
      return fail (
          err, ERR_IMAGE_UNSUPPORTED,
          "%s: the image has a backing file, \"%s\", which is not opened by name; give "
          "its image with --backing URL, or publish a flattened image",
          source_url (i->sources[k]), shown_name (l, shown));
    if (below && !has_backing (l))
      return fail (err, ERR_IMAGE_UNSUPPORTED,
                   "%s: has no backing file, but --backing gives one; leave it out, or check "
                   "the order (top down)",
                   source_url (i->sources[k]));
    if (below && check_name (i, spec, k, err) == -1)
      return -1;
  }
  return 0;
}
