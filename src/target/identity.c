/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * identity: which disk it is, as text that outlives remounts and reboots, and whether it is the
 * same (J4, T8, T9, T12).  Reads attributes and sysfs; changes nothing.
 */
#include "target/open_target.h"

#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "target/nbd.h"

#ifndef EXFAT_SUPER_MAGIC
#define EXFAT_SUPER_MAGIC 0x2011BAB0
#endif

enum { VALUE_MAX = 80 };

uint64_t
target_generation (int fd)
{
  unsigned generation[2] = { 0, 0 }; /* the ioctl says long and means int */

  return ioctl (fd, FS_IOC_GETVERSION, generation) == -1 ? 0 : generation[0];
}

void
target_mark_get (int fd, char uuid[40])
{
  ssize_t n = fgetxattr (fd, "user.qimport", uuid, 39);

  uuid[n > 0 ? n : 0] = '\0';
}

/* " KEY=VALUE", what does not fit a word made '_'.  Nothing for an empty value. */
static void
add (struct target_identity *id, const char *key, const char *value)
{
  size_t n = strlen (id->text), i, o = 0, len = strlen (value);
  char word[VALUE_MAX];

  while (len > 0 && isspace ((unsigned char)value[len - 1]))
    len--;
  for (i = 0; i < len && o < sizeof word - 1; i++) {
    unsigned char c = (unsigned char)value[i];

    if (o == 0 && isspace (c))
      continue;
    word[o++] = (char)(isalnum (c) || strchr ("-._:+", c) != NULL ? c : '_');
  }
  word[o] = '\0';
  if (o > 0)
    snprintf (id->text + n, sizeof id->text - n, "%s%s=%s", n > 0 ? " " : "", key, word);
}

static void
add_number (struct target_identity *id, const char *key, uint64_t value)
{
  char text[24];

  snprintf (text, sizeof text, "%" PRIu64, value);
  add (id, key, text);
}

static void
add_device_number (struct target_identity *id, dev_t dev)
{
  char text[32];

  snprintf (text, sizeof text, "%u:%u", major (dev), minor (dev));
  add (id, "dev", text);
}

/* FAT makes inode numbers up as it goes: the next mount has others. */
static bool
keeps_inode_numbers (int fd)
{
  struct statfs fs;

  return fstatfs (fd, &fs) == -1
         || (fs.f_type != MSDOS_SUPER_MAGIC && fs.f_type != EXFAT_SUPER_MAGIC);
}

