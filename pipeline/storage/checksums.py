"""Parquet files that can be told from damaged ones: written in bounded pieces, named by their hash.

<stem>-<number>-<crc32 of the footer>-<first 16 digits of the file's sha256>.parquet

Three checks, each where it costs little: the pages carry Parquet's own checksums, which every read
verifies; the footer, which has none, is compared with its crc32 whenever a file is opened; the
whole file with its sha256 when somebody asks (`gemel doctor`). Files that other writers made are
read without the last two.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import PipelineError
from pipeline.storage.place import Place

ROW_GROUP_BYTES = 1 << 26  # in memory, before compression: what a writer holds at most
FILE_BYTES = 1 << 29  # in memory, before compression: where the next file begins
SLICE_ROWS = 16_384
_SEAL = re.compile(r"-([0-9a-f]{8})-([0-9a-f]{16})\.parquet$")
_MAGIC, _TAIL = b"PAR1", 8  # a file ends with its footer, the footer's length (4 bytes) and PAR1


class DamageError(Exception):
    """A file is not what was written; who reads it says what to do about it."""


def file_digest(path: Path, *, error: type[PipelineError]) -> str:
    """The sha256 of a file, 64 hex digits.

    Raises:
        PipelineError: the file cannot be read; of the class `error`.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as cause:
        raise error(f"cannot read {path}: {cause.strerror}") from cause


@dataclass(frozen=True)
class WrittenPart:
    """A file that was written."""

    place: Place
    rows: int
    bytes: int


def write_parts(
    folder: Place, stem: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema, **options: Any
) -> Iterator[WrittenPart]:
    """Write batches to as many files as their size asks for; none when there are no rows.

    Args:
        stem: begins each file's name, before its number and its seal.
        options: of the Parquet writer.
    """
    groups = _groups(batches)
    group = next(groups, None)
    number = 0
    while group is not None:
        with folder.scratch(stem) as path:
            rows = size = 0
            with pq.ParquetWriter(path, schema, write_page_checksum=True, **options) as writer:
                while group is not None and size < FILE_BYTES:
                    table = pa.Table.from_batches(group, schema)
                    writer.write_table(table, row_group_size=len(table))
                    rows, size = rows + len(table), size + table.nbytes
                    group = next(groups, None)
            target = folder / f"{stem}-{number:05d}{_seal(path)}"
            yield WrittenPart(target, rows, target.take(path))
        number += 1


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """The batches, the long ones cut, in groups of bounded size."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        for start in range(0, len(batch), SLICE_ROWS):
            piece = batch.slice(start, SLICE_ROWS)
            held.append(piece)
            size += piece.nbytes
            if size >= ROW_GROUP_BYTES:
                yield held
                held, size = [], 0
    if held:
        yield held


def _seal(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return f"-{_footer_crc(stream):08x}-{digest[:16]}.parquet"


def _footer_crc(stream: IO[bytes]) -> int:
    """The crc32 of a Parquet file's footer.

    Raises:
        DamageError: the file does not end as one does.
    """
    size = stream.seek(0, 2)
    stream.seek(max(size - _TAIL, 0))
    tail = stream.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length + _TAIL > size:
        raise DamageError("it is cut short")
    stream.seek(size - _TAIL - length)
    return zlib.crc32(stream.read(length))


def check_footer(place: Place) -> None:
    """Compare the footer with the file's name.

    Raises:
        DamageError: it differs, or the file is gone or cut short.
    """
    seal = _SEAL.search(place.path)
    try:
        with place.errors(), place.fs.open(place.key, "rb") as stream:
            found = _footer_crc(stream)
    except FileNotFoundError as error:
        raise DamageError("it is missing") from error
    if seal and int(seal[1], 16) != found:
        raise DamageError("its footer was altered")


def check_whole(place: Place) -> None:
    """Compare the whole file with its name; one that has no hash in its name is read instead.

    Raises:
        DamageError: it differs, or the file is gone or cannot be read.
    """
    check_footer(place)
    seal = _SEAL.search(place.path)
    with place.errors(), place.fs.open(place.key, "rb") as stream:
        if seal:
            if hashlib.file_digest(stream, "sha256").hexdigest()[:16] != seal[2]:
                raise DamageError("its content was altered")
            return
        try:
            for _ in pq.ParquetFile(stream, page_checksum_verification=True).iter_batches():
                pass
        except (pa.ArrowException, OSError) as error:
            raise DamageError(" ".join(str(error).split())[:200]) from error
