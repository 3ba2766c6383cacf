#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""locks: does a process keep the locks that SQLite took for it?

    locks.py TRACE JOURNAL

A POSIX lock is gone as soon as its process closes any descriptor of that file, whoever opened it
(SQ15), and does not pass to a child (SQ16).  TRACE is of `strace -f -y` over openat, close, fcntl
and whatever makes a process.  Prints a line of TAP words for each rule.
"""
import re
import sys

LOCK = re.compile(r"fcntl\(\d+<([^>]*)>, F_(?:OFD_)?SETLKW?, \{l_type=F_(\w+), l_whence=SEEK_SET,"
                  r" l_start=(\d+), l_len=(\d+)\}")
CLOSE = re.compile(r"close\(\d+<([^>]*)>")
OPEN = re.compile(r"openat\(.* = \d+<([^>]*)>$")
# On the -shm, held as long as any connection of the process is open: the last one lets it go so.
DEAD_MANS = {(128, 129)}


class Held:
    """The bytes that are locked in one file, as disjoint ranges."""

    def __init__(self):
        self.ranges = set()

    def set(self, kind, start, length):
        end = start + length if length else 1 << 63  # 0: to the end, wherever that is
        kept = set()
        for a, b in self.ranges:
            kept |= {r for r in ((a, min(b, start)), (max(a, end), b)) if r[0] < r[1]}
        if kind != "UNLCK":
            kept.add((start, end))
        self.ranges = kept


def main():
    trace, journal = sys.argv[1:]
    files = {journal: Held(), journal + "-shm": Held(), journal + "-wal": Held()}
    opened, locked, dropped, forked = set(), 0, "", ""
    for number, line in enumerate(open(trace, errors="replace"), 1):
        lock, closed, there = LOCK.search(line), CLOSE.search(line), OPEN.search(line.rstrip())
        if lock and lock.group(1) in files and " = 0" in line:
            files[lock.group(1)].set(lock.group(2), int(lock.group(3)), int(lock.group(4)))
            locked += 1
        elif closed and closed.group(1) in files and files[closed.group(1)].ranges - DEAD_MANS:
            dropped = dropped or f"line {number}: {closed.group(1)} is closed while it is locked"
        elif there and there.group(1) in files:
            opened.add(there.group(1))
        elif re.search(r"\b(fork|vfork|clone3?)\(", line) and "CLONE_THREAD" not in line \
                and "resumed" not in line and opened:
            forked = forked or f"line {number}"

    def rule(words, bad):
        print(f"ok {words}" if not bad else f"not ok {words}: {bad}")

    rule("the journal's files were opened and locked",
         "" if len(opened) == 3 and locked > 10 else f"{sorted(opened)}, {locked} locks")
    rule("none of them is closed while it is locked, which would drop the lock", dropped)
    rule("no process is made beside an open journal", forked)


main()
