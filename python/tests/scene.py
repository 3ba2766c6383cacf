# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests have in common: a directory and a journal of their own, and the image that
tests/python.sh serves."""
import filecmp
import os
import shutil
import tempfile
import unittest

import qimport

URL = os.environ["QIMPORT_TEST_URL"]  # of a qcow2
IMAGE = os.environ["QIMPORT_TEST_IMAGE"]  # the same, as a file
EXPECTED = os.environ["QIMPORT_TEST_EXPECTED"]  # its guest

# So slow that it takes seconds, so fast that a first commit comes at once.
SLOW = "4M"


class Scene(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="qimport-python.")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.target = os.path.join(self.dir, "disk.img")
        self.journal_path = os.path.join(self.dir, "journal.db")
        self.journal = qimport.Journal(self.journal_path)
        self.addCleanup(self.journal.close)

    def complete(self, target=None, **options):
        with self.journal.ensure(URL, target or self.target, **options) as job:
            job.run()

    def same(self, target=None):
        return filecmp.cmp(target or self.target, EXPECTED, shallow=False)

    def interrupted(self, **options):
        """An import that has committed something, and was left."""
        options.setdefault("limit_rate", SLOW)
        with self.journal.start(URL, self.target, commit_interval="0.1", **options) as job:
            job.interval = 0.05
            for progress in job:
                if progress.work_done:
                    return progress.id
        self.fail("it was complete before it was interrupted")

    def raises(self, kind, code, call, *args, **options):
        with self.assertRaises(kind) as caught:
            call(*args, **options)
        self.assertEqual(caught.exception.code, code, caught.exception.message)
        return caught.exception
