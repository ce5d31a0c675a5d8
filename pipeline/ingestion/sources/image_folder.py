"""A folder of pictures: one row per picture, its key the path below the folder.

A file is a row when its extension is one of a picture, or else when its first bytes are. Other
files are no rows, and are counted; hidden ones are left alone.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.config import ImageFolderSource
from pipeline.errors import SourceError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.files import (
    ending,
    file_system,
    is_local,
    raise_for_access,
    storage_errors,
    without_credentials,
)
from pipeline.ingestion.sources.tabular import reject_rows
from pipeline.ingestion.sources.walking import NOT_REGULAR, FoundPath, walk
from pipeline.storage import ROWS

EXTENSIONS = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff",
        ".webp", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".ico", ".jp2", ".j2k", ".jpx", ".jpf",
        ".avif", ".heic", ".heif", ".hif", ".tga", ".pcx", ".qoi", ".sgi", ".mpo",
    }
)  # fmt: skip
_SIGNATURES = (
    b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*",
    b"qoif", b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51",
)  # fmt: skip
_NETPBM = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
_ISO_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


class ImageFolder:
    """Every picture below a folder, local or remote; the pictures are not opened here."""

    def __init__(self, config: ImageFolderSource) -> None:
        self.name = config.name
        self.config = config
        self.others: Counter[str] = Counter()  # what the last look left out, by ending

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`; known once its `batches` have been read."""
        return dict(sorted(self.others.items()))

    def check(self) -> None:
        """See `Source.check`."""
        fs, path = file_system(self.config)
        where = f"source {self.name}: path {self.config.path}"
        with storage_errors(self.config):
            if not fs.isdir(path):
                raise_for_access(fs, path)
                raise SourceError(f"{where} is not a folder; give an existing folder of pictures")
            fs.ls(path)
            first = next(self._found(fs, path), None)
        if first is None:
            raise SourceError(f"{where} holds no picture; check the path and `recursive`")

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        fs, path = file_system(self.config)
        root = os.path.abspath(path) if is_local(fs) else str(fs.unstrip_protocol(path))
        found = self._found(fs, path)
        while chunk := self._next(found, rows):
            keys = [key for key, reason in chunk if reason is None]
            entries = [(key, reason, None) for key, reason in chunk if reason is not None]
            yield SourceBatch(_rows(keys, root=root), reject_rows(self.name, entries))

    def _next(self, found: Iterator[FoundPath], rows: int) -> list[FoundPath]:
        with storage_errors(self.config):
            return list(islice(found, rows))

    def _found(self, fs: Any, path: str) -> Iterator[FoundPath]:
        self.others.clear()
        recursive = self.config.recursive
        if is_local(fs):
            return _local(os.path.abspath(path), self.others, recursive=recursive)
        return _remote(fs, path, self.others, recursive=recursive)


def is_picture(start: bytes) -> bool:
    """Say whether the first bytes (32 are enough) of a file are those of a known picture."""
    if start.startswith(_SIGNATURES):
        return True
    if start[:4] == b"RIFF":
        return start[8:12] == b"WEBP"
    if start[4:8] == b"ftyp":
        return start[8:12] in _ISO_BRANDS
    if start[:2] == b"BM":  # two letters alone would take any text that begins so
        return start[6:10] == b"\0\0\0\0" and start[14:18] in (
            b"\x28\0\0\0",
            b"\x6c\0\0\0",
            b"\x7c\0\0\0",
        )
    return start[:2] in _NETPBM and start[2:3].isspace()


def _rows(keys: list[str], *, root: str) -> pa.Table:
    empty: list[dict[str, str]] = [{} for _ in keys]
    columns = {
        "key": keys,
        "image_uri": [f"{root.rstrip('/')}/{key}" for key in keys],
        "fields": empty,
        "attributes": empty,
        "location": keys,
    }
    nothing = [None] * len(keys)
    return pa.table({name: columns.get(name, nothing) for name in ROWS.names}, schema=ROWS)


def _remote(fs: Any, path: str, others: Counter[str], *, recursive: bool) -> Iterator[FoundPath]:
    depth = None if recursive else 1
    for item in sorted(fs.find(path, maxdepth=depth)):
        key = posixpath.relpath(item, path)
        if any(part.startswith(".") for part in key.split("/")):
            continue
        if _known(key) or is_picture(fs.cat_file(item, start=0, end=32)):
            yield key, None
        else:
            others[ending(key)] += 1


def _local(root: str, others: Counter[str], *, recursive: bool) -> Iterator[FoundPath]:
    """The pictures of a local folder; of what cannot be read, all that may be one.

    Other files are counted by their ending.
    """
    for key, reason in walk(root, recursive=recursive):
        if reason is not None:
            if reason != NOT_REGULAR or _known(key):
                yield key, reason
        elif _known(key):
            yield key, None
        else:
            try:
                if is_picture(_start(os.path.join(root, key))):
                    yield key, None
                else:
                    others[ending(key)] += 1
            except OSError as error:
                yield key, f"cannot be read: {without_credentials(error)}"


def _known(key: str) -> bool:
    return posixpath.splitext(key)[1].lower() in EXTENSIONS


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(32)
