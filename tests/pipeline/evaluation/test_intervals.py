"""Bootstrap by entity: what was drawn, and that intervals cover."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy.stats import binomtest

from pipeline.evaluation.intervals import (
    Estimate,
    bootstrap_draws,
    bootstrap_interval,
    pair_weights,
    share_interval,
    wilson_interval,
)


def test_wilson_is_scipys_for_whole_numbers_and_narrows_with_any_more() -> None:
    for trials in range(1, 60):
        for right in range(trials + 1):
            wanted = binomtest(right, trials).proportion_ci(method="wilson")
            found = share_interval(right, trials)
            by_scipy = (right / trials, wanted.low, wanted.high)
            assert astuple(found) == pytest.approx(by_scipy, abs=1e-15)
    assert share_interval(0, 0) == Estimate(0.0, 0.0, 1.0)
    widths = [high - low for low, high in (wilson_interval(0.7, n) for n in (9.5, 10, 10.5, 1e9))]
    assert widths == sorted(widths, reverse=True)
    assert wilson_interval(0.7, np.inf) == (0.7, 0.7)


def test_draws_are_resamples_and_repeat_by_seed() -> None:
    found = np.concatenate(list(bootstrap_draws(7, resamples=50, seed=3)))
    assert found.shape == (50, 7)
    assert (found.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(
        found, np.concatenate(list(bootstrap_draws(7, resamples=50, seed=3)))
    )
    chunked = np.concatenate(list(bootstrap_draws(7, resamples=50, seed=3, width=400_000)))
    np.testing.assert_array_equal(found, chunked)


def test_a_pair_is_drawn_as_often_as_its_entities() -> None:
    entity = np.array([[5, 5], [5, 9], [9, 9]])
    (drawn,) = bootstrap_draws(2, resamples=20, seed=1)
    (weight,) = pair_weights(entity, resamples=20, seed=1)
    np.testing.assert_array_equal(weight[:, 0], drawn[:, 0])
    np.testing.assert_array_equal(weight[:, 1], drawn[:, 0] * drawn[:, 1])
    (flat,) = pair_weights(np.array([5, 9, 9]), resamples=20, seed=1)
    np.testing.assert_array_equal(flat, drawn[:, [0, 1, 1]])


def test_interval() -> None:
    assert bootstrap_interval(np.arange(101.0), confidence=0.9) == pytest.approx((5, 95))
    assert bootstrap_interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert bootstrap_interval(np.array([np.nan])) == (0.0, 1.0)


def test_entities_that_agree_with_themselves_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    right = np.repeat(random.random(40) < 0.8, 25).astype(float)

    def width(entity: np.ndarray) -> float:
        means = [(w @ right) / w.sum(axis=1) for w in pair_weights(entity, resamples=400, seed=0)]
        low, high = bootstrap_interval(np.concatenate(means))
        return high - low

    by_entity, by_pair = width(np.repeat(np.arange(40), 25)), width(np.arange(1000))
    assert by_entity / by_pair == pytest.approx(5, rel=0.3)  # √25
