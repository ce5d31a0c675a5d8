"""JSON files: an object a line, or one array; numbers and nested values stay compact JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import orjson
import pyarrow as pa

from pipeline.arrays import chunks
from pipeline.config import JsonlSource
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.encodings import (
    Encoding,
    find_encoding,
    is_escaped,
    recode,
)
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
    RAW_LIMIT,
    build_batch,
    check_columns,
    needed_columns,
    printable_text,
    reject_rows,
)
from pipeline.storage import STRINGS

_SUFFIXES = (".jsonl", ".ndjson", ".json")
# Where a number is not an integer of up to 18 digits its digits would be lost.
_NUMBER = re.compile(rb"[0-9][.eE]|[0-9]{19}|-0")
_NESTED = 200  # brackets in a line, from which it is looked at whether they nest too deeply
_PROBE = 1000  # lines in which `check` looks for the columns
_LINE_LIMIT = 1 << 26  # bytes; a longer line is no record but a file of another kind

Object = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One line that is not blank: its object, or what is wrong with it."""

    number: int  # 0: the file itself
    item: Object | None
    reason: str = ""
    raw: bytes | None = None
    size: int = 0  # bytes


class JsonlFiles:
    """Every line of some JSON Lines files; row numbers are line numbers, blank lines counted."""

    def __init__(self, config: JsonlSource) -> None:
        self.name = config.name
        self.config = config

    def check(self) -> None:
        """See `Source.check`; columns are looked for in the first 1,000 lines of each file."""
        check_files(self.name, self._files(), self._probe)

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        return left_out(self.config, suffixes=_SUFFIXES)

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        for file in self._files():
            lines = _lines(file, self.config.encoding)
            while chunk := _chunk(lines, rows):
                yield self._batch(chunk, file=file)

    def _files(self) -> list[DataFile]:
        if self.config.columns.image_bytes:
            raise ConfigError(
                f"source {self.name}: columns.image_bytes needs Parquet; JSON has no binary values"
            )
        return find_files(self.config, suffixes=_SUFFIXES)

    def _probe(self, file: DataFile) -> str | None:
        """Hold the columns to the start of a file; say what is wrong when nothing there parses."""
        lines = list(islice(_lines(file, self.config.encoding), _PROBE))
        objects = [line.item for line in lines if line.item is not None]
        if lines and not lines[0].number:
            return lines[0].reason
        if lines and not objects:
            return f"none of the first {len(lines)} lines is a JSON object; {lines[0].reason}"
        names = (name for item in (*objects, file.partitions) for name in item)
        present = list(dict.fromkeys(names))
        reached = (name for _, name in needed_columns(self.config.columns))
        present += [
            name
            for name in dict.fromkeys(reached)
            if name not in present and any(value_at(o, name) is not None for o in objects)
        ]
        if objects:
            check_columns(self.config.columns, present, where=f"source {self.name}: {file.path}")
        return None

    def _batch(self, lines: list[Line], *, file: DataFile) -> SourceBatch:
        names = dict.fromkeys(name for _, name in needed_columns(self.config.columns))
        numbers = [line.number for line in lines if line.item is not None]
        objects = [
            {**file.partitions, **line.item} if file.partitions else line.item
            for line in lines
            if line.item is not None
        ]
        raw = {
            name: pa.array([json_text(value_at(o, name)) for o in objects], pa.string())
            for name in names
        }
        batch = build_batch(
            pa.table(raw),
            locations=pa.array([f"{file.name}:{number}" for number in numbers], pa.string()),
            origin=file.identity,
            columns=self.config.columns,
            source=self.name,
            image_root=self.config.image_root or file.folder,
            attributes=self._attributes(objects),
            show=lambda row: json_text(objects[row]) or "{}",
        )
        entries = [
            (
                f"{file.name}:{line.number}" if line.number else file.name,
                line.reason,
                None if line.raw is None else printable_text(line.raw),
            )
            for line in lines
            if line.item is None
        ]
        return SourceBatch(
            batch.rows, pa.concat_tables([reject_rows(self.name, entries), batch.rejected])
        )

    def _attributes(self, objects: list[Object]) -> pa.Array:
        """Build the map row by row: objects may each have names of their own."""
        columns = self.config.columns
        taken = {columns.id, *columns.text_columns}
        chosen = None if columns.attributes == "*" else set(columns.attributes)
        deep = [name for name in chosen or () if "." in name]
        offsets, names, values = [0], [], []
        for item in objects:
            inside = [(name, value_at(item, name)) for name in deep if name not in item]
            for name, value in (*item.items(), *inside):
                if name in taken or (chosen is not None and name not in chosen):
                    continue
                word = json_text(value)
                if word:
                    names.append(name)
                    values.append(word)
            offsets.append(len(names))
        return pa.MapArray.from_arrays(
            pa.array(offsets, pa.int32()),
            pa.array(names, pa.string()),
            pa.array(values, pa.string()),
            type=STRINGS,
        )


class Digits(str):
    """A JSON number as it was written."""

    __slots__ = ()


