"""Holdings: which nodes of clustering hold records of which duplicate-free sources.

No two groups that hold records of one such source are merged. What persons called the same is one
node here: it may hold several records of a source, and no other record of that source joins it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Rows, positions_in_sorted


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

    def among(self, nodes: Rows) -> Holdings:
        """Those of some nodes (k,), ascending, by their places."""
        place = positions_in_sorted(self.node, nodes)
        there = place >= 0
        key = place[there] * self.sources + self.source[there]
        return Holdings(nodes=len(nodes), sources=self.sources, key=key)

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
