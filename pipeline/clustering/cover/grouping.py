"""Grouping: the clusters of linked entities, and which entity represents each.

Accepted links make components. One in which every two entities are linked is a cluster as it
stands. In the others average linkage decides what belongs together, by all that was scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Rows, components
from pipeline.clustering.cover.average_linkage import average_linkage
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.clustering.cover.holdings import Holdings
from pipeline.clustering.cover.must_link_groups import MustLinkGroups
from pipeline.clustering.cover.scored_pairs import ACCEPTED, NEAR, ScoredPairs, pairs_within


@dataclass(frozen=True)
class Grouping:
    """Clusters of n entities.

    Attributes:
        cluster: (n,) number of each one's cluster; numbers ascend with the smallest member.
        representative: (n,) the entity that represents each one's cluster.
        probability: (n,) of each one's own pair with its representative, 1 for the latter; where
            the two were never scored, the mean over its pairs with the cluster, 0 for each that was
            not scored either.
        proposed_by: (n,) flags of `ProposedBy` of that pair, 0 where there is none.
        accepted: (n,) that pair was accepted; true for the representative.
        scored: (n,) that pair was scored; true for the representative.
    """

    cluster: Rows
    representative: Rows
    probability: Floats
    proposed_by: npt.NDArray[np.uint8]
    accepted: Flags
    scored: Flags


def group_entities(
    entities: MustLinkGroups, preference: Rows, *, bound: ConstrainedLinks, holdings: Holdings,
    chosen: Flags | None = None,
) -> Grouping:  # fmt: skip
    """Group entities by their links and by what was refused between them.

    Args:
        preference: (n,) rank by the keeper policy, 0 the most wanted; a permutation.
        holdings: what the entities hold of duplicate-free sources.
        chosen: (n,) that a person wants to represent their cluster, whatever they are linked to.
    """
    chosen = np.zeros(len(preference), bool) if chosen is None else chosen
    component = components(len(preference), entities.left, entities.right)
    home = _contested(component, entities, holdings)
    pairs = pairs_within(home, bound)
    group = average_linkage(
        home, pairs.left, pairs.right, pairs.odds,
        apart=(bound.apart_left, bound.apart_right), holdings=holdings,
    )  # fmt: skip
    whole = home < 0
    group[whole] = np.unique(component, return_index=True)[1][component[whole]]
    cluster = np.unique(group, return_inverse=True)[1]
    inside = (cluster[pairs.left] == cluster[pairs.right]) & ~np.isnan(pairs.probability)
    return _represented(cluster, preference, entities, pairs.take(inside), chosen)


def _contested(component: Rows, entities: MustLinkGroups, holdings: Holdings) -> Rows:
    """(n,) component of each entity, -1 where it is a cluster as it stands."""
    size = np.bincount(component)
    linked = np.bincount(component[entities.left], minlength=len(size))
    home = np.where(linked * 2 < size * (size - 1), np.arange(len(size)), -1)[component]
    if holdings.sources:
        crowded = holdings.crowded(component)
        home[crowded] = component[crowded]
    return home


def _represented(
    cluster: Rows, preference: Rows, entities: MustLinkGroups, pairs: ScoredPairs, chosen: Flags
) -> Grouping:
    """Choose the representatives.

    Of a cluster it is what a person chose; else the keeper policy's first choice among the members
    with an accepted link to all others; if none has, among those with a pair to all that was
    accepted or left for review; if none has, among those with the most scored pairs.

    Args:
        pairs: scored pairs within clusters, of those clusters that were contested.
    """
    count, size = len(cluster), np.bincount(cluster)[cluster]
    linked = cluster[entities.left] == cluster[entities.right]
    left, right = entities.left[linked], entities.right[linked]
    links, scored = _degree(count, left, right), _degree(count, pairs.left, pairs.right)
    close = pairs.standing >= NEAR
    near = _degree(count, pairs.left[close], pairs.right[close])
    worth = np.select(
        [chosen, links == size - 1, near == size - 1], [count + 3, count + 2, count + 1], scored
    )
    order = np.lexsort((preference, -worth, cluster))
    representative = order[np.flatnonzero(np.diff(cluster[order], prepend=-1))][cluster]
    mean = np.zeros(count)
    for end in (pairs.left, pairs.right):
        mean += np.bincount(end, pairs.probability, count)
    probability = mean / np.maximum(size - 1, 1)
    proposed_by = np.zeros(count, np.uint8)
    accepted, known = (representative == np.arange(count) for _ in range(2))
    probability[accepted] = 1
    links_yes = np.ones(len(left), bool)
    for one, other, p, by, yes in (
        (pairs.left, pairs.right, pairs.probability, pairs.proposed_by, pairs.standing == ACCEPTED),
        (left, right, entities.probability[linked], entities.proposed_by[linked], links_yes),
    ):
        for node, head in ((one, other), (other, one)):
            own = representative[node] == head
            probability[node[own]], proposed_by[node[own]] = p[own], by[own]
            accepted[node[own]], known[node[own]] = yes[own], True
    return Grouping(cluster, representative, probability, proposed_by, accepted, known)


def _degree(count: int, left: Rows, right: Rows) -> Rows:
    """(n,) pairs of each entity."""
    return np.bincount(left, minlength=count) + np.bincount(right, minlength=count)
