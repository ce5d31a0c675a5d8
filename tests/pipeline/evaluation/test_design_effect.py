"""Pairs of one entity: couples against brute force, correlations of known worlds, and the bound."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.evaluation.calibration.design_effect import (
    ClusteredSample,
    effective_sample_size,
    rank_correlation,
    residual_correlation,
)
from pipeline.evaluation.calibration.thresholds import (
    Threshold,
    UnreachableTarget,
    accept_threshold,
    best_reachable,
)

sides_of = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=25)


@settings(deadline=None, max_examples=60)
@given(sides_of)
def test_couples_and_sums_as_brute_force_finds_them(rows: list[Any]) -> None:
    sides = np.array(rows)
    values = np.random.default_rng(0).normal(size=len(rows))
    shares = np.array([[bool(set(a) & set(b)) for b in rows] for a in rows])
    sharing = ClusteredSample.of(sides)
    wanted = [shares[:end, :end].sum() for end in range(1, len(rows) + 1)]
    assert sharing.couples().tolist() == wanted
    np.fill_diagonal(shares, False)
    assert sharing.summed(values) == pytest.approx((np.outer(values, values) * shares).sum())


def test_one_side_is_an_entity_of_its_own_pairs() -> None:
    assert ClusteredSample.of(np.array([3, 3, 5])).couples().tolist() == [1, 4, 5]
    assert effective_sample_size(np.array([4.0]), np.array([16.0]), 1.0) == 1.0
    assert effective_sample_size(np.array([4.0]), np.array([4.0]), 1.0) == 4.0
    assert effective_sample_size(np.array([4.0]), np.array([16.0]), 0.0) == 4.0


def world(
    random: np.random.Generator, *, entities: int, pairs: int, correlation: float, precision: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """High scores whose labels are right with `precision`, an entity's together; and as many low.

    The share of an entity's pairs that are right has a beta distribution (beta-binomial).
    """
    if correlation == 1:
        share = (random.random(entities) < precision).astype(float)
    else:
        spread = (1 - correlation) / correlation
        share = random.beta(precision * spread, (1 - precision) * spread, entities)
    same = (random.random((entities, pairs)) < share[:, None]).ravel()
    entity = np.repeat(np.arange(entities), pairs)
    high, low = 1 + random.random(len(entity)), random.random(len(entity)) / 2
    return (
        np.append(high, low),
        np.append(same, np.zeros(len(entity), bool)),
        np.append(entity, entity),
    )


@pytest.mark.parametrize("correlation", [0.1, 0.5, 1.0])
def test_the_correlation_of_a_known_world_is_found(correlation: float) -> None:
    random = np.random.default_rng(1)
    score, same, entity = world(
        random, entities=400, pairs=8, correlation=correlation, precision=0.8
    )
    assert residual_correlation(score, same, entity) == pytest.approx(correlation, abs=0.08)
    assert residual_correlation(score, same, np.arange(len(score))) == 1  # nothing is known of it
    place = np.repeat(random.normal(size=400), 8) + random.normal(size=3200)
    assert rank_correlation(place, np.repeat(np.arange(400), 8)) == pytest.approx(0.5, abs=0.08)


def test_without_an_error_seen_an_entity_counts_once() -> None:
    same = np.array([True] * 120 + [False] * 120)
    found = accept_threshold(same.astype(float), same, target=0.5, sides=np.arange(240) // 10)
    assert found.accepted == 120
    assert found.independent == 12
    alone = accept_threshold(same.astype(float), same, target=0.5, sides=np.arange(240))
    plain = accept_threshold(same.astype(float), same, target=0.5)
    assert alone == plain
    assert found.precision_low < plain.precision_low


@pytest.mark.slow
@pytest.mark.parametrize(("target", "correlation"), [(0.8, 0.6), (0.9, 0.3), (0.95, 1.0)])
def test_the_bound_holds_where_an_entity_s_pairs_fail_together(
    target: float, correlation: float
) -> None:
    """A precision just below the target at every look: the bound may reach it in 5 % of trials."""
    random = np.random.default_rng(7)
    broken = {"by entity": 0, "independent": 0}
    trials = 200
    for _ in range(trials):
        score, same, entity = world(
            random, entities=40, pairs=12, correlation=correlation, precision=target - 1e-9
        )
        for name, sides in (("by entity", entity), ("independent", None)):
            best = best_reachable(score, same, sides=sides)
            broken[name] += best is not None and best.target >= target
    assert broken["by entity"] / trials <= 0.05
    assert broken["independent"] / trials > 0.1


@settings(deadline=None, max_examples=40)
@given(sides_of, st.randoms())
def test_the_more_careful_bound_is_stated_in_any_order(rows: list[Any], random: object) -> None:
    generator = np.random.default_rng(len(rows))
    score, same = generator.integers(0, 6, len(rows)) / 6, generator.random(len(rows)) < 0.7

    def found(places: list[int], sides: np.ndarray | None) -> Threshold | None:
        part = None if sides is None else sides[places]
        try:
            return accept_threshold(score[places], same[places], target=0.2, sides=part)
        except UnreachableTarget as error:
            return error.best

    places = list(range(len(rows)))
    careful, plain = found(places, np.array(rows)), found(places, None)
    assert (careful is None) == (plain is None)
    if careful and plain and careful.value == plain.value:
        assert careful.precision_low <= plain.precision_low + 1e-12
    random.shuffle(places)  # type: ignore[attr-defined]
    again = found(places, np.array(rows))
    assert (again is None) == (careful is None)
    if again and careful:
        assert again.value == careful.value
        assert again.precision_low == pytest.approx(careful.precision_low)
