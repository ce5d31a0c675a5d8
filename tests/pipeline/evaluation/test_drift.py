"""Drift of scores: the index and the distance against their definitions, and what they mean."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import ks_2samp

from pipeline.errors import PipelineError
from pipeline.evaluation.drift import ScoreHistogram, score_drift

EDGES = [n / 10 for n in range(11)]


def of_counts(counts, edges=EDGES):
    return ScoreHistogram(tuple(edges), tuple(counts))


def histogram(values):
    return of_counts(np.histogram(values, EDGES)[0].tolist())


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), min_size=10, max_size=10).filter(any))
def test_equal_histograms_have_not_moved(counts):
    same = of_counts(counts)
    found = score_drift(same, same)
    assert found.psi == pytest.approx(0)
    assert found.ks == 0
    assert found.level in ("stable", "too few pairs")


def test_against_the_definitions():
    rng = np.random.default_rng(0)
    train, tonight = rng.beta(2, 5, 5000), rng.beta(3, 4, 4000)
    found = score_drift(histogram(train), histogram(tonight))
    p, q = (np.array(histogram(v).counts) / len(v) for v in (train, tonight))
    expected = sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True) if a and b)
    assert found.psi == pytest.approx(expected, rel=0.05)
    binned = [np.floor(v * 10) for v in (train, tonight)]
    assert found.ks == pytest.approx(ks_2samp(*binned).statistic)
    assert found.level == "drifted"
    assert "calibrate again" in found.words


def test_samples_of_one_distribution_are_stable_and_shifted_ones_move():
    rng = np.random.default_rng(1)
    train = histogram(rng.beta(2, 5, 5000))
    assert score_drift(train, histogram(rng.beta(2, 5, 3000))).level == "stable"
    assert score_drift(train, histogram(rng.beta(2.6, 5, 3000))).level == "moved"


@pytest.mark.parametrize("pairs", [0, 1, 40])
def test_few_pairs_tell_nothing(pairs):
    rng = np.random.default_rng(2)
    found = score_drift(histogram(rng.random(1000)), histogram(rng.random(pairs)))
    assert found.level == "too few pairs"
    assert found.pairs == pairs


def test_a_model_of_too_few_labels_to_count_tells_nothing():
    found = score_drift(of_counts([0] * 10), of_counts([1000] * 10))
    assert (found.level, found.pairs, found.train_pairs) == ("too few pairs", 10_000, 0)


@pytest.mark.parametrize(
    ("train", "tonight", "words"),
    [
        ([1] * 9, [1] * 10, "one edge more"),
        ([1] * 10, [-1] * 10, "none negative"),
    ],
)
def test_histograms_that_cannot_be_compared(train, tonight, words):
    with pytest.raises(PipelineError, match=words):
        score_drift(of_counts(train), of_counts(tonight))
    with pytest.raises(PipelineError, match="different edges"):
        score_drift(of_counts([1] * 10), of_counts([1] * 10, [n / 5 for n in range(11)]))
