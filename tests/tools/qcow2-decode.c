/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qcow2-decode: the qcow2 room alone, as a program for tests.  Reads a whole image into memory
 * and writes the guest as a sparse raw file, or refuses it with exit status 5.  What the room
 * leaves to its caller - that tables overlap nothing - is done here in the plainest way.
 *
 *     qcow2-decode [-s SNAPSHOT] [-b] [-m] IMAGE [OUT]
 *
 * -b  an image with a backing file is decoded, its holes as zeros
 * -m  print the extents, one a line
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "qcow2/qcow2.h"

struct ranges {
  struct host_range *v;
  size_t n, room;
};

struct job {
  const char *snapshot;
  bool backing_ok, print_map;
  uint8_t *raw;
  uint64_t len;
  int out; /* -1: none */
  struct qcow2_header h;
  struct qcow2_decoder *decoder;
  uint8_t *cluster;
  struct ranges tables, data;
  uint64_t guest_end; /* extents come without gap */
};

static void
die (const char *what)
{
  fprintf (stderr, "qcow2-decode: %s: %s\n", what, strerror (errno));
  exit (1);
}

static void
note (struct ranges *r, uint64_t at, uint64_t len)
{
  if (len == 0)
    return;
  if (r->n == r->room) {
    r->room = r->room == 0 ? 64 : 2 * r->room;
    r->v = realloc (r->v, r->room * sizeof *r->v);
    if (r->v == NULL)
      die ("memory");
  }
  r->v[r->n++] = (struct host_range){ { at }, len };
}

static int
by_place (const void *a, const void *b)
{
  uint64_t x = ((const struct host_range *)a)->at.v, y = ((const struct host_range *)b)->at.v;

  return x < y ? -1 : x > y;
}

/* Tables that overlap one another, or data in a table. */
static int
check_overlaps (struct job *j, struct error *err)
{
  size_t i, t = 0;

  if (j->tables.n == 0)
    return 0;
  qsort (j->tables.v, j->tables.n, sizeof *j->tables.v, by_place);
  for (i = 1; i < j->tables.n; i++)
    if (host_end (j->tables.v[i - 1]) > j->tables.v[i].at.v)
      return fail (err, ERR_IMAGE_MALFORMED, "tables at %" PRIu64 " and %" PRIu64 " overlap",
                   j->tables.v[i - 1].at.v, j->tables.v[i].at.v);
  if (j->data.n > 0)
    qsort (j->data.v, j->data.n, sizeof *j->data.v, by_place);
  for (i = 0; i < j->data.n; i++) {
    while (t < j->tables.n && host_end (j->tables.v[t]) <= j->data.v[i].at.v)
      t++;
    if (t < j->tables.n && j->tables.v[t].at.v < host_end (j->data.v[i]))
      return fail (err, ERR_IMAGE_MALFORMED, "data at %" PRIu64 " overlaps the table at %" PRIu64,
                   j->data.v[i].at.v, j->tables.v[t].at.v);
  }
  return 0;
}

static void
write_out (struct job *j, const void *buf, uint64_t len, uint64_t at)
{
  if (j->out != -1 && len > 0 && pwrite (j->out, buf, len, (off_t)at) != (ssize_t)len)
    die ("write");
}

static int
take (void *ctx, const struct extent *e, struct error *err)
{
  static const char *const kinds[] = { "data", "compressed", "zero", "hole" };
  struct job *j = ctx;

  if (e->guest.v != j->guest_end || e->len == 0 || e->len % SECTOR != 0 || e->layer != 0)
    return fail (err, ERR_INTERNAL, "extent at %" PRIu64 ", want %" PRIu64, e->guest.v,
                 j->guest_end);
  if (e->stored > 0 && extent_host_end (e) > j->len)
    return fail (err, ERR_INTERNAL, "extent beyond the end");
  j->guest_end += e->len;
  if (j->print_map)
    printf ("%" PRIu64 " %" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n", e->guest.v, e->len,
            kinds[e->kind], e->host.v, e->stored);
  note (&j->data, e->host.v, e->stored);
  if (e->kind == EXTENT_DATA)
    write_out (j, j->raw + e->host.v, e->len, e->guest.v);
  if (e->kind == EXTENT_COMPRESSED) {
    if (qcow2_decode (j->decoder, e->host, j->raw + e->host.v, e->stored, j->cluster, err) == -1)
      return -1;
    write_out (j, j->cluster + e->skip, e->len, e->guest.v);
  }
  return 0;
}

