# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the unittests of this directory, and prints TAP: a point a test, in the words of the first
line of its docstring.

    python3 tap.py [NAME...]        files test_NAME.py; all without
"""
import os
import sys
import unittest


class Points(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.point = 0

    def tell(self, ok, test, tail="", why=""):
        self.point += 1
        words = test.shortDescription() or test.id()
        print(f"{ok} {self.point} - {words}{tail}")
        for line in why.splitlines():
            print(f"#   {line}")
        sys.stdout.flush()

    def addSuccess(self, test):
        self.tell("ok", test)

    def addSkip(self, test, reason):
        self.tell("ok", test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("not ok", test, why=self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("not ok", test, why=self.errors[-1][1])


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    names = sys.argv[1:] or ["*"]
    loader, result = unittest.TestLoader(), Points()
    for name in names:
        loader.discover(here, pattern=f"test_{name}.py").run(result)
    print(f"1..{result.point}")
    return 0 if result.wasSuccessful() and result.point else 1


if __name__ == "__main__":
    sys.exit(main())
