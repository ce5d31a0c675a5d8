"""Scored pairs → clusters: connected components, the chain guard, the representative.

The chain guard is a greedy star cover (star clustering: Aslam, Pelekhov and Rus, 2004): inside a
component the record with the most accepted links becomes a centre, its direct neighbours join it,
and the rest is covered again. Every member therefore has accepted evidence against its centre, and
no bridge can carry a record into a group it has nothing to do with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from pipeline.cover import Rivals, cover_component

Nodes = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float64]

CHAIN = "chain guard: no direct accepted evidence to the representative"


@dataclass(frozen=True)
class Grouping:
    """Clusters of n nodes.

    Attributes:
        cluster: (n,) number of the cluster of each node; numbers ascend with the smallest member.
        representative: (n,) node each node's cluster is represented by.
        cut: (c,) positions in the accepted links that run between clusters.
        split: (n,) true for members of a component that the chain guard had to split.
    """

    cluster: Nodes
    representative: Nodes
    cut: Nodes
    split: npt.NDArray[np.bool_]


def group(
    count: int,
    left: Nodes,
    right: Nodes,
    weight: Weights,
    preference: Nodes,
    *,
    apart: tuple[Nodes, Nodes] | None = None,
) -> Grouping:
    """Group `count` nodes by accepted links.

    Args:
        left, right: (m,) accepted links, left < right, each once.
        weight: (m,) probability of each link.
        preference: (n,) rank by the keeper policy, 0 the most wanted; a permutation.
        apart: pairs of nodes that must not share a cluster; none of them is linked.

    Returns:
        A grouping in which every member is linked directly to its representative.
    """
    centre = _star_cover(count, left, right, weight, preference, apart)
    cut = np.flatnonzero(centre[left] != centre[right])
    representative = _representatives(centre, left, right, preference)
    _, component = connected_components(_adjacency(count, left, right, weight), directed=False)
    smallest = np.full(count, count, np.int64)
    np.minimum.at(smallest, centre, np.arange(count))
    cluster = np.unique(smallest[centre], return_inverse=True)[1]
    touched = np.zeros(count, bool)
    touched[component[left[cut]]] = True
    return Grouping(cluster.astype(np.int64), representative, cut, touched[component])


def _adjacency(count: int, left: Nodes, right: Nodes, weight: Weights) -> csr_matrix:
    values = np.concatenate([weight, weight])
    rows, columns = np.concatenate([left, right]), np.concatenate([right, left])
    return csr_matrix((values, (rows, columns)), shape=(count, count))


def _star_cover(
    count: int,
    left: Nodes,
    right: Nodes,
    weight: Weights,
    preference: Nodes,
    apart: tuple[Nodes, Nodes] | None,
) -> Nodes:
    """Centre of every node. Components in which one node reaches all need no loop."""
    centre = np.arange(count)
    if not len(left):
        return centre
    graph = _adjacency(count, left, right, weight)
    parts, component = connected_components(graph, directed=False)
    degree = np.diff(graph.indptr)
    size = np.bincount(component, minlength=parts)
    # In a component's own order: most links first, then the keeper policy.
    order = np.lexsort((preference, -degree, component))
    starts = np.searchsorted(component[order], np.arange(parts))
    first = order[starts]
    whole = degree[first] == size - 1
    rivals = _rivals(component, apart) if apart else {}
    contested = set(component[list(rivals)].tolist())
    whole[list(contested)] = False
    simple = whole[component]
    centre[simple] = first[component[simple]]
    for number in np.flatnonzero(~whole & (size > 1)):
        start = starts[number]
        here = rivals if number in contested else {}
        cover_component(graph, order[start : start + size[number]], preference, here, centre)
    return centre


def _rivals(component: Nodes, apart: tuple[Nodes, Nodes]) -> Rivals:
    """For each node the nodes of its component that it must not share a cluster with."""
    inside = component[apart[0]] == component[apart[1]]
    found: Rivals = {}
    for one, other in zip(apart[0][inside].tolist(), apart[1][inside].tolist(), strict=True):
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def _representatives(centre: Nodes, left: Nodes, right: Nodes, preference: Nodes) -> Nodes:
    """The keeper policy's first choice among the members linked directly to all others.

    The centre always qualifies, so there always is one.
    """
    count = len(centre)
    inside = centre[left] == centre[right]
    degree = np.bincount(left[inside], minlength=count) + np.bincount(
        right[inside], minlength=count
    )
    size = np.bincount(centre, minlength=count)
    eligible = np.flatnonzero(degree == size[centre] - 1)
    order = eligible[np.lexsort((preference[eligible], centre[eligible]))]
    owners, first = np.unique(centre[order], return_index=True)
    chosen = np.full(count, -1, np.int64)
    chosen[owners] = order[first]
    return chosen[centre]


def keeper_ranks(
    columns: Iterable[tuple[str, npt.NDArray[np.float64], str]], count: int
) -> tuple[Nodes, npt.NDArray[np.str_]]:
    """Rank records by a keeper policy.

    Args:
        columns: (rule name, (n,) value where higher is preferred, phrase) in order of priority.
        count: n; ties end with the smallest row number.

    Returns:
        (n,) rank of each record, 0 the most wanted, and the phrase of each rule in order.
    """
    listed = list(columns)
    keys = [np.arange(count, dtype=np.float64)] + [-value for _, value, _ in reversed(listed)]
    order = np.lexsort(keys)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    return rank, np.array([phrase for _, _, phrase in listed])
