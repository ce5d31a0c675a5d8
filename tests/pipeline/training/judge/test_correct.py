"""The shipped judge corrected by answers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.special import expit

from pipeline.matching import BLOCK, CORRECTING, Corrected, read_judge
from pipeline.training.judge.correct import AnsweredPairs, refit_judge, uncorrected


def shipped() -> Corrected:
    return Corrected(read_judge(None).head, 1.25, len(BLOCK), uncorrected())


def answers(count: int, *, seed: int = 0, truth: str | None = None) -> AnsweredPairs:
    """Pairs that are duplicates as often as the shipped judge says, or by one column."""
    rng = np.random.default_rng(seed)
    words = rng.random((count, len(BLOCK)))
    beside = rng.random((count, len(CORRECTING)))
    beside[:, 0] = 0.0
    features = np.concatenate([words, beside], axis=1).astype(np.float32)
    odds = shipped().shipped(features)
    if truth is not None:
        odds = 12 * (beside[:, CORRECTING.index(truth)] - 0.5)
    same = rng.random(count) < expit(odds)
    same[:2] = True, False
    return AnsweredPairs(features, same, np.zeros(count, bool), once=True)


def test_without_answers_of_both_kinds_in_number_the_weights_stay_where_they_are() -> None:
    asked = answers(20)
    few = AnsweredPairs(asked.features, np.arange(20) < 2, asked.beaten)
    fitted, facts = refit_judge(shipped(), few)
    assert facts.penalty == 1e6
    assert np.abs(fitted.correction.weight).max() < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_twenty_answers_never_move_the_threshold_far(seed: int) -> None:
    asked = answers(20, seed=seed)
    fitted, _ = refit_judge(shipped(), asked)
    assert abs(fitted.correction.bias) < 1.5


def test_answers_that_the_shipped_judge_foretells_leave_it_as_it_is() -> None:
    fitted, _ = refit_judge(shipped(), answers(300))
    other = answers(500, seed=9).features
    assert np.abs(fitted.score(other) - fitted.shipped(other)).mean() < 0.6


def test_hundreds_of_answers_teach_what_the_shipped_judge_does_not_know() -> None:
    told = "difference: doubtful"
    fitted, facts = refit_judge(shipped(), answers(300, truth=told))
    assert facts.tried[facts.penalty] < facts.tried[1e6]
    exam = answers(1000, seed=5, truth=told)
    before = (fitted.shipped(exam.features) > 0) == exam.same
    after = (fitted.score(exam.features) > 0) == exam.same
    assert after.mean() > before.mean() + 0.1


def test_beaten_pairs_do_not_raise_the_threshold_of_those_that_are_not() -> None:
    asked = answers(200)
    beaten = np.arange(200) % 2 == 0
    same = asked.same & ~beaten
    rivals = AnsweredPairs(asked.features, same, beaten, once=True)
    none = AnsweredPairs(asked.features, same, np.zeros(200, bool), once=True)
    with_rivals, without = (refit_judge(shipped(), one)[0] for one in (rivals, none))
    other = answers(500, seed=9).features
    assert with_rivals.score(other).mean() > without.score(other).mean() + 0.3


def test_the_same_answers_make_the_same_judge() -> None:
    asked = answers(60)
    first, _ = refit_judge(shipped(), asked)
    again, _ = refit_judge(shipped(), asked)
    assert np.array_equal(first.correction.weight, again.correction.weight)


def test_three_hundred_answers_take_less_than_two_seconds() -> None:
    asked = answers(300, truth="text: cosine")
    shipped().shipped(asked.features)  # the trees are read once per process
    began = time.perf_counter()
    refit_judge(shipped(), asked)
    assert time.perf_counter() - began < 2


def test_the_threshold_stays_where_no_source_holds_a_thing_once() -> None:
    asked = answers(100, truth="text: cosine")
    several = AnsweredPairs(asked.features, asked.same, asked.beaten)
    fitted, _ = refit_judge(shipped(), several)
    assert abs(fitted.correction.bias) < 1e-3
