"""Thresholds that edited copies and natural neighbours give."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.config.matching import SelfCalibrationSettings
from pipeline.evaluation.calibration.score_normalisation import NeighbourhoodLevel
from pipeline.evaluation.synthetic.thresholds import (
    COPY,
    HELD,
    LEVELS,
    OTHER,
    SKIPPED,
    UNKNOWN,
    SyntheticRule,
    SyntheticSample,
    UnreachableError,
    floor_of_rule,
    learn_synthetic_rule,
)
from pipeline.storage import from_plain, to_plain

RECORDS, NEAR = 400, 32


def corpus(seed: int = 0, width: float = 0.02) -> SyntheticSample:
    """Strangers with an exponential tail of the given width, and copies around 0.7."""
    generator = np.random.default_rng(seed)
    own = np.clip(generator.normal(0.7, 0.12, 2 * RECORDS), -1, 1)
    # The nearest of thousands with an exponential tail: spacings of order statistics.
    steps = generator.exponential(width, (RECORDS, NEAR)) / np.arange(1, NEAR + 1)
    natural = 0.3 + np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]
    none = tuple(np.zeros(len(own)) for _ in LEVELS)
    return SyntheticSample(
        own, none, natural, tuple(np.zeros(natural.shape) for _ in LEVELS),
        np.full(natural.shape, UNKNOWN, np.int8),
    )  # fmt: skip


def rule(sampled: SyntheticSample, *, floor: float = 0.2, least: float = -1.0, **changes: float):
    return learn_synthetic_rule(
        sampled, SelfCalibrationSettings(**changes), floor=floor, least=least
    )


def test_the_foretold_number_of_strangers_is_the_true_one() -> None:
    found = rule(corpus())
    # The same strangers, a hundred times as many records: how many pairs reach the threshold?
    many = [corpus(seed, width=0.02).natural for seed in range(1, 101)]
    wrong = sum(float((one >= found.accept).sum()) / 2 for one in many) / (100 * RECORDS)
    right = found.copies * found.recall
    assert right / (right + wrong) >= 0.99
    assert found.precision >= 0.99
    assert found.recall > 0.5


def test_a_wider_tail_of_strangers_asks_for_more() -> None:
    assert rule(corpus(width=0.04)).accept > rule(corpus(width=0.01)).accept + 0.05


def test_a_higher_precision_asks_for_more() -> None:
    loose, strict = (rule(corpus(), precision=precision) for precision in (0.9, 0.999))
    assert strict.accept > loose.accept
    assert strict.recall < loose.recall


def test_unmarked_copies_among_the_nearest_move_nothing_much() -> None:
    plain = corpus()
    natural = plain.natural.copy()
    natural[: RECORDS // 2, : SKIPPED - 1] = 0.95  # copies that nobody marked
    with_copies = replace(plain, natural=-np.sort(-natural, axis=1))
    assert rule(with_copies).accept == pytest.approx(rule(plain).accept, abs=0.05)


def test_pairs_known_to_be_others_count_and_held_ones_do_not() -> None:
    plain = corpus()
    natural, kind = plain.natural.copy(), plain.kind.copy()
    natural[:40, 0] = 0.85
    accept = {}
    for name, what in (("other", OTHER), ("held", HELD)):
        kind[:40, 0] = what
        accept[name] = rule(replace(plain, natural=natural, kind=kind.copy())).accept
    assert accept["other"] > 0.85
    assert accept["held"] == pytest.approx(rule(plain).accept, abs=0.02)


def test_more_natural_copies_allow_a_lower_threshold() -> None:
    plain = corpus()
    kind = plain.kind.copy()
    kind[:, 0] = COPY
    assert rule(replace(plain, kind=kind)).accept < rule(plain).accept


def test_neighbourhoods_that_differ_are_normalised_and_the_gain_is_told() -> None:
    plain, generator = corpus(), np.random.default_rng(3)
    dense = generator.uniform(0, 0.4, RECORDS)  # what a record's neighbourhood adds to its cosines
    both = np.repeat(dense, 2)
    crowded = SyntheticSample(
        plain.copies + both, tuple(both for _ in LEVELS),
        plain.natural + dense[:, None],
        tuple(np.repeat(dense[:, None], NEAR, axis=1) for _ in LEVELS), plain.kind,
    )  # fmt: skip
    found = rule(crowded)
    assert found.level in LEVELS
    assert found.gain[1] > found.gain[0] + 0.05
    assert rule(plain).level is None


def test_nothing_below_the_least_cosine_or_the_floor_is_accepted() -> None:
    assert rule(corpus(), least=0.8).accept >= 0.8
    low, high = rule(corpus(), floor=0.2), rule(corpus(), floor=0.69)
    assert high.recall < low.recall


def test_a_precision_out_of_reach_is_told() -> None:
    hopeless = replace(corpus(), copies=np.full(2 * RECORDS, 0.25))
    with pytest.raises(UnreachableError, match=r"no threshold reaches a precision of 0\.9"):
        rule(hopeless)


def test_a_rule_survives_json_and_its_curve_goes_through_both_thresholds() -> None:
    found = rule(corpus())
    assert from_plain(SyntheticRule, json.loads(json.dumps(to_plain(found)))) == found
    bias, slope = found.curve
    at = [1 / (1 + np.exp(-(bias + slope * score))) for score in (found.accept, found.review)]
    assert at == pytest.approx([0.9, 0.5], abs=1e-3)
    assert at[0] >= 0.9


def test_the_floor_keeps_most_copies_and_few_others() -> None:
    sampled = corpus()
    floor = floor_of_rule(sampled.copies, sampled.natural)
    assert (sampled.copies >= floor).mean() >= 0.97
    assert (sampled.natural >= floor).sum(axis=1).mean() <= NEAR


def test_a_level_leaves_out_the_record_itself_and_its_nearest() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    vectors[1] = (0.9, np.sqrt(1 - 0.81), 0, 0)
    asked = np.eye(4, dtype=np.float32)[:1]
    sample = vectors.astype(np.float16)
    assert NeighbourhoodLevel(sample, 1, nearer=0.98).level(asked)[0] == pytest.approx(
        0.9, abs=1e-3
    )
    assert NeighbourhoodLevel(sample, 1, nearer=0.98, skipped=1).level(asked)[0] == pytest.approx(
        0, abs=1e-3
    )
