# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pointer of the library's that is closed once, after its last use, by whoever asks for it.

Any thread may use and close a Handle.  A process that was forked never touches what its parent
opened: there it is only dropped.
"""
from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional


class Closed(ValueError):
    """It was closed, as a file may be."""


class Handle:
    def __init__(self, pointer: Any, close: Callable[[Any], object], what: str) -> None:
        self._pointer: Optional[Any] = pointer
        self._close = close
        self._what = what
        self._process = os.getpid()
        # Reentrant: a signal handler may cancel what its own thread is just about to use.
        self._changed = threading.Condition(threading.RLock())
        self._users: List[int] = []

    @property
    def usable(self) -> bool:
        """It is open, and this process opened it."""
        return self._pointer is not None and os.getpid() == self._process

    @contextmanager
    def use(self) -> Iterator[Any]:
        """The pointer, which stays valid within."""
        me = threading.get_ident()
        with self._changed:
            if self._pointer is None:
                raise Closed(f"{self._what} is closed")
            if os.getpid() != self._process:
                raise RuntimeError(f"{self._what} belongs to the process that opened it")
            pointer = self._pointer
            self._users.append(me)
        try:
            yield pointer
        finally:
            with self._changed:
                self._users.remove(me)
                self._changed.notify_all()

    def close(self) -> None:
        """Waits for other threads that use it.  A second call does nothing."""
        if os.getpid() != self._process:
            self._pointer = None
            return
        with self._changed:
            if threading.get_ident() in self._users:
                raise RuntimeError(f"{self._what} cannot be closed by what it calls")
            pointer, self._pointer = self._pointer, None
            while self._users:
                self._changed.wait()
        if pointer is not None:
            self._close(pointer)
