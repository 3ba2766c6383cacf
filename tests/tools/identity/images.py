# SPDX-License-Identifier: LGPL-2.1-or-later
"""images: small images in versions that are easily taken for one another.

A family is one image in several versions of equal length: other data in the same tables, data
that differs at the end or in the middle only, two entries of a table exchanged, another image
altogether.  What each must read as is what qemu-img makes of it.
"""
import hashlib
import json
import lzma
import os
import random
import shutil
import struct
import subprocess

KIB, MIB = 1 << 10, 1 << 20
OFFSET_MASK = 0x00FFFFFFFFFFFE00
# guest bytes, cluster size, compressed, with a snapshot
FAMILIES = {
    "tiny": (32 * KIB, 4 * KIB, False, False),
    "plain": (2 * MIB, 64 * KIB, False, False),
    "fine": (1 * MIB + 1536, 4 * KIB, False, False),
    "large": (8 * MIB, 64 * KIB, False, False),
    "packed": (3 * MIB, 64 * KIB, True, False),
    "snapshot": (2 * MIB, 64 * KIB, False, True),
    "wrapped": (2 * MIB, 64 * KIB, False, False),  # a qcow2 in xz
    "raw": (2 * MIB, 64 * KIB, False, False),      # no qcow2 at all
    "wrapped-raw": (3 * MIB, 64 * KIB, False, False),  # that in xz: how large it is is known at its end
}
RAW, WRAPPED = ("raw", "wrapped-raw"), ("wrapped", "wrapped-raw")
# What may stand at a place in the first one's stead; "longer" is of another length.
CHANGES = ("data", "late", "middle", "tables", "other", "longer")


