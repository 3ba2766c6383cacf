# SPDX-License-Identifier: LGPL-2.1-or-later
"""The journal: every import of this machine, and the beginning of new ones."""
from __future__ import annotations

import ctypes
import json
import weakref
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Type, TypeVar

from ._each import collect
from ._handle import Handle
from ._library import (
    EACH_EVENT,
    EACH_EXTENT,
    EACH_INFO,
    READ_ONLY,
    ErrorStruct,
    EventStruct,
    InfoStruct,
    Pointer,
    Word,
    lib,
    take_text,
    to_bytes,
    to_text,
)
from .errors import error_of
from .images import Extent, extent_of
from .imports import Audit, Import
from .options import OptionValue, option_set

_Kind = TypeVar("_Kind", bound=Import)
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class ImportInfo:
    """What `qimport status` shows of an import."""

    id: str
    state: str
    """probing, mapped, copying, interrupted, failed or complete"""
    url: str
    """Without secrets."""
    target: str
    target_kind: str
    """file, block, nbd, or "" where it is not known yet"""
    virtual_size: int
    cluster_size: int
    guest_total: int
    guest_committed: int
    data_total: int
    """Of guest_total what has to be fetched and decoded."""
    data_committed: int
    image_total: int
    fetched: int
    segments_total: int
    segments_committed: int
    attempts: int
    error_code: str
    """What ended the last attempt, or ""."""
    error_message: str
    started_at: Optional[datetime]
    updated_at: Optional[datetime]
    """When it last got on."""
    finished_at: Optional[datetime]
    holder: str
    """Who works on it now, in words, or ""."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an import."""

    at: datetime
    kind: str
    """started, interrupted, resumed, ...: qimport-journal(5)"""
    detail: str


