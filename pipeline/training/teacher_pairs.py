"""Pairs of texts from which a student learns the cosines of its teacher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Positions, Vectors, cosines, pair_key, pair_sides
from pipeline.training.siamese.mining import mine_negatives


@dataclass(frozen=True)
class TeacherPairs:
    """Pairs of rows with the teacher's cosine.

    left, right: int64 (p,), left < right, each pair once, sorted. cosine: float32 (p,). origins:
    how many are there as what; a pair found twice counts as the first of labelled, near to the
    student, near to the teacher, random.
    """

    left: Positions
    right: Positions
    cosine: NDArray[np.float32]
    origins: dict[str, int]


def teacher_pairs(
    student: Vectors,
    teacher: Vectors,
    *,
    rows: Positions,
    labelled: tuple[Positions, Positions],
    near: int,
    random: int,
    seed: int,
) -> TeacherPairs:
    """Return the pairs among `rows` for a student to learn from.

    What the student finds near has to be kept apart, what the teacher finds near has to be found,
    and pairs drawn at random keep everything else apart.

    Args:
        student, teacher: (n, d), (n, e) unit-norm float32 of distinct texts.
        rows: distinct rows that may be paired.
        labelled: pairs of rows; those with both sides among `rows` are taken.
        near: nearest rows of each, by student and teacher alike.
        random: rows drawn beside each.
    """
    count = len(student)
    rows = np.sort(rows)
    inside = np.isin(labelled[0], rows) & np.isin(labelled[1], rows)
    drawn = np.random.default_rng(seed).choice(rows, (2, random * len(rows)))
    found = {
        "labelled": _keys(labelled[0][inside], labelled[1][inside], count),
        "near to the student": _nearest(student, rows, near=near, seed=seed),
        "near to the teacher": _nearest(teacher, rows, near=near, seed=seed),
        "random": _keys(drawn[0], drawn[1], count),
    }
    keys, origins = np.zeros(0, np.int64), {}
    for origin, some in found.items():
        joined = np.union1d(keys, some)
        origins[origin], keys = len(joined) - len(keys), joined
    left, right = pair_sides(keys, count)
    return TeacherPairs(left, right, cosines(teacher, left, right), origins)


def _nearest(vectors: Vectors, rows: Positions, *, near: int, seed: int) -> Positions:
    """Sorted keys of each row's pairs with its nearest ones."""
    mined = mine_negatives(
        np.ascontiguousarray(vectors[rows]),
        anchors=np.arange(len(rows)),
        entity=np.arange(len(rows)),
        labelled=np.zeros(0, np.int64),
        wanted=near,
        suspect_cosine=None,
        seed=seed,
    )
    return _keys(rows[mined.left], rows[mined.right], len(vectors))


def _keys(left: Positions, right: Positions, count: int) -> Positions:
    """Sorted, distinct keys of the pairs of two rows."""
    return np.unique(pair_key(left, right, count)[left != right])
