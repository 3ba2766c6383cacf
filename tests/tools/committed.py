#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""committed: is what a journal calls committed really on the target?

    committed.py JOURNAL TARGET EXPECTED

For a crash at any instant: the journal is sound; every run that it calls committed reads on the
target (or its part file) as in EXPECTED, the raw disk (J1, J6); a file under TARGET's own name
is the whole disk, never half of it; what is complete is in its place.  Looks at a copy of the
journal: changes nothing.  Prints the state and how many bytes are committed, or what is wrong
and exits 1.  power-loss.py asks it too.
"""
import os
import shutil
import sqlite3
import stat
import sys
import tempfile

HEAD = 1 << 20  # of a device: it waits in the journal, and is written last
MARKER = b"qimport: import "  # what a target begins with until it is finished (J9)
MARKED = 4096
PIECE = 1 << 20


class Wrong(Exception):
    pass


def difference(target, expected, at, length):
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


def files_differ(target, expected):
    with open(target, "rb") as have, open(expected, "rb") as want:
        return difference(have, want, 0, os.path.getsize(expected))


def rows_of(journal):
    """(state, [(guest offset, length, kind)]) of the newest import, or (None, [])."""
    with tempfile.TemporaryDirectory(prefix="committed.", dir="/dev/shm") as copy:
        name = os.path.join(copy, "j.db")
        for end in ("", "-wal", "-journal"):
            if os.path.exists(journal + end):
                shutil.copyfile(journal + end, name + end)
        if not os.path.exists(name):
            return None, []
        db = sqlite3.connect(name)
        try:
            verdict = db.execute("PRAGMA quick_check").fetchone()[0]
            if verdict != "ok":
                raise Wrong(f"{journal}: quick_check says {verdict}")
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'import'").fetchone():
                return None, []
            row = db.execute("SELECT state, id, guest_committed FROM import"
                             " ORDER BY no DESC LIMIT 1").fetchone()
            if row is None:
                return None, []
            runs = db.execute("SELECT guest_offset, length, kind FROM cluster_state"
                              " WHERE import_id = ? AND committed", (row[1],)).fetchall()
            if sum(run[1] for run in runs) != row[2]:
                raise Wrong(f"{journal}: {row[2]} bytes are committed, but not so many in its rows")
            return row[0], runs
        except sqlite3.Error as e:
            raise Wrong(f"{journal}: {e}") from e
        finally:
            db.close()


def check_runs(runs, place, expected, device):
    done = 0
    with open(place, "rb") as target, open(expected, "rb") as want:
        first = HEAD if device else MARKED if target.read(len(MARKER)) == MARKER else 0
        for at, length, kind in runs:
            done += length
            if at < first:
                length, at = max(0, at + length - first), first
            bad = difference(target, want, at, length)
            if bad is not None:
                raise Wrong(f"{place}: {kind} at {at}+{length} is committed, differs at {bad}")
    return done


def look(journal, target, expected):
    """(state or None, bytes committed), or Wrong."""
    part = target + ".qimport-part"
    there = os.path.exists(target)
    device = there and stat.S_ISBLK(os.stat(target).st_mode)
    state, runs = rows_of(journal)
    if there and not device and (os.path.getsize(target) != os.path.getsize(expected)
                                 or files_differ(target, expected) is not None):
        raise Wrong(f"{target} is there, half-done")
    if state == "complete" and not there:
        raise Wrong(f"the import is complete, but {target} is not there")
    if state == "complete" and device and files_differ(target, expected) is not None:
        raise Wrong(f"the import is complete, but {target} differs")
    place = target if there else part
    if runs and not os.path.exists(place):
        raise Wrong(f"{len(runs)} runs are committed, but there is neither {target} nor {part}")
    return state, check_runs(runs, place, expected, device) if runs else 0


if __name__ == "__main__":
    try:
        print(*look(*sys.argv[1:]))
    except Wrong as e:
        print(e)
        sys.exit(1)