static int
identify_file (struct target *t, struct error *err)
{
  struct target_identity *id = &t->id;
  char mark[40], over[48];
  struct stat st;

  if (fstat (t->fd, &st) == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s cannot be looked at", t->place.shown);
  target_mark_get (t->fd, mark);
  add (id, "kind", "file");
  add (id, "uuid", mark);
  if (keeps_inode_numbers (t->fd)) {
    add_number (id, "ino", st.st_ino);
    add_number (id, "gen", target_generation (t->fd));
  }
  add_number (id, "size", (uint64_t)st.st_size);
  add_device_number (id, st.st_dev);
  snprintf (over, sizeof over, "%" PRIu64 ".%" PRIu64, t->over.ino, t->over.gen);
  if (t->over.ino != 0)
    add (id, "over", over);
  return 0;
}

/* A line of sysfs; "" if there is none.  A SCSI page of vital product data has a header of four
 * bytes, the first of them zero on a disk. */
static void
read_sysfs (dev_t dev, const char *name, char value[PATH_MAX])
{
  char path[160];
  ssize_t n = 0;
  int fd;

  snprintf (path, sizeof path, "/sys/dev/block/%u:%u/%s", major (dev), minor (dev), name);
  fd = target_open_at (AT_FDCWD, path, O_RDONLY, 0);
  if (fd != -1) {
    n = read (fd, value, PATH_MAX - 1);
    close (fd);
  }
  value[n > 0 ? n : 0] = '\0';
  if (n > 4 && value[0] == '\0')
    memmove (value, value + 4, (size_t)n - 3);
  value[strcspn (value, "\n")] = '\0';
}

static void
add_sysfs (struct target_identity *id, const char *key, dev_t dev, bool partition,
           const char *const *names)
{
  char value[PATH_MAX], up[64];

  for (; *names != NULL; names++) {
    snprintf (up, sizeof up, "%s%s", partition ? "../" : "", *names);
    read_sysfs (dev, up, value);
    if (value[0] != '\0') {
      add (id, key, value);
      return;
    }
  }
}

/* The UUID that the partition table gives the partition; it lies outside of the partition. */
static void
add_partuuid (struct target_identity *id, int fd)
{
  blkid_probe probe = blkid_new_probe ();
  const char *uuid;

  if (probe == NULL)
    return;
  if (blkid_probe_set_device (probe, fd, 0, 0) == 0) {
    blkid_probe_enable_superblocks (probe, 0);
    blkid_probe_enable_partitions (probe, 1);
    blkid_probe_set_partitions_flags (probe, BLKID_PARTS_ENTRY_DETAILS);
    if (blkid_do_fullprobe (probe) >= 0
        && blkid_probe_lookup_value (probe, "PART_ENTRY_UUID", &uuid, NULL) == 0)
      add (id, "partuuid", uuid);
  }
  blkid_free_probe (probe);
}

/* A loop device is what it is bound to: inode, generation and offset of the backing file. */
static void
add_loop (struct target_identity *id, int fd, dev_t dev)
{
  char path[PATH_MAX], text[VALUE_MAX];
  struct loop_info64 info;
  uint64_t generation = 0;
  struct stat st;
  int file;

  memset (&info, 0, sizeof info);
  if (major (dev) != 7 || ioctl (fd, LOOP_GET_STATUS64, &info) == -1)
    return;
  read_sysfs (dev, "loop/backing_file", path);
  file = target_open_at (AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
  if (file != -1) {
    if (fstat (file, &st) == 0 && st.st_ino == info.lo_inode)
      generation = target_generation (file);
    close (file);
  }
  snprintf (text, sizeof text, "%" PRIu64 ".%" PRIu64 ":%" PRIu64, (uint64_t)info.lo_inode,
            generation, (uint64_t)info.lo_offset);
  add (id, "loop", text);
}

/* An image of Ceph's, whatever number it is mapped as: cluster, pool and image. */
static void
add_rbd (struct target_identity *id, dev_t dev, bool part)
{
  static const char *const names[]
      = { "device/cluster_fsid", "device/pool_id", "device/image_id" };
  char path[64], value[PATH_MAX], text[VALUE_MAX] = "";
  size_t i, n = 0;

  for (i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf (path, sizeof path, "%s%s", part ? "../" : "", names[i]);
    read_sysfs (dev, path, value);
    if (value[0] == '\0' || n + strlen (value) + 2 > sizeof text)
      return;
    n += (size_t)snprintf (text + n, sizeof text - n, "%s%s", i > 0 ? ":" : "", value);
  }
  add (id, "rbd", text);
}

static int
identify_device (struct target *t, struct error *err)
{
  static const char *const serials[]
      = { "serial",
          "device/serial",
          "device/vpd_pg80",
          "device/cid",
          "device/../../../../serial" /* of the USB device that a disk hangs on */,
          NULL };
  static const char *const wwids[] = { "wwid", "device/wwid", "nguid", "eui", NULL };
  static const char *const dms[] = { "dm/uuid", "dm/name", NULL };
  static const char *const mds[] = { "md/uuid", NULL };
  struct target_identity *id = &t->id;
  char partition[PATH_MAX], start[PATH_MAX];
  uint64_t size = 0;
  bool part;
  struct stat st;

  if (fstat (t->fd, &st) == -1 || ioctl (t->fd, BLKGETSIZE64, &size) == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s cannot be looked at", t->place.shown);
  add (id, "kind", "block");
  add_number (id, "size", size);
  read_sysfs (st.st_rdev, "partition", partition);
  part = partition[0] != '\0';
  add_sysfs (id, "serial", st.st_rdev, part, serials);
  add_sysfs (id, "wwid", st.st_rdev, part, wwids);
  add_rbd (id, st.st_rdev, part);
  add_sysfs (id, "dm", st.st_rdev, false, dms);
  add_sysfs (id, "md", st.st_rdev, false, mds);
  if (part) {
    add_partuuid (id, t->fd);
    read_sysfs (st.st_rdev, "start", start);
    add (id, "start", start);
  }
  add_loop (id, t->fd, st.st_rdev);
  add_device_number (id, st.st_rdev);
  return 0;
}

static int
identify_export (struct target *t)
{
  add (&t->id, "kind", "nbd");
  add (&t->id, "uri", t->place.path);
  add_number (&t->id, "size", export_facts (t->nbd)->size);
  return 0;
}

int
target_identify (struct target *t, struct error *err)
{
  int r = -1;

  t->id.text[0] = '\0';
  switch (t->place.kind) {
  case TARGET_FILE:
    r = identify_file (t, err);
    break;
  case TARGET_BLOCK:
    r = identify_device (t, err);
    break;
  case TARGET_NBD:
    r = identify_export (t);
    break;
  }
  add (&t->id, "first", t->claim.first);
  return r;
}

bool
target_identity_value (const char *text, const char *key, char *value, size_t size)
{
  size_t len = strlen (key);
  const char *p = text;

  while (p != NULL && *p != '\0') {
    if (strncmp (p, key, len) == 0 && p[len] == '=') {
      snprintf (value, size, "%.*s", (int)strcspn (p + len + 1, " "), p + len + 1);
      return true;
    }
    p = strchr (p, ' ');
    p = p == NULL ? NULL : p + 1;
  }
  value[0] = '\0';
  return false;
}

enum verdict { SAME, DIFFERENT, UNKNOWN };

/* UNKNOWN unless both have it. */
static enum verdict
compare (const char *a, const char *b, const char *key)
{
  char va[VALUE_MAX], vb[VALUE_MAX];

  if (!target_identity_value (a, key, va, sizeof va)
      || !target_identity_value (b, key, vb, sizeof vb))
    return UNKNOWN;
  return strcmp (va, vb) == 0 ? SAME : DIFFERENT;
}

static bool
has (const char *text, const char *key)
{
  char value[VALUE_MAX];

  return target_identity_value (text, key, value, sizeof value);
}

/* Inode numbers are used again, so the generation counts where there is one (0: none). */
static bool
same_inode (const char *was, const char *is)
{
  return compare (was, is, "ino") == SAME && compare (was, is, "gen") != DIFFERENT;
}

static bool
same_file (const char *was, const char *is)
{
  if (compare (was, is, "uuid") == DIFFERENT)
    return false;
  if (compare (was, is, "uuid") == SAME && compare (was, is, "dev") == DIFFERENT)
    return true; /* mounted anew, or moved to another file system, with its attributes */
  if (!has (was, "uuid") && !has (was, "ino"))
    return true; /* FAT: its name and size are all there is; the caller samples its bytes */
  return same_inode (was, is);
}

static bool
same_device (const char *was, const char *is)
{
  static const char *const keys[]
      = { "serial", "wwid", "rbd", "partuuid", "start", "dm", "md", "loop" };
  bool known = false;
  size_t i;

  for (i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    if (!has (was, keys[i]))
      continue;
    if (compare (was, is, keys[i]) != SAME)
      return false;
    known = known || strcmp (keys[i], "start") != 0;
  }
  return known || compare (was, is, "dev") == SAME;
}

static bool
is_same (enum target_kind kind, const char *was, const char *is)
{
  switch (kind) {
  case TARGET_FILE:
    return same_file (was, is);
  case TARGET_BLOCK:
    return same_device (was, is);
  case TARGET_NBD:
    return compare (was, is, "uri") == SAME;
  }
  return false;
}

static const char *
noun (enum target_kind kind)
{
  return kind == TARGET_FILE ? "file" : kind == TARGET_BLOCK ? "device" : "export";
}

/* An image that a guest writes to becomes longer. */
static bool
has_grown (const struct target *t, const char *was, const char *is)
{
  char before[VALUE_MAX], now[VALUE_MAX];

  return t->file.may_grow && t->place.kind == TARGET_FILE
         && target_identity_value (was, "size", before, sizeof before)
         && target_identity_value (is, "size", now, sizeof now)
         && strtoull (now, NULL, 10) > strtoull (before, NULL, 10);
}

int
target_identity_check (const struct target *t, const struct target_identity *recorded,
                       struct error *err)
{
  const char *was = recorded->text, *is = t->id.text;
  bool same = compare (was, is, "kind") == SAME && is_same (t->place.kind, was, is);

  if (!same)
    return fail (
        err, ERR_TARGET_CHANGED,
        "%s is not the %s that the import began with (then %s, now %s); put that back, "
        "or begin anew: resume --restart, or start --force where it was complete",
        t->place.shown, noun (t->place.kind), was, is);
  if (compare (was, is, "size") == DIFFERENT && !has_grown (t, was, is)) {
    char before[VALUE_MAX], now[VALUE_MAX];

    target_identity_value (was, "size", before, sizeof before);
    target_identity_value (is, "size", now, sizeof now);
    return fail (
        err, ERR_TARGET_CHANGED,
        "%s has %s bytes now and had %s: it was cut or grown by someone else; give it "
        "back its size, or begin anew: resume --restart, or start --force where it was "
        "complete",
        t->place.shown, now, before);
  }
  return 0;
}
