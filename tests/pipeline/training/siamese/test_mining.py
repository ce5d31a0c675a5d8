"""Mined negatives against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.training.siamese.mining import MinedPairs, mine_negatives
from tests.worlds.vectors import random_vectors


def oracle(
    vectors: np.ndarray, anchors: np.ndarray, entity: np.ndarray, labelled: set[int],
    *, wanted: int, suspect: float | None,
) -> tuple[set[tuple[int, int]], dict[str, int]]:  # fmt: skip
    count = len(vectors)
    scores = np.round(np.clip(vectors.astype(np.float64) @ vectors.T.astype(np.float64), -1, 1), 6)
    scores = scores.astype(np.float32)
    pairs, counts = set(), {"known": 0, "suspected": 0, "labelled": 0, "short": 0}
    for anchor in anchors.tolist():
        others = sorted((-scores[anchor, row], row) for row in range(count) if row != anchor)
        taken = 0
        for score, row in others:
            if taken == wanted:
                break
            key = min(anchor, row) * count + max(anchor, row)
            if entity[anchor] == entity[row]:
                counts["known"] += 1
            elif key in labelled:
                counts["labelled"] += 1
            elif suspect is not None and -score >= np.float32(suspect):
                counts["suspected"] += 1
            else:
                pairs.add((min(anchor, row), max(anchor, row)))
                taken += 1
        counts["short"] += taken < wanted
    return pairs, counts


def as_pairs(mined: MinedPairs) -> set[tuple[int, int]]:
    return set(zip(mined.left.tolist(), mined.right.tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), count=st.integers(2, 60), wanted=st.integers(1, 6),
    entities=st.integers(1, 60), suspect=st.sampled_from([None, 0.5, 0.9]),
)  # fmt: skip
def test_the_nearest_that_are_no_duplicates(
    seed: int, count: int, wanted: int, entities: int, suspect: float | None
) -> None:
    rng = np.random.default_rng(seed)
    vectors, entity = random_vectors(count, 4, seed=seed), rng.integers(0, entities, count)
    anchors = np.flatnonzero(rng.random(count) < 0.6)
    labelled = {i * count + j for i in range(count) for j in range(i + 1, count)
                if rng.random() < 0.1}  # fmt: skip
    mined = mine_negatives(
        vectors, anchors=rng.permutation(anchors), entity=entity,
        wanted=wanted, labelled=np.array(sorted(labelled), np.int64),
        suspect_cosine=suspect, seed=0,
    )  # fmt: skip
    pairs, counts = oracle(vectors, anchors, entity, labelled, wanted=wanted, suspect=suspect)
    assert as_pairs(mined) == pairs
    assert not (entity[mined.left] == entity[mined.right]).any()
    if len(anchors):
        assert {name: getattr(mined, name) for name in counts} == counts


@pytest.mark.slow
def test_many_rows_are_searched_in_more_than_one_go() -> None:
    vectors = random_vectors(3000, 8, seed=1)
    # A crowd of strangers to the sampled anchors: their neighbours are far below the first floor.
    vectors[:3] = -vectors[3:].mean(axis=0) / np.linalg.norm(vectors[3:].mean(axis=0))
    vectors[1] += 0.3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    entity, anchors = np.arange(3000) // 2, np.arange(0, 3000, 2)
    mined = mine_negatives(
        vectors, anchors=anchors, entity=entity, labelled=np.zeros(0, np.int64), wanted=3,
        suspect_cosine=0.95, seed=0,
    )  # fmt: skip
    pairs, counts = oracle(vectors, anchors, entity, set(), wanted=3, suspect=0.95)
    assert as_pairs(mined) == pairs
    assert mined.known == counts["known"]
    assert mined.suspected == counts["suspected"]


@pytest.mark.parametrize(("count", "wanted"), [(1, 3), (5, 0)])
def test_nothing_to_mine(count: int, wanted: int) -> None:
    mined = mine_negatives(
        random_vectors(count, 4), anchors=np.arange(count), entity=np.arange(count),
        labelled=np.zeros(0, np.int64), wanted=wanted, suspect_cosine=0.9, seed=0,
    )  # fmt: skip
    assert not len(mined.left)
