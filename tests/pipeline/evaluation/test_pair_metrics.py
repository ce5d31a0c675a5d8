"""Metrics against scikit-learn, and labels that cannot be used."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from pipeline.arrays.lookup import positions_in
from pipeline.errors import ConfigError
from pipeline.evaluation.intervals import Estimate, share_interval
from pipeline.evaluation.pair_metrics import (
    GoldPairs,
    PairEvaluation,
    compare_models,
    evaluate_pairs,
    measure_pairs,
)
from pipeline.labels.files import read_labels
from pipeline.storage import from_json, to_json


def test_metrics_equal_scikit_learn() -> None:
    random = np.random.default_rng(2)
    cluster = random.integers(0, 30, 80)
    left, right = random.integers(0, 80, 400), random.integers(0, 80, 400)
    same, score = random.random(400) < 0.3, random.random(400).round(2)
    labels = GoldPairs(pa.array([], pa.string()), pa.array([], pa.string()), same)
    found = measure_pairs(
        labels, left=left, right=right, cluster=cluster, score=score, candidate=score > 0.5
    )
    predicted = cluster[left] == cluster[right]
    assert found.precision.value == pytest.approx(precision_score(same, predicted))
    assert found.recall.value == pytest.approx(recall_score(same, predicted))
    assert found.f1 == pytest.approx(f1_score(same, predicted))
    assert found.average_precision == pytest.approx(average_precision_score(same, score))
    assert found.candidate_recall == pytest.approx((score > 0.5)[same].mean())
    assert found.precision.low < found.precision.value


def test_unknown_ids_are_counted_and_left_out() -> None:
    ids = pa.array(["a", "b"])
    rows = positions_in(pa.array(["a", "zzz"]), ids)
    assert rows.tolist() == [0, -1]
    labels = GoldPairs(pa.array(["a", "a"]), pa.array(["b", "zzz"]), np.array([True, True]))
    found = measure_pairs(
        labels, left=np.array([0, 0]), right=np.array([1, -1]), cluster=np.array([5, 5]),
        score=np.ones(2), candidate=np.ones(2, bool),
    )  # fmt: skip
    assert (found.pairs, found.unknown, found.recall.value) == (1, 1, 1.0)


def test_wilson_interval_of_a_known_case() -> None:
    # Wilson (1927) for 8 of 10 at 95 %: 0.490 to 0.943.
    found = share_interval(8, 10)
    assert astuple(found) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)
    assert share_interval(0, 0) == Estimate(0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("left_id,right_id\na,b\n", "lacks \\['label'\\]"),
        ("left_id,right_id,label\na,b,7\n", "row 1 says .7.*allowed: 1 or same"),
    ],
)
def test_unusable_labels_are_a_configuration_error(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_labels(str(path))
    with pytest.raises(ConfigError, match="cannot read"):
        read_labels(str(tmp_path / "absent.csv"))


# --- models on labelled pairs ------------------------------------------------------------------


def scored(n: int, seed: int, skill: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    same = random.random(n) < 0.3
    noise = random.normal(0, 1, n)
    return same, 1 / (1 + np.exp(-(noise + skill * (same - 0.5)))), np.arange(n) // 2


def test_the_report_is_json_and_its_values_are_scikit_learns() -> None:
    same, probability, entity = scored(600, 0, 3)
    shop = np.where(np.arange(600) % 3 == 0, "a", "b")
    found = evaluate_pairs(
        same, probability, 0.6, np.stack([entity, entity[::-1]], 1), seed=0, resamples=200,
        slices={"shop": shop},
    )  # fmt: skip
    assert from_json(PairEvaluation, to_json(found)) == found
    metrics = found.metrics
    assert metrics.f1.value == pytest.approx(f1_score(same, probability >= 0.6))
    expected = average_precision_score(same, probability)
    assert metrics.average_precision.value == pytest.approx(expected)
    for row in vars(metrics).values():
        assert row.low <= row.value <= row.high
    assert set(found.errors.slices["shop"].values) == {"a", "b"}
    assert found.errors.overall.false_non_match_rate.value == pytest.approx(
        1 - metrics.recall.value
    )
    again = evaluate_pairs(
        same, probability, 0.6, np.stack([entity, entity[::-1]], 1), seed=0, resamples=200,
        slices={"shop": shop},
    )  # fmt: skip
    assert again == found


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    same, probability, _ = scored(200_000, 1, 3)
    truth = float((same & (probability >= 0.5)).sum() / same.sum())
    covered = 0
    for seed in range(60):
        same, probability, entity = scored(400, 100 + seed, 3)
        row = evaluate_pairs(same, probability, 0.5, entity, seed=seed, resamples=200)
        covered += row.metrics.recall.low <= truth <= row.metrics.recall.high
    assert 50 <= covered <= 60


def test_comparing_two_models() -> None:
    same, good, entity = scored(1000, 2, 4)
    _, bad, _ = scored(1000, 2, 1)
    found = compare_models(same, (bad, 0.5), (good, 0.5), entity, seed=0, resamples=200)
    row = found["average_precision"]
    assert row.difference == pytest.approx(row.second - row.first)
    assert 0 < row.low < row.difference < row.high
    assert row.better == 1.0
    back = compare_models(same, (good, 0.5), (bad, 0.5), entity, seed=0, resamples=200)
    assert back["average_precision"].better == 0.0
    level = compare_models(same, (good, 0.5), (good, 0.5), entity, seed=0, resamples=50)
    assert (level["f1"].low, level["f1"].high, level["f1"].better) == (0.0, 0.0, 0.5)


def test_what_cannot_be_evaluated() -> None:
    with pytest.raises(ConfigError, match="no labelled pair"):
        evaluate_pairs(np.zeros(0, bool), np.zeros(0), 0.5, np.zeros(0, np.int64), seed=0)
    with pytest.raises(ConfigError, match="1 of 2 scores are NaN"):
        evaluate_pairs(np.ones(2, bool), np.array([1, np.nan]), 0.5, np.arange(2), seed=0)


def test_one_class_alone_can_be_evaluated() -> None:
    found = evaluate_pairs(
        np.zeros(4, bool), np.linspace(0, 1, 4), 0.5, np.arange(4), seed=0, resamples=20
    )
    to_json(found)
    assert found.errors.overall.false_match_rate.value == 0.5
