# SPDX-License-Identifier: LGPL-2.1-or-later
"""rules: what is asked of every command, whatever came before it.

Exit 0 only with the right disk: that of one version of the image, as it was served, in the way
that was asked for at the start.  Never a write to a disk that is not this import's, or is
finished.  An exit status of the contract, in time.
"""
import dataclasses
import os

from .disks import BLANK, FINISHED, FOREIGN, OWNED, PART_AT

MAKERS = ("start", "ensure", "resume")


class Broken(Exception):
    """A rule was."""

    def __init__(self, rule, text):
        super().__init__(f"{rule}: {text}")
        self.rule = rule


@dataclasses.dataclass
class Command:
    verb: str
    flags: set
    value: dict                 # of KEY=VALUE
    name: str = "main"
    journal: str = "1"
    place: str = "a"
    rows: dict = None           # the journal's, before it
    subjects: list = None       # UUIDs that it is about, before it
    held: dict = None           # what each disk held, before it
    status: int = None
    said: str = ""
    since: float = 0
    done: list = dataclasses.field(default_factory=list)  # UUIDs complete since it ran


@dataclasses.dataclass
class Import:
    """What an import is of: all that its disk may be."""
    place: str
    snapshot: str
    keep: bool
    digest: bool
    lied: bool                  # --target-is-zero of what was not
    places: set                 # all that it was fetched from
    told: str                   # how the server told its version
    onto: list                  # what it was allowed to go onto: (Disk, its state, its owner)
    versions: list
    before: list                # what the target held, where that is kept
    checksums: list             # versions that it was said to be, one after the other
    wrote: bool = False         # on any disk
    shown: list = dataclasses.field(default_factory=list)  # versions that the finished disk is

    def rights(self):
        for v in self.checksums or self.versions:
            if not self.keep:
                yield v.guest.get(self.snapshot, v.guest[""])
            for held in self.before if self.keep else ():
                yield v.over(held, self.snapshot)


