#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""differential: seeded damage to sound images, qimport against qemu-img.

    differential.py QIMPORT [--images N] [--seconds N] [--seed N] [--peak MIB] [-v]

Every image is imported from its path and from a pipe (an overlay only from its path, a snapshot
now and then). One of eight is sound and laid out as qemu-img convert -c does it (qcow2-packed),
of any cluster size, and must be accepted.  Findings: an exit status that no image deserves (a crash, a hang), more than MIB
of memory, both accept and the bytes or the maps differ, qimport accepts what qemu-img convert
refuses or what `qemu-img check` calls corrupt, refcounts aside.  Prints counts, and with -v why
images were refused that qemu-img finds nothing wrong with; the exit status is 1 if there were
findings, which are kept in ./findings.
"""
import argparse
import collections
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOLES = "hole=20,data=2,zero=1,zero-alloc=1,compressed=2,shared=1"
KINDS = (
    ["--cluster-bits", "12", "--size", "2097152", "--mix", HOLES],
    ["--cluster-bits", "12", "--size", "262144", "--l1-extra", "3"],
    ["--cluster-bits", "9", "--size", "98304", "--scatter"],
    ["--cluster-bits", "16", "--size", "655872", "--layout", "tables-last"],
    ["--cluster-bits", "14", "--extended", "--size", "16777216",
     "--mix", "sub=3,data=2,zero=1,hole=60"],
    ["--cluster-bits", "14", "--extended", "--size", "328192", "--cut", "--compression", "zstd",
     "--mix", "sub=3,compressed=2,zero-alloc=1,hole=1", "--layout", "l2-reversed"],
    ["--cluster-bits", "12", "--version", "2", "--size", "2097152",
     "--mix", "data=2,compressed=2,hole=20"],
    ["--cluster-bits", "12", "--size", "131072", "--compression", "zstd",
     "--layout", "l1-last"],
    ["--cluster-bits", "12", "--snapshots", "2", "--size", "196608"],
    ["--cluster-bits", "12", "--size", "262144", "--backing", "below",
     "--backing-format", "raw"],
)
EDGES = (0, 1, 0x1FF, 0x200, 0x1000, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, 1 << 63, (1 << 63) | 1,
         (1 << 56) - 512, (1 << 63) - 4096, (1 << 64) - 1)
OFFSET = 0x00FFFFFFFFFFFE00
BELOW = 180000 // 512 * 512  # bytes of the raw backing file, less than the overlay has
MOST = 256 << 20             # of virtual disk

# What qemu-img check says that is no reason to refuse: refcounts are not needed for reading,
# and a cluster that reads as zeros may lie anywhere.
HARMLESS = re.compile(rb"refcount|OFLAG_COPIED|^Leaked|^\d+ |^\d+/\d+ = |overflow cluster"
                      rb"|region exceeding the end of the file"
                      rb"|^The following|^No errors|^Data may|^This means|^Image end|^\s*$")


def tables(image):
    """Where something is worth damaging: header, L1, L2, snapshots, a little of the data."""
    bits, = struct.unpack_from(">I", image, 20)
    l1_n, l1 = struct.unpack_from(">IQ", image, 36)
    snapshots, at = struct.unpack_from(">IQ", image, 60)
    spots = [(0, 160), (l1, l1_n * 8), (0, len(image))]
    if snapshots:
        spots += [(at, 88 * snapshots)] * 2
        tables_of = [(l1, l1_n), struct.unpack_from(">QI", image, at)]
    else:
        tables_of = [(l1, l1_n)]
    for at, n in tables_of:
        for i in range(n):
            entry, = struct.unpack_from(">Q", image, at + 8 * i)
            if entry & OFFSET:
                spots.append((entry & OFFSET, 1 << min(bits, 12)))
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


def on_alarm(*_):
    raise TimeoutError


class Result:
    """Of a command: its exit status (negative: a signal; None: a hang), peak KiB, its words."""

    def __init__(self, command, stdin=subprocess.DEVNULL, stdout=None):
        with tempfile.TemporaryFile() as words:
            p = subprocess.Popen(command, stdin=stdin, stdout=stdout or words, stderr=words,
                                 preexec_fn=limit)
            signal.alarm(60)
            try:
                _, status, usage = os.wait4(p.pid, 0)
            except TimeoutError:
                p.kill()
                _, _, usage = os.wait4(p.pid, 0)
                status = None
            signal.alarm(0)
            p.returncode = 0
            self.status = None if status is None else os.waitstatus_to_exitcode(status)
            self.peak = usage.ru_maxrss
            words.seek(0)
            self.words = words.read(1 << 16)


class Differential:
    def __init__(self, args, directory):
        self.qimport, self.most, self.dir = args.qimport, args.peak << 10, directory
        self.counts = {"images": 0, "accepted": 0, "refused": 0, "maps": 0, "stricter": 0}
        self.findings, self.reasons, self.peak = [], collections.Counter(), 0
        os.environ["QIMPORT_JOURNAL"] = self.path("journal.db")

    def path(self, name):
        return os.path.join(self.dir, name)

    def find(self, what, name):
        self.findings.append(what)
        os.makedirs("findings", exist_ok=True)
        shutil.copy(self.path("image"), os.path.join("findings", name))
        print(f"finding: {what}: findings/{name}", flush=True)

    # ---- what the two make of it

    def ours(self, options, pipe):
        for name in os.listdir(self.dir):
            if name.startswith(("disk", "journal.db")):
                os.unlink(self.path(name))
        command = [self.qimport, "start", "-q", "--max-size", str(MOST), *options]
        with open(self.path("image"), "rb") as image:
            if pipe:
                return Result([*command, "-", self.path("disk")], image)
            return Result([*command, self.path("image"), self.path("disk")])

    def theirs(self, overlay, snapshot):
        """The name of the backing file in a damaged header must lead nowhere."""
        command = ["qemu-img", "convert", "-O", "raw"]
        if snapshot:
            command += ["-l", f"snapshot.id={snapshot}"]
        if overlay:
            command += ["--image-opts", f"driver=qcow2,file.filename={self.path('image')},"
                        f"backing.driver=raw,backing.file.filename={self.path('below')}"]
        else:
            command += ["-f", "qcow2", self.path("image")]
        return Result([*command, self.path("theirs")]).status == 0

    def same(self, snapshot):
        """A snapshot's size is its own here, and the active disk's there."""
        names = [self.path("disk"), self.path("theirs")]
        if snapshot:
            least = min(os.path.getsize(n) for n in names)
            return Result(["cmp", "-s", "-n", str(least), *names]).status == 0
        return Result(["cmp", "-s", *names]).status == 0

    def same_map(self, name):
        maps = []
        for i, command in enumerate(([self.qimport, "map", "--json"],
                                     ["qemu-img", "map", "-f", "qcow2", "--output=json"])):
            maps.append(self.path(f"map{i}"))
            with open(maps[i], "wb") as out:
                Result([*command, self.path("image")], stdout=out)
        self.counts["maps"] += 1
        if Result([sys.executable, os.path.join(HERE, "map-same.py"), *maps]).status != 0:
            self.find("another map", name)

    # ---- the verdict

    def corrupt(self):
        """The exit status of qemu-img check, and what it says that tells of damage."""
        result = Result(["qemu-img", "check", "-f", "qcow2", "-U", self.path("image")])
        return result.status, [w for w in result.words.split(b"\n") if not HARMLESS.search(w)]

    def is_all_used(self):
        """No entry of a table lies beyond the disk, where nobody reads it."""
        with open(self.path("image"), "rb") as f:
            head = f.read(104)
        bits, size, _, l1_n = struct.unpack_from(">IQII", head, 20)
        extended = head[4:8] == b"\0\0\0\3" and head[79] & 16
        span = 1 << 2 * bits - (4 if extended else 3)
        return size % span == 0 and l1_n == size // span

    def judge_ours(self, result, how, name):
        self.peak = max(self.peak, result.peak)
        if result.status not in (0, 3, 5) or (result.status == 3 and "pipe" not in how):
            self.find(f"status {result.status} {how}: {result.words[:200]!r}", name)
        if result.peak > self.most:
            self.find(f"{result.peak} KiB {how}", name)

    def judge(self, name, overlay, snapshot):
        options = ["--snapshot", str(snapshot)] if snapshot else []
        options += ["--backing", self.path("below")] if overlay else []
        verdicts, read, words = [], None, b""
        for pipe in (False,) if overlay else (False, True):
            how = "from a pipe" if pipe else "from its path"
            result = self.ours(options, pipe)
            # A snapshot that the damage made away with is wrong usage.
            if not (snapshot and result.status == 2 and b"no snapshot with" in result.words):
                self.judge_ours(result, how, name)
            verdicts.append(result.status)
            if result.status == 0:
                read = self.theirs(overlay, snapshot) if read is None else read
                if not read:
                    self.find(f"qemu-img convert refuses, accepted {how}", name)
                elif not self.same(snapshot):
                    self.find(f"other bytes {how}", name)
            elif not pipe:
                words = result.words
        if len({v == 0 for v in verdicts}) > 1:
            self.find(f"path {verdicts[0]}, pipe {verdicts[1]}: {result.words[:200]!r}", name)
        self.count(verdicts[0] == 0, words, name, overlay or snapshot)

    def count(self, accepted, words, name, special):
        status, corrupt = self.corrupt()
        self.counts["images"] += 1
        self.counts["accepted" if accepted else "refused"] += 1
        if accepted and corrupt and not special and self.is_all_used():
            self.find(f"qemu-img check: {corrupt[0][:200]!r}", name)
        if not accepted and status == 0 and not special and self.theirs(False, 0):
            self.counts["stricter"] += 1
            self.reasons[re.sub(rb"0x[0-9a-f]+|\d+|^.*/image: ", b"N", words.strip())] += 1
        if accepted and not special and self.counts["images"] % 4 == 0:
            self.same_map(name)


def soundness(directory, seed):
    """The bytes of a sound image of every kind."""
    below = os.path.join(directory, "below")
    with open(below, "wb") as f:
        f.write(random.Random(seed).randbytes(BELOW))
    for i, kind in enumerate(KINDS):
        image = os.path.join(directory, "sound")
        subprocess.run([sys.executable, os.path.join(HERE, "qcow2-writer.py"), *kind,
                        "--seed", str(seed % 1000 + i), image,
                        os.path.join(directory, "raw")], check=True)
        with open(image, "rb") as f:
            yield kind, f.read()


def pack(rng, directory):
    """A sound image of compressed clusters that share sectors, under several L2 tables."""
    bits = rng.randrange(9, 22)
    size = min(5 << 2 * bits - 3, 2 << 20) if bits < 14 else 3 << bits
    subprocess.run([sys.executable, os.path.join(HERE, "qcow2-packed.py"),
                    "--cluster-bits", str(bits), "--size", str(size),
                    "--compression", rng.choice(("deflate", "deflate", "zstd")),
                    "--order", rng.choice(("in", "random")),
                    "--stretch", rng.choice(("0", str(size // 2))), "--seed", str(rng.randrange(1 << 30)),
                    os.path.join(directory, "image"), os.path.join(directory, "raw")], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("qimport")
    parser.add_argument("--images", type=int, default=1 << 30)
    parser.add_argument("--seconds", type=int, default=1 << 30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--peak", type=int, default=256, help="MiB that a run may take")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    signal.signal(signal.SIGALRM, on_alarm)
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        run = Differential(args, directory)
        sound = list(soundness(directory, args.seed))
        end = time.monotonic() + args.seconds
        while time.monotonic() < end and run.counts["images"] < args.images:
            if rng.randrange(8) == 0:
                pack(rng, directory)
                accepted = run.counts["accepted"]
                name = f"{args.seed}-{run.counts['images']}-packed"
                run.judge(name, False, 0)
                if run.counts["accepted"] == accepted:
                    run.find("a sound image is refused", name)
                continue
            n = rng.randrange(len(sound))
            kind, image = sound[n]
            snapshot = rng.randrange(3) if "--snapshots" in kind else 0
            with open(run.path("image"), "wb") as f:
                f.write(damage(rng, image))
            run.judge(f"{args.seed}-{run.counts['images']}-{n}", "--backing" in kind, snapshot)
    print(" ".join(f"{k} {v}" for k, v in run.counts.items()), "findings", len(run.findings),
          "peak", run.peak >> 10, "MiB")
    for words, n in run.reasons.most_common(40) if args.verbose else ():
        print(n, words.decode(errors="replace"))
    sys.exit(1 if run.findings else 0)


if __name__ == "__main__":
    main()
