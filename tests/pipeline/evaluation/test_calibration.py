"""Calibrators: monotone, never sure, read back exactly; calibrations belong to one model."""

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.errors import ConfigError
from pipeline.evaluation import reliability as reliability_
from pipeline.evaluation.calibration.calibration import Calibration, calibrate
from pipeline.evaluation.calibration.calibrator import (
    Calibrator,
    CalibratorChoice,
    Kind,
    choose_calibrator,
)
from pipeline.evaluation.calibration.thresholds import UnreachableTarget
from pipeline.evaluation.reliability import (
    brier,
    expected_calibration_error,
    reliability_bins,
)
from pipeline.storage import from_json, to_json

KINDS: tuple[Kind, ...] = ("isotonic", "platt")


def world(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.normal(0, 2, n)
    truth = 1 / (1 + np.exp(-(1.5 * score - 1)))
    return score, random.random(n) < truth, truth


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3, width=32), st.booleans()), min_size=2, max_size=60
    ).filter(lambda rows: len({same for _, same in rows}) == 2),
    st.sampled_from(KINDS),
)
def test_monotone_within_bounds_and_read_back(rows: list[Any], kind: Kind) -> None:
    score, same = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    found = Calibrator.fit(score, same, kind=kind)
    at = np.sort(np.concatenate([score, np.linspace(-2e3, 2e3, 50)]))
    probability = found(at)
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    assert from_json(Calibrator, to_json(found)) == found


def test_isotonic_ranks_as_the_scores_do_and_is_near_scikit_learn() -> None:
    score, same, _ = world(3000)
    found = Calibrator.fit(score, same, kind="isotonic")(score)
    assert (np.diff(found[np.argsort(score)]) > 0).all()
    assert ((found > 0) & (found < 1)).all()
    oracle = IsotonicRegression().fit(score, same).predict(score)
    assert np.abs(found - oracle).mean() < 0.02


def test_platt_equals_a_logistic_regression() -> None:
    score, same, truth = world(5000)
    found = Calibrator.fit(score, same, kind="platt")
    oracle = LogisticRegression(C=1e9).fit(score[:, None], same).predict_proba(score[:, None])
    np.testing.assert_allclose(found(score), oracle[:, 1], atol=2e-3)
    np.testing.assert_allclose(found(score), truth, atol=0.05)


def test_scores_that_say_nothing_or_the_contrary_get_the_share() -> None:
    same = np.array([True, False] * 50)
    for kind in KINDS:
        flat = Calibrator.fit(np.ones(100), same, kind=kind)
        assert flat([0.0, 1.0, 5.0]) == pytest.approx(0.5, abs=0.02)
        contrary = Calibrator.fit(np.arange(100.0), np.arange(100) < 50, kind=kind)
        assert contrary([0.0, 99.0]) == pytest.approx(0.5, abs=0.02)


def test_what_cannot_be_calibrated() -> None:
    with pytest.raises(ConfigError, match="one class only"):
        Calibrator.fit(np.arange(3.0), np.ones(3, bool), kind="platt")
    for bad in (np.nan, -np.inf):
        with pytest.raises(ConfigError, match="NaN or -inf"):
            Calibrator.fit(np.array([bad, 1.0]), np.array([True, False]), kind="platt")


@pytest.mark.parametrize("kind", ["isotonic", "platt"])
def test_copies_are_certain_and_teach_nothing(kind: Any) -> None:
    score, same, _ = world(400)
    plain = Calibrator.fit(score, same, kind=kind)
    copies = np.append(score, [np.inf, np.inf])
    found = Calibrator.fit(copies, np.append(same, [True, False]), kind=kind)
    assert found == plain
    assert found(np.array([np.inf, score.max()])).tolist() == [1.0, found(score.max())]
    assert found(score).max() < 1
    alone = Calibrator.fit(np.array([0.0, 1.0, np.inf]), np.array([False, False, True]), kind=kind)
    assert alone(0.5) < 0.5, "where only copies are duplicates they stand just above the others"
    assert alone(np.inf) == 1.0


def test_the_choice_follows_the_held_out_loss() -> None:
    score, same, _ = world(400)
    found, how = choose_calibrator(score, same, seed=1)
    assert found.kind == how.chosen == "platt"  # the truth is logistic
    stepped = np.random.default_rng(0).random(4000)
    steps = np.random.default_rng(1).random(4000) < np.where(stepped > 0.5, 0.97, 0.2)
    found, how = choose_calibrator(stepped, steps, seed=1, group=np.arange(4000) // 2)
    assert found.kind == "isotonic"
    losses = {kind: row.log_loss for kind, row in how.kinds.items()}
    assert losses["isotonic"] < losses["platt"]
    assert from_json(CalibratorChoice, to_json(how)) == how


def test_measures_equal_scikit_learn() -> None:
    _, same, truth = world(500)
    assert brier(truth, same) == pytest.approx(brier_score_loss(same, truth))
    assert reliability_.log_loss(truth, same) == pytest.approx(log_loss(same, truth))


def test_reliability_by_hand() -> None:
    probability = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    same = np.array([False, True, False, True, True])
    rows = reliability_bins(probability, same)
    assert [row.pairs for row in rows] == [1, 2, 2]
    assert astuple(rows[1]) == pytest.approx((2, 0.15, 0.5))
    by_hand = (1 * 0.05 + 2 * 0.35 + 2 * 0.025) / 5
    assert expected_calibration_error(probability, same, equal="width") == pytest.approx(by_hand)
    halves = reliability_bins(np.array([0.1] * 5 + [0.9] * 5), np.arange(10) > 5, 2, equal="mass")
    assert [row.pairs for row in halves] == [5, 5]
    _, same, truth = world(20_000)
    for equal in ("mass", "width"):
        assert expected_calibration_error(truth, same, equal=equal) < 0.02
        assert expected_calibration_error(truth**3, same, equal=equal) > 0.03


def settled(**changes: object) -> Calibration:
    score, same, _ = world(4000, 3)
    known = {
        "model": "m", "version": "1", "fingerprint": "f", "target_precision": 0.9,
        "target_recall": 0.9, "confidence": 0.95, "on_unreachable": "error", "seed": 0,
    }  # fmt: skip
    return calibrate(score, same, **{**known, **changes})  # type: ignore[arg-type]


def test_a_calibration_belongs_to_one_model_and_reads_back() -> None:
    found = settled()
    assert found.accept.met
    assert found.review.value <= found.accept.value
    assert from_json(Calibration, to_json(found)) == found
    found.require_model("f")
    with pytest.raises(ConfigError, match="belong to the fingerprint f, not to g"):
        found.require_model("g")
    with pytest.raises(ValueError, match="version: Field required"):
        from_json(Calibration, '{"model": "m"}')


def test_review_never_lies_above_accept() -> None:
    found = settled(target_recall=0.05)
    assert found.review.value == found.accept.value
    assert found.review.measure == "recall"


def test_an_unreachable_target_stops_or_takes_the_best() -> None:
    with pytest.raises(UnreachableTarget, match="reachable is"):
        settled(target_precision=0.9999)
    found = settled(target_precision=0.9999, on_unreachable="best")
    assert not found.accept.met
    assert len(found.unreachable) == 1
    assert from_json(Calibration, to_json(found)) == found
