"""Metrics against scikit-learn, and labels that cannot be used."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from pipeline.errors import ConfigError
from pipeline.evaluation import Labels, pair_metrics, read_labels, rows_of, share


def test_metrics_equal_scikit_learn() -> None:
    random = np.random.default_rng(2)
    cluster = random.integers(0, 30, 80)
    left, right = random.integers(0, 80, 400), random.integers(0, 80, 400)
    same, score = random.random(400) < 0.3, random.random(400).round(2)
    labels = Labels(pa.array([], pa.string()), pa.array([], pa.string()), same)
    found = pair_metrics(
        labels, left=left, right=right, cluster=cluster, score=score, candidate=score > 0.5
    )
    predicted = cluster[left] == cluster[right]
    assert found["precision"] == pytest.approx(precision_score(same, predicted))
    assert found["recall"] == pytest.approx(recall_score(same, predicted))
    assert found["f1"] == pytest.approx(f1_score(same, predicted))
    assert found["average_precision"] == pytest.approx(average_precision_score(same, score))
    assert found["candidate_recall"] == pytest.approx((score > 0.5)[same].mean())
    assert found["precision_low"] < found["precision"]


def test_unknown_ids_are_counted_and_left_out() -> None:
    ids = pa.array(["a", "b"])
    rows = rows_of(pa.array(["a", "zzz"]), ids)
    assert rows.tolist() == [0, -1]
    labels = Labels(pa.array(["a", "a"]), pa.array(["b", "zzz"]), np.array([True, True]))
    found = pair_metrics(
        labels, left=np.array([0, 0]), right=np.array([1, -1]), cluster=np.array([5, 5]),
        score=np.ones(2), candidate=np.ones(2, bool),
    )  # fmt: skip
    assert (found["pairs"], found["unknown"], found["recall"]) == (1, 1, 1.0)


def test_wilson_interval_of_a_known_case() -> None:
    # Wilson (1927) for 8 of 10 at 95 %: 0.490 to 0.943.
    assert share(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-3)
    assert share(0, 0) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("left_id,right_id\na,b\n", "lacks \\['label'\\]"),
        ("left_id,right_id,label\na,b,7\n", "must hold 1"),
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
