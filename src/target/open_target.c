/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * open_target: opening, finishing and closing, for all kinds alike; which of them it is
 * matters only here and in what is called from here.
 */
#include "target/open_target.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "target/nbd.h"

const char *
target_kind_word (enum target_kind kind)
{
  switch (kind) {
  case TARGET_FILE:
    return "file";
  case TARGET_BLOCK:
    return "block";
  case TARGET_NBD:
    return "nbd";
  }
  return "";
}

static struct target *
target_new (const struct target_spec *spec, struct error *err)
{
  struct target *t = calloc (1, sizeof *t);

  if (t == NULL) {
    fail_memory (err, "the target");
    return NULL;
  }
  t->fd = t->raw.fd = t->place.dir_fd = -1;
  pthread_mutex_init (&t->behind.lock, NULL);
  pthread_mutex_init (&t->file.lock, NULL);
  pthread_mutex_init (&t->file.one_writer, NULL);
  t->virtual_size = spec->virtual_size;
  t->file.size = target_file_size (spec);
  t->file.may_grow = spec->file.may_grow;
  return t;
}

void
target_close (struct target *t)
{
  if (t == NULL)
    return;
  if (t->raw.fd != -1)
    close (t->raw.fd);
  if (t->fd != -1)
    close (t->fd);
  if (t->nbd != NULL)
    export_close (t->nbd);
  target_place_release (&t->place);
  target_head_close (t->head);
  free (t->amends);
  pthread_mutex_destroy (&t->behind.lock);
  pthread_mutex_destroy (&t->file.lock);
  pthread_mutex_destroy (&t->file.one_writer);
  free (t);
}

uint64_t
target_free_space (const struct target_spec *spec)
{
  struct target_place p;
  struct error ignored;
  struct statvfs fs;
  uint64_t bytes = UINT64_MAX;

  if (target_place_find (&p, spec->path, &ignored) == 0 && p.kind == TARGET_FILE
      && !spec->in_place && statvfs (p.dir, &fs) == 0)
    bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
  target_place_release (&p);
  return bytes;
}

