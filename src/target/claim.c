/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * claim: a target names its import (J9).  Writes the marker, moves it on with each sync, and
 * tells at a resume whether the target is ours and holds what the journal says.  Nothing is
 * written to a target that is not marked, and nothing to one whose first sector is the true one
 * already.
 */
#include "target/open_target.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "target/nbd.h"

/* ---- Looking ----------------------------------------------------------------------------- */

/* From the disk and not from memory: another node of a device has a cache of its own. */
static ssize_t
look_at_block (int fd, uint8_t block[MARKER_BLOCK])
{
  ssize_t n;

  memset (block, 0, MARKER_BLOCK);
  posix_fadvise (fd, 0, MARKER_BLOCK, POSIX_FADV_DONTNEED);
  do
    n = pread (fd, block, MARKER_BLOCK, 0);
  while (n == -1 && errno == EINTR);
  return n;
}

/* At least the first sector of T, and what there is of its first block. */
static bool
look_at_target (const struct target *t, uint8_t block[MARKER_BLOCK])
{
  if (t->nbd == NULL)
    return look_at_block (t->fd, block) >= SECTOR;
  memset (block, 0, MARKER_BLOCK);
  errno = export_read (t->nbd, 0, block,
                       (size_t)min_u64 (MARKER_BLOCK, export_facts (t->nbd)->size));
  return errno == 0;
}

bool
target_marker_see (const struct target *t, struct marker *m)
{
  uint8_t block[MARKER_BLOCK];

  return look_at_target (t, block) && marker_parse (m, block);
}

bool
target_marker_look (int fd, struct marker *m)
{
  uint8_t block[MARKER_BLOCK];

  return look_at_block (fd, block) >= SECTOR && marker_parse (m, block);
}

int
target_refuse_marked (const char *shown, const struct marker *m, struct error *err)
{
  return fail (err, ERR_TARGET_EXISTS,
               "%s carries the marker of an import in progress: %s, begun %s, journal %s; "
               "`qimport resume %.8s` with that journal goes on with it, or --force gives up "
               "what it wrote",
               shown, m->import, m->begun, m->journal, m->import);
}

/* The node of the device with NUMBER ("8:1"): udev's link, or the name that the kernel gives
 * it.
 */
static int
open_device (const char *number)
{
  char path[PATH_MAX], line[300];
  unsigned maj, min;
  struct stat st;
  FILE *f;
  int fd;

  snprintf (path, sizeof path, "/dev/block/%s", number);
  fd = target_open_at (AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
  if (fd != -1 || sscanf (number, "%u:%u", &maj, &min) != 2)
    return fd;
  snprintf (path, sizeof path, "/sys/dev/block/%s/uevent", number);
  f = fopen (path, "re");
  while (f != NULL && fd == -1 && fgets (line, sizeof line, f) != NULL)
    if (sscanf (line, "DEVNAME=%255s", path + sprintf (path, "/dev/")) == 1)
      fd = target_open_at (AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
  if (f != NULL)
    fclose (f);
  if (fd == -1 || (fstat (fd, &st) == 0 && st.st_rdev == makedev (maj, min)))
    return fd;
  close (fd);
  return -1;
}

static bool
device_is_marked (const char *number, struct marker *m)
{
  int fd = open_device (number);
  bool marked = fd != -1 && target_marker_look (fd, m);

  if (fd != -1)
    close (fd);
  return marked;
}

/* DEV's number, from a file "dev" below its folder in sysfs. */
static bool
sysfs_device_is_marked (dev_t dev, const char *below, struct marker *m)
{
  char path[PATH_MAX], number[40] = "";
  FILE *f;
  bool read;

  snprintf (path, sizeof path, "/sys/dev/block/%u:%u/%.255s/dev", major (dev), minor (dev),
            below);
  f = fopen (path, "re");
  if (f == NULL)
    return false;
  read = fgets (number, sizeof number, f) != NULL;
  fclose (f);
  number[strcspn (number, "\n")] = '\0';
  return read && device_is_marked (number, m);
}

/* The disk that DEV is a partition of, and the partitions that it has. */
bool
target_marker_near (dev_t dev, struct marker *m)
{
  char path[64];
  struct dirent *e;
  bool found = sysfs_device_is_marked (dev, "..", m);
  DIR *d;

  snprintf (path, sizeof path, "/sys/dev/block/%u:%u", major (dev), minor (dev));
  d = opendir (path);
  while (d != NULL && !found && (e = readdir (d)) != NULL)
    found = e->d_name[0] != '.' && e->d_type == DT_DIR
            && sysfs_device_is_marked (dev, e->d_name, m);
  if (d != NULL)
    closedir (d);
  return found;
}

/* ---- Knowing it again -------------------------------------------------------------------- */

static int
refuse_foreign (const struct target *t, const struct marker *m, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s carries the marker of another import, %s, begun %s, journal %s; put back "
               "the target of this one, or begin anew: resume --restart --force",
               t->place.shown, m->import, m->begun, m->journal);
}

static int
refuse_older (const struct target *t, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s is not as the journal left it: an older copy was put back, or it went on "
               "with another copy of the journal; put the newest back, or `qimport audit "
               "--repair %.8s` fetches again what is not there, then resume",
               t->place.shown, t->claim.marker.import);
}

