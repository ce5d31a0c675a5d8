"""Hard negatives as labelled pairs: the nearest records that are known, or taken, to be different.

Labels often say only what is a duplicate. A judge needs the other side too, and the hard part of
it: the records that the encoder finds most alike without being one entity.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Rows, pair_key, pair_sides
from pipeline.config import NegativeSettings
from pipeline.labels import SPLITS, LabelledPairs, MinedFacts, pair_slice

BLOCK = 1024


def add_mined(
    pairs: LabelledPairs,
    vectors: npt.NDArray[np.float32],
    entity: Rows,
    usable: dict[str, Rows],
    settings: NegativeSettings,
    *,
    seed: int = 0,
) -> LabelledPairs:
    """Add mined negatives to every split that has none, or to all when the world is closed.

    For each record, its `settings.mined` nearest neighbours of another entity in the same split.
    Unless the world is closed, neighbours at or above `suspect_cosine` are suspected duplicates
    and are left out. Of more records than `settings.max_records` as many are drawn, those of
    labelled pairs first, and only they are mined for and searched: time and memory are bounded, the
    negatives of a drawn part are a little less hard. Counts go to `facts.mined`.

    Args:
        vectors: (n, d) unit norm, zeros without content. entity: (n,).
        usable: split -> rows that may be used in it.
    """
    parts, counts = [], {}
    for split in SPLITS:
        given = int((~pairs.same[pairs.part(split)]).sum())
        if not len(pairs.part(split)) or (given and not settings.closed_world):
            continue
        filled = usable[split][np.abs(vectors[usable[split]]).sum(axis=1) > 0]
        part = pairs.part(split)
        named = np.union1d(pairs.left[part], pairs.right[part])
        held = draw(filled, named, most=settings.max_records, seed=seed)
        left, right, suspected = _nearest(held, vectors, entity, settings)
        known = pair_key(pairs.left, pairs.right, len(entity))
        fresh = ~np.isin(pair_key(left, right, len(entity)), known)
        left, right = left[fresh], right[fresh]
        parts.append((left, right, np.full(len(left), split)))
        counts[split] = MinedFacts(given, len(left), suspected, len(usable[split]), len(held))
    facts = replace(pairs.facts, mined=counts)
    if not parts:
        return replace(pairs, facts=facts)
    lefts, rights, splits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _join(replace(pairs, facts=facts), lefts, rights, splits)


def draw(rows: Rows, first: Rows, *, most: int, seed: int) -> Rows:
    """Return at most `most` of the rows, ascending: those in `first` before the others, by lot.

    Bounds what a mining embeds and searches, however large the corpus is.
    """
    if len(rows) <= most:
        return rows
    luck = np.random.default_rng(seed).permutation(len(rows))
    return np.sort(rows[np.lexsort((luck, ~np.isin(rows, first)))[:most]])


def _nearest(
    held: Rows, vectors: npt.NDArray[np.float32], entity: Rows, settings: NegativeSettings
) -> tuple[Rows, Rows, int]:
    """Pairs (left < right, each once, sorted) and how many neighbours were suspected."""
    count = min(settings.mined, len(held) - 1)
    if count < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    keys, suspected = [], 0
    base = np.ascontiguousarray(vectors[held])
    for start in range(0, len(held), BLOCK):
        block = held[start : start + BLOCK]
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
        keys.append(pair_key(left, right, len(entity)))
    left, right = pair_sides(np.unique(np.concatenate(keys)), len(entity))
    return left, right, suspected


def _join(
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
