"""Copies with typos, variants with another word, and the difference."""

import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from rapidfuzz import fuzz

from pipeline.ingestion import fold_text
from pipeline.matching.comparison import typos, unmatched_words as module
from pipeline.matching.comparison.unmatched_words import unmatched_words


def lost(left: str, right: str) -> tuple[int, int]:
    """Words of either text without a counterpart in the other."""
    first, second = unmatched_words(pa.array([left, right]), np.array([0]), np.array([1]))
    return int(first[0]), int(second[0])


def conflicting_words(left: str, right: str) -> int:
    return min(lost(left, right))


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+(?:[.,]\d+)*", fold_text(text))


def one_by_one(left: str, right: str) -> tuple[int, int]:
    """The rule as it reads, a pair and a word at a time."""
    own, other = words_of(left), words_of(right)
    first = alone(set(own) - set(other), own, other)
    second = sorted(alone(set(other) - set(own), other, own))
    open_words = [word for word in sorted(first) if not take_typo(word, second)]
    return len(open_words), len(second)


def alone(words: set[str], own: list[str], other: list[str]) -> set[str]:
    split = {word for a, b in pairwise(own) if a + b in set(other) for word in (a, b)}
    return words - {a + b for a, b in pairwise(other)} - split


def take_typo(word: str, others: list[str]) -> bool:
    for other in others:
        if alike(word, other):
            others.remove(other)
            return True
    return False


def alike(word: str, other: str) -> bool:
    if len(word) < 3 or any(map(str.isdigit, word + other)):
        return False
    short, long = sorted((word, other), key=len)
    return fuzz.ratio(word, other) > 82 or (len(short) >= 3 and long.startswith(short))


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
    assert lost(text, kept)[0] == added


# Halves and wholes, typos of typos that contend for one counterpart, abbreviations, digits.
VOCABULARY = [
    "a", "an", "note", "book", "notebook", "to", "into", "in", "the", "there", "re", "1", "tb",
    "1tb", "2tb", "univ", "university", "universitys", "black", "blacks", "blackk", "blac", "white",
    "whites", "usb", "c", "usbc", "0.5", "0.5l", "l", "colour", "color", "colours", "²x", "abc",
    "abcd", "abcdef", "acb", "bca", "straße", "strasse",
]  # fmt: skip
sentences = st.lists(st.sampled_from(VOCABULARY), max_size=9).map(" ".join)
anything = sentences | st.text("ab1 .²", max_size=14) | st.text(max_size=20)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, int]]]:
    texts = draw(st.lists(anything, min_size=1, max_size=12))
    row = st.integers(0, len(texts) - 1)
    return texts, draw(st.lists(st.tuples(row, row), max_size=40))


@given(pairs())
def test_in_bulk_it_is_the_rule_pair_by_pair(
    given: tuple[list[str], list[tuple[int, int]]],
) -> None:
    texts, asked = given
    rows = np.array(asked, np.int64).reshape(-1, 2)
    first, second = unmatched_words(pa.array(texts), rows[:, 0], rows[:, 1])
    assert [*zip(first, second, strict=True)] == [one_by_one(texts[a], texts[b]) for a, b in asked]


def test_each_word_takes_one_counterpart() -> None:
    assert lost("abcd abcde", "abc zzz") == (1, 1)
    assert lost("abcd abcde", "abc abcdef") == (0, 0)


def test_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    texts = pa.array([" ".join(generator.choice(VOCABULARY, 6)) for _ in range(60)])
    left, right = generator.integers(0, 60, (2, 500))
    whole = unmatched_words(texts, left, right)
    monkeypatch.setattr(module, "WORDED_BYTES", 200)
    monkeypatch.setattr(typos, "COMPARED", 3)
    assert np.array_equal(unmatched_words(texts, left, right), whole)
