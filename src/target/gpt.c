/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * gpt: see gpt.h, and "GUID Partition Table (GPT) Disk Layout" of the UEFI specification.  What
 * is not as that says is left as it is.  The old backup stays where it is, in what is free now.
 *
 * No library is used: those that write partition tables write them at once, and the first
 * sector is a marker until the target is finished (J9).
 */
#include "target/gpt.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bytes.h"
#include "target/amend.h"
#include "target/nbd.h"
#include "target/open_target.h"

enum {
  /* in the header */
  AT_REVISION = 8,
  AT_SIZE = 12,
  AT_CRC = 16,
  AT_MINE = 24,
  AT_OTHER = 32,
  AT_FIRST_USABLE = 40,
  AT_LAST_USABLE = 48,
  AT_ENTRIES = 72,
  AT_N_ENTRIES = 80,
  AT_ENTRY_SIZE = 84,
  AT_ENTRIES_CRC = 88,
  HEADER_LEAST = 92,
  /* in an entry */
  AT_END = 40,
  ENTRY_LEAST = 128,
  ENTRIES_MOST = 1 << 20, /* bytes; usual are 16384 */
  /* in the first sector */
  MBR_RECORDS = 446,
  MBR_TYPE = 4,
  MBR_START = 8,
  MBR_SECTORS = 12,
  MBR_SIGNATURE = 510,
  MBR_PROTECTIVE = 0xee,
  SECTOR_MOST = 4096
};

/* The table as it is, and what is to become of it. */
struct table {
  uint32_t sector;
  uint64_t last; /* sector of the target */
  uint8_t mbr[SECTOR], new_mbr[SECTOR];
  uint8_t head[SECTOR_MOST], new_head[SECTOR_MOST];
  uint64_t entries_len, entries_room; /* bytes; in whole sectors */
  uint8_t *entries;
};

/* ---- Bytes --------------------------------------------------------------------------------
 */

static uint32_t
get32 (const uint8_t *p)
{
  uint32_t v;

  memcpy (&v, p, sizeof v);
  return le32toh (v);
}

static uint64_t
get64 (const uint8_t *p)
{
  uint64_t v;

  memcpy (&v, p, sizeof v);
  return le64toh (v);
}

static void
put32 (uint8_t *p, uint32_t v)
{
  v = htole32 (v);
  memcpy (p, &v, sizeof v);
}

static void
put64 (uint8_t *p, uint64_t v)
{
  v = htole64 (v);
  memcpy (p, &v, sizeof v);
}

