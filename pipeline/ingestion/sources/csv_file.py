"""CSV files: Python's strict parser, because it can say which row is bad and carry on after it."""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import pyarrow as pa

from pipeline.arrays import chunks
from pipeline.config import CsvSource
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.encodings import Encoding, find_encoding
from pipeline.ingestion.sources.files import (
    READ_ERRORS,
    DataFile,
    check_files,
    find_files,
    left_out,
    open_binary,
    without_credentials,
)
from pipeline.ingestion.sources.tabular import (
    REREAD,
    build_batch,
    check_columns,
    reject_rows,
    with_partitions,
)

_SUFFIXES = (".csv", ".tsv")
_BROKEN = 1 << 20  # characters up to which the end of a broken row is looked for

# Python's own limit of 131,072 characters a field would refuse honest long texts. The limit also
# bounds how far a quote that is never closed can run before it is called an error.
_FIELD_LIMIT = 1 << 24


class CsvFiles:
    """Every data row of some CSV files; row numbers count data rows, not lines, from 1."""

    def __init__(self, config: CsvSource) -> None:
        self.name = config.name
        self.config = config

    def check(self) -> None:
        """See `Source.check`."""
        check_files(self.name, self._files(), self._look)

    def _look(self, file: DataFile) -> None:
        self._header(file, find_encoding(file, self.config.encoding))

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        return left_out(self.config, suffixes=_SUFFIXES)

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        for file in self._files():
            try:
                encoding = find_encoding(file, self.config.encoding)
                header = self._header(file, encoding)
            except READ_ERRORS as error:
                entry = (file.name, file.refused(error), None)
                yield SourceBatch.of_rejected(reject_rows(self.name, [entry]))
                continue
            for chunk in _chunks(file, encoding, width=len(header), config=self.config, rows=rows):
                yield self._batch(chunk, header=header, file=file, encoding=encoding)

    def _files(self) -> list[DataFile]:
        if self.config.columns.image_bytes:
            raise ConfigError(
                f"source {self.name}: columns.image_bytes needs Parquet; CSV has no binary columns"
            )
        return find_files(self.config, suffixes=_SUFFIXES)

    def _header(self, file: DataFile, encoding: Encoding) -> list[str]:
        with open_binary(file) as stream:
            text = _decoded(stream, encoding)
            reader = csv.reader(text, delimiter=self.config.delimiter, strict=True)
            try:
                header = next((row for row in reader if row), None)
            except csv.Error as error:
                raise OSError(f"the header row is malformed: {error}") from error
            except UnicodeError as error:
                raise OSError(f"the header row is not {encoding.name}: {error}") from error
        if header is None:
            raise OSError("the file is empty")
        names = [_readable(name, encoding) for name in header]
        # What has no name is called by its place, as a spreadsheet's empty columns are.
        names = [
            name if self.config.header and name != "" else f"column_{number}"
            for number, name in enumerate(names, 1)
        ]
        if None in names:
            raise OSError(f"the header row is not {encoding.name}; state the source's `encoding`")
        known = [name for name in names if name is not None]
        there = [*known, *(name for name in file.partitions if name not in known)]
        check_columns(self.config.columns, there, where=f"source {self.name}: {file.path}")
        return known

    def _batch(
        self, chunk: _Chunk, *, header: list[str], file: DataFile, encoding: Encoding
    ) -> SourceBatch:
        raw, numbers = _table(chunk, header=header, encoding=encoding)
        raw = with_partitions(raw, file.partitions)
        locations = pa.array(
            [f"{file.name}:{n}{REREAD if n in chunk.reread else ''}" for n in numbers], pa.string()
        )
        good = build_batch(
            raw,
            locations=locations,
            origin=file.identity,
            columns=self.config.columns,
            source=self.name,
            image_root=self.config.image_root or file.folder,
        )
        entries = [
            (f"{file.name}:{number}" if number else file.name, reason, raw_row)
            for number, reason, raw_row in chunk.bad
        ]
        return SourceBatch(
            good.rows, pa.concat_tables([reject_rows(self.name, entries), good.rejected])
        )


class _Chunk:
    """Some consecutive data rows: parsed ones and bad ones, each with its row number."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.numbers: list[int] = []
        self.reread: set[int] = set()  # numbers of rows read again out of a broken one
        self.bad: list[tuple[int, str, str | None]] = []  # number 0: the file itself

    def __len__(self) -> int:
        return len(self.numbers) + len(self.bad)


@dataclass(frozen=True)
class _Row:
    """A row's fields, or, with a reason, what is wrong with it and how it was written."""

    fields: list[str]
    reason: str | None = None
    raw: str | None = None
    reread: bool = False


class _Lines:
    """Lines of a text stream that remembers those of the present row and can take lines back.

    `characters` counts what was handed out, lines taken back each time.
    """

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream = stream
        self.again: deque[str] = deque()
        self.row: list[str] = []
        self.reread = False  # the present row begins with a line that was taken back
        self.characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        again = bool(self.again)
        line = self.again.popleft() if again else next(self.stream)
        if not self.row:
            self.reread = again
        self.row.append(line)
        self.characters += len(line)
        return line

    def refuse_row(self, lines: int) -> str:
        """Give up the first lines of the present row; the others are read again."""
        refused, others = self.row[:lines], self.row[lines:]
        self.again.extendleft(reversed(others))
        self.row = []
        return "".join(refused).rstrip("\r\n")


