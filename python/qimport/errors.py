# SPDX-License-Identifier: LGPL-2.1-or-later
"""What fails, as exceptions: a class for each exit status of qimport(1)."""
from __future__ import annotations

import enum
from typing import Dict, Type

from ._library import ErrorStruct, to_text


class Status(enum.IntEnum):
    """The exit statuses of qimport(1)."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    INTERRUPTED = 3
    SOURCE = 4
    IMAGE = 5
    TARGET = 6
    JOURNAL = 7
    DIFFERS = 8


class Error(Exception):
    """Anything that libqimport refuses or fails at; str() of it is the message."""

    status: Status
    """What qimport(1) would exit with."""
    code: str
    """A word for programs that keeps its meaning: doc/troubleshooting.md lists them."""
    message: str
    """One line for people: what, where, why, what to do next."""

    def __init__(self, status: Status, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class InternalError(Error):
    """A fault of qimport, or no memory left."""


class UsageError(Error):
    """A word or an option is wrong; nothing was begun."""


class Interrupted(Error):
    """Cancelled, out of time, or the network stayed away: resume goes on."""


class SourceError(Error):
    """The source is refused: not there, not trusted, changed, or its checksum differs."""


class ImageError(Error):
    """The image is refused: malformed, truncated, or it uses what qimport does not read."""


class TargetError(Error):
    """The target is refused, or failed."""


class JournalError(Error):
    """The journal is refused, has no such import, or another process works on it."""


class Differs(Error):
    """An audit found differences: Audit.findings has them."""


_CLASSES: Dict[Status, Type[Error]] = {
    Status.INTERNAL: InternalError,
    Status.USAGE: UsageError,
    Status.INTERRUPTED: Interrupted,
    Status.SOURCE: SourceError,
    Status.IMAGE: ImageError,
    Status.TARGET: TargetError,
    Status.JOURNAL: JournalError,
    Status.DIFFERS: Differs,
}


def error_of(told: ErrorStruct) -> Error:
    """The exception of what a function of the library told."""
    try:
        status = Status(told.status)
    except ValueError:
        status = Status.INTERNAL
    kind = _CLASSES.get(status, InternalError)
    return kind(status, to_text(told.code), to_text(told.message))
