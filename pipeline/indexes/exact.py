"""Brute force in blocks: the oracle of this room, and the right choice for small collections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.indexes.blocks import BASE, Hits, Pairs, Vectors, block_hits, exact_pairs, reaching
from pipeline.indexes.kernel import fastest

ROWS = 8 * BASE


class BruteForce:
    """Compare everything with everything, one block at a time; finds every pair."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.parts = max(1, -(-len(vectors) // ROWS))
        self.description = f"exact, {len(vectors)} vectors"

    def self_join(self, floor: float, part: int) -> Iterator[Pairs]:
        """See `Index.self_join`. Costs n²/2 products in all, and bounded memory."""
        return exact_pairs(self.vectors, self._upper_triangle(part * ROWS, floor), floor)

    def _upper_triangle(self, top: int, floor: float) -> Iterator[Hits]:
        block = self.vectors[top : top + ROWS]
        for found in block_hits(block, self.vectors[top:], floor, kernel=fastest()):
            above = found.column > found.row
            if above.any():
                row, column = found.row[above] + top, found.column[above] + top
                yield Hits(row, column, found.sure[above])

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`."""
        for found in block_hits(queries, self.vectors, floor, kernel=fastest()):
            row, column = found.row, found.column
            kept = reaching(self.vectors, row, column, floor, found.sure, queries=queries)
            yield row[kept], column[kept]

    def save(self, folder: Path) -> None:
        """Nothing to keep: the vectors are the index."""
        folder.mkdir(parents=True, exist_ok=True)
