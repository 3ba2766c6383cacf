#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tables-first: a disk as a plain qcow2 whose header, L1, L2 and refcounts all precede the data,
so that a reader can decode it as it comes.

    tables-first.py RAW IMAGE

Holes of RAW (SEEK_DATA tells) stay holes.  "qemu-img check" finds nothing wrong with it.
"""
import errno
import os
import struct
import sys

BITS = 16
CLUSTER = 1 << BITS
COPIED = 1 << 63


def data_clusters(fd, size):
    """Numbers of the guest's clusters that are not in a hole, ascending."""
    at, done = 0, 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(fd, at, os.SEEK_HOLE)
        done = max(done, at // CLUSTER)
        while done * CLUSTER < end:
            yield done
            done += 1
        at = end


def clusters_for(size):
    return -(-size // CLUSTER)


def write(raw, out):
    size = os.fstat(raw.fileno()).st_size
    data = list(data_clusters(raw.fileno(), size))
    per_l2 = CLUSTER // 8
    l1_n = -(-size // (per_l2 * CLUSTER))
    l1_at = 1
    l2_at = l1_at + clusters_for(l1_n * 8)
    ref_at = l2_at + l1_n
    blocks, per_block = 1, CLUSTER // 2
    while ref_at + 1 + blocks + len(data) > blocks * per_block:
        blocks += 1
    data_at = ref_at + 1 + blocks
    out.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, BITS, size, 0, l1_n,
                          l1_at * CLUSTER, ref_at * CLUSTER, 1, 0, 0, 0, 0, 0, 4, 104))
    l2 = [0] * (l1_n * per_l2)
    for i, guest in enumerate(data):
        l2[guest] = COPIED | (data_at + i) * CLUSTER
    out.seek(l1_at * CLUSTER)
    out.write(struct.pack(f">{l1_n}Q", *(COPIED | (l2_at + i) * CLUSTER for i in range(l1_n))))
    out.seek(l2_at * CLUSTER)
    out.write(struct.pack(f">{len(l2)}Q", *l2))
    out.seek(ref_at * CLUSTER)
    out.write(struct.pack(f">{blocks}Q", *((ref_at + 1 + i) * CLUSTER for i in range(blocks))))
    out.seek((ref_at + 1) * CLUSTER)
    out.write(b"\0\1" * (data_at + len(data)))
    for i, guest in enumerate(data):
        out.seek((data_at + i) * CLUSTER)
        out.write(os.pread(raw.fileno(), CLUSTER, guest * CLUSTER))
    out.truncate((data_at + len(data)) * CLUSTER)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "xb") as image:
        write(source, image)
