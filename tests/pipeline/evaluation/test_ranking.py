"""Metrics of scores against scikit-learn, under weights too."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
)

from pipeline.evaluation.ranking import RECALLS, Ranking

rows = st.lists(
    st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows, st.integers(0, 9))
def test_metrics_equal_scikit_learn(rows: list[Any], step: int) -> None:
    score, same, weight = (np.array(column) for column in zip(*rows, strict=True))
    score, accept = score / 8, step / 8
    found = Ranking(same, score).metrics(weight[None].astype(float), accept=accept)
    drawn = np.repeat(np.arange(len(same)), weight)
    truth, values = same[drawn], score[drawn]
    if not truth.any():
        assert np.isnan(found["recall"][0])
        return
    said = values >= accept
    expected = {
        "precision": precision_score(truth, said, zero_division=0),
        "recall": recall_score(truth, said),
        "f1": f1_score(truth, said),
        "average_precision": average_precision_score(truth, values),
    }
    precision, recall, _ = precision_recall_curve(truth, values)
    for name, wanted in RECALLS.items():
        expected[name] = recall[precision >= wanted].max()
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value), name


def test_a_thinned_curve_lies_on_the_curve_and_keeps_its_ends() -> None:
    random = np.random.default_rng(0)
    same = random.random(5000) < 0.3
    ranking = Ranking(same, random.normal(0, 1, 5000) + same)
    points = ranking.points(50)
    precision, recall, values = precision_recall_curve(
        same, ranking.score[np.argsort(ranking.order)]
    )
    at = {value: (p, r) for value, p, r in zip(values, precision, recall, strict=False)}
    assert 30 < len(points) <= 52
    for point in points:
        assert at[point.threshold] == pytest.approx((point.precision, point.recall))
    assert points[-1].recall == 1.0
    assert points[0].threshold == values.max()
