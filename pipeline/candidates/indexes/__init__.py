"""Indexes: near pairs of unit vectors, down to a floor, without a top-k cap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, assert_never

from pipeline.arrays import Floors, Matrix, Pairs, Vectors, in_memory
from pipeline.candidates.indexes.checkpoint import Keep, no_checkpoint
from pipeline.config import ExactIndex, FaissIndex, IndexConfig


class Index(Protocol):
    """What `build_index` returns. Row numbers are those of the vectors it was built from."""

    description: str
    parts: int

    def self_join(self, floor: Floors, part: int) -> Iterator[Pairs]:
        """Yield (left < right) row pairs whose exact cosine reaches the floor.

        Each pair comes once in one of the `parts` that a join has, 0 … parts - 1.

        Args:
            floor: one cosine, or (n,) float32, where a pair has to reach the lower of its two: what
                lies below is not even looked at, so that a dense group costs what it lists.
        """
        ...

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """Yield (query row, row) pairs with exact cosine >= `floor`, each pair once."""
        ...

    def save(self, folder: Path) -> None:
        """Write the index below `folder`."""
        ...


def build_index(
    config: IndexConfig,
    vectors: Matrix,
    *,
    floor: Floors,
    seed: int = 0,
    keep: Keep = no_checkpoint,
) -> Index:
    """Build the configured index.

    Args:
        config: which member of the room, and its settings.
        vectors: (n, d) unit-norm float32, possibly memory-mapped; must outlive the index.
        floor: cosine that the index is tuned for, one or (n,).
        seed: of every random choice.
        keep: keeps what is expensive to build.
    """
    match config:
        case ExactIndex():
            from pipeline.candidates.indexes.exact import BruteForce

            return BruteForce(in_memory(vectors))
        case FaissIndex():
            from pipeline.candidates.indexes.faiss_index import build_faiss

            return build_faiss(config, in_memory(vectors), floor=floor, seed=seed, keep=keep)
        case _:
            assert_never(config)
