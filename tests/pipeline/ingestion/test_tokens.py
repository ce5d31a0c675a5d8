"""Words in bulk are the words that the patterns find."""

import re
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
    kinds_of,
)

JOINERS = re.compile(r"(?<=\w)[-./](?=\w)")
FOUND: dict[str, Callable[[str], list[str]]] = {
    "words": lambda text: re.findall(r"\b\w+\b", text.casefold()),
    "codes": lambda text: re.findall(r"\b(?=\w*\d)\w+\b", JOINERS.sub("", text.casefold())),
    "wording": lambda text: re.findall(r"\w+(?:[.,]\d+)*", text.casefold()),
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
