"""Any index of FAISS's factory: checked before work, searched by range, rescored exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arrays import (
    Floors,
    Matrix,
    Pairs,
    Positions,
    Scores,
    Vectors,
    cosines,
    each,
    sorted_unique,
)
from pipeline.errors import ConfigError

# Tried where an encoder's dimension is known only once it is loaded: a product quantiser must
# divide the dimension, so a string may fit one and not another.
USUAL_DIMENSIONS = (384, 512, 768, 1024, 1280, 1536, 2048, 256, 64)

_TOO_FEW = re.compile(r"training points \((\d+)\) should be .* clusters \((\d+)\)")
_WHERE = re.compile(r".*?\.cpp:\d+: (?:Error: '.*?' failed: )?", re.DOTALL)


def check_factory(factory: str, dimension: int | None) -> None:
    """Make the index, empty, and search it: what FAISS refuses does not need the vectors.

    Args:
        dimension: of the vectors; None: any of the usual ones must fit.

    Raises:
        ConfigError: FAISS does not know the string, or cannot search such an index by range.
    """
    tried = [dimension] if dimension else USUAL_DIMENSIONS
    problems = [_problem(factory, size) for size in tried]
    if all(problems):
        raise ConfigError(
            f"index.factory: {problems[0]}; set auto (the rule), or a string such as 'HNSW32' or "
            "'IVF1024,Flat'"
        )


def _problem(factory: str, dimension: int) -> str | None:
    import faiss

    try:
        index = faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        return f"FAISS does not know {factory!r} for {dimension} dimensions ({_reason(error)})"
    inner = index
    while isinstance(inner, faiss.IndexPreTransform):
        inner = faiss.downcast_index(inner.index)
    vector, trained = np.ones((1, inner.d), np.float32), index.is_trained
    try:
        inner.is_trained = True  # nothing is in it, so nothing is read of what training makes
        inner.range_search(vector, 0.5)
        if trained:
            inner.add(vector)
    except RuntimeError as error:
        if "trained" not in str(error):  # a part inside; it is found out with the vectors
            return f"{factory!r} cannot be used here ({_reason(error)})"
    return None


class FactoryIndex:
    """An index of FAISS's factory, searched by its own range search and rescored exactly."""

    def __init__(self, factory: str, vectors: Matrix) -> None:
        import faiss

        check_factory(factory, vectors.shape[1])
        self.factory, self.parts = factory, 1
        self.vectors = vectors
        self.index: Any = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        try:
            self.index.train(np.ascontiguousarray(vectors[:]))
            self.index.add(np.ascontiguousarray(vectors[:]))
        except RuntimeError as error:
            raise ConfigError(_refuse(factory, len(vectors), error)) from error
        self.description = f"faiss {factory}, {len(vectors)} vectors"

    def self_join(self, floor: Floors, part: int) -> Iterator[Pairs]:
        """See `Index.self_join`, whose one part it is; as complete as the factory's index is."""
        # Either side may find the other, so both directions are searched and met in one key.
        count = len(self.vectors)
        floors = each(floor, count)
        keys = [np.zeros(0, np.int64)]
        for row, column, score in self._scored(self.vectors, float(floors.min(initial=1))):
            kept = score >= np.minimum(floors[row], floors[column])
            low, high = np.minimum(row, column)[kept], np.maximum(row, column)[kept]
            keys.append(sorted_unique([low * count + high]))
        left, right = np.divmod(sorted_unique(keys), max(count, 1))
        yield left[left < right], right[left < right]

    def search(self, queries: Vectors, floor: float) -> Iterator[Pairs]:
        """See `Index.search`.

        Raises:
            ConfigError: FAISS cannot search such an index by range.
        """
        for row, column, score in self._scored(queries, floor):
            kept = score >= floor
            yield row[kept], column[kept]

    def _scored(
        self, queries: Matrix, floor: float
    ) -> Iterator[tuple[Positions, Positions, Scores]]:
        """(query row, row, exact cosine) of what FAISS finds down to a little below the floor."""
        for start in range(0, len(queries), 1024):
            block = np.ascontiguousarray(queries[start : start + 1024])
            try:
                limits, _, found = self.index.range_search(block, floor - 0.01)
            except RuntimeError as error:
                raise ConfigError(_refuse(self.factory, len(self.vectors), error)) from error
            row = np.repeat(np.arange(len(block)), np.diff(limits.astype(np.int64)))
            yield row + start, found, cosines(self.vectors, row, found, queries=block)

    def save(self, folder: Path) -> None:
        """Write `index.faiss`."""
        import faiss

        folder.mkdir(parents=True, exist_ok=True)
        faiss.write_index(self.index, str(folder / "index.faiss"))


def _refuse(factory: str, count: int, error: RuntimeError) -> str:
    """Say what FAISS refused and what to change."""
    if found := _TOO_FEW.search(str(error)):
        return (
            f"index.factory: {factory!r} has to be trained on at least {int(found[2]):,} distinct "
            f"contents and there are {count:,}; set auto, or at most {max(1, count // 40)} lists "
            "(IVF…) and, below 256 contents, no product quantiser (PQ…)"
        )
    return (
        f"index.factory: {factory!r} cannot be used on {count:,} vectors ({_reason(error)}); "
        "set auto, or a string such as 'HNSW32' or 'IVF1024,Flat'"
    )


def _reason(error: RuntimeError) -> str:
    """FAISS's own words without its function and line."""
    return _WHERE.sub("", str(error), count=1)[:200]
