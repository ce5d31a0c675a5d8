"""Positions of values among others: joins of tables and arrays without a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays.chunks import as_array

Places = npt.NDArray[np.int64]


def as_strings(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One array of strings, whatever it was before."""
    return as_array(column).cast(pa.string())


def positions_in(values: pa.Array | pa.ChunkedArray, among: pa.Array) -> Places:
    """(n,) place of each value in `among`, where each is once; -1 where it is not there."""
    found = pc.fill_null(pc.index_in(values, value_set=among), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)


def factorize(values: Places) -> tuple[Places, Places]:
    """The distinct values (not negative), ascending, and the place of each value among them.

    For row numbers, of which the greatest is not far beyond how many there are.
    """
    there = np.zeros(int(values.max(initial=-1)) + 1, bool)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def factorize_strings(column: pa.ChunkedArray) -> tuple[pa.Array, Places]:
    """The distinct strings but null, ascending, and the place of each among them, -1 of null."""
    distinct = as_strings(pc.drop_null(pc.unique(column)))
    distinct = distinct.take(pc.sort_indices(distinct))
    return distinct, positions_in(column, distinct)


def positions_in_sorted(values: npt.NDArray[Any], among: npt.NDArray[Any]) -> Places:
    """(n,) place of each value in the ascending `among`, -1 where it is not there."""
    if not len(among):
        return np.full(len(values), -1, np.int64)
    at = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.where(among[at] == values, at, -1)


def sorted_unique(parts: list[npt.NDArray[np.int64]]) -> Places:
    """The distinct values of some arrays, ascending; the list is emptied on the way.

    Sorting is several times as fast as the hash table that `np.unique` fills for millions of keys,
    most of all when they come in sorted stretches. It takes half as much room again as the values.
    """
    out = np.empty(sum(len(part) for part in parts), np.int64)
    end = len(out)
    while parts:
        part = parts.pop()
        out[end - len(part) : end] = part
        end -= len(part)
    out.sort(kind="stable")
    repeated = out[1:] == out[:-1]
    return out[np.concatenate([[True], ~repeated])] if repeated.any() else out
