"""Copies with typos, variants with another word, and the difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wording import Wording, added_words, allowed_conflicts
from pipeline.wording import conflicting_words as conflicts_of


def conflicting_words(left: str, right: str) -> int:
    return conflicts_of(Wording.of(left), Wording.of(right))


SAME = [
    ("portable SSD 1 TB, USB-C", "Portable SSD 1 TB USB-C"),
    ("portable SSD 1 TB, USBC", "portable SSD 1 TB USB C"),
    ("ergonomic office chair", "ergonomc office chairs"),
    ("steel bottle 0.5 l", "steel bottle 0.5 l with cap"),
    ("monitor 27 inch with stand", "monitor 27 in with stand, 27 inch"),
    ("description of it", "descr of it"),
]
VARIANTS = [
    ("portable SSD 1 TB, USB-C", "portable SSD 2 TB, USB-C", 1),
    ("desk lamp, matt white", "desk lamp, matt black", 1),
    ("rain jacket, women, size M", "rain jacket, men, size M", 1),
    ("rain jacket, women, size M", "rain jacket, men, size L", 2),
    ("steel bottle 0.5 l", "steel bottle 0.75 l", 1),
    ("calendar 2025", "calendar 2026", 1),
    ("model DSC100", "model DSC200", 1),
    ("for male cats", "for female cats", 1),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_typos_additions_and_spellings_are_no_conflict(left: str, right: str) -> None:
    assert conflicting_words(left, right) == 0


@pytest.mark.parametrize(("left", "right", "count"), VARIANTS)
def test_another_word_on_each_side_is_a_conflict(left: str, right: str, count: int) -> None:
    assert conflicting_words(left, right) == count


@given(st.text(), st.text())
def test_symmetric_and_zero_for_equal_texts(left: str, right: str) -> None:
    assert conflicting_words(left, left) == 0
    assert (conflicting_words(left, right) == 0) == (conflicting_words(right, left) == 0)


def test_only_long_texts_may_have_edited_words() -> None:
    assert allowed_conflicts(np.array([0, 39, 51, 52, 100, 400])).tolist() == [0, 0, 0, 1, 5, 30]


@pytest.mark.parametrize(
    ("text", "kept", "added"),
    [
        ("machine EM-5, black", "machine EM-5", 1),
        ("machine EM-5", "machine EM-5, black", 0),
        ("machine EM-5, 1 TB, black", "machine EM-5, 2 TB, white", 2),
        ("mashine EM-5", "machine EM-5 black", 0),
        ("note book 14", "notebook 14", 0),
        ("univ. press", "university press", 0),
        ("anything", "", 1),
        ("", "anything", 0),
    ],
)
def test_words_that_are_lost_when_the_other_text_stays(text: str, kept: str, added: int) -> None:
    assert added_words(Wording.of(text), Wording.of(kept)) == added
