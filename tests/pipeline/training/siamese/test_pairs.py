"""What is left out before training, and the order of an epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.errors import TrainingError
from pipeline.training.siamese.pairs import (
    TrainingData,
    TrainingPairs,
    arrange_pairs,
    drop_pairs,
    prepare_pairs,
    steps_of,
)


def tiny(items: list[str], pairs: list[tuple[int, int, float]], entity: list[int]) -> TrainingData:
    left, right, grade = (np.array(x) for x in zip(*pairs, strict=True))
    none = np.zeros(0, np.int64)
    return TrainingData(
        items, left, right, grade.astype(float), none, none, none.astype(float),
        np.array(entity), np.ones(len(items), bool),
    )  # fmt: skip


def test_pairs_that_teach_nothing_are_left_out_and_counted() -> None:
    data = tiny(
        ["a", "b", "a", "c", "d"],
        [(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0), (1, 0, 0.0), (3, 4, 0.2), (3, 0, np.nan)],
        [0, 0, 0, 1, 2],
    )
    prepared = prepare_pairs(data)
    assert prepared.first.tolist() == [0, 1, 3, 4]
    assert prepared.train.left.tolist() == [0, 2]
    assert prepared.train.right.tolist() == [1, 3]
    assert prepared.train.grade.tolist() == [1.0, 0.2]
    expected = {"given": 6, "duplicates": 1, "different": 1, "graded": 1, "same_content": 1,
                "contradicting": 1, "repeated": 1, "not_a_number": 1}  # fmt: skip
    assert {name: prepared.counts[f"train_{name}"] for name in expected} == expected


def test_a_content_is_minable_only_if_all_its_rows_are() -> None:
    data = tiny(["a", "b", "a"], [(0, 1, 0.0)], [0, 1, 0])
    prepared = prepare_pairs(replace(data, minable=np.array([True, True, False])))
    assert prepared.minable.tolist() == [False, True]


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(TrainingError, match="contents are identical"):
        prepare_pairs(tiny(["a", "a"], [(0, 1, 1.0)], [0, 0]))
    data = tiny(["a", "b"], [(0, 1, 1.0)], [0, 0])
    nothing = np.zeros(0, np.int64)
    with pytest.raises(TrainingError, match="no training pairs"):
        prepare_pairs(replace(data, left=nothing, right=nothing, grade=nothing.astype(float)))
    with pytest.raises(TrainingError, match="empty or cannot be read"):
        drop_pairs(prepare_pairs(data), np.array([True, False]))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(1, 80), batch=st.integers(2, 20))
def test_an_epoch_takes_each_pair_once(seed: int, count: int, batch: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = TrainingPairs(
        rng.integers(0, 30, count), rng.integers(30, 60, count),
        (rng.random(count) < rng.random()).astype(float),
    )  # fmt: skip
    steps = steps_of(pairs, batch_size=batch, rng=np.random.default_rng(seed))
    sizes = [len(step) for step in steps]
    assert sorted(np.concatenate(steps).tolist()) == list(range(count))
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    again = steps_of(pairs, batch_size=batch, rng=np.random.default_rng(seed))
    assert all((one == two).all() for one, two in zip(steps, again, strict=True))


def test_negatives_follow_a_duplicate_of_their_records() -> None:
    # Records 0 … 9 with a duplicate each, and three negatives of each left record.
    one = np.arange(10)
    left = np.concatenate([one, np.repeat(one, 3)])
    right = np.concatenate([one + 10, np.repeat(100 + one, 3) + np.tile([0, 20, 40], 10)])
    pairs = TrainingPairs(left, right, np.repeat([1.0, 0.0], [10, 30]))
    order = arrange_pairs(pairs, rng=np.random.default_rng(0))
    blocks = left[order].reshape(10, 4)
    assert (blocks == blocks[:, :1]).all()
    assert pairs.same[order].reshape(10, 4)[:, 0].all()
    assert blocks[:, 0].tolist() != one.tolist()
