"""The gate: better on the same pairs, no slice much worse, calibrated for itself."""

import numpy as np
import pytest
from hypothesis import given, settings as relaxed, strategies as st
from sklearn.metrics import f1_score

from pipeline.config.finetune import PromotionSettings
from pipeline.evaluation.calibration.calibration import Calibration
from pipeline.evaluation.calibration.calibrator import Calibrator, CalibratorChoice
from pipeline.evaluation.calibration.thresholds import Threshold
from pipeline.evaluation.error_rates import (
    ErrorRate,
    ErrorRates,
    GroupRates,
    SliceRates,
    measure_error_rates,
)
from pipeline.evaluation.pair_metrics import Difference
from pipeline.training.promotion import GatedModel, check_passes, check_promotion


def rates(pairs, f1):
    """Rates of so many pairs whose decisions have this F1: every different pair is kept apart."""
    recall = f1 / (2 - f1)
    same = ErrorRate(0, 0, 1, round(1000 * (1 - recall)), 1000, "")
    return GroupRates(pairs, 1000, ErrorRate(0, 0, 1, 0, 1000, ""), same)


def gated(reference, f1=0.9, n=100, fingerprint="abc", **accept):
    given = {"precision_low": 0.96, "target": 0.95, "met": True, **accept}
    edge = Threshold(0.8, "precision", 1, recall=1, recall_low=0.9, accepted=9, positives=9, n=9,
                     confidence=0.95, **given)  # fmt: skip
    kind = CalibratorChoice("platt", "", 5, {})
    values = {"de": rates(n, f1), "en": rates(500, 0.9)}
    slices = {"language": SliceRates(values, {}, ())}
    calibration = Calibration(
        "products", "1", fingerprint, Calibrator("platt"), edge, edge, kind, "balanced", ()
    )
    return GatedModel(reference, "abc", ErrorRates(rates(n, f1), slices, 30), calibration)


def candidate(**facts):
    return gated("products/v0002", **facts)


def champion(precision_low):
    return gated("products/v0001", precision_low=precision_low)


CHAMPION = champion(0.0)


def better(difference=0.02, spread=0.01):
    return Difference(
        0.5, 0.5 + difference, difference, difference - spread, difference + spread, 1
    )


DEFAULT = PromotionSettings()


def failed(*arguments, settings=DEFAULT, **values):
    checks = check_promotion(*arguments, settings, **values)  # type: ignore[call-arg]
    return [check.name for check in checks if not check.passed]


def test_a_better_calibrated_candidate_passes():
    checks = check_promotion(candidate(), CHAMPION, better(), PromotionSettings())
    assert check_passes(checks)
    assert len(checks) == 4
    assert "against the champion products/v0001" in checks[0].message


def test_the_first_champion_must_beat_zero_shot():
    checks = check_promotion(candidate(), None, better(), PromotionSettings())
    assert check_passes(checks)
    assert "against zero-shot" in checks[0].message
    assert failed(candidate(), None, better(-0.01)) == ["gain in average precision"]


@relaxed(deadline=None)
@given(gain=st.floats(-1, 1), least=st.floats(-1, 1))
def test_the_gain_is_the_least_asked_for_and_a_tie_is_none(gain, least):
    settings = PromotionSettings(min_gain=least)
    fails = failed(candidate(), CHAMPION, better(gain), settings=settings)
    assert (fails == []) == (gain >= least and (gain > 0 or least < 0))


def test_a_gain_that_chance_explains_says_so():
    check = check_promotion(candidate(), CHAMPION, better(0.01, 0.03), PromotionSettings())[0]
    assert check.passed
    assert "too few to tell" in check.message


def test_a_slice_may_lose_the_limit_and_no_more():
    assert failed(candidate(f1=0.85), CHAMPION, better()) == []
    assert failed(candidate(f1=0.84), CHAMPION, better()) == ["loss of F1 by language"]
    check = check_promotion(candidate(f1=0.5), CHAMPION, better(), PromotionSettings())[1]
    assert "'de', F1 0.900 to 0.500 over 100 pairs" in check.message


def test_a_slice_too_small_to_tell_does_not_count_and_a_missing_one_does():
    assert failed(candidate(f1=0.1), CHAMPION, better(), min_slice=101) == []
    lost = candidate()
    del lost.errors.slices["language"].values["en"]
    assert failed(lost, CHAMPION, better()) == ["loss of F1 by language"]
    check = check_promotion(candidate(), CHAMPION, better(), PromotionSettings(), min_slice=1000)[1]
    assert "too small to tell" in check.message


def test_a_threshold_of_another_model_or_none_fails():
    bound = "calibration bound to this model"
    assert failed(candidate(fingerprint="old"), CHAMPION, better()) == [bound]


def test_an_unmet_target_passes_only_when_it_is_marked_unreachable():
    target = ["precision bound at the accept threshold"]
    assert failed(candidate(precision_low=0.9), CHAMPION, better()) == target
    assert failed(candidate(precision_low=0.9, met=False), CHAMPION, better()) == []


BOUND = ["precision bound at the accept threshold"]


def test_an_unshown_target_is_no_weaker_than_the_champion_s_bound():
    unmet = candidate(precision_low=0.8, met=False)
    for own, fails in ((0.85, BOUND), (0.8, []), (0.75, [])):
        assert failed(unmet, champion(own), better()) == fails
    check = check_promotion(unmet, champion(0.85), better(), DEFAULT)[-1]
    assert "below the 0.850 that the champion products/v0001 shows" in check.message
    assert "the target of 0.950 was NOT shown" in check.message
    # Who shows the own target need not show the luck of the champion's pairs.
    assert failed(candidate(), champion(0.99), better()) == []
    # Without a champion it passes, and says so.
    (check,) = [c for c in check_promotion(unmet, None, better(), DEFAULT) if c.name == BOUND[0]]
    assert check.passed
    assert "the precision is at least 0.800; the target of 0.950 was NOT shown" in check.message


@pytest.mark.parametrize(("least", "fails"), [(0.97, BOUND), (0.9, []), (0.0, [])])
def test_a_least_bound_in_the_configuration_is_the_limit(least, fails):
    settings = PromotionSettings(min_precision_low=least)
    assert failed(candidate(), CHAMPION, better(), settings=settings) == fails
    weak = candidate(precision_low=0.95 if fails == [] else 0.5, met=False, target=0.99)
    strong = champion(0.98)
    assert failed(weak, strong, better(), settings=settings) == fails


def test_f1_of_a_slice_is_that_of_its_decisions():
    rng = np.random.default_rng(0)
    same, accepted = rng.random(80) < 0.4, rng.random(80) < 0.5
    group = np.repeat(["a", "b"], [80, 0])
    found = measure_error_rates(same, accepted, slices={"x": group}).slices["x"].values["a"]
    assert found.pairs == 80
    assert found.f1 == pytest.approx(f1_score(same, accepted))
    none = np.zeros(0, bool)
    assert measure_error_rates(none, none).overall.f1 == 1.0
