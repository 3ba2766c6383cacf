#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""measure: runs a command and appends what it took to a file; makes the table of medians.

    measure.py run RESULTS NAME COMMAND...   wall seconds, CPU seconds and peak RSS of the command
                                             and all it waited for, as one JSON line
    measure.py table RESULTS [BASE]          medians by name, and their ratio to BASE (default:
                                             the first name)
"""
import json
import os
import statistics
import sys
import time


def run(results, name, command):
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.execvp(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - begin
    if status != 0:
        sys.exit(f"measure: {name} failed with {os.waitstatus_to_exitcode(status)}")
    row = {"name": name, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime,
           "rss": usage.ru_maxrss / 1024}
    with open(results, "a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def table(results, base=None):
    rows = {}
    with open(results, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.setdefault(row["name"], []).append(row)
    base = base or next(iter(rows))
    unit = statistics.median(r["wall"] for r in rows[base])
    width = max(map(len, rows))
    print(f"{'':{width}}  {'wall s':>8} {'min':>7} {'max':>7} {'CPU s':>8} {'RSS MiB':>8}"
          f" {'wall ratio':>11}  n")
    for name, runs in rows.items():
        wall = [r["wall"] for r in runs]
        print(f"{name:{width}}  {statistics.median(wall):8.2f} {min(wall):7.2f} {max(wall):7.2f}"
              f" {statistics.median(r['cpu'] for r in runs):8.2f}"
              f" {statistics.median(r['rss'] for r in runs):8.0f}"
              f" {statistics.median(wall) / unit:11.2f}  {len(runs)}")


if __name__ == "__main__":
    if len(sys.argv) > 4 and sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif len(sys.argv) in (3, 4) and sys.argv[1] == "table":
        table(*sys.argv[2:])
    else:
        sys.exit(__doc__)
