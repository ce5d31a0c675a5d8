"""Error rates by slice: counts by hand, and what is too small to tell."""

import numpy as np
import pytest

from pipeline.evaluation.error_rates import TOO_SMALL, WorstToBest, measure_error_rates
from pipeline.evaluation.intervals import share_interval
from pipeline.storage import to_json


def test_rates_by_hand() -> None:
    same = np.array([True] * 40 + [False] * 60)
    accepted = np.array([True] * 30 + [False] * 10 + [True] * 3 + [False] * 57)
    language = np.array((["de"] * 20 + ["en"] * 20) + (["de"] * 30 + ["en"] * 29 + [""]))
    found = measure_error_rates(same, accepted, slices={"language": language}, min_slice=20)
    overall = found.overall
    assert (overall.pairs, overall.positives) == (100, 40)
    assert overall.false_match_rate.value == 3 / 60
    assert overall.false_non_match_rate.errors == 10
    assert overall.false_non_match_rate.high == share_interval(10, 40).high
    slices = found.slices["language"]
    assert slices.values["en"].false_non_match_rate.value == 0.5
    assert slices.values["(unknown)"].false_match_rate.note == TOO_SMALL
    assert slices.too_small == ("(unknown)",)
    assert slices.worst_to_best["false_non_match_rate"] == WorstToBest(None, "en", "de", 0.5)
    to_json(found)


def test_the_ratio_and_a_single_slice() -> None:
    same = np.ones(200, bool)
    accepted = np.array([i % 10 != 0 for i in range(100)] + [i % 4 != 0 for i in range(100)])
    slices = {"shop": np.repeat(["a", "b"], 100), "all": np.repeat(["x"], 200)}
    found = measure_error_rates(same, accepted, slices=slices).slices
    ratio = found["shop"].worst_to_best["false_non_match_rate"]
    assert ratio is not None
    assert (ratio.worst, ratio.best) == ("b", "a")
    assert ratio.ratio == pytest.approx(2.5)
    assert found["all"].worst_to_best["false_non_match_rate"] is None
