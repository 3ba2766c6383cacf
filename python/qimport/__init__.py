# SPDX-License-Identifier: LGPL-2.1-or-later
"""Import qcow2 disk images over networks that break, and prove afterwards what was put where.

This is libqimport for Python: no compiler, nothing but the standard library and
libqimport.so.0.  doc/python.md has examples; qimport(1) says what the options do.

    import qimport

    with qimport.Journal() as journal:
        with journal.ensure("https://example.org/disk.qcow2", "disk.img",
                            checksum="sha256:0123...") as job:
            for progress in job:
                print(f"{progress.fraction:.1%} {progress.rate / 1e6:.1f} MB/s")

What fails raises a subclass of qimport.Error: its .code is a word that keeps its meaning,
.message one line for people, .status what qimport(1) would have exited with.
"""
from ._library import version as _version
from .errors import (
    Differs,
    Error,
    ImageError,
    InternalError,
    Interrupted,
    JournalError,
    SourceError,
    Status,
    TargetError,
    UsageError,
)
from .images import Extent, headers, info, map
from .imports import Audit, Import, Progress
from .journal import Event, ImportInfo, Journal
from .options import Command, OptionInfo, OptionValue, built_in, options

__version__ = _version()

__all__ = [
    "Audit",
    "Command",
    "Differs",
    "Error",
    "Event",
    "Extent",
    "ImageError",
    "Import",
    "ImportInfo",
    "InternalError",
    "Interrupted",
    "Journal",
    "JournalError",
    "OptionInfo",
    "OptionValue",
    "Progress",
    "SourceError",
    "Status",
    "TargetError",
    "UsageError",
    "built_in",
    "headers",
    "info",
    "map",
    "options",
]
