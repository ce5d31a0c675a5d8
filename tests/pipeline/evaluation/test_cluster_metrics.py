"""Cluster metrics against counting by hand."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.evaluation.cluster_metrics import measure_clusters
from pipeline.evaluation.intervals import Estimate


def by_hand(cluster: list[int], entity: list[int]) -> dict[str, float]:
    n = range(len(cluster))
    mine = [{j for j in n if cluster[j] == cluster[i]} for i in n]
    true = [{j for j in n if entity[j] == entity[i]} for i in n]
    predicted = {(i, j) for i, j in combinations(n, 2) if cluster[i] == cluster[j]}
    wanted = {(i, j) for i, j in combinations(n, 2) if entity[i] == entity[j]}
    found: dict[str, Any] = {
        "bcubed_precision": np.mean([len(m & t) / len(m) for m, t in zip(mine, true, strict=True)]),
        "bcubed_recall": np.mean([len(m & t) / len(t) for m, t in zip(mine, true, strict=True)]),
        "pairwise_precision": len(predicted & wanted) / len(predicted) if predicted else 1.0,
        "pairwise_recall": len(predicted & wanted) / len(wanted) if wanted else 1.0,
    }
    for kind in ("bcubed", "pairwise"):
        both = found[f"{kind}_precision"], found[f"{kind}_recall"]
        found[f"{kind}_f1"] = 2 * both[0] * both[1] / sum(both) if sum(both) else 0.0
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=25))
def test_metrics_equal_counting(rows: list[tuple[int, int]]) -> None:
    cluster, entity = [row[0] for row in rows], [row[1] for row in rows]
    found = measure_clusters(np.array(cluster), np.array(entity), seed=0, resamples=5)
    for name, value in by_hand(cluster, entity).items():
        assert getattr(found, name).value == pytest.approx(value), name


def test_intervals_hold_the_value_and_narrow_with_more_entities() -> None:
    def f1(entities: int) -> Estimate:
        random = np.random.default_rng(0)
        entity = np.repeat(np.arange(entities), 3)
        cluster = np.where(
            random.random(len(entity)) < 0.2, np.arange(len(entity)) + 10_000, entity
        )
        return measure_clusters(cluster, entity, seed=1, resamples=300).bcubed_f1

    few, many = f1(30), f1(600)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
