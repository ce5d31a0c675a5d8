"""The pairs that can be learnt from, and the order in which an epoch takes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Rows, pair_key
from pipeline.encoders import ImageRef
from pipeline.errors import TrainingError

Grades = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingData:
    """Labelled pairs over contents.

    Attributes:
        items: content of each row: str for text, `ImageRef` for pictures.
        left, right: int64 (p,), training pairs, rows of items.
        grade: float64 (p,), 1 duplicate … 0 different.
        valid_left, valid_right, valid_grade: validation pairs, rows of the same items.
        entity: int64 (n,), connected components of the duplicates of all splits; equal content has
            equal entity. No two rows of one entity are ever used as different.
        minable: bool (n,), rows that mining may use: those of training pairs and unlabelled ones.
    """

    items: Sequence[Any]
    left: Rows
    right: Rows
    grade: Grades
    valid_left: Rows
    valid_right: Rows
    valid_grade: Grades
    entity: Rows
    minable: NDArray[np.bool_]


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs of different contents, each once: left < right int64 (p,), grade float64 (p,)."""

    left: Rows
    right: Rows
    grade: Grades

    def __len__(self) -> int:
        return len(self.left)

    @property
    def same(self) -> NDArray[np.bool_]:
        """(p,) true for duplicates: a grade of at least one half."""
        return np.asarray(self.grade >= 0.5)

    def take(self, places: Rows) -> TrainingPairs:
        """Return the pairs at `places`, in that order."""
        return TrainingPairs(self.left[places], self.right[places], self.grade[places])

    def contents(self) -> tuple[Rows, TrainingPairs]:
        """Return the distinct rows, ascending, and the same pairs over places in them."""
        rows, places = np.unique(np.concatenate([self.left, self.right]), return_inverse=True)
        return rows, TrainingPairs(places[: len(self)], places[len(self) :], self.grade)

    def joined(self, left: Rows, right: Rows) -> TrainingPairs:
        """Return these and, after them, the given ones as different."""
        return TrainingPairs(
            np.concatenate([self.left, left]),
            np.concatenate([self.right, right]),
            np.concatenate([self.grade, np.zeros(len(left))]),
        )


@dataclass(frozen=True)
class PreparedData:
    """`TrainingData` over distinct contents, without the pairs that nothing can be learned from.

    first: int64 (c,), the row of `TrainingData.items` that each content first occurs in. entity,
    minable: (c,). counts: what was taken and what was left out.
    """

    first: Rows
    entity: Rows
    minable: NDArray[np.bool_]
    train: TrainingPairs
    valid: TrainingPairs
    counts: dict[str, int]


def prepare_pairs(data: TrainingData) -> PreparedData:
    """Merge equal contents; leave out pairs of one content, repeated and contradicting pairs.

    A pair contradicts when it is labelled different although its rows belong to one entity.

    Raises:
        TrainingError: there are no training pairs, or all their contents are identical.
    """
    if not len(data.left):
        raise TrainingError("there are no training pairs; label some, or lower split.valid/test")
    first, content = _distinct(data.items)
    minable = np.ones(len(first), np.bool_)
    np.logical_and.at(minable, content, data.minable)
    entity = data.entity[first]
    counts: dict[str, int] = {"contents": len(first), "rows": len(content)}
    train = _pairs(
        content[data.left], content[data.right], data.grade, entity, counts=counts, use="train"
    )
    valid = _pairs(
        content[data.valid_left], content[data.valid_right], data.valid_grade, entity,
        counts=counts, use="valid",
    )  # fmt: skip
    if not len(train):
        raise TrainingError(
            f"none of the {len(data.left)} training pairs can be learnt from: their contents are "
            "identical, or they contradict other labels; give pairs of different contents"
        )
    return PreparedData(first, entity, minable, train, valid, counts)


def drop_pairs(prepared: PreparedData, unusable: NDArray[np.bool_]) -> PreparedData:
    """Leave out contents that cannot be read, (c,) true, with their pairs.

    Raises:
        TrainingError: no training pair is left.
    """
    kept = {}
    counts = dict(prepared.counts, unusable_contents=int(unusable.sum()))
    for use in ("train", "valid"):
        pairs: TrainingPairs = getattr(prepared, use)
        good = ~(unusable[pairs.left] | unusable[pairs.right])
        kept[use] = pairs.take(np.flatnonzero(good))
        counts[f"{use}_unusable"] = int((~good).sum())
    if not len(kept["train"]):
        raise TrainingError(
            f"none of the {len(prepared.train)} training pairs can be used: their contents are "
            "empty or cannot be read"
        )
    minable = prepared.minable & ~unusable
    return PreparedData(
        prepared.first, prepared.entity, minable, kept["train"], kept["valid"], counts
    )


