#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""differential: seeded damage to sound images, qimport against qemu-img.

    differential.py QIMPORT [--seconds N] [--seed N]

Every image is imported from its path and from a pipe.  Findings: an exit status that no image
deserves (a crash, a hang, more than 256 MiB), both accept and the bytes differ, qimport accepts
what qemu-img convert refuses or `qemu-img check` calls corrupt in more than its refcounts.
Prints counts; the exit status is 1 if there were findings, which are kept in ./findings.
"""
import argparse
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = (
    ["--cluster-bits", "12", "--size", "262144", "--l1-extra", "3"],
    ["--cluster-bits", "9", "--size", "98816", "--scatter"],
    ["--cluster-bits", "16", "--size", "655872", "--layout", "tables-last"],
    ["--cluster-bits", "14", "--extended", "--size", "393728", "--mix", "sub=3,data=2,zero=1"],
    ["--cluster-bits", "12", "--version", "2", "--size", "196608", "--mix", "data=2,compressed=2"],
    ["--cluster-bits", "12", "--compression", "zstd", "--size", "131072", "--layout", "l1-last"],
    ["--cluster-bits", "12", "--snapshots", "2", "--size", "196608"],
)
EDGES = (0, 1, 0x1FF, 0x200, 0x1000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, 1 << 63, (1 << 63) | 1,
         (1 << 56) - 512, (1 << 64) - 1)


def tables(image):
    """Where something is worth damaging: header, L1, L2."""
    bits, = struct.unpack_from(">I", image, 20)
    l1_n, l1 = struct.unpack_from(">IQ", image, 36)
    spots = [(0, 160), (l1, l1_n * 8)]
    for i in range(l1_n):
        entry, = struct.unpack_from(">Q", image, l1 + 8 * i)
        if entry & 0x00FFFFFFFFFFFE00:
            spots.append((entry & 0x00FFFFFFFFFFFE00, 1 << min(bits, 12)))
    return spots


def damage(rng, sound):
    image = bytearray(sound)
    spots = tables(sound)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, length = rng.choice(spots)
        at += rng.randrange(max(1, length))
        if at + 8 > len(image):
            continue
        how = rng.randrange(5)
        if how == 0:
            image[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            image[at] = rng.choice((0, 0x7F, 0x80, 0xFF))
        elif how == 2:
            struct.pack_into(">Q", image, at & ~7, rng.choice(EDGES))
        elif how == 3:
            other, n = rng.choice(spots)
            other = (other + rng.randrange(max(8, n))) & ~7
            image[at & ~7:(at & ~7) + 8] = image[other:other + 8].ljust(8, b"\0")
        else:
            value, = struct.unpack_from(">Q", image, at & ~7)
            struct.pack_into(">Q", image, at & ~7,
                             (value + rng.choice((-512, 512, 4096, 65536))) % 2**64)
    if rng.random() < 0.1:
        del image[rng.randrange(len(image)):]
    return bytes(image)


def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 32, 1 << 32))


def run(command, stdin=subprocess.DEVNULL):
    """Exit status (negative: a signal; None: a hang), peak KiB, standard error."""
    with subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, preexec_fn=limit) as p:
        try:
            words = p.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired:
            p.kill()
            p.communicate()
            return None, 0, b"hang"
        return p.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, words


class Fuzz:
    def __init__(self, qimport, directory):
        self.qimport, self.dir = qimport, directory
        self.counts = {"images": 0, "accepted": 0, "refused": 0, "stricter": 0}
        self.findings = []
        os.environ["QIMPORT_JOURNAL"] = self.path("journal.db")

    def path(self, name):
        return os.path.join(self.dir, name)

    def find(self, what, name):
        self.findings.append(what)
        os.makedirs("findings", exist_ok=True)
        shutil.copy(self.path("image"), os.path.join("findings", name))
        print(f"finding: {what}: findings/{name}", flush=True)

    def imported(self, pipe):
        for name in ("disk", "disk.qimport-part", "journal.db", "journal.db-wal", "journal.db-shm"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        options = ["start", "-q", "--max-size", "4G"]
        with open(self.path("image"), "rb") as image:
            if pipe:
                return run([self.qimport, *options, "-", self.path("disk")], image)
            return run([self.qimport, *options, self.path("image"), self.path("disk")])

    def same(self):
        return run(["cmp", "-s", self.path("disk"), self.path("theirs")])[0] == 0

    def judge(self, name):
        check = run(["qemu-img", "check", "-f", "qcow2", "-U", self.path("image")])
        # Names in a damaged header must lead nowhere; what qimport refuses is not converted.
        verdicts = []
        theirs = None
        for pipe in (False, True):
            how = "from a pipe" if pipe else "from its path"
            status, peak, words = self.imported(pipe)
            verdicts.append(status)
            if status not in (0, 3, 5) or (status == 3 and not pipe):
                self.find(f"status {status} {how}: {words[:200]!r}", name)
            if peak > 256 << 10:
                self.find(f"{peak} KiB {how}", name)
            if status == 0:
                if theirs is None:
                    theirs = run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw",
                                  self.path("image"), self.path("theirs")])[0]
                if theirs != 0:
                    self.find(f"qemu-img convert refuses, accepted {how}", name)
                elif not self.same():
                    self.find(f"other bytes {how}", name)
        if (verdicts[0] == 0) != (verdicts[1] == 0):
            self.find(f"path {verdicts[0]}, pipe {verdicts[1]}", name)
        self.counts["images"] += 1
        self.counts["accepted" if verdicts[0] == 0 else "refused"] += 1
        self.counts["stricter"] += verdicts[0] != 0 and check[0] == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("qimport")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        fuzz = Fuzz(args.qimport, directory)
        sound = []
        for i, kind in enumerate(KINDS):
            image = fuzz.path(f"sound{i}")
            subprocess.run([sys.executable, os.path.join(HERE, "qcow2-writer.py"), *kind,
                            "--seed", str(args.seed % 1000 + i), image, fuzz.path("raw")],
                           check=True)
            with open(image, "rb") as f:
                sound.append(f.read())
        end = time.monotonic() + args.seconds
        while time.monotonic() < end:
            kind = rng.randrange(len(sound))
            with open(fuzz.path("image"), "wb") as f:
                f.write(damage(rng, sound[kind]))
            fuzz.judge(f"{args.seed}-{fuzz.counts['images']}-{kind}")
    print(" ".join(f"{k} {v}" for k, v in fuzz.counts.items()), "findings", len(fuzz.findings))
    sys.exit(1 if fuzz.findings else 0)


if __name__ == "__main__":
    main()
