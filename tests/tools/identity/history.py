# SPDX-License-Identifier: LGPL-2.1-or-later
"""history: runs the lines of one history against the program, and the rules after each of them.

    world kind=file|device|parted family=NAME etag=POLICY modified=POLICY holds=blank|stale|labelled

    start|ensure|resume|audit|forget   t=NAME (main, link, way, relative, second; link, node, twin,
                whole of a device)  j=1|2 (journal)  i=PLACE (a, b, m, a?part=2;
                target, back: the file of that name)  force keep zero verify stream sha
                restart accept repair newer no-keep newest all  digest=off  snapshot=old
                url=PLACE  mirror=PLACE
                ns=pid|mount|user  (another namespace)
                cut=BYTES (the server breaks off for good)  kill=STEP  tear=STEP  power=STEP
                (killed there, and what was not synced is lost)
                hold=BYTES (goes on in the background, the server silent, until `release`)
                expect=STATUS,...  (it must end so)
    serve i=PLACE by=CHANGE etag=POLICY modified=POLICY ranges=yes|no
    swap by=labelled|stale|blank|finished|copy|image at=part|target anew|inplace;  back
    save as=LABEL;  restore-target from=LABEL anew|inplace;  restore-journal from=LABEL j=1|2
    rename from=[second.]target|part to=...;  remove at=part|target;  guest seed=N;  release

A line that means nothing as things stand does nothing, so that any may be left out.
"""
import os
import shlex
import signal
import subprocess
import time

from . import disks
from .images import FAMILIES
from .rules import MAKERS, Broken, Command, Rules
from .world import PART, World

TIMEOUT = 60
NAMESPACES = {"pid": ["unshare", "-pf", "--mount-proc"], "mount": ["unshare", "-m"],
              "user": ["unshare", "-Urpf", "--mount-proc"]}
SWITCHES = {"force": "--force", "zero": "--target-is-zero", "verify": "--verify",
            "stream": "--stream", "restart": "--restart", "accept": "--accept-new-validator",
            "repair": "--repair", "all": "--all", "newer": "--newer", "no-keep": "--no-keep"}
KILLED = 137
PLACES = ("a", "b", "m", "a?part=2")


class Tools:
    """What all histories of a process share."""

    def __init__(self, program, at_call, directory, server, versions, loops):
        self.program, self.at_call, self.directory = program, at_call, directory
        self.server, self.versions, self.loops = server, versions, loops
        self.serial = 0


