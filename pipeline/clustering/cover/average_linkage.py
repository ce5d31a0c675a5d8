"""Average linkage: groups of nodes in which the scored pairs, taken together, speak for one thing.

What a pair says is its log-odds, counted from the threshold at which its judge accepts. Two groups
are as near as the mean over all pairs between them, the refused ones included; a pair that was
never proposed counts as clearly refused. The nearest two groups become one, again and again, until
no mean is above zero (UPGMA: Sokal and Michener, 1958). So a member that agrees with its group as a
whole stays without evidence of its own against each other member, and a bridge that most of two
groups contradict joins nothing.

A mean never becomes greater than the greater of the two it was made from. So what depends on which
pair of groups is merged first is only what the order says: the greatest mean, rounded down to a
millionth, then the smaller nodes. Sums are of whole units, which no order of summing can change.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Rows, factorize, positions_in_sorted
from pipeline.clustering.cover.holdings import Holdings

MOST = 6.0  # log-odds that one pair may add at most: no single one outvotes a group
MISSING = -5.0  # of a pair that was never proposed, and the least that one may say
UNIT = 1e-4  # log-odds are told apart down to it
FINE = 100  # parts of a unit that means are told apart by
BATCH = 50_000  # pairs whose components are worked at a time, but for one larger component

_LEAST = round(MISSING / UNIT)
_Row = dict[int, int]  # other group -> sum over the pairs, each counted from `MISSING` on


def in_units(odds: npt.NDArray[np.floating], accepted: npt.NDArray[np.bool_] | bool) -> Rows:
    """Log-odds in whole units: of an accepted pair never below zero, of a refused one never at it.

    NaN and -inf: nothing speaks for the pair.
    """
    whole = np.rint(np.clip(np.nan_to_num(odds, nan=MISSING), MISSING, MOST) / UNIT)
    units = whole.astype(np.int64)
    bound: Rows = np.where(accepted, np.maximum(units, 0), np.minimum(units, -1))
    return bound


def average_linkage(
    home: Rows,
    left: Rows,
    right: Rows,
    odds: Rows,
    *,
    apart: tuple[Rows, Rows],
    holdings: Holdings,
) -> Rows:
    """Group nodes.

    Args:
        home: (n,) component of each node.
        left, right: (m,) scored pairs, left < right, each once, each within a component.
        odds: (m,) of each pair, in units, as `in_units` has them.
        apart: pairs of nodes that must not share a group.
        holdings: what the nodes hold of duplicate-free sources: no two groups that hold one source
            become one.

    Returns:
        (n,) the smallest node of each node's group.
    """
    group = np.arange(len(home))
    order = np.argsort(home[left], kind="stable")
    starts = np.flatnonzero(np.diff(home[left[order]], prepend=-1))
    # A batch is whole components: it begins with the first one that goes beyond the last.
    first = starts[np.unique(starts // BATCH, return_index=True)[1]]
    for chosen in np.split(order, first[1:]) if len(order) else ():
        nodes, place = factorize(np.concatenate([left[chosen], right[chosen]]))
        ends = np.split(place, 2)
        rivals, held = _rivals(nodes, apart), _masks(holdings.among(nodes))
        heads = _merge(ends[0], ends[1], odds[chosen], rivals, held)
        group[nodes] = nodes[heads]
    return group


def _rivals(nodes: Rows, apart: tuple[Rows, Rows]) -> dict[int, set[int]]:
    """For some of the nodes, by their places, those that they must not be with."""
    ends = [positions_in_sorted(end, nodes) for end in apart]
    here = (ends[0] >= 0) & (ends[1] >= 0)
    found: dict[int, set[int]] = {}
    for one, other in zip(ends[0][here].tolist(), ends[1][here].tolist(), strict=True):
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _masks(holdings: Holdings) -> list[int]:
    """For each node the sources that it holds, one bit each."""
    found = [0] * holdings.nodes
    for node, source in zip(holdings.node.tolist(), holdings.source.tolist(), strict=True):
        found[node] |= 1 << source
    return found


def _merge(
    left: Rows, right: Rows, odds: Rows, rivals: dict[int, set[int]], held: list[int]
) -> Rows:
    """(n,) the smallest node of each node's group, by a heap of the pairs of groups.

    Args:
        rivals: for each node those that it must not be with. held: a bit for each source.
    """
    count = len(held)
    rows: list[_Row] = [{} for _ in range(count)]
    for one, other, worth in zip(
        left.tolist(), right.tolist(), (odds - _LEAST).tolist(), strict=True
    ):
        rows[one][other] = rows[other][one] = worth
    size, head = [1] * count, list(range(count))
    close = odds >= 0
    heap = [
        (-worth * FINE, one, other, 1, 1)
        for worth, one, other in zip(
            odds[close].tolist(), left[close].tolist(), right[close].tolist(), strict=True
        )
    ]
    heapq.heapify(heap)
    while heap:
        _, one, other, own, others = heapq.heappop(heap)
        # An entry is of groups as they were: sizes only grow, and a group that is gone has none.
        if size[one] != own or size[other] != others:
            continue
        if held[one] & held[other] or other in rivals.get(one, ()):
            continue
        _join(rows, one, other)
        head[other], held[one] = one, held[one] | held[other]
        size[one], size[other] = own + others, 0
        for rival in rivals.pop(other, ()):
            rivals[rival].discard(other)
            rivals[rival].add(one)
            rivals.setdefault(one, set()).add(rival)
        for near, worth in rows[one].items():
            pairs = size[one] * size[near]
            if (margin := worth + _LEAST * pairs) >= 0:
                low, high = (one, near) if one < near else (near, one)
                heapq.heappush(heap, (-(margin * FINE // pairs), low, high, size[low], size[high]))
    for node in range(count):  # a head is smaller than what it heads
        head[node] = head[head[node]]
    return np.array(head, np.int64)


def _join(rows: list[_Row], one: int, other: int) -> None:
    """Add the sums of one group to those of another, in both directions."""
    own = rows[one]
    del own[other]
    for near, worth in rows[other].items():
        if near != one:
            row = rows[near]
            del row[other]
            own[near] = row[one] = own.get(near, 0) + worth
    rows[other] = {}
