# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options: those of qimport(1), as keyword arguments.

limit_rate="4M" is --limit-rate 4M, verify=True is --verify, mirror=[A, B] is --mirror A
--mirror B; None and False are as not given.  What they do stands in qimport(1); which there are,
the library says itself, so that this package knows those of whatever libqimport it meets.
"""
from __future__ import annotations

import ctypes
import enum
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Union

from ._library import ErrorStruct, Word, lib, to_bytes, to_text
from .errors import error_of

Scalar = Union[str, bytes, int, float, "os.PathLike[str]", "os.PathLike[bytes]"]
OptionValue = Union[None, Scalar, Sequence[Scalar]]


class Command(enum.Flag):
    """Which commands take an option."""

    START = 1
    RESUME = 2
    ENSURE = 4
    AUDIT = 8
    INFO = 16


@dataclass(frozen=True)
class OptionInfo:
    """An option of this libqimport."""

    name: str
    """As a keyword argument: "limit_rate"."""
    argument: Optional[str]
    """What its value is, "BYTES"; None for a switch."""
    help: str
    default: Optional[str]
    commands: Command
    repeats: bool
    """It takes a list."""


def built_in() -> List[str]:
    """What this build unpacks, and what else may be in or out: ["xz", "gzip", ...]"""
    return to_text(lib.qimport_built_in()).split()


def options() -> List[OptionInfo]:
    """Every option there is."""
    found: List[OptionInfo] = []
    while True:
        row = lib.qimport_option_info(len(found))
        if not row:
            return found
        of = row.contents
        found.append(
            OptionInfo(
                name=to_text(of.name).replace("-", "_"),
                argument=None if of.argument is None else to_text(of.argument),
                help=to_text(of.help),
                default=None if of.fallback is None else to_text(of.fallback),
                commands=Command(of.commands & 31),
                repeats=bool(of.repeats),
            )
        )


def _as_word(value: Scalar, name: str) -> Word:
    if isinstance(value, bool):
        raise TypeError(f"{name}: takes a value, not {value}")
    if isinstance(value, (int, float)):
        return str(value)
    return value


def _words(name: str, value: OptionValue, takes: Mapping[str, bool]) -> List[Optional[Word]]:
    """What NAME is to be set to, one after the other; None: it is a switch that is on."""
    if value is None:
        return []
    if not takes.get(name, True):
        if not isinstance(value, bool):
            raise TypeError(f"{name}: is a switch; give True or False")
        return [None] if value else []
    if isinstance(value, (str, bytes, int, float, os.PathLike)):
        return [_as_word(value, name)]
    return [_as_word(one, name) for one in value]


@contextmanager
def option_set(given: Mapping[str, OptionValue]) -> Iterator[Any]:
    """A set of the library's with what is GIVEN, for as long as it takes."""
    takes = {row.name: row.argument is not None for row in options()}
    made = lib.qimport_options_new()
    if made is None:
        raise MemoryError("options")
    try:
        for name, value in given.items():
            for word in _words(name, value, takes):
                _set(made, name, word)
        yield made
    finally:
        lib.qimport_options_free(made)


def _set(made: Any, name: str, word: Optional[Word]) -> None:
    err = ErrorStruct()
    dashed = to_bytes(name.replace("_", "-"), name)
    value = None if word is None else to_bytes(word, name)
    if lib.qimport_options_set(made, dashed, value, ctypes.byref(err)) == -1:
        raise error_of(err)