class Rules:
    """Over a World; IMPORTS by UUID, of both journals."""

    def __init__(self, world, served, how_told):
        self.world, self.served, self.how_told, self.imports = world, served, how_told, {}

    # ---- before

    def subjects(self, c):
        """Rows of its journal that the command means."""
        if c.verb == "resume" and "all" in c.flags:
            return list(c.rows)
        if "newest" in c.flags:
            return list(c.rows)[:1]
        return self.of_name(c.rows, c.name)

    def of_name(self, rows, name):
        """Imports into NAME as it was given, or as what it leads to."""
        path = os.path.join(self.world.directory, self.world.path(name))
        return [i for i, (_state, target) in rows.items()
                if target in (path, self.world.real(path))]

    def begin(self, c):
        c.rows = self.world.rows(c.journal)
        c.subjects = self.subjects(c)
        c.held = {id(d): d.bytes for _path, d in self.world.known()}
        served = self.served(c.place)
        for uuid in c.subjects if c.verb in MAKERS else ():
            it = self.imports.get(uuid)
            if it is not None and c.rows[uuid][0] != "complete":
                it.versions += [v for v in [self.served(it.place), served]
                                if v is not None and v not in it.versions]
                it.places.add(c.value.get("url", it.place))
                if "restart" in c.flags:
                    it.before.append(self.held_at(c))
                if "sha" in c.flags and served not in it.checksums:
                    it.checksums.append(served)

    def held_at(self, c):
        disk = self.world.finished(c.name)
        at = PART_AT if self.world.kind == "parted" and c.name != "whole" else 0
        return b"" if disk is None else disk.bytes[at:]

    def new_import(self, c):
        held = self.held_at(c)[:self.world.size]
        version = self.served(c.place)
        return Import(place=c.place, places={c.place},
                      snapshot=c.value.get("snapshot", ""), keep="keep" in c.flags,
                      digest=c.value.get("digest") != "off",
                      onto=[(d, d.state, d.owner) for _path, d in self.world.under(c.name)]
                      if {"force", "keep", "newer"} & c.flags else [],
                      told=self.how_told(c.place),
                      lied="zero" in c.flags and held.strip(b"\0") != b"",
                      versions=[version] if version else [], before=[held],
                      checksums=[version] if "sha" in c.flags else [])

    # ---- after

    def meet(self, c, rows):
        """Imports that C began."""
        for uuid in rows:
            if uuid not in self.imports and c.verb in MAKERS:
                self.imports[uuid] = self.new_import(c)

    def check(self, c, others=(), running=False):
        """OTHERS ran meanwhile.  RUNNING: another process still works; disks are looked at when
        that ended."""
        if c.status not in (0, 2, 3, 4, 5, 6, 7, 8, "killed"):
            raise Broken("status", f"{c.verb} ended with {c.status}: {c.said}")
        after = self.world.rows(c.journal)
        self.meet(c, after)
        c.done = [i for i in after if after[i][0] == "complete" and i in self.imports
                  and c.rows.get(i, ("",))[0] != "complete"] if c.verb in MAKERS else []
        lost = [i for i, (state, _target) in c.rows.items()
                if state == "complete" and i not in after and not c.done]
        if lost and c.verb != "forget":
            raise Broken("journal", f"{c.verb} removed {lost}, which were complete")
        if not running:
            self.check_writes([*others, c], after)
        for uuid in c.done:
            self.check_right(c, uuid, after[uuid][1], running)
        if c.status == 0:
            self.check_success(c, after, running)
        elif c.verb == "ensure" and not running and not others:
            self.check_refusal(c)

    def may_write(self, c, disk, named):
        uuid = disk.owner
        if named and "force" in c.flags and "newer" not in c.flags and c.verb in MAKERS:
            # what is complete and still there by that name, ensure leaves alone
            return not (c.verb == "ensure" and disk.state == FINISHED and uuid in c.subjects
                        and self.imports[uuid].place == c.place
                        and c.rows[uuid][1] == self.world.path(c.name))
        if named and "newer" in c.flags and disk.state == FINISHED and uuid in self.imports \
                and c.subjects and self.imports[uuid].place == c.place:
            return self.served(self.imports[uuid].place) not in self.imports[uuid].shown
        if named and "force" in c.flags and c.verb in MAKERS:
            return True
        if disk.state == OWNED and c.verb == "forget":  # what was kept comes back
            return uuid in c.subjects and self.imports[uuid].keep
        if disk.state == OWNED:
            return c.verb != "start" and uuid in c.subjects or uuid is None
        if disk.state == BLANK:
            return True
        if c.verb == "audit" and "repair" in c.flags and disk.state == FINISHED:
            return uuid in c.subjects
        path = self.world.path(c.name)
        new = c.verb in ("start", "ensure") \
            and all(c.rows[i][0] == "complete" for i in c.subjects if c.rows[i][1] == path)
        if "restart" in c.flags and named:  # as at the start
            new = new or any(self.imports[i].keep for i in c.subjects if i in self.imports)
            return new or self.was_allowed(c, disk)
        return named and (new and "keep" in c.flags or self.was_allowed(c, disk))

    def was_allowed(self, c, disk):
        """By the start; and it is as it was then, or it keeps what any disk holds."""
        if any(i in self.imports and self.imports[i].keep and not self.imports[i].wrote
               for i in c.subjects):
            return True
        at = PART_AT if self.world.kind == "parted" and c.name != "whole" else 0
        held = c.held.get(id(disk), b"")[at:at + self.world.size]
        return any((state, owner) == (disk.state, disk.owner)
                   and (d is disk or held == self.imports[i].before[0])
                   for i in c.subjects if i in self.imports and c.verb != "start"
                   for d, state, owner in self.imports[i].onto)

    def means(self, c, disk):
        if {"all", "newest"} & c.flags:
            return True
        return disk in [d for _path, d in self.world.under(c.name)]

    def check_writes(self, commands, after):
        """COMMANDS ran at the same time, or it is but one."""
        c = commands[-1]
        for path, disk in self.world.known():
            changed, new = disk.changed(), id(disk) not in c.held
            if changed and not new and not any(self.may_write(o, disk, self.means(o, disk))
                                               for o in commands):
                whose = "" if disk.owner is None else f" (of {disk.owner[:8]})"
                raise Broken("write", f"{c.verb} ended with {c.status} and wrote to "
                                      f"{disk.state} {path}{whose}")
            if changed or new:
                self.now_of(commands, disk, after)
        for o in commands:
            disk = self.world.finished(o.name)
            if o.done and disk is not None:
                disk.state, disk.owner = FINISHED, o.done[0]

    def now_of(self, commands, disk, after):
        c = commands[-1]
        if len([o for o in commands if o.verb in MAKERS]) > 1:  # whose it is, they know
            disk.state, disk.owner = OWNED, None
        elif c.verb in MAKERS:
            mine = [i for i in self.of_name(after, c.name) if after[i][0] != "complete"]
            disk.state, disk.owner = OWNED, (mine or c.done or [disk.owner])[0]
            if disk.owner in self.imports:
                self.imports[disk.owner].wrote = True
        elif c.verb == "forget":  # what was kept is again what it was
            before = [(state, owner) for i in c.subjects if i in self.imports
                      for d, state, owner in self.imports[i].onto
                      if d is disk and self.imports[i].keep]
            disk.state, disk.owner = before[0] if before else (FOREIGN, None)

    def right(self, uuid, have):
        it, size = self.imports[uuid], self.world.size
        return it.lied or any(have[:size] == want for want in it.rights())

    def check_right(self, c, uuid, target, running):
        """The journal calls UUID complete since this command."""
        have = self.world.reads_as_path(target)
        if have is None:
            raise Broken("right", f"{c.verb} ended with {c.status} and there is no {target}")
        if not self.right(uuid, have):
            raise Broken("right", f"{c.verb} ended with {c.status}: {target} is complete, and "
                                  f"{self.differs(uuid, have)}")
        it = self.imports[uuid]
        it.shown = [v for v in it.versions
                    if have[:self.world.size] in dataclasses.replace(it, versions=[v]).rights()]
        if self.world.kind == "file":
            if len(have) != self.world.size and not self.imports[uuid].keep:
                raise Broken("right", f"{target} has {len(have)} bytes")
        elif not running:
            self.check_tail(c)

    def check_tail(self, c):
        for _path, disk in self.world.under(c.name):
            end = self.world.size + (PART_AT if self.world.kind == "parted"
                                     and c.name != "whole" else 0)
            if id(disk) in c.held and disk.bytes[end:] != c.held[id(disk)][end:]:
                raise Broken("write", f"{c.verb} wrote beyond the disk")

    def differs(self, uuid, have):
        """Where, from which version: for people."""
        out = []
        it = self.imports[uuid]
        for v in it.versions:
            want = v.guest.get(it.snapshot, v.guest[""])
            wrong = [k for k in range(0, len(want), 4096)
                     if have[k:k + 4096] != want[k:k + 4096]]
            out.append(f"{len(wrong)} of {-(-len(want) // 4096)} blocks are not of "
                       f"'{v.name}' (first at {wrong[0] if wrong else None})")
        return "; ".join(out)

    def check_refusal(self, c):
        """What is complete and there is what a plain ensure wants, whatever a guest did to it."""
        uuid, disk = next(iter(c.subjects), None), self.world.finished(c.name)
        if uuid is None or uuid not in self.imports or disk is None or c.status == "killed":
            return
        it, said = self.imports[uuid], {"snapshot", "mirror", "digest"} & set(c.value)
        if disk.carried or {c.place} != it.places:
            return
        if c.rows[uuid] == ("complete", self.world.path(c.name)) and disk.owner == uuid \
                and disk.state == FINISHED and not said \
                and not {"keep", "sha", "newer", "force"} & c.flags:
            raise Broken("refusal", f"ensure ended with {c.status} over its own disk: {c.said}")

    def check_success(self, c, after, running):
        if c.verb == "audit":
            self.check_audit(c, after)
        elif c.verb == "ensure" and not c.done:
            self.check_ensured(c, after, running)
        elif c.verb == "start" and not c.done:
            raise Broken("journal", f"start ended with 0, and no import is complete: {after}")
        elif c.verb == "resume" and "all" not in c.flags:
            if not any(after.get(i, ("gone",))[0] == "complete" for i in c.subjects):
                raise Broken("journal", f"resume ended with 0, and none of {c.subjects} is "
                                        "complete")

    def check_audit(self, c, after):
        """Of the newest import; what is kept is not compared, nor what has no digest."""
        uuid = next(iter(c.subjects), None)
        it = self.imports.get(uuid)
        if it is None or not it.digest or after.get(uuid, ("",))[0] != "complete":
            return
        have = self.world.reads_as_path(after[uuid][1])
        if it.keep and have is not None:
            it = dataclasses.replace(it, before=[have])
        if have is None or not (it.lied or have[:self.world.size] in it.rights()):
            raise Broken("audit", f"audit ended with 0, and {after[uuid][1]} is not as "
                                  f"imported: {self.differs(uuid, have or b'')}")

    def check_newer(self, c, it):
        """There is no other image, as far as its server tells."""
        if c.place == it.place and self.how_told(it.place) == it.told in ("strong", "weak") \
                and not it.checksums and not it.lied and self.served(it.place) not in it.shown:
            raise Broken("newer", "ensure --newer ended with 0, and did not import the newer")

    def check_ensured(self, c, after, running):
        """It did nothing: is what was asked for there?"""
        mine = [i for i in self.of_name(after, c.name)
                if after[i][0] == "complete" and i in self.imports]
        if not mine:
            raise Broken("journal", "ensure ended with 0, and no import is complete")
        disk, it = self.world.finished(c.name), self.imports[mine[0]]
        if "newer" in c.flags and "cut" not in c.value and not running:
            self.check_newer(c, it)
        have = self.world.reads_as(c.name)
        asked = self.new_import(c)
        if c.place == it.place or "sha" not in c.flags and asked.versions[0] in it.versions:
            asked.versions = it.versions
        if "keep" in c.flags and it.keep:
            asked.before = it.before
        if "snapshot" not in c.value:
            asked.snapshot = it.snapshot
        if "keep" not in c.flags:
            asked.keep, asked.before = it.keep, it.before
        same = (asked.snapshot, asked.keep) == (it.snapshot, it.keep) \
            and any(v in it.versions for v in asked.versions)
        if disk is not None and disk.state == FINISHED and disk.owner in mine and same:
            return
        if running and same and self.right(mine[0], have or b""):
            return
        if have is None or not any(have[:self.world.size] == want for want in asked.rights()):
            what = "nothing" if disk is None else disk.state
            raise Broken("ensure", f"ensure ended with 0 over {what}: not what was asked for")