static uint32_t
crc32_of (const uint8_t *p, size_t len)
{
  uint32_t crc = UINT32_MAX;
  int bit;

  for (; len > 0; len--) {
    crc ^= *p++;
    for (bit = 0; bit < 8; bit++)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static uint32_t
header_crc (const uint8_t *head)
{
  uint8_t copy[SECTOR_MOST];
  size_t len = get32 (head + AT_SIZE);

  memcpy (copy, head, len);
  put32 (copy + AT_CRC, 0);
  return crc32_of (copy, len);
}

/* ---- What is there ------------------------------------------------------------------------
 */

static int leave (struct gpt_move *m, bool amiss, const char *fmt, ...)
    __attribute__ ((format (printf, 3, 4)));

static int
leave (struct gpt_move *m, bool amiss, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (m->why, sizeof m->why, fmt, ap);
  va_end (ap);
  m->amiss = amiss;
  return 1;
}

static int
whole_size (const struct target *t, uint64_t *size, struct error *err)
{
  *size = t->file.size;
  if (t->nbd != NULL)
    *size = export_facts (t->nbd)->size;
  else if (t->place.kind == TARGET_BLOCK && ioctl (t->fd, BLKGETSIZE64, size) == -1)
    return fail_errno (err, ERR_TARGET_FAILED, errno, "%s: its size cannot be told",
                       t->place.shown);
  return 0;
}

/* 0 where it has none of its own. */
static uint32_t
sector_of_device (const struct target *t)
{
  int sector = 0;

  if (t->place.kind != TARGET_BLOCK || ioctl (t->fd, BLKSSZGET, &sector) == -1)
    return 0;
  return (uint32_t)sector;
}

static bool
has_header (const uint8_t *start, uint64_t len, uint32_t sector)
{
  return len >= 2 * (uint64_t)sector && memcmp (start + sector, "EFI PART", 8) == 0;
}

static bool
is_protective (const uint8_t *mbr)
{
  return mbr[MBR_RECORDS + MBR_TYPE] == MBR_PROTECTIVE
         && get32 (mbr + MBR_RECORDS + MBR_START) == 1
         && all_zero (mbr + MBR_RECORDS + 16, (size_t)3 * 16);
}

static int
no_table (struct gpt_move *m, const uint8_t *mbr)
{
  if (mbr[MBR_SIGNATURE] != 0x55 || mbr[MBR_SIGNATURE + 1] != 0xaa)
    return leave (m, true, "the disk has no partition table");
  if (mbr[MBR_RECORDS + MBR_TYPE] == MBR_PROTECTIVE)
    return leave (m, true, "its GPT is damaged: there is no header at its start");
  return leave (m, true, "the disk has an MBR and no GPT, which has no backup to be moved");
}

/* The first sectors: 1, with M saying why, where no table of the right kind is there. */
static int
find_table (struct target *t, struct table *g, struct gpt_move *m, struct error *err)
{
  uint8_t start[2 * SECTOR_MOST];
  uint64_t len = min_u64 (t->virtual_size, sizeof start);
  uint32_t own = sector_of_device (t);

  memset (start, 0, sizeof start);
  if (target_read (t, (guest_off){ 0 }, start, (size_t)len, err) == -1)
    return -1;
  g->sector = has_header (start, len, SECTOR) ? SECTOR : SECTOR_MOST;
  if (!has_header (start, len, g->sector))
    return no_table (m, start);
  if (own != 0 && own != g->sector)
    return leave (m, true,
                  "its GPT is for sectors of %u bytes and the device has sectors of %u, so "
                  "that nobody finds it there",
                  g->sector, own);
  memcpy (g->mbr, start, sizeof g->mbr);
  memcpy (g->head, start + g->sector, g->sector);
  return 0;
}

static int
check_header (struct table *g, struct gpt_move *m)
{
  uint32_t size = get32 (g->head + AT_SIZE), n = get32 (g->head + AT_N_ENTRIES);
  uint32_t entry = get32 (g->head + AT_ENTRY_SIZE);

  if (size < HEADER_LEAST || size > g->sector
      || get32 (g->head + AT_CRC) != header_crc (g->head))
    return leave (m, true, "its GPT is damaged: the header's checksum is another");
  if (get32 (g->head + AT_REVISION) != 0x10000 || get64 (g->head + AT_MINE) != 1
      || get64 (g->head + AT_ENTRIES) < 2 || get64 (g->head + AT_ENTRIES) > INT64_MAX >> 12
      || entry < ENTRY_LEAST || (entry & (entry - 1)) != 0 || n == 0
      || n > ENTRIES_MOST / entry)
    return leave (m, true, "its GPT is damaged: the header says what cannot be");
  g->entries_len = (uint64_t)n * entry;
  g->entries_room = align_up (g->entries_len, g->sector);
  return 0;
}

static int
read_entries (struct target *t, struct table *g, struct gpt_move *m, struct error *err)
{
  uint64_t at = get64 (g->head + AT_ENTRIES) * g->sector;

  if (!guest_range_within ((struct guest_range){ { at }, g->entries_room }, t->virtual_size))
    return leave (m, true, "its GPT is damaged: its entries lie beyond the end of the disk");
  g->entries = calloc (1, (size_t)g->entries_room);
  if (g->entries == NULL)
    return fail_memory (err, "the partition table");
  if (target_read (t, (guest_off){ at }, g->entries, (size_t)g->entries_room, err) == -1)
    return -1;
  memset (g->entries + g->entries_len, 0, (size_t)(g->entries_room - g->entries_len));
  if (crc32_of (g->entries, (size_t)g->entries_len) != get32 (g->head + AT_ENTRIES_CRC))
    return leave (m, true, "its GPT is damaged: the checksum of its entries is another");
  return 0;
}

/* ---- What becomes of it -------------------------------------------------------------------
 */

/* The last sector that partitions may have, when the backup is at the end; 0: there is no room.
 */
static uint64_t
last_usable (const struct table *g)
{
  uint64_t backup = g->entries_room / g->sector + 1;

  return g->last > backup ? g->last - backup : 0;
}

/* No partition may reach into where the backup will be. */
static int
check_partitions (const struct table *g, struct gpt_move *m)
{
  uint32_t entry = get32 (g->head + AT_ENTRY_SIZE);
  uint64_t at, most = last_usable (g);

  if (get64 (g->head + AT_FIRST_USABLE) > most)
    return leave (m, true, "the target has no room for its GPT");
  for (at = 0; at < g->entries_len; at += entry)
    if (!all_zero (g->entries + at, 16) && get64 (g->entries + at + AT_END) > most)
      return leave (m, true,
                    "partition %" PRIu64 " reaches to where the backup of its GPT belongs",
                    at / entry + 1);
  return 0;
}

static void
make_new (struct table *g)
{
  memcpy (g->new_mbr, g->mbr, sizeof g->new_mbr);
  if (is_protective (g->mbr))
    put32 (g->new_mbr + MBR_RECORDS + MBR_SECTORS, (uint32_t)min_u64 (g->last, UINT32_MAX));
  memcpy (g->new_head, g->head, sizeof g->new_head);
  put64 (g->new_head + AT_OTHER, g->last);
  put64 (g->new_head + AT_LAST_USABLE, last_usable (g));
  put32 (g->new_head + AT_CRC, header_crc (g->new_head));
}

static int
make_backup (const struct table *g, struct gpt_move *m, struct error *err)
{
  uint8_t *head;

  m->backup_len = (size_t)(g->entries_room + g->sector);
  m->backup_at = (g->last + 1) * g->sector - m->backup_len;
  m->backup = malloc (m->backup_len);
  if (m->backup == NULL)
    return fail_memory (err, "the partition table");
  memcpy (m->backup, g->entries, (size_t)g->entries_room);
  head = m->backup + g->entries_room;
  memcpy (head, g->new_head, g->sector);
  put64 (head + AT_MINE, g->last);
  put64 (head + AT_OTHER, 1);
  put64 (head + AT_ENTRIES, m->backup_at / g->sector);
  put32 (head + AT_CRC, header_crc (head));
  return 0;
}

/* What of the backup lies on the disk of the image, where that has something else. */
static int
add_overlap (struct target *t, struct gpt_move *m, size_t *used, struct error *err)
{
  uint64_t end = min_u64 (m->backup_at + m->backup_len, align_down (t->virtual_size, SECTOR));
  OWN_MEM uint8_t *was = NULL;
  size_t len;

  if (end <= m->backup_at)
    return 0;
  len = (size_t)(end - m->backup_at);
  was = malloc (len);
  if (was == NULL)
    return fail_memory (err, "the partition table");
  if (target_read (t, (guest_off){ m->backup_at }, was, len, err) == -1)
    return -1;
  *used += target_amend_put (m->amends + *used, m->backup_at, was, m->backup, (uint32_t)len);
  return 0;
}

static int
make_amends (struct target *t, const struct table *g, struct gpt_move *m, struct error *err)
{
  size_t most = target_amend_put (NULL, 0, NULL, NULL, SECTOR)
                + target_amend_put (NULL, 0, NULL, NULL, g->sector)
                + target_amend_put (NULL, 0, NULL, NULL, (uint32_t)m->backup_len);

  m->amends = malloc (most);
  if (m->amends == NULL)
    return fail_memory (err, "the partition table");
  m->amends_len = target_amend_put (m->amends, 0, g->mbr, g->new_mbr, SECTOR);
  m->amends_len += target_amend_put (m->amends + m->amends_len, g->sector, g->head, g->new_head,
                                     g->sector);
  return add_overlap (t, m, &m->amends_len, err);
}

static int
plan (struct target *t, struct table *g, struct gpt_move *m, struct error *err)
{
  uint64_t size;
  int r = whole_size (t, &size, err);

  if (r == 0)
    r = find_table (t, g, m, err);
  if (r == 0)
    r = check_header (g, m);
  if (r == 0)
    r = read_entries (t, g, m, err);
  if (r != 0)
    return r;
  g->last = size / g->sector - 1;
  m->sector = g->sector;
  m->from = get64 (g->head + AT_OTHER);
  m->to = g->last;
  if (m->from == m->to)
    return leave (m, false, "the backup of its GPT is at the end already");
  if (check_partitions (g, m) != 0)
    return 1;
  make_new (g);
  return make_backup (g, m, err) == -1 ? -1 : make_amends (t, g, m, err);
}

int
target_gpt_plan (struct target *t, struct gpt_move *m, struct error *err)
{
  struct table *g = calloc (1, sizeof *g);
  int r;

  memset (m, 0, sizeof *m);
  if (g == NULL)
    return fail_memory (err, "the partition table");
  r = plan (t, g, m, err);
  free (g->entries);
  free (g);
  return r;
}

void
gpt_move_release (struct gpt_move *m)
{
  free (m->backup);
  free (m->amends);
  m->backup = m->amends = NULL;
}

/* ---- Doing it -----------------------------------------------------------------------------
 */

/* What is held back goes there; the rest is written, but to a target that is finished. */
static int
put (struct target *t, uint64_t at, const uint8_t *buf, size_t len, struct error *err)
{
  uint64_t head = target_holds_back (t);

  if (at < head) {
    size_t kept = (size_t)min_u64 (len, head - at);

    target_head_write (t->head, at, buf, kept);
    at += kept;
    buf += kept;
    len -= kept;
  }
  return target_is_finished (t) ? 0 : target_pwrite (t, at, buf, len, err);
}

int
target_gpt_move (struct target *t, const struct gpt_move *m, struct error *err)
{
  const uint8_t *mbr = m->amends + target_amend_put (NULL, 0, NULL, NULL, SECTOR) - SECTOR;
  const uint8_t *head
      = mbr + SECTOR + target_amend_put (NULL, 0, NULL, NULL, m->sector) - m->sector;

  if (put (t, m->backup_at, m->backup, m->backup_len, err) == -1
      || (!target_is_finished (t) && target_flush (t, false, err) == -1)
      || put (t, m->sector, head, m->sector, err) == -1 || put (t, 0, mbr, SECTOR, err) == -1)
    return -1;
  return target_set_amends (t, m->amends, m->amends_len, false, err);
}
