# SPDX-License-Identifier: LGPL-2.1-or-later
"""An import that is under way: stepped, looked at, cancelled, closed.

One thread at a time steps it; any thread may look and cancel.
"""
from __future__ import annotations

import ctypes
import json
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Type, TypeVar

from ._handle import Closed, Handle
from ._library import (
    ErrorStruct,
    Pointer,
    ProgressStruct,
    WorkStruct,
    lib,
    take_text,
    to_text,
)
from .errors import Interrupted, Status, error_of

_Self = TypeVar("_Self", bound="Import")


@dataclass(frozen=True)
class Progress:
    """How far an import is."""

    id: str
    """Its UUID; "" until it is in the journal."""
    state: str
    """probing, mapped, copying, interrupted, failed or complete"""
    work_total: int
    """Bytes of the disk that have to be fetched and decoded; of an audit, to be compared."""
    work_done: int
    """Of them durable, and recorded (compared)."""
    guest_total: int
    """Bytes to be made of the disk, with what reads as zeros."""
    guest_committed: int
    guest_written: int
    """Of them written, some not yet durable."""
    image_total: int
    """Bytes to be fetched."""
    fetched: int
    """Body bytes, over all attempts."""
    fetched_now: int
    """In this attempt."""
    retries: int
    rate: float
    """Bytes a second, of the last seconds."""
    eta_seconds: Optional[float]
    note: str
    """What it waits for, or ""."""

    @property
    def fraction(self) -> float:
        """From 0.0 to 1.0, of the work."""
        if self.work_total == 0:
            return 1.0 if self.state == "complete" else 0.0
        return self.work_done / self.work_total


class Import:
    """What Journal.start, resume and ensure return; nothing is done before the first step.

    Use it in a with statement: leaving it stops what still runs, and resume goes on from what
    is committed.  Iterating steps it, and tells how far it is about every .interval seconds, and
    at the end once more; what fails is raised there.
    """

    interval = 0.5
    """Seconds between two Progress of an iteration; a signal waits as long for its handler."""

    def __init__(self, pointer: Any, keeps: object) -> None:
        self._handle = Handle(pointer, lib.qimport_close, "the import")
        self._keeps = keeps  # the journal must outlive it
        self._stepping = threading.Lock()
        self._ended = False  # by a step that returned
        self._over = False  # the iteration has told of it
        self._warnings: List[str] = []

    # ---- step

    def step(self, timeout: float = 0.1) -> bool:
        """Works for about TIMEOUT seconds; True while more is to be done, False when all is
        durable.  Raises what ended it, at every later call as well: Interrupted where another
        thread closed it."""
        if not self._stepping.acquire(blocking=False):
            raise RuntimeError("the import is stepped by another thread")
        err = ErrorStruct()
        try:
            with self._handle.use() as pointer:
                rc = lib.qimport_step(pointer, int(timeout * 1000), ctypes.byref(err))
                self._ended = rc != 1
                self._take_warnings(pointer)
        except Closed:
            if self._ended:
                raise
            raise Interrupted(
                Status.INTERRUPTED, "interrupted", "closed before it was complete; resume goes on"
            ) from None
        finally:
            self._stepping.release()
        if rc == -1:
            raise error_of(err)
        return bool(rc == 1)

    def __iter__(self) -> Iterator[Progress]:
        return self

    def __next__(self) -> Progress:
        if self._over:
            raise StopIteration
        self._over = not self.step(self.interval)
        return self.progress

    def run(
        self, progress: Optional[Callable[[Progress], object]] = None, interval: float = 0.5
    ) -> Progress:
        """Steps to the end, and returns how it is then.  PROGRESS is called about every INTERVAL
        seconds; what it raises is raised here, and the import may be stepped on."""
        while self.step(interval):
            if progress is not None:
                progress(self.progress)
        self._over = True
        return self.progress

    # ---- from any thread

    @property
    def progress(self) -> Progress:
        """How far it is, as of the end of the last step."""
        told, work = ProgressStruct(), WorkStruct()
        with self._handle.use() as pointer:
            lib.qimport_progress_get(pointer, ctypes.byref(told))
            lib.qimport_progress_work(pointer, ctypes.byref(work))
        return Progress(
            id=to_text(told.id),
            state=to_text(told.state),
            work_total=work.total,
            work_done=work.done,
            guest_total=told.guest_total,
            guest_committed=told.guest_committed,
            guest_written=told.guest_written,
            image_total=told.image_total,
            fetched=told.fetched,
            fetched_now=told.fetched_now,
            retries=told.retries,
            rate=told.rate,
            eta_seconds=None if told.eta_seconds < 0 else told.eta_seconds,
            note=to_text(told.note),
        )

    def cancel(self) -> None:
        """The running step, or the next, commits what is written and raises Interrupted, within
        two seconds.  Also from a signal handler; of one that is closed, nothing."""
        if self._handle.usable:
            try:
                with self._handle.use() as pointer:
                    lib.qimport_cancel(pointer)
            except Closed:  # meanwhile
                pass

    # ---- what it said

    @property
    def warnings(self) -> List[str]:
        """What a person should know, a line each: all so far, as of the last step's end."""
        return list(self._warnings)

    def _take_warnings(self, pointer: Any) -> None:
        text = lib.qimport_take_warning(pointer)
        if text:
            self._warnings += take_text(text).splitlines()

    def document(self) -> Dict[str, Any]:
        """The object of `--progress json` for this instant; reads the journal."""
        err, text = ErrorStruct(), Pointer()
        with self._handle.use() as pointer:
            rc = lib.qimport_progress_json(pointer, ctypes.byref(text), ctypes.byref(err))
        if rc == -1:
            raise error_of(err)
        found: Dict[str, Any] = json.loads(take_text(text))
        return found

    # ---- the end

    def close(self) -> None:
        """Stops what still runs, tidily: an import that was not over is interrupted then.  A
        second call does nothing."""
        self.cancel()  # another thread may be stepping it
        self._handle.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self._handle.close()


class Audit(Import):
    """What Journal.audit returns: the last step raises Differs when the target differs and was
    not repaired."""

    @property
    def findings(self) -> Dict[str, Any]:
        """The object of `qimport audit --json`, after the last step, also when that raised
        Differs; UsageError before."""
        err, text = ErrorStruct(), Pointer()
        with self._handle.use() as pointer:
            rc = lib.qimport_audit_json(pointer, ctypes.byref(text), ctypes.byref(err))
        if rc == -1:
            raise error_of(err)
        found: Dict[str, Any] = json.loads(take_text(text))
        return found
