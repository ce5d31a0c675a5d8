"""Matrices that memory need not hold: read from their file, rows chosen without a copy."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

MAPPED = 1 << 28  # bytes of a file that may stay mapped
ROOM = 1 << 31  # bytes of an array made here that is held in memory at most


class StoredMatrix:
    """A matrix in a file, of which slices and choices of rows are read and not mapped.

    What is touched of a mapped file counts as the process's memory, around each row up to 2 MB of
    it; reading costs about a microsecond a row, and the system keeps in its cache what it can.
    """

    def __init__(
        self, file: IO[bytes], shape: tuple[int, int], kind: npt.DTypeLike, offset: int = 0
    ) -> None:
        self.shape, self._file, self._kind, self._offset = shape, file, np.dtype(kind), offset
        self._width = shape[1] * self._kind.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Positions) -> npt.NDArray[Any]:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        out = np.empty((len(rows), self.shape[1]), self._kind)
        for at, place in self._runs(rows, out):
            while len(at):
                got = os.preadv(self._file.fileno(), [at], place)
                if not got:
                    raise EOFError(f"{self._file.name} ends before its {self.shape[0]} rows")
                at, place = at[got:], place + got
        return out

    def __setitem__(self, rows: Positions, values: npt.NDArray[Any]) -> None:
        for at, place in self._runs(rows, np.ascontiguousarray(values, self._kind)):
            while len(at):
                put = os.pwritev(self._file.fileno(), [at], place)
                at, place = at[put:], place + put

    def _runs(self, rows: Positions, values: npt.NDArray[Any]) -> list[tuple[memoryview, int]]:
        """What of `values` lies in one stretch of the file, and where."""
        if not len(rows):
            return []
        data, width = values.view(np.uint8).reshape(-1).data, self._width
        first = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        bounds = [*(first * width).tolist(), len(rows) * width]
        places = (self._offset + rows[first] * width).tolist()
        return [
            (data[low:high], place)
            for low, high, place in zip(bounds, bounds[1:], places, strict=False)
        ]


class SelectedRows:
    """Some rows of a matrix, gathered only when they are asked for."""

    def __init__(self, vectors: Matrix, rows: Positions) -> None:
        self.vectors, self.rows = vectors, rows

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.rows), int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice | Positions) -> Vectors:
        return self.vectors[self.rows[rows]]


Matrix = Vectors | StoredMatrix | SelectedRows  # (n, d) float32


def tail(vectors: Matrix, first: int) -> Matrix:
    """The rows from `first` on, without a copy."""
    if isinstance(vectors, SelectedRows):
        return SelectedRows(vectors.vectors, vectors.rows[first:])
    if isinstance(vectors, StoredMatrix):
        return SelectedRows(vectors, np.arange(first, len(vectors)))
    return vectors[first:]


def in_memory(vectors: Matrix) -> Matrix:
    """A matrix that is a large mapped file as one that is read from it."""
    if not isinstance(vectors, np.ndarray) or vectors.nbytes <= MAPPED:
        return vectors
    file = _file_of(vectors)
    if file is None or file.shape != vectors.shape or not hasattr(os, "preadv"):
        return vectors
    opened = Path(str(file.filename)).open("rb", buffering=0)  # noqa: SIM115
    return StoredMatrix(opened, (len(vectors), vectors.shape[1]), vectors.dtype, file.offset)


def has_room(
    shape: tuple[int, int], kind: npt.DTypeLike, beside: Matrix
) -> npt.NDArray[Any] | StoredMatrix:
    """An empty matrix in memory or, above ROOM, in a file without a name.

    Args:
        beside: whose file's folder, on a disk that holds as much, is to hold it too; where it is
            no file's, memory it is.
    """
    while isinstance(beside, SelectedRows):
        beside = beside.vectors
    size = shape[0] * shape[1] * np.dtype(kind).itemsize
    if size <= ROOM or not isinstance(beside, StoredMatrix):
        return np.empty(shape, kind)
    file = TemporaryFile(dir=Path(beside._file.name).parent, buffering=0)  # noqa: SIM115
    return StoredMatrix(file, shape, kind)


def _file_of(array: Any) -> np.memmap[Any, Any] | None:
    """The mapped file that an array is a view of, whole; None: it is of none."""
    while array is not None and not isinstance(getattr(array, "base", None), mmap.mmap):
        array = getattr(array, "base", None)
    return array if isinstance(array, np.memmap) and array.filename else None
