"""Blocks of products: the one loop every join is made of, and the exact cosines that decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from pipeline.arrays.aliases import Flags, Scores
from pipeline.arrays.kernel import FLOAT32, Floor, Hits, Kernel, Positions, Vectors, sides
from pipeline.arrays.lookup import factorize
from pipeline.arrays.matrix import Matrix

Pairs = tuple[Positions, Positions]

# A block product has at most so many scores: 8 MB in bfloat16. What is larger is given back to the
# system each time and costs more to get again than to multiply.
QUERIES, BASE = 2048, 2048
GROUP = 32 * QUERIES  # rows whose copies in a kernel's type are kept while all others pass by
PAIRS = 16_384  # gathered at a time
# A score in a product costs so little beside a pair looked at on its own.
DENSE = 300


def block_hits(
    queries: Matrix, base: Matrix, floor: Floor, *, kernel: Kernel = FLOAT32
) -> Iterator[Hits]:
    """Yield (query row, base row) wherever the inner product may reach the floor.

    Args:
        queries: (m, d) unit-norm float32.
        base: (n, d) unit-norm float32.
        floor: one cosine, or (m,) and (n,).
        kernel: with another than FLOAT32 more pairs below the floor are among them, which the
            caller sorts out by `reaching`.
    """
    asked, given = sides(floor, len(queries), len(base))
    for first in range(0, len(queries), GROUP):
        group = kernel.of(queries[first : first + GROUP])
        for start in range(0, len(base), BASE):
            part = base[start : start + BASE]
            columns = kernel.of(part)
            for top in range(0, len(group), QUERIES):
                at = slice(first + top, first + top + QUERIES)
                own = asked[at], given[start : start + BASE]
                found = kernel.hits(group[top : top + QUERIES], columns, own)
                found = settle_hits(
                    found,
                    queries=lambda rows, top=at.start: queries[top + rows],  # type: ignore[misc]
                    base=part.__getitem__,
                )
                if len(found.row):
                    row, column = found.row + at.start, found.column + start
                    yield Hits(row, column, found.floor, found.sure)


def settle_hits(
    found: Hits, *, queries: Callable[[Positions], Vectors], base: Callable[[Positions], Vectors]
) -> Hits:
    """Take most of the doubt from a block's hits by a product in float32, where there is much.

    Args:
        queries, base: the vectors of some of the block's rows and columns.
    """
    doubt = np.flatnonzero(~found.sure)
    rows, row = factorize(found.row[doubt])
    columns, column = factorize(found.column[doubt])
    if len(doubt) * DENSE < len(rows) * len(columns) or not len(doubt):
        return found
    scores = queries(rows) @ base(columns).T
    score, floor = scores[row, column], found.floor[doubt]
    sure = found.sure.copy()
    sure[doubt] = score >= floor + np.float32(FLOAT32.slack)
    kept = np.ones(len(sure), bool)
    kept[doubt] = score >= floor - np.float32(FLOAT32.slack)
    return Hits(found.row, found.column, found.floor, sure).take(kept)


def cosines(
    vectors: Matrix, left: Positions, right: Positions, *, queries: Matrix | None = None
) -> Scores:
    """Exact cosine of each pair of rows, the same whatever the batch or thread count.

    Args:
        vectors: (n, d) unit-norm float32.
        left, right: (p,) row numbers.
        queries: (m, d) what `left` numbers; default: `vectors`.

    Returns:
        (p,) float32 in [-1, 1], summed in float64 and rounded to 6 decimals.
    """
    out, first = np.empty(len(left), np.float32), vectors if queries is None else queries
    for start in range(0, len(left), PAIRS):
        part = slice(start, start + PAIRS)
        one, other = np.asarray(first[left[part]]), np.asarray(vectors[right[part]])
        products = row_products(one, other)
        out[part] = np.round(np.clip(products, -1.0, 1.0), 6)
    return out


def pairs_reaching(vectors: Matrix, found: Hits, *, queries: Matrix | None = None) -> Flags:
    """(p,) whether the exact cosine reaches the floor; computed only where it is not sure.

    Args:
        vectors, queries: as `cosines` has them.
    """
    kept = found.sure.copy()
    rest = np.flatnonzero(~found.sure)
    scores = cosines(vectors, found.row[rest], found.column[rest], queries=queries)
    kept[rest] = scores >= found.floor[rest]
    return kept


def exact_pairs(vectors: Matrix, pairs: Iterator[Hits]) -> Iterator[Pairs]:
    """Keep the pairs whose exact cosine reaches the floor, as (left < right)."""
    for found in pairs:
        kept = pairs_reaching(vectors, found)
        first, second = found.row[kept], found.column[kept]
        if len(first):
            yield np.minimum(first, second), np.maximum(first, second)


# Numbers in one step: they stay in the processor's cache.
STEP = 32_767


def row_products(first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """(p,) inner product of each row with the one beside it, summed in float64.

    Args:
        first, second: (p, d) float32.
    """
    out = np.empty(len(first))
    rows = max(STEP // max(first.shape[1], 1), 1)
    for start in range(0, len(first), rows):
        part = slice(start, start + rows)
        products = first[part].astype(np.float64)
        products *= second[part]
        out[part] = products.sum(axis=1)
    return out
