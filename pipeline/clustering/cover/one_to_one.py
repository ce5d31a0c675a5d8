"""Parts of the accepted links in which no duplicate-free source has two records.

Between each two duplicate-free sources the best assignment is found. Then parts grow link by link,
the most probable first, of equal ones by their nodes; what the assignment left out comes last. A
link that would bring two records of one duplicate-free source together is cut, whether they are
its ends or only hang together with them. What persons called the same is one node here: it may hold
several records of a source, and no other record of that source joins it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats, Rows, components, factorize, positions_in_sorted
from pipeline.clustering.cover.best_assignment import best_assignment


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """Which nodes hold records of which duplicate-free sources.

    Attributes:
        nodes: how many nodes there are. sources: how many duplicate-free sources.
        key: (h,) node * sources + source, ascending, each once.
    """

    nodes: int
    sources: int
    key: Rows

    @classmethod
    def of(cls, node: Rows, source: Rows, *, nodes: int, sources: int) -> Holdings:
        """From each record's node and the number of its duplicate-free source, -1: of none."""
        held = np.flatnonzero(source >= 0)
        return cls(nodes=nodes, sources=sources, key=np.unique(node[held] * sources + source[held]))

    @property
    def node(self) -> Rows:
        """(h,) the nodes, ascending."""
        return self.key // max(self.sources, 1)

    @property
    def source(self) -> Rows:
        """(h,) the sources."""
        return self.key % max(self.sources, 1)

    def merged(self, part: Rows) -> Rows:
        """(h,) part * sources + source of each holding."""
        return part[self.node] * self.sources + self.source

    def crowded(self, part: Rows) -> Flags:
        """(nodes,) true in a part that holds a source twice."""
        key = np.sort(self.merged(part))
        twice = key[1:][key[1:] == key[:-1]] // max(self.sources, 1)
        found = np.zeros(self.nodes, bool)
        found[twice] = True
        there: Flags = found[part]
        return there

    def shared(self, part: Rows, left: Rows, right: Rows) -> Rows:
        """(m,) the first source that the parts of two nodes both hold, -1 without any."""
        held = Holdings(nodes=self.nodes, sources=self.sources, key=np.unique(self.merged(part)))
        starts = np.searchsorted(held.node, np.arange(self.nodes + 1))
        sources = held.source
        one, other = part[left], part[right]
        found = np.full(len(left), -1)
        open_links = np.flatnonzero((one != other) & (starts[one + 1] > starts[one]))
        step = 0
        while len(open_links):
            at = starts[one[open_links]] + step
            source = sources[at]
            there = positions_in_sorted(other[open_links] * self.sources + source, held.key) >= 0
            found[open_links[there]] = source[there]
            more = ~there & (at + 1 < starts[one[open_links] + 1])
            open_links, step = open_links[more], step + 1
        return found


def parts_of(left: Rows, right: Rows, probability: Floats, holdings: Holdings) -> Rows:
    """(nodes,) the part of each node, numbered with the smallest; links between parts are cut.

    Args:
        left, right: (m,) accepted links, left < right, each once, sorted.
        probability: (m,) of each.
    """
    whole = components(holdings.nodes, left, right)
    crowded = holdings.crowded(whole)
    if not crowded.any():
        return whole
    alone, at = np.arange(holdings.nodes), np.flatnonzero(crowded[left])
    at = at[holdings.shared(alone, left[at], right[at]) < 0]
    last = _left_out(left[at], right[at], probability[at], holdings)
    first = np.concatenate([np.flatnonzero(~crowded[left]), at[~last]])
    part = components(holdings.nodes, left[first], right[first])
    # By arrays where what comes first holds together and nothing can join it; else link by link.
    rest = at[last]
    joins = (part[left[rest]] != part[right[rest]]) & (
        holdings.shared(part, left[rest], right[rest]) < 0
    )
    open_parts = np.zeros(holdings.nodes, bool)
    open_parts[whole[holdings.crowded(part)]] = True
    open_parts[whole[left[rest[joins]]]] = True
    order = at[np.lexsort((at, -probability[at], last))]
    order = order[open_parts[whole[left[order]]]]
    grown = order[_grow(left[order], right[order], holdings)]
    kept = np.concatenate([first[~open_parts[whole[left[first]]]], grown])
    return components(holdings.nodes, left[kept], right[kept])


def _left_out(left: Rows, right: Rows, probability: Floats, holdings: Holdings) -> Flags:
    """(m,) links between two duplicate-free sources that their best assignment leaves out.

    A node of several sources stands on the side of the first.
    """
    side = np.full(holdings.nodes, -1)
    side[holdings.node[::-1]] = holdings.source[::-1]
    found = np.zeros(len(left), bool)
    both = np.flatnonzero((side[left] >= 0) & (side[right] >= 0))
    turned = side[left[both]] > side[right[both]]
    one = np.where(turned, right[both], left[both])
    other = np.where(turned, left[both], right[both])
    # Each two sources have their own assignment: a node of one is another node in each of them.
    pair = side[one] * holdings.sources + side[other]
    ends = []
    for nodes in (one, other):
        _, number = np.unique(pair * holdings.nodes + nodes, return_inverse=True)
        ends.append(number)
    order = np.lexsort((ends[1], ends[0]))
    chosen = best_assignment(ends[0][order], ends[1][order], probability[both[order]])
    found[both[order[~chosen]]] = True
    return found


def _grow(left: Rows, right: Rows, holdings: Holdings) -> Flags:
    """(m,) links, in order, that did not bring two records of one source together."""
    nodes, place = factorize(np.concatenate([left, right]))
    head = list(range(len(nodes)))
    held = [0] * len(nodes)
    own = np.flatnonzero(np.isin(holdings.node, nodes))
    at = np.searchsorted(nodes, holdings.node[own]).tolist()
    for node, source in zip(at, holdings.source[own].tolist(), strict=True):
        held[node] |= 1 << source

    def find(node: int) -> int:
        while head[node] != node:
            head[node] = head[head[node]]
            node = head[node]
        return node

    kept = np.zeros(len(left), bool)
    one, other = np.split(place, 2)
    for link, (a, b) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
        low, high = find(a), find(b)
        if low == high:
            kept[link] = True
        elif not held[low] & held[high]:
            head[high] = low
            held[low] |= held[high]
            kept[link] = True
    return kept
