# SPDX-License-Identifier: LGPL-2.1-or-later
"""disks: what a target can be, and what the model knows of the bytes behind it.

A Disk is the bytes themselves, whatever name they go by: a file's, or what a device is bound to.
It remembers whose it is: blank, foreign (someone else's data), owned (by an unfinished import),
finished (a guest's from now on).
"""
import ctypes
import fcntl
import os
import stat
import struct
import subprocess
import time

LOOP_CLR_FD, LOOP_CONFIGURE, LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C01, 0x4C0A, 0x4C80, 0x4C81
BLKPG, BLKPG_ADD_PARTITION, WITH_PARTITIONS = 0x1269, 1, 8
PART_AT = 1 << 20
BLANK, FOREIGN, OWNED, FINISHED = "blank", "foreign", "owned", "finished"


def read_all(path):
    with open(path, "rb", buffering=0) as f:
        out, piece = [], f.read(16 << 20)
        while piece:
            out.append(piece)
            piece = f.read(16 << 20)
        return b"".join(out)


def write_over(path, content):
    """The same file with other bytes: no new inode, no change of attributes."""
    with open(path, "r+b", buffering=0) as f:
        f.write(content)
        f.truncate(len(content))


def stale(size):
    return b"\xaa" * size


_labelled = {}


def labelled(directory, size):
    """A disk with an ext4 and someone's data on it."""
    if size not in _labelled:
        path = os.path.join(directory, f"labelled.{os.getpid()}")
        with open(path, "wb") as f:
            f.write(stale(max(size, 256 << 10)))
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "precious", path], check=True,
                       env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"},
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _labelled[size] = read_all(path)[:size]
        os.unlink(path)
    return _labelled[size]


def partitioned(size):
    """A disk with one partition from PART_AT to its end."""
    entry = struct.pack("<BBBBBBBBII", 0, 0, 0, 0, 0x83, 0, 0, 0, PART_AT // 512,
                        (size - PART_AT) // 512)
    head = bytes(446) + entry + bytes(48) + b"\x55\xaa"
    return head + bytes(size - len(head))


class Loops:
    """Loop devices of this process, under numbers that nobody is offered meanwhile."""

    def __init__(self):
        self.held, self.spare = [], []
        self.first = self.next = 1000 + os.getpid() % 50000 * 8

    def control(self, order, number):
        with open("/dev/loop-control", "r+b", buffering=0) as control:
            fcntl.ioctl(control, order, number)

    def one_more(self):
        if self.spare:
            return self.spare.pop()
        self.control(LOOP_CTL_ADD, self.next)
        self.next += 1
        return f"/dev/loop{self.next - 1}"

    def bind(self, path, device=None):
        """DEVICE, or another one, shows the bytes of PATH."""
        name = device or self.one_more()
        with open(path, "r+b", buffering=0) as back:
            config = struct.pack("<II52xI176x64x", back.fileno(), 0, WITH_PARTITIONS)
            for k in range(200):  # whoever had it open may just be closing it
                try:
                    with open(name, "r+b", buffering=0) as loop:
                        fcntl.ioctl(loop, LOOP_CONFIGURE, config)
                    break
                except OSError:
                    if k == 199:
                        raise
                    time.sleep(0.01)
        self.held.append(name)
        return name

    def let_go(self, name):
        self.held.remove(name)
        with open(name, "rb", buffering=0) as loop:
            fcntl.ioctl(loop, LOOP_CLR_FD)

    def done_with(self, name):
        if name in self.held:
            self.let_go(name)
        self.spare.append(name)

    def close(self):
        for name in list(self.held):
            self.let_go(name)
        for number in range(self.first, self.next):
            for _ in range(20):
                try:
                    self.control(LOOP_CTL_REMOVE, number)
                    break
                except OSError:
                    time.sleep(0.05)


def add_partition(device, size):
    """Tell the kernel of the partition that `partitioned` wrote, whatever tables it can read."""
    part = struct.pack("<qqi64s64s4x", PART_AT, size - PART_AT, 1, b"", b"")
    data = ctypes.create_string_buffer(part, len(part))
    with open(device, "rb", buffering=0) as f:
        fcntl.ioctl(f, BLKPG, struct.pack("iiiP", BLKPG_ADD_PARTITION, 0, len(part),
                                          ctypes.addressof(data)))
    return device + "p1"


class Disk:
    """STATE, and of an owned or finished one the import's UUID."""

    def __init__(self, path, state, owner=None):
        self.path, self.state, self.owner = path, state, owner
        self.carried = False  # these bytes are elsewhere than they were, or are others
        self.bytes = read_all(path)
        st = os.stat(path)
        self.key = (st.st_dev, st.st_ino)
        self.pin = os.open(path, os.O_RDONLY)  # its inode is not used again

    def now(self):
        n = os.fstat(self.pin).st_size
        return os.pread(self.pin, n, 0)

    def changed(self):
        """Does it differ from when it was last looked at?  Looks."""
        now = self.now()
        differs = now != self.bytes
        self.bytes = now
        return differs

    def close(self):
        os.close(self.pin)


def is_device(path):
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False
