"""Entities shared out to splits so that shares come out right and few pairs are cut."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.arrays import Flags, Floats, Rows, components

# Entities that negatives join are kept together up to this share of the smallest split.
ATOM_SHARE = 0.2
NONE, SEVERAL = -1, -2  # no split is given; several are


def assign_splits(
    sides: tuple[Rows, Rows], same: Flags, *, fixed: Rows, wanted: Floats, seed: int
) -> Rows:
    """(e,) split of each entity: fixed ones stay, groups of free ones are placed largest first.

    Args:
        sides: (p,) entities of each free pair. same: (p,) true for duplicates.
        fixed: (e,) given splits, NONE or SEVERAL. wanted: share of each split.
    """
    count, free = len(fixed), fixed == NONE
    load, pull = np.zeros((count, 2)), np.zeros((count, len(wanted)))
    for side, other in (sides, sides[::-1]):
        # A pair between two entities counts half for each, so that a whole group sums up right.
        np.add.at(load, (side, (~same).astype(np.int64)), 0.5)
        bound = free[side] & (fixed[other] >= 0)
        np.add.at(pull, (side[bound], fixed[other[bound]]), 1 / len(same))
    load /= np.maximum(load[free].sum(axis=0), 1)
    apart = (sides[0] != sides[1]) & free[sides[0]] & free[sides[1]]
    left, right = sides[0][apart], sides[1][apart]
    ends = np.append(left, right), np.append(right, left)
    links = csr_matrix((np.ones(2 * len(left)), ends), (count, count))
    group = components(count, left, right)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(free))
    rows = rows[np.argsort(group[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(group[rows])) + 1)
    sizes = [load[members].sum(axis=0) for members in groups]
    assigned, filled = fixed.copy(), np.zeros((len(wanted), 2))
    for number in np.argsort([-size.max() for size in sizes], kind="stable"):
        members, size = groups[number], sizes[number]
        if len(members) > 1 and size.max() > ATOM_SHARE * wanted[wanted > 0].min():
            assigned[members] = _grow(links[members][:, members], load[members], wanted)
        else:
            # Relative to each split's own target, so that small splits are filled as exactly.
            short = (wanted[:, None] - filled) / np.maximum(wanted[:, None], 1e-9)
            gain = (short * size).sum(axis=1) + pull[members].sum(axis=0)
            assigned[members] = np.where(wanted > 0, gain, -np.inf).argmax()
        np.add.at(filled, assigned[members], load[members])
    return assigned


def _grow(links: csr_matrix, load: Floats, wanted: Floats) -> Rows:
    """(m,) splits of one large group: test and valid are grown in it, the rest is train.

    Next comes the entity with most of its pairs to the region already (greedy graph growing:
    Karypis and Kumar, 1998), until the region holds its share of the duplicates and pairs.
    """
    split, degree = np.zeros(len(load), np.int64), np.asarray(links.sum(axis=1)).ravel()
    load = load[:, load.any(axis=0)]
    progress = (load / load.sum(axis=0)).mean(axis=1)
    for number in np.flatnonzero(wanted[1:] > 0)[::-1] + 1:
        near, have = np.zeros(len(load)), 0.0
        while have < wanted[number] and not split.all():
            node = int(np.where(split == 0, near, -1.0).argmax())
            split[node] = number
            have += float(progress[node])
            others = slice(links.indptr[node], links.indptr[node + 1])
            near[links.indices[others]] += links.data[others] / degree[links.indices[others]]
    return split
