"""Nodes of clustering: content groups, taken apart where their copies must be told apart.

Two things tell identical records apart. Verdicts do that contradict the copies: two identical
records are called different; one copy is called the same as a record that another is called
different from. So does a duplicate-free source that has the content more than once, or that has
copies of two records which a person tied. Of such a group each copy that a verdict names stands for
itself. The unnamed ones are one node, or, by a duplicate-free source, several: the first records of
all sources, with those of sources that promise nothing, then the second records, and so on, by
record ids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Rows, components, cross_join, repeat_each
from pipeline.candidates import ContentGroups
from pipeline.labels import DIFFERENT, RELATED, Verdicts

FULL = 100  # pairs of nodes of two groups up to which all are linked


@dataclass(frozen=True)
class Nodes:
    """What is clustered and what verdicts can be about: content groups, or parts of one.

    Attributes:
        of_record: (n,) node of each record.
        rows: (k,) row of each node's smallest record, ascending.
        group: (k,) content group of each node.
        named: (k,) one record of a split group, which a verdict names.
        split: (g,) groups that are taken apart.
        members: (k,) nodes by group; those of group i are `sizes[i]` from `starts[i]` on.
    """

    of_record: Rows
    rows: Rows
    group: Rows
    named: Flags
    split: Flags
    members: Rows
    starts: Rows
    sizes: Rows

    def ends(self, verdicts: Verdicts, places: Rows) -> tuple[Rows, Rows]:
        """The nodes that some verdicts are about."""
        return self.of_record[verdicts.left[places]], self.of_record[verdicts.right[places]]

    def expand(self, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows]:
        """All pairs of nodes of pairs of groups, and the place of the pair each comes from.

        Of two groups with more than `FULL` pairs, which takes a source that promises to be
        duplicate-free and has a content many times, only some: copies are alike.
        """
        many = self.sizes[left] * self.sizes[right] > FULL
        few = np.flatnonzero(~many)
        one, other, source = cross_join(left[few], right[few], starts=self.starts, sizes=self.sizes)
        found = [(self.members[one], self.members[other], few[source])]
        for place in np.flatnonzero(many).tolist():
            ends = self._some_pairs(int(left[place]), int(right[place]))
            found.append((*ends, np.full(len(ends[0]), place)))
        ones, others, places = (np.concatenate(column) for column in zip(*found, strict=True))
        return ones, others, places

    def _some_pairs(self, left: int, right: int) -> tuple[Rows, Rows]:
        """The first node and the named ones of either group with all of the other, and in turn."""
        one, other = (
            self.members[self.starts[group] : self.starts[group] + self.sizes[group]]
            for group in (left, right)
        )
        rows, columns = (
            np.union1d(np.flatnonzero(self.named[nodes]), [0]) for nodes in (one, other)
        )
        turn = np.arange(min(len(one), len(other)))
        keys = [
            np.add.outer(rows * len(other), np.arange(len(other))).ravel(),
            np.add.outer(np.arange(len(one)) * len(other), columns).ravel(),
            turn * len(other) + turn,
        ]
        row, column = np.divmod(np.unique(np.concatenate(keys)), len(other))
        return one[row], other[column]

    def inside(self) -> tuple[Rows, Rows]:
        """Pairs of nodes of one group, the smaller first; not two of unnamed copies.

        The latter share a duplicate-free source: they are not linked.
        """
        named = np.flatnonzero(self.named)
        one, place = repeat_each(named, self.sizes[self.group[named]])
        other = self.members[self.starts[self.group[one]] + place]
        kept = ~self.named[other] | (one < other)
        return np.minimum(one, other)[kept], np.maximum(one, other)[kept]

    def with_copies(self, one: Rows, other: Rows, by: Rows) -> tuple[Rows, Rows, Rows]:
        """Pairs of nodes, and each `one`'s unnamed copies with the same `other`."""
        unnamed = self.members[~self.named[self.members]]
        sizes = np.bincount(self.group[unnamed], minlength=len(self.sizes))
        starts = np.cumsum(sizes) - sizes
        split = np.flatnonzero(self.split[self.group[one]])
        pair, place = repeat_each(split, sizes[self.group[one[split]]])
        copies = unnamed[starts[self.group[one[pair]]] + place]
        return (
            np.concatenate([one, copies]),
            np.concatenate([other, other[pair]]),
            np.concatenate([by, by[pair]]),
        )


def split_groups(groups: ContentGroups, verdicts: Verdicts, source: Rows) -> Nodes:
    """Take apart the groups whose copies verdicts or duplicate-free sources tell apart.

    Args:
        source: (n,) number of each record's duplicate-free source, -1: of another one.
    """
    group, count = groups.group_of_record, len(groups.rows)
    split = _told_apart(group, count, verdicts, source)
    named = np.zeros(len(group), bool)
    named[verdicts.left] = named[verdicts.right] = True
    named &= split[group]
    leader = groups.leader.copy()
    unnamed = np.flatnonzero(split[group] & ~named)
    turn = occurrences(group[unnamed], source[unnamed])
    key = group[unnamed] * (len(group) + 1) + turn
    _, first, part = np.unique(key, return_index=True, return_inverse=True)
    leader[named] = np.flatnonzero(named)
    leader[unnamed] = unnamed[first][part]
    rows, of_record = np.unique(leader, return_inverse=True)
    sizes = np.bincount(group[rows], minlength=count)
    members = np.argsort(group[rows], kind="stable")
    starts = np.cumsum(sizes) - sizes
    return Nodes(of_record, rows, group[rows], named[rows], split, members, starts, sizes)


def occurrences(group: Rows, source: Rows) -> Rows:
    """(n,) how many records of its group and of its duplicate-free source come before each one."""
    found = np.zeros(len(group), np.int64)
    at = np.flatnonzero(source >= 0)
    order = at[np.lexsort((at, source[at], group[at]))]
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(group[order]) != 0) | (np.diff(source[order]) != 0)
    begins = np.flatnonzero(new)
    found[order] = np.arange(len(order)) - begins[np.cumsum(new) - 1]
    return found


def _told_apart(group: Rows, count: int, verdicts: Verdicts, source: Rows) -> Flags:
    """(g,) groups whose copies the verdicts or duplicate-free sources tell apart."""
    one, other = verdicts.ties()
    home = components(count, group[one], group[other])
    left, right = group[verdicts.left], group[verdicts.right]
    different, related = verdicts.places_of(DIFFERENT), verdicts.places_of(RELATED)
    clash = different[home[left[different]] == home[right[different]]]
    split: Flags = np.isin(home, home[left[clash]])
    split[left[related[left[related] == right[related]]]] = True
    # What persons tied, with all its copies, holds records of one source that they did not tie.
    held = np.flatnonzero(source >= 0)
    tie = components(len(group), one, other)[held]
    key = home[group[held]] * (int(source.max(initial=0)) + 1) + source[held]
    _, key = np.unique(key, return_inverse=True)
    ties = np.unique(key * len(group) + tie) // len(group)
    crowded = np.bincount(ties, minlength=len(held))[key] > 1
    split |= np.isin(home, home[group[held[crowded]]])
    return split & (np.bincount(group, minlength=count) > 1)
