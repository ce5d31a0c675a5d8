"""Entities shared out to splits so that shares come out right and few pairs are cut."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from pipeline.arrays import Rows, components

Shares = npt.NDArray[np.float64]

# Entities that negatives join are kept together up to this share of the smallest split.
ATOM_SHARE = 0.2
NONE, SEVERAL = -1, -2  # no split is given; several are


@dataclass(frozen=True)
class PairGraph:
    """Entities and the free pairs among them.

    Attributes:
        inside: (e, 2) pairs inside each entity: duplicates, others.
        links: (e, e) symmetric, number of pairs between two entities.
    """

    inside: Shares
    links: csr_matrix

    @classmethod
    def of(cls, left: Rows, right: Rows, same: npt.NDArray[np.bool_], *, count: int) -> PairGraph:
        inside = np.zeros((count, 2))
        own = left == right
        np.add.at(inside, (left[own], (~same[own]).astype(np.int64)), 1)
        ends = np.append(left[~own], right[~own]), np.append(right[~own], left[~own])
        links = csr_matrix((np.ones(len(ends[0])), ends), (count, count))
        links.sum_duplicates()
        return cls(inside, links)


def assign_splits(graph: PairGraph, fixed: Rows, wanted: Shares, *, seed: int) -> Rows:
    """(e,) split of each entity: fixed ones stay, groups of free ones are placed largest first."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(fixed))
    assigned = fixed.copy()
    free = fixed == NONE
    coo = graph.links.tocoo()
    near = free[coo.row] & free[coo.col]
    group = components(len(fixed), coo.row[near].astype(np.int64), coo.col[near].astype(np.int64))
    # A pair between two entities counts half for each, so that a whole group sums up right.
    load = graph.inside + np.stack(
        [np.zeros(len(fixed)), np.asarray(graph.links.sum(axis=1)).ravel() / 2], axis=1
    )
    total = load[free].sum(axis=0)
    target = wanted[:, None] * total
    filled = np.zeros((len(wanted), 2))
    pull = _pull(graph, assigned, group, splits=len(wanted))
    sizes = np.zeros((int(group.max(initial=-1)) + 1, 2))
    np.add.at(sizes, group[free], load[free])
    limit = ATOM_SHARE * wanted[wanted > 0].min() * total
    members = _members(group, order[free[order]])
    weight = (sizes / np.maximum(total, 1)).max(axis=1)
    luck = random.permutation(len(weight))
    for number in np.lexsort((luck, -weight)):
        if not len(members[number]):
            continue
        if (sizes[number] > np.maximum(limit, 1)).any() and len(members[number]) > 1:
            _grow(graph, members[number], assigned, load=load, wanted=wanted)
            for split in range(len(wanted)):
                mine = members[number][assigned[members[number]] == split]
                filled[split] += load[mine].sum(axis=0)
            continue
        split = _best(filled, sizes[number], target, pull=pull[number], wanted=wanted)
        assigned[members[number]] = split
        filled[split] += sizes[number]
    return assigned


def _pull(graph: PairGraph, assigned: Rows, group: Rows, *, splits: int) -> Shares:
    """(groups, splits) pairs that join each group to entities whose split is given."""
    pull = np.zeros((int(group.max(initial=-1)) + 1, splits))
    coo = graph.links.tocoo()
    bound = (assigned[coo.row] == NONE) & (assigned[coo.col] >= 0)
    np.add.at(pull, (group[coo.row[bound]], assigned[coo.col[bound]]), coo.data[bound])
    return pull


def _members(group: Rows, order: Rows) -> list[Rows]:
    """Free entities of each group, in the drawn order."""
    by_group = order[np.argsort(group[order], kind="stable")]
    bounds = np.searchsorted(group[by_group], np.arange(int(group.max(initial=-1)) + 2))
    return [by_group[start:end] for start, end in pairwise(bounds.tolist())]


def _best(filled: Shares, size: Shares, target: Shares, *, pull: Shares, wanted: Shares) -> int:
    """The split that leaves all nearest their targets and loses few pairs to given splits."""
    scale = np.maximum(target.sum(axis=0), 1)
    lost = (pull.sum() - pull) / scale.sum()
    costs = np.full(len(wanted), np.inf)
    for split in np.flatnonzero(wanted > 0):
        after = filled.copy()
        after[split] += size
        # Relative to each split's own target, so that small splits are filled as exactly.
        over = (after - target) / np.sqrt(np.maximum(target, 1e-9) * scale)
        costs[split] = (over**2).sum() + lost[split]
    return int(np.argmin(costs))


def _grow(graph: PairGraph, members: Rows, assigned: Rows, *, load: Shares, wanted: Shares) -> None:
    """Cut one large group: grow test, then valid, from a seed; the rest is train.

    Next comes the entity with most of its pairs to the region already (greedy graph growing:
    Karypis and Kumar, 1998), until the region holds its share of the duplicates and pairs.
    """
    quota = load[members].sum(axis=0)
    degree = np.asarray(graph.links.sum(axis=1)).ravel()
    links, left = graph.links, {int(member) for member in members}
    for split in np.flatnonzero(wanted[1:] > 0)[::-1] + 1:
        want, have = wanted[split] * quota, np.zeros(2)
        inside: dict[int, float] = {}
        queue: list[tuple[float, int, int]] = []
        seeds = iter(members.tolist())
        turn = 0
        while left and not _full(have, want):
            node = _next(queue, left)
            if node is None:
                node = next(seed for seed in seeds if seed in left)
            left.discard(node)
            assigned[node] = split
            have += load[node]
            start, end = links.indptr[node], links.indptr[node + 1]
            for other, pairs in zip(
                links.indices[start:end].tolist(), links.data[start:end].tolist(), strict=True
            ):
                if other in left:
                    inside[other] = inside.get(other, 0.0) + pairs
                    turn += 1
                    heapq.heappush(queue, (-inside[other] / degree[other], turn, other))
    assigned[list(left)] = 0


def _full(have: Shares, want: Shares) -> bool:
    share = have[want > 0] / want[want > 0]
    return bool(share.size == 0 or share.mean() >= 1)


def _next(queue: list[tuple[float, int, int]], left: set[int]) -> int | None:
    while queue:
        _, _, node = heapq.heappop(queue)
        if node in left:
            return node
    return None
