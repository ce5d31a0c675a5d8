"""Rows a bounded portion at a time, because Arrow counts the bytes of a string column in 32 bits.

An array of strings ends at 2 GB, and Arrow joins all chunks of a column into one array before it
gathers rows from them. So long columns are cut by their bytes, gathered chunk by chunk, or joined
with 64-bit offsets. The numbers here are bytes of content, without offsets and headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.arrays.aliases import Rows

# Bytes of one portion. What is made of it (Python strings, words) takes several times as much.
LIMIT = 1 << 27

Sizes = NDArray[np.int64]


def chunk_bounds(
    sizes: Sizes, *, rows: int | None = None, limit: int | None = None
) -> Iterator[slice]:
    """Cut n rows of the given sizes into consecutive slices of at most `limit` together.

    Args:
        sizes: (n,) what each row counts.
        rows: most rows of a slice; None: any number.
        limit: None: LIMIT bytes. A row that alone exceeds it is a slice of its own.
    """
    total = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    count, start = len(sizes), 0
    while start < count:
        most = int(np.searchsorted(total, total[start] + (limit or LIMIT), side="right")) - 1
        stop = min(max(most, start + 1), count if rows is None else start + rows, count)
        yield slice(start, stop)
        start = stop


def row_bytes(table: pa.Table | pa.RecordBatch) -> Sizes:
    """Bytes of each row (n,): strings, binaries and maps of strings; other columns on average."""
    total = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        total += np.concatenate([np.zeros(0, np.int64), *map(value_bytes, chunks)])
    return total


def value_bytes(values: pa.Array) -> Sizes:
    """Bytes of each value (n,) of an array; see `row_bytes`."""
    kind = values.type
    if _has_lengths(kind):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0), np.int64)
    if pa.types.is_dictionary(kind):
        places = pc.fill_null(values.indices.cast(pa.int64()), -1).to_numpy()
        return np.asarray(np.append(value_bytes(values.dictionary), 0)[places])
    if pa.types.is_map(kind):
        offsets = np.asarray(values.offsets)
        first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
        inner = [value_bytes(part.slice(first, count)) for part in (values.keys, values.items)]
        total = np.concatenate([[0], np.cumsum(inner[0] + inner[1])])
        return np.asarray(np.diff(total[offsets - first]), np.int64)
    return np.full(len(values), values.nbytes // max(len(values), 1), np.int64)


def _has_lengths(kind: pa.DataType) -> bool:
    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


def iter_chunks(
    values: pa.Array, *, rows: int | None = None, limit: int | None = None
) -> Iterator[pa.Array]:
    """Yield an array in consecutive slices of bounded bytes; nothing is copied."""
    for part in chunk_bounds(value_bytes(values), rows=rows, limit=limit):
        yield values[part]


def as_array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array of the values of a column; of strings at most 2 GB, see `combine_large`."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def combine_large(column: pa.ChunkedArray) -> pa.Array:
    """Join the chunks of a column into one array; strings and binaries get 64-bit offsets."""
    return with_64bit_offsets(column).combine_chunks()


def with_64bit_offsets(data: pa.ChunkedArray | pa.Table) -> pa.ChunkedArray | pa.Table:
    """Give strings and binaries 64-bit offsets; their bytes are not copied."""
    if isinstance(data, pa.Table):
        fields = [field.with_type(_wide(field.type)) for field in data.schema]
        return data.cast(pa.schema(fields))
    return data.cast(_wide(data.type))


def _wide(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string(kind):
        return pa.large_string()
    return pa.large_binary() if pa.types.is_binary(kind) else kind


def take_in_batches(table: pa.Table, order: Rows, *, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table in another order, in batches of bounded rows and bytes.

    No column is ever joined whole, so it may be of any size and takes no second place in memory.
    """
    batches, order = table.to_batches(), np.asarray(order, np.int64)
    ends = np.cumsum([batch.num_rows for batch in batches], dtype=np.int64)
    sizes = row_bytes(table)[order]
    for part in chunk_bounds(sizes, rows=rows):
        yield take_rows(batches, ends, order[part])


def take_rows(batches: Sequence[pa.RecordBatch], ends: Rows, wanted: Rows) -> pa.RecordBatch:
    """Some rows out of consecutive batches that end before `ends`, in the order of `wanted`."""
    chunk = np.searchsorted(ends, wanted, side="right")
    by_chunk = np.argsort(chunk, kind="stable")
    numbers, first = np.unique(chunk[by_chunk], return_index=True)
    pieces = [
        batches[number].take(pa.array(wanted[rows] - (ends[number] - batches[number].num_rows)))
        for number, rows in zip(numbers, np.split(by_chunk, first[1:]), strict=True)
    ]
    together = pa.Table.from_batches(pieces).combine_chunks().to_batches()[0]
    if len(pieces) == 1:
        return together
    back = np.empty(len(wanted), np.int64)
    back[by_chunk] = np.arange(len(wanted))
    return together.take(pa.array(back))