class Journal:
    """The journal at PATH, or where qimport(1) looks for it; made if it is not there.

    READ_ONLY never writes, makes no file, and keeps no import waiting.  Any number of threads
    and processes may use one journal.  Closing it closes the imports that it began.
    """

    def __init__(self, path: Optional[Word] = None, *, read_only: bool = False) -> None:
        err, opened = ErrorStruct(), Pointer()
        where = None if path is None else to_bytes(path, "path")
        flags = READ_ONLY if read_only else 0
        rc = lib.qimport_journal_open(ctypes.byref(opened), where, flags, ctypes.byref(err))
        if rc == -1:
            raise error_of(err)
        self._handle = Handle(opened, lib.qimport_journal_close, "the journal")
        self._imports: "weakref.WeakSet[Import]" = weakref.WeakSet()

    @property
    def path(self) -> str:
        with self._handle.use() as pointer:
            return to_text(lib.qimport_journal_path(pointer))

    # ---- imports

    def start(self, url: Word, target: Word, **options: OptionValue) -> Import:
        """Begin an import of the image at URL onto TARGET."""
        return self._begin(Import, lib.qimport_start, options, url=url, target=target)

    def resume(self, id: Word, **options: OptionValue) -> Import:
        """Go on with an interrupted import; ID is its UUID, a prefix of it, or its target."""
        return self._begin(Import, lib.qimport_resume, options, id=id)

    def ensure(self, url: Word, target: Word, **options: OptionValue) -> Import:
        """Start it, resume it, or do nothing where it is complete and its target there."""
        return self._begin(Import, lib.qimport_ensure, options, url=url, target=target)

    def audit(self, id: Word, **options: OptionValue) -> Audit:
        """Compare the target with the journal; repair=True fetches again what differs."""
        return self._begin(Audit, lib.qimport_audit, options, id=id)

    def _begin(
        self,
        kind: Type[_Kind],
        begin: Callable[..., int],
        options: Mapping[str, OptionValue],
        **words: Word,
    ) -> _Kind:
        err, opened = ErrorStruct(), Pointer()
        given = [to_bytes(word, name) for name, word in words.items()]
        with self._handle.use() as pointer, option_set(options) as made:
            rc = begin(ctypes.byref(opened), pointer, *given, made, ctypes.byref(err))
            if rc == -1:
                raise error_of(err)
            begun = kind(opened, self)
            self._imports.add(begun)
        return begun

    # ---- questions

    def imports(self) -> List[ImportInfo]:
        """Every import, oldest first."""
        return self._walk(lib.qimport_list, None, EACH_INFO, _info)

    def status(self, id: Word) -> ImportInfo:
        """One import; JournalError ("no-such-import") where there is none."""
        return self._walk(lib.qimport_list, id, EACH_INFO, _info)[0]

    def status_document(self, id: Optional[Word] = None) -> Dict[str, Any]:
        """The object of `qimport status --json`: of one import, or {"imports": [...]}."""
        found: Dict[str, Any] = json.loads(self._text(lib.qimport_status_json, id))
        return found

    def log(self, id: Word) -> List[Event]:
        """What happened, oldest first."""
        return self._walk(lib.qimport_log, id, EACH_EVENT, _event)

    def receipt(self, id: Word) -> Dict[str, Any]:
        """What was imported, from where, when, with which digests: doc/receipt.schema.json"""
        found: Dict[str, Any] = json.loads(self._text(lib.qimport_receipt, id))
        return found

    def report(self, id: Word) -> str:
        """The same for people: a page of HTML."""
        return self._text(lib.qimport_report, id)

    def map(self, id: Word) -> List[Extent]:
        """The whole disk of an import in order, from the journal."""
        return self._walk(lib.qimport_map_import, id, EACH_EXTENT, extent_of)

    def forget(self, id: Word) -> None:
        """Remove an import from the journal; its target stays."""
        err = ErrorStruct()
        with self._handle.use() as pointer:
            if lib.qimport_forget(pointer, to_bytes(id, "id"), ctypes.byref(err)) == -1:
                raise error_of(err)

    def _walk(
        self,
        walk: Callable[..., int],
        id: Optional[Word],
        prototype: Any,
        made_of: Callable[[Any], _Row],
    ) -> List[_Row]:
        which = None if id is None else to_bytes(id, "id")
        with self._handle.use() as pointer:
            return collect(
                prototype, made_of, lambda each, err: walk(pointer, which, each, None, err)
            )

    def _text(self, ask: Callable[..., int], id: Optional[Word]) -> str:
        err, text = ErrorStruct(), Pointer()
        which = None if id is None else to_bytes(id, "id")
        with self._handle.use() as pointer:
            rc = ask(pointer, which, ctypes.byref(text), ctypes.byref(err))
        if rc == -1:
            raise error_of(err)
        return take_text(text)

    # ---- the end

    def close(self) -> None:
        """A second call does nothing."""
        for begun in list(self._imports):
            begun.close()
        self._handle.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_imports"):
            self.close()


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _time(ms: int) -> Optional[datetime]:
    return _EPOCH + timedelta(milliseconds=ms) if ms != 0 else None


def _event(of: EventStruct) -> Event:
    return Event(_time(of.at) or _EPOCH, to_text(of.kind), to_text(of.detail))


def _info(of: InfoStruct) -> ImportInfo:
    return ImportInfo(
        id=to_text(of.id),
        state=to_text(of.state),
        url=to_text(of.url),
        target=to_text(of.target),
        target_kind=to_text(of.target_kind),
        virtual_size=of.virtual_size,
        cluster_size=of.cluster_size,
        guest_total=of.guest_total,
        guest_committed=of.guest_committed,
        data_total=of.data_total,
        data_committed=of.data_committed,
        image_total=of.image_total,
        fetched=of.fetched,
        segments_total=of.segments_total,
        segments_committed=of.segments_committed,
        attempts=of.attempts,
        error_code=to_text(of.error_code),
        error_message=to_text(of.error_message),
        started_at=_time(of.started_at),
        updated_at=_time(of.updated_at),
        finished_at=_time(of.finished_at),
        holder=to_text(of.holder),
    )
