# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an image is, from its metadata alone; needs no journal."""
from __future__ import annotations

import ctypes
import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional

from ._each import collect
from ._library import (
    EACH_EXTENT,
    ErrorStruct,
    ExtentStruct,
    Pointer,
    Word,
    lib,
    take_text,
    to_bytes,
)
from .errors import error_of
from .options import OptionValue, option_set

_PRESENT, _ZERO, _DATA, _COMPRESSED, _OFFSET = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Extent:
    """Bytes of the disk that are alike, in the words of `qemu-img map`."""

    start: int
    length: int
    depth: int
    """The layer: 0 is the image, 1 its backing file, ..."""
    present: bool
    """A layer says what they are."""
    zero: bool
    """They read as zeros, and no data is stored."""
    data: bool
    compressed: bool
    offset: Optional[int]
    """Where they are in the file of the layer, if they stand there as they are."""


def info(url: Word, **options: OptionValue) -> Dict[str, Any]:
    """The object of `qimport info --json`: keys of `qemu-img info`, and "importable",
    "bytes-to-fetch", "requests"."""
    return _document(lib.qimport_info_json, url, options)


def headers(url: Word, **options: OptionValue) -> Dict[str, Any]:
    """What must be known before the data come: "virtual_size", "cluster_bits", and
    "data_clusters", [first, last] for each run of the disk's clusters that are stored."""
    return _document(lib.qimport_headers_json, url, options)


def _document(
    ask: Callable[..., int], url: Word, options: Mapping[str, OptionValue]
) -> Dict[str, Any]:
    err, text = ErrorStruct(), Pointer()
    where = to_bytes(url, "url")
    with option_set(options) as made:
        rc = ask(where, made, ctypes.byref(text), ctypes.byref(err))
    if rc == -1:
        raise error_of(err)
    found: Dict[str, Any] = json.loads(take_text(text))
    return found


def map(url: Word, **options: OptionValue) -> List[Extent]:
    """The whole disk of the image at URL, in order."""
    where = to_bytes(url, "url")
    with option_set(options) as made:
        return collect(
            EACH_EXTENT,
            extent_of,
            lambda each, err: int(lib.qimport_map(where, made, each, None, err)),
        )


def extent_of(row: ExtentStruct) -> Extent:
    return Extent(
        start=row.start,
        length=row.length,
        depth=row.depth,
        present=bool(row.flags & _PRESENT),
        zero=bool(row.flags & _ZERO),
        data=bool(row.flags & _DATA),
        compressed=bool(row.flags & _COMPRESSED),
        offset=row.offset if row.flags & _OFFSET else None,
    )
