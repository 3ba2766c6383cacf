# SPDX-License-Identifier: LGPL-2.1-or-later
"""qimport.h as ctypes sees it: the structures, the functions, the text that goes in and out.

Owns the shared library; never raises what libqimport says (errors.py does), and keeps nothing.
"""
from __future__ import annotations

import ctypes
import os
from typing import Any, Dict, List, Optional, Tuple, Type, Union

Pointer = ctypes.c_void_p
Word = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]

READ_ONLY = 1


class ErrorStruct(ctypes.Structure):
    """struct qimport_error"""

    _fields_ = [
        ("status", ctypes.c_int),
        ("code", ctypes.c_char * 32),
        ("message", ctypes.c_char * 1024),
    ]


class OptionStruct(ctypes.Structure):
    """struct qimport_option_info"""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("argument", ctypes.c_char_p),
        ("help", ctypes.c_char_p),
        ("fallback", ctypes.c_char_p),
        ("commands", ctypes.c_uint),
        ("repeats", ctypes.c_int),
    ]


class InfoStruct(ctypes.Structure):
    """struct qimport_info"""

    _fields_ = [
        ("id", ctypes.c_char * 37),
        ("state", ctypes.c_char * 16),
        ("url", ctypes.c_char * 4096),
        ("target", ctypes.c_char * 4096),
        ("target_kind", ctypes.c_char * 8),
        ("virtual_size", ctypes.c_uint64),
        ("cluster_size", ctypes.c_uint64),
        ("guest_total", ctypes.c_uint64),
        ("guest_committed", ctypes.c_uint64),
        ("image_total", ctypes.c_uint64),
        ("fetched", ctypes.c_uint64),
        ("segments_total", ctypes.c_uint64),
        ("segments_committed", ctypes.c_uint64),
        ("attempts", ctypes.c_uint64),
        ("error_code", ctypes.c_char * 32),
        ("error_message", ctypes.c_char * 1024),
        ("started_at", ctypes.c_int64),
        ("updated_at", ctypes.c_int64),
        ("finished_at", ctypes.c_int64),
        ("holder", ctypes.c_char * 128),
        ("data_total", ctypes.c_uint64),
        ("data_committed", ctypes.c_uint64),
    ]


class EventStruct(ctypes.Structure):
    """struct qimport_event"""

    _fields_ = [
        ("at", ctypes.c_int64),
        ("kind", ctypes.c_char * 32),
        ("detail", ctypes.c_char * 1024),
    ]


class ProgressStruct(ctypes.Structure):
    """struct qimport_progress"""

    _fields_ = [
        ("id", ctypes.c_char * 37),
        ("state", ctypes.c_char * 16),
        ("guest_total", ctypes.c_uint64),
        ("guest_committed", ctypes.c_uint64),
        ("guest_written", ctypes.c_uint64),
        ("image_total", ctypes.c_uint64),
        ("fetched", ctypes.c_uint64),
        ("fetched_now", ctypes.c_uint64),
        ("retries", ctypes.c_uint64),
        ("rate", ctypes.c_double),
        ("eta_seconds", ctypes.c_double),
        ("note", ctypes.c_char * 160),
    ]


class WorkStruct(ctypes.Structure):
    """struct qimport_work"""

    _fields_ = [("total", ctypes.c_uint64), ("done", ctypes.c_uint64)]


class ExtentStruct(ctypes.Structure):
    """struct qimport_extent"""

    _fields_ = [
        ("start", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("offset", ctypes.c_uint64),
        ("depth", ctypes.c_uint),
        ("flags", ctypes.c_uint),
    ]


# By the name that they have in qimport.h.
STRUCTURES: Dict[str, Type[ctypes.Structure]] = {
    "qimport_error": ErrorStruct,
    "qimport_option_info": OptionStruct,
    "qimport_info": InfoStruct,
    "qimport_event": EventStruct,
    "qimport_progress": ProgressStruct,
    "qimport_work": WorkStruct,
    "qimport_extent": ExtentStruct,
}

EACH_INFO = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, ctypes.POINTER(InfoStruct))
EACH_EVENT = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, ctypes.POINTER(EventStruct))
EACH_EXTENT = ctypes.CFUNCTYPE(ctypes.c_int, Pointer, ctypes.POINTER(ExtentStruct))

