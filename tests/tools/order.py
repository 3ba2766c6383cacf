#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""order: is what an import wrote in the order that survives a power cut?

    order.py TRACE TARGET JOURNAL

TRACE is of `strace -f -y` over a whole import onto a file.  Prints a line of TAP words for each
rule: "ok RULE" or "not ok RULE: WHY".  Looks at calls only; what they mean for the bytes is
power-loss.sh's.
"""
import re
import sys

LINE = re.compile(r"^(\d+)\s+(?:<\.\.\. (\w+) resumed>)?(.*)$")
CALL = re.compile(r"^(\w+)\((.*)$", re.S)
PATH = re.compile(r"^\d+<([^>]*)>")
WRITES = {"pwrite64", "pwritev", "pwritev2", "write", "writev", "fallocate", "ftruncate"}
SYNCS = {"fsync", "fdatasync"}
MARKER = re.compile(r", 512, 0(\)| <)")  # one sector, at the start


class Call:
    def __init__(self, pid, name, args, begin):
        self.pid, self.name, self.args, self.begin = pid, name, args, begin
        self.end, self.ok = None, False
        found = PATH.match(args)
        self.path = found.group(1) if found else ""


def calls_of(trace):
    calls, open_calls = [], {}
    for number, line in enumerate(open(trace, errors="replace")):
        pid, resumed, rest = LINE.match(line).groups()
        if resumed:
            call = open_calls.pop((pid, resumed), None)
        else:
            found = CALL.match(rest)
            if not found:
                continue
            call = Call(pid, found.group(1), found.group(2), number)
            calls.append(call)
            if "<unfinished" in rest:
                open_calls[pid, call.name] = call
                continue
        if call is not None:
            call.end = number
            call.ok = re.search(r"= -1 E", rest) is None
    return calls


def main():
    trace, target, journal = sys.argv[1:]
    part, wal = target + ".qimport-part", journal + "-wal"
    folder = target.rsplit("/", 1)[0] or "/"
    calls = [c for c in calls_of(trace) if c.end is not None]
    files = {part, target}
    data = [c for c in calls if c.path in files and c.name in WRITES]
    syncs = [c for c in calls if c.path in files and c.name in SYNCS and c.ok]
    log = [c for c in calls if c.path == wal and c.name == "pwrite64"]
    cut = [c for c in calls if c.path == wal and c.name == "ftruncate"]
    rename = [c for c in calls if c.name.startswith("rename") and ".qimport-part" in c.args]
    # The thread that began the import syncs too, when it claims the target; it commits nothing.
    committer = {c.pid for c in syncs if c.name == "fdatasync"} - {c.pid for c in log[:1]}
    told = [c for c in calls if c.name == "write" and "complete" in c.args]

    def rule(words, bad):
        print(f"ok {words}" if not bad else f"not ok {words}: {bad}")

    # J1: a commit is made of what was written before a sync that the same thread made for it.
    bad, begun, commits, made = "", False, 0, 0
    for c in calls:
        if c.pid in committer and c.path == wal and c.name == "pwrite64":
            commits += not begun
            begun = True
            if commits > made:
                bad = bad or f"line {c.begin + 1}: commit {commits} after {made} syncs"
        elif c in syncs and c.pid in committer:
            made += 1
            begun = False
    if not commits or not data:
        bad = "no commit was seen"
    rule("each commit follows a sync of the target of its own", bad)

    # J9: the marker of a commit is written before the sync that the commit follows.
    bad, marked, synced = "", False, True
    for c in calls:
        if c.pid not in committer:
            continue
        if c.path == part and c.name == "pwrite64" and MARKER.search(c.args):
            marked, synced = True, False
        elif c in syncs:
            synced = True
        elif c.path == wal and c.name == "pwrite64" and marked and not synced:
            bad = bad or f"line {c.begin + 1}: a commit whose marker is not synced"
    rule("the marker of each commit is synced with what it stands for", bad if marked else "none was written")

    last = max(c.end for c in data)
    rule("the whole target is synced before it is renamed",
         "" if rename and any(last < s.begin and s.end < rename[0].begin for s in syncs)
         else "no sync between the last write and the rename")

    after = [c for c in log if rename and c.begin > rename[0].begin]
    named = [c for c in calls if c.path == folder and c.name in SYNCS and c.ok
             and rename and c.begin > rename[0].end]
    rule("the directory is synced after the rename and before the import is called complete",
         "" if named and after and named[0].end < after[0].begin
         else "no sync of the directory between the rename and the commit")

    hard = [c for c in calls if c.path == wal and c.name in SYNCS and c.ok]
    rule("the reader kept the journal from being checkpointed", "" if not cut else "it was cut")
    rule("the journal is synced after its last commit and before 'complete' is told",
         "" if told and hard and log and log[-1].end < hard[-1].begin
         and hard[-1].end < told[-1].begin
         else "no sync of the journal between the last commit and the message")

    first = data[0] if data else None
    made = [c for c in calls if c.path == folder and c.name in SYNCS and c.ok
            and first and c.end < [d for d in data if d.name.startswith("pwrite")][0].begin]
    rule("the part file's name is durable before the first byte is written to it",
         "" if made else "no sync of the directory before the first write")


main()
