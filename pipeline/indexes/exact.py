"""Brute force in blocks: the oracle of this room, and the right choice for small collections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.indexes.blocks import Pairs, Vectors, block_hits, cosines, exact_pairs

ROWS = 4096


class BruteForce:
    """Compare everything with everything, one block at a time; finds every pair."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self.description = f"exact, {len(vectors)} vectors"

    def self_join(self, floor: float) -> Iterator[Pairs]:
        """See `Index.self_join`. Costs n²/2 products and bounded memory."""
        return exact_pairs(self.vectors, self._upper_triangle(floor), floor)

    def _upper_triangle(self, floor: float) -> Iterator[Pairs]:
        for top in range(0, len(self.vectors), ROWS):
            block = self.vectors[top : top + ROWS]
            for row, column in block_hits(block, self.vectors[top:], floor):
                above = column > row
                if above.any():
                    yield row[above] + top, column[above] + top

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`."""
        for row, column in block_hits(queries, self.vectors, floor):
            both = np.concatenate([queries[row], self.vectors[column]])
            count = np.arange(len(row))
            kept = cosines(both, count, count + len(row)) >= floor
            yield row[kept], column[kept]

    def save(self, folder: Path) -> None:
        """Nothing to keep: the vectors are the index."""
        folder.mkdir(parents=True, exist_ok=True)
