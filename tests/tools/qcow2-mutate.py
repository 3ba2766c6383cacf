#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qcow2-mutate: one sound image, and 137 ways to spoil it, each with its verdict.

    qcow2-mutate.py OUTDIR [ID...]

Writes OUTDIR/ID.qcow2 for every row of the table below (or only those named), base.qcow2 and
base.raw, and verdicts.tsv: id, ACCEPT or REJECT, and for what is accepted how its bytes are:
"same" as base.raw, or "different" by design (then they are what qemu-img convert makes of that
file).  The base image is made by qemu-img and qemu-io, so that it is theirs and not ours.
"""
import os
import struct
import subprocess
import sys
import zlib

MIB = 1 << 20
HEADER, REFTABLE, REFBLOCK, L1 = 0, 0x1000, 0x2000, 0x3000
L2 = (0x4000, 0x15000, 0x1E000, 0x20000)
DATA, BLOB, END = 0x5000, 0x1F000, 0x21000
COPIED, COMPRESSED = 1 << 63, 1 << 62
ESCAPES = b"\x1b[2J\x1b]0;pwned\x07"


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_base(path):
    """132 KiB: plain, compressed and zero clusters, four L2 tables, clusters of 4 KiB."""
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4096,compat=1.1",
        path, "8M")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 0xaa 0 64k", "-c", "write -P 0xbb 2M 32k",
        "-c", "write -c -P 0xcc 4M 4k", "-c", "write -c -P 0xcd 4100k 4k",
        "-c", "write -z 6M 16k", path)
    with open(path, "rb") as f:
        data = f.read()
    l1 = struct.unpack_from(">4Q", data, L1)
    blob = struct.unpack_from(">Q", data, L2[2])[0]
    if len(data) != END or l1 != tuple(COPIED | t for t in L2) or blob != COMPRESSED | BLOB:
        sys.exit("qcow2-mutate: this qemu lays out the base image in another way")
    return data


# A mutation is a function from the bytes of the base to those of the spoilt image; these make
# them.  put(image, at, format, value...) overwrites, and grows the image if need be.

def put(image, at, what):
    if len(image) < at + len(what):
        image.extend(bytes(at + len(what) - len(image)))
    image[at:at + len(what)] = what


def field(*patches):
    """(byte, struct format, value...) each, big endian."""
    def mutate(image):
        for at, form, *values in patches:
            put(image, at, struct.pack(">" + form, *values))
        return image
    return mutate


def extension(magic, body=b"", length=None, patches=()):
    """A header extension at byte 112, and PATCHES."""
    def mutate(image):
        length_told = len(body) if length is None else length
        put(image, 112, struct.pack(">II", magic, length_told) + body)
        return field(*patches)(image)
    return mutate


def backing(name, patches=(), form=None):
    def mutate(image):
        if form is not None:
            put(image, 112, struct.pack(">II", 0xE2792ACA, len(form)) + form)
        put(image, 0x200, name)
        return field((8, "Q", 0x200), (16, "I", len(name)), *patches)(image)
    return mutate


def cut(length):
    return lambda image: image[:length]


def bitmaps(n, size, at):
    body = struct.pack(">IIQQ", n, 0, size, at)
    return extension(0x23852875, body, patches=((88, "Q", 1),))


def deflate(data, wbits=-15):
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


def blob(stream, sectors, pad=True, trailer=b""):
    """The stream behind the end, and L2c[0] pointing there with SECTORS more sectors."""
    def mutate(image):
        put(image, END, stream + trailer)
        if pad and len(image) % 512:
            image.extend(bytes(512 - len(image) % 512))
        return field((L2[2], "Q", COMPRESSED | sectors << 58 | END))(image)
    return mutate


def sectors_of(stream):
    return (len(stream) - 1) // 512


def noise(n):
    """Bytes that do not compress, always the same."""
    out, state = bytearray(), 1
    while len(out) < n:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        out += struct.pack(">I", state >> 32)
    return bytes(out[:n])


def snapshot_entry(image):
    put(image, END, struct.pack(">QIHHIIQII", L1, 4, 0xFFFF, 0xFFFF, 0, 0, 0, 0, 0xFFFFFFFF))
    return field((60, "I", 1), (64, "Q", END))(image)


def copy(to, source, n):
    def mutate(image):
        image[to:to + n] = image[source:source + n]
        return image
    return mutate


def html(_image):
    return bytearray(b"<!DOCTYPE html><html><body>404 not found</body></html>\n" * 20)


def grow(image):
    image.extend(noise(MIB))
    return image


CC = deflate(b"\xcc" * 4096, -12)
A, R, SAME, OTHER = "ACCEPT", "REJECT", "same", "different"

TABLE = [
    ("H00", A, SAME, field()),
    ("H01", R, "-", field((3, "B", 0xFA))),
    ("H02", R, "-", field((4, "I", 0))),
    ("H03", R, "-", field((4, "I", 1))),
    ("H04", R, "-", field((4, "I", 4))),
    ("H05", R, "-", field((4, "I", 2))),
    ("H06", R, "-", field((20, "I", 8))),
    ("H07", R, "-", field((20, "I", 22))),
    ("H08", R, "-", field((20, "I", 63))),
    ("H09", R, "-", field((20, "I", 0xFFFFFFFF))),
    ("H10", R, "-", field((20, "I", 16))),
    ("H11", R, "-", field((20, "I", 9))),
    ("H12", A, OTHER, field((24, "Q", 0))),
    ("H13", R, "-", field((24, "Q", 8388609))),
    ("H14", R, "-", field((24, "Q", 2**63 - 1))),
    ("H15", R, "-", field((24, "Q", 2**64 - 1))),
    ("H16", R, "-", field((24, "Q", 2**63 - 512 * 1024))),
    ("H17", R, "-", field((24, "Q", 16 * MIB))),
    ("H18", A, OTHER, field((24, "Q", 4 * MIB))),
    ("H19", R, "-", field((36, "I", 0))),
    ("H20", R, "-", field((36, "I", 0xFFFFFFFF))),
    ("H21", R, "-", field((36, "I", 0x7FFFFFFF))),
    ("H22", R, "-", field((36, "I", 0x400000))),
    ("H23", R, "-", field((36, "I", 0x400001))),
    ("H24", R, "-", field((40, "Q", 0))),
    ("H25", R, "-", field((40, "Q", 0x3001))),
    ("H26", R, "-", field((40, "Q", 0x7FFFFFFFFFFF0000))),
    ("H27", R, "-", field((40, "Q", 0xFFFFFFFFFFFFF000))),
    ("H28", R, "-", field((40, "Q", 0x1000000))),
    ("H29", R, "-", field((40, "Q", REFTABLE))),
    ("H30", R, "-", field((48, "Q", 0x1234567890ABCDEF))),
    ("H31", R, "-", field((48, "Q", 0))),
    ("H32", R, "-", field((56, "I", 0))),
    ("H33", R, "-", field((56, "I", 0xFFFFFFFF))),
    ("H34", R, "-", field((56, "I", 2049))),
    ("H35", R, "-", field((96, "I", 7))),
    ("H36", R, "-", field((96, "I", 0xFFFFFFFF))),
    ("H37", A, SAME, field((96, "I", 0))),
    ("H38", R, "-", field((100, "I", 0))),
    ("H39", R, "-", field((100, "I", 103))),
    ("H40", R, "-", field((100, "I", 105))),
    ("H41", R, "-", field((100, "I", 4097))),
    ("H42", R, "-", field((100, "I", 0xFFFFFFFF))),
    ("H43", R, "-", field((32, "I", 1))),
    ("H44", R, "-", field((32, "I", 2))),
    ("H45", R, "-", field((32, "I", 3))),
    ("H46", R, "-", field((60, "I", 0xFFFFFFFF))),
    ("H47", R, "-", field((60, "I", 65537))),
    ("H48", R, "-", field((60, "I", 1), (64, "Q", 0x1000000))),
    ("H49", R, "-", field((64, "Q", 0x1234567890ABCDEF))),
    ("H50", R, "-", snapshot_entry),
    ("H51", R, "-", field((60, "I", 1), (64, "Q", 0))),
    ("H52", R, "-", field((24, "Q", 8388607))),
    ("F01", A, SAME, field((72, "Q", 1))),
    ("F02", R, "-", field((72, "Q", 2))),
    ("F03", R, "-", field((72, "Q", 4))),
    ("F04", R, "-", extension(0x44415441, b"/etc/passwd", patches=((72, "Q", 4),))),
    ("F05", R, "-", extension(0x44415441, b'json:{"driver":"null-co","size":8388608}',
                              patches=((72, "Q", 4),))),
    ("F06", R, "-", field((72, "Q", 8))),
    ("F07", R, "-", field((72, "Q", 8), (104, "B", 1))),
    ("F08", R, "-", field((72, "Q", 8), (104, "B", 255))),
    ("F09", R, "-", field((104, "B", 1))),
    ("F10", R, "-", field((72, "Q", 16))),
    ("F11", R, "-", field((72, "Q", 32))),
    ("F12", R, "-", field((72, "Q", 2**63))),
    ("F13", R, "-", extension(0x6803F857, b"\x00\x05" + ESCAPES.ljust(46, b"\0"),
                              patches=((72, "Q", 32),))),
    ("F14", A, SAME, field((80, "Q", 2**64 - 1))),
    ("F15", R, "-", field((88, "Q", 2**64 - 1))),
    ("F16", R, "-", field((88, "Q", 2))),
    ("F17", A, SAME, field((88, "Q", 1))),
    ("X01", R, "-", extension(0x12345678, length=0x7FFFFFFF)),
    ("X02", R, "-", extension(0x12345678, length=0xFFFFFFF9)),
    ("X03", A, SAME, field(*((at, "II", 0x12345678, 0) for at in range(112, 4096, 8)))),
    ("X04", R, "-", extension(0xE2792ACA, b"sixteen bytes it")),
    ("X05", R, "-", bitmaps(0, 0, 0)),
    ("X06", R, "-", bitmaps(65536, 64, 0x20000)),
    ("X07", R, "-", bitmaps(1, 2**63, END)),
    ("X08", R, "-", extension(0x0537BE77, struct.pack(">QQ", 2**63, 4096),
                              patches=((32, "I", 2),))),
    ("X09", R, "-", extension(0x44415441, b"/etc/passwd")),
    ("B01", R, "-", field((8, "Q", 2**64 - 1), (16, "I", 11))),
    ("B02", R, "-", field((8, "Q", 0x200), (16, "I", 0xFFFFFFFF))),
    ("B03", R, "-", backing(b"/etc/passwd")),
    ("B04", R, "-", backing(b'json:{"driver":"null-co","size":8388608}')),
    ("B05", R, "-", backing(b"B05.qcow2")),
    ("B06", R, "-", backing(b"n" * 1024)),
    ("B07", R, "-", backing(b"\x1b[31mX\x07Y", form=b"raw")),
    ("B08", A, SAME, field((16, "I", 100))),
    ("B09", R, "-", backing(b"http://127.0.0.1:9/x")),
    ("L01", R, "-", field((L1, "Q", COPIED | L1))),
    ("L02", R, "-", field((L1, "Q", COPIED | REFBLOCK))),
    ("L03", A, OTHER, field((L1, "Q", COPIED))),
    ("L04", R, "-", field((L1, "Q", COPIED | 0x4001))),
    ("L05", R, "-", field((L1, "Q", COPIED | 0x4200))),
    ("L06", R, "-", field((L1, "Q", 0x00FFFFFFFFFFF000))),
    ("L07", R, "-", field((L1, "Q", COPIED | 0x7F << 56 | 0x4000))),
    ("L08", R, "-", copy(L1 + 8, L1, 8)),
    ("L09", R, "-", field((L1, "Q", COPIED | 0x1000000))),
    ("L10", A, SAME, field((L1, "Q", 0x4000))),
    ("L11", R, "-", field((L1, "Q", COPIED | DATA))),
    ("E01", R, "-", field((L2[0], "Q", COPIED | 0x5200))),
    ("E02", R, "-", field((L2[0], "Q", 0x00FFFFFFFFFFF000))),
    ("E03", R, "-", field((L2[0], "Q", COPIED))),
    ("E04", R, "-", field((L2[0], "Q", COPIED | L1))),
    ("E05", R, "-", field((L2[0], "Q", COPIED | L2[0]))),
    ("E06", A, SAME, copy(L2[0] + 8, L2[0], 8)),
    ("E07", R, "-", field((L2[0], "Q", COPIED | 0x3F << 56 | DATA))),
    ("E08", R, "-", field((L2[0], "Q", COPIED | DATA | 0x1FE))),
    ("E09", A, OTHER, field((L2[0], "Q", COPIED | DATA | 1))),
    ("E10", R, "-", field((L2[0], "Q", COPIED | 0x1000000))),
    ("E11", R, "-", field((L2[0], "Q", COPIED | COMPRESSED | DATA))),
    ("E12", R, "-", field((L2[0], "Q", COMPRESSED | (1 << 62) - 1))),
    ("E13", R, "-", field((L2[2], "Q", COMPRESSED | 0x1000000))),
    ("E14", R, "-", field((L2[2], "Q", COMPRESSED))),
    ("E15", R, "-", field((BLOB, "B", 0xFF))),
    ("E16", R, "-", field((BLOB + 4, "18x"))),
    ("E17", A, SAME, blob(CC, 0, pad=False)),
    ("E18", R, "-", blob(deflate(b"\xcc" * 4095, -12), 0)),
    ("E19", A, SAME, blob(deflate(b"\xcc" * MIB), sectors_of(deflate(b"\xcc" * MIB)))),
    ("E20", A, SAME, blob(CC, 3, trailer=noise(2048))),
    ("E21", R, "-", blob(deflate(noise(4096), -12), 0)),
    ("E22", R, "-", blob(zlib.compress(b"\xcc" * 4096), 0)),
    ("E23", A, OTHER, copy(L2[2] + 8, L2[2], 8)),
    ("E24", R, "-", field(*((L1 + 8 * i, "Q", COPIED | L2[0]) for i in range(4)))),
    ("R01", A, SAME, field((REFTABLE, "Q", 0))),
    ("R02", A, SAME, field((REFTABLE, "Q", 0x2200))),
    ("R03", A, SAME, field((REFTABLE, "Q", REFTABLE))),
    ("R04", A, SAME, field((REFBLOCK, "4096x"))),
    ("R05", A, SAME, field((REFBLOCK + 10, "H", 2))),
    ("T01", R, "-", cut(0)),
    ("T02", R, "-", cut(71)),
    ("T03", R, "-", cut(103)),
    ("T04", R, "-", cut(0x3008)),
    ("T05", R, "-", cut(0x4100)),
    ("T06", R, "-", cut(0x5800)),
    ("T07", R, "-", cut(0xD000)),
    ("T08", R, "-", cut(0x1F005)),
    ("T09", R, "-", html),
    ("T10", A, SAME, grow),
]


def mutations(base):
    """(id, verdict, bytes "same", "different" or "-", image) for every row."""
    for name, verdict, output, mutate in TABLE:
        yield name, verdict, output, bytes(mutate(bytearray(base)))


def main(argv):
    if len(argv) < 2 or argv[1].startswith("-"):
        sys.exit(__doc__)
    out, only = argv[1], argv[2:]
    os.makedirs(out, exist_ok=True)
    base_path = os.path.join(out, "base.qcow2")
    base = make_base(base_path)
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", base_path,
        os.path.join(out, "base.raw"))
    with open(os.path.join(out, "verdicts.tsv"), "w", encoding="ascii") as table:
        for name, verdict, output, image in mutations(base):
            if only and name not in only:
                continue
            table.write(f"{name}\t{verdict}\t{output}\n")
            with open(os.path.join(out, name + ".qcow2"), "wb") as f:
                f.write(image)


if __name__ == "__main__":
    main(sys.argv)