void
target_marked_by (const struct target_spec *spec, char import[37])
{
  struct target_place p;
  struct error unheard;
  struct marker m;
  int fd = -1;

  import[0] = '\0';
  if (target_place_find (&p, spec->path, &unheard) == 0 && p.kind == TARGET_NBD)
    target_export_marked_by (spec, &p, import);
  else if (p.kind == TARGET_FILE && !spec->in_place && p.dir_fd != -1)
    fd = target_open_at (p.dir_fd, p.part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
  else if (p.exists)
    fd = target_open_at (AT_FDCWD, p.path, O_RDONLY | O_NONBLOCK, 0);
  if (fd != -1 && target_marker_look (fd, &m))
    memcpy (import, m.import, sizeof m.import);
  if (fd != -1)
    close (fd);
  target_place_release (&p);
}

/* What is written in place: a device or an export. */
static int
open_medium (struct target *t, const struct target_spec *spec, enum device_open how,
             struct error *err)
{
  return t->place.kind == TARGET_NBD ? target_export_open (t, spec, how, err)
                                     : target_device_open (t, spec, how, err);
}

/* What every way of opening for writing ends with. */
static int
ready (struct target *t, const struct target_spec *spec, struct error *err)
{
  if (target_identify (t, err) == -1)
    return -1;
  target_open_raw (t);
  if (t->claim.marker.epoch == 0)
    target_marker_new (t, spec);
  if (t->in_its_place && spec->known.epoch == 0) /* by a version that held nothing back */
    return 0;
  return target_head_new (t, err);
}

static int
open_device (struct target *t, const struct target_spec *spec, enum device_open how,
             const struct target_identity *recorded, struct error *err)
{
  t->reads_zero = spec->zero_promised && !spec->in_place;
  t->same_stays = spec->same_stays;
  if (open_medium (t, spec, how, err) == -1 || target_identify (t, err) == -1)
    return -1;
  if (recorded == NULL)
    return target_look_before (t, spec, err);
  if (target_recognise (t, spec, recorded->text, err) == -1
      || target_refuse_near (t, spec, err) == -1)
    return -1;
  return t->claim.marker.epoch > 0 ? 0 : target_identity_check (t, recorded, err);
}

int
target_create (struct target **out, const struct target_spec *spec, struct error *err)
{
  struct target *t = target_new (spec, err);
  int r;

  if (t == NULL)
    return -1;
  r = target_place_find (&t->place, spec->path, err);
  if (r == 0)
    r = t->place.kind == TARGET_FILE ? target_file_create (t, spec, err)
                                     : open_device (t, spec, DEVICE_NEW, NULL, err);
  if (r == 0)
    r = ready (t, spec, err);
  if (r == -1) {
    target_discard (t);
    return -1;
  }
  *out = t;
  return 0;
}

static bool
is_recorded (const struct target_identity *recorded)
{
  return recorded != NULL && recorded->text[0] != '\0';
}

/* It is as large as it was made, whatever is asked for now. */
static void
recall_file_size (struct target *t, const struct target_identity *recorded)
{
  char text[24];
  uint64_t size;

  if (!is_recorded (recorded)
      || !target_identity_value (recorded->text, "size", text, sizeof text)
      || sscanf (text, "%" SCNu64, &size) != 1)
    return;
  if (size > t->virtual_size || t->virtual_size - size < SECTOR)
    t->file.size = size;
}

/* A file where a device was, or the reverse: /dev/sdb gone, and a file made by a slip. */
static int
check_kind (const struct target *t, const struct target_identity *recorded, struct error *err)
{
  char kind[16];

  if (!is_recorded (recorded)
      || !target_identity_value (recorded->text, "kind", kind, sizeof kind)
      || strcmp (kind, target_kind_word (t->place.kind)) == 0)
    return 0;
  return fail (err, ERR_TARGET_CHANGED,
               "%s %s; the import began with a %s: put that back, or begin anew with resume "
               "--restart",
               t->place.shown,
               !t->place.exists               ? "is missing"
               : t->place.kind == TARGET_FILE ? "is a regular file now"
                                              : "is a block device now",
               kind[0] == 'f' ? "regular file" : "block device");
}

static int
reopen (struct target *t, const struct target_spec *spec,
        const struct target_identity *recorded, struct error *err)
{
  if (target_place_find (&t->place, spec->path, err) == -1
      || check_kind (t, recorded, err) == -1)
    return -1;
  recall_file_size (t, recorded);
  if (t->place.kind == TARGET_FILE)
    return target_file_reopen (t, spec, recorded, err);
  if (!is_recorded (recorded))
    return 1;
  return open_device (t, spec, DEVICE_AGAIN, recorded, err);
}

int
target_reopen (struct target **out, const struct target_spec *spec,
               const struct target_identity *recorded, bool *already, struct error *err)
{
  OWN (target) t = target_new (spec, err);
  int r = t == NULL ? -1 : reopen (t, spec, recorded, err);

  if (already != NULL)
    *already = false;
  if (r == 1) /* nothing was made, or nothing recorded */
    return target_create (out, spec, err);
  if (r == -1 || ready (t, spec, err) == -1)
    return -1;
  if (already != NULL)
    *already = target_is_finished (t);
  *out = t;
  t = NULL;
  return 0;
}

/* Another import began to overwrite it. */
static int
refuse_in_progress (const struct target *t, struct error *err)
{
  struct marker m;

  if (!target_marker_see (t, &m))
    return 0;
  return fail (
      err, ERR_TARGET_CHANGED,
      "%s carries the marker of an import in progress, %s, begun %s, journal %s: it is "
      "not the disk any more that was imported",
      t->place.shown, m.import, m.begun, m.journal);
}

int
target_open_finished (struct target **out, const struct target_spec *spec,
                      const struct target_identity *recorded, bool repair, struct error *err)
{
  OWN (target) t = target_new (spec, err);
  bool known = is_recorded (recorded);

  if (t == NULL || target_place_find (&t->place, spec->path, err) == -1
      || check_kind (t, recorded, err) == -1)
    return -1;
  recall_file_size (t, recorded);
  if (t->place.kind != TARGET_FILE) {
    if (open_medium (t, spec, repair ? DEVICE_AGAIN : DEVICE_READ, err) == -1)
      return -1;
  } else if (target_file_open_whole (t, spec, repair, err) == -1)
    return -1;
  if (target_identify (t, err) == -1
      || (known && target_identity_check (t, recorded, err) == -1)
      || refuse_in_progress (t, err) == -1)
    return -1;
  target_open_raw (t);
  t->claim.repairing = repair;
  *out = t;
  t = NULL;
  return 0;
}

enum target_kind
target_kind (const struct target *t)
{
  return t->place.kind;
}

const struct target_identity *
target_identity (const struct target *t)
{
  return &t->id;
}

bool
target_reads_zero (const struct target *t)
{
  return t->reads_zero;
}

int
target_resize (struct target *t, uint64_t size, struct error *err)
{
  switch (t->place.kind) {
  case TARGET_FILE:
    if (target_file_resize (t, size, err) == -1)
      return -1;
    return target_identify (t, err);
  case TARGET_BLOCK:
    if (target_device_fits (t, size, err) == -1)
      return -1;
    break;
  case TARGET_NBD:
    if (target_export_fits (t, size, err) == -1)
      return -1;
    break;
  }
  t->virtual_size = size;
  return 0;
}

void
target_begin_anew (struct target *t)
{
  t->reads_zero = t->claim.marked = false;
  t->claim.marker.n_runs = 0;
  marker_begin_run (&t->claim.marker, 0, target_new_run ());
}

int
target_finish (struct target *t, struct error *err)
{
  struct target_identity before = t->id;
  int r = target_usable (t, err) == -1 || target_identify (t, err) == -1
                  || target_identity_check (t, &before, err) == -1
              ? -1
              : 0;

  t->id = before;
  if (r == -1)
    return -1;
  if (t->place.kind == TARGET_FILE)
    return target_file_finish (t, err);
  return t->place.kind == TARGET_NBD ? target_head_finish (t, err)
                                     : target_device_finish (t, err);
}

void
target_discard (struct target *t)
{
  if (t != NULL) {
    target_unclaim (t);
    target_file_remove (t);
  }
  target_close (t);
}

/* 1: there is none that is ours. */
static int
open_marked (struct target *t, const struct target_spec *spec, struct error *err)
{
  struct marker m;

  if (target_place_find (&t->place, spec->path, err) == -1 || !t->place.exists)
    return 1;
  if (t->place.kind == TARGET_FILE ? target_file_open_whole (t, spec, true, err) == -1
                                   : open_medium (t, spec, DEVICE_AGAIN, err) == -1)
    return -1;
  return target_marker_see (t, &m) && target_is_ours (spec, &m) ? 0 : 1;
}

int
target_give_back (const struct target_spec *spec, const void *first, size_t len,
                  struct error *err)
{
  OWN (target) t = target_new (spec, err);
  int r = t == NULL ? -1 : open_marked (t, spec, err);

  if (r != 0)
    return r == -1 ? -1 : 0;
  if (target_pwrite (t, 0, first, (size_t)min_u64 (len, MARKER_BLOCK), err) == -1)
    return -1;
  return target_flush (t, false, err);
}