def _chunks(
    file: DataFile, encoding: Encoding, *, width: int, config: CsvSource, rows: int
) -> Iterator[_Chunk]:
    """Parse a file in chunks of `rows` data rows, good and bad together; a header is passed over.

    A chunk of long rows ends earlier, at about `portions.LIMIT` characters.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    chunk, number = _Chunk(), 0
    try:
        with open_binary(file) as stream:
            lines = _Lines(_decoded(stream, encoding))
            parsed = _parse(lines, width=width, delimiter=config.delimiter)
            if config.header:
                next(parsed, None)
            for row in parsed:
                number += 1
                if row.reason is None:
                    chunk.rows.append(row.fields)
                    chunk.numbers.append(number)
                    if row.reread:
                        chunk.reread.add(number)
                else:
                    chunk.bad.append((number, row.reason, row.raw))
                if len(chunk) == rows or lines.characters > chunks.LIMIT:
                    yield chunk
                    chunk, lines.characters = _Chunk(), 0
    except (*READ_ERRORS, UnicodeError) as error:
        why = without_credentials(error)
        reason = f"file ends early after row {number}: {why}; rows after it are lost"
        chunk.bad.append((0, reason, None))
    if len(chunk):
        yield chunk


def _decoded(stream: IO[bytes], encoding: Encoding) -> io.TextIOWrapper:
    name = "utf-8-sig" if encoding.name == "utf-8" else encoding.name
    return io.TextIOWrapper(stream, name, errors="surrogateescape", newline="")


def _parse(lines: _Lines, *, width: int, delimiter: str) -> Iterator[_Row]:
    """Yield every row, good or bad; blank lines are no rows.

    A quote inside a quoted field that is not doubled breaks its row. Where the lines up to the end
    of that field would be sound rows of their own, a stray quote has swallowed them: only the first
    is refused and the others are read again. Else they are one row, which is refused whole:
    pieces of it are no rows.
    """
    while True:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for fields in reader:
                if len(fields) == width and (
                    not lines.reread or _sound(lines.row, width, delimiter)
                ):
                    yield _Row(fields, reread=lines.reread)
                elif fields:
                    reason = f"{len(fields)} columns where the header has {width}"
                    if len(fields) == width:
                        reason = "a line out of a broken row, and not surely a row of its own"
                    yield _Row([], reason, "".join(lines.row).rstrip("\r\n"))
                lines.row.clear()
            return
        except csv.Error as error:
            count = _end_of_row(lines, delimiter)
            if count is None or _sound(lines.row[1:count], width, delimiter):
                count = 1
            yield _Row([], f"malformed CSV: {error}", lines.refuse_row(count))


def _end_of_row(lines: _Lines, delimiter: str) -> int | None:
    """How many lines a broken row has when only a quote at a field's end closes it.

    Lines are read on until then; None: it is not closed within `_BROKEN` characters.
    """
    quoted, at, seen = False, 0, 0
    while seen <= _BROKEN:
        if at == len(lines.row) and next(lines, None) is None:
            return None
        line = lines.row[at]
        at, seen = at + 1, seen + len(line)
        quoted, _ = _quotes(line.rstrip("\r\n"), delimiter, quoted=quoted, closing=("", delimiter))
        if not quoted:
            return at
    return None


def _sound(lines: list[str], width: int, delimiter: str) -> bool:
    """Whether lines are rows as a program writes them: no quote inside a field without quotes."""
    try:
        parsed = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    widths = {len(fields) for fields in parsed if fields}
    return widths <= {width} and not _quotes("".join(lines), delimiter)[1]


def _quotes(
    text: str, delimiter: str, *, quoted: bool = False, closing: tuple[str, ...] | None = None
) -> tuple[bool, bool]:
    """Whether a quoted field is open at the end, and whether a field without quotes holds one.

    Args:
        quoted: one is open at the start.
        closing: what must follow the quote that ends a field; None: any but another quote.
    """
    start, bare, at = not quoted, False, 0
    while at < len(text):
        sign, after = text[at], text[at + 1 : at + 2]
        if quoted and sign == '"':
            if after == '"':
                at += 1
            else:
                quoted = closing is not None and after not in closing
        elif sign == '"':
            bare |= not start
            quoted = start
        start = not quoted and (sign == delimiter or sign in "\r\n")
        at += 1
    return quoted, bare


def _table(chunk: _Chunk, *, header: list[str], encoding: Encoding) -> tuple[pa.Table, list[int]]:
    """Turn parsed rows into string columns; rows that cannot be read join the chunk's bad ones."""
    try:
        return _columns(chunk.rows, header=header), chunk.numbers
    except UnicodeEncodeError:
        rows, numbers = [], []
        for number, row in zip(chunk.numbers, chunk.rows, strict=True):
            read = [_readable(value, encoding) for value in row]
            known = [value for value in read if value is not None]
            if len(known) == len(read):
                rows.append(known)
                numbers.append(number)
            else:
                chunk.bad.append((number, f"invalid {encoding.label}", ",".join(row)))
        return _columns(rows, header=header), numbers


def _columns(rows: list[list[str]], *, header: list[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=header)


def _readable(value: str, encoding: Encoding) -> str | None:
    """A value without surrogates: as it is, or its bytes read otherwise; None: it cannot be."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return encoding.repaired(value)
    return value
