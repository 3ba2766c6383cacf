#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qcow2-packed: an image as `qemu-img convert -c` lays it out.

    qcow2-packed.py [--cluster-bits N] [--size N] [--compression deflate|zstd] [--order in|random]
                    [--stretch BYTES] [--seed N] IMAGE RAW

Compressed clusters are put behind one another byte by byte, so that they share sectors, also
behind an L2 table that had to be made for one of them: what fits into the rest of the cluster
that was begun before goes there. So a small cluster may lie in the last sector of one whose table
comes earlier. What does not get smaller is stored as it is. --order random: written in any order,
as with qemu-img convert -W.  --stretch: between some that get smaller so many bytes do not, and a
later small one goes back to the cluster that was begun before them.
"""
import argparse
import random
import struct
import subprocess
import zlib

ENTRY_COMPRESSED, ENTRY_COPIED = 1 << 62, 1 << 63


class Packer:
    def __init__(self, args):
        self.o = args
        self.size = 1 << args.cluster_bits
        self.random = random.Random(args.seed)
        self.image = bytearray()
        self.free = 0  # where the next compressed cluster may go; 0: nowhere
        self.cache = {}

    def cluster(self, content=b""):
        """A whole cluster at the end: its offset."""
        at = len(self.image)
        self.image += content.ljust(self.size, b"\0")
        return at

    def packed(self, content):
        """Bytes behind the last ones, if they fit, or are followed by a new cluster."""
        if self.free == 0 or self.free % self.size == 0:
            self.free = self.cluster()
        room = -self.free % self.size
        if len(content) > room:
            # only where the cluster that was begun is the last one does it go on in the next
            if self.free + room == len(self.image):
                self.cluster()
            else:
                self.free = self.cluster()
        at = self.free
        self.image[at:at + len(content)] = content
        self.free = at + len(content)
        return at

    def compress(self, content):
        if self.o.compression == "deflate":
            packer = zlib.compressobj(9, zlib.DEFLATED, -12)
            return packer.compress(content) + packer.flush()
        if content not in self.cache:
            self.cache[content] = subprocess.run(["zstd", "-q", "-c", "--no-check"], input=content,
                                                 stdout=subprocess.PIPE, check=True).stdout
        return self.cache[content]

    def content(self, i):
        kind = self.random.randrange(8)
        if self.o.stretch and i % (16 + self.o.stretch // self.size) >= 16:
            return self.random.randbytes(self.size)
        if kind < 5:
            return bytes((self.random.randrange(1, 12),)) * self.size
        if kind == 5:
            return self.random.randbytes(self.size)
        if kind == 6:
            return None
        noise = bytes(self.random.choices(range(16), k=self.size)) if self.o.compression != "zstd" \
            else bytes((self.random.randrange(1, 12), 7)) * (self.size // 2)
        return noise

    def entry(self, content):
        data = self.compress(content)
        if len(data) >= self.size:
            return self.cluster(content) | ENTRY_COPIED
        at = self.packed(data)
        shift = 62 - (self.o.cluster_bits - 8)
        sectors = (at + len(data) - 1) // 512 - at // 512
        return ENTRY_COMPRESSED | sectors << shift | at

    def write(self):
        n = -(-self.o.size // self.size)
        per = self.size // 8
        l1_n = -(-n // per)
        self.cluster()
        l1 = self.cluster(bytes(8 * l1_n))
        while len(self.image) < l1 + 8 * l1_n:
            self.cluster()
        refcounts = self.cluster()
        guest = [self.content(i) for i in range(n)]
        order = list(range(n))
        if self.o.order == "random":
            self.random.shuffle(order)
        tables = {}
        for i in order:
            if guest[i] is None:
                continue
            if i // per not in tables:
                tables[i // per] = self.cluster()
                struct.pack_into(">Q", self.image, l1 + 8 * (i // per),
                                 tables[i // per] | ENTRY_COPIED)
            entry = self.entry(guest[i])
            struct.pack_into(">Q", self.image, tables[i // per] + 8 * (i % per), entry)
        self.image += bytes(-len(self.image) % 512)
        zstd = self.o.compression == "zstd"
        struct.pack_into(">4sIQIIQIIQQIIQ", self.image, 0, b"QFI\xfb", 3, 0, 0,
                         self.o.cluster_bits, self.o.size, 0, l1_n, l1, refcounts, 1, 0, 0)
        struct.pack_into(">QQQIIB", self.image, 72, zstd << 3, 0, 0, 4, 112, zstd)
        raw = b"".join(bytes(self.size) if c is None else c for c in guest)
        return bytes(self.image), raw[:self.o.size]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--cluster-bits", type=int, default=12)
    p.add_argument("--size", type=int, default=8 << 20)
    p.add_argument("--compression", choices=["deflate", "zstd"], default="deflate")
    p.add_argument("--order", choices=["in", "random"], default="random")
    p.add_argument("--stretch", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("image")
    p.add_argument("raw")
    args = p.parse_args()
    image, raw = Packer(args).write()
    with open(args.image, "wb") as f:
        f.write(image)
    with open(args.raw, "wb") as f:
        f.write(raw)


if __name__ == "__main__":
    main()
