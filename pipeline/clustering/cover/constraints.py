"""Verdicts over units and links: what clustering must keep together and apart.

A *same* is a must-link: records that persons tied together are one entity, which is clustered as
one. A *different* is a cannot-link between two entities; it holds for the exact copies of either
record too. Only where verdicts contradict the copies themselves (two identical records are called
different; one copy is called the same as a record that another is called different from) is the
unit of the copies taken apart: each copy that a verdict names stands for itself, the unnamed ones
stay one, and what ties them to each other is one accepted link each, of probability 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import Flags, Rows, components, positions_in_sorted
from pipeline.candidates import ContentGroups
from pipeline.clustering.links import Links
from pipeline.labels import DIFFERENT, RELATED, Verdicts


@dataclass(frozen=True)
class ConstrainedLinks:
    """What is clustered: entities, each of one or more nodes, a node being a unit or part of one.

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


def constrain(units: ContentGroups, links: Links, verdicts: Verdicts) -> ConstrainedLinks:
    """Bring verdicts on records to bear on the links between units."""
    no = np.zeros(0, np.int64)
    if not len(verdicts.left):
        nothing = _choose(links, no)
        whole = np.arange(len(units.rows))
        return ConstrainedLinks(
            units.of_record, units.rows, whole, links, nothing, no, no, no, no, no
        )  # fmt: skip
    nodes = _Nodes(units, verdicts)
    spread = nodes.spread(links)
    entity = components(len(nodes.rows), *nodes.of(*verdicts.ties()))
    apart = nodes.apart(verdicts, entity)
    key, by = nodes.bars(verdicts)
    # Between entities that must stay apart no link counts, whichever of their nodes it is about.
    hostile = _find(_pair_key(entity[spread.left], entity[spread.right], len(entity)), *apart[:2])
    own = _find(_pair_key(spread.left, spread.right, len(nodes.rows)), key, by)
    barred_by = np.where(own >= 0, own, hostile)
    free, barred = np.flatnonzero(barred_by < 0), np.flatnonzero(barred_by >= 0)
    left, right = np.divmod(apart[0], len(entity))
    related = verdicts.places_of(RELATED)
    doubtful = nodes.of(verdicts.left[related], verdicts.right[related])
    return ConstrainedLinks(
        of_record=nodes.of_record,
        rows=nodes.rows,
        entity=entity,
        links=_doubtful(_choose(spread, free), *doubtful),
        barred=_choose(spread, barred),
        barred_by=barred_by[barred],
        apart_left=left,
        apart_right=right,
        apart_by=apart[1],
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


def _pair_key(one: Rows, other: Rows, count: int) -> Rows:
    return np.minimum(one, other) * count + np.maximum(one, other)


def _once(key: Rows, by: Rows) -> tuple[Rows, Rows]:
    """Each key once, ascending, with the first of its verdicts."""
    order = np.lexsort((by, key))
    first = order[np.flatnonzero(np.diff(key[order], prepend=-1))]
    return key[first], by[first]


def _find(key: Rows, known: Rows, by: Rows) -> Rows:
    """The verdict of each key, -1 where `known` (ascending) has none."""
    return np.append(by, -1)[positions_in_sorted(key, known)]


class _Nodes:
    """Units, those taken apart whose copies the verdicts tell apart."""

    def __init__(self, units: ContentGroups, verdicts: Verdicts) -> None:
        unit = units.of_record
        self.torn = _split_groups(unit, len(units.rows), verdicts)
        named = np.zeros(len(unit), bool)
        named[verdicts.left] = named[verdicts.right] = True
        leader = units.leader.copy()
        own = named & self.torn[unit]
        leader[own] = np.flatnonzero(own)
        unnamed = np.flatnonzero(self.torn[unit] & ~named)
        smallest = np.full(len(units.rows), len(unit))
        np.minimum.at(smallest, unit[unnamed], unnamed)
        leader[unnamed] = smallest[unit[unnamed]]
        self.rows = np.unique(leader)
        self.of_record = np.searchsorted(self.rows, leader)
        self.unit = unit[self.rows]
        self.order = np.argsort(self.unit, kind="stable")
        self.bounds = np.searchsorted(self.unit[self.order], np.arange(len(units.rows) + 1))
        # (u,) the node of a torn unit's unnamed copies.
        self.rest = np.full(len(units.rows), -1)
        self.rest[unit[unnamed]] = self.of_record[unnamed]

    def of(self, left: Rows, right: Rows) -> tuple[Rows, Rows]:
        """The nodes of two columns of record rows."""
        return self.of_record[left], self.of_record[right]

    def products(self, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows]:
        """All pairs of nodes of pairs of units, and the place of the pair each comes from."""
        sizes = np.diff(self.bounds)
        counts = sizes[left] * sizes[right]
        source = np.repeat(np.arange(len(left)), counts)
        within = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = np.divmod(within, np.maximum(sizes[right[source]], 1))
        first = self.order[self.bounds[left[source]] + row]
        second = self.order[self.bounds[right[source]] + column]
        return first, second, source

    def spread(self, links: Links) -> Links:
        """The links between units as links between their nodes, and those of torn units within."""
        if not self.torn.any():
            return links
        one, other, source = self.products(links.left, links.right)
        torn = np.flatnonzero(self.torn)
        first, second, _ = self.products(torn, torn)
        inner = first < second
        first, second = first[inner], second[inner]
        left = np.concatenate([np.minimum(one, other), first])
        right = np.concatenate([np.maximum(one, other), second])
        probability = np.concatenate([links.probability[source], np.ones(len(first))])
        proposed_by = np.concatenate([links.proposed_by[source], np.zeros(len(first), np.uint8)])
        order = np.lexsort((right, left))
        no_left, no_right, refused = self.products(links.refused_left, links.refused_right)
        return Links(
            left[order], right[order], probability[order], proposed_by[order],
            np.minimum(no_left, no_right), np.maximum(no_left, no_right), links.apart[refused],
        )  # fmt: skip

    def bars(self, verdicts: Verdicts) -> tuple[Rows, Rows]:
        """Pairs of nodes whose own link a *different* or a *related* bars, as keys, and by which.

        Between two units it bars every link: it is one content against another. Inside a torn
        unit only that of the two records.
        """
        keys, bys = [], []
        for label in (DIFFERENT, RELATED):  # the former is told where both bar a link
            at = verdicts.places_of(label)
            left, right = self.of(verdicts.left[at], verdicts.right[at])
            across = self.unit[left] != self.unit[right]
            one, other, source = self.products(self.unit[left[across]], self.unit[right[across]])
            keys += [_pair_key(left, right, len(self.rows)), _pair_key(one, other, len(self.rows))]
            bys += [at, at[across][source]]
        key, by = np.concatenate(keys), np.concatenate(bys)
        first = np.unique(key, return_index=True)[1]
        return key[first], by[first]

    def apart(self, verdicts: Verdicts, entity: Rows) -> tuple[Rows, Rows]:
        """Pairs of entities that must not share a cluster, as keys, and by which verdict."""
        at = verdicts.places_of(DIFFERENT)
        left, right = self.of(verdicts.left[at], verdicts.right[at])
        across = self.unit[left] != self.unit[right]
        pairs = [(left, right, at)]
        # What a person said of a copy holds for the unnamed copies of a torn unit.
        rests = self.rest[self.unit[left]], self.rest[self.unit[right]]
        for one, other in ((rests[0], right), (left, rests[1]), rests):
            there = across & (one >= 0) & (other >= 0)
            pairs.append((one[there], other[there], at[there]))
        key = np.concatenate([_pair_key(entity[a], entity[b], len(entity)) for a, b, _ in pairs])
        return _once(key, np.concatenate([by for _, _, by in pairs]))


def _split_groups(unit: Rows, count: int, verdicts: Verdicts) -> Flags:
    """(u,) units whose copies the verdicts tell apart."""
    one, other = verdicts.ties()
    home = components(count, unit[one], unit[other])
    left, right = unit[verdicts.left], unit[verdicts.right]
    clash = (verdicts.label == DIFFERENT) & (home[left] == home[right])
    torn: Flags = np.isin(home, home[left[clash]])
    torn[left[(verdicts.label == RELATED) & (left == right)]] = True
    return torn & (np.bincount(unit, minlength=count) > 1)
