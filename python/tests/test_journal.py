# SPDX-License-Identifier: LGPL-2.1-or-later
"""The journal: what it answers, audits, and that asking leaves nothing behind in memory."""
import ctypes
import datetime
import gc
import os
import unittest

import qimport
from scene import EXPECTED, URL, Scene


class Questions(Scene):
    def test_status(self):
        """status tells of one import, imports of all, the document has the keys of --json"""
        self.assertEqual(self.journal.imports(), [])
        self.complete()
        [row] = self.journal.imports()
        self.assertEqual(row, self.journal.status(self.target))
        self.assertEqual(row, self.journal.status(row.id[:6]))
        self.assertEqual((row.state, row.url, row.target), ("complete", URL, self.target))
        self.assertEqual(row.virtual_size, os.path.getsize(EXPECTED))
        self.assertEqual(row.guest_committed, row.guest_total)
        self.assertLess(row.started_at, row.finished_at)
        self.assertEqual(row.finished_at.tzinfo, datetime.timezone.utc)
        self.assertEqual(self.journal.status_document(row.id)["id"], row.id)
        self.assertEqual(self.journal.status_document()["imports"][0]["state"], "complete")

    def test_none(self):
        """an import that is not there is a JournalError, and so is a journal only to be read"""
        self.raises(qimport.JournalError, "no-such-import", self.journal.status, "0000")
        path = os.path.join(self.dir, "none.db")
        self.raises(qimport.JournalError, "no-journal", qimport.Journal, path, read_only=True)
        self.assertFalse(os.path.exists(path))

    def test_read_only(self):
        """a journal for reading answers while an import runs, and begins none"""
        with self.journal.start(URL, self.target, limit_rate="4M") as job:
            while not job.progress.id:
                job.step(0.05)
            with qimport.Journal(self.journal_path, read_only=True) as other:
                self.assertEqual(other.status(self.target).id, job.progress.id)
                self.assertEqual(other.path, self.journal_path)
                self.raises(qimport.UsageError, "usage", other.start, URL, self.target)

    def test_documents(self):
        """log, receipt and report are of what was imported"""
        self.complete()
        id = self.journal.status(self.target).id
        kinds = [event.kind for event in self.journal.log(id)]
        self.assertEqual((kinds[0], kinds[-1]), ("started", "completed"))
        self.assertEqual(self.journal.receipt(id)["id"], id)
        self.assertIn("<html", self.journal.report(id))

    def test_map(self):
        """the map of an import is that of its image, whole and in order"""
        self.complete()
        extents = self.journal.map(self.target)
        at = 0
        for extent in extents:
            self.assertEqual(extent.start, at)
            at += extent.length
        self.assertEqual(at, os.path.getsize(EXPECTED))
        self.assertTrue(any(extent.compressed for extent in extents))
        asked = qimport.map(URL)
        self.assertEqual(sum(extent.length for extent in asked), at)

    def test_info(self):
        """info tells what an image is, without a journal"""
        found = qimport.info(URL, connections=2)
        self.assertEqual(found["virtual-size"], os.path.getsize(EXPECTED))
        self.assertTrue(found["importable"])
        clusters = qimport.headers(URL)
        self.assertEqual(clusters["virtual_size"], found["virtual-size"])
        self.assertTrue(clusters["data_clusters"])
        self.complete()
        known = self.journal.status_document(self.target)["image"]
        self.assertEqual(found["etag"], known["etag"])
        self.assertEqual(found["last-modified"], known["last_modified"])
        self.raises(qimport.SourceError, "source-not-found", qimport.info, URL + "-none")
        self.raises(qimport.SourceError, "source-not-found", qimport.map, URL + "-none")

    def test_forget(self):
        """forget removes the import, and the target stays"""
        self.complete()
        self.journal.forget(self.target)
        self.assertEqual(self.journal.imports(), [])
        self.assertTrue(self.same())

    def test_odd_names(self):
        """a target with an odd name is imported, and found by it; one in no UTF-8 is refused"""
        target = os.path.join(self.dir, "\u00e4 'disk'.img")
        self.complete(target)
        self.assertTrue(self.same(target))
        self.assertEqual(self.journal.status(target).target, target)
        with self.assertRaisesRegex(qimport.TargetError, "no UTF-8"):
            self.complete(os.fsencode(self.dir) + b"/\xff.img")


class Audits(Scene):
    def spoil(self):
        self.complete()
        with open(self.target, "r+b") as disk:
            disk.seek(3 << 20)
            byte = disk.read(1)
            disk.seek(3 << 20)
            disk.write(bytes([byte[0] ^ 255]))

    def test_same(self):
        """an audit of what is as imported ends well, and has findings"""
        self.complete()
        with self.journal.audit(self.target) as audit:
            self.raises(qimport.UsageError, "usage", lambda: audit.findings)
            audit.run()
            self.assertIn("id", audit.findings)

    def test_differs(self):
        """a byte that changed raises Differs, and the findings say where"""
        self.spoil()
        with self.journal.audit(self.target) as audit:
            with self.assertRaises(qimport.Differs) as caught:
                for _ in audit:
                    pass
            self.assertEqual(caught.exception.status, qimport.Status.DIFFERS)
            self.assertTrue(audit.findings)

    def test_repair(self):
        """an audit with repair brings it back"""
        self.spoil()
        self.assertFalse(self.same())
        with self.journal.audit(self.target, repair=True) as audit:
            audit.run()
        self.assertTrue(self.same())


class Memory(Scene):
    def in_use(self):
        """Bytes of the C heap: Python's own small objects are elsewhere."""
        gc.collect()
        sanitizer = getattr(ctypes.CDLL(None), "__sanitizer_get_current_allocated_bytes", None)
        if sanitizer is not None:
            sanitizer.restype = ctypes.c_size_t
            return sanitizer()

        class Mallinfo2(ctypes.Structure):
            _fields_ = [(f"f{n}", ctypes.c_size_t) for n in range(10)]

        mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
        if mallinfo2 is None:
            self.skipTest("this C library does not tell how much is in use")
        mallinfo2.restype = Mallinfo2
        return mallinfo2().f7

    def grows(self, call, times=100):
        for _ in range(20):
            call()
        before = self.in_use()
        for _ in range(times):
            call()
        return (self.in_use() - before) / times

    def test_asking(self):
        """asking a hundred times takes no more memory than asking once"""
        self.complete()

        def ask():
            self.journal.imports()
            self.journal.status_document()
            self.journal.log(self.target)
            self.journal.receipt(self.target)
            self.journal.map(self.target)
            try:
                self.journal.status("0000")
            except qimport.JournalError:
                pass

        self.assertLess(self.grows(ask), 100)

    def test_beginning(self):
        """nor does beginning and dropping imports, with options that are right or wrong"""
        self.complete()

        def begin():
            self.journal.ensure(URL, self.target, mirror=[URL], memory="32M")
            with self.journal.ensure(URL, self.target) as job:
                job.run()
            with qimport.Journal(self.journal_path) as other:
                other.audit(self.target)
            try:
                self.journal.start(URL, self.target, memory="much")
            except qimport.UsageError:
                pass

        self.assertLess(self.grows(begin), 300)


if __name__ == "__main__":
    unittest.main()
