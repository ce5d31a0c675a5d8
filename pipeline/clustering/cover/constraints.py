"""Constraints from verdicts: what clustering must keep together and apart.

A *same* is a must-link: records that persons tied together are one entity, which is clustered as
one. A *different* is a cannot-link between two entities; it holds for the exact copies of either
record too. Only where verdicts contradict the copies themselves (two identical records are called
different; one copy is called the same as a record that another is called different from) is the
group of the copies taken apart: each copy that a verdict names stands for itself, the unnamed ones
stay one, and what ties them to each other is one accepted link each, of probability 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import (
    Flags,
    Rows,
    components,
    cross_join,
    pair_key,
    pair_sides,
    positions_in_sorted,
)
from pipeline.candidates import ContentGroups
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

    @property
    def tied(self) -> bool:
        """Whether some entity has several nodes."""
        return int(self.entity.max(initial=-1)) + 1 < len(self.entity)


def constrain(groups: ContentGroups, links: Links, verdicts: Verdicts) -> ConstrainedLinks:
    """Bring verdicts on records to bear on the links between groups."""
    no = np.zeros(0, np.int64)
    if not len(verdicts.left):
        whole = np.arange(len(groups.rows))
        node, rows = groups.group_of_record, groups.rows
        return ConstrainedLinks(node, rows, whole, links, _choose(links, no), no, no, no, no, no)
    nodes = _split_groups(groups, verdicts)
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
    )


def _choose(links: Links, at: Rows) -> Links:
    """The accepted links at some places; what was refused stays."""
    return replace(
        links,
        left=links.left[at],
        right=links.right[at],
        probability=links.probability[at],
        proposed_by=links.proposed_by[at],
    )


def _doubtful(links: Links, one: Rows, other: Rows) -> Links:
    """Add pairs that a person called related: inside one cluster they are a doubt."""
    return replace(
        links,
        refused_left=np.concatenate([links.refused_left, np.minimum(one, other)]),
        refused_right=np.concatenate([links.refused_right, np.maximum(one, other)]),
        apart=np.concatenate([links.apart, np.ones(len(one), bool)]),
    )


def _find(key: Rows, known: Rows, by: Rows) -> Rows:
    """The verdict of each key, -1 where `known` (ascending) has none."""
    return np.append(by, -1)[positions_in_sorted(key, known)]


@dataclass(frozen=True)
class _Nodes:
    """What verdicts can be about: a content group, or parts of one whose copies they tell apart.

    Attributes:
        of_record: (n,) node of each record.
        rows: (k,) row of each node's smallest record, ascending.
        group: (k,) content group of each node.
        split: (g,) groups of several nodes.
        rest: (g,) node of a split group's copies that no verdict names, -1 without any.
        members: (k,) nodes by group; those of group i are `sizes[i]` from `starts[i]` on.
    """

    of_record: Rows
    rows: Rows
    group: Rows
    split: Flags
    rest: Rows
    members: Rows
    starts: Rows
    sizes: Rows

    def ends(self, verdicts: Verdicts, places: Rows) -> tuple[Rows, Rows]:
        """The nodes that some verdicts are about."""
        return self.of_record[verdicts.left[places]], self.of_record[verdicts.right[places]]

    def expand(self, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows]:
        """All pairs of nodes of pairs of groups, and the place of the pair each comes from."""
        one, other, source = cross_join(left, right, starts=self.starts, sizes=self.sizes)
        return self.members[one], self.members[other], source


def _split_groups(groups: ContentGroups, verdicts: Verdicts) -> _Nodes:
    """Take apart the groups whose copies the verdicts tell apart.

    Each copy that a verdict names stands for itself, the others stay one node.
    """
    group, count = groups.group_of_record, len(groups.rows)
    split = _told_apart(group, count, verdicts)
    named = np.zeros(len(group), bool)
    named[verdicts.left] = named[verdicts.right] = True
    alone, unnamed = np.flatnonzero(split[group] & named), np.flatnonzero(split[group] & ~named)
    smallest = np.full(count, len(group))
    np.minimum.at(smallest, group[unnamed], unnamed)
    leader = groups.leader.copy()
    leader[alone], leader[unnamed] = alone, smallest[group[unnamed]]
    rows, of_record = np.unique(leader, return_inverse=True)
    rest = np.full(count, -1)
    rest[group[unnamed]] = of_record[unnamed]
    sizes = np.bincount(group[rows], minlength=count)
    members = np.argsort(group[rows], kind="stable")
    return _Nodes(
        of_record, rows, group[rows], split, rest, members, np.cumsum(sizes) - sizes, sizes
    )


def _told_apart(group: Rows, count: int, verdicts: Verdicts) -> Flags:
    """(g,) groups whose copies the verdicts tell apart."""
    one, other = verdicts.ties()
    home = components(count, group[one], group[other])
    left, right = group[verdicts.left], group[verdicts.right]
    different, related = verdicts.places_of(DIFFERENT), verdicts.places_of(RELATED)
    clash = different[home[left[different]] == home[right[different]]]
    split: Flags = np.isin(home, home[left[clash]])
    split[left[related[left[related] == right[related]]]] = True
    return split & (np.bincount(group, minlength=count) > 1)


def _between_nodes(links: Links, nodes: _Nodes) -> Links:
    """The links between groups as links between their nodes, and those inside split groups."""
    if not nodes.split.any():
        return links
    one, other, source = nodes.expand(links.left, links.right)
    split = np.flatnonzero(nodes.split)
    first, second, _ = nodes.expand(split, split)
    inner = first < second
    left = np.concatenate([np.minimum(one, other), first[inner]])
    right = np.concatenate([np.maximum(one, other), second[inner]])
    probability = np.concatenate([links.probability[source], np.ones(inner.sum())])
    proposed_by = np.concatenate([links.proposed_by[source], np.zeros(inner.sum(), np.uint8)])
    order = np.lexsort((right, left))
    no_left, no_right, refused = nodes.expand(links.refused_left, links.refused_right)
    return Links(
        left[order],
        right[order],
        probability[order],
        proposed_by[order],
        np.minimum(no_left, no_right),
        np.maximum(no_left, no_right),
        links.apart[refused],
    )


def _must_links(nodes: _Nodes, verdicts: Verdicts) -> Rows:
    """(k,) entity of each node: nodes that a *same* ties are one."""
    return components(len(nodes.rows), *nodes.ends(verdicts, verdicts.places_of(SAME)))


def _cannot_links(nodes: _Nodes, verdicts: Verdicts, entity: Rows) -> tuple[Rows, Rows]:
    """Keys of the pairs of entities that must not share a cluster, ascending, and the verdicts."""
    at = verdicts.places_of(DIFFERENT)
    left, right = nodes.ends(verdicts, at)
    groups = nodes.group[left], nodes.group[right]
    pairs = [(left, right, at)]
    # What a person said of a copy holds for the unnamed copies of a split group.
    rests = nodes.rest[groups[0]], nodes.rest[groups[1]]
    for one, other in ((rests[0], right), (left, rests[1]), rests):
        there = (groups[0] != groups[1]) & (one >= 0) & (other >= 0)
        pairs.append((one[there], other[there], at[there]))
    key = np.concatenate([pair_key(entity[a], entity[b], len(entity)) for a, b, _ in pairs])
    by = np.concatenate([by for _, _, by in pairs])
    order = np.lexsort((by, key))
    first = order[np.flatnonzero(np.diff(key[order], prepend=-1))]
    return key[first], by[first]


def _barred_links(nodes: _Nodes, verdicts: Verdicts) -> tuple[Rows, Rows]:
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
