"""The links of a cluster: its weakest one, and the bridges that alone hold two parts together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from pipeline.arrays import Rows
from pipeline.reviewing.tables import RunTables

MOST = 50_000  # links of a cluster up to which bridges are looked for
BRIDGES = 20


@dataclass(frozen=True)
class Bridge:
    """A link without which the cluster falls in two; how many records lie on either side."""

    number: int
    sides: tuple[int, int]


@dataclass(frozen=True)
class ClusterLinks:
    """The accepted pairs inside a cluster.

    Attributes:
        numbers: of the pairs. ends: (l, 2) records. weakest: the number of one; None without any.
        bridges: those with the most records on their smaller side.
    """

    numbers: Rows
    ends: Rows
    weakest: int | None
    bridges: tuple[Bridge, ...]


def links_of(tables: RunTables, cluster: int) -> ClusterLinks:
    """The links of a cluster, by the run's own decisions."""
    rows = tables.pairs_within(cluster)
    accepted = pc.equal(tables.pairs["decision"].take(rows), "duplicate")
    rows = rows[np.asarray(accepted, bool)] if len(rows) else rows
    ends = tables.ends[rows]
    weakest = int(rows[np.argmin(tables.probability[rows])]) if len(rows) else None
    found = _bridges(ends) if len(rows) <= MOST else []
    found.sort(key=lambda one: (-min(one[1]), one[0]))
    bridges = tuple(Bridge(int(rows[place]), sides) for place, sides in found[:BRIDGES])
    return ClusterLinks(rows, ends, weakest, bridges)


def _bridges(ends: Rows) -> list[tuple[int, tuple[int, int]]]:
    """Places of the edges whose loss parts a component, and the sizes of both parts.

    Tarjan's algorithm (1974), without recursion: an edge to a subtree that reaches nothing above
    it by another edge is a bridge.
    """
    near: dict[int, list[tuple[int, int]]] = {}
    for place, (one, other) in enumerate(ends.tolist()):
        near.setdefault(one, []).append((other, place))
        near.setdefault(other, []).append((one, place))
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    size: dict[int, int] = {}
    found = []
    for root in near:
        if root in order:
            continue
        parts: list[tuple[int, int]] = []
        order[root] = low[root] = len(order)
        size[root] = 1
        stack = [(root, -1, iter(near[root]))]
        while stack:
            node, by, waiting = stack[-1]
            step = next(waiting, None)
            if step is not None:
                other, edge = step
                if edge == by:
                    continue
                if other in order:
                    low[node] = min(low[node], order[other])
                    continue
                order[other] = low[other] = len(order)
                size[other] = 1
                stack.append((other, edge, iter(near[other])))
                continue
            stack.pop()
            if stack:
                above = stack[-1][0]
                low[above] = min(low[above], low[node])
                size[above] += size[node]
                if low[node] > order[above]:
                    parts.append((by, size[node]))
        found += [(edge, (size[root] - part, part)) for edge, part in parts]
    return found
