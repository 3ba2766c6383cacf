#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NBD server whose power fails: what is written stays in memory until a FLUSH, and at the
request of a given number it loses a random part of what was not flushed.

    nbd-server.py --socket PATH --file FILE [--cut N] [--seed S] [--again] [--shared]
                  [--delay SECONDS]

FILE is the disk that survives; ended by a signal the server loses all that was not flushed.
--again: it comes back at once (the connections are closed), else the program ends with 9.
--shared: a FLUSH is of what all connections wrote, and it says so (NBD_FLAG_CAN_MULTI_CONN); else
of what its own did.  Each connection is a thread: their requests are done in any order.
--delay: so long each request takes."""

import argparse
import os
import random
import socket
import struct
import sys
import threading
import time

READ, WRITE, DISC, FLUSH, ZEROES = 0, 1, 2, 3, 6
HAS_FLAGS, SEND_FLUSH, SEND_ZEROES, CAN_MULTI_CONN = 1, 4, 64, 256
SECTOR = 512


class Disk:
    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.lock = threading.Lock()
        self.dead = threading.Event()
        self.fd = os.open(args.file, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.seen = bytearray(os.pread(self.fd, self.size, 0))
        self.pending = []  # (connection, offset, data)
        self.requests = 0
        self.life = 0

    def apply(self, at, data):
        os.pwrite(self.fd, data, at)

    def flush(self, conn):
        kept = []
        for who, at, data in self.pending:
            if self.args.shared or who is conn:
                self.apply(at, data)
            else:
                kept.append((who, at, data))
        self.pending = kept

    def lose_power(self):
        """Of each write all, nothing, or some of its sectors; and not in their order."""
        chance = self.random.random()
        self.random.shuffle(self.pending)
        for _, at, data in self.pending:
            what = self.random.random()
            if what < chance * 0.8:
                self.apply(at, data)
            elif what < chance:
                for off in range(0, len(data), SECTOR):
                    if self.random.random() < 0.5:
                        self.apply(at + off, data[off : off + SECTOR])
        self.pending = []
        self.life += 1
        if self.args.again:
            self.seen = bytearray(os.pread(self.fd, self.size, 0))
        else:
            self.dead.set()

    def request(self, conn, kind, at, length, data, life):
        """The answer's bytes, or None: the power has failed."""
        with self.lock:
            if life != self.life or self.dead.is_set():
                return None
            self.requests += 1
            if kind in (WRITE, ZEROES):
                data = data if kind == WRITE else bytes(length)
                self.seen[at : at + length] = data
                self.pending.append((conn, at, data))
            if self.requests == self.args.cut:
                self.lose_power()
                return None
            if kind == FLUSH:
                self.flush(conn)
            return bytes(self.seen[at : at + length]) if kind == READ else b""


def receive(conn, n):
    data = bytearray()
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def negotiate(conn, disk):
    flags = HAS_FLAGS | SEND_FLUSH | SEND_ZEROES | (CAN_MULTI_CONN if disk.args.shared else 0)
    conn.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
    receive(conn, 4)
    while True:
        _, option, length = struct.unpack(">QII", receive(conn, 16))
        receive(conn, length)

        def reply(kind, data=b"", option=option):
            conn.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)

        if option in (6, 7):
            reply(3, struct.pack(">HQH", 0, disk.size, flags))
            reply(1)
            if option == 7:
                return
        elif option == 2:
            reply(1)
            raise EOFError
        else:
            reply(0x80000001)


def serve(conn, disk):
    life = disk.life
    try:
        negotiate(conn, disk)
        while True:
            _, _, kind, handle, at, length = struct.unpack(">IHHQQI", receive(conn, 28))
            data = receive(conn, length) if kind == WRITE else b""
            if kind == DISC:
                break
            time.sleep(disk.args.delay)
            answer = disk.request(conn, kind, at, length, data, life)
            if answer is None:
                break
            conn.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + answer)
    except (EOFError, OSError):
        pass
    conn.close()


class Server(threading.Thread):
    """Until stop: then what was not flushed is lost."""

    def __init__(self, args):
        super().__init__(daemon=True)
        self.disk = Disk(args)
        if os.path.exists(args.socket):
            os.unlink(args.socket)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(args.socket)
        self.listener.listen(16)

    def run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            if self.disk.dead.is_set():
                conn.close()
                continue
            threading.Thread(target=serve, args=(conn, self.disk), daemon=True).start()

    def stop(self):
        with self.disk.lock:
            self.disk.dead.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()
        os.close(self.disk.fd)


def options(**given):
    args = {"cut": 0, "seed": 0, "again": False, "shared": False, "delay": 0}
    args.update(given)
    return argparse.Namespace(**args)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--cut", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--delay", type=float, default=0)
    server = Server(parser.parse_args())
    server.start()
    server.disk.dead.wait()
    return 9


if __name__ == "__main__":
    sys.exit(main())
