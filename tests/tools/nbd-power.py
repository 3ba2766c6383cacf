#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Imports to an NBD server (nbd-server.py) whose power fails at a request of chance.

    nbd-power.py --program QIMPORT --image IMAGE --guest RAW --room DIR [--cuts N] [--seed S]
                 [--lanes N]

Each cut is one of four kinds in turn: the server comes back and the import goes on, or the import
is killed with it and ensured again; and a FLUSH covers all connections, or (and then the server
says so) its own only.  Every disk must be right in the end.  Prints a line for each that is not,
and at the end "N cuts, N came back, N died, N requests, N wrong"; ends with 1 if any is wrong."""

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import threading

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("nbd_server", os.path.join(here, "nbd-server.py"))
nbd_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nbd_server)

DELAY = 0.006
PATIENCE = 60


class Lane(threading.Thread):
    """Cuts one after the other, in a room of its own."""

    def __init__(self, args, number, guest):
        super().__init__()
        self.args = args
        self.random = random.Random(args.seed * 64 + number)
        self.guest = guest
        self.room = os.path.join(args.room, f"lane{number}")
        self.cuts = range(number, args.cuts, args.lanes)
        self.disk = os.path.join(self.room, "disk")
        self.socket = os.path.join(self.room, "nbd.sock")
        self.came_back = self.died = self.wrong = self.requests = 0
        os.mkdir(self.room)

    def qimport(self, command):
        uri = f"nbd+unix:///?socket={self.socket}"
        journal = os.path.join(self.room, "journal.db")
        words = ["-q", "--commit-interval", "0.05", "--retry-time", "20", "--journal", journal]
        with open(os.path.join(self.room, "said"), "ab") as said:
            return subprocess.Popen(
                [self.args.program, command, *words, self.args.image, uri],
                stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def power_on(self, cut, again, shared):
        server = nbd_server.Server(
            nbd_server.options(socket=self.socket, file=self.disk, cut=cut, again=again,
                               delay=DELAY, shared=shared,
                               seed=self.random.randrange(1 << 30)))
        server.start()
        return server

    def new_room(self):
        for name in os.listdir(self.room):
            os.unlink(os.path.join(self.room, name))
        with open(self.disk, "wb") as f:
            f.truncate(len(self.guest))

    def whole(self, shared):
        """Without a cut: how many requests there are."""
        self.new_room()
        server = self.power_on(0, False, shared)
        status = self.qimport("start").wait(PATIENCE)
        server.stop()
        self.judge(status, "without a cut")
        return server.disk.requests

    def judge(self, status, what):
        with open(self.disk, "rb") as f:
            right = f.read() == self.guest
        if status == 0 and right:
            return
        self.wrong += 1
        with open(os.path.join(self.room, "said"), encoding="utf-8") as f:
            print(f"{what}: exit status {status}, disk {'right' if right else 'WRONG'}: {f.read()}")

    def cut(self, at, again, shared):
        self.new_room()
        server = self.power_on(at, again, shared)
        program = self.qimport("start")
        if again:
            self.came_back += 1
            status = program.wait(PATIENCE)
        else:
            self.died += 1
            while program.poll() is None and not server.disk.dead.wait(0.005):
                pass
            program.kill()
            program.wait()
            server.stop()
            server = self.power_on(0, False, shared)
            status = self.qimport("ensure").wait(PATIENCE)
        server.stop()
        self.judge(status, f"cut at {at}, again {again}, shared {shared}")

    def run(self):
        requests = [self.whole(shared) for shared in (False, True)]
        self.requests = max(requests)
        for n in self.cuts:
            shared = n // 2 % 2 == 1
            self.cut(1 + self.random.randrange(requests[shared]), n % 2 == 0, shared)


def main():
    parser = argparse.ArgumentParser()
    for name in ("program", "image", "guest", "room"):
        parser.add_argument("--" + name, required=True)
    for name, value in (("cuts", 60), ("seed", 0), ("lanes", 8)):
        parser.add_argument("--" + name, type=int, default=value)
    args = parser.parse_args()
    with open(args.guest, "rb") as f:
        guest = f.read()
    lanes = [Lane(args, i, guest) for i in range(args.lanes)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    total = {key: sum(getattr(lane, key) for lane in lanes)
             for key in ("came_back", "died", "wrong")}
    print(f"{total['came_back'] + total['died']} cuts, {total['came_back']} came back, "
          f"{total['died']} died, {max(lane.requests for lane in lanes)} requests, "
          f"{total['wrong']} wrong")
    done = total["came_back"] + total["died"] == args.cuts
    return 1 if total["wrong"] or not done else 0


if __name__ == "__main__":
    sys.exit(main())
