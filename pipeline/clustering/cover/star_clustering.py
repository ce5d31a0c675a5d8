"""Scored pairs → clusters: connected components, the chain guard, the representative.

The chain guard is a greedy star cover (star clustering: Aslam, Pelekhov and Rus, 2004): inside a
component the record with the most accepted links becomes a centre, its direct neighbours join it,
and the rest is covered again. Every member therefore has accepted evidence against its centre, and
no bridge can carry a record into a group it has nothing to do with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from pipeline.arrays import components
from pipeline.clustering.cover.constrained_star_cover import Rivals, cover_component
from pipeline.clustering.cover.star_cover import star_cover

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


def cluster_links(
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
    component = components(count, left, right)
    centre = _star_cover(component, left, right, weight, preference, apart)
    cut = np.flatnonzero(centre[left] != centre[right])
    touched = np.zeros(count, bool)
    touched[component[left[cut]]] = True
    return Grouping(
        _number_by_size(centre),
        _representatives(centre, left, right, preference),
        cut,
        touched[component],
    )


def _number_by_size(centre: Nodes) -> Nodes:
    """(n,) clusters numbered in the order of their smallest members."""
    smallest = np.full(len(centre), len(centre))
    np.minimum.at(smallest, centre, np.arange(len(centre)))
    smallest = smallest[centre]
    first = smallest == np.arange(len(centre))
    return np.asarray((np.cumsum(first) - 1)[smallest], np.int64)


def _star_cover(
    component: Nodes,
    left: Nodes,
    right: Nodes,
    weight: Weights,
    preference: Nodes,
    apart: tuple[Nodes, Nodes] | None,
) -> Nodes:
    """Centre of every node. Components in which one node reaches all need no cover."""
    count = len(component)
    centre = np.arange(count)
    degree = np.bincount(left, minlength=count) + np.bincount(right, minlength=count)
    # In each component the node with the most links, then the keeper policy's choice.
    standing = degree * (count + 1) - preference
    best = np.full(count, -count - 1)
    np.maximum.at(best, component, standing)
    first = np.zeros(count, np.int64)
    heads = np.flatnonzero(standing == best[component])
    first[component[heads]] = heads
    whole = degree[first] == np.bincount(component, minlength=count) - 1
    rivals = _rivals(component, apart) if apart else {}
    contested = np.zeros(count, bool)
    contested[component[list(rivals)]] = True
    simple = (whole & ~contested)[component]
    centre[simple] = first[component[simple]]
    for some, cover in (
        (~whole & ~contested, star_cover),
        (contested, partial(_cannot_links_within, rivals)),
    ):
        within = np.flatnonzero(some[component[left]])
        nodes, centres = cover(left[within], right[within], weight[within], preference)
        centre[nodes] = centres
    return centre


def _cannot_links_within(
    rivals: Rivals, left: Nodes, right: Nodes, weight: Weights, preference: Nodes
) -> tuple[Nodes, Nodes]:
    """The nodes that some links are between, and their centres, rivals apart."""
    count = len(preference)
    values = np.concatenate([weight, weight])
    rows, columns = np.concatenate([left, right]), np.concatenate([right, left])
    graph = csr_matrix((values, (rows, columns)), shape=(count, count))
    nodes, centre = np.unique(rows), np.arange(count)
    component = components(count, left, right)[nodes]
    order = np.argsort(component, kind="stable")
    bounds = np.flatnonzero(np.diff(component[order])) + 1
    for members in np.split(nodes[order], bounds):
        cover_component(graph, members, preference, rivals, centre)
    return nodes, centre[nodes]


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
    first = np.full(count, count)
    np.minimum.at(first, centre[eligible], preference[eligible])
    by_rank = np.empty(count, np.int64)
    by_rank[preference] = np.arange(count)
    return np.asarray(by_rank[first[centre]], np.int64)
