"""Pictures found in another orientation: each is asked for in the seven that it did not come in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.arrays import (
    Matrix,
    Pairs,
    Positions,
    SelectedRows,
    Vectors,
    block_hits,
    cosines,
    fastest,
    in_memory,
    pairs_reaching,
    sorted_unique,
)
from pipeline.candidates.dense_groups import DenseGroups
from pipeline.candidates.indexes import Index
from pipeline.candidates.near_pairs import FRESH_SCORES

ROWS = 4096  # pictures asked for at a time: 59 MB of vectors of 512 numbers


def turned_pairs(
    vectors: Vectors, turned: Vectors, crowds: DenseGroups, *, fresh: Positions, index: Index | None
) -> Pairs:
    """Pairs of pictures of which one, turned or mirrored, is as near the other as the floor asks.

    Both are asked for, so that which of two pictures is new changes nothing.

    Args:
        vectors: (n, d) unit-norm float32. turned: (n, 7 d), see `encoders.turned`.
        fresh: places among the kept rows of what is new; pairs without one are left out.
        index: over the kept rows; it is asked where comparing all with all would take too long.

    Returns:
        Rows of the vectors, left < right, each pair once, sorted.
    """
    count, kept = len(vectors), crowds.kept
    search = _Search(SelectedRows(in_memory(vectors), kept), turned, crowds)
    old = np.setdiff1d(np.arange(len(kept)), fresh)
    keys = [np.zeros(0, np.int64)]
    for asked, given in ((fresh, np.arange(len(kept))), (old, fresh)):
        through = index if len(given) == len(kept) else None
        for one, other in search.pairs(asked, given, through):
            rows = kept[one[one != other]], kept[other[one != other]]
            keys.append(np.unique(np.minimum(*rows) * count + np.maximum(*rows)))
    found = sorted_unique(keys)
    return found // max(count, 1), found % max(count, 1)


class _Search:
    """Kept rows, asked for in other orientations; places are those among the kept rows."""

    def __init__(self, vectors: SelectedRows, turned: Vectors, crowds: DenseGroups) -> None:
        self.vectors, self.turned, self.crowds = vectors, turned, crowds
        self.orientations = turned.shape[1] // max(vectors.shape[1], 1)

    def pairs(self, asked: Positions, given: Positions, index: Index | None) -> Iterator[Pairs]:
        """(asked place, given place) wherever the lower of both floors is reached."""
        many = len(asked) * len(given) * self.orientations > FRESH_SCORES
        base = SelectedRows(self.vectors.vectors, self.vectors.rows[given])
        for start in range(0, len(asked), ROWS):
            rows = asked[start : start + ROWS]
            queries = self._queries(rows)
            floors = np.repeat(self.crowds.floor[rows], self.orientations)
            found = (
                self._through(index, queries, floors)
                if index is not None and many
                else self._exact(queries, base, (floors, self.crowds.floor[given]))
            )
            for query, column in found:
                yield rows[query // self.orientations], given[column]

    def _queries(self, rows: Positions) -> Vectors:
        parts = np.asarray(self.turned[self.crowds.kept[rows]], np.float32)
        queries = parts.reshape(len(rows) * self.orientations, -1)
        return queries * np.float32(np.sqrt(self.orientations))

    def _exact(
        self, queries: Vectors, base: Matrix, floors: tuple[Vectors, Vectors]
    ) -> Iterator[Pairs]:
        for hits in block_hits(queries, base, floors, kernel=fastest()):
            real = pairs_reaching(base, hits, queries=queries)
            yield hits.row[real], hits.column[real]

    def _through(self, index: Index, queries: Vectors, floors: Vectors) -> Iterator[Pairs]:
        for query, column in index.search(queries, float(self.crowds.floor.min())):
            wanted = np.minimum(floors[query], self.crowds.floor[column])
            near = cosines(self.vectors, query, column, queries=queries) >= wanted
            yield query[near], column[near]
