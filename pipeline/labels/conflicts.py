"""Label conflicts: what label rows claim of pairs, and how contradictions are settled."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Rows, Words, components, pair_key
from pipeline.labels.labelled_pairs import (
    Conflict,
    ConflictFacts,
    DirectConflicts,
    Overruled,
    TransitiveConflicts,
)

ORIGINS = np.array(["cluster", "given", "verdict"])  # by rank: a later one beats an earlier one
HELD_OUT = np.array(["", "train", "valid", "test"])  # a pair given two splits is in the later one
EXAMPLES = 10
RULE = (
    "What is said is taken up from the most trusted on: a verdict before a given label before a "
    "pair of a cluster, then the newest, of one time 'different' before 'same', then by record. "
    "What contradicts something taken up before, on its pair or along a chain (A = B, B = C, "
    "A ≠ C), is dropped."
)


@dataclass(frozen=True)
class LabelRows:
    """n claims about pairs of record rows.

    Attributes:
        left, right: (n,) record rows, left <= right; equal: a self pair, which is dropped.
        grade: (n,) 1 duplicate … 0 different.
        rank: (n,) place in ORIGINS.
        at: (n,) time of a verdict in microseconds, 0 for the others.
        split: (n,) place in HELD_OUT.
        slices: attribute -> (n,) value, '' where the row names none.
    """

    left: Rows
    right: Rows
    grade: npt.NDArray[np.float64]
    rank: Rows
    at: Rows
    split: Rows
    slices: dict[str, Words]

    @property
    def same(self) -> Flags:
        """(n,) true where the claim is 'same'."""
        return np.asarray(self.grade >= 0.5)

    def take(self, places: Rows | Flags) -> LabelRows:
        """The claims at some places."""
        return replace(
            self,
            slices={name: values[places] for name, values in self.slices.items()},
            **{name: getattr(self, name)[places] for name in _COLUMNS},
        )


_COLUMNS = ("left", "right", "grade", "rank", "at", "split")


def join_rows(parts: list[LabelRows], names: tuple[str, ...]) -> LabelRows:
    """Put claims one after another; `names` are the slices each has."""
    return replace(
        parts[0],
        slices={name: np.concatenate([part.slices[name] for part in parts]) for name in names},
        **{
            column: np.concatenate([getattr(part, column) for part in parts]) for column in _COLUMNS
        },
    )


@dataclass(frozen=True)
class Settled:
    """Claims without contradictions, one a pair, and what it took.

    `repeated_pairs`: claims that repeat another's pair; `split_twice`: pairs given two splits.
    """

    claims: LabelRows
    conflicts: ConflictFacts
    repeated_pairs: int
    split_twice: int


def resolve_conflicts(claims: LabelRows, names: Words) -> Settled:
    """Make one claim per pair, sorted, none contradicting another; see RULE.

    Nothing depends on the order of the claims.

    Args:
        names: (records,) what each record is called in the examples.
    """
    first = _one_each(claims.take(claims.left < claims.right), names)
    once = first.claims
    by = find_overruled(
        len(names), once.left, once.right, same=once.same, rank=once.rank, at=once.at
    )
    lost = np.flatnonzero(by >= 0)

    def stated(place: int) -> str:
        sign = "=" if once.same[place] else "≠"
        return f"{names[once.left[place]]} {sign} {names[once.right[place]]}"

    transitive = TransitiveConflicts(
        int((~once.same[lost]).sum()),
        int(once.same[lost].sum()),
        tuple(Overruled(dropped=stated(i), kept=stated(by[i])) for i in lost[:EXAMPLES]),
    )
    conflicts = replace(first.conflicts, transitive=transitive)
    return replace(first, claims=once.take(by < 0), conflicts=conflicts)


def find_overruled(
    count: int, left: Rows, right: Rows, *, same: Flags, rank: Rows, at: Rows
) -> Rows:
    """(n,) for each statement the place of one that overrules it, -1 where it stands; see RULE.

    Greedy, as Kruskal's algorithm is: what stands is consistent, and whatever was dropped would
    contradict something at least as trusted.

    Args:
        count: records. left, right: (n,) two different ones, numbered by id.
        same: (n,) says same, not different. rank: (n,) trust; at: (n,) time, later is newer.
    """
    by = np.full(len(left), -1)
    home = components(count, left[same], right[same])
    clash = ~same & (home[left] == home[right])
    about = np.flatnonzero((same | clash) & np.isin(home[left], home[left[clash]]))
    keys = (right[about], left[about], same[about], -at[about], -rank[about])
    places = about[np.lexsort(keys)]
    groups = _Groups()
    for number, place in enumerate(places.tolist()):
        take_up = groups.join if same[place] else groups.part
        by[place] = take_up(int(left[place]), int(right[place]), number)
    return np.where(by >= 0, np.append(places, -1)[by], -1)


class _Groups:
    """Records joined and parted by one numbered statement after another; -1: it was taken up."""

    def __init__(self) -> None:
        # A forest without path compression, so that numbers ascend from each record to its root.
        self.above: dict[int, tuple[int, int]] = {}
        self.size: Counter[int] = Counter()
        self.apart: dict[int, dict[int, int]] = defaultdict(dict)  # by root, the first statement

    def join(self, one: int, other: int, number: int) -> int:
        """Make two records one group, or return the first statement that keeps them apart."""
        small, large = sorted((self._root(one), self._root(other)), key=self.size.__getitem__)
        if small == large:
            return -1
        if large in self.apart[small]:
            return self.apart[small][large]
        self.above[small] = number, large
        self.size[large] += self.size[small] + 1
        for enemy, first in self.apart.pop(small).items():
            del self.apart[enemy][small]
            self._keep_apart(large, enemy, first)
        return -1

    def part(self, one: int, other: int, number: int) -> int:
        """Keep two records apart, or return the statement that made them one group."""
        roots = self._root(one), self._root(other)
        if roots[0] != roots[1]:
            self._keep_apart(*roots, number)
            return -1
        made, root = -1, (sys.maxsize, roots[0])
        while one != other:
            if self.above.get(one, root) > self.above.get(other, root):
                one, other = other, one
            made, one = self.above[one]
        return made

    def _root(self, record: int) -> int:
        while record in self.above:
            record = self.above[record][1]
        return record

    def _keep_apart(self, one: int, other: int, number: int) -> None:
        first = min(number, self.apart[one].get(other, number))
        self.apart[one][other] = self.apart[other][one] = first


def _one_each(claims: LabelRows, names: Words) -> Settled:
    """The claims of each pair as one: of the most trusted side, by the most trusted rows."""
    key = pair_key(claims.left, claims.right, len(names))
    order = np.lexsort((claims.grade, -claims.at, -claims.rank, key))
    claims, key = claims.take(order), key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    group = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
    first = claims.take(starts)
    won = claims.same == first.same[group]
    best = won & (claims.rank == first.rank[group]) & (claims.at == first.at[group])
    summed = np.add.reduceat(np.where(best, claims.grade, 0.0), starts)
    merged = replace(
        first,
        grade=summed / np.bincount(group[best], minlength=len(starts)),
        split=np.maximum.reduceat(claims.split, starts),
        slices={name: _smallest(values, starts) for name, values in claims.slices.items()},
    )
    least = np.minimum.reduceat(np.where(claims.split > 0, claims.split, len(HELD_OUT)), starts)
    clash = np.unique(group[~won])
    examples = tuple(
        Conflict(
            str(names[merged.left[i]]),
            str(names[merged.right[i]]),
            "same" if merged.same[i] else "different",
        )
        for i in clash[:EXAMPLES]
    )
    direct = DirectConflicts(len(clash), int((~won).sum()), examples)
    return Settled(
        merged,
        ConflictFacts(RULE, direct),
        repeated_pairs=len(key) - len(starts),
        split_twice=int((merged.split > least).sum()),
    )


def _smallest(values: Words, starts: Rows) -> Words:
    """(groups,) the smallest value of each group, '' only where all are."""
    words, code = np.unique(values, return_inverse=True)
    blank = words[code] == ""
    least = np.minimum.reduceat(np.where(blank, len(words), code), starts)
    return np.append(words, "")[least]
