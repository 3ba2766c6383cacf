#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NBD server whose power fails: what is written stays in memory until a FLUSH, and at the
request of a given number it loses a random part of what was not flushed.

    nbd-server.py --socket PATH --file FILE [--cut N] [--seed S] [--again] [--count FILE]
                  [--delay SECONDS]

FILE is the disk that survives; ended by a signal the server loses all that was not flushed.
--again: it comes back at once (the connection is closed), else the program ends with 9.
--count: how many requests there were is written there at each FLUSH.
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
HAS_FLAGS, SEND_FLUSH, SEND_ZEROES = 1, 4, 64
SECTOR = 512


class Disk:
    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.lock = threading.Lock()
        self.fd = os.open(args.file, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.seen = bytearray(os.pread(self.fd, self.size, 0))
        self.pending = []
        self.requests = 0
        self.life = 0

    def apply(self, at, data):
        os.pwrite(self.fd, data, at)

    def flush(self):
        for at, data in self.pending:
            self.apply(at, data)
        self.pending = []
        if self.args.count:
            with open(self.args.count, "w", encoding="ascii") as f:
                f.write(f"{self.requests}\n")

    def lose_power(self):
        """Of each write all, nothing, or some of its sectors; and not in their order."""
        chance = self.random.random()
        self.random.shuffle(self.pending)
        for at, data in self.pending:
            what = self.random.random()
            if what < chance * 0.8:
                self.apply(at, data)
            elif what < chance:
                for off in range(0, len(data), SECTOR):
                    if self.random.random() < 0.5:
                        self.apply(at + off, data[off : off + SECTOR])
        self.pending = []
        if not self.args.again:
            os._exit(9)
        self.seen = bytearray(os.pread(self.fd, self.size, 0))
        self.life += 1

    def request(self, kind, at, length, data, life):
        """The answer's bytes, or None: the power has failed."""
        with self.lock:
            if life != self.life:
                return None
            self.requests += 1
            if kind in (WRITE, ZEROES):
                data = data if kind == WRITE else bytes(length)
                self.seen[at : at + length] = data
                self.pending.append((at, data))
            if self.requests == self.args.cut:
                self.lose_power()
                return None
            if kind == FLUSH:
                self.flush()
            return bytes(self.seen[at : at + length]) if kind == READ else b""


def receive(conn, n):
    data = bytearray()
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def negotiate(conn, size):
    conn.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
    receive(conn, 4)
    while True:
        _, option, length = struct.unpack(">QII", receive(conn, 16))
        receive(conn, length)

        def reply(kind, data=b"", option=option):
            conn.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)

        if option in (6, 7):
            reply(3, struct.pack(">HQH", 0, size, HAS_FLAGS | SEND_FLUSH | SEND_ZEROES))
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
        negotiate(conn, disk.size)
        while True:
            _, _, kind, handle, at, length = struct.unpack(">IHHQQI", receive(conn, 28))
            data = receive(conn, length) if kind == WRITE else b""
            if kind == DISC:
                break
            time.sleep(disk.args.delay)
            answer = disk.request(kind, at, length, data, life)
            if answer is None:
                break
            conn.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + answer)
    except (EOFError, OSError):
        pass
    conn.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--cut", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--count")
    parser.add_argument("--delay", type=float, default=0)
    args = parser.parse_args()
    disk = Disk(args)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(args.socket)
    listener.listen(16)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(conn, disk), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
