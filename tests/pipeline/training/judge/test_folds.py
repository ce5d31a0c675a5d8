"""Folds: every pair held once, and no entity of a held pair in the fit where groups are small."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.training.judge.folds import entity_folds

COUNT = 5


def twins(groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Two entities a group: a duplicate each, and different pairs both ways between them."""
    rows, same = [], []
    for group in range(groups):
        a, b = 2 * group, 2 * group + 1
        rows += [(a, a), (b, b), (a, b), (b, a)]
        same += [True, True, False, False]
    return np.array(rows), np.array(same)


def dense(entities: int, pairs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A duplicate of each entity and different pairs that join nearly all of them."""
    random = np.random.default_rng(seed)
    own = np.stack([np.arange(entities)] * 2, axis=1)
    other = random.integers(0, entities, (pairs, 2))
    rows = np.concatenate([own, other[other[:, 0] != other[:, 1]]])
    return rows, rows[:, 0] == rows[:, 1]


def seen(sides: np.ndarray, rows: np.ndarray) -> set[int]:
    return set(sides[rows].ravel().tolist())


def test_an_entity_of_the_right_side_is_in_one_fold() -> None:
    sides, same = twins(40)
    folds = entity_folds(sides, same, count=COUNT, seed=0)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(len(same)))
    for fit, held in folds:
        assert not seen(sides, fit) & seen(sides, held)
        assert len(fit) + len(held) == len(same), "small groups cost no pair"


@settings(deadline=None, max_examples=20)
@given(st.integers(30, 60), st.integers(60, 400), st.integers(0, 3))
def test_where_all_hangs_together_the_left_entity_is_unseen(
    entities: int, pairs: int, seed: int
) -> None:
    sides, same = dense(entities, pairs, seed)
    folds = entity_folds(sides, same, count=COUNT, seed=seed)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(len(same)))
    for fit, held in folds:
        assert not seen(sides, fit) & set(sides[held, 0].tolist())
        assert len(fit) >= 0.4 * len(same)


@pytest.mark.parametrize("make", [lambda: twins(20), lambda: dense(40, 200)])
def test_one_side_alone_and_the_same_seed(make) -> None:
    sides, same = make()
    first, again = (entity_folds(sides, same, count=COUNT, seed=3) for _ in range(2))
    assert all(np.array_equal(a, b) for x, y in zip(first, again, strict=True)
               for a, b in zip(x, y, strict=True))  # fmt: skip
    for fit, held in entity_folds(sides[:, 0], same, count=COUNT, seed=3):
        assert not set(sides[fit, 0].tolist()) & set(sides[held, 0].tolist())