int
target_refuse_unmarked (const struct target *t, struct error *err)
{
  return fail (err, ERR_TARGET_CHANGED,
               "%s does not carry the marker of this import: it is another disk, or it was "
               "finished and may be in use; nothing was written. Put back what the import "
               "began with, or give it up: qimport forget, then start --force",
               t->place.shown);
}

/* Its marker still stands, but since then another import began on the disk around it. */
int
target_refuse_near (const struct target *t, const struct target_spec *spec, struct error *err)
{
  struct marker m;

  if (t->place.kind != TARGET_BLOCK || !target_marker_near (t->place.st.st_rdev, &m)
      || target_is_ours (spec, &m))
    return 0;
  return refuse_foreign (t, &m, err);
}

static void
take_up (struct target *t, const struct target_spec *spec, const struct marker *m)
{
  t->claim.marker = *m;
  t->claim.marked
      = spec->known.epoch > 0; /* else the claim counts only once its run is durable */
  memcpy (t->claim.sector, t->claim.before, SECTOR);
  marker_begin_run (&t->claim.marker, spec->known.run, target_new_run ());
  if (t->claim.first[0] == '\0')
    snprintf (t->claim.first, sizeof t->claim.first, "marked"); /* it is of no older version */
}

uint32_t
target_new_run (void)
{
  uint32_t run = 0;

  while (run == 0 && getrandom (&run, sizeof run, 0) == sizeof run)
    ;
  return run != 0 ? run : (uint32_t)wall_ms () | 1;
}

bool
target_is_ours (const struct target_spec *spec, const struct marker *m)
{
  return spec->import_uuid != NULL && strcmp (m->import, spec->import_uuid) == 0;
}

bool
target_gives_way (const struct target_spec *spec, const struct marker *m)
{
  return target_is_ours (spec, m)
         || (spec->replaces != NULL && strcmp (m->import, spec->replaces) == 0);
}

/* "first=" of an identity: what stood in the first block before the claim. */
static void
name_first (const struct target *t, char hex[17])
{
  uint8_t sum[DIGEST_SIZE];
  char all[DIGEST_HEX];
  struct digest d;

  digest_init (&d);
  digest_update (&d, t->claim.before, sizeof t->claim.before);
  digest_peek (&d, sum);
  snprintf (hex, 17, "%.16s", digest_hex (all, sum));
}

/* Not claimed yet: the journal knows what stood there, or it is of a version without markers.
 */