def arrange_pairs(pairs: TrainingPairs, *, rng: np.random.Generator) -> Rows:
    """Return an order of the pairs, (p,), in which each duplicate is followed by its negatives.

    A negative follows a random duplicate that shares a record with it, or stands with the others of
    its left record. So a step holds anchors with what is hardly distinct from them, and its
    pairs share contents, which are embedded once.
    """
    same = pairs.same
    duplicates = rng.permutation(np.flatnonzero(same))
    unit = np.empty(len(pairs), np.int64)
    unit[duplicates] = np.arange(len(duplicates))
    home = _homes(pairs, duplicates, rng=rng)
    others = np.flatnonzero(~same)
    sides = np.stack([home[pairs.left[others]], home[pairs.right[others]]])
    chosen = np.where(rng.random(len(others)) < 0.5, sides[0], sides[1])
    chosen = np.where(chosen >= 0, chosen, sides.max(axis=0))
    unit[others] = np.where(chosen >= 0, chosen, len(duplicates) + pairs.left[others])
    _, unit = np.unique(unit, return_inverse=True)
    rank = rng.permutation(unit.max() + 1)[unit]
    return np.lexsort((rng.random(len(pairs)), ~same, rank))


def _homes(pairs: TrainingPairs, duplicates: Rows, *, rng: np.random.Generator) -> Rows:
    """Return for each record the unit of a random duplicate of it, -1 where it has none."""
    home = np.full(int(max(pairs.left.max(), pairs.right.max())) + 1, -1, np.int64)
    record = np.concatenate([pairs.left[duplicates], pairs.right[duplicates]])
    order = rng.permutation(len(record))
    home[record[order]] = order % max(1, len(duplicates))
    return home


def steps_of(pairs: TrainingPairs, *, batch_size: int, rng: np.random.Generator) -> list[Rows]:
    """Return the places of each step's pairs: as even in number as can be, `batch_size` at most."""
    count = -(-len(pairs) // batch_size)
    return np.array_split(arrange_pairs(pairs, rng=rng), count)


def _distinct(items: Sequence[Any]) -> tuple[Rows, Rows]:
    """Return the first row of each distinct content, ascending, and each row's content number."""
    numbers: dict[Any, int] = {}
    first: list[int] = []
    content = np.empty(len(items), np.int64)
    for row, item in enumerate(items):
        key = _key(item)
        if key not in numbers:
            numbers[key] = len(first)
            first.append(row)
        content[row] = numbers[key]
    return np.array(first, np.int64), content


def _key(item: Any) -> Any:
    if isinstance(item, ImageRef):
        return item.uri if item.data is None else hashlib.sha256(item.data).digest()
    return item


def _pairs(
    left: Rows, right: Rows, grade: Grades, entity: Rows, *, counts: dict[str, int], use: str
) -> TrainingPairs:
    """Order sides and pairs; count and leave out what nothing can be learned from."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    one = low == high
    against = ~one & (grade < 0.5) & (entity[low] == entity[high])
    good = np.flatnonzero(~one & ~against & np.isfinite(grade))
    keys = pair_key(left[good], right[good], len(entity))
    # Of a pair given twice the higher grade counts: a duplicate is never a negative.
    order = np.lexsort((-grade[good], keys))
    _, places = np.unique(keys[order], return_index=True)
    kept = good[order[places]]
    pairs = TrainingPairs(low[kept], high[kept], np.clip(grade[kept], 0.0, 1.0))
    counts[f"{use}_given"] = len(left)
    counts[f"{use}_duplicates"] = int(pairs.same.sum())
    counts[f"{use}_different"] = int((~pairs.same).sum())
    counts[f"{use}_graded"] = int(((pairs.grade > 0) & (pairs.grade < 1)).sum())
    counts[f"{use}_same_content"] = int(one.sum())
    counts[f"{use}_contradicting"] = int(against.sum())
    counts[f"{use}_repeated"] = len(good) - len(kept)
    counts[f"{use}_not_a_number"] = int((~np.isfinite(grade)).sum())
    return pairs