def value_at(item: Object, name: str) -> Any:
    """The value of a column: its own, or where it has none that of the path `a.b.0`; else None."""
    if name in item or "." not in name:
        return item.get(name)
    found: Any = item
    for part in name.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal():
            found = found[int(part)] if int(part) < len(found) else None
        else:
            return None
    return found


def json_text(value: Any) -> str | None:
    """Return a JSON value as a string: strings and numbers as they are written, others compact.

    Null and what holds nothing, `[]` and `{}`, are None.
    """
    if value is None or value == [] or value == {}:
        return None
    if isinstance(value, str):
        return str(value)
    return _compact(value)


def _compact(value: Any) -> str:
    """Compact JSON; numbers keep their digits."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        parts = (f"{_compact(str(name))}:{_compact(part)}" for name, part in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return orjson.dumps(value).decode()


def _lines(file: DataFile, stated: str | None) -> Iterator[Line]:
    number = 0
    try:
        encoding = find_encoding(file, stated)
        with open_binary(file) as bytes_of_file:
            stream = recode(bytes_of_file, encoding)
            start = stream.peek(1)  # type: ignore[attr-defined]
            if not start:
                yield Line(0, None, "the file is empty")
                return
            if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
                yield from _items(stream.read())
                return
            while data := stream.readline(_LINE_LIMIT):
                number += 1
                if len(data) == _LINE_LIMIT and not data.endswith(b"\n"):
                    _skip_line(stream)
                    reason = f"line longer than {_LINE_LIMIT:,} bytes"
                    yield Line(number, None, reason, data[:RAW_LIMIT])
                elif not data.isspace():
                    yield _parse(data, number=number, encoding=encoding)
    except READ_ERRORS as error:
        early = f"file ends early after line {number}: {without_credentials(error)}"
        yield Line(0, None, early if number else file.refused(error))


def _items(data: bytes) -> Iterator[Line]:
    """The objects of one array, numbered from 1. It is read whole: JSON has no rows to stop at."""
    try:
        items = json.loads(data.decode("utf-8-sig"), parse_int=Digits, parse_float=Digits)
    except ValueError as error:
        yield Line(0, None, f"file cannot be read: malformed JSON: {error}")
        return
    size = len(data) // max(len(items), 1)
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            yield Line(number, item, size=size)
        else:
            reason = f"not a JSON object but {type(item).__name__}"
            yield Line(number, None, reason, json.dumps(item)[:RAW_LIMIT].encode(), size)


def _chunk(lines: Iterator[Line], rows: int) -> list[Line]:
    """Take the next lines, at most `rows` and about `portions.LIMIT` bytes."""
    chunk, size = [], 0
    for line in islice(lines, rows):
        chunk.append(line)
        size += line.size
        if size > chunks.LIMIT:
            break
    return chunk


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(_LINE_LIMIT)) and not rest.endswith(b"\n"):
        pass


def _parse(data: bytes, *, number: int, encoding: Encoding) -> Line:
    if number == 1:
        data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        item = orjson.loads(data)
        if _NUMBER.search(data):
            item = _with_digits(data)
    except (orjson.JSONDecodeError, RecursionError) as error:
        read = _repaired(data, encoding)
        if read is not None:
            return _parse(read, number=number, encoding=encoding)
        item = _tolerant(data)
        if item is None:
            return Line(number, None, _malformed(data, error), _start(data), len(data))
    if type(item) is not dict:
        reason = f"not a JSON object but {type(item).__name__}"
        return Line(number, None, reason, _start(data), len(data))
    if data.count(b"[") + data.count(b"{") > _NESTED:
        try:
            _compact(item)
        except RecursionError:
            return Line(number, None, "nested too deeply", _start(data), len(data))
    return Line(number, item, size=len(data))


def _with_digits(data: bytes) -> Any:
    """Parse JSON with its numbers as they are written; NaN, which is no JSON, is null."""
    return json.loads(
        data,
        parse_int=Digits,
        parse_float=Digits,
        parse_constant=lambda word: None if word == "NaN" else Digits(word),
    )


def _tolerant(data: bytes) -> Any:
    """Parse what only a strict reader refuses: NaN and numbers beyond a double; else None."""
    try:
        item = _with_digits(data)
        json.dumps(item, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        return None
    return item


def _repaired(data: bytes, encoding: Encoding) -> bytes | None:
    """A line that is not UTF-8, read as what it then mostly is; None: it is, or cannot be read."""
    text = data.decode("utf-8", "surrogateescape")
    if text.isprintable() or not any(map(is_escaped, text)):
        return None
    read = encoding.repaired(text)
    return None if read is None else read.encode()


def _start(data: bytes) -> bytes:
    """What is kept of a bad line for the eye; a character takes four bytes at most."""
    return data.strip()[: 4 * RAW_LIMIT]


def _malformed(data: bytes, error: Exception) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        return f"invalid UTF-8 at byte {wrong.start + 1} of the line"
    return f"malformed JSON: {error}"