static int
walk_disk (struct job *j, const struct qcow2_disk *disk, struct error *err)
{
  host_off *l2 = calloc (disk->l1.n + 1, sizeof *l2);
  uint64_t i;
  int rc;

  if (l2 == NULL)
    die ("memory");
  rc = qcow2_l1_parse (&j->h, disk, 0, j->raw + disk->l1.at.v, disk->l1.n, l2, err);
  for (i = 0; rc == 0 && i < disk->l1.n; i++) {
    uint64_t used = qcow2_l2_used (&j->h, disk, i);

    if (l2[i].v == 0) {
      rc = qcow2_l1_hole (&j->h, disk, i, take, j, err);
      continue;
    }
    note (&j->tables, l2[i].v, j->h.cluster_size);
    rc = qcow2_l2_walk (&j->h, disk, i, l2[i], 0, j->raw + l2[i].v, used, take, j, err);
  }
  free (l2);
  if (rc == 0 && j->guest_end != disk->virtual_size)
    return fail (err, ERR_INTERNAL, "extents end at %" PRIu64, j->guest_end);
  return rc;
}

/* Every entry is parsed; DISK becomes the wanted one's. */
static int
find_snapshot (struct job *j, struct qcow2_disk *disk, struct error *err)
{
  host_off at = { j->h.snapshots_at };
  bool found = j->snapshot == NULL;
  uint32_t i;

  for (i = 0; i < j->h.snapshots; i++) {
    struct qcow2_snapshot s;
    size_t len, n = 0;
    int rc;

    do {
      rc = qcow2_snapshot_parse (&j->h, at, j->raw + at.v, n, &s, &len, err);
      n = len;
    } while (rc == 1);
    if (rc == -1)
      return -1;
    note (&j->tables, at.v, len);
    note (&j->tables, s.disk.l1.at.v, s.disk.l1.n * 8);
    if (!found && strlen (j->snapshot) == s.raw_name_len
        && memcmp (j->snapshot, s.raw_name, s.raw_name_len) == 0) {
      found = true;
      *disk = s.disk;
    }
    at.v += len;
  }
  return found ? 0 : fail (err, ERR_USAGE, "no such snapshot");
}

static int
decode_image (struct job *j, struct error *err)
{
  struct qcow2_disk disk;
  size_t need;

  if (qcow2_header_need (j->raw, j->len < 104 ? j->len : 104, j->len, &need, err) == -1
      || qcow2_header_parse (&j->h, j->raw, need, j->len, UINT64_C (1) << 46, err) == -1)
    return -1;
  if (j->h.has_backing && !j->backing_ok)
    return fail (err, ERR_IMAGE_UNSUPPORTED, "backing file");
  note (&j->tables, 0, j->h.cluster_size);
  note (&j->tables, j->h.l1.at.v, j->h.l1.n * 8);
  note (&j->tables, j->h.refcount_table.at.v, j->h.refcount_table.len);
  qcow2_active_disk (&j->h, &disk);
  if (find_snapshot (j, &disk, err) == -1)
    return -1;
  if (qcow2_decoder_new (&j->decoder, j->h.compression, j->h.cluster_bits, err) == -1)
    return -1;
  j->cluster = malloc (j->h.cluster_size);
  if (j->cluster == NULL)
    die ("memory");
  if (j->out != -1 && ftruncate (j->out, (off_t)disk.virtual_size) == -1)
    die ("ftruncate");
  if (walk_disk (j, &disk, err) == -1)
    return -1;
  return check_overlaps (j, err);
}

static void
read_image (struct job *j, const char *path)
{
  int fd = open (path, O_RDONLY);
  struct stat st;

  if (fd == -1 || fstat (fd, &st) == -1)
    die (path);
  j->len = (uint64_t)st.st_size;
  j->raw = malloc (j->len + 1);
  if (j->raw == NULL || read (fd, j->raw, j->len) != st.st_size)
    die (path);
  close (fd);
}

int
main (int argc, char **argv)
{
  struct job j = { .out = -1 };
  struct error err = { 0 };
  int c, rc;

  while ((c = getopt (argc, argv, "s:bm")) != -1) {
    if (c == 's')
      j.snapshot = optarg;
    else if (c == 'b')
      j.backing_ok = true;
    else if (c == 'm')
      j.print_map = true;
    else
      return 2;
  }
  if (optind == argc || argc - optind > 2)
    return 2;
  read_image (&j, argv[optind]);
  if (argc - optind == 2) {
    j.out = open (argv[optind + 1], O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (j.out == -1)
      die (argv[optind + 1]);
  }
  rc = decode_image (&j, &err);
  if (rc == -1)
    fprintf (stderr, "qcow2-decode: %s\n", err.text);
  qcow2_decoder_close (j.decoder);
  free (j.cluster);
  free (j.raw);
  free (j.tables.v);
  free (j.data.v);
  return rc == 0 ? 0 : error_status (err.code);
}
