"""The greedy star cover of one component, with nodes that must stay apart.

Cannot-links (Wagstaff et al., 2001) never share a star: of a centre's neighbours those join it that
may be together, as many as can be.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Nodes = npt.NDArray[np.int64]
Rivals = dict[int, set[int]]  # node -> the nodes it must not share a cluster with

EXACT = 16  # rivals that hang together, up to which the best choice is searched
_NOBODY: frozenset[int] = frozenset()


def cover_component(
    graph: csr_matrix, nodes: Nodes, preference: Nodes, rivals: Rivals, centre: Nodes
) -> None:
    """Greedy star cover of one component, written into `centre`.

    The next centre is the node whose star would have the most still uncovered members, then the
    greatest sum of their probabilities, then the keeper policy's choice.
    """
    open_nodes = set(nodes.tolist())
    neighbours = {node: _row(graph, node) for node in open_nodes}
    stars = {node: _star(node, neighbours, open_nodes, rivals, preference) for node in neighbours}
    gain = {node: (len(star), sum(star.values())) for node, star in stars.items()}
    heap = [(-gain[n][0], -round(gain[n][1], 6), int(preference[n]), n) for n in open_nodes]
    heapq.heapify(heap)
    while open_nodes:
        entry = heapq.heappop(heap)
        node = entry[3]
        if node not in open_nodes:
            continue
        star = _star(node, neighbours, open_nodes, rivals, preference)
        current = (-len(star), -round(sum(star.values()), 6), int(preference[node]), node)
        if current != entry:
            heapq.heappush(heap, current)
            continue
        members = [node, *star]
        centre[members] = node
        open_nodes.difference_update(members)


def _star(
    node: int,
    neighbours: dict[int, dict[int, float]],
    open_nodes: set[int],
    rivals: Rivals,
    preference: Nodes,
) -> dict[int, float]:
    """The open neighbours that would join a centre, with their probabilities.

    Not one that is nearer to a rival that the star leaves out: two records that a person told apart
    share their copies by likeness.
    """
    there = {other: p for other, p in neighbours[node].items() if other in open_nodes}
    if not rivals:
        return there
    star = are_compatible(there, rivals, preference)
    outside = {e for member in (node, *star) for e in rivals.get(member, ()) if e in open_nodes}
    return {
        member: p
        for member, p in star.items()
        if all(
            neighbours[member].get(rival, 0.0) <= p
            for rival in outside - rivals.get(member, _NOBODY)
        )
    }


def are_compatible(star: dict[int, float], rivals: Rivals, preference: Nodes) -> dict[int, float]:
    """The members of a star that may be together: the most, then the most probable in sum.

    Exact where rivals hang together in groups of `EXACT` at most, else the one with the fewest
    rivals is taken first (minimum-degree greedy), then the most probable, then by the policy.
    """
    if not rivals:
        return star
    pending = {node for node in star if not rivals.get(node, _NOBODY).isdisjoint(star)}
    if not pending:
        return star
    kept = {node: p for node, p in star.items() if node not in pending}
    while pending:
        part = _part(min(pending), rivals, pending)
        pending -= part
        chosen = _exact(part, star, rivals, preference) if len(part) <= EXACT else None
        for node in chosen or _greedy(part, star, rivals, preference):
            kept[node] = star[node]
    return dict(sorted(kept.items()))


def _part(start: int, rivals: Rivals, among: set[int]) -> set[int]:
    """The nodes that rivalry connects with `start`."""
    found, ahead = {start}, [start]
    while ahead:
        new = (rivals[ahead.pop()] & among) - found
        found |= new
        ahead += new
    return found


def _exact(
    part: set[int], star: dict[int, float], rivals: Rivals, preference: Nodes
) -> frozenset[int]:
    """The best set without rivals, by branching on the node with the most of them."""
    contested = {node: len(rivals[node] & part) for node in part}
    node = max(part, key=lambda n: (contested[n], n), default=None)
    if node is None or not contested[node]:
        return frozenset(part)
    chosen = [
        _exact(part - {node}, star, rivals, preference),
        _exact(part - {node} - rivals[node], star, rivals, preference) | {node},
    ]

    def worth(nodes: frozenset[int]) -> tuple[int, float, list[int]]:
        wanted = sorted(-int(preference[n]) for n in nodes)
        return len(nodes), round(sum(star[n] for n in sorted(nodes)), 6), wanted[::-1]

    return max(chosen, key=worth)


def _greedy(part: set[int], star: dict[int, float], rivals: Rivals, preference: Nodes) -> list[int]:
    left, kept = set(part), []
    while left:
        best = min(left, key=lambda n: (len(rivals[n] & left), -star[n], int(preference[n])))
        kept.append(best)
        left -= rivals[best] | {best}
    return kept


def _row(graph: csr_matrix, node: int) -> dict[int, float]:
    low, high = graph.indptr[node], graph.indptr[node + 1]
    return dict(
        sorted(zip(graph.indices[low:high].tolist(), graph.data[low:high].tolist(), strict=True))
    )
