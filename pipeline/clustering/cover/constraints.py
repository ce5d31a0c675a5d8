"""Constraints from verdicts: what clustering must keep together and apart.

A *same* is a must-link: records that persons tied together are one entity, which is clustered as
one. A *different* is a cannot-link between two entities; it holds for the exact copies of either
record too. Where verdicts contradict the copies themselves, their group is taken apart as `nodes`
says, and what ties a named copy to the others is one accepted link each, of probability 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import Flags, Rows, components, pair_key, pair_sides, positions_in_sorted
from pipeline.candidates import ContentGroups
from pipeline.clustering.cover.nodes import Nodes, occurrences, split_groups
from pipeline.clustering.links import Links
from pipeline.labels import DIFFERENT, RELATED, SAME, Verdicts


@dataclass(frozen=True)
class ConstrainedLinks:
    """What is clustered: entities, each of one or more nodes, a node being a group or part of one.

    Attributes:
        of_record: (n,) node of each record.
        rows: (k,) row of each node's smallest record, ascending.
        entity: (k,) entity of each node; numbers ascend with the smallest node.
        links: between nodes; accepted ones that a verdict bars are in `links` no more.
        barred: the accepted links that a verdict bars, between nodes.
        barred_by: (b,) place of the verdict that bars each.
        apart_left, apart_right: (a,) pairs of entities that must not share a cluster, each once.
        apart_by: (a,) place of the verdict on each.
        doubted: (d,) nodes that a contradiction between verdicts is about.
        unnamed_copies: (n,) records of the groups that are taken apart that no verdict names.
    """

    of_record: Rows
    rows: Rows
    entity: Rows
    links: Links
    barred: Links
    barred_by: Rows
    apart_left: Rows
    apart_right: Rows
    apart_by: Rows
    doubted: Rows
    unnamed_copies: Flags

    @property
    def tied(self) -> bool:
        """Whether some entity has several nodes."""
        return int(self.entity.max(initial=-1)) + 1 < len(self.entity)


def constrain(
    groups: ContentGroups, links: Links, verdicts: Verdicts, source: Rows
) -> ConstrainedLinks:
    """Bring verdicts on records to bear on the links between groups.

    Args:
        source: (n,) number of each record's duplicate-free source, -1: of another one.
    """
    no = np.zeros(0, np.int64)
    if not len(verdicts.left) and not occurrences(groups.group_of_record, source).any():
        whole = np.arange(len(groups.rows))
        node, rows = groups.group_of_record, groups.rows
        none = np.zeros(len(node), bool)
        return ConstrainedLinks(
            node, rows, whole, links, _choose(links, no), no, no, no, no, no, none
        )
    nodes = split_groups(groups, verdicts, source)
    spread = _between_nodes(links, nodes)
    entity = _must_links(nodes, verdicts)
    apart, apart_by = _cannot_links(nodes, verdicts, entity)
    key, by = _barred_links(nodes, verdicts)
    # Between entities that must stay apart no link counts, whichever of their nodes it is about.
    sides = pair_key(entity[spread.left], entity[spread.right], len(entity))
    own = pair_key(spread.left, spread.right, len(nodes.rows))
    barred_by = _find(own, key, by)
    barred_by = np.where(barred_by >= 0, barred_by, _find(sides, apart, apart_by))
    free, barred = np.flatnonzero(barred_by < 0), np.flatnonzero(barred_by >= 0)
    left, right = pair_sides(apart, len(entity))
    related = verdicts.places_of(RELATED)
    return ConstrainedLinks(
        of_record=nodes.of_record,
        rows=nodes.rows,
        entity=entity,
        links=_doubtful(_choose(spread, free), *nodes.ends(verdicts, related)),
        barred=_choose(spread, barred),
        barred_by=barred_by[barred],
        apart_left=left,
        apart_right=right,
        apart_by=apart_by,
        doubted=np.unique(nodes.of_record[verdicts.contradicted()]),
        unnamed_copies=(nodes.split[nodes.group] & ~nodes.named)[nodes.of_record],
    )


def _choose(links: Links, at: Rows) -> Links:
    """The accepted links at some places; what was refused stays."""
    return replace(
        links,
        left=links.left[at],
        right=links.right[at],
        probability=links.probability[at],
        proposed_by=links.proposed_by[at],
        odds=links.odds[at],
        unsure=links.unsure[at],
    )


def _doubtful(links: Links, one: Rows, other: Rows) -> Links:
    """Add pairs that a person called related: inside one cluster they are a doubt."""
    count = len(one)
    return replace(
        links,
        refused_left=np.concatenate([links.refused_left, np.minimum(one, other)]),
        refused_right=np.concatenate([links.refused_right, np.maximum(one, other)]),
        apart=np.concatenate([links.apart, np.ones(count, bool)]),
        refused_probability=np.concatenate([links.refused_probability, np.full(count, np.nan)]),
        refused_by=np.concatenate([links.refused_by, np.zeros(count, np.uint8)]),
        refused_odds=np.concatenate([links.refused_odds, np.full(count, -np.inf, np.float32)]),
    )


def _find(key: Rows, known: Rows, by: Rows) -> Rows:
    """The verdict of each key, -1 where `known` (ascending) has none."""
    return np.append(by, -1)[positions_in_sorted(key, known)]


def _between_nodes(links: Links, nodes: Nodes) -> Links:
    """The links between groups as links between their nodes, and those inside split groups."""
    if not nodes.split.any():
        return links
    one, other, source = nodes.expand(links.left, links.right)
    inner = nodes.inside()
    left = np.concatenate([np.minimum(one, other), inner[0]])
    right = np.concatenate([np.maximum(one, other), inner[1]])
    probability = np.concatenate([links.probability[source], np.ones(len(inner[0]))])
    proposed_by = np.concatenate([links.proposed_by[source], np.zeros(len(inner[0]), np.uint8)])
    odds = np.concatenate([links.odds[source], np.full(len(inner[0]), np.inf, np.float32)])
    unsure = np.concatenate([links.unsure[source], np.zeros(len(inner[0]), bool)])
    order = np.lexsort((right, left))
    no_left, no_right, refused = nodes.expand(links.refused_left, links.refused_right)
    return Links(
        left[order],
        right[order],
        probability[order],
        proposed_by[order],
        odds[order],
        unsure[order],
        np.minimum(no_left, no_right),
        np.maximum(no_left, no_right),
        links.apart[refused],
        links.refused_probability[refused],
        links.refused_by[refused],
        links.refused_odds[refused],
    )


def _must_links(nodes: Nodes, verdicts: Verdicts) -> Rows:
    """(k,) entity of each node: nodes that a *same* ties are one."""
    return components(len(nodes.rows), *nodes.ends(verdicts, verdicts.places_of(SAME)))


def _cannot_links(nodes: Nodes, verdicts: Verdicts, entity: Rows) -> tuple[Rows, Rows]:
    """Keys of the pairs of entities that must not share a cluster, ascending, and the verdicts."""
    at = verdicts.places_of(DIFFERENT)
    left, right = nodes.ends(verdicts, at)
    within = nodes.group[left] == nodes.group[right]
    # What a person said of a copy holds for the unnamed copies of a split group.
    one, other, by = left[~within], right[~within], at[~within]
    one, other, by = nodes.with_copies(one, other, by)
    other, one, by = nodes.with_copies(other, one, by)
    one, other = np.concatenate([one, left[within]]), np.concatenate([other, right[within]])
    key, by = pair_key(entity[one], entity[other], len(entity)), np.append(by, at[within])
    order = np.lexsort((by, key))
    first = order[np.flatnonzero(np.diff(key[order], prepend=-1))]
    return key[first], by[first]


def _barred_links(nodes: Nodes, verdicts: Verdicts) -> tuple[Rows, Rows]:
    """Keys of the pairs of nodes whose own link a verdict bars, ascending, and by which.

    Between two groups a *different* or a *related* bars every link: it is one content against
    another. Inside a split group it bars only that of the two records.
    """
    keys, bys = [], []
    for label in (DIFFERENT, RELATED):  # the former is told where both bar a link
        at = verdicts.places_of(label)
        left, right = nodes.ends(verdicts, at)
        across = nodes.group[left] != nodes.group[right]
        one, other, source = nodes.expand(nodes.group[left[across]], nodes.group[right[across]])
        keys += [
            pair_key(ends[0], ends[1], len(nodes.rows)) for ends in ((left, right), (one, other))
        ]
        bys += [at, at[across][source]]
    key, first = np.unique(np.concatenate(keys), return_index=True)
    return key, np.concatenate(bys)[first]
