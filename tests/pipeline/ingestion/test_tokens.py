"""Words in bulk are the words that the patterns find."""

import re
import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.ingestion.tokens import (
    COMMON,
    DIGIT,
    WORD,
    Letters,
    Tokens,
    codes_of,
    fold_text,
    kinds_of,
)

JOINERS = re.compile(r"(?<=\w)[-./](?=\w)")
FOUND: dict[str, Callable[[str], list[str]]] = {
    "words": lambda text: re.findall(r"\b\w+\b", fold_text(text)),
    "codes": lambda text: re.findall(r"\b(?=\w*\d)\w+\b", JOINERS.sub("", fold_text(text))),
    "wording": lambda text: re.findall(r"\w+(?:[.,]\d+)*", fold_text(text)),
}
# What tells the kinds of characters apart: letters that fold to several, digits of other scripts,
# numbers that are no decimals, a mark, letters far from the others.
ODD = "aB1 2.,-/_ß²①é٣\n한İ😀\u0301Ⅷ½\U000e0101𠀀\U00020000"
texts = st.lists(st.text(ODD, max_size=14) | st.text(max_size=14), max_size=6)


def listed(tokens: Tokens) -> list[list[str]]:
    """The words of each text."""
    words = tokens.words.take(pa.array(tokens.number)).to_pylist()
    ends = np.cumsum(tokens.count)
    return [words[end - count : end] for end, count in zip(ends, tokens.count, strict=True)]


@pytest.mark.parametrize("kind", FOUND)
@given(given=texts)
def test_words_are_those_of_the_pattern(kind: str, given: list[str]) -> None:
    tokens = getattr(Letters(pa.array(given, pa.string())), kind)()
    assert listed(tokens) == [FOUND[kind](text) for text in given]
    assert len(set(tokens.words.to_pylist())) == len(tokens.words)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10⁶ cells", "106 cells", False),
        ("１０⁶ cells", "10⁶ cells", True),
        ("1½ cups", "11⁄2 cups", False),
        ("½ cup", "1⁄2 cup", True),
        ("25 m²", "25 M2", True),
        ("H₂O", "h2o", True),
        ("45³ km", "453 km", False),
        ("note ²5", "note 25", False),
        ("Order １２３ of ﬁne ﬂour…", "order 123 of fine flour...", True),
    ],
)
def test_folding_drops_width_and_keeps_what_a_number_says(one: str, other: str, same: bool) -> None:
    assert (fold_text(one) == fold_text(other)) is same
    words = Letters(pa.array([one, other])).wording()
    assert (len(set(map(tuple, listed(words)))) == 1) is same


@given(text=st.text(ODD, max_size=14) | st.text(max_size=14))
def test_folding_is_nfkc_and_case_but_for_what_parts_raised_digits(text: str) -> None:
    assert fold_text(text).replace("_", "") == fold_plainly(text).replace("_", "")


def fold_plainly(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5l", ["0.5", "l"]),
        ("a.5b.7", ["a.5", "b.7"]),
        ("1,000,000", ["1,000,000"]),
        ("x..5", ["x", "5"]),
        ("5.x", ["5", "x"]),
    ],
)
def test_digits_after_a_point_end_before_a_letter(text: str, words: list[str]) -> None:
    assert listed(Letters(pa.array([text])).wording()) == [words]


def test_kinds_beyond_the_table_are_those_of_the_character() -> None:
    letters = [chr(code) for code in (COMMON - 1, COMMON, 0x2F800, 0x10FFFF, ord("7"))]
    kinds = kinds_of(codes_of("".join(letters)))
    assert [bool(kind & WORD) for kind in kinds] == [letter.isalnum() for letter in letters]
    assert [bool(kind & DIGIT) for kind in kinds] == [letter.isdigit() for letter in letters]
