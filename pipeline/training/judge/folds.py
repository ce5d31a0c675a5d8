"""Folds for cross-fitting in which what is held out shares no entity with what is fitted on."""

from __future__ import annotations

import numpy as np

from pipeline.arrays import Flags, Rows, components

# Components are folds' building blocks while none has more of the pairs than this share of a fold.
BLOCK = 0.5


def entity_folds(sides: Rows, same: Flags, *, count: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Stratified folds of pairs, (rows to fit on, rows held out) each; every pair is held once.

    Entities that pairs join are kept in one fold while their groups are small: then a held pair
    shares no entity with the fit. Where a group is large (many different pairs join almost
    everything) every entity has a fold of its own, its pairs as the left side are held there, and
    the fit leaves out every other pair that touches it: a held pair's left entity is unseen, its
    right one, if of another fold, may be in pairs of the fit.

    Args:
        sides: (p,) entity of each pair, or (p, 2) those of both its sides.
        same: (p,) true for duplicates. count: folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    _, number = np.unique(sides, return_inverse=True)
    both = number.reshape(len(sides), -1)[:, [0, -1]]
    group = components(int(both.max()) + 1, both[:, 0], both[:, 1])[both[:, 0]]
    blocks = min(len(np.unique(group[one])) for one in (same, ~same))
    if blocks >= count and np.bincount(group).max() * count <= BLOCK * len(group):
        return list(splitter.split(both, same, group))
    fold = np.empty(len(both), np.int64)
    for place, (_, held) in enumerate(splitter.split(both, same, both[:, 0])):
        fold[held] = place
    home = _homes(both, fold, count=count)
    return [
        (np.flatnonzero((home[both] != place).all(axis=1)), np.flatnonzero(fold == place))
        for place in range(count)
    ]


def _homes(both: Rows, fold: Rows, *, count: int) -> Rows:
    """(e,) the fold of each entity: of its pairs as the left side, else of most of its pairs."""
    votes = np.zeros((int(both.max()) + 1, count), np.int64)
    np.add.at(votes, (both[:, 1], fold), 1)
    home = votes.argmax(axis=1)
    home[both[:, 0]] = fold
    return np.asarray(home)
