# SPDX-License-Identifier: LGPL-2.1-or-later
"""chance: the lines of a history from a seed, by class.

A class is what happens between commands: nothing but kills; names and journals; swapped targets;
older journals; replaced images; flipped options; several processes; or all of it.
"""
import random

from .images import CHANGES, FAMILIES, RAW, WRAPPED
from .server import ETAGS

CLASSES = ("kills", "names", "swaps", "journals", "images", "options", "processes", "all")
FAMILY = ("plain", "plain", "fine", "fine", "large", "packed", "snapshot", "tiny", "wrapped",
          "wrapped", "raw", "raw", "wrapped-raw", "wrapped-raw")


class Chance:
    def __init__(self, seed, which, devices, raw):
        """DEVICES: there are any; RAW: the program knows raw images."""
        self.random, self.which = random.Random(f"{which}/{seed}"), which
        self.devices, self.raw = devices, raw

    def one(self, *choices):
        return self.random.choice(choices)

    def maybe(self, chance, word):
        return " " + word if self.random.random() < chance else ""

    def lines(self):
        kind = self.one("file", "device", "device") if self.devices else "file"
        if kind == "device" and self.which in ("names", "all") and self.random.random() < 0.2:
            kind = "parted"
        self.kind, self.family = kind, self.one(*FAMILY)
        if self.family in RAW and not self.raw:
            self.family = "plain"
        etag = self.one(*ETAGS[:4]) if self.which in ("images", "all", "swaps") else "strong"
        modified = self.one("own", "same", "none") if self.which in ("images", "all") else "own"
        holds = self.one("blank", "blank", "stale", "labelled")
        if kind == "file" and self.which != "options":
            holds = self.one("blank", "blank", "blank", "stale")
        self.labels = []
        out = [f"world kind={kind} family={self.family} etag={etag} modified={modified} "
               f"holds={holds}", self.begin()]
        if self.random.random() < 0.6:
            out += self.plot()
        for k in range(self.random.randrange(1, 6)):
            out += self.more(k)
        return out

    def plot(self):
        """What is dangerous after a start that was interrupted."""
        again = self.one("resume", "resume", "ensure", "resume all")
        which = self.which if self.which != "all" else self.one(*CLASSES[1:-1])
        if which == "swaps":
            return self.swapped(0) + [again + self.fault(), self.one("back", again)]
        if which == "journals":
            self.labels.append("begun")
            return ["save as=begun", self.one("resume", "ensure", "resume restart"),
                    "guest seed=1", "restore-journal from=begun", again + self.fault()]
        if which == "images":
            accept = self.maybe(0.4, "accept") + self.maybe(0.2, "url=b") \
                if again.startswith("resume") else ""
            return self.served(0) + [again + accept + self.maybe(0.2, "mirror=m") + self.fault(),
                                     again + accept]
        if which == "options":
            return [f"ensure{self.options()}{self.fault()}", f"ensure{self.options()}"]
        if which == "names":
            return [self.one("start", "ensure", "resume") + self.name() + self.journal()
                    + self.maybe(0.4, "force") + self.fault(), again]
        return self.beside(0) if which == "processes" else []

    # ---- commands

    def size(self):
        """Of the image, about."""
        if self.family in RAW:
            return FAMILIES[self.family][0]
        guest, _, compressed, snapshot = FAMILIES[self.family]
        return guest // 9 if compressed else guest * 3 // 2 if snapshot else guest * 7 // 8

    def fault(self):
        size = self.size()
        return self.one("", "", f" cut={self.random.randrange(1, size + 1)}",
                        f" cut={self.random.randrange(size // 3, size + 1)}",
                        f" kill={self.random.randrange(1, 110)}",
                        f" tear={self.random.randrange(1, 110)}",
                        f" power={self.random.randrange(30, 110)}")

    def options(self):
        if self.which not in ("options", "all", "images"):
            return self.maybe(0.1, "digest=off") + self.maybe(0.1, "verify")
        out = self.maybe(0.25, "digest=off")
        if self.which != "images":
            out += self.maybe(0.25, "keep") + self.maybe(0.2, "zero")
            if self.family == "snapshot":
                out += self.maybe(0.5, "snapshot=old")
        return out + self.maybe(0.15, "sha") + self.maybe(0.15, "mirror=m") \
            + self.maybe(0.05, "stream") \
            + (self.maybe(0.2, "no-keep") if self.family in WRAPPED else "")

    def name(self):
        if self.which not in ("names", "all", "processes"):
            return ""
        names = {"file": ("main", "main", "link", "way", "relative"),
                 "device": ("main", "main", "link", "node", "twin"),
                 "parted": ("main", "main", "whole", "node", "link")}[self.kind]
        name = self.one(*names)
        return "" if name == "main" else f" t={name}"

    def journal(self):
        return self.maybe(0.35 if self.which in ("names", "journals", "processes") else 0.1
                          if self.which == "all" else 0, "j=2")

    def space(self):
        return self.maybe(0.5, "ns=" + self.one("pid", "mount", "user")) \
            if self.which in ("processes",) else self.maybe(
                0.1, "ns=" + self.one("pid", "mount")) if self.which == "all" else ""

    def begin(self):
        """One that is interrupted, mostly."""
        size = self.size()
        fault = self.one(f" cut={self.random.randrange(size // 4, size + 1)}",
                         f" cut={self.random.randrange(size // 4, size + 1)}", self.fault())
        verb = self.one("start", "start", "ensure")
        return f"{verb}{self.maybe(0.7, 'force')}{self.options()}{fault}"

    def command(self):
        verb = self.one("start", "start", "ensure", "resume", "resume", "resume", "audit",
                        "forget")
        where = self.name() + self.journal()
        fault = self.fault() if self.random.random() < 0.5 else self.space()
        if verb == "forget":
            return f"forget{where}"
        if verb == "audit":
            return f"audit{where}{self.maybe(0.6, 'repair')}"
        if verb == "resume":
            more = self.maybe(0.25, "restart") + self.maybe(0.1, "force")
            if self.which in ("images", "all"):
                more += self.maybe(0.3, "accept") + self.maybe(0.2, "url=b") \
                    + self.maybe(0.1, "sha") + self.maybe(0.15, "mirror=m")
            return f"resume{self.one(where, where, where, self.journal() + ' all')}{more}{fault}"
        place = self.maybe(0.2, "i=" + self.one("b", "a?part=2")) \
            if self.which in ("images", "all") else ""
        force = self.maybe(0.3 if verb == "start" else 0.1, "force")
        options = self.options() if self.random.random() < 0.6 else ""
        if verb == "ensure":
            options += self.maybe(0.25 if self.which in ("images", "all", "swaps") else 0.05,
                                  "newer")
        return f"{verb}{where}{place}{force}{options}{fault}"

    # ---- the world between

    def more(self, k):
        """A line or some."""
        between = {"kills": (), "names": (self.renamed,), "swaps": (self.swapped, self.restored),
                   "journals": (self.older, self.older, self.used),
                   "images": (self.served, self.served, self.renewed),
                   "options": (), "processes": (self.beside,),
                   "all": (self.swapped, self.restored, self.older, self.used, self.served,
                           self.renewed, self.beside, self.renamed)}[self.which]
        if between and self.random.random() < 0.5:
            return self.one(*between)(k)
        return [self.command()]

    def swapped(self, _k):
        if self.random.random() < 0.25:
            return ["back"]
        by = self.one("labelled", "labelled", "stale", "blank", "finished", "copy")
        return [f"swap by={by} at={self.one('part', 'part', 'target')} "
                f"{self.one('anew', 'inplace')}"]

    def saved(self, k):
        self.labels.append(k)
        return [f"save as={k}", self.command()]

    def restored(self, k):
        if not self.labels or self.random.random() < 0.3:
            return self.saved(k)
        return [f"restore-target from={self.one(*self.labels)} {self.one('anew', 'inplace')}"]

    def older(self, k):
        if not self.labels or self.random.random() < 0.3:
            return self.saved(k)
        return [f"restore-journal from={self.one(*self.labels)}{self.maybe(0.2, 'j=2')}"]

    def used(self, k):
        return [self.one("resume", "ensure", "resume all"), f"guest seed={k}"]

    def renewed(self, k):
        return [self.one("resume", "ensure"), f"serve i=a by={self.one(*CHANGES[:5])}",
                "ensure newer" + self.fault(), self.one(f"guest seed={k}", "ensure newer")]

    def served(self, _k):
        by = self.one(*CHANGES[:5], "first", "first", *CHANGES[5:])
        line = f"serve i={self.one('a', 'a', 'b', 'm', 'a?part=2')} by={by}"
        if self.random.random() < 0.3:
            line += f" etag={self.one('strong', 'weak', 'weak-same', 'none', 'fresh')}"
        return [line + self.maybe(0.2, "modified=" + self.one("own", "same", "none"))
                + self.maybe(0.05, "ranges=no")]

    def renamed(self, _k):
        if self.kind != "file":
            return [self.command()]
        old, new = self.random.sample(["target", "part", "second.target", "second.part"], 2)
        return [self.one(f"rename from={old} to={new}", f"rename from=part to={new}",
                         f"remove at={self.one('part', 'target')}")]

    def beside(self, _k):
        hold = self.random.randrange(1, self.size() + 1)
        first = self.one(f"start force hold={hold}", f"resume hold={hold}",
                         f"resume restart hold={hold}", f"ensure hold={hold}")
        return [first] + [self.command() for _ in range(self.random.randrange(1, 4))] \
            + ["release"]
