"""CSV files: Python's strict parser, because it can say which row is bad and carry on after it."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator

import pyarrow as pa

from pipeline.arrays import chunks
from pipeline.config import CsvSource
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.files import (
    READ_ERRORS,
    DataFile,
    check_files,
    find_files,
    open_binary,
    without_credentials,
)
from pipeline.ingestion.sources.tabular import build_batch, check_columns, reject_rows

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
        self._header(file)

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        for file in self._files():
            try:
                header = self._header(file)
            except READ_ERRORS as error:
                entry = (file.name, file.refused(error), None)
                yield SourceBatch.of_rejected(reject_rows(self.name, [entry]))
                continue
            for chunk in _chunks(
                file, width=len(header), delimiter=self.config.delimiter, rows=rows
            ):
                yield self._batch(chunk, header=header, file=file)

    def _files(self) -> list[DataFile]:
        if self.config.columns.image_bytes:
            raise ConfigError(
                f"source {self.name}: columns.image_bytes needs Parquet; CSV has no binary columns"
            )
        return find_files(self.config, suffixes=(".csv", ".tsv"))

    def _header(self, file: DataFile) -> list[str]:
        with open_binary(file) as stream:
            start = stream.peek(4)[:2]  # type: ignore[attr-defined]
            if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                raise OSError("the file is UTF-16; save it as UTF-8")
            text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
            reader = csv.reader(text, delimiter=self.config.delimiter, strict=True)
            try:
                header = next((row for row in reader if row), None)
            except csv.Error as error:
                raise OSError(f"the header row is malformed: {error}") from error
        if header is None:
            raise OSError("the file is empty")
        check_columns(self.config.columns, header, where=f"source {self.name}: {file.path}")
        return header

    def _batch(self, chunk: _Chunk, *, header: list[str], file: DataFile) -> SourceBatch:
        raw, numbers = _table(chunk, header=header)
        locations = pa.array([f"{file.name}:{number}" for number in numbers], pa.string())
        good = build_batch(
            raw,
            locations=locations,
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
        self.bad: list[tuple[int, str, str | None]] = []  # number 0: the file itself

    def __len__(self) -> int:
        return len(self.numbers) + len(self.bad)


class _Lines:
    """Lines of a text stream that remembers those of the present row and can take lines back.

    `characters` counts what was handed out, lines taken back each time.
    """

    def __init__(self, stream: io.TextIOBase) -> None:
        self.stream = stream
        self.again: deque[str] = deque()
        self.row: list[str] = []
        self.characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else next(self.stream)
        self.row.append(line)
        self.characters += len(line)
        return line

    def refuse_row(self) -> str:
        """Give up the first line of the present row only; the others are read again."""
        first, *others = self.row
        self.again.extendleft(reversed(others))
        self.row = []
        return first


def _chunks(file: DataFile, *, width: int, delimiter: str, rows: int) -> Iterator[_Chunk]:
    """Parse a file after its header in chunks of `rows` data rows, good and bad together.

    A chunk of long rows ends earlier, at about `portions.LIMIT` characters.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    chunk, number = _Chunk(), 0
    try:
        with open_binary(file) as stream:
            text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
            lines = _Lines(text)
            parsed = _parse(lines, width=width, delimiter=delimiter)
            next(parsed, None)
            for row, reason, raw in parsed:
                number += 1
                if reason is None:
                    chunk.rows.append(row)
                    chunk.numbers.append(number)
                else:
                    chunk.bad.append((number, reason, raw))
                if len(chunk) == rows or lines.characters > chunks.LIMIT:
                    yield chunk
                    chunk, lines.characters = _Chunk(), 0
    except READ_ERRORS as error:
        why = without_credentials(error)
        reason = f"file ends early after row {number}: {why}; rows after it are lost"
        chunk.bad.append((0, reason, None))
    if len(chunk):
        yield chunk


def _parse(
    lines: _Lines, *, width: int, delimiter: str
) -> Iterator[tuple[list[str], str | None, str | None]]:
    """Yield (fields, reason, raw) per row, reason None for a good one; blank lines are no rows.

    After an error only the first line of the bad row is given up: a stray quote that swallowed a
    thousand good rows up to the next quote costs one row.
    """
    while True:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if len(row) == width:
                    yield row, None, None
                elif row:
                    reason = f"{len(row)} columns where the header has {width}"
                    yield row, reason, "".join(lines.row).rstrip("\r\n")
                lines.row.clear()
            return
        except csv.Error as error:
            yield [], f"malformed CSV: {error}", lines.refuse_row().rstrip("\r\n")


def _table(chunk: _Chunk, *, header: list[str]) -> tuple[pa.Table, list[int]]:
    """Turn parsed rows into string columns; rows that are not UTF-8 join the chunk's bad ones."""
    try:
        return _columns(chunk.rows, header=header), chunk.numbers
    except UnicodeEncodeError:
        numbered = list(zip(chunk.numbers, chunk.rows, strict=True))
        odd = {number for number, row in numbered if not _is_utf8(row)}
        chunk.bad += [(n, "invalid UTF-8", ",".join(row)) for n, row in numbered if n in odd]
        good = [(n, row) for n, row in numbered if n not in odd]
        return _columns([row for _, row in good], header=header), [n for n, _ in good]


def _columns(rows: list[list[str]], *, header: list[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    return pa.table([pa.array(column, pa.string()) for column in columns], names=header)


def _is_utf8(row: list[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True
