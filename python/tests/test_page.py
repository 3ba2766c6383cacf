# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of doc/python.md, as they are printed; and the types of the package."""
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import unittest

import qimport
from scene import URL, Scene

PAGE = os.environ["QIMPORT_TEST_PAGE"]
PACKAGE = os.path.dirname(qimport.__file__)


class Page(Scene):
    def test_examples(self):
        """the examples of the page do what they say, one after the other"""
        with open(PAGE) as page:
            blocks = re.findall(r"```python\n(.*?)```", page.read(), flags=re.S)
        self.assertEqual(len(blocks), 3)
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.dir)
        os.environ["QIMPORT_JOURNAL"] = self.journal_path
        said = []
        names = {"url": URL, "qimport": qimport, "journal": self.journal}
        for block in blocks:
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block, PAGE, "exec"), names)
            names["journal"] = self.journal
            said.append(out.getvalue())
        self.assertIn("100.0%", said[0])
        self.assertRegex(said[1], "^6 target-exists ")
        self.assertRegex(said[2], " complete ([0-9]+) of \\1 .*/disk.img\n.* events\n$")

    def test_classes(self):
        """the page names every class of failure with its exit status"""
        with open(PAGE) as page:
            text = " ".join(page.read().split())
        for name in dir(qimport):
            kind = getattr(qimport, name)
            if isinstance(kind, type) and issubclass(kind, qimport.Error):
                if kind is not qimport.Error:
                    self.assertRegex(text, f"`{name}` [1-8]")


class Types(unittest.TestCase):
    def test_mypy(self):
        """mypy --strict finds nothing in the package"""
        mypy = shutil.which("mypy")
        if mypy is None:
            self.skipTest("mypy is not installed")
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        told = subprocess.run(
            [mypy, "--strict", "--cache-dir", os.devnull, PACKAGE],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(told.returncode, 0, told.stdout)

    def test_docstrings(self):
        """every class and function that is public has a docstring"""
        program = "import pydoc, qimport; print(pydoc.plain(pydoc.render_doc(qimport)))"
        text = subprocess.run(
            [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        self.assertIn("cancel(self) -> 'None'", text)
        for kind in (qimport.Import, qimport.Audit, qimport.Journal):
            for name, what in vars(kind).items():
                if not name.startswith("_") and (callable(what) or isinstance(what, property)):
                    self.assertTrue(what.__doc__ or name == "path", f"{kind.__name__}.{name}")
        for name in set(qimport.__all__) - {"OptionValue"}:
            self.assertTrue(getattr(qimport, name).__doc__, name)


if __name__ == "__main__":
    unittest.main()
