"""The contract of a source: bounded batches of rows, every bad row with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from pipeline.arrays import chunks
from pipeline.storage import ROWS


@dataclass(frozen=True)
class SourceBatch:
    """What became of some input rows: each is in exactly one of the two tables."""

    rows: pa.Table  # schemas.ROWS
    rejected: pa.Table  # schemas.QUARANTINE

    @classmethod
    def of_rejected(cls, rejected: pa.Table) -> SourceBatch:
        """Make a batch in which no row was good."""
        return cls(ROWS.empty_table(), rejected)

    @property
    def rows_in(self) -> int:
        """Input rows this batch accounts for."""
        return int(self.rows.num_rows + self.rejected.num_rows)


class Source(Protocol):
    """Where records come from."""

    @property
    def name(self) -> str:
        """Prefix of the record ids."""

    def check(self) -> None:
        """Look before any work that the files are there and have the columns named.

        Raises:
            ConfigError: a column is missing, has the wrong type, or appears twice.
            SourceError: nothing can be read under the path.
        """

    def left_out(self) -> dict[str, int]:
        """Count the files below the path that are no input of it, by ending."""

    def batches(self, *, rows: int) -> Iterator[SourceBatch]:
        """Yield the input in its own order, at most `rows` input rows at a time, fewer when they
        are long: a batch holds about `chunks.LIMIT` bytes.

        An empty source yields nothing. A file that fails half-way gives the rows before the
        failure and one quarantine entry for the failure.
        """


def gather_batches(pieces: Iterator[SourceBatch], *, rows: int) -> Iterator[SourceBatch]:
    """Join small pieces, in order, into batches of bounded input rows and bytes; none is empty."""
    held: list[SourceBatch] = []
    count = size = 0
    for piece in pieces:
        more, bigger = piece.rows_in, piece.rows.nbytes
        if held and (count + more > rows or size + bigger > chunks.LIMIT):
            yield _join(held)
            held, count, size = [], 0, 0
        if more:
            held.append(piece)
            count, size = count + more, size + bigger
    if held:
        yield _join(held)


def _join(batches: list[SourceBatch]) -> SourceBatch:
    return SourceBatch(
        pa.concat_tables([batch.rows for batch in batches]),
        pa.concat_tables([batch.rejected for batch in batches]),
    )
