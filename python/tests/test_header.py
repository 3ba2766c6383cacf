# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package's view of qimport.h, held against the header itself and a C compiler."""
import ctypes
import os
import re
import shlex
import subprocess
import tempfile
import unittest

from qimport import _library
from qimport.errors import Status
from qimport.options import Command

HEADER = os.environ["QIMPORT_TEST_HEADER"]


def compiled(source):
    """What the C program SOURCE prints."""
    with tempfile.TemporaryDirectory() as dir:
        path, program = os.path.join(dir, "a.c"), os.path.join(dir, "a")
        with open(path, "w") as out:
            out.write(source)
        cc = shlex.split(os.environ.get("CC", "cc"))
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        subprocess.run(
            cc + ["-I", os.path.dirname(HEADER), "-o", program, path], check=True, env=environment
        )
        return subprocess.run(
            [program], check=True, stdout=subprocess.PIPE, text=True, env=environment
        ).stdout


class Header(unittest.TestCase):
    def test_structures(self):
        """every structure is laid out as the C compiler lays it out"""
        lines, want = [], []
        for name, structure in _library.STRUCTURES.items():
            lines.append(f'printf ("{name} %zu\\n", sizeof (struct {name}));')
            want.append(f"{name} {ctypes.sizeof(structure)}")
            for field, _ in structure._fields_:
                where = f"{name}.{field}"
                lines.append(
                    f'printf ("{where} %zu %zu\\n", offsetof (struct {name}, {field}), '
                    f"sizeof (((struct {name} *)0)->{field}));"
                )
                at = getattr(structure, field)
                want.append(f"{where} {at.offset} {at.size}")
        got = compiled(
            "#include <qimport.h>\n#include <stdio.h>\nint main (void) {"
            + "\n".join(lines)
            + "return 0; }"
        )
        self.assertEqual(got.splitlines(), want)

    def test_whole(self):
        """no structure and no member of the header is missing"""
        with open(HEADER) as f:
            text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        bodies = dict(re.findall(r"^struct (qimport_\w+) \{(.*?)^\};", text, flags=re.S | re.M))
        self.assertEqual(sorted(bodies), sorted(_library.STRUCTURES))
        for name, body in bodies.items():
            members = re.findall(r"(\w+)(?:\[\w+\])?(?=[,;])", body)
            fields = [field for field, _ in _library.STRUCTURES[name]._fields_]
            self.assertEqual(members, fields, name)

    def test_functions(self):
        """every function of the header is called, but for qimport_run"""
        with open(HEADER) as f:
            text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        declared = set(re.findall(r"\b(qimport_[a-z_]+) \(", text)) - {"qimport_run"}
        self.assertEqual(declared, set(_library.PROTOTYPES))

    def test_numbers(self):
        """exit statuses and commands have the numbers of the header"""
        rows = [("QIMPORT_" + s.name, s.value) for s in Status]
        rows += [("QIMPORT_FOR_" + c.name, c.value) for c in Command]
        source = "#include <qimport.h>\n#include <stdio.h>\nint main (void) {"
        source += "".join(f'printf ("{name} %d\\n", (int){name});' for name, _ in rows)
        got = compiled(source + "return 0; }")
        self.assertEqual(got.splitlines(), [f"{name} {value}" for name, value in rows])


if __name__ == "__main__":
    unittest.main()
