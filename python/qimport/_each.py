# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists of what the library hands to a callback, one by one."""
from __future__ import annotations

import ctypes
from typing import Any, Callable, List, TypeVar

from ._library import ErrorStruct
from .errors import error_of

_T = TypeVar("_T")


def collect(
    prototype: Any, made_of: Callable[[Any], _T], walk: Callable[[Any, Any], int]
) -> List[_T]:
    """MADE_OF each structure that WALK (each, err) calls each with.  What is raised within, a
    KeyboardInterrupt say, ends the walk and is raised here: ctypes would only print it."""
    found: List[_T] = []
    raised: List[BaseException] = []

    def each(_: Any, row: Any) -> int:
        try:
            found.append(made_of(row.contents))
            return 0
        except BaseException as why:
            raised.append(why)
            return 1

    err = ErrorStruct()
    rc = walk(prototype(each), ctypes.byref(err))
    if raised:
        raise raised[0]
    if rc == -1:
        raise error_of(err)
    return found
