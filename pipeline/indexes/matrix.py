"""Matrices that are larger than memory should be: rows chosen without a copy, pages let go."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

# Pages of a mapped file up to this size may stay; what is larger is let go as it is read.
MAPPED = 1 << 28
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
    if vectors.nbytes <= MAPPED or vectors.flags.writeable:
        return  # what was written to a private map would be lost
    owner: Any = vectors
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = getattr(owner, "base", None)
    if owner is not None and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)
