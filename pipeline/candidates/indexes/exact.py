"""Brute force in blocks: the oracle of this room, and the right choice for small collections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.arrays import (
    BASE,
    Floors,
    Hits,
    Matrix,
    Pairs,
    Scores,
    Vectors,
    block_hits,
    each,
    exact_pairs,
    fastest,
    pairs_reaching,
    tail,
)

ROWS = 8 * BASE


class BruteForce:
    """Compare everything with everything, one block at a time; finds every pair."""

    def __init__(self, vectors: Matrix) -> None:
        self.vectors = vectors
        self.parts = max(1, -(-len(vectors) // ROWS))
        self.description = f"exact, {len(vectors)} vectors"

    def self_join(self, floor: Floors, part: int) -> Iterator[Pairs]:
        """See `Index.self_join`. Costs n²/2 products in all, and bounded memory."""
        floors = each(floor, len(self.vectors))
        return exact_pairs(self.vectors, self._upper_triangle(part * ROWS, floors))

    def _upper_triangle(self, top: int, floors: Scores) -> Iterator[Hits]:
        block, rest = self.vectors[top : top + ROWS], tail(self.vectors, top)
        floor = floors[top : top + ROWS], floors[top:]
        for found in block_hits(block, rest, floor, kernel=fastest(len(self.vectors) ** 2)):
            above = found.take(found.column > found.row)
            if len(above.row):
                yield Hits(above.row + top, above.column + top, above.floor, above.sure)

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`."""
        for found in block_hits(
            queries, self.vectors, floor, kernel=fastest(len(queries) * len(self.vectors))
        ):
            kept = pairs_reaching(self.vectors, found, queries=queries)
            yield found.row[kept], found.column[kept]

    def save(self, folder: Path) -> None:
        """Nothing to keep: the vectors are the index."""
        folder.mkdir(parents=True, exist_ok=True)
