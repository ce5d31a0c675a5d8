"""Candidate pairs: crowds, recall, and the near pairs themselves."""

import numpy as np
import pytest

from pipeline.arrays.blocks import cosines
from pipeline.candidates.dense_groups import find_dense_groups
from pipeline.candidates.near_pairs import find_near_pairs, measure_recall
from pipeline.config.candidates import CandidateSettings, ExactIndex
from tests.worlds.vectors import normalise


@pytest.fixture(scope="module")
def crowd() -> np.ndarray:
    """6,000 near-identical rows, 3,000 of another crowd, 2,000 unrelated ones."""
    random = np.random.default_rng(3)
    centres = random.standard_normal((2, 48))
    one = centres[:1] + 0.02 * random.standard_normal((6000, 48))
    two = centres[1:] + 0.02 * random.standard_normal((3000, 48))
    rows = np.concatenate([one, two, random.standard_normal((2000, 48))])
    return normalise(rows[random.permutation(len(rows))])


def test_crowds_collapse_to_leaders_within_the_stated_cosine(crowd: np.ndarray) -> None:
    crowds = find_dense_groups(crowd, floor=0.8, max_neighbours=500, cosine=0.95)
    assert len(crowds.member) >= 8990, "nearly every member of both crowds is collapsed"
    assert len(np.unique(crowds.member)) == len(crowds.member)
    assert (cosines(crowd, crowds.member, crowds.leader) >= 0.95).all()
    assert not np.isin(crowds.leader, crowds.member).any()
    everything = np.sort(np.concatenate([crowds.kept, crowds.member]))
    assert (everything == np.arange(len(crowd))).all(), "no row is lost"


def test_a_crowd_costs_linear_pairs(crowd: np.ndarray) -> None:
    settings = CandidateSettings(max_neighbours=500, collapse_cosine=0.95, recall_sample=200)
    found = find_near_pairs(
        crowd, floor=0.9, index=ExactIndex(type="exact"), settings=settings, seed=0
    )
    assert len(found.left) < 3 * len(crowd), "quadratic would be 22 million"
    assert (found.left < found.right).all()
    assert len(set(zip(found.left, found.right, strict=True))) == len(found.left)


def test_groups_below_the_limit_are_left_alone() -> None:
    random = np.random.default_rng(5)
    rows = np.concatenate(
        [random.standard_normal((1, 16)) + 0.01 * random.standard_normal((300, 16)),
         random.standard_normal((2000, 16))]
    )  # fmt: skip
    assert not len(
        find_dense_groups(normalise(rows), floor=0.8, max_neighbours=400, cosine=0.9).member
    )


def test_recall_counts_what_is_missing() -> None:
    random = np.random.default_rng(11)
    base = random.standard_normal((400, 24))
    vectors = normalise(np.concatenate([base, base + 0.1 * random.standard_normal(base.shape)]))
    scores = vectors @ vectors.T
    left, right = np.nonzero(np.triu(scores >= 0.9, 1))
    keys = np.sort(left.astype(np.int64) * len(vectors) + right)
    whole = measure_recall(vectors, keys, floor=np.full(800, 0.9), sample=800, seed=1)
    assert whole.recall == 1.0
    assert whole.high == 1.0
    assert whole.low > 0.98
    half = measure_recall(vectors, keys[::2], floor=np.full(800, 0.9), sample=800, seed=1)
    assert half.recall == pytest.approx(0.5, abs=0.01)
    assert half.low < half.recall < half.high
    none = measure_recall(vectors, keys[:0], floor=np.full(800, 0.9), sample=100, seed=1)
    assert none.recall == 0.0


def test_nothing_to_search_is_not_an_error() -> None:
    empty = find_near_pairs(
        np.zeros((0, 8), np.float32),
        floor=0.5,
        index=ExactIndex(type="exact"),
        settings=CandidateSettings(),
        seed=0,
    )
    assert len(empty.left) == 0
    assert empty.index is None


def test_in_a_crowd_the_floor_rises_and_the_nearest_stay() -> None:
    """5,000 texts out of one template, 100 of them twice: never quadratic, no twin lost."""
    random = np.random.default_rng(9)
    crowd = random.standard_normal((1, 48)) * 1.2 + 0.45 * random.standard_normal((5000, 48))
    twins = crowd[:100] + 0.01 * random.standard_normal((100, 48))
    vectors = normalise(np.concatenate([crowd, twins]))
    settings = CandidateSettings(max_neighbours=300, recall_sample=200)
    found = find_near_pairs(
        vectors, floor=0.7, index=ExactIndex(type="exact"), settings=settings, seed=0
    )
    every = 5100 * 5099 // 2
    assert (vectors[:500] @ vectors[500:].T >= 0.7).mean() > 0.5, "it is a crowd"
    assert len(found.left) < every / 4
    assert found.dense.raised > 4000
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert all((n, 5000 + n) in pairs for n in range(100))
    assert found.recall.recall == 1.0