static int
recognise_unclaimed (struct target *t, const char *recorded, struct error *err)
{
  char first[17], was[17];

  name_first (t, first);
  if (!target_identity_value (recorded, "first", was, sizeof was)) {
    t->claim.stands = STANDS_OLD_VERSION;
    snprintf (t->claim.first, sizeof t->claim.first, "%s",
              first); /* from now on it is of this one */
    return 0;
  }
  t->claim.stands = STANDS_UNCLAIMED;
  snprintf (t->claim.first, sizeof t->claim.first, "%s", was);
  return strcmp (first, was) == 0 ? 0 : target_refuse_unmarked (t, err);
}

int
target_recognise (struct target *t, const struct target_spec *spec, const char *recorded,
                  struct error *err)
{
  struct marker m;

  if (t->virtual_size == 0) {
    t->claim.stands = STANDS_OLD_VERSION;
    return 0;
  }
  if (!look_at_target (t, t->claim.before))
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s cannot be read", t->place.shown);
  if (!marker_parse (&m, t->claim.before)) {
    if (spec->known.epoch == 0)
      return recognise_unclaimed (t, recorded, err);
    t->claim.stands = STANDS_FINISHED;
    return 0;
  }
#ifndef SEEDED_BUG_MARKER_NOT_CHECKED
  if (!target_is_ours (spec, &m))
    return refuse_foreign (t, &m, err);
#endif
  take_up (t, spec, &m);
  if (marker_has (&m, spec->known.run, spec->known.epoch)) {
    t->claim.stands = STANDS_MARKED;
    return 0;
  }
  t->claim.stands = STANDS_OLDER;
  return spec->any_age ? 0 : refuse_older (t, err);
}

/* ---- Claiming it ------------------------------------------------------------------------- */

/* The marker would be taken for what the disk holds; what it replaced is in that journal. */
static int
refuse_to_keep (const struct target *t, const struct marker *m, struct error *err)
{
  return fail (err, ERR_TARGET_EXISTS,
               "%s carries the marker of an import in progress: %s, begun %s, journal %s; what "
               "it held there cannot be kept; resume or forget that import first, with its "
               "journal",
               t->place.shown, m->import, m->begun, m->journal);
}