def run(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def allocated(path):
    """[(start, length)] of what the image has something for."""
    out = subprocess.run(["qemu-img", "map", "--output=json", path], check=True,
                         stdout=subprocess.PIPE).stdout
    return [(e["start"], e["length"]) for e in json.loads(out) if e["present"]]


class Version:
    """The bytes of an image and, by the name of the snapshot ("": the disk), of its guest."""

    def __init__(self, family, name, path, served):
        self.family, self.name, self.path, self.bytes = family, name, path, served
        self.sha256 = hashlib.sha256(self.bytes).hexdigest()
        self.etag = self.sha256[:12]
        self.guest = {"": self.read_as()}
        if FAMILIES[family][3]:
            self.guest["old"] = self.read_as("-l", "snapshot.name=old")
        self.size = len(self.guest[""])
        self.allocated = {"": allocated(path) if family not in RAW else [(0, self.size)]}
        if "old" in self.guest:  # qemu-img map knows no snapshots
            copy = path + ".old"
            shutil.copyfile(path, copy)
            run("qemu-img", "snapshot", "-a", "old", copy)
            self.allocated["old"] = allocated(copy)
            os.unlink(copy)

    def read_as(self, *more):
        raw = self.path + ".raw"
        run("qemu-img", "convert", *(["-f", "raw"] if self.family in RAW else []), *more,
            "-O", "raw", self.path, raw)
        with open(raw, "rb") as f:
            out = f.read()
        os.unlink(raw)
        return out

    def over(self, before, snapshot=""):
        """What a target reads as that held BEFORE and keeps it where the image has nothing."""
        out = bytearray(before[:self.size].ljust(self.size, b"\0"))
        guest = self.guest.get(snapshot, self.guest[""])
        for at, length in self.allocated.get(snapshot, self.allocated[""]):
            out[at:at + length] = guest[at:at + length]
        return bytes(out)


def disk_of(size, cluster, compressed, seed):
    """Clusters of noise (or of text) with some holes between; the first has a partition table,
    so that it is known for a disk that is in use."""
    chance, out = random.Random(seed), bytearray()
    while len(out) < size:
        n = min(cluster, size - len(out))
        if chance.random() < 0.2 and len(out) > 0:
            out += bytes(n)
        elif compressed:
            word = chance.randbytes(24)
            out += (word * (n // 24 + 1))[:n]
        else:
            out += chance.randbytes(n)
    out[446:510] = struct.pack("<8B2I", 128, 0, 0, 0, 0x83, 0, 0, 0, 1, size // 512 - 1) + bytes(48)
    out[510:512] = b"\x55\xaa"
    return bytes(out)


def make(path, name, seed):
    """A qcow2 with seeded content at PATH."""
    size, cluster, compressed, snapshot = FAMILIES[name]
    if name in RAW:
        with open(path, "wb") as f:
            f.write(disk_of(size, cluster, False, seed))
        return
    raw = path + ".in"
    with open(raw, "wb") as f:
        f.write(disk_of(size, cluster, compressed, seed))
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *(["-c"] if compressed else []),
        "-o", f"cluster_size={cluster}", raw, path)
    os.unlink(raw)
    if snapshot:
        run("qemu-img", "snapshot", "-c", "old", path)
        run("qemu-io", "-c", f"write -q -P {1 + seed % 250} 256k 640k", path)
        run("qemu-io", "-c", "write -q -z 1m 128k", path)


def entries(image):
    """Of the active disk: (where the entry stands, its value), plain data clusters only."""
    if image[:4] != b"QFI\xfb":
        return [(None, at) for at in range(0, len(image), 64 * KIB)
                if image[at:at + 64 * KIB].strip(b"\0")], 64 * KIB
    bits, = struct.unpack_from(">I", image, 20)
    l1_size, l1_at = struct.unpack_from(">IQ", image, 36)
    out = []
    for k in range(l1_size):
        table = struct.unpack_from(">Q", image, l1_at + 8 * k)[0] & OFFSET_MASK
        for at in range(table, table + (1 << bits), 8) if table else ():
            value, = struct.unpack_from(">Q", image, at)
            if value & OFFSET_MASK and not value >> 62 & 1:
                out.append((at, value))
    return out, 1 << bits


def exchanged(image):
    """IMAGE with two entries of its tables exchanged."""
    out, (found, _) = bytearray(image), entries(image)
    (a, va), (b, vb) = found[len(found) // 3], found[-2]
    struct.pack_into(">Q", out, a, vb)
    struct.pack_into(">Q", out, b, va)
    return bytes(out)


def changed(image, how, seed):
    """IMAGE with other data in its clusters, or in some of them."""
    out, (found, cluster) = bytearray(image), entries(image)
    chance = random.Random(seed)
    hosts = sorted({value & OFFSET_MASK for _at, value in found})
    third = max(1, len(hosts) // 3)
    if how == "late":
        hosts = hosts[-third:]
    elif how == "middle":
        hosts = hosts[third:-third]
    for at in hosts:
        end = min(at + cluster, len(out))
        out[at + 512:end] = chance.randbytes(end - at - 512)
    return bytes(out)


def all_of(directory, name):
    """{change: image}, of equal length but for "longer"."""
    pair = []
    for seed in (1, 2):
        path = os.path.join(directory, f"{name}.{seed}")
        make(path, name, seed)
        with open(path, "rb") as f:
            pair.append(f.read())
        os.unlink(path)
    length = max(len(image) for image in pair)
    first, other = (image.ljust(length, b"\0") for image in pair)
    made = {"first": first, "other": other}
    if name not in RAW:
        made["longer"] = other.ljust(length + 65536, b"\0")
    if entries(first)[0]:
        made.update((how, changed(first, how, 3)) for how in ("data", "late", "middle"))
        if name not in RAW:
            made["tables"] = exchanged(first)
    return made


def wrapped(made):
    """Each in xz, with padding to one length: but the longer one."""
    packed = {how: lzma.compress(image, preset=0) for how, image in made.items()}
    length = max(len(image) for image in packed.values())
    return {how: image.ljust(length + (4096 if how == "longer" else 0), b"\0")
            for how, image in packed.items()}


def versions(directory, name):
    """{change: Version}, "first" with them."""
    made = all_of(directory, name)
    served = wrapped(made) if name in WRAPPED else made
    out = {}
    for how, image in made.items():
        path = os.path.join(directory, f"{name}.{how}")
        with open(path, "wb") as f:
            f.write(image)
        out[how] = Version(name, how, path, served[how])
    return out
