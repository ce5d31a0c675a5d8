"""Hard negatives: for each record the nearest others in the encoder's own index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Positions, Vectors, cosines, pair_key, pair_sides
from pipeline.candidates import Index, build_index
from pipeline.config import FaissIndex

_SAMPLE = 256
_HITS = 1 << 22  # anchors are searched in blocks that cannot have more, which bounds memory
_SPARE = 8  # hits beyond the wanted ones for which the first search leaves room


@dataclass(frozen=True)
class MinedPairs:
    """Mined pairs of different records and what was passed over on the way.

    left, right: int64 (m,), left < right, each pair once, sorted. known: nearer hits left out as
    known duplicates (same entity). suspected: left out as too near to be surely different.
    labelled: left out because the pair has a label already. short: records that have fewer
    negatives than wanted, because there are no more. searched: records among which they were looked
    for.
    """

    left: Positions
    right: Positions
    known: int = 0
    suspected: int = 0
    labelled: int = 0
    short: int = 0
    searched: int = 0


NOTHING = MinedPairs(np.zeros(0, np.int64), np.zeros(0, np.int64))


def mine_negatives(
    vectors: Vectors,
    *,
    anchors: Positions,
    entity: Positions,
    labelled: NDArray[np.int64],
    wanted: int,
    suspect_cosine: float | None,
    seed: int,
) -> MinedPairs:
    """Return for each anchor its `wanted` nearest rows that are not duplicates, known or suspected.

    Args:
        vectors: (n, d) unit-norm float32 of distinct contents; every row may be a negative.
        anchors: (a,) distinct rows to find negatives for.
        entity: (n,) rows of one entity are duplicates.
        labelled: sorted keys of the pairs that have a label, see `arrays.pair_key`.
        wanted: negatives per anchor.
        suspect_cosine: rows at least so near are suspected duplicates; None: none is suspected.

    The same for the same vectors in any order of anchors: ties go to the lower row.
    """
    if len(vectors) < 2 or not len(anchors) or not wanted:
        return NOTHING
    anchors = np.sort(anchors)
    floors = _floors(vectors, anchors, wanted=wanted)
    index = build_index(FaissIndex(type="faiss"), vectors, floor=floors[0], seed=seed)
    size = max(16, _HITS // len(vectors))
    parts, totals = [np.zeros(0, np.int64)], np.zeros(3, np.int64)
    for floor in floors:
        last = floor == floors[-1]
        lacking = []
        for start in range(0, len(anchors), size):
            block = anchors[start : start + size]
            hits = _hits(index, vectors, block, floor)
            status = _status(
                vectors, *hits, entity=entity, labelled=labelled, suspect_cosine=suspect_cosine
            )
            keys, counts, open_anchors = _nearest(
                *hits, status, block, wanted=wanted, last=last, count=len(vectors)
            )
            parts.append(keys)
            totals += counts
            lacking.append(open_anchors)
        anchors = np.concatenate(lacking)
        if last or not len(anchors):
            break
    left, right = pair_sides(np.unique(np.concatenate(parts)), len(vectors))
    known, suspected, named = totals.tolist()
    return MinedPairs(left, right, known, suspected, named, len(anchors), len(vectors))


_FREE, _KNOWN, _SUSPECTED, _LABELLED = range(4)


def _floors(vectors: Vectors, anchors: Positions, *, wanted: int) -> list[float]:
    """Cosines to search down to, one after the other, ending with everything.

    The first leaves nine of ten sampled anchors as many hits as wanted and a few more.
    """
    sample = anchors[np.unique(np.linspace(0, len(anchors) - 1, _SAMPLE).astype(np.int64))]
    depth = min(wanted + _SPARE, len(vectors) - 1)
    scores = vectors[sample] @ vectors.T
    reached = np.partition(scores, -depth - 1, axis=1)[:, -depth - 1]
    floors = [float(np.quantile(reached, 0.1)), float(reached.min()) - 0.05]
    return [max(floor, -1.0) for floor in floors] + [-1.01]


def _hits(
    index: Index, vectors: Vectors, block: Positions, floor: float
) -> tuple[Positions, Positions]:
    """Return (anchor, row) of every other row down to the floor, nearest first by anchor."""
    found = list(index.search(np.ascontiguousarray(vectors[block]), floor))
    query = np.concatenate([np.zeros(0, np.int64), *(block[query] for query, _ in found)])
    row = np.concatenate([np.zeros(0, np.int64), *(row for _, row in found)])
    query, row = query[query != row], row[query != row]
    order = np.lexsort((row, -cosines(vectors, query, row), query))
    return query[order], row[order]


def _status(
    vectors: Vectors,
    query: Positions,
    row: Positions,
    *,
    entity: Positions,
    labelled: NDArray[np.int64],
    suspect_cosine: float | None,
) -> NDArray[np.int8]:
    """Say of each hit whether it is free to be a negative, and if not why."""
    status = np.full(len(query), _FREE, np.int8)
    if suspect_cosine is not None:
        status[cosines(vectors, query, row) >= np.float32(suspect_cosine)] = _SUSPECTED
    status[np.isin(pair_key(query, row, len(vectors)), labelled)] = _LABELLED
    status[entity[query] == entity[row]] = _KNOWN
    return status


def _nearest(
    query: Positions,
    row: Positions,
    status: NDArray[np.int8],
    block: Positions,
    *,
    wanted: int,
    last: bool,
    count: int,
) -> tuple[Positions, NDArray[np.int64], Positions]:
    """Return keys of the negatives, what was passed over, and the anchors that lack some.

    Anchors that lack some are left out of the first two unless this is the `last` search.
    """
    free = status == _FREE
    starts = np.searchsorted(query, block)
    before = np.cumsum(free) - free  # free hits before each, of all anchors …
    place = np.searchsorted(block, query)
    offset = np.concatenate([before, [free.sum()]])[starts]
    rank = before - offset[place]  # … and of its own
    has = np.bincount(place[free], minlength=len(block))
    done = (has >= wanted) | last
    met = (rank < wanted) & done[place]
    taken = met & free
    keys = pair_key(query, row, count)
    counts = np.array([(met & (status == why)).sum() for why in (_KNOWN, _SUSPECTED, _LABELLED)])
    return keys[taken], counts, block[has < wanted]