int
target_look_before (struct target *t, const struct target_spec *spec, struct error *err)
{
  struct marker m;
  char hex[17];

  t->claim.stands = STANDS_UNCLAIMED;
  if (t->virtual_size == 0)
    return 0;
  if (t->nbd != NULL ? !look_at_target (t, t->claim.before)
                     : look_at_block (t->fd, t->claim.before) == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s cannot be read", t->place.shown);
  name_first (t, hex);
  snprintf (t->claim.first, sizeof t->claim.first, "%s", hex);
  if (!marker_parse (&m, t->claim.before))
    return 0;
  if (target_is_ours (spec, &m)) { /* claimed, and killed before that was recorded */
    t->claim.stands = STANDS_MARKED;
    take_up (t, spec, &m);
    return 0;
  }
  if (spec->in_place)
    return refuse_to_keep (t, &m, err);
  if (target_gives_way (spec, &m)) {
    memset (t->claim.before, 0, SECTOR); /* what stood there is not known any more */
    return 0;
  }
  return spec->force ? 0 : target_refuse_marked (t->place.shown, &m, err);
}

/* Its end, where it is long: the name says more than the root. */
static void
name_journal (struct marker *m, const char *path)
{
  char shown[TARGET_SHOWN];
  size_t len;

  if (path == NULL || path[0] == '\0')
    path = "-";
  escape_text (shown, sizeof shown, path, strlen (path));
  len = strlen (shown);
  if (len < sizeof m->journal)
    memcpy (m->journal, shown, len + 1);
  else
    snprintf (m->journal, sizeof m->journal, "...%.108s", shown + len - 108);
}

int
target_marker_write (struct target *t, struct error *err)
{
  marker_format (&t->claim.marker, t->claim.sector);
  return target_pwrite (t, 0, t->claim.sector, SECTOR, err);
}

/* The epoch goes on from the last that the journal knows, so that a --restart does not go back.
 */
void
target_marker_new (struct target *t, const struct target_spec *spec)
{
  struct marker *m = &t->claim.marker;

  memset (m, 0, sizeof *m);
  snprintf (m->import, sizeof m->import, "%s",
            spec->import_uuid != NULL && spec->import_uuid[0] != '\0' ? spec->import_uuid
                                                                      : "-");
  format_time (m->begun, spec->begun_at);
  name_journal (m, spec->journal_path);
  m->epoch = spec->known.epoch;
  marker_begin_run (m, 0, target_new_run ());
}

int
target_claim (struct target *t, struct error *err)
{
  if (t->claim.marked || t->virtual_size == 0 || t->claim.stands == STANDS_FINISHED)
    return 0;
  if (target_usable (t, err) == -1 || target_marker_write (t, err) == -1
      || target_flush (t, true, err) == -1)
    return -1;
  t->claim.marked = t->claim.now = true;
  t->claim.stands = STANDS_MARKED;
  return 0;
}

bool
target_is_claimed (const struct target *t)
{
  return t->claim.marked || t->virtual_size == 0;
}

bool
target_is_finished (const struct target *t)
{
  return t->claim.stands == STANDS_FINISHED || t->in_its_place;
}

/* Somebody whom no lock keeps away (another machine on a shared disk) may have written since.
 */
static int
check_still_ours (struct target *t, struct error *err)
{
  void *block = NULL;
  bool ours = true;

  if ((!t->raw.direct && t->nbd == NULL)
      || posix_memalign (&block, t->raw.align, t->raw.align) != 0)
    return 0;
  if (t->nbd != NULL ? export_read (t->nbd, 0, block, SECTOR) == 0
                     : pread (t->raw.fd, block, t->raw.align, 0) >= SECTOR)
    ours = memcmp (block, t->claim.sector, SECTOR) == 0;
  free (block);
  if (ours)
    return 0;
  atomic_store (&t->failed, ESTALE);
  return fail (err, ERR_TARGET_CHANGED,
               "%s does not carry the marker of this import any more: somebody else wrote to "
               "it; find out who, then begin anew: resume --restart",
               t->place.shown);
}

int
target_marker_step (struct target *t, struct error *err)
{
  if (t->virtual_size == 0 || !t->claim.marked || t->claim.stands == STANDS_OLDER)
    return 0;
  if (check_still_ours (t, err) == -1)
    return -1;
  t->claim.marker.epoch++;
  return target_marker_write (t, err);
}

void
target_vouch (struct target *t, const struct target_spec *spec)
{
  struct marker *m = &t->claim.marker;

  if (t->claim.stands != STANDS_OLDER)
    return;
  t->claim.stands = STANDS_MARKED;
  m->epoch = max_u64 (m->epoch, spec->known.epoch);
  m->runs[0] = (struct marker_run){ spec->known.run, spec->known.epoch };
  m->n_runs = 1;
  marker_begin_run (m, spec->known.run, target_new_run ());
}

void
target_marker_synced (struct target *t)
{
  if (t->claim.marked)
    t->claim.mark = (struct target_mark){ t->claim.marker.runs[t->claim.marker.n_runs - 1].run,
                                          t->claim.marker.epoch };
}

struct target_mark
target_mark (const struct target *t)
{
  return t->claim.mark;
}

/* What a claim replaced comes back; the rest of the target was not written yet. */
void
target_unclaim (struct target *t)
{
  struct error ignored;

  if (!t->claim.now || t->created || (t->fd == -1 && t->nbd == NULL))
    return;
  if (target_pwrite (t, 0, t->claim.before, (size_t)min_u64 (MARKER_BLOCK, t->virtual_size),
                     &ignored)
      == 0)
    target_flush (t, false, &ignored);
  t->claim.marked = t->claim.now = false;
}
