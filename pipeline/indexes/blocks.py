"""Blocks of products: the one loop every join is made of, and the exact cosines that decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from pipeline.indexes.kernel import FLOAT32, Hits, Kernel, Positions, Vectors
from pipeline.indexes.products import row_products

__all__ = ["BASE", "QUERIES", "Hits", "Pairs", "Positions", "Vectors", "block_hits",
           "cosines", "exact_pairs", "reaching", "settled"]  # fmt: skip

Pairs = tuple[Positions, Positions]

# A block product has at most so many scores: 8 MB in bfloat16. What is larger is given back to the
# system each time and costs more to get again than to multiply.
QUERIES, BASE = 2048, 2048
# A score in a product costs so little beside a pair looked at on its own.
DENSE = 300


def block_hits(
    queries: Vectors, base: Vectors, floor: float, *, kernel: Kernel = FLOAT32
) -> Iterator[Hits]:
    """Yield (query row, base row) wherever the inner product may reach `floor`.

    Args:
        queries: (m, d) unit-norm float32.
        base: (n, d) unit-norm float32.
        floor: cosine.
        kernel: with another than FLOAT32 more pairs below the floor are among them, which the
            caller sorts out by `reaching`.
    """
    for first in range(0, len(queries), QUERIES * 32):
        group = kernel.of(queries[first : first + QUERIES * 32])
        for start in range(0, len(base), BASE):
            part = base[start : start + BASE]
            columns = kernel.of(part)
            for top in range(0, len(group), QUERIES):
                rows = queries[first + top : first + top + QUERIES]
                found = kernel.hits(group[top : top + QUERIES], columns, floor)
                found = settled(found, floor, queries=rows.__getitem__, base=part.__getitem__)
                if len(found.row):
                    yield Hits(found.row + (first + top), found.column + start, found.sure)


def settled(
    found: Hits,
    floor: float,
    *,
    queries: Callable[[Positions], Vectors],
    base: Callable[[Positions], Vectors],
) -> Hits:
    """Take most of the doubt from a block's hits by a product in float32, where there is much.

    Args:
        queries, base: the vectors of some of the block's rows and columns.
    """
    doubt = np.flatnonzero(~found.sure)
    rows, row = _numbered(found.row[doubt])
    columns, column = _numbered(found.column[doubt])
    if len(doubt) * DENSE < len(rows) * len(columns) or not len(doubt):
        return found
    scores = (FLOAT32.of(queries(rows)) @ FLOAT32.of(base(columns)).T).numpy()
    score = scores[row, column]
    sure = found.sure.copy()
    sure[doubt] = score >= np.float32(floor + FLOAT32.slack)
    kept = np.ones(len(sure), bool)
    kept[doubt] = score >= np.float32(floor - FLOAT32.slack)
    return Hits(found.row[kept], found.column[kept], sure[kept])


def _numbered(values: Positions) -> tuple[Positions, Positions]:
    """The distinct values, ascending, and the number of each value among them."""
    there = np.zeros(int(values.max(initial=-1)) + 1, bool)
    there[values] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[values]


def cosines(
    vectors: Vectors, left: Positions, right: Positions, *, queries: Vectors | None = None
) -> npt.NDArray[np.float32]:
    """Exact cosine of each pair of rows, the same whatever the batch or thread count.

    Args:
        vectors: (n, d) unit-norm float32.
        left, right: (p,) row numbers.
        queries: (m, d) what `left` numbers; default: `vectors`.

    Returns:
        (p,) float32 in [-1, 1], summed in float64 and rounded to 6 decimals.
    """
    out, second = np.empty(len(left), np.float32), np.asarray(vectors)
    first = second if queries is None else np.asarray(queries)
    for start in range(0, len(left), 16_384):
        part = slice(start, start + 16_384)
        products = row_products(first[left[part]], second[right[part]])
        out[part] = np.round(np.clip(products, -1.0, 1.0), 6)
    return out


def reaching(
    vectors: Vectors,
    left: Positions,
    right: Positions,
    floor: float | npt.NDArray[np.float32],
    sure: npt.NDArray[np.bool_],
    *,
    queries: Vectors | None = None,
) -> npt.NDArray[np.bool_]:
    """(p,) whether the exact cosine reaches `floor`; computed only where it is not sure.

    Args:
        vectors, left, right, queries: as `cosines` has them.
    """
    kept = sure.copy()
    rest = np.flatnonzero(~sure)
    least = floor if isinstance(floor, float) else floor[rest]
    kept[rest] = cosines(vectors, left[rest], right[rest], queries=queries) >= least
    return kept


def exact_pairs(vectors: Vectors, pairs: Iterator[Hits], floor: float) -> Iterator[Pairs]:
    """Keep the pairs whose exact cosine reaches `floor`, as (left < right)."""
    for found in pairs:
        kept = reaching(vectors, found.row, found.column, floor, found.sure)
        first, second = found.row[kept], found.column[kept]
        if len(first):
            yield np.minimum(first, second), np.maximum(first, second)
