#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""committed: is what a journal calls committed really on the target?

    committed.py JOURNAL TARGET EXPECTED

For a crash at any instant: the journal is sound; every run that it calls committed reads on the
target (or its part file) as in EXPECTED, the raw disk (J1, J6); a file under TARGET's own name
is the whole disk, never half of it; what is complete is in its place.  Looks at a copy of the
journal: changes nothing.  Prints the state and how many bytes are committed, or what is wrong
and exits 1.
"""
import os
import shutil
import sqlite3
import stat
import sys
import tempfile

HEAD = 1 << 20  # of a device: zeros there are written last
PIECE = 1 << 20


def wrong(words):
    print(words)
    sys.exit(1)


def same(target, expected, at, length):
    """The offset of the first difference, or None."""
    while length > 0:
        n = min(length, PIECE)
        target.seek(at)
        expected.seek(at)
        have, want = target.read(n), expected.read(n)
        if have != want:
            return at + next((i for i, (a, b) in enumerate(zip(have, want)) if a != b),
                             min(len(have), len(want)))
        at, length = at + n, length - n
    return None


def rows_of(journal):
    """(state, [(guest offset, length, kind)]) of the newest import, or (None, [])."""
    with tempfile.TemporaryDirectory(prefix="committed.") as copy:
        name = os.path.join(copy, "j.db")
        for end in ("", "-wal"):
            if os.path.exists(journal + end):
                shutil.copyfile(journal + end, name + end)
        if not os.path.exists(name):
            return None, []
        db = sqlite3.connect(name)
        verdict = db.execute("PRAGMA quick_check").fetchone()[0]
        if verdict != "ok":
            wrong(f"{journal}: quick_check says {verdict}")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'import'").fetchone():
            return None, []
        row = db.execute("SELECT state, id FROM import ORDER BY no DESC LIMIT 1").fetchone()
        if row is None:
            return None, []
        runs = db.execute("SELECT guest_offset, length, kind FROM cluster_state"
                          " WHERE import_id = ? AND committed", (row[1],)).fetchall()
        db.close()
        return row[0], runs


def check_runs(runs, place, expected, device):
    done = 0
    with open(place, "rb") as target, open(expected, "rb") as want:
        for at, length, kind in runs:
            done += length
            if device and kind == "zero" and at < HEAD:
                length = max(0, at + length - HEAD)
                at = HEAD
            bad = same(target, want, at, length)
            if bad is not None:
                wrong(f"{place}: {kind} at {at}+{length} is committed, but differs at {bad}")
    return done


def main():
    journal, target, expected = sys.argv[1:]
    part = target + ".qimport-part"
    device = os.path.exists(target) and stat.S_ISBLK(os.stat(target).st_mode)
    size = os.path.getsize(expected)
    state, runs = rows_of(journal)
    if os.path.exists(target) and not device:
        with open(target, "rb") as have, open(expected, "rb") as want:
            if os.path.getsize(target) != size or same(have, want, 0, size) is not None:
                wrong(f"{target} is there, half-done")
    if state == "complete":
        if not os.path.exists(target):
            wrong(f"the import is complete, but {target} is not there")
        if device:
            with open(target, "rb") as have, open(expected, "rb") as want:
                if same(have, want, 0, size) is not None:
                    wrong(f"the import is complete, but {target} differs")
    place = target if os.path.exists(target) else part
    if runs and not os.path.exists(place):
        wrong(f"{len(runs)} runs are committed, but there is neither {target} nor {part}")
    done = check_runs(runs, place, expected, device) if runs else 0
    print(state, done)


main()
