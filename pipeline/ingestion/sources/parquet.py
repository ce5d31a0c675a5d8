"""Parquet files: streamed row group by row group, only the columns that are needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.arrays import chunks
from pipeline.config import ParquetSource
from pipeline.errors import ConfigError
from pipeline.ingestion.sources.arrow_values import (
    nested_as_text,
    spell_out,
    texts_of_bytes,
)
from pipeline.ingestion.sources.base import SourceBatch, gather_batches
from pipeline.ingestion.sources.files import (
    READ_ERRORS,
    DataFile,
    check_files,
    find_files,
    left_out,
    open_file,
    without_credentials,
)
from pipeline.ingestion.sources.tabular import (
    attribute_names,
    build_batch,
    check_columns,
    needed_columns,
    reject_rows,
    show_value,
    with_partitions,
)

_BINARY = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
    pa.types.is_binary_view,
)
_SUFFIXES = (".parquet", ".pq")
_BUFFER = 1 << 22  # bytes read ahead in each column of a large row group


class ParquetFiles:
    """Every row of some Parquet files; a row group that cannot be read is lost row by row."""

    def __init__(self, config: ParquetSource) -> None:
        self.name = config.name
        self.config = config

    def check(self) -> None:
        """See `Source.check`."""
        check_files(self.name, find_files(self.config, suffixes=_SUFFIXES), self._look)

    def _look(self, file: DataFile) -> None:
        with _open(file) as parquet:
            self._check_schema(parquet.schema_arrow, file)

    def left_out(self) -> dict[str, int]:
        """See `Source.left_out`."""
        return left_out(self.config, suffixes=_SUFFIXES)

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """See `Source.batches`."""
        return gather_batches(self._pieces(rows), rows=rows)

    def _pieces(self, rows: int) -> Iterator[SourceBatch]:
        for file in find_files(self.config, suffixes=_SUFFIXES):
            try:
                with _open(file) as parquet:
                    yield from self._groups(parquet, file=file, rows=rows)
            except READ_ERRORS as error:
                entry = (file.name, file.refused(error), None)
                yield SourceBatch.of_rejected(reject_rows(self.name, [entry]))

    def _groups(
        self, parquet: pq.ParquetFile, *, file: DataFile, rows: int
    ) -> Iterator[SourceBatch]:
        names = self._names(parquet.schema_arrow)
        missing = {name for _, name in needed_columns(self.config.columns)}
        missing -= {*names, *file.partitions}
        if missing:  # a damaged header reads as another one
            reason = f"no column {', '.join(sorted(missing))}"
            yield from self._lost(file, range(1, parquet.metadata.num_rows + 1), rows, reason)
            return
        at = 1
        for group in range(parquet.num_row_groups):
            stored = parquet.metadata.row_group(group)
            end = at + stored.num_rows
            few = min(rows, _rows_at_a_time(stored))
            try:
                for part in parquet.iter_batches(few, row_groups=[group], columns=names):
                    # A dictionary can make a batch far larger than the file says.
                    for piece in chunks.chunk_bounds(chunks.row_bytes(part)):
                        table = pa.Table.from_batches([part[piece]]).select(names)
                        yield self._batch(table, file=file, first=at)
                        at += table.num_rows
            except READ_ERRORS as error:
                reason = f"row group {group} cannot be read: {without_credentials(error)}"
                yield from self._lost(file, range(at, end), rows, reason)
            at = end

    def _lost(
        self, file: DataFile, numbers: range, rows: int, reason: str
    ) -> Iterator[SourceBatch]:
        for start in range(0, len(numbers), rows):
            lost = numbers[start : start + rows]
            entries = [(f"{file.name}:{number}", reason, None) for number in lost]
            yield SourceBatch.of_rejected(reject_rows(self.name, entries))

    def _names(self, schema: pa.Schema) -> list[str]:
        """Columns to read, in the file's order."""
        wanted = {name for _, name in needed_columns(self.config.columns)}
        wanted.update(attribute_names(self.config.columns, schema.names))
        return [name for name in schema.names if name in wanted]

    def _check_schema(self, schema: pa.Schema, file: DataFile) -> None:
        columns, where = self.config.columns, file.path
        there = [*schema.names, *(name for name in file.partitions if name not in schema.names)]
        check_columns(columns, there, where=f"source {self.name}: {where}")
        for field, name in needed_columns(columns):
            if name not in schema.names:
                continue
            kind = schema.field(name).type
            is_bytes = any(test(kind) for test in _BINARY)
            if field == "columns.image_bytes" and not is_bytes:
                fix = "must be binary, is {}; a path or URL of a picture goes under columns.image"
            elif field == "columns.image" and is_bytes:
                fix = "must be a path or URL, is {}; the pictures themselves go under "
                fix += "columns.image_bytes"
            elif field in ("columns.id", "columns.image") and pa.types.is_nested(_stored(kind)):
                fix = "must be a string or a number, is {}"
            else:
                continue
            raise ConfigError(f"source {self.name}: {where}: {field} '{name}' {fix.format(kind)}")

    def _batch(self, table: pa.Table, *, file: DataFile, first: int) -> SourceBatch:
        image = self.config.columns.image_bytes
        needed = {name for _, name in needed_columns(self.config.columns)}
        columns, bad = {}, np.zeros(table.num_rows, dtype=bool)
        for name in table.column_names:
            column = table[name].combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks)
            if name == image:
                columns[name] = column.cast(pa.binary())
            else:
                columns[name], wrong = as_text(column)
                bad |= wrong & (name in needed)  # what nobody asked for refuses no row
        raw = with_partitions(pa.table(columns), file.partitions)
        numbers = range(first, first + table.num_rows)
        locations = pa.array([f"{file.name}:{number}" for number in numbers], pa.string())
        entries = [
            (locations[int(i)].as_py(), "invalid UTF-8", show_value(raw.slice(i, 1).to_pylist()[0]))
            for i in np.flatnonzero(bad)
        ]
        good = build_batch(
            raw.filter(pa.array(~bad)) if entries else raw,
            locations=locations.filter(pa.array(~bad)) if entries else locations,
            origin=file.identity,
            columns=self.config.columns,
            source=self.name,
            image_root=self.config.image_root or file.folder,
        )
        return SourceBatch(
            good.rows, pa.concat_tables([reject_rows(self.name, entries), good.rejected])
        )


