"""What labels say of a precision, and whether more of them would help."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import binomtest

from pipeline.labels.precision import is_enough


@settings(deadline=None)
@given(right=st.integers(0, 60), wrong=st.integers(0, 60))
def test_the_bound_is_the_exact_binomial_one(right, wrong):
    same = np.array([True] * right + [False] * wrong)
    facts = is_enough(same, target=0.9, confidence=0.95)
    if right + wrong:
        oracle = binomtest(right, right + wrong, alternative="greater")
        assert facts.low == pytest.approx(oracle.proportion_ci(0.95, method="exact").low)
    if facts.needed:
        reached = is_enough(
            np.array([True] * right * 50 + [False] * wrong * 50), target=0.9, confidence=0.95
        )
        assert (reached.needed == 0) == (49 * (right + wrong) >= facts.needed)
    assert facts.gain >= -1e-9


@pytest.mark.parametrize(
    ("right", "wrong", "words", "done"),
    [
        (400, 4, "Enough:", True),
        (98, 2, "more labels would reach it", False),
        (80, 20, "More labels would not help", True),
        (0, 0, "No labelled pair", False),
    ],
)
def test_it_says_in_one_sentence_whether_more_labels_help(right, wrong, words, done):
    facts = is_enough(np.array([True] * right + [False] * wrong), target=0.95)
    assert words in facts.sentence
    assert facts.enough is done
