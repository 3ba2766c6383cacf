#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""identity-model: exit 0 means the right disk, whatever happened before.

    identity-model.py [--histories N] [--seed S] [--jobs J] [--seconds T] [--class CLASS]... [--tap]
    identity-model.py --seed S --class CLASS --histories 1 [--steps K] [--shrink]
    identity-model.py FILE... [--shrink]

Short histories of commands, kills, power cuts, exchanged targets, journals and images, made from
a seed (or written down in FILE, a line a step: identity/history.py says what there is), each run
against $QIMPORT, with identity/rules.py asked after every command.  A history that breaks a rule
is printed as it can be put into a file.  As root with loop devices, else with files alone.

--steps K runs the first K lines after the world's; --shrink leaves out lines for as long as the
same rule is still broken; --tap prints a point for each class, and for each FILE.  Exit status 1:
a rule was broken.
"""
import argparse
import collections
import concurrent.futures
import multiprocessing
import multiprocessing.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from identity import chance, disks, images  # noqa: E402
from identity.history import History, Tools  # noqa: E402
from identity.server import Server  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
_tools, _known = None, {}  # a fork inherits what is known


def versions_in(directory, family):
    if family not in _known:
        _known[family] = images.versions(f"{directory}/images", family)
    return _known[family]


def begin(directory):
    """Of a process that runs histories: once."""
    global _tools
    _tools = Tools(os.environ["QIMPORT"], f"{directory}/at-call", directory, Server(),
                   lambda family: versions_in(directory, family), disks.Loops())
    multiprocessing.util.Finalize(None, _tools.loops.close, exitpriority=1)


def run(lines):
    history = History(_tools, lines)
    broken = history.run()
    return (broken and (broken.rule, str(broken))), history.log, history.commands


def shrunk(lines, rule):
    """LINES without those that RULE can be broken without."""
    k = len(lines) - 1
    while k >= 1:
        fewer = lines[:k] + lines[k + 1:]
        broken = run(fewer)[0]
        if broken and broken[0] == rule:
            lines = fewer
        k -= 1
    return lines


def of_seed(which, seed, able, steps=None):
    lines = chance.Chance(seed, which, **able).lines()
    return lines if steps is None else lines[:steps + 1]


def some(arguments):
    """A batch of histories of one class: [(seed, what, log)] of those that broke a rule, counts."""
    which, seeds, able, steps, shrink, until = arguments
    bad, commands, n_done = [], 0, 0
    for seed in seeds:
        if time.time() > until:
            break
        n_done += 1
        lines = of_seed(which, seed, able, steps)
        broken, log, n = run(lines)
        commands += n
        if broken and shrink:
            lines = shrunk(lines, broken[0])
            again, log, _ = run(lines)
            broken = again or broken
        if broken:
            bad.append((seed, broken, log))
    return which, n_done, commands, bad


def prepare(directory):
    """The images and the tool that strikes."""
    os.mkdir(f"{directory}/images")
    for family in images.FAMILIES:
        versions_in(directory, family)
    subprocess.run([os.environ.get("CC", "cc").split()[0], "-D_GNU_SOURCE", "-O1", "-o",
                    f"{directory}/at-call", f"{HERE}/at-call.c"], check=True)


def can_loop():
    if os.getuid() != 0:
        return False
    with tempfile.NamedTemporaryFile() as f:
        f.truncate(1 << 20)
        loops = disks.Loops()
        try:
            loops.bind(f.name)
        except OSError:
            return False
        loops.close()
    return True


def knows_raw():
    out = subprocess.run([os.environ["QIMPORT"], "help", "start"], check=True,
                         stdout=subprocess.PIPE).stdout
    return b"--format" in out


class Report:
    def __init__(self, tap):
        self.tap, self.points, self.bad = tap, 0, 0

    def broken(self, title, what, log):
        mark = "#   " if self.tap else ""
        print(f"{mark}{title}: {what}")
        for line in log:
            print(f"{mark}    {line}")
        sys.stdout.flush()

    def point(self, good, sentence):
        self.points += 1
        self.bad += not good
        if self.tap:
            print(f"{'ok' if good else 'not ok'} {self.points} - {sentence}", flush=True)
        elif not good:
            print(f"BROKEN: {sentence}", flush=True)


def one_file(arguments):
    """(what it is about, what was broken, the log)"""
    name, steps, shrink = arguments
    with open(name) as f:
        text = f.read().splitlines()
    title = next((t.lstrip("# ") for t in text if t.startswith("#")), name)
    lines = [t for t in text if t.strip() and not t.startswith("#")][:steps and steps + 1]
    broken, log, _ = run(lines)
    if broken and shrink:
        broken, log, _ = run(shrunk(lines, broken[0]))
    return title, broken, log


def run_files(pool, o, report):
    work = [(name, o.steps, o.shrink) for name in o.files]
    for name, (title, broken, log) in zip(o.files, pool.map(one_file, work)):
        if broken:
            report.broken(os.path.basename(name), broken[1], log)
        report.point(not broken, title)


def run_seeds(pool, o, report):
    classes = o.classes or list(chance.CLASSES)
    each = max(1, o.histories // len(classes))
    batch = max(1, min(20, each // (2 * o.jobs)))
    until = time.time() + o.seconds
    work = [(which, range(first, min(first + batch, o.seed + each)), o.able, o.steps, o.shrink,
             until) for first in range(o.seed, o.seed + each, batch) for which in classes]
    counts, rules = collections.Counter(), collections.Counter()
    for which, n, commands, bad in pool.map(some, work):
        counts[which] += n
        counts["commands"] += commands
        counts[which, "bad"] += len(bad)
        for seed, (rule, what), log in bad:
            rules[which, rule] += 1
            report.broken(f"--class {which} --seed {seed}", what, log)
    for which in classes:
        report.point(counts[which, "bad"] == 0,
                     f"{which}: in {counts[which]} histories exit 0 means the right disk, nothing "
                     f"else is written to, and there is a way out")
    return counts, rules


def arguments():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("files", nargs="*")
    p.add_argument("--histories", type=int, default=0)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int)
    p.add_argument("--seconds", type=int, default=1 << 30)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--class", dest="classes", action="append", choices=chance.CLASSES)
    for name in ("--shrink", "--tap", "--no-devices"):
        p.add_argument(name, action="store_true")
    return p.parse_args()


def main():
    o = arguments()
    if not os.access(os.environ.get("QIMPORT", ""), os.X_OK):
        sys.exit("identity-model: QIMPORT must name the program")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(99))
    report = Report(o.tap)
    shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    report.directory = tempfile.mkdtemp(prefix="qimport-model.", dir=shm)
    counts, rules, since = collections.Counter(), {}, time.monotonic()
    try:
        prepare(report.directory)
        o.able = {"devices": not o.no_devices and can_loop(), "raw": knows_raw()}
        with concurrent.futures.ProcessPoolExecutor(
                o.jobs, multiprocessing.get_context("fork"), begin, (report.directory,)) as pool:
            run_files(pool, o, report)
            if o.histories:
                counts, rules = run_seeds(pool, o, report)
    finally:
        shutil.rmtree(report.directory, ignore_errors=True)
    mark = "# " if o.tap else ""
    for (which, rule), n in sorted(rules.items()):
        print(f"{mark}{which}: rule '{rule}' broken {n} times")
    print(f"{mark}{sum(n for k, n in counts.items() if k in chance.CLASSES)} histories, "
          f"{counts['commands']} commands in {time.monotonic() - since:.0f} s")
    if o.tap:
        print(f"1..{report.points}")
    sys.exit(1 if report.bad else 0)


main()
