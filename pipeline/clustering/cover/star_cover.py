"""The greedy star cover of many components at once, where no two nodes have to stay apart.

The next centre is the open node with the most open neighbours, then with the greatest sum of their
probabilities, then the one that is preferred; its open neighbours join it. A node that comes before
all open nodes at most two steps away will be a centre with the neighbours it has now, whatever is
chosen elsewhere: until then only such a node could take one of them. So all such nodes are taken at
once, round after round, and what is left when a round yields too little is taken one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Nodes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

# Sums are of whole units, so that no order of summing can change them. A standing of a node is its
# open neighbours and, below so many bits, the sum: enough for five million neighbours.
UNIT = 1e-5
SHIFT = 39
LINKS = 1000  # seen in a round for a star cost about as much as that star on its own


@dataclass(frozen=True)
class _AdjacencyList:
    """Links in both directions between n open nodes, numbered by preference, sorted by `one`.

    Attributes:
        one, other: (m,) ends.
        worth: (m,) 1 << SHIFT and the probability in units.
    """

    one: npt.NDArray[np.int32]
    other: npt.NDArray[np.int32]
    worth: Nodes

    @classmethod
    def of(cls, left: Nodes, right: Nodes, weight: Weights) -> _AdjacencyList:
        one = np.concatenate([left, right]).astype(np.int32)
        order = np.argsort(one, kind="stable")
        other = np.concatenate([right, left]).astype(np.int32)[order]
        worth = (np.rint(weight / UNIT).astype(np.int64) + (1 << SHIFT))[order % len(left)]
        return cls(one[order], other, worth)

    def among(self, free: npt.NDArray[np.bool_]) -> _AdjacencyList:
        """Those between nodes that are still open."""
        kept = free[self.one] & free[self.other]
        return _AdjacencyList(self.one[kept], self.other[kept], self.worth[kept])

    def starts(self, count: int) -> Nodes:
        """(n + 1,) where the links of each node begin."""
        return np.searchsorted(self.one, np.arange(count + 1, dtype=np.int32))


def star_cover(
    left: Nodes, right: Nodes, weight: Weights, preference: Nodes
) -> tuple[Nodes, Nodes]:
    """Cover the nodes that some links are between with stars.

    Args:
        left, right: (m,) links, each once, no node with itself.
        weight: (m,) probability of each, told apart down to UNIT.
        preference: rank of every node, 0 the most wanted; a permutation.

    Returns:
        The nodes, and the centre of each.
    """
    linked = np.zeros(len(preference), bool)
    linked[left] = linked[right] = True
    nodes = np.flatnonzero(linked)
    nodes = nodes[np.argsort(preference[nodes])]
    number = np.empty(len(preference), np.int64)
    number[nodes] = np.arange(len(nodes))
    links = _AdjacencyList.of(number[left], number[right], weight)
    centre, free = np.arange(len(nodes)), np.ones(len(nodes), bool)
    while len(links.one):
        seen = len(links.one)
        heads = _next_centre(links, len(nodes))
        taken = heads[links.one]
        centre[links.other[taken]] = links.one[taken]
        free[links.other[taken]] = False
        free[heads] = False
        links = links.among(free)
        if np.count_nonzero(heads) * LINKS < seen:
            _one_by_one(links, centre, free)
            break
    return nodes, nodes[centre]


def _next_centre(links: _AdjacencyList, count: int) -> npt.NDArray[np.bool_]:
    """(n,) the nodes that come before every other one at most two steps away."""
    nodes, starts = np.unique(links.one, return_index=True)
    rank = np.empty(len(nodes), np.int64)
    rank[np.argsort(-np.add.reduceat(links.worth, starts), kind="stable")] = np.arange(len(nodes))
    place = np.zeros(count, np.int64)
    place[nodes] = np.arange(len(nodes))
    other = place[links.other]
    near = np.minimum(rank, np.minimum.reduceat(rank[other], starts))
    near = np.minimum(near, np.minimum.reduceat(near[other], starts))
    heads = np.zeros(count, bool)
    heads[nodes[near == rank]] = True
    return heads


def _one_by_one(links: _AdjacencyList, centre: Nodes, free: npt.NDArray[np.bool_]) -> None:
    """Cover what is left star by star, written into `centre` and `free`.

    The standings lie in rows of about √n, of which the best is known: a star changes few of them.
    """
    count, starts = len(free), links.starts(len(free))
    width = max(1, int(np.sqrt(count)))
    standing = np.full(-(-count // width) * width, -1, np.int64)
    standing[:count][free] = 0
    np.add.at(standing, links.one, links.worth)
    rows = standing.reshape(-1, width)
    best = rows.max(axis=1)
    while (row := int(best.argmax()), best[row])[1] > 0:
        head = row * width + int(rows[row].argmax())
        near = links.other[starts[head] : starts[head + 1]]
        star = np.append(near[free[near]], head)
        centre[star], free[star] = head, False
        sizes = starts[star + 1] - starts[star]
        at = np.repeat(starts[star] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
        at = at[free[links.other[at]]]
        shaken = links.other[at]
        np.subtract.at(standing, shaken, links.worth[at])
        standing[star] = -1
        changed = np.unique(np.append(shaken, star) // width)
        best[changed] = rows[changed].max(axis=1)
