#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""spoil: do to a journal what a bad disk, bad memory or a careless hand does.

    spoil.py JOURNAL SEED
    spoil.py JOURNAL value K
    spoil.py JOURNAL values

One thing, chosen by SEED: a bit or a sector of the file or of its -wal, the end of either cut off,
or a value in a row.  Or the K-th of all values that a column's first, middle and last row could
hold instead, how many of which there are `values` says.  Prints what it was.
"""
import os
import random
import sqlite3
import sys

SECTOR = 512
TABLES = ("import", "layer", "segment", "segment", "extent", "zero_run", "event", "sample", "held")


def change_file(rng, path):
    size = os.path.getsize(path)
    if size == 0:
        return f"{path} is empty"
    with open(path, "r+b") as f:
        at = rng.randrange(size)
        how = rng.choice(("bit", "bit", "zeros", "noise", "cut"))
        if how == "cut":
            f.truncate(at)
            return f"{path} cut to {at} bytes"
        if how == "bit":
            f.seek(at)
            new = bytes([f.read(1)[0] ^ 1 << rng.randrange(8)])
        else:
            at = at // SECTOR * SECTOR
            new = bytes(SECTOR) if how == "zeros" else rng.randbytes(SECTOR)
        f.seek(at)
        f.write(new)
        return f"{path}: {how} at {at}"


def other_value(rng, value):
    if isinstance(value, int):
        return rng.choice((value + 1, max(0, value - 1), 0, value * 2, value ^ 1 << rng.randrange(40)))
    if value:
        k = rng.randrange(len(value))
        if isinstance(value, bytes):
            return value[:k] + bytes([value[k] ^ 1 << rng.randrange(8)]) + value[k + 1:]
        return value[:k] + chr(ord(value[k]) % 64 + 48) + value[k + 1:]
    return 1


def columns_of(db, table):
    return [row[1] for row in db.execute(f"PRAGMA table_info ({table})") if not row[5]]


def rows_of(db, table, column):
    return db.execute(f"SELECT rowid, {column} FROM {table}").fetchall()


def put(db, table, column, where, old, new):
    try:
        db.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (new, where))
    except sqlite3.Error as e:
        return f"{table}.{column}: {e}"
    return f"{table}.{column} of row {where}: {old!r:.60} became {new!r:.60}"


def change_value(rng, path):
    db = sqlite3.connect(path, isolation_level=None)
    table = rng.choice(TABLES)
    column = rng.choice(columns_of(db, table))
    rows = rows_of(db, table, column)
    if not rows:
        return f"{table} is empty"
    where, old = rng.choice(rows)
    return put(db, table, column, where, old, other_value(rng, old))


def values_for(old):
    """What differs from OLD in size, sign or kind, or is near it."""
    new = [None, "", "x" * 5000, b"", bytes(200), -1, 0, 1, 7, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63)]
    if isinstance(old, int):
        new += [old - 1, old + 1, old + 512, old * 2, old // 2]
    elif old:
        new += [old[:-1], old + old[:1]]
    return [v for v in new
            if v != old and (not isinstance(v, int) or -(1 << 63) <= v < 1 << 63)]


def all_values(db):
    for table in dict.fromkeys(TABLES):
        for column in columns_of(db, table):
            rows = rows_of(db, table, column)
            for where, old in dict.fromkeys((rows[0], rows[len(rows) // 2], rows[-1]) if rows else ()):
                for new in values_for(old):
                    yield table, column, where, old, new


def main():
    path = sys.argv[1]
    if sys.argv[2] in ("value", "values"):
        db = sqlite3.connect(path, isolation_level=None)
        every = list(all_values(db))
        print(len(every) if sys.argv[2] == "values" else put(db, *every[int(sys.argv[3])]))
        return
    rng = random.Random(int(sys.argv[2]))
    wal = path + "-wal"
    which = rng.choice(("file", "wal", "value", "value"))
    if which == "value":
        print(change_value(rng, path))
    else:
        print(change_file(rng, wal if which == "wal" and os.path.exists(wal) else path))


main()
