"""Thresholds: bounds against scipy, ties together, and the promise that the bound holds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve

from pipeline.errors import ConfigError
from pipeline.evaluation.calibration.bounds import LOOKS, lower_bound
from pipeline.evaluation.calibration.thresholds import (
    Threshold,
    UnreachableTarget,
    accept_threshold,
    balanced_threshold,
    balanced_value,
    best_reachable,
    review_threshold,
)


def world(n: int, seed: int, *, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    same = random.random(n) < 0.3
    return (random.normal(0, 1, n) + skill * same).round(2), same


def test_the_bound_is_clopper_and_pearson() -> None:
    for hits, trials in [(0, 5), (5, 5), (93, 100), (1, 1)]:
        test = binomtest(hits, trials, alternative="greater")
        expected = test.proportion_ci(0.95, method="exact").low
        found = lower_bound(np.array([hits]), np.array([trials]), confidence=0.95)
        assert found[0] == pytest.approx(expected, abs=1e-9)


def test_the_values_equal_scikit_learn_at_the_threshold() -> None:
    score, same = world(3000, 1, skill=4)
    found = accept_threshold(score, same, target=0.95)
    precision, recall, values = precision_recall_curve(same, score)
    place = np.flatnonzero(values == found.value)[0]
    assert found.precision == pytest.approx(precision[place])
    assert found.recall == pytest.approx(recall[place])
    assert found.accepted == (score >= found.value).sum()
    level = 1 - 0.05 / LOOKS[0][1]
    hits = int(same[score >= found.value].sum())
    exact = binomtest(hits, found.accepted, alternative="greater").proportion_ci(level, "exact").low
    assert found.precision_low == pytest.approx(exact)
    assert found.precision_low >= 0.95


def test_no_lower_threshold_meets_the_target() -> None:
    score, same = world(2000, 3, skill=4)
    found = accept_threshold(score, same, target=0.9)
    hits = np.array([same[score >= below].sum() for below in score[score < found.value]])
    accepted = np.array([(score >= below).sum() for below in score[score < found.value]])
    level = 1 - 0.05 / LOOKS[0][1]
    assert lower_bound(hits, accepted, confidence=level).max() < 0.9


def test_equal_scores_are_accepted_together() -> None:
    score = np.array([1.0] * 400 + [0.5] * 400)
    same = np.array([True] * 400 + [True, False] * 200)
    found = accept_threshold(score, same, target=0.95)
    assert (found.value, found.accepted) == (1.0, 400)
    mixed = np.array([True, False] * 400)
    with pytest.raises(UnreachableTarget):  # half of the ones are right; none is accepted alone
        accept_threshold(score, mixed, target=0.95)


def test_the_bound_holds_as_often_as_it_says() -> None:
    # The truth of a score is known here: P(same | score) = score. Choosing the lowest of many
    # thresholds must not break the bound more often than 1 - confidence.
    random = np.random.default_rng(0)
    grid = np.linspace(0, 1, 20_001)
    # Mean of a score drawn evenly from [t, 1] is its precision.
    broken = tried = 0
    for _ in range(300):
        score = random.random(600)
        same = random.random(600) < score
        try:
            value = accept_threshold(score, same, target=0.85, confidence=0.9).value
        except UnreachableTarget:
            continue
        tried += 1
        broken += grid[grid >= value].mean() < 0.85
    assert tried > 100
    assert broken / 300 <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_many_looks_at_a_precision_just_below_the_target(target: float) -> None:
    random = np.random.default_rng(3)
    passed = 0
    for _ in range(300):
        same = np.append(random.random(300) < target - 1e-9, np.zeros(50, bool))
        score = np.append(np.arange(300.0, 0, -1), np.zeros(50))
        best = best_reachable(score, same)
        passed += best is not None and best.target >= target
    assert passed / 300 <= 0.05 + 0.02  # and the noise of 300 trials


def test_unreachable_says_what_is() -> None:
    score, same = world(200, 4, skill=2)
    with pytest.raises(UnreachableTarget) as caught:
        accept_threshold(score, same, target=0.99)
    best = caught.value.best
    assert best is not None
    assert not best.met
    assert isinstance(caught.value, ConfigError)
    words = str(caught.value)
    assert f"reachable is {best.target:.3f}" in words
    assert best.precision_low >= best.target
    assert f"{best.value:.4f}" in words
    assert f"{best.accepted} accepted pairs" in words
    assert "more correctly accepted labelled pairs" in words
    assert accept_threshold(score, same, target=best.target) == replace(best, met=True)
    with pytest.raises(UnreachableTarget):
        accept_threshold(score, same, target=best.target + 1e-6)


def test_the_stated_number_of_labels_is_enough() -> None:
    same = np.array([True] * 100 + [False] * 100)
    score = same.astype(float)
    with pytest.raises(UnreachableTarget, match=r"about 359 more") as caught:
        accept_threshold(score, same, target=0.99)
    more = np.append(np.ones(359), score)
    found = accept_threshold(more, np.append(np.ones(359, bool), same), target=0.99)
    assert found.accepted == 459
    assert caught.value.best is not None


def test_no_duplicate_at_all() -> None:
    with pytest.raises(UnreachableTarget, match="0 are duplicates"):
        accept_threshold(np.arange(5.0), np.zeros(5, bool), target=0.9)
    assert best_reachable(np.arange(5.0), np.zeros(5, bool)) is None
    with pytest.raises(UnreachableTarget, match="0 labelled duplicates"):
        review_threshold(np.arange(5.0), np.zeros(5, bool), target=0.9)


def test_review_is_the_highest_score_whose_recall_bound_holds() -> None:
    score, same = world(2000, 5, skill=3)
    found = review_threshold(score, same, target=0.9)
    total = int(same.sum())
    for value in np.unique(score):
        hits = int((same & (score >= value)).sum())
        low = binomtest(hits, total, alternative="greater").proportion_ci(0.95, "exact").low
        assert (low >= 0.9) == (value <= found.value)
    with pytest.raises(UnreachableTarget, match="takes 59 labelled duplicates"):
        review_threshold(score[:40], same[:40], target=0.95)


def test_weights_stand_for_repeated_pairs_only_roughly() -> None:
    score, same = world(800, 6, skill=4)
    plain = accept_threshold(score, same, target=0.9)
    even = accept_threshold(score, same, target=0.9, weight=np.full(800, 2.0))
    assert even == replace(plain, precision_low=even.precision_low, recall_low=even.recall_low)
    assert even.precision_low == pytest.approx(plain.precision_low)


scored = st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=120)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(scored, st.randoms(), st.lists(st.floats(0.05, 0.95), min_size=2, max_size=4))
def test_a_higher_target_never_lowers_the_threshold(
    rows: list[Any], random: object, targets: list[float]
) -> None:
    def found(rows: list[Any], target: float) -> Threshold | None:
        score, same = np.array([r[0] / 12 for r in rows]), np.array([r[1] for r in rows])
        try:
            return accept_threshold(score, same, target=target, confidence=0.8)
        except UnreachableTarget:
            best = best_reachable(score, same, confidence=0.8)
            assert best is None or best.target < target
            return None

    values = [found(rows, target) for target in sorted(targets)]
    numbers = [np.inf if value is None else value.value for value in values]
    assert numbers == sorted(numbers)
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert [found(rows, target) for target in sorted(targets)] == values


def test_the_balanced_threshold_accepts_equal_probabilities_together() -> None:
    threshold = balanced_value(np.array([0.9, 0.9, 0.8, 0.1, 0.0]))
    assert threshold == pytest.approx(0.4)  # halfway between 0.8 and 0.1 in log-odds: 4 and 1 / 9
    assert balanced_value(np.array([0.5, 0.5])) == 0.5


def test_the_balanced_threshold_says_what_precision_it_shows() -> None:
    score, same = world(3000, 1, skill=4)
    probability = 1 / (1 + np.exp(-4 * (score - 2)))
    found = balanced_threshold(probability, same, target=0.999)
    accepted = probability >= found.value
    assert found.accepted == accepted.sum()
    assert found.precision == pytest.approx(same[accepted].mean())
    assert found.precision_low < found.precision
    assert not found.met
    assert balanced_threshold(probability, same, target=0.8).met
