#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""feed: play whoever hands over an open descriptor and what comes through it.

    feed.py KIND [--stay] [--reset] [--nonblock] [--chunk N] [--rate N] [--left FILE]
            [--timeout S] IMAGE COMMAND...

Runs COMMAND with IMAGE coming through a descriptor, whose number stands for each @ in its words
and which is its standard input too.  KIND is pipe, fifo, socket (a pair of them), tcp or file.
--stay leaves it open behind the last byte until COMMAND ends; --reset breaks a tcp connection
off there; --chunk writes so many bytes at a time, 0 a random number, --rate so many a second; --left puts what was not
read into FILE; --timeout kills COMMAND after so many seconds (exit status 124).  Else the exit
status is COMMAND's.
"""
import argparse
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("kind", choices=["pipe", "fifo", "socket", "tcp", "file"])
    p.add_argument("--stay", action="store_true")
    p.add_argument("--reset", action="store_true")
    p.add_argument("--nonblock", action="store_true")
    p.add_argument("--chunk", type=int, default=1 << 16)
    p.add_argument("--rate", type=int, default=0)
    p.add_argument("--left")
    p.add_argument("--timeout", type=float, default=60)
    p.add_argument("image")
    p.add_argument("command", nargs=argparse.REMAINDER)
    return p.parse_args()


def ends(a):
    """The descriptor to read from, and what to write to (None for a file)."""
    if a.kind == "file":
        return os.open(a.image, os.O_RDONLY), None
    if a.kind == "pipe":
        return os.pipe()
    if a.kind == "fifo":
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "fifo")
            os.mkfifo(path)
            back = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            front = os.open(path, os.O_WRONLY)
            os.set_blocking(back, True)
            return back, front
    if a.kind == "socket":
        one, other = socket.socketpair()
        return one.detach(), other.detach()
    listener = socket.create_server(("127.0.0.1", 0))
    front = socket.create_connection(listener.getsockname())
    back, _ = listener.accept()
    listener.close()
    return back.detach(), front.detach()


def write_all(a, front):
    chance = random.Random(7)
    try:
        with open(a.image, "rb") as f:
            while True:
                data = f.read(a.chunk or chance.randrange(1, 5000))
                if not data:
                    break
                if a.rate:
                    time.sleep(len(data) / a.rate)
                while data:
                    data = data[os.write(front, data):]
    except (BrokenPipeError, ConnectionResetError):
        pass
    if a.reset:
        s = socket.socket(fileno=os.dup(front))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(front)
        s.close()
    elif not a.stay:
        os.close(front)


def main():
    a = arguments()
    back, front = ends(a)
    os.set_blocking(back, not a.nonblock)
    command = [w.replace("@", str(back)) for w in a.command]
    process = subprocess.Popen(command, stdin=back, pass_fds=[back])
    if not a.left:
        os.close(back)
    feeder = threading.Thread(target=write_all, args=(a, front), daemon=True)
    if front is not None:
        feeder.start()
    try:
        status = process.wait(a.timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        status = 124
    if a.left:
        rest = bytearray()
        os.set_blocking(back, False)
        while front is not None:
            try:
                data = os.read(back, 1 << 16)
            except BlockingIOError:
                if not feeder.is_alive():
                    break
                continue
            if not data:
                break
            rest += data
        with open(a.left, "wb") as f:
            f.write(rest)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
