# SPDX-License-Identifier: LGPL-2.1-or-later
"""Imports: how they go on, how they end, and what they tell meanwhile."""
import os
import pickle
import signal
import subprocess
import sys
import threading
import unittest

import qimport
from scene import EXPECTED, SLOW, URL, Scene

# A program of its own that imports slowly, and says when something is safe.
SLOWLY = """
import signal, sys, qimport
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job ignores
with qimport.Journal(sys.argv[1]) as journal:
    with journal.ensure(sys.argv[2], sys.argv[3], limit_rate="4M", commit_interval="0.1") as job:
        job.interval = 0.05
        for progress in job:
            if progress.work_done:
                print(progress.id, flush=True)
"""


class Imports(Scene):
    def slowly(self):
        """That program, as soon as something of it is safe."""
        child = subprocess.Popen(
            [sys.executable, "-c", SLOWLY, self.journal_path, URL, self.target],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.assertTrue(child.stdout.readline(), "nothing was committed")
        return child

    def test_iterator(self):
        """iterating imports: progress only grows, the last is complete, and the disk is right"""
        with self.journal.start(URL, self.target, limit_rate="16M") as job:
            job.interval = 0.05
            seen = list(job)
        self.assertEqual(seen[-1].state, "complete")
        self.assertEqual(seen[-1].fraction, 1.0)
        self.assertGreater(len(seen), 2)
        fractions = [progress.fraction for progress in seen]
        self.assertEqual(fractions, sorted(fractions))
        self.assertLess(fractions[0], 1.0)
        self.assertGreater(max(progress.rate for progress in seen), 0)
        self.assertTrue(self.same())

    def test_ensure_again(self):
        """ensure of what is complete does nothing, and says complete"""
        self.complete()
        before = self.journal.status(self.target)
        with self.journal.ensure(URL, self.target) as job:
            self.assertEqual([progress.state for progress in job], ["complete"])
        self.assertEqual(self.journal.status(self.target), before)

    def test_run(self):
        """run calls back, and returns how it is at the end"""
        seen = []
        with self.journal.start(URL, self.target, limit_rate="16M") as job:
            last = job.run(seen.append, interval=0.05)
        self.assertEqual(last.state, "complete")
        self.assertTrue(all(progress.id == last.id for progress in seen if progress.id))
        self.assertTrue(seen)

    def test_several(self):
        """one image is brought to several targets at once"""
        targets = [os.path.join(self.dir, f"{n}.img") for n in (1, 2)]
        with self.journal.start_several(URL, targets) as job:
            job.run()
        self.assertEqual([self.same(target) for target in targets], [True, True])
        self.assertEqual({one.state for one in self.journal.imports()}, {"complete"})

    def test_callback_raises(self):
        """what a callback of run raises comes out of it, and the import is interrupted"""

        def stop(_):
            raise LookupError("enough")

        with self.assertRaisesRegex(LookupError, "enough"):
            with self.journal.start(URL, self.target, limit_rate=SLOW) as job:
                job.run(stop, interval=0.05)
        self.assertEqual(self.journal.status(self.target).state, "interrupted")

    def test_cancel(self):
        """cancel from within the iteration commits, raises Interrupted, and resume goes on"""
        with self.journal.start(URL, self.target, limit_rate=SLOW) as job:
            job.interval = 0.05

            def until_something_came():
                for progress in job:
                    if progress.fetched:
                        job.cancel()

            why = self.raises(qimport.Interrupted, "interrupted", until_something_came)
            self.assertEqual(why.status, qimport.Status.INTERRUPTED)
            self.raises(qimport.Interrupted, "interrupted", job.step)
        left = self.journal.status(self.target)
        self.assertEqual(left.state, "interrupted")
        self.assertFalse(os.path.exists(self.target))
        with self.journal.resume(left.id[:8], limit_rate=0) as job:
            self.assertEqual(job.run().state, "complete")
        self.assertTrue(self.same())
        self.assertEqual(self.journal.status(left.id).attempts, 2)

    def test_leave(self):
        """leaving the with statement in the middle keeps what is committed"""
        id = self.interrupted()
        left = self.journal.status(id)
        self.assertEqual((left.state, left.holder), ("interrupted", ""))
        self.assertGreater(left.data_committed, 0)
        with self.journal.resume(self.target, limit_rate=0) as job:
            job.run()
        self.assertTrue(self.same())

    def test_kill(self):
        """a program killed in the middle loses nothing committed: another goes on with it"""
        child = self.slowly()
        child.kill()
        child.wait()
        left = self.journal.status(self.target)
        self.assertEqual(left.state, "interrupted")
        self.assertGreater(left.data_committed, 0)
        with self.journal.resume(left.id, limit_rate=0) as job:
            last = job.run()
        self.assertLess(last.fetched_now, last.image_total)
        self.assertTrue(self.same())

    def test_ctrl_c(self):
        """Ctrl-C is a KeyboardInterrupt of the iteration, and the import interrupted"""
        child = self.slowly()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        self.assertIn("KeyboardInterrupt", err)
        self.assertEqual(self.journal.status(self.target).state, "interrupted")

    def test_held(self):
        """an import that another process works on is refused, and says by whom"""
        child = self.slowly()
        self.assertIn(f"pid {child.pid} ", self.journal.status(self.target).holder)
        job = self.journal.resume(self.target)
        why = self.raises(qimport.JournalError, "import-held", job.run)
        self.assertEqual(why.status, 7)

    def test_warnings(self):
        """warnings are kept for a person, not printed"""
        target = os.path.join(self.dir, "disk.qcow2")
        with self.journal.start(URL, self.target, checksum="md5:" + "0" * 32) as job:
            with self.assertRaises(qimport.SourceError):
                job.run()
            told = job.warnings
        self.assertTrue(any("md5" in line.lower() for line in told), told)
        self.assertFalse(os.path.exists(target))


class Failures(Scene):
    def test_not_found(self):
        """what is not there is a SourceError with its code, its status and its message"""
        job = self.journal.start(URL + "-none", self.target)
        why = self.raises(qimport.SourceError, "source-not-found", job.run)
        self.assertEqual(why.status, qimport.Status.SOURCE)
        self.assertIn(URL + "-none", str(why))
        self.assertEqual(str(why), why.message)
        again = pickle.loads(pickle.dumps(why))
        self.assertEqual((again.code, again.message), (why.code, why.message))

    def test_checksum(self):
        """a wrong checksum is a SourceError, and the target is not there"""
        job = self.journal.start(URL, self.target, checksum="sha256:" + "0" * 64)
        self.raises(qimport.SourceError, "checksum-differs", job.run)
        self.assertFalse(os.path.exists(self.target))

    def test_image(self):
        """what is no image is an ImageError"""
        path = os.path.join(self.dir, "not.qcow2")
        with open(path, "wb") as out:
            out.write(b"QFI\xfb" + b"\xff" * 4096)
        with self.assertRaises(qimport.ImageError):
            self.journal.start(path, self.target).run()

    def test_target(self):
        """a file that is there already is a TargetError, and stays as it is"""
        with open(self.target, "w") as out:
            out.write("mine")
        with self.assertRaises(qimport.TargetError):
            self.journal.start(URL, self.target).run()
        with open(self.target) as now:
            self.assertEqual(now.read(), "mine")

    def test_options(self):
        """options that are wrong fail before anything is begun"""
        start = self.journal.start
        self.raises(qimport.UsageError, "usage", start, URL, self.target, no_such_option="1")
        self.raises(qimport.UsageError, "usage", start, URL, self.target, memory="much")
        self.raises(qimport.UsageError, "usage", start, URL, "")
        with self.assertRaisesRegex(TypeError, "verify: is a switch"):
            start(URL, self.target, verify="yes")
        with self.assertRaisesRegex(TypeError, "memory: takes a value"):
            start(URL, self.target, memory=True)
        with self.assertRaisesRegex(ValueError, "target: embedded null"):
            start(URL, "disk\0.img")
        self.assertEqual(self.journal.imports(), [])

    def test_option_kinds(self):
        """numbers, paths, lists and switches go in as Python has them; None is not given"""
        backing = os.path.join(self.dir, "none.qcow2")
        self.complete(
            connections=2,
            commit_interval=0.5,
            verify=True,
            force=False,
            proxy=None,
            mirror=[URL, URL],
        )
        self.assertTrue(self.same())
        self.assertFalse(os.path.exists(backing))

    def test_option_list(self):
        """the library says which options there are, and for which commands"""
        rows = {row.name: row for row in qimport.options()}
        self.assertEqual(rows["limit_rate"].argument, "BYTES")
        self.assertIsNone(rows["verify"].argument)
        self.assertTrue(rows["mirror"].repeats)
        self.assertIn(qimport.Command.AUDIT, rows["repair"].commands)
        self.assertNotIn(qimport.Command.START, rows["repair"].commands)


class Threads(Scene):
    def test_two(self):
        """two imports of two threads go on at the same time over one journal"""
        both = threading.Barrier(2, timeout=120)
        failed = []

        def work(target):
            try:
                with self.journal.start(URL, target, limit_rate="8M") as job:
                    job.interval = 0.05
                    met = False
                    for progress in job:
                        if progress.fetched and not met:
                            met = True
                            both.wait()
                    self.assertTrue(met)
            except BaseException as why:
                failed.append(why)
                both.abort()

        targets = [os.path.join(self.dir, f"{n}.img") for n in (1, 2)]
        threads = [threading.Thread(target=work, args=(target,)) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        for target in targets:
            self.assertTrue(self.same(target))

    def slow_thread(self):
        """An import that another thread steps; what that thread ended with."""
        job = self.journal.start(URL, self.target, limit_rate=SLOW, commit_interval="0.1")
        job.interval = 30.0
        ended = []

        def work():
            try:
                job.run(interval=30)
            except BaseException as why:
                ended.append(why)

        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)
        while not job.progress.id:
            thread.join(0.01)
        return job, thread, ended

    def test_cancel(self):
        """another thread looks, and cancels; the one that steps gets Interrupted"""
        job, thread, ended = self.slow_thread()
        with self.assertRaisesRegex(RuntimeError, "another thread"):
            job.step()
        job.cancel()
        thread.join()
        self.assertEqual([why.code for why in ended], ["interrupted"])

    def test_close(self):
        """closing the journal ends what other threads import, in order"""
        job, thread, ended = self.slow_thread()
        self.journal.close()
        thread.join()
        self.assertEqual([why.code for why in ended], ["interrupted"])
        job.cancel()
        with self.assertRaisesRegex(ValueError, "is closed"):
            job.progress
        with self.assertRaisesRegex(ValueError, "is closed"):
            self.journal.imports()
        with qimport.Journal(self.journal_path) as again:
            self.assertEqual(again.status(self.target).state, "interrupted")

    def test_handler(self):
        """a signal handler may cancel the import that its own thread steps"""
        with self.journal.start(URL, self.target, limit_rate=SLOW) as job:
            job.interval = 0.05
            before = signal.signal(signal.SIGUSR1, lambda *_: job.cancel())
            try:
                with self.assertRaises(qimport.Interrupted):
                    for progress in job:
                        if progress.fetched:
                            os.kill(os.getpid(), signal.SIGUSR1)
            finally:
                signal.signal(signal.SIGUSR1, before)

    def test_fork(self):
        """a forked child is refused what its parent opened, and its end does no harm"""
        with self.journal.start(URL, self.target, limit_rate=SLOW) as job:
            next(iter(job))
            child = os.fork()
            if child == 0:
                try:
                    job.step()
                except RuntimeError:
                    job.close()
                    self.journal.close()
                    os._exit(7)
                finally:
                    os._exit(1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)
            job.cancel()
            with self.assertRaises(qimport.Interrupted):
                job.run()
        self.assertEqual(self.journal.status(self.target).state, "interrupted")


if __name__ == "__main__":
    unittest.main()
