#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""power-loss: what a disk may hold after the power failed, and whether all is well then.

    power-loss.py --base B --log L --fs ext4|xfs --mount DIR --states N --seed S
                  --journal NAME --target NAME --expected RAW [--told N]
                  [--resume-every K --image QCOW2]
    power-loss.py --point N ...
    power-loss.py --count --log L

B is the disk before the recording, L what qemu's blklogwrites recorded of it (the format of
dm-log-writes).  A crash state is everything up to the last flush before some entry, and of what
came between that flush and the entry a random subset, in any order that a disk may choose, the
last of it torn.  Each is mounted (the file system replays its own log) at DIR, where it was
recorded; the journal must be sound and all it calls committed on the target (committed.py); from
entry TOLD on, when the program had said so, the import must be complete.  Of every K-th,
and wherever the target has its name before the journal says so, the import goes on to its end.
With --point every crash is at that entry, and JOURNAL may be the path of one on another disk,
which lost nothing.  Prints a line per violation and, last, the counts.  Needs root.
"""
import argparse
import ctypes
import fcntl
import os
import random
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import committed  # noqa: E402

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
PAGE = 4096  # what a disk writes whole or not at all
LOOP_SET_FD, LOOP_CLR_FD, LOOP_CTL_GET_FREE = 0x4C00, 0x4C01, 0x4C82
libc = ctypes.CDLL(None, use_errno=True)


def entries_of(path):
    """[(offset, data position, length, flags)]"""
    out = []
    with open(path, "rb") as f:
        magic, _version, _count, sector = struct.unpack("<QQQI", f.read(28))
        if magic == 0:  # is written at the first flush
            sector = 512
        elif magic != MAGIC:
            sys.exit(f"{path}: no log of writes")
        at = sector
        while True:
            f.seek(at)
            head = f.read(32)
            if len(head) < 32:
                return out
            where, count, flags, _extra = struct.unpack("<QQQQ", head)
            if count == 0 and flags == 0:
                return out
            length = 0 if flags & DISCARD else count * sector
            out.append((where * sector, at + sector, length, flags))
            at += sector + (length + sector - 1) // sector * sector


class Disk:
    """The state under test, in memory; the durable part of it grows with the crash points."""

    def __init__(self, base, log, entries):
        with open(base, "rb") as f:
            self.durable = bytearray(f.read())
        self.log = open(log, "rb")
        self.entries = entries
        self.upto = 0

    def data(self, entry):
        self.log.seek(entry[1])
        return self.log.read(entry[2])

    def flush_upto(self, point):
        """Entries before the last flush at or before POINT are durable."""
        last = self.upto
        for i in range(self.upto, point):
            if self.entries[i][3] & FLUSH:
                last = i
        for i in range(self.upto, last):
            at, _, length, _ = self.entries[i]
            self.durable[at:at + length] = self.data(self.entries[i])
        self.upto = last

    def crash(self, point, rng, path):
        self.flush_upto(point)
        open_writes = [e for e in self.entries[self.upto:point] if e[2] > 0]
        # Nothing, everything, half, or some: extremes are the likelier culprits.
        share = rng.choice([0.0, 1.0, 0.5, rng.random()])
        chosen = [e for e in open_writes if e[3] & FUA or rng.random() < share]
        with open(path, "r+b" if os.path.exists(path) else "w+b") as f:
            f.write(self.durable)
            for k, e in enumerate(chosen):
                data = self.data(e)
                if k == len(chosen) - 1 and not e[3] & FUA and rng.random() < 0.3:
                    data = data[:rng.randrange(len(data) // PAGE + 1) * PAGE]
                f.seek(e[0])
                f.write(data)


def attach(path):
    for _ in range(100):
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        loop = open(f"/dev/loop{number}", "r+b", buffering=0)
        try:
            with open(path, "r+b") as back:
                fcntl.ioctl(loop, LOOP_SET_FD, back.fileno())
            return loop
        except OSError:  # somebody else was faster
            loop.close()
            time.sleep(0.02)
    sys.exit("no loop device is to be had")


class Mounted:
    def __init__(self, path, fs, where):
        self.path, self.fs, self.where = path, fs, where

    def __enter__(self):
        self.loop = attach(self.path)
        options = b"nouuid" if self.fs == "xfs" else b""
        if libc.mount(self.loop.name.encode(), self.where.encode(), self.fs.encode(), 0,
                      options) != 0:
            error = os.strerror(ctypes.get_errno())
            self.detach()
            raise committed.Wrong(f"the file system does not mount: {error}")

    def detach(self):
        fcntl.ioctl(self.loop, LOOP_CLR_FD)
        self.loop.close()

    def __exit__(self, *_):
        if libc.umount2(self.where.encode(), 0) != 0:
            sys.exit(f"{self.where}: {os.strerror(ctypes.get_errno())}")
        self.detach()


def go_on(state, journal, target, options):
    if state == "complete":
        return
    command = ["resume", "-q", target] if state else ["start", "-q", options.image, target]
    done = subprocess.run([os.environ["QIMPORT"], command[0], "--journal", journal] + command[1:],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise committed.Wrong(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    state, _ = committed.look(journal, target, options.expected)
    if state != "complete":
        raise committed.Wrong(f"after {command[0]} the journal says {state}")


def examine(options, point, resume):
    """State and bytes committed of the crash at POINT, going on if RESUME."""
    journal = os.path.join(options.mount, options.journal)
    target = os.path.join(options.mount, options.target)
    state, done = committed.look(journal, target, options.expected)
    if options.told and point >= options.told and state != "complete":
        raise committed.Wrong(f"'complete' had been told, but the journal says {state}")
    if resume or (os.path.exists(target) and state != "complete"):
        go_on(state, journal, target, options)
    return state, done


def main():
    p = argparse.ArgumentParser()
    for name in ("base", "log", "fs", "mount", "journal", "target", "expected", "image"):
        p.add_argument("--" + name)
    for name in ("states", "seed", "told", "resume-every", "point"):
        p.add_argument("--" + name, type=int, default=0)
    p.add_argument("--count", action="store_true")
    options = p.parse_args()
    entries = entries_of(options.log)
    if options.count:
        print(len(entries))
        return
    rng = random.Random(options.seed)
    path = os.path.join(os.path.dirname(options.base), "state.raw")
    disk = Disk(options.base, options.log, entries)
    bad, resumed, seen = 0, 0, {}
    points = sorted(options.point or rng.randrange(1, len(entries) + 1)
                    for _ in range(options.states))
    for k, point in enumerate(points):
        disk.crash(point, rng, path)
        resume = options.resume_every > 0 and (k + 1) % options.resume_every == 0
        try:
            with Mounted(path, options.fs, options.mount):
                state, _ = examine(options, point, resume)
            seen[state] = seen.get(state, 0) + 1
            resumed += resume
        except committed.Wrong as e:
            bad += 1
            if bad <= 10:
                print(f"violation: state {k}, entry {point} of {len(entries)}: {e}", flush=True)
    words = ", ".join(f"{n} {s or 'without an import'}" for s, n in sorted(seen.items(), key=str))
    print(f"{len(points)} states, {resumed} resumed, {bad} violations ({words})")


main()