def _rows_at_a_time(group: pq.RowGroupMetaData) -> int:
    """Rows of a row group that hold about `portions.LIMIT` bytes.

    By all its columns: asking for one of a damaged file ends the process in Arrow 26.
    """
    return max(1, int(chunks.LIMIT * group.num_rows // max(group.total_byte_size, 1)))


def as_text(column: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Return a column as strings: times in ISO 8601 (UTC), nested values as compact JSON, whole
    numbers without a point whatever their type, bytes that are no text as 0x and hexadecimals.

    The second array marks strings that are not UTF-8, which Parquet does not guarantee and Arrow
    does not look at when it reads; their odd bytes are written \\xNN in the first.
    """
    kind = column.type
    fine = np.zeros(len(column), dtype=bool)
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return pa.array(
                [value and str(value) for value in column.to_pylist()], pa.string()
            ), fine
        return as_text(column.storage)
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        if kind.tz:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        return pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1), fine
    if pa.types.is_nested(kind):
        return nested_as_text(column)
    if pa.types.is_floating(kind):
        return spell_out(column, sign="e+", spell=lambda value: str(int(value))), fine
    if pa.types.is_decimal(kind):
        return spell_out(column, sign="E", spell="{:f}".format), fine
    if not _is_text(kind):
        return column.cast(pa.string()), fine
    return texts_of_bytes(column, hexadecimal=_is_binary(kind))


def _stored(kind: pa.DataType) -> pa.DataType:
    """What an extension type, such as a UUID, is stored as."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _is_binary(kind: pa.DataType) -> bool:
    return any(test(kind) for test in _BINARY)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_string_view)
    return _is_binary(kind) or any(test(kind) for test in tests)


@contextmanager
def _open(file: DataFile) -> Iterator[pq.ParquetFile]:
    with open_file(file) as stream, pq.ParquetFile(stream) as parquet:
        groups = map(parquet.metadata.row_group, range(parquet.num_row_groups))
        if max((group.total_byte_size for group in groups), default=0) <= chunks.LIMIT:
            yield parquet
            return
        # Arrow fetches whole row groups ahead, which is fast and takes as much memory.
        slow = {"pre_buffer": False, "buffer_size": _BUFFER}
        with pq.ParquetFile(stream, metadata=parquet.metadata, **slow) as frugal:
            yield frugal
