"""Matrices that are larger than memory should be: rows chosen without a copy, pages let go."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

# Pages of a mapped file up to this size may stay; what is larger is let go as it is read.
MAPPED = 1 << 28
ROOM = 1 << 31  # bytes of an array that is held in memory at most
STRETCH = 4096  # rows; with each the system maps its whole neighbourhood of 64 KB


class Chosen:
    """Some rows of a matrix, gathered only when they are asked for."""

    def __init__(self, vectors: Matrix, rows: npt.NDArray[np.int64]) -> None:
        self.vectors, self.rows = vectors, rows

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.rows), int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> Vectors:
        return self.vectors[self.rows[rows]]


Matrix = Vectors | Chosen  # (n, d), of which slices and choices of rows are read


def tail(vectors: Matrix, first: int) -> Matrix:
    """The rows from `first` on, without a copy."""
    if isinstance(vectors, Chosen):
        return Chosen(vectors.vectors, vectors.rows[first:])
    return vectors[first:]


def gathered(vectors: Matrix, rows: npt.NDArray[np.int64]) -> Vectors:
    """(r, d) copies of rows that lie far apart."""
    out = np.empty((len(rows), vectors.shape[1]), np.float32)
    for start in range(0, len(rows), STRETCH):
        out[start : start + STRETCH] = vectors[rows[start : start + STRETCH]]
        forget(vectors)
    return out


def forget(vectors: Matrix) -> None:
    """Take the pages of a large mapped file out of this process; the system may still hold them.

    What is read of a mapped file counts as the process's memory until then.
    """
    while isinstance(vectors, Chosen):
        vectors = vectors.vectors
    # What was written to a private map would be lost.
    if vectors.nbytes > MAPPED and not vectors.flags.writeable:
        let_go(vectors)


def let_go(array: npt.NDArray[Any]) -> None:
    """The same of any array; none but a shared map of a file has pages to let go."""
    if (owner := _mapped(array, mmap.mmap)) is not None and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def spacious(shape: tuple[int, int], kind: npt.DTypeLike, beside: Matrix) -> npt.NDArray[Any]:
    """An empty array in memory or, above ROOM, in a file without a name.

    Args:
        beside: whose file's folder, on a disk that holds as much, is to hold the array too; where
            it is no file's, memory it is.
    """
    while isinstance(beside, Chosen):
        beside = beside.vectors
    size = shape[0] * shape[1] * np.dtype(kind).itemsize
    file = _mapped(beside, np.memmap)
    if size <= ROOM or file is None or not file.filename:
        return np.empty(shape, kind)
    with TemporaryFile(dir=Path(file.filename).parent) as out:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(out.fileno(), 0, size)  # a full disk is an error here, a crash later
        else:
            out.truncate(size)
        return np.memmap(out, kind, "r+", shape=shape)


def _mapped(array: Any, kind: type) -> Any:
    """What of some kind an array is a view of; None: of no such thing."""
    while array is not None and not isinstance(array, kind):
        array = getattr(array, "base", None)
    return array
