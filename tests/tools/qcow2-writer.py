#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qcow2-writer: lay out a qcow2 image byte by byte, and the raw disk that it must read as.

    qcow2-writer.py [options] IMAGE RAW

What is in the image follows from the options and the seed alone.  It is written from the
specification, not with the code under test, and "qemu-img check" finds nothing wrong with it
(but for images that are cut).  Importable: write(Options(...), image_path, raw_path).
"""
import argparse
import dataclasses
import random
import struct
import subprocess
import sys
import zlib

COPIED, COMPRESSED = 1 << 63, 1 << 62
KINDS = ("hole", "data", "zero", "zero-alloc", "compressed", "shared", "sub")
LAYOUTS = ("tables-first", "tables-last", "interleaved", "l1-last", "l2-reversed")


@dataclasses.dataclass
class Options:
    size: int = 4 << 20
    version: int = 3
    cluster_bits: int = 16
    layout: str = "interleaved"
    scatter: bool = False        # data clusters in random host order
    mix: str = "hole=2,data=4,zero=1,zero-alloc=1,compressed=2,shared=1"
    compression: str = "deflate"
    frames: int = 1              # zstd: frames a cluster, with skippable ones between
    straddle: bool = True        # compressed data may cross a border of clusters
    padding: int = 0             # sectors more than a compressed cluster needs are told
    extended: bool = False
    refcount_order: int = 4
    header_length: int = 112
    l1_extra: int = 0            # L1 entries more than the disk needs
    snapshots: int = 0
    snapshot_size: int = 0       # of every one; 0: that of the disk
    backing: str = ""            # the name, written as it is
    backing_format: str = ""
    backing_raw: str = ""        # what holes read as in RAW
    cut: bool = False            # end the file with the last byte that anyone needs
    dirty: bool = False
    seed: int = 1


class Item:
    """Something that takes whole clusters.  then() gives its bytes once all is placed; of a cut
    file NEEDED of them must be there (None: all)."""

    def __init__(self, clusters, then=lambda: b"", needed=None):
        self.clusters, self.then, self.needed = clusters, then, needed
        self.at = None


class Packed(Item):
    """Compressed clusters, one behind the other in as many host clusters as they take."""

    def __init__(self, writer):
        super().__init__(0)
        self.writer, self.data, self.used, self.needed = writer, bytearray(), 0, None
        self.then = lambda: bytes(self.data)

    def add(self, stream):
        cluster = self.writer.cluster
        room = -len(self.data) % cluster
        if not self.writer.o.straddle and len(stream) > room:
            self.data.extend(bytes(room))
        start = len(self.data)
        self.data.extend(stream)
        self.clusters = -(-len(self.data) // cluster)
        self.needed = len(self.data)
        return start


class Table:
    """An L2 table: what its guest clusters are, and where the table lies."""

    def __init__(self, writer, n):
        self.entries = [("hole", None, 0, 0)] * n   # kind, item, offset or length, bitmap
        self.used, self.owners = 0, 0
        self.item = Item(1, lambda: writer.pack_l2(self), None)


class Writer:
    def __init__(self, options):
        o = self.o = options
        self.random = random.Random(o.seed)
        self.cluster = 1 << o.cluster_bits
        self.entry_size = 16 if o.extended else 8
        self.per_l2 = self.cluster // self.entry_size
        self.refs = {}
        self.data_items, self.packed = [], None
        self.zstd_cache = {}
        mix = dict(pair.split("=") for pair in o.mix.split(","))
        self.kinds = [k for k in mix if k in KINDS]
        self.weights = [int(mix[k]) for k in self.kinds]
        if len(self.kinds) != len(mix):
            raise ValueError("mix: kinds are " + " ".join(KINDS))
        if o.size % 512 or o.snapshot_size % 512:
            raise ValueError("sizes are multiples of 512")

    # ---- what is in the disk

    def noise(self, n):
        return self.random.randbytes(n)

    def text(self, n):
        """Bytes that compress to some tenths."""
        words = [self.noise(self.random.randrange(3, 12)) for _ in range(40)]
        out = bytearray()
        while len(out) < n:
            out += self.random.choice(words)
            if self.random.random() < 0.1:
                out += self.noise(2)
        return bytes(out[:n])

    def compress(self, content):
        if self.o.compression == "deflate":
            packer = zlib.compressobj(self.random.choice((1, 6, 9)), zlib.DEFLATED,
                                      self.random.choice((-12, -15)))
            return packer.compress(content) + packer.flush()
        step, out = -(-len(content) // self.o.frames), b""
        for at in range(0, len(content), step):
            if at:
                out += struct.pack("<II", 0x184D2A50 + at % 16, 3) + b"gap"
            out += self.zstd(content[at:at + step])
        return out

    def zstd(self, content):
        if content not in self.zstd_cache:
            options = self.random.choice((["-1"], ["-19"], ["--no-check"], []))
            self.zstd_cache[content] = subprocess.run(
                ["zstd", "-q", "-c", *options], input=content, stdout=subprocess.PIPE,
                check=True).stdout
        return self.zstd_cache[content]

    def slot(self, content):
        item = Item(1, lambda: content, len(content))
        self.data_items.append(item)
        return item

    def bitmap(self):
        """Subclusters allocated, zero or neither, in runs."""
        alloc = zero = bit = 0
        while bit < 32:
            n = min(self.random.randrange(1, 12), 32 - bit)
            run = ((1 << n) - 1) << bit
            kind = self.random.randrange(3)
            alloc |= run if kind == 0 else 0
            zero |= run if kind == 1 else 0
            bit += n
        return alloc, zero

    def cluster_of(self, kind, length):
        """(entry of a Table, bytes the guest sees or None for a hole), LENGTH below the size."""
        full = self.o.extended and 0xFFFFFFFF or 0
        if kind == "compressed":
            content = self.text(self.cluster)
            stream = self.compress(content)
            if len(stream) < self.cluster - 512 * self.o.padding:
                if self.packed is None or len(self.packed.data) > 64 * self.cluster:
                    self.packed = Packed(self)
                    self.data_items.append(self.packed)
                start = self.packed.add(stream)
                return ("compressed", self.packed, (start, len(stream)), 0), content[:length]
            return ("data", self.slot(content[:length]), 0, full), content[:length]
        if kind == "data":
            content = self.noise(length)
            return ("data", self.slot(content), 0, full), content
        if kind == "zero-alloc":
            item = self.slot(self.noise(length))
            item.needed = 0
            return ("zero", item, 0, full << 32), bytes(length)
        if kind == "zero":
            return ("zero", None, 0, full << 32), bytes(length)
        return ("hole", None, 0, 0), None

    def sub_cluster(self, length, below):
        """Of an extended entry with a mixed bitmap; BELOW is what shows through."""
        alloc, zero = self.bitmap()
        sub, stored, seen, last = self.cluster // 32, bytearray(self.cluster), bytearray(below), 0
        stored[:] = self.noise(self.cluster)
        for bit in range(32):
            at = bit * sub
            if at >= length:
                break
            if alloc >> bit & 1:
                seen[at:at + sub] = stored[at:at + sub]
                last = min(at + sub, length)
            elif zero >> bit & 1:
                seen[at:at + sub] = bytes(sub)
        item = None
        if alloc or self.random.random() < 0.5:
            item = self.slot(bytes(stored))
            item.needed = last
        return ("data", item, 0, zero << 32 | alloc), bytes(seen[:length])

    def below(self, at, length):
        """What the backing file has there."""
        if not self.o.backing_raw:
            return bytes(length)
        with open(self.o.backing_raw, "rb") as f:
            f.seek(at)
            return f.read(length).ljust(length, b"\0")

    def fill_table(self, first, size, emit):
        """The table that starts at guest offset FIRST of a disk of SIZE bytes."""
        table = Table(self, self.per_l2)
        previous = None
        for i in range(self.per_l2):
            at = first + i * self.cluster
            if at >= size:
                break
            length = min(self.cluster, size - at)
            kind = self.random.choices(self.kinds, self.weights)[0]
            if kind == "sub":
                entry, seen = self.sub_cluster(length, self.below(at, length))
            elif kind == "shared" and previous is not None and length == self.cluster:
                entry, seen = previous
            else:
                entry, seen = self.cluster_of("data" if kind == "shared" else kind, length)
                if entry[0] in ("data", "compressed") and length == self.cluster:
                    previous = entry, seen
            table.entries[i] = entry
            table.used = i + 1
            emit(at, self.below(at, length) if seen is None else seen)
        return table if any(e[0] != "hole" for e in table.entries) else None

    def disk(self, size, emit, shared=()):
        """Tables of a disk, None for holes; those in SHARED (by index) are taken over."""
        span = self.per_l2 * self.cluster
        tables = []
        for i in range(-(-size // span)):
            if i < len(shared) and shared[i] is not None and i % 2 == 0:
                tables.append(shared[i])
            else:
                tables.append(self.fill_table(i * span, size, emit))
        return tables

    # ---- where it lies

    def place(self, items, at):
        for item in items:
            item.at = at * self.cluster
            at += item.clusters
        return at

    def order(self):
        tables = [t for disk in self.disks for t in disk if t is not None]
        unique = list(dict.fromkeys(tables))
        l2 = [t.item for t in unique]
        data = list(self.data_items)
        if self.o.scatter:
            self.random.shuffle(data)
        data = [d for d in data if d.clusters]
        meta = self.l1_items + ([self.snapshot_item] if self.o.snapshots else [])
        if self.o.layout == "tables-first":
            return self.ref_items + meta + l2 + data
        if self.o.layout == "tables-last":
            return data + l2 + meta + self.ref_items
        if self.o.layout == "l2-reversed":
            return self.ref_items + meta + data + l2[::-1]
        mixed, step = [], -(-len(data) // max(1, len(l2)))
        for i, item in enumerate(l2):
            mixed += [item] + data[i * step:(i + 1) * step]
        mixed += data[len(l2) * step:]
        if self.o.layout == "l1-last":
            return self.ref_items + mixed + meta
        return self.ref_items + meta + mixed

    def count(self, item, first=0, n=None):
        for i in range(item.clusters if n is None else n):
            at = item.at // self.cluster + first + i
            self.refs[at] = self.refs.get(at, 0) + 1

    def count_all(self):
        """As qemu-img check counts: once for every place that refers to a cluster."""
        self.refs = {0: 1}
        for item in self.ref_items + self.l1_items:
            self.count(item)
        if self.o.snapshots:
            self.count(self.snapshot_item)
        for disk in self.disks:
            for table in disk:
                if table is None:
                    continue
                self.count(table.item)
                for kind, item, where, _ in table.entries:
                    if kind == "compressed":
                        at, sectors = self.extent(item, where)
                        first = align_down(at, 512) // self.cluster
                        last = (align_down(at, 512) + sectors * 512 - 1) // self.cluster
                        self.count(item, first - item.at // self.cluster, last - first + 1)
                    elif item is not None:
                        self.count(item)

    def extent(self, item, where):
        at = item.at + where[0]
        return at, (at + where[1] - 1) // 512 - at // 512 + 1 + self.o.padding

    # ---- bytes

    def copied(self, item):
        return COPIED if self.refs[item.at // self.cluster] == 1 else 0

    def pack_l2(self, table):
        out = bytearray()
        shift = 62 - (self.o.cluster_bits - 8)
        for kind, item, where, bitmap in table.entries:
            value = 0
            if kind == "compressed":
                at, sectors = self.extent(item, where)
                value = COMPRESSED | (sectors - 1) << shift | at
            elif item is not None:
                value = item.at | self.copied(item)
            if kind == "zero" and not self.o.extended:
                value |= 1
            out += struct.pack(">Q", value)
            if self.o.extended:
                out += struct.pack(">Q", bitmap)
        return bytes(out)

    def pack_l1(self, disk, extra):
        entries = [0 if t is None else t.item.at | self.copied(t.item) for t in disk]
        return struct.pack(f">{len(disk) + extra}Q", *entries, *([0] * extra))

    def pack_snapshots(self):
        out = b""
        for i, disk in enumerate(self.disks[1:]):
            name = f"snapshot {i + 1}".encode()
            out += struct.pack(">QIHHIIQIIQQQ", self.l1_items[i + 1].at, len(disk), 1, len(name),
                               1700000000, 0, 0, 0, 24, 0, self.snapshot_size(), 2**64 - 1)
            out += str(i + 1).encode() + name
            out += bytes(-len(out) % 8)
        return out

    def pack_refcounts(self):
        per_block = self.cluster * 8 >> self.o.refcount_order
        bits = 1 << self.o.refcount_order
        if max(self.refs.values()) >> bits:
            raise ValueError("a refcount needs a larger refcount order")
        for b, block in enumerate(self.ref_items[1:]):
            out = bytearray(self.cluster)
            for i in range(per_block):
                value = self.refs.get(b * per_block + i, 0)
                if bits >= 8:
                    out[i * bits // 8:(i + 1) * bits // 8] = value.to_bytes(bits // 8, "big")
                else:
                    out[i * bits // 8] |= value << i * bits % 8
            block.then = lambda out=out: bytes(out)
        self.ref_items[0].then = lambda: struct.pack(
            f">{len(self.ref_items) - 1}Q", *(b.at for b in self.ref_items[1:]))

    def pack_header(self):
        o = self.o
        length = 72 if o.version == 2 else o.header_length
        ext = b""
        if o.backing_format:
            form = o.backing_format.encode()
            ext += struct.pack(">II", 0xE2792ACA, len(form)) + form + bytes(-len(form) % 8)
        name_at = length + len(ext) + 8 if o.backing else 0
        name = o.backing.encode("utf-8", "surrogateescape")
        head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", o.version, name_at, len(name),
                           o.cluster_bits, o.size, 0, len(self.disks[0]) + o.l1_extra,
                           self.l1_items[0].at, self.ref_items[0].at,
                           self.ref_items[0].clusters, o.snapshots,
                           self.snapshot_item.at if o.snapshots else 0)
        if o.version == 3:
            zstd = o.compression == "zstd"
            features = o.dirty | zstd << 3 | o.extended << 4
            head += struct.pack(">QQQIIB7x", features, 0, 0, o.refcount_order, length, zstd)
            head = head.ljust(length, b"\0")[:length]
        head += ext + bytes(8) + name
        if len(head) > self.cluster:
            raise ValueError("the header does not fit its cluster")
        return head

    def snapshot_size(self):
        return self.o.snapshot_size or self.o.size

    def l1_item(self, disk, extra=0):
        n = len(disk) + extra
        return Item(max(1, -(-n * 8 // self.cluster)), lambda: self.pack_l1(disk, extra), n * 8)

    def plan(self, emit, emit_snapshot):
        """Everything in its place, its references counted."""
        self.disks = [self.disk(self.o.size, emit)]
        for i in range(self.o.snapshots):
            shared = self.disks[0][:-1][:self.snapshot_size() // (self.per_l2 * self.cluster)]
            self.disks.append(self.disk(self.snapshot_size(),
                                        lambda at, b, i=i: emit_snapshot(i, at, b), shared))
        self.l1_items = [self.l1_item(d, 0 if i else self.o.l1_extra)
                         for i, d in enumerate(self.disks)]
        self.snapshot_item = Item(1, self.pack_snapshots)
        self.snapshot_item.clusters = -(-self.o.snapshots * 88 // self.cluster) or 1
        self.ref_items = []
        order = self.order()
        clusters = 1 + sum(item.clusters for item in order)
        per_block, blocks, table = self.cluster * 8 >> self.o.refcount_order, 1, 1
        while blocks * per_block < clusters + blocks + table:
            blocks += 1
            table = -(-blocks * 8 // self.cluster)
        self.ref_items = [Item(table, needed=0)] + [Item(1, needed=0) for _ in range(blocks)]
        state = self.random.getstate()
        order = self.order()
        self.random.setstate(state)
        self.end = self.place(order, 1) * self.cluster
        self.items = order
        self.count_all()
        self.pack_refcounts()

    def write(self, image):
        """To the open file IMAGE, which is empty."""
        image.truncate(self.end)
        image.seek(0)
        image.write(self.pack_header())
        for item in self.items:
            image.seek(item.at)
            image.write(item.then())
        if self.o.cut:
            ends = [item.at + (item.clusters * self.cluster if item.needed is None
                               else item.needed) for item in self.items]
            image.truncate(max(ends + [self.end - self.cluster + 1]))


def align_down(value, to):
    return value - value % to


def write(options, image_path, raw_path, snapshot_path=None):
    """Writes both.  SNAPSHOT_PATH gets the disk of snapshot N as SNAPSHOT_PATH.N, from 1."""
    writer = Writer(options)
    span = writer.per_l2 * writer.cluster
    with open(image_path, "wb") as image, open(raw_path, "w+b") as raw:
        raws = {}

        def put(file, at, content):
            if content.strip(b"\0"):
                file.seek(at)
                file.write(content)

        def put_snapshot(i, at, content):
            raws.setdefault(i, []).append((at, content))

        raw.truncate(options.size)
        writer.plan(lambda at, content: put(raw, at, content), put_snapshot)
        writer.write(image)
        for i in range(options.snapshots if snapshot_path else 0):
            size = writer.snapshot_size()
            with open(f"{snapshot_path}.{i + 1}", "wb") as file:
                file.truncate(size)
                for n, table in enumerate(writer.disks[i + 1]):
                    if table is not None and table in writer.disks[0]:
                        raw.seek(n * span)
                        put(file, n * span, raw.read(span)[:max(0, size - n * span)])
                for at, content in raws.get(i, []):
                    put(file, at, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for field in dataclasses.fields(Options):
        flag = "--" + field.name.replace("_", "-")
        if field.type in (bool, "bool"):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction,
                                default=field.default)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default)
    parser.add_argument("--snapshot-raw", help="write the disk of snapshot N to this name.N")
    parser.add_argument("image")
    parser.add_argument("raw")
    args = vars(parser.parse_args())
    image, raw, snapshots = args.pop("image"), args.pop("raw"), args.pop("snapshot_raw")
    if args["layout"] not in LAYOUTS:
        sys.exit("qcow2-writer: --layout is one of " + " ".join(LAYOUTS))
    try:
        write(Options(**args), image, raw, snapshots)
    except ValueError as why:
        sys.exit(f"qcow2-writer: {why}")


if __name__ == "__main__":
    main()
