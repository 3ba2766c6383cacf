# SPDX-License-Identifier: LGPL-2.1-or-later
"""world: one history's targets with all their names, its journals, and what is put in their place.

Knows which Disk is behind which name; runs nothing of the program and judges nothing.
"""
import os
import random
import shutil
import sqlite3

from . import disks
from .disks import BLANK, FINISHED, FOREIGN, OWNED, Disk

PART = ".qimport-part"
TAIL = 1 << 20  # what a device has beyond the disk
XATTR = "user.qimport"


def mark_of(path):
    try:
        return os.getxattr(path, XATTR)
    except OSError:
        return None


class World:
    """DIRECTORY is this history's alone; SIZE is the guest's."""

    def __init__(self, directory, kind, size, holds, loops):
        self.directory, self.kind, self.size, self.loops = directory, kind, size, loops
        self.disks, self.shelf, self.saved, self.serial = [], [], {}, 0
        self.last_resort = "whole" if kind == "parted" else "main"
        os.mkdir(directory)
        (self.make_file if kind == "file" else self.make_device)(holds)

    # ---- names

    def make_file(self, holds):
        d = self.directory
        os.symlink("disk.raw", f"{d}/link.raw")
        os.symlink(d, f"{d}/way")
        self.names = {"main": f"{d}/disk.raw", "link": f"{d}/link.raw",
                      "way": f"{d}/way/disk.raw", "relative": "disk.raw",
                      "second": f"{d}/second.raw"}
        if holds != "blank":
            with open(self.names["main"], "wb") as f:
                f.write(self.content(holds, self.size))
            self.disks.append(Disk(self.names["main"], FOREIGN))

    def make_device(self, holds):
        d, parted = self.directory, self.kind == "parted"
        self.back = f"{d}/back"
        whole = self.size + TAIL + (disks.PART_AT if parted else 0)
        with open(self.back, "wb") as f:
            f.write(disks.partitioned(whole) if parted else self.content(holds, whole))
        self.device = self.loops.bind(self.back)
        main = disks.add_partition(self.device, whole) if parted else self.device
        os.symlink(main, f"{d}/by-id")
        os.mknod(f"{d}/node", 0o60600, os.stat(main).st_rdev)
        self.names = {"main": main, "link": f"{d}/by-id", "node": f"{d}/node"}
        if parted:
            self.names["whole"] = self.device  # its import takes the partition away
        else:
            self.twin = self.names["twin"] = self.loops.bind(self.back)
        state = FOREIGN if not parted and holds == "labelled" else BLANK
        self.disks.append(Disk(self.back, state))

    def content(self, what, size):
        if what == "labelled":
            return disks.labelled(os.path.dirname(self.directory), size)
        return bytes(size) if what == "blank" else disks.stale(size)

    def path(self, name):
        return self.names.get(name, self.names["main"])

    def real(self, path):
        return os.path.realpath(os.path.join(self.directory, path))

    def files(self):
        """Where a file of a target may stand now."""
        if self.kind != "file":
            return [self.back]
        roots = [self.names["main"], self.names["second"], self.names["link"]]
        return [p for root in roots for p in (root, root + PART)
                if os.path.isfile(p) and not os.path.islink(p)]

    def disk_at(self, path):
        """The Disk behind a file, made known if it is new."""
        st = os.stat(path)
        for disk in self.disks:
            if disk.key == (st.st_dev, st.st_ino):
                return disk
        self.disks.append(Disk(path, OWNED))
        return self.disks[-1]

    def known(self):
        found = []
        for path in self.files():
            try:
                found.append((path, self.disk_at(path)))
            except FileNotFoundError:  # a process that runs renamed it
                pass
        return found

    def under(self, name):
        """Disks that a command on NAME may mean: [(path, Disk)], the finished place first."""
        if self.kind != "file":
            return [(self.back, self.disk_at(self.back))]
        base = self.real(self.path(name))
        return [(p, self.disk_at(p)) for p in (base, base + PART) if os.path.isfile(p)]

    def finished(self, name):
        """The Disk at the finished place, or None."""
        found = self.under(name)
        if self.kind == "file":
            found = [pair for pair in found if not pair[0].endswith(PART)]
        return found[0][1] if found else None

    def reads_as_path(self, path):
        """The bytes under PATH as anyone reads them; None without any."""
        try:
            return disks.read_all(self.real(path))
        except OSError:
            return None

    def reads_as(self, name):
        return self.reads_as_path(self.path(name))

    # ---- what happens to them

    def forget_disk(self, disk):
        self.disks.remove(disk)
        disk.close()

    def put(self, path, content, state, owner, mark, anew):
        """CONTENT under PATH: in the same file, or in another."""
        if os.path.exists(path):
            old = self.disk_at(path)
            self.shelf.append((path, old.now(), old.state, old.owner, mark_of(path)))
            self.forget_disk(old)
        if anew or not os.path.exists(path):
            with open(path + ".new", "wb") as f:
                f.write(content)
            if mark is not None:
                os.setxattr(path + ".new", XATTR, mark)
            os.rename(path + ".new", path)
            if self.kind != "file":
                self.bind_again()
        else:
            disks.write_over(path, content)
        self.disks.append(Disk(path, state, owner))
        self.disks[-1].carried = anew

    def bind_again(self):
        for device in [self.device] + ([self.twin] if self.kind == "device" else []):
            self.loops.let_go(device)
            self.loops.bind(self.back, device)
        if self.kind == "parted":
            disks.add_partition(self.device, os.stat(self.back).st_size)

    def swap(self, place, what, anew, other):
        """Another disk of equal size under the same name; OTHER: what a finished one reads as,
        or an image."""
        found = [pair for pair in self.known()
                 if self.kind != "file" or pair[0].endswith(PART) == (place == "part")]
        if not found:
            return
        path, old = found[0]
        size, start = len(old.now()), disks.PART_AT if self.kind == "parted" else 0
        if what == "copy":
            self.put(path, old.now(), old.state, old.owner, None, True)
            return
        content = other.ljust(size, b"\0") if what in ("finished", "image") \
            else self.content(what, size)
        if start:
            content = (disks.partitioned(size)[:start] + content)[:size]
        state, owner = {"blank": BLANK, "finished": FINISHED}.get(what, FOREIGN), None
        if what == "stale" and self.kind != "file":  # nothing that anyone would know
            state = BLANK
        if self.kind == "file" and not anew:  # by inode and mark it is what it was
            state, owner = old.state, old.owner
        self.put(path, content, state, owner, None, anew)
        self.disks[-1].carried = True  # an ensure need not know it

    def back_again(self):
        """What the last swap took away."""
        if self.shelf:
            path, content, state, owner, mark = self.shelf.pop()
            self.put(path, content, state, owner, mark, True)
            self.shelf.pop() if self.shelf else None

    def guest(self, name, seed):
        """Someone uses the finished disk."""
        disk = self.finished(name)
        if disk is None or disk.state != FINISHED:
            return
        chance = random.Random(seed)
        at = disks.PART_AT if self.kind == "parted" and name != "whole" else 0
        with open(disk.path if self.kind != "file" else self.real(self.path(name)), "r+b") as f:
            for _ in range(3):
                f.seek(at + chance.randrange(4096, self.size - 4096, 512))
                f.write(chance.randbytes(512 + chance.randrange(3000)))
            if chance.random() < 0.3:  # the code in the boot sector
                f.seek(at + 100)
                f.write(chance.randbytes(100))
        disk.changed()

    def rename(self, old, new):
        old, new = [self.names["main" if "." not in n else n.split(".")[0]]
                    + (PART if n.endswith("part") else "") for n in (old, new)]
        if self.kind == "file" and os.path.isfile(old):
            if os.path.exists(new) and os.path.isfile(new):
                self.forget_disk(self.disk_at(new))
            os.rename(old, new)

    def remove(self, place):
        path = self.names["main"] + (PART if place == "part" else "")
        if self.kind == "file" and os.path.isfile(path):
            self.forget_disk(self.disk_at(path))
            os.unlink(path)

    # ---- copies

    def journal(self, j):
        return f"{self.directory}/journal{j}.db"

    def journal_files(self, j):
        stem = os.path.basename(self.journal(j))
        return [f"{self.directory}/{n}" for n in os.listdir(self.directory)
                if n.startswith(stem)]

    def save(self, label):
        targets = [(path, d.now(), d.state, d.owner, mark_of(path)) for path, d in self.known()]
        journals = {j: {p: disks.read_all(p) for p in self.journal_files(j)} for j in "12"}
        self.saved[label] = targets, journals

    def restore_targets(self, label, anew):
        if label not in self.saved:
            return
        targets = self.saved[label][0]
        for path in self.files():
            if path not in [t[0] for t in targets]:
                self.forget_disk(self.disk_at(path))
                os.unlink(path)
        for path, content, state, owner, mark in targets:
            self.put(path, content, state, owner, mark, anew)

    def restore_journal(self, label, j):
        if label not in self.saved:
            return
        for path in self.journal_files(j):
            os.unlink(path)
        for path, content in self.saved[label][1][j].items():
            with open(path, "wb") as f:
                f.write(content)

    def rows(self, j):
        """{UUID: (state, target)}, the newest first; from a copy, so that nothing is changed."""
        if not os.path.exists(self.journal(j)):
            return {}
        copy = f"{self.directory}/look.db"
        for suffix in ("", "-wal"):
            if os.path.exists(self.journal(j) + suffix):
                shutil.copyfile(self.journal(j) + suffix, copy + suffix)
        db = sqlite3.connect(copy)
        try:
            found = db.execute("SELECT id, state, target FROM import_summary "
                               "ORDER BY started_at DESC").fetchall()
        except sqlite3.Error:
            found = []
        db.close()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(copy + suffix):
                os.unlink(copy + suffix)
        return {i: (state, target) for i, state, target in found}

    def close(self):
        if self.kind != "file":
            for device in [self.device] + ([self.twin] if self.kind == "device" else []):
                self.loops.done_with(device)
        for disk in self.disks:
            disk.close()
        shutil.rmtree(self.directory)
