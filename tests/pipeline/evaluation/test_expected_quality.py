"""What a run without labels expects of its clusters."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.expected_quality import ExpectedQuality, expected_quality

NAN = float("nan")


def pairs(*rows: tuple[int, int, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, right, probability = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(left, np.int64), np.array(right, np.int64), np.array(probability, float)


def expected(
    cluster: list[int], accepted: list[tuple[int, int, float]],
    refused: list[tuple[int, int, float]], *, columns: bool = True, sources: bool = True,
) -> ExpectedQuality | None:  # fmt: skip
    return expected_quality(
        np.array(cluster), pairs(*accepted), pairs(*refused), columns=columns, sources=sources
    )


def test_precision_is_the_mean_probability_of_the_pairs_in_clusters() -> None:
    # The third pair of the cluster was refused, and is in it all the same.
    found = expected([0, 0, 0, 1], [(0, 1, 0.9), (1, 2, 0.8)], [(0, 2, 0.4), (2, 3, 0.1)])
    assert found is not None
    assert found.precision.value == pytest.approx(0.7)
    assert found.precision.low < 0.7 < found.precision.high


def test_what_only_a_person_said_something_of_is_no_probability() -> None:
    found = expected([0, 0, 0], [(0, 1, 0.9), (1, 2, NAN)], [])
    assert found is not None
    assert found.precision.value == pytest.approx(0.9)


def test_recall_counts_the_best_refused_partner_of_what_stands_alone() -> None:
    found = expected([0, 0, 1, 2], [(0, 1, 1.0)], [(2, 3, 0.5), (0, 2, 0.2)])
    assert found is not None
    assert found.recall.value == pytest.approx(1 / 1.5, abs=0.01)
    alone = expected([0, 0], [(0, 1, 0.95)], [])
    assert alone is not None
    assert alone.recall.value > 0.99


def test_one_source_may_have_missed_more_than_several() -> None:
    rows = [(0, 1, 0.9)], [(2, 3, 0.3)]
    several = expected([0, 0, 1, 2], *rows)
    one = expected([0, 0, 1, 2], *rows, sources=False)
    assert several is not None
    assert one is not None
    assert one.recall.low < several.recall.low
    assert one.precision == several.precision


def test_texts_of_one_column_are_told_with_more_doubt() -> None:
    wide = expected([0, 0], [(0, 1, 0.9)], [], columns=False)
    narrow = expected([0, 0], [(0, 1, 0.9)], [])
    assert wide is not None
    assert narrow is not None
    assert wide.precision.low < narrow.precision.low


def test_nothing_together_expects_nothing() -> None:
    assert expected([0, 1], [], [(0, 1, 0.4)]) is None
    assert expected([0, 1], [], []) is None