class History:
    def __init__(self, tools, lines):
        self.tools, self.lines, self.log = tools, [shlex.split(line) for line in lines], []
        self.commands = 0
        world = dict(w.split("=", 1) for w in self.lines[0][1:])
        self.family = world.get("family", "plain")
        tools.serial += 1
        self.prefix = f"h{os.getpid()}-{tools.serial}"
        self.all = tools.versions(self.family)
        for name in PLACES:
            self.place(name).etag = world.get("etag", "strong")
            self.place(name).modified = world.get("modified", "own")
        self.world = World(f"{tools.directory}/{self.prefix}", world.get("kind", "file"),
                           FAMILIES[self.family][0], world.get("holds", "blank"), tools.loops)
        self.rules = Rules(self.world, self.served, lambda name: self.place(name).etag)
        self.running, self.meanwhile, self.undisturbed = None, [], False

    def place(self, name):
        from .server import Place
        return self.tools.server.places.setdefault(f"{self.prefix}/{name}",
                                                   Place(self.all["first"]))

    def served(self, name):
        return self.place(name).version

    # ---- commands

    def words_of(self, c):
        """Of the command, as qimport is to be called."""
        url = {i: self.tools.server.url(f"{self.prefix}/{i}") for i in PLACES}
        url.update(target=self.world.path("main"), back=f"{self.world.directory}/back")
        words = [c.verb, "-q", "--journal", self.world.journal(c.journal)]
        if c.verb != "forget":
            words += ["--retry-time", "0" if "cut" in c.value else "3", "--workers", "2"]
        if c.verb in MAKERS:
            words += ["--commit-interval", "0.05"]
        words += [SWITCHES[f] for f in sorted(c.flags) if f in SWITCHES]
        if "keep" in c.flags:
            words += ["--unallocated", "keep"]
        if "sha" in c.flags:
            words += ["--sha256", self.served(c.place).sha256]
        for name in ("digest", "snapshot"):
            if name in c.value:
                words += [f"--{name}", c.value[name]]
        for name in ("url", "mirror"):
            if name in c.value:
                words += [f"--{name}", url[c.value[name]]]
        if c.verb in ("start", "ensure"):
            words.append(url[c.place])
        if "newest" in c.flags:
            words += list(c.rows)[:1]
        elif "all" not in c.flags:
            words.append(self.world.path(c.name))
        return [self.tools.program] + words

    def wrapped(self, c, words):
        for how, option in (("kill", "-k"), ("tear", "-t"), ("power", "-k")):
            if how in c.value:
                name = os.path.basename(self.world.real(self.world.path(c.name)))
                more = ["-s", f"sync*/{name}", self.synced()] if how == "power" else []
                return [self.tools.at_call, option, c.value[how], *more, *words]
        return NAMESPACES.get(c.value.get("ns"), []) + words

    def synced(self):
        return f"{self.world.directory}/synced"

    def parse(self, words):
        value = dict(w.split("=", 1) for w in words[1:] if "=" in w)
        flags = {w for w in words[1:] if "=" not in w}
        place = value.get("url") or value.get("i", "a")
        return Command(words[0], flags, value, value.get("t", "main"), value.get("j", "1"), place)

    def spawn(self, c):
        c.since = time.monotonic()
        env = dict(os.environ, HOME=self.world.directory)
        return subprocess.Popen(self.wrapped(c, self.words_of(c)), cwd=self.world.directory,
                                env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, process_group=0)

    def ended(self, c, process):
        try:
            _, said = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            _, said = process.communicate()
            raise Broken("hang", f"{c.verb} did not end within {TIMEOUT} s") from None
        c.said = said.decode("utf-8", "replace").strip()
        c.status = process.returncode
        struck = {"kill", "tear", "power"} & set(c.value)
        if struck and c.status == KILLED:
            c.status = "killed"
        self.log[-1] += f"    # {c.status} after {time.monotonic() - c.since:.2f} s"
        self.log[-1] += f": {c.said.splitlines()[-1]}" if c.said else ""

    def command(self, words):
        c = self.parse(words)
        self.commands += 1
        self.rules.begin(c)
        if "newest" in c.flags and not c.rows:
            return c
        server = self.tools.server
        if "hold" in c.value and self.running is None:
            self.begin_held(c)
            return c
        if "cut" in c.value and self.running is None:
            server.limit("cut", int(c.value["cut"]))
        process = self.spawn(c)
        try:
            self.ended(c, process)
        finally:
            if self.running is None:
                server.release()
        if "power" in c.value:
            self.lose_unsynced(c)
        if self.running is not None and c.status in (2, 6, 7):  # it began nothing
            self.rules.meet(self.running[0], self.world.rows(self.running[0].journal))
        self.rules.check(c, running=self.running is not None)
        if self.running is not None:
            self.meanwhile.append(c)
        self.expected(c)
        return c

    def expected(self, c):
        """Of a history that someone wrote down."""
        if "expect" in c.value and str(c.status) not in c.value["expect"].split(","):
            raise Broken("expected", f"{c.verb} ended with {c.status}: {c.said}")

    def lose_unsynced(self, c):
        """The power failed: of the target only what a sync covered is there."""
        if not os.path.exists(self.synced()):
            return
        content = disks.read_all(self.synced())
        os.unlink(self.synced())
        if c.status != "killed":
            return
        path = self.world.real(self.world.path(c.name))
        if self.world.kind == "file":
            path = path + PART
            if not os.path.exists(path):  # it has its name already
                return
        with open(path, "r+b", buffering=0) as f:
            f.write(content)

    # ---- one that goes on while others come

    def begin_held(self, c):
        server = self.tools.server
        server.limit("hold", int(c.value["hold"]))
        process = self.spawn(c)
        server.process = process.pid
        until = time.monotonic() + 20
        while not server.reached.wait(0.004) and process.poll() is None:
            if time.monotonic() > until:
                break
        self.running, self.meanwhile = (c, process), []
        self.undisturbed = server.reached.is_set()
        if self.undisturbed:
            self.rules.meet(c, self.world.rows(c.journal))
        else:  # it did not ask for so much, or has ended
            self.release()

    def release(self):
        if self.running is None:
            return
        (c, process), self.running = self.running, None
        self.tools.server.release()
        self.ended(c, process)
        for _path, disk in self.world.known():  # those that came meanwhile
            c.held.setdefault(id(disk), b"")
        before = {i for o in self.meanwhile for i in o.done if o.journal == c.journal}
        self.rules.check(c, self.meanwhile)
        self.expected(c)
        if before - set(self.world.rows(c.journal)):
            raise Broken("journal", f"{c.verb} removed {before}, complete since it began")
        # whoever came first, or was told to, may have taken the target
        other = any("force" in o.flags or o.status not in (2, 6, 7) for o in self.meanwhile
                    if o.verb in MAKERS)
        if self.undisturbed and not other and c.status != 0:
            raise Broken("running", f"{c.verb} was disturbed by other commands and ended with "
                                    f"{c.status}: {c.said}")

    # ---- lines

    def step(self, words):
        verb, c = words[0], self.parse(words)
        if verb in MAKERS + ("audit", "forget"):
            self.command(words)
        elif verb == "release":
            self.release()
        elif verb == "serve":
            place = self.place(c.value.get("i", "a"))
            place.version = self.all.get(c.value.get("by"), place.version)
            place.etag = c.value.get("etag", place.etag)
            place.modified = c.value.get("modified", place.modified)
            place.ranges = c.value.get("ranges", "yes") == "yes"
            self.undisturbed = False
        elif self.running is None:
            self.change(verb, c)

    def change(self, verb, c):
        """Of what no process works on."""
        w, anew = self.world, "inplace" not in c.flags
        if verb == "swap":
            other = self.all["first"].bytes if c.value.get("by") == "image" \
                else self.all["other"].guest[""]
            w.swap(c.value.get("at", "part"), c.value.get("by", "labelled"), anew, other)
        elif verb == "back":
            w.back_again()
        elif verb == "save":
            w.save(c.value["as"])
        elif verb == "restore-target":
            w.restore_targets(c.value["from"], anew)
        elif verb == "restore-journal":
            w.restore_journal(c.value["from"], c.value.get("j", "1"))
        elif verb == "rename":
            w.rename(c.value["from"], c.value["to"])
        elif verb == "remove":
            w.remove(c.value.get("at", "part"))
        elif verb == "guest":
            w.guest(c.name, int(c.value.get("seed", "1")))
        else:
            raise SystemExit(f"no such line: {verb}")

    # ---- the way out

    def way_out(self):
        """Some command ends with 0 and the right disk."""
        name = "main" if os.path.exists(self.world.path("main")) else self.world.last_resort
        rows, words = self.world.rows("1"), "" if name == "main" else f" t={name}"
        mine = self.rules.of_name(rows, name)
        if any(rows[i][0] != "complete" for i in mine):
            if self.tried("resume" + words):
                return
            if self.forced() and self.tried(f"resume force{words}"):
                return
            if self.left_alone():
                raise Broken("goes on", "nothing but commands touched it: " + self.log[-1])
        if mine:
            self.tried("forget" + words)
        tries = [f"start force{words}", f"start force{words} j=2", f"start force{words} stream"]
        if not any(self.tried(line) for line in tries):
            raise Broken("way out", "no command ends with 0: " + self.log[-1])

    def forced(self):
        """--force is not remembered before it was used: it may have to be said again."""
        return any("force" in words for words in self.lines)

    def left_alone(self):
        """Nothing came between but kills and a network that breaks."""
        strange = {"t", "j", "i", "url", "hold", "mirror"}
        return all(words[0] in MAKERS + ("audit", "forget") for words in self.lines[1:]) \
            and not any(strange & set(self.parse(words).value) for words in self.lines[1:]) \
            and not any(it.lied for it in self.rules.imports.values())

    def tried(self, line):
        self.log.append("# out: " + line)
        return self.command(shlex.split(line)).status == 0

    def run(self):
        """None, or the rule that was broken."""
        self.log.append(shlex.join(self.lines[0]))
        try:
            for words in self.lines[1:]:
                self.log.append(shlex.join(words))
                self.step(words)
            self.log.append("# out: release")
            self.release()
            self.way_out()
            return None
        except Broken as e:
            return e
        finally:
            self.close()

    def close(self):
        self.tools.server.release()
        if self.running is not None:
            os.killpg(self.running[1].pid, signal.SIGKILL)
            self.running[1].wait()
        for name in [n for n in self.tools.server.places if n.startswith(self.prefix + "/")]:
            del self.tools.server.places[name]
        self.world.close()
