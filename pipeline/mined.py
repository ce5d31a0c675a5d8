"""Hard negatives as labelled pairs: the nearest records that are known, or taken, to be different.

Labels often say only what is a duplicate. A judge needs the other side too, and the hard part of
it: the records that the encoder finds most alike without being one entity.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.labelled import SPLITS, LabelledPairs
from pipeline.labels import pair_slice
from pipeline.train_config import NegativeSettings

Rows = npt.NDArray[np.int64]

QUERIES = 20_000  # records of a split that are searched for neighbours at most, evenly spaced
BLOCK = 1024


def with_mined(
    pairs: LabelledPairs,
    vectors: npt.NDArray[np.float32],
    entity: Rows,
    usable: dict[str, Rows],
    settings: NegativeSettings,
) -> LabelledPairs:
    """Add mined negatives to every split that has none, or to all when the world is closed.

    For each record, its `settings.mined` nearest neighbours of another entity in the same split.
    Unless the world is closed, neighbours at or above `suspect_cosine` are suspected duplicates
    and are left out. Counts go to `facts['mined']`.

    Args:
        vectors: (n, d) unit norm, zeros without content. entity: (n,).
        usable: split -> rows that may be used in it.
    """
    parts, counts = [], {}
    for split in SPLITS:
        given = int((~pairs.same[pairs.part(split)]).sum())
        if not len(pairs.part(split)) or (given and not settings.closed_world):
            continue
        left, right, suspected = _nearest(usable[split], vectors, entity, settings)
        known = _keys(pairs.left, pairs.right, len(entity))
        fresh = ~np.isin(_keys(left, right, len(entity)), known)
        left, right = left[fresh], right[fresh]
        parts.append((left, right, np.full(len(left), split)))
        counts[split] = {
            "given": given,
            "mined": len(left),
            "suspected": suspected,
            "records": len(usable[split]),
            "searched": min(len(usable[split]), QUERIES),
        }
    facts = {**pairs.facts, "mined": counts}
    if not parts:
        return replace(pairs, facts=facts)
    lefts, rights, splits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _joined(replace(pairs, facts=facts), lefts, rights, splits)


def _nearest(
    rows: Rows, vectors: npt.NDArray[np.float32], entity: Rows, settings: NegativeSettings
) -> tuple[Rows, Rows, int]:
    """Pairs (left < right, each once, sorted) and how many neighbours were suspected."""
    held = rows[np.abs(vectors[rows]).sum(axis=1) > 0]
    count = min(settings.mined, len(held) - 1)
    if count < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    queries = held
    if len(held) > QUERIES:
        queries = held[np.linspace(0, len(held) - 1, QUERIES).astype(np.int64)]
    keys, suspected = [], 0
    base = np.ascontiguousarray(vectors[held])
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        cosine = np.round(vectors[block] @ base.T, 5)
        cosine[entity[block][:, None] == entity[held][None]] = -2.0
        if not settings.closed_world:
            near = cosine >= settings.suspect_cosine
            suspected += int(near.sum())
            cosine[near] = -2.0
        # Ties are broken by row, so that the result does not depend on the selection's order.
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :count]
        found = np.take_along_axis(cosine, order, axis=1) > -2.0
        left = np.repeat(block, count)[found.ravel()]
        right = held[order.ravel()[found.ravel()]]
        keys.append(_keys(left, right, len(entity)))
    left, right = np.divmod(np.unique(np.concatenate(keys)), len(entity))
    return left, right, suspected


def _keys(left: Rows, right: Rows, count: int) -> Rows:
    return np.minimum(left, right) * count + np.maximum(left, right)


def _joined(
    pairs: LabelledPairs, left: Rows, right: Rows, split: npt.NDArray[np.str_]
) -> LabelledPairs:
    all_left, all_right = np.concatenate([pairs.left, left]), np.concatenate([pairs.right, right])
    order = np.lexsort((all_right, all_left))
    blank = np.full(len(left), "")
    slices = {
        name: np.concatenate([values, pair_slice(pairs.records, name, blank, left, right)])[order]
        for name, values in pairs.slices.items()
    }
    return replace(
        pairs,
        left=all_left[order],
        right=all_right[order],
        grade=np.concatenate([pairs.grade, np.zeros(len(left))])[order],
        origin=np.concatenate([pairs.origin, np.full(len(left), "mined")])[order],
        split=np.concatenate([pairs.split, split])[order],
        slices=slices,
    )
