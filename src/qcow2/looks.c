/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * looks: what a file that is no qcow2 image is, as far as its first bytes show: a guess, for
 * the message; a disk image of another format, which nobody may take for a raw disk; or a raw
 * disk, by its partition table or file system.  It never says how to read anything.
 */
#include <string.h>
#include <strings.h>

#include "qcow2/layout.h"

struct signature {
  size_t at, len;
  const char *bytes;
  const char *what;
};

/* Disk images, none of which qemu takes for a raw one. */
static const struct signature formats[] = {
  { 0, 4, "KDMV", "a VMDK image; convert it with qemu-img convert -O qcow2" },
  { 0, 4, "COWD", "an old VMDK image; convert it with qemu-img convert -O qcow2" },
  { 0, 21, "# Disk DescriptorFile", "a VMDK descriptor; convert it with qemu-img convert" },
  { 0, 8, "vhdxfile", "a VHDX image; convert it with qemu-img convert -O qcow2" },
  { 0, 8, "conectix", "a VHD image; convert it with qemu-img convert -O qcow2" },
  { 64, 4, "\x7f\x10\xda\xbe", "a VDI image; convert it with qemu-img convert -O qcow2" },
  { 0, 4, "QED\0", "a QED image; convert it with qemu-img convert -O qcow2" },
  { 0, 16, "WithoutFreeSpace", "a Parallels image; convert it with qemu-img convert" },
  { 0, 16, "WithouFreSpacExt", "a Parallels image; convert it with qemu-img convert" },
  { 0, 6, "LUKS\xba\xbe", "a LUKS volume; it needs no import" },
  { 0, 22, "Bochs Virtual HD Image", "a Bochs image; convert it with qemu-img convert" },
  { 0, 8, "EVF\x09\x0d\x0a\xff\0", "an E01 (EnCase) image; convert it with ewfexport" },
};

/* Those that say what they are in their last sector, behind what may be a disk. */
static const struct signature trailers[] = {
  { 0, 4, "koly", "a DMG image; convert it with qemu-img convert -f dmg -O qcow2" },
  { 0, 8, "conectix", "a fixed VHD image; convert it with qemu-img convert -f vpc -O qcow2" },
};

/* What a raw disk is known by.  The first that fits is its name. */
static const struct signature disks[] = {
  { 512, 8, "EFI PART", "a GPT" },
  { 4096, 8, "EFI PART", "a GPT of sectors of 4096 bytes" },
  { 32769, 5, "CD001", "an ISO 9660 file system" },
  { 32769, 5, "BEA01", "a UDF file system" },
  { 510, 2, "\x55\xaa", "a boot sector" },
  { 1080, 2, "\x53\xef", "an ext file system" },
  { 0, 4, "XFSB", "an XFS file system" },
  { 65600, 8, "_BHRfS_M", "a btrfs file system" },
  { 66908, 4, "\x19\x01\x54\x19", "a UFS file system" },
  { 0, 4, "hsqs", "a squashfs file system" },
  { 1024, 4, "\xe2\xe1\xf5\xe0", "an EROFS file system" },
  { 1024, 4, "\x10\x20\xf5\xf2", "an F2FS file system" },
  { 512, 8, "LABELONE", "an LVM volume" },
  { 4086, 10, "SWAPSPACE2", "a swap area" },
};

static const struct signature others[] = {
  { 0, 2, "\x1f\x8b", "gzip data; unpack it first" },
  { 0, 6,
    "\xfd"
    "7zXZ\0",
    "xz data; unpack it first" },
  { 0, 4, "\x28\xb5\x2f\xfd", "zstd data; unpack it first" },
  { 0, 3, "BZh", "bzip2 data; unpack it first" },
  { 0, 4, "PK\x03\x04", "a zip archive; unpack it first" },
  { 0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first" },
  { 257, 5, "ustar", "a tar archive or an OVA; unpack it first" },
  { 0, 4, "\x04\x22\x4d\x18", "lz4 data; unpack it first" },
  { 0, 1, "{", "a JSON document, perhaps an error of the server; check the URL" },
};

static const char *const markup[] = { "<!doctype", "<html", "<?xml", "<error", "<head" };

static bool
is_markup (const uint8_t *raw, size_t n)
{
  size_t i, k;

  for (i = 0; i < n && strchr (" \t\r\n\xef\xbb\xbf", raw[i]) != NULL && raw[i] != 0; i++)
    ;
  for (k = 0; k < sizeof markup / sizeof markup[0]; k++) {
    size_t len = strlen (markup[k]);

    if (n - i >= len && strncasecmp ((const char *)raw + i, markup[k], len) == 0)
      return true;
  }
  return false;
}

static const char *
find (const struct signature *s, size_t n_s, const uint8_t *raw, size_t n)
{
  size_t i;

  for (i = 0; i < n_s; i++)
    if (s[i].at + s[i].len <= n && memcmp (raw + s[i].at, s[i].bytes, s[i].len) == 0)
      return s[i].what;
  return NULL;
}

const char *
qcow2_other_format (const uint8_t *raw, size_t n)
{
  return find (formats, sizeof formats / sizeof formats[0], raw, n);
}

const char *
qcow2_other_trailer (const uint8_t last[SECTOR])
{
  return find (trailers, sizeof trailers / sizeof trailers[0], last, SECTOR);
}

const char *
qcow2_raw_disk (const uint8_t *raw, size_t n)
{
  return find (disks, sizeof disks / sizeof disks[0], raw, n);
}

/* NULL: it is nothing that is known. */
static const char *
known_as (const uint8_t *raw, size_t n)
{
  const char *what;

  if (n == 0)
    return "an empty file; check what was uploaded";
  if (is_markup (raw, n))
    return "an HTML or XML page, perhaps an error or a login page; check the URL";
  what = qcow2_other_format (raw, n);
  return what != NULL ? what : find (others, sizeof others / sizeof others[0], raw, n);
}

bool
qcow2_may_be_raw (const uint8_t *raw, size_t n)
{
  return known_as (raw, n) == NULL;
}

const char *
qcow2_looks_like (const uint8_t *raw, size_t n)
{
  const char *what = known_as (raw, n);
  size_t i;

  if (what != NULL)
    return what;
  if (qcow2_raw_disk (raw, n) != NULL)
    return "a raw disk";
  for (i = 0; i < n && raw[i] == 0; i++)
    ;
  return i == n ? "zeros; check what was uploaded"
                : "raw data or an unknown format; \"qemu-img info\" may tell";
}
