"""Duplicate-free sources: which of their records are together, and which links lose by it, and why.

A source that is set `duplicate_free` holds each thing once: no two of its records share a cluster,
unless a person called them the same. Of the links that would bring them together the better ones
stay; the others are cut links.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Floats, Rows, pair_key, positions_in_sorted
from pipeline.candidates import ContentGroups
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.clustering.cover.holdings import Holdings
from pipeline.clustering.cover.must_link_groups import MustLinkGroups

PROMISE = "source {} is duplicate-free: "


@dataclass(frozen=True)
class LosingLinks:
    """The accepted links that duplicate-free sources cut.

    Attributes:
        left, right: (c,) rows of records, left < right.
        probability: (c,) of each link. reason: (c,) why, in words.
        at: (m,) true for those links of `ConstrainedLinks` that are among them.
        doubted: entities that a link lost which is as probable as any that they kept, or whose
            exact copy in the same source is elsewhere.
    """

    left: Rows
    right: Rows
    probability: Floats
    reason: pa.Array
    at: Flags
    doubted: Rows


@dataclass(frozen=True)
class DuplicateFree:
    """The duplicate-free sources and their records.

    Attributes:
        names: ascending. source: (n,) place of each record's source in them, -1: another one.
    """

    names: tuple[str, ...]
    source: Rows

    @classmethod
    def of(cls, sources: pa.ChunkedArray, names: Sequence[str]) -> DuplicateFree:
        """From the source of each record."""
        listed = tuple(sorted(names))
        if not listed:
            return cls(listed, np.full(len(sources), -1))
        place = pc.index_in(sources, value_set=pa.array(listed, pa.string()))
        return cls(listed, np.asarray(pc.fill_null(place, -1).to_numpy(), np.int64))

    def holdings(self, of_record: Rows, *, nodes: int) -> Holdings:
        """What each of some nodes holds of the sources.

        Args:
            of_record: (n,) node of each record.
        """
        return Holdings.of(of_record, self.source, nodes=nodes, sources=len(self.names))

    def losing_links(
        self,
        ids: pa.Array,
        groups: ContentGroups,
        bound: ConstrainedLinks,
        entities: MustLinkGroups,
        cluster: Rows,
    ) -> LosingLinks:
        """The links between clusters that share a source, and what parted copies of one content.

        Args:
            cluster: (e,) of each entity.
        """
        links, ends = bound.links, (bound.entity[bound.links.left], bound.entity[bound.links.right])
        of_record = bound.entity[bound.of_record]
        at = np.zeros(len(links.left), bool)
        if self.names:
            held = self.holdings(of_record, nodes=len(cluster))
            at = held.shared(cluster, *ends) >= 0
        found = _Cuts(self, ids, of_record, entities, cluster)
        probability = links.probability[at]
        reason, doubted = found.told(ends[0][at], ends[1][at], probability)
        first, copy, why = self._copies(ids, groups, bound)
        copies = bound.entity[bound.of_record[np.concatenate([first, copy])]]
        return LosingLinks(
            np.concatenate([bound.rows[links.left[at]], first]),
            np.concatenate([bound.rows[links.right[at]], copy]),
            np.concatenate([probability, np.ones(len(copy))]),
            pa.concat_arrays([reason, why]),
            at,
            np.unique(np.concatenate([doubted, copies])),
        )

    def _copies(
        self, ids: pa.Array, groups: ContentGroups, bound: ConstrainedLinks
    ) -> tuple[Rows, Rows, pa.Array]:
        """Unnamed copies that are not with the first of their group: both rows, and why."""
        group, count = groups.group_of_record, len(groups.rows)
        there = np.flatnonzero(bound.unnamed_copies)
        first = np.full(count, len(group))
        np.minimum.at(first, group[there], there)
        copy = there[bound.of_record[there] != bound.of_record[first[group[there]]]]
        head, source = first[group[copy]], self.source[copy]
        # Among those with the first record there is one of each source that has several.
        own = np.full(count * max(len(self.names), 1), len(group))
        held = there[self.source[there] >= 0]
        np.minimum.at(own, group[held] * len(self.names) + self.source[held], held)
        twin = own[group[copy] * len(self.names) + source]
        names = pa.array(self.names, pa.string()).take(pa.array(source))
        why = pc.if_else(
            pa.array(twin == head),
            _words(names, ids.take(pa.array(twin)), " and ", ids.take(pa.array(copy)),
                   " are two records of it, though identical"),
            _words(names, ids.take(pa.array(twin)), " is identical and goes first"),
        )  # fmt: skip
        return head, copy, why


@dataclass(frozen=True)
class _Cuts:
    """What is told of links between clusters that share a source.

    Attributes:
        of_record: (n,) entity of each record. cluster: (e,) of each entity.
    """

    free: DuplicateFree
    ids: pa.Array
    of_record: Rows
    entities: MustLinkGroups
    cluster: Rows

    def told(self, left: Rows, right: Rows, probability: Floats) -> tuple[pa.Array, Rows]:
        """Why each link between two entities is cut, and the entities that are doubted by it."""
        free, count = self.free, len(self.cluster)
        if not len(left):
            return pa.array([], pa.string()), left
        width = len(free.names)
        held = np.flatnonzero(free.source >= 0)
        merged = free.holdings(self.of_record, nodes=count)
        source = merged.shared(self.cluster, left, right)
        key = self.cluster[self.of_record[held]] * width + free.source[held]
        known, first = np.unique(key, return_index=True)
        one, other = (
            held[first[positions_in_sorted(self.cluster[end] * width + source, known)]]
            for end in (left, right)
        )
        mine, theirs = self.of_record[one] == left, self.of_record[other] == right
        reason = self._reasons(
            source, (one, other), mine, theirs,
            self._direct(np.where(theirs, left, right), np.where(theirs, one, other)), probability,
        )  # fmt: skip
        across = ~(mine & theirs)
        best = np.zeros(count)
        links = self.entities
        within = self.cluster[links.left] == self.cluster[links.right]
        for end in (links.left, links.right):
            np.maximum.at(best, end[within], links.probability[within])
        ends, lost = np.concatenate([left[across], right[across]]), np.tile(probability[across], 2)
        return reason, ends[(best[ends] > 0) & (lost >= best[ends])]

    def _direct(self, entity: Rows, row: Rows) -> Floats:
        """(c,) probability of the link of an entity to that of a record, NaN without any."""
        links, count = self.entities, len(self.cluster)
        known = pair_key(links.left, links.right, count)
        at = positions_in_sorted(pair_key(entity, self.of_record[row], count), known)
        return np.append(links.probability, np.nan)[at]

    def _reasons(
        self,
        source: Rows,
        rows: tuple[Rows, Rows],
        mine: Flags,
        theirs: Flags,
        direct: Floats,
        probability: Floats,
    ) -> pa.Array:
        names = pa.array(self.free.names, pa.string()).take(pa.array(source))
        low, high = (self.ids.take(pa.array(f(*rows))) for f in (np.minimum, np.maximum))
        winner = self.ids.take(pa.array(np.where(theirs, *rows)))
        cases = [
            (mine & theirs, _words(names, low, " and ", high, " are two records of it")),
            (~mine & ~theirs, _words(names, "it would join ", low, " and ", high)),
            (direct > probability, _words(names, winner, " is the better match")),
            (direct == probability, _words(names, winner, " matches as well and goes first")),
            (
                direct < probability,
                _words(names, winner, " is taken: the whole group is nearer"),
            ),
        ]
        found = _words(names, "it would join ", low, " and ", high)
        for holds, words in reversed(cases):
            found = pc.if_else(pa.array(holds), words, found)
        return found


def _words(names: pa.Array, *words: pa.Array | str) -> pa.Array:
    """The promise of a source (c,), and what follows from it."""
    before, after = PROMISE.split("{}")
    return pc.binary_join_element_wise(before, names, after, *words, "")
