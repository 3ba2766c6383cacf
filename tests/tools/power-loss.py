#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""power-loss: what disks may hold after the power failed, and whether all is well then.

    power-loss.py --log L --disk KIND=BASE@WHERE... --states N --seed S
                  --journal PATH --target PATH --expected RAW
                  [--told N] [--resume-every K --image QCOW2]
    power-loss.py --count --log L

L is what was written to the disks, and when they were flushed: of one disk by qemu's blklogwrites,
of several by recorder.py (the format of dm-log-writes).  BASE is a disk before that.  A crash
state is, for each disk, everything up to its last flush before some entry, and of what came
between that flush and the entry a random subset, some of it torn between sectors.  A disk of
KIND ext4 or xfs is then mounted at WHERE, which replays the file system's own log; of a raw disk
WHERE becomes a link to its device.  The journal must be sound and all it calls committed on the
target (committed.py); from entry TOLD on, when the program had said so, the import must be
complete; a raw target keeps what lies beyond the disk, and its first MiB is blank unless nothing
or everything else is there.  Of every K-th, and wherever a file has its name before the journal
says so, the import goes on to its end.  Prints a line per violation and, last, the counts.  Needs
root.

Where a file system does not survive that a write of its own was torn (now and then the log of xfs
has no tail then), no program can help it: another state of that instant is made with none torn.
"""
import argparse
import ctypes
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import committed  # noqa: E402

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, ZERO, DISK_SHIFT = 1, 2, 4, 16, 8
SECTOR = 512  # what a disk writes whole or not at all
# ext4 wants that of both sectors of its superblock: torn, it asks for e2fsck.
EXT4_SUPER = range(1024, 2048)
PIECE = 1 << 16
LOOP_SET_FD, LOOP_CLR_FD, LOOP_CTL_GET_FREE = 0x4C00, 0x4C01, 0x4C82
libc = ctypes.CDLL(None, use_errno=True)


class Entry:
    """A write, a range of zeros, or (of length 0) a flush."""

    def __init__(self, at, length, flags, position):
        self.at, self.length, self.position = at, length, position
        self.flags, self.disk = flags & 0xFF, flags >> DISK_SHIFT


def entries_of(path):
    out = []
    with open(path, "rb") as f:
        magic, _version, _count, sector = struct.unpack("<QQQI", f.read(28))
        if magic == 0:  # is written at the first flush
            sector = SECTOR
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
            e = Entry(where * sector, 0 if flags & DISCARD else count * sector, flags, at + sector)
            out.append(e)
            at += sector
            if not e.flags & ZERO:
                at += (e.length + sector - 1) // sector * sector


class Disk:
    """The durable part grows with the crash points; a state is made over it for a moment."""

    def __init__(self, number, word, log, entries):
        self.kind, rest = word.split("=", 1)
        self.base, self.where = rest.split("@", 1)
        with open(self.base, "rb") as f:
            self.before = f.read()
        self.bytes = bytearray(self.before)
        zero = bytes(PIECE)
        self.pieces = {i for i in range(0, len(self.before), PIECE)
                       if self.before[i:i + PIECE] != zero}  # those that are not all zeros
        self.log, self.entries = open(log, "rb"), entries
        self.number, self.upto = number, 0

    def data(self, e):
        if e.flags & ZERO:
            return bytes(e.length)
        self.log.seek(e.position)
        return self.log.read(e.length)

    def put(self, at, data):
        self.bytes[at:at + len(data)] = data
        self.pieces.update(range(at // PIECE * PIECE, at + len(data), PIECE))

    def of_mine(self, first, end):
        return [e for e in self.entries[first:end] if e.disk == self.number]

    def flush_upto(self, point):
        """Writes before the last flush at or before POINT are durable."""
        last = self.upto
        for i in range(self.upto, point):
            if self.entries[i].flags & FLUSH and self.entries[i].disk == self.number:
                last = i
        for e in self.of_mine(self.upto, last):
            self.put(e.at, self.data(e))
        self.upto = last

    def is_super(self, e):
        return (self.kind == "ext4" and e.at < EXT4_SUPER.stop
                and e.at + e.length > EXT4_SUPER.start)

    def lose(self, point, rng, torn):
        """What survives of the writes since, some of them TORN or none: [(offset, bytes)]."""
        # Nothing, everything, half, or some: extremes are the likelier culprits.
        share, tear = rng.choice([0.0, 1.0, 0.5, rng.random()]), rng.choice([0.0, 0.2])
        tear *= torn
        for e in self.of_mine(self.upto, point):
            if not e.flags & FUA and rng.random() >= share:
                continue
            data = self.data(e)
            if not e.flags & FUA and rng.random() < tear and not self.is_super(e):
                data = data[:rng.randrange(len(data) // SECTOR + 1) * SECTOR]
            yield e.at, data

    def crash(self, point, rng, content, torn):
        self.flush_upto(point)
        undo = []
        for at, data in self.lose(point, rng, torn):
            undo.append((at, self.bytes[at:at + len(data)]))
            self.put(at, data)
        wrong = self.kind == "raw" and self.why_raw(content)
        self.write_state()
        for at, data in reversed(undo):
            self.bytes[at:at + len(data)] = data
        if wrong:
            raise committed.Wrong(wrong)

    def write_state(self):
        """Into the same file always: a device is known by its inode."""
        view = memoryview(self.bytes)
        with open(self.base + ".state", "wb", buffering=0) as f:
            f.truncate(len(view))
            for at in self.pieces:
                os.pwrite(f.fileno(), view[at:at + PIECE], at)
        view.release()

    def why_raw(self, expected):
        """What is wrong with the first MiB, or with what lies beyond the disk."""
        head, size = min(committed.HEAD, len(expected)), len(expected)
        if self.bytes[size:] != self.before[size:]:
            return "what lies beyond the disk was changed"
        rest = self.bytes[head:size]
        marked = self.bytes[:len(committed.MARKER)] == committed.MARKER
        if self.bytes[SECTOR if marked else 0:head].strip(b"\0") and rest not in (self.before[head:size], expected[head:]):
            return "the first MiB is not blank but for a marker, and the rest not whole"
        return None


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


class NotMounted(committed.Wrong):
    pass


class Attached:
    """DISK as it is after the crash, in its place."""

    def __init__(self, disk):
        self.disk = disk

    def __enter__(self):
        d = self.disk
        self.loop = attach(d.base + ".state")
        if d.kind == "raw":
            if os.path.lexists(d.where):
                os.unlink(d.where)
            os.symlink(self.loop.name, d.where)
        elif libc.mount(self.loop.name.encode(), d.where.encode(), d.kind.encode(), 0,
                        b"nouuid" if d.kind == "xfs" else b"") != 0:
            error = os.strerror(ctypes.get_errno())
            self.detach()
            raise NotMounted(f"the file system does not mount: {error}")

    def detach(self):
        fcntl.ioctl(self.loop, LOOP_CLR_FD)
        self.loop.close()

    def __exit__(self, *_):
        if self.disk.kind != "raw" and libc.umount2(self.disk.where.encode(), 0) != 0:
            sys.exit(f"{self.disk.where}: {os.strerror(ctypes.get_errno())}")
        self.detach()


def go_on(state, options):
    if state == "complete":
        return
    begin = ["start", options.image, options.target] + (["--force"] if options.raw else [])
    command = ["resume", options.target, "--limit-rate", "0"] if state else begin
    done = subprocess.run([os.environ["QIMPORT"], *command, "-q", "--journal", options.journal],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise committed.Wrong(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    state, _ = committed.look(options.journal, options.target, options.expected)
    if state != "complete":
        raise committed.Wrong(f"after {command[0]} the journal says {state}")


def examine(options, point, resume):
    """The state of the import after the crash at POINT, going on if RESUME."""
    state, _ = committed.look(options.journal, options.target, options.expected)
    if options.told and point >= options.told and state != "complete":
        raise committed.Wrong(f"'complete' had been told, but the journal says {state}")
    if resume or (os.path.exists(options.target) and not options.raw and state != "complete"):
        go_on(state, options)
    return state


def crash(options, disks, point, rng, resume, torn):
    for d in disks:
        d.crash(point, rng, options.content, torn)
    with Attached(disks[0]):
        if len(disks) == 1:
            return examine(options, point, resume)
        with Attached(disks[1]):
            return examine(options, point, resume)


def arguments():
    p = argparse.ArgumentParser()
    for name in ("log", "journal", "target", "expected", "image"):
        p.add_argument("--" + name)
    for name in ("states", "seed", "told", "resume-every"):
        p.add_argument("--" + name, type=int, default=0)
    p.add_argument("--disk", action="append", default=[])
    p.add_argument("--count", action="store_true")
    return p.parse_args()


def main():
    options = arguments()
    entries = entries_of(options.log)
    if options.count:
        print(len(entries))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is attached is let go
    with open(options.expected, "rb") as f:
        options.content = f.read()
    disks = [Disk(k, word, options.log, entries) for k, word in enumerate(options.disk)]
    options.raw = disks[-1].kind == "raw"
    rng = random.Random(options.seed)
    bad, resumed, lost, seen = 0, 0, 0, {}
    points = sorted(rng.randrange(1, len(entries) + 1) for _ in range(options.states))
    for k, point in enumerate(points):
        resume = options.resume_every > 0 and (k + 1) % options.resume_every == 0
        try:
            try:
                state = crash(options, disks, point, rng, resume, torn=True)
            except NotMounted:
                lost += 1
                state = crash(options, disks, point, rng, resume, torn=False)
            seen[state] = seen.get(state, 0) + 1
            resumed += resume
        except committed.Wrong as e:
            bad += 1
            if bad <= 10:
                print(f"violation: state {k}, entry {point} of {len(entries)}: {e}", flush=True)
    words = ", ".join(f"{n} {s or 'without an import'}" for s, n in sorted(seen.items(), key=str))
    if lost:
        words += f"; {lost} made anew, for their file systems did not mount"
    print(f"{len(points)} states, {resumed} resumed, {bad} violations ({words})")


main()
