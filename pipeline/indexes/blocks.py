"""Dense block products: the one kernel every join is made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Pairs = tuple[Positions, Positions]

# A block product keeps at most this many float32 scores (64 MB) in memory.
BLOCK_SCORES = 1 << 24

# BLAS sums in an order that depends on the block's shape. Searching this much below the floor and
# filtering by `cosines` afterwards makes the pairs found independent of blocks and threads.
ROUNDING = 1e-5
DECIMALS = 5


def block_hits(queries: Vectors, base: Vectors, floor: float) -> Iterator[Pairs]:
    """Yield (query row, base row) wherever the inner product reaches `floor` - ROUNDING.

    Args:
        queries: (m, d) unit-norm float32.
        base: (n, d) unit-norm float32.
        floor: cosine.
    """
    columns = min(len(base), 16_384)
    rows = max(1, BLOCK_SCORES // max(1, columns))
    for top in range(0, len(queries), rows):
        block = np.ascontiguousarray(queries[top : top + rows])
        for start in range(0, len(base), columns):
            scores = block @ base[start : start + columns].T
            found = np.flatnonzero(scores >= floor - ROUNDING)
            if len(found):
                row, column = np.divmod(found, scores.shape[1])
                yield row + top, column + start


def cosines(vectors: Vectors, left: Positions, right: Positions) -> npt.NDArray[np.float32]:
    """Exact cosine of each pair of rows, the same whatever the batch or thread count.

    Args:
        vectors: (n, d) unit-norm float32.
        left, right: (p,) row numbers.

    Returns:
        (p,) float32 in [-1, 1], summed row by row and rounded to 5 decimals.
    """
    out = np.empty(len(left), np.float32)
    for start in range(0, len(left), 65_536):
        part = slice(start, start + 65_536)
        products = np.einsum(
            "ij,ij->i", vectors[left[part]], vectors[right[part]], dtype=np.float64
        )
        out[part] = np.round(np.clip(products, -1.0, 1.0), 6)
    return out


def exact_pairs(vectors: Vectors, pairs: Iterator[Pairs], floor: float) -> Iterator[Pairs]:
    """Keep the pairs whose exact cosine reaches `floor`, as (left < right)."""
    for first, second in pairs:
        kept = cosines(vectors, first, second) >= floor
        first, second = first[kept], second[kept]
        if len(first):
            yield np.minimum(first, second), np.maximum(first, second)
