#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qcow2-scatter: images with large tables and little data, made of holes mostly.

    qcow2-scatter.py [options] IMAGE              write one
    qcow2-scatter.py --verify [options] DISK      does DISK read as that image must?

CLUSTERS guest clusters lie scattered under TABLES of the L2 tables that a disk of SIZE has room
for.  In turn each is compressed, plain, or compressed zeros; what is not zero begins with its
guest offset.  LAYOUT is tables-first, or tables-last: the data, then L2, then L1.
"""
import argparse
import os
import struct
import sys
import zlib

COPIED, COMPRESSED = 1 << 63, 1 << 62


def deflate(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    return packer.compress(content) + packer.flush()


class Scatter:
    def __init__(self, o):
        self.o, self.cluster = o, 1 << o.cluster_bits
        self.per_l2 = self.cluster // 8
        self.span = self.per_l2 * self.cluster
        self.l1_n = -(-o.size // self.span)
        self.zeros = deflate(bytes(self.cluster))

    def table_indices(self):
        """Evenly over the disk, the first and the last one too."""
        most = -(-self.o.size // self.span) - 1
        return [i * most // max(1, self.o.tables - 1) for i in range(self.o.tables)]

    def guest_clusters(self):
        """(L1 index, L2 index, number), ascending."""
        o, number = self.o, 0
        for k, l1 in enumerate(self.table_indices()):
            n = (k + 1) * o.clusters // o.tables - k * o.clusters // o.tables
            if n > self.per_l2:
                sys.exit("qcow2-scatter: too many clusters for so few tables")
            for i in range(n):
                l2 = i * self.per_l2 // n
                if l1 * self.span + (l2 + 1) * self.cluster <= o.size:
                    yield l1, l2, number
                    number += 1

    def content(self, l1, l2, number):
        guest = l1 * self.span + l2 * self.cluster
        return b"" if number % 3 == 2 else struct.pack(">QQ", guest + 1, number)

    def stored(self, at, l1, l2, number):
        """Of a cluster that may lie at AT or behind: place, bytes, end, and its entry."""
        content = self.content(l1, l2, number)
        if number % 3 == 1:
            at = -(-at // self.cluster) * self.cluster
            return at, content, at + self.cluster, COPIED | at
        stream = deflate(content.ljust(self.cluster, b"\0")) if content else self.zeros
        sectors = (at + len(stream) - 1) // 512 - at // 512
        entry = COMPRESSED | sectors << (70 - self.o.cluster_bits) | at
        return at, stream, at + len(stream), entry

    def write_data(self, f, at):
        """The clusters, from AT on.  The entries of each L2 table, and where the data ends."""
        entries = {}
        for l1, l2, number in self.guest_clusters():
            where, stored, at, entry = self.stored(at, l1, l2, number)
            f.seek(where)
            f.write(stored)
            entries.setdefault(l1, []).append((l2, entry))
        return entries, -(-at // self.cluster) * self.cluster

    def write_tables(self, f, l2_at, l1_at, entries):
        l1 = bytearray(self.l1_n * 8)
        for k, i in enumerate(self.table_indices()):
            struct.pack_into(">Q", l1, i * 8, COPIED | l2_at + k * self.cluster)
            table = bytearray(self.cluster)
            for l2, entry in entries.get(i, ()):
                struct.pack_into(">Q", table, l2 * 8, entry)
            if i in entries:
                f.seek(l2_at + k * self.cluster)
                f.write(table)
        f.seek(l1_at)
        f.write(l1)

    def write(self, path):
        o, size = self.o, self.cluster
        l1_len, l2_len, at = -(-self.l1_n * 8 // size) * size, o.tables * size, 3 * size
        with open(path, "wb", buffering=1 << 20) as f:
            if o.layout == "tables-first":
                l1_at, l2_at = at, at + l1_len
                entries, end = self.write_data(f, l2_at + l2_len)
            else:
                entries, l2_at = self.write_data(f, at)
                l1_at = l2_at + l2_len
                end = l1_at + l1_len
            self.write_tables(f, l2_at, l1_at, entries)
            f.truncate(end)
            f.seek(0)
            f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, o.cluster_bits,
                                o.size, 0, self.l1_n, l1_at, size, 1, 0, 0, 0, 0, 0, 4, 104))

    def verify(self, path):
        """Every cluster is there; what no cluster covers is a hole, or zeros."""
        seen = 0
        with open(path, "rb") as f:
            if os.fstat(f.fileno()).st_size != self.o.size:
                return f"the disk has {os.fstat(f.fileno()).st_size} bytes"
            for l1, l2, number in self.guest_clusters():
                guest = l1 * self.span + l2 * self.cluster
                want = self.content(l1, l2, number).ljust(self.cluster, b"\0")
                f.seek(guest)
                if f.read(self.cluster) != want:
                    return f"cluster {number} at guest offset {guest} differs"
                seen += want.strip(b"\0") != b""
            return self.others(f, seen)

    def others(self, f, seen):
        """What is allocated beside the SEEN clusters is counted by what is not zero in it."""
        at, found = 0, 0
        while True:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
                end = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            except OSError:
                break
            at -= at % self.cluster
            while at < end:
                piece = os.pread(f.fileno(), self.cluster, at)
                found += piece.strip(b"\0") != b""
                at += self.cluster
        return None if found == seen else f"{found} clusters are not zero instead of {seen}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cluster-bits", type=int, default=13)
    parser.add_argument("--size", type=int, default=15 << 40)
    parser.add_argument("--tables", type=int, default=20000)
    parser.add_argument("--clusters", type=int, default=200000)
    parser.add_argument("--layout", choices=("tables-first", "tables-last"),
                        default="tables-first")
    parser.add_argument("--verify", action="store_true")
    parser.add_argument("path")
    args = parser.parse_args()
    scatter = Scatter(args)
    if not args.verify:
        scatter.write(args.path)
        return
    why = scatter.verify(args.path)
    if why:
        sys.exit(f"{args.path}: {why}")


if __name__ == "__main__":
    main()
