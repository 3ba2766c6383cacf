#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""measure: runs a command and appends what it took to a file; makes the table of medians.

    measure.py run RESULTS NAME LIMIT COMMAND...   wall seconds, CPU seconds and peak RSS of the
                                                   command and all it waited for, as a JSON line;
                                                   one that takes more than LIMIT seconds (0: it
                                                   may) is killed, and counted as hung
    measure.py note RESULTS NAME WALL CPU          what measured itself
    measure.py table RESULTS [PEER...]             medians by name; how many times faster than each
                                                   PEER (the median of the rounds' ratios); how many
                                                   times the largest of its floors, and its CPU time
                                                   of the sum of theirs
    measure.py cost RESULTS WORD WITH WITHOUT      what WITHOUT takes less than WITH, of its time:
                                                   of the means of the faster halves, for what
                                                   disturbs a run only makes it longer, and the
                                                   median of the rounds
"""
import json
import os
import signal
import statistics
import sys
import time


def wait(pid, limit):
    """Its status and usage; None if it had to be killed."""
    until = time.monotonic() + limit
    while limit > 0:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            os.wait4(pid, 0)
            return None
        time.sleep(0.01)
    _, status, usage = os.wait4(pid, 0)
    return status, usage


def run(results, name, limit, command):
    begin = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.execvp(command[0], command)
    ended = wait(pid, limit)
    row = {"name": name, "wall": time.monotonic() - begin, "hung": ended is None}
    if ended is None:
        print("hung")
    else:
        status, usage = ended
        if status != 0:
            sys.exit(f"measure: {name} failed with {os.waitstatus_to_exitcode(status)}")
        row |= {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}
    with open(results, "a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def note(results, name, wall, cpu):
    row = {"name": name, "wall": float(wall), "cpu": float(cpu), "rss": 0, "hung": False}
    with open(results, "a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


class Floors:
    """Of the medians of what is called "floor". Network: what the fastest client takes. Disk: the
    fastest writer. Processors: receive, decode, write and (for who does it) hash, each alone in
    memory, spread over all processors."""

    def __init__(self, rows):
        median = {name: [statistics.median(r[key] for r in runs) for key in ("wall", "cpu")]
                  for name, runs in rows.items() if name.startswith("floor")}
        self.disks = {name.split(", ")[1]: wall for name, (wall, _) in median.items()
                      if name.startswith("floor: disk, ")}
        self.network, receive = median.get("floor: network", (0, 0))
        self.cpu = {"receive": receive}
        self.cpu |= {name.removeprefix("floor, CPU: "): cpu for name, (_, cpu) in median.items()
                     if name.startswith("floor, CPU: ")}

    def cpu_sum(self, name):
        hashes = name in ("qimport", "curl, qimport -") or "sha256sum" in name
        return sum(s for what, s in self.cpu.items() if hashes or what != "hash")

    def cells(self, name, wall, cpu):
        """Of the largest floor, and of the CPU floors."""
        if not self.network or name.startswith("floor") or wall == "-":
            return ["-", "-"]
        disk = min(self.disks.values(), default=0)
        largest = max(self.network, disk, self.cpu_sum(name) / os.cpu_count())
        parts = len(self.cpu) > 1
        return [f"{float(wall) / largest:.2f}",
                f"{float(cpu) / self.cpu_sum(name):.2f}" if parts else "-"]

    def said(self):
        if not self.network:
            return
        disk = min(self.disks, key=self.disks.get, default=None)
        parts = " + ".join(f"{what} {s:.2f}" for what, s in self.cpu.items())
        print(f"\nfloors: network {self.network:.2f} s"
              + (f", disk {self.disks[disk]:.2f} s ({disk})" if disk else "")
              + f", processors {self.cpu_sum('qimport') / os.cpu_count():.2f} s"
                f" = ({parts}) / {os.cpu_count()}", flush=True)


def faster(runs, peer):
    """Median over the rounds in which both came to an end."""
    ratios = [p["wall"] / r["wall"] for r, p in zip(runs, peer) if not (r["hung"] or p["hung"])]
    return f"{statistics.median(ratios):.2f}" if ratios else "-"


def medians(runs):
    ended = [r for r in runs if not r["hung"]]
    if not ended:
        return ["-"] * 5
    wall = [r["wall"] for r in ended]
    return [f"{statistics.median(wall):.2f}", f"{min(wall):.2f}", f"{max(wall):.2f}",
            f"{statistics.median(r['cpu'] for r in ended):.2f}",
            f"{statistics.median(r['rss'] for r in ended):.0f}"]


def read(results):
    rows = {}
    with open(results, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            rows.setdefault(row["name"], []).append(row)
    return rows


def table(results, peers):
    rows = read(results)
    floors = Floors(rows)
    peers = [p for p in peers if p in rows]
    head = ["", "wall s", "least", "most", "CPU s", "RSS MiB"]
    head += [f"faster than [{i + 1}]" for i in range(len(peers))] + ["of the floor", "CPU of its floors", "n"]
    out = [head]
    for name, runs in rows.items():
        mark = f" [{peers.index(name) + 1}]" if name in peers else ""
        hung = sum(r["hung"] for r in runs)
        line = [name + mark] + medians(runs) + [
            "-" if name.startswith("floor") else faster(runs, rows[p]) for p in peers]
        line += floors.cells(name, line[1], line[4])
        out.append(line + [f"{len(runs)}" + (f", {hung} hung" if hung else "")])
    widths = [max(len(line[i]) for line in out) for i in range(len(head))]
    for i, line in enumerate(out):
        cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":")
                                 for i, w in enumerate(widths)) + "|")
    floors.said()


def faster_half(rows, key):
    times = sorted(row[key] for row in rows)
    return statistics.mean(times[:(len(times) + 1) // 2])


def cost(results, word, names):
    rows = read(results)
    said = []
    for key, shown in (("wall", "wall time"), ("cpu", "CPU time")):
        having, without = (faster_half(rows[name], key) for name in names)
        rounds = zip(*(rows[name] for name in names))
        median = statistics.median(b[key] / a[key] for a, b in rounds)
        said.append(f"{100 * (1 - without / having):5.1f} % of {having:.3f} s {shown}"
                    f" (median {100 * (1 - median):.1f} %)")
    print(f"{word:8} {', '.join(said)}; n={len(rows[names[0]])}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 5 and sys.argv[1] == "run":
        run(sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5:])
    elif len(sys.argv) == 6 and sys.argv[1] == "note":
        note(*sys.argv[2:])
    elif len(sys.argv) > 2 and sys.argv[1] == "table":
        table(sys.argv[2], sys.argv[3:])
    elif len(sys.argv) == 6 and sys.argv[1] == "cost":
        cost(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        sys.exit(__doc__)
