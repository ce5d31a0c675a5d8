"""Pairs to learn a teacher's cosines from: where they come from, each once, with its cosine."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pipeline.training.teacher_pairs import teacher_pairs
from tests.worlds.vectors import random_vectors

STUDENT, TEACHER = random_vectors(40, 5), random_vectors(40, 8, seed=1)
NONE = np.zeros(0, np.int64), np.zeros(0, np.int64)


def nearest(vectors: np.ndarray, rows: np.ndarray, near: int) -> set[tuple[int, int]]:
    """By brute force."""
    found = set()
    for row in rows.tolist():
        others = [other for other in rows.tolist() if other != row]
        others.sort(key=lambda other: -float(vectors[row] @ vectors[other]))
        found |= {(min(row, other), max(row, other)) for other in others[:near]}
    return found


@pytest.mark.parametrize("near", [0, 1, 4])
def test_they_are_the_nearest_of_both_some_at_random_and_the_labelled_ones(near: int) -> None:
    rows = np.random.default_rng(2).permutation(40)[:25]
    labelled = np.array([rows[0], rows[3], rows[3], 39]), np.array([rows[9], rows[3], rows[5], 39])
    found = teacher_pairs(
        STUDENT, TEACHER, rows=rows, labelled=labelled, near=near, random=1, seed=3
    )
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(left < right for left, right in pairs)
    assert set(np.concatenate([found.left, found.right]).tolist()) <= set(rows.tolist())
    given = {tuple(sorted((int(a), int(b)))) for a, b in zip(*labelled, strict=True) if a != b}
    by_student, by_teacher = (nearest(v, rows, near) for v in (STUDENT, TEACHER))
    assert given | by_student | by_teacher <= set(pairs)
    assert found.origins["labelled"] == len(given) == 2
    assert found.origins["near to the student"] == len(by_student - given)
    assert found.origins["near to the teacher"] == len(by_teacher - by_student - given)
    assert 0 < found.origins["random"] <= len(rows)
    assert sum(found.origins.values()) == len(pairs)
    expected = [TEACHER[left] @ TEACHER[right] for left, right in pairs]
    np.testing.assert_allclose(found.cosine, expected, atol=1e-6)


def test_the_same_seed_draws_the_same_pairs_in_any_order_of_the_rows() -> None:
    def drawn(rows: np.ndarray, seed: int) -> list[int]:
        found = teacher_pairs(
            STUDENT, TEACHER, rows=rows, labelled=NONE, near=2, random=2, seed=seed
        )
        return [*found.left.tolist(), *found.right.tolist()]

    rows = np.arange(30)
    assert drawn(rows, 0) == drawn(rows[::-1], 0)
    assert drawn(rows, 0) != drawn(rows, 1)


def test_a_corpus_smaller_than_the_neighbours_wanted_gives_all_its_pairs() -> None:
    found = teacher_pairs(
        STUDENT, TEACHER, rows=np.arange(4), labelled=NONE, near=10, random=1, seed=0
    )
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == list(combinations(range(4), 2))