_out = ctypes.POINTER(Pointer)
_err = ctypes.POINTER(ErrorStruct)
_int, _str = ctypes.c_int, ctypes.c_char_p

# Each function: what it returns, what it takes.
PROTOTYPES: Dict[str, Tuple[Any, List[Any]]] = {
    "qimport_version": (_str, []),
    "qimport_built_in": (_str, []),
    "qimport_free": (None, [Pointer]),
    "qimport_option_info": (ctypes.POINTER(OptionStruct), [ctypes.c_size_t]),
    "qimport_options_new": (Pointer, []),
    "qimport_options_set": (_int, [Pointer, _str, _str, _err]),
    "qimport_options_free": (None, [Pointer]),
    "qimport_journal_open": (_int, [_out, _str, ctypes.c_uint, _err]),
    "qimport_journal_close": (None, [Pointer]),
    "qimport_journal_path": (_str, [Pointer]),
    "qimport_list": (_int, [Pointer, _str, EACH_INFO, Pointer, _err]),
    "qimport_status_json": (_int, [Pointer, _str, _out, _err]),
    "qimport_log_json": (_int, [Pointer, _str, _out, _err]),
    "qimport_receipt": (_int, [Pointer, _str, _out, _err]),
    "qimport_report": (_int, [Pointer, _str, _out, _err]),
    "qimport_log": (_int, [Pointer, _str, EACH_EVENT, Pointer, _err]),
    "qimport_forget": (_int, [Pointer, _str, _err]),
    "qimport_start": (_int, [_out, Pointer, _str, _str, Pointer, _err]),
    "qimport_resume": (_int, [_out, Pointer, _str, Pointer, _err]),
    "qimport_ensure": (_int, [_out, Pointer, _str, _str, Pointer, _err]),
    "qimport_audit": (_int, [_out, Pointer, _str, Pointer, _err]),
    "qimport_step": (_int, [Pointer, _int, _err]),
    "qimport_cancel": (None, [Pointer]),
    "qimport_progress_get": (None, [Pointer, ctypes.POINTER(ProgressStruct)]),
    "qimport_progress_work": (None, [Pointer, ctypes.POINTER(WorkStruct)]),
    "qimport_progress_json": (_int, [Pointer, _out, _err]),
    "qimport_audit_json": (_int, [Pointer, _out, _err]),
    "qimport_take_warning": (Pointer, [Pointer]),
    "qimport_close": (None, [Pointer]),
    # qimport_run is what Import.run does with steps, so that a callback may raise.
    "qimport_info_json": (_int, [_str, Pointer, _out, _err]),
    "qimport_headers_json": (_int, [_str, Pointer, _out, _err]),
    "qimport_map": (_int, [_str, Pointer, EACH_EXTENT, Pointer, _err]),
    "qimport_map_import": (_int, [Pointer, _str, EACH_EXTENT, Pointer, _err]),
}

_NAME = "libqimport.so.0"


def _load() -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(_NAME)
    except OSError as why:
        raise ImportError(
            f"{why}; install libqimport0, or run ldconfig after make install, or say where "
            f"{_NAME} is with LD_LIBRARY_PATH"
        ) from why
    for name, (returns, takes) in PROTOTYPES.items():
        function = getattr(loaded, name, None)
        if function is None:
            raise ImportError(f"{_NAME} has no {name}: it is older than this package")
        function.restype = returns
        function.argtypes = takes
    return loaded


lib = _load()


def version() -> str:
    """The version of libqimport, "1.2.3"."""
    return to_text(lib.qimport_version())


def to_bytes(word: Word, what: str) -> bytes:
    """WORD as C takes it: a path in whatever bytes the file system has it."""
    given = os.fsencode(word)
    if b"\0" in given:
        raise ValueError(f"{what}: embedded null character")
    return given


def to_text(given: Optional[bytes]) -> str:
    return "" if given is None else given.decode("utf-8", "surrogateescape")


def take_text(pointer: Any) -> str:
    """The string that the library handed out, freed."""
    try:
        return to_text(ctypes.string_at(pointer))
    finally:
        lib.qimport_free(pointer)
