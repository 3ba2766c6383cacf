#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""recorder: disks whose writes and flushes are recorded, in one order over all of them.

    recorder.py LOG DIR NAME=FILE[@INODE]... [fail=ORDERS]

Shows every FILE as DIR/NAME, for losetup to make a device of; whatever reaches that device,
through a file system, the page cache or O_DIRECT, is written to FILE and appended to LOG, and so
is every flush.  The log has the format of dm-log-writes; the number of the disk, in the order of
the arguments, is in the flags from bit 8 on, and bit 4 is a range of zeros without data.  NAME
pretends to be INODE, so that another file can be put in its place later and is the same device.

While there is a file ORDERS, "ERRNO [FROM LENGTH]", writes and flushes fail with that number: all
of them, or the writes that touch those bytes of a disk.

Speaks FUSE with the kernel itself: a file system of a few flat files needs no more.  Prints
"ready" when DIR can be used; ends when DIR is unmounted or it gets SIGTERM.  Needs root.
"""
import ctypes
import errno
import os
import signal
import stat
import struct
import sys

MAGIC, SECTOR = 0x6A736677736872, 512
FLUSH, ZERO, DISK_SHIFT = 1, 16, 8
MAX_WRITE = 1 << 20
PUNCH_HOLE, ZERO_RANGE = 2, 16
(LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FUSE_FLUSH, INIT,
 INTERRUPT, DESTROY, BATCH_FORGET, FALLOCATE) = (
     1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26, 36, 38, 42, 43)
FUSE_BIG_WRITES, FUSE_MAX_PAGES = 1 << 5, 1 << 22
libc = ctypes.CDLL(None, use_errno=True)


class Log:
    def __init__(self, path):
        self.file = open(path, "wb", buffering=0)
        self.file.write(struct.pack("<QQQI", MAGIC, 1, 0, SECTOR).ljust(SECTOR, b"\0"))

    def add(self, disk, at, length, flags, data=b""):
        head = struct.pack("<QQQQ", at // SECTOR, length // SECTOR, flags | disk << DISK_SHIFT, 0)
        self.file.write(head.ljust(SECTOR, b"\0") + data)


class Disk:
    def __init__(self, number, word):
        self.name, rest = word.split("=", 1)
        path, _, inode = rest.partition("@")
        self.number, self.file = number, open(path, "r+b", buffering=0)
        self.node = number + 2  # 1 is the directory
        self.inode = int(inode) if inode else self.node
        self.size = os.fstat(self.file.fileno()).st_size


def attributes(inode, size, mode):
    return struct.pack("<6Q10I", inode, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, 1,
                       os.getuid(), os.getgid(), 0, 4096, 0)


class Recorder:
    def __init__(self, log, disks, orders):
        self.log, self.orders = log, orders
        self.by_node = {d.node: d for d in disks}
        self.by_name = {d.name.encode(): d for d in disks}

    def attr_of(self, node):
        d = self.by_node.get(node)
        if d is None:
            return attributes(1, 0, stat.S_IFDIR | 0o700)
        return attributes(d.inode, d.size, stat.S_IFREG | 0o600)

    def init(self, _node, body):
        major, minor, ahead, flags = struct.unpack_from("<4I", body)
        return struct.pack("<4I2H2I2H8I", 7, min(minor, 31), ahead,
                           flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES), 16, 12, MAX_WRITE, 1,
                           MAX_WRITE // 4096, 0, *[0] * 8)

    def lookup(self, _node, body):
        d = self.by_name.get(body.rstrip(b"\0"))
        if d is None:
            raise OSError(errno.ENOENT, "")
        return struct.pack("<4Q2I", d.node, 0, 3600, 3600, 0, 0) + self.attr_of(d.node)

    def getattr(self, node, _body):
        return struct.pack("<Q2I", 3600, 0, 0) + self.attr_of(node)

    def open(self, _node, _body):
        return struct.pack("<Q2I", 0, 0, 0)

    def read(self, node, body):
        _, at, length = struct.unpack_from("<2QI", body)
        return os.pread(self.by_node[node].file.fileno(), length, at)

    def may_fail(self, at, length):
        try:
            with open(self.orders) as f:
                words = [int(word) for word in f.read().split()]
        except (OSError, TypeError):  # there are none
            return
        if len(words) == 1 or len(words) == 3 and at < sum(words[1:]) and at + length > words[1]:
            raise OSError(words[0], "")

    def write(self, node, body):
        _, at, length = struct.unpack_from("<2QI", body)
        data, d = body[40:40 + length], self.by_node[node]
        self.may_fail(at, length)
        os.pwrite(d.file.fileno(), data, at)
        self.log.add(d.number, at, length, 0, data)
        return struct.pack("<2I", length, 0)

    def fallocate(self, node, body):
        _, at, length, mode = struct.unpack_from("<3QI", body)
        d = self.by_node[node]
        if not mode & (PUNCH_HOLE | ZERO_RANGE):
            raise OSError(errno.EOPNOTSUPP, "")
        self.may_fail(at, length)
        os.pwrite(d.file.fileno(), bytes(length), at)
        self.log.add(d.number, at, length, ZERO)
        return b""

    def fsync(self, node, _body):
        self.may_fail(0, 0)
        self.log.add(self.by_node[node].number, 0, 0, FLUSH)
        return b""

    def statfs(self, _node, _body):
        return struct.pack("<5Q4I", 1 << 20, 1 << 20, 1 << 20, 9, 9, 4096, 255, 4096, 0).ljust(80, b"\0")

    def nothing(self, _node, _body):
        return b""

    verbs = {INIT: init, LOOKUP: lookup, GETATTR: getattr, SETATTR: getattr, OPEN: open,
             READ: read, WRITE: write, FALLOCATE: fallocate, FSYNC: fsync, STATFS: statfs,
             RELEASE: nothing, FUSE_FLUSH: nothing}

    def answer(self, request):
        """The reply, or None if there is none."""
        _, opcode, unique, node = struct.unpack_from("<2I2Q", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return None
        failed, out = 0, b""
        try:
            out = self.verbs[opcode](self, node, request[40:])
        except KeyError:
            failed = errno.ENOSYS
        except OSError as e:
            failed = e.errno
        return struct.pack("<IiQ", 16 + len(out), -failed, unique) + out


def main():
    log, where, words = sys.argv[1], os.path.realpath(sys.argv[2]), sys.argv[3:]
    orders = next((word[5:] for word in words if word.startswith("fail=")), None)
    disks = [Disk(k, word) for k, word in enumerate(words) if not word.startswith("fail=")]
    recorder = Recorder(Log(log), disks, orders)
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    if libc.mount(b"recorder", where.encode(), b"fuse.recorder", 6, options.encode()) != 0:
        sys.exit(f"{where}: {os.strerror(ctypes.get_errno())}")
    signal.signal(signal.SIGTERM, lambda *_: (libc.umount2(where.encode(), 2), sys.exit(0)))
    print("ready", flush=True)
    while True:
        try:
            reply = recorder.answer(os.read(fuse, MAX_WRITE + 4096))
            if reply is not None:
                os.write(fuse, reply)
        except OSError as e:
            if e.errno == errno.ENODEV:  # unmounted
                return
            if e.errno not in (errno.ENOENT, errno.EINTR):  # the caller went away
                raise


main()
