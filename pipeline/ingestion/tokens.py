"""The words of texts in bulk: no Python object per word, and the words that the patterns name.

A text is folded first (`fold_text`). `words` are `\\w+`; `codes` are the words with a digit once
hyphens, dots and slashes inside a word are dropped, so that 'DSC-W120' and 'DSCW120' are one code;
`wording` is `\\w+(?:[.,]\\d+)*`, which keeps '0.5' and '1,000' whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags
from pipeline.ingestion.texts import search_text

Places = npt.NDArray[np.int64]

# Bytes of the texts whose letters are looked at in one go: they take ten times that, and what
# fits the processor's caches is done in half the time.
PORTION = 1 << 22

# Bits of what a character is. A DECIMAL is what `\d` finds, a DIGIT what `str.isdigit` does.
WORD, DECIMAL, DIGIT, JOINER, POINT = (1 << bit for bit in range(5))
COMMON = 1 << 17  # code points below are looked up in a table


@dataclass(frozen=True)
class Tokens:
    """The words of n texts, one after another.

    Attributes:
        words: (k,) large_string, each distinct word once.
        number: (t,) int32 place in `words` of each word, in the order of the texts.
        count: (n,) int64 words of each text.
    """

    words: pa.Array
    number: npt.NDArray[np.int32]
    count: Places

    @property
    def text(self) -> Places:
        """(t,) number of the text that each word is in."""
        return np.repeat(np.arange(len(self.count)), self.count)


@dataclass(frozen=True)
class Spelling:
    """The words of n texts as spans of letters.

    Attributes:
        letters: (c,) code points of the words and of nothing else, one text after another.
        bounds: (k + 1,) first letter of each word, and the end of the last.
        count: (n,) words of each text.
        numeric: (k,) the word has a digit.
        joined: first word of each code of several words with a digit, and the one after its last.
    """

    letters: npt.NDArray[np.uint32]
    bounds: Places
    count: Places
    numeric: Flags
    joined: tuple[Places, Places]


class Letters:
    """The folded characters of n texts and what each of them is.

    Args:
        texts: (n,) strings without nulls, at most about `PORTION` bytes.
    """

    def __init__(self, texts: pa.Array) -> None:
        folded = list(map(fold_text, texts.to_pylist()))
        length = np.fromiter(map(len, folded), np.int64, len(folded))
        # What is no part of a word stands before, between and after the texts.
        self.code = codes_of("\n".join(["", *folded, ""]))
        self.kind = kinds_of(self.code)
        self.ends = np.cumsum(length + 1)

    def words(self) -> Tokens:
        """The words, as `\\w+` finds them."""
        word = self._are(WORD)
        return self._tokens(word, _edges(word)[0])

    def codes(self) -> Tokens:
        """The words with a digit, what joins their halves dropped."""
        word, decimal = self._are(WORD), np.flatnonzero(self._are(DECIMAL))
        starts, ends = _edges(word | self._joiners(word))
        chosen = np.zeros(len(starts), bool)
        chosen[np.searchsorted(starts, decimal, side="right") - 1] = True
        starts, ends = starts[chosen], ends[chosen]
        turn = np.zeros(len(word), np.int8)
        turn[starts], turn[ends] = 1, -1
        return self._tokens(np.cumsum(turn, dtype=np.int8).view(bool) & word, starts)

    def wording(self) -> Tokens:
        """The words, numbers with their decimals and groups of digits kept whole."""
        word, decimal = self._are(WORD), self._are(DECIMAL)
        point = self._are(POINT)
        point[1:-1] &= word[:-2] & decimal[2:]
        kept = word | point
        # '0.5l' are the words '0.5' and 'l': digits after a point end before the next letter.
        _, ends = _edges(decimal)
        after = ends[np.searchsorted(ends, np.flatnonzero(point) + 1, side="right")]
        starts = np.concatenate([_edges(kept)[0], after[word[after]]])
        return self._tokens(kept, np.sort(starts, kind="stable"))

    def spelling(self) -> Spelling:
        """The words as spans, and which of them what lies between joins to one code."""
        word, decimal = self._are(WORD), np.flatnonzero(self._are(DECIMAL))
        starts, ends = _edges(word)
        numeric = np.zeros(len(starts), bool)
        numeric[np.searchsorted(starts, decimal, side="right") - 1] = True
        first = np.searchsorted(starts, _edges(word | self._joiners(word))[0])
        after = np.append(first[1:], len(starts))[: len(first)]
        several = np.flatnonzero(after - first > 1)
        if len(several):
            coded = np.logical_or.reduceat(numeric, first)
            several = several[coded[several]]
        return Spelling(
            letters=self.code[word],
            bounds=np.concatenate([[0], np.cumsum(ends - starts)]),
            count=np.diff(np.searchsorted(starts, self.ends), prepend=0),
            numeric=numeric,
            joined=(first[several], after[several]),
        )

    def _joiners(self, word: Flags) -> Flags:
        """What joins the halves of a word."""
        inner = self._are(JOINER)
        inner[1:-1] &= word[:-2] & word[2:]
        return inner

    def _are(self, bits: int) -> Flags:
        return np.asarray((self.kind & bits) != 0)

    def _tokens(self, kept: Flags, starts: Places) -> Tokens:
        """The words that begin at `starts` and are made of the `kept` letters up to the next."""
        letters = np.cumsum(kept, dtype=np.int32)
        before = np.append(letters[starts] - 1, letters[-1]).astype(np.int64)
        encoded = token_strings(self.code[kept], before).dictionary_encode()
        return Tokens(
            encoded.dictionary,
            encoded.indices.to_numpy(),
            np.diff(np.searchsorted(starts, self.ends), prepend=0),
        )


def fold_text(text: str) -> str:
    """A text without case, width and ligatures; what it says stays.

    A superscript or fraction that stands by a digit is kept apart from it: 10⁶ is "10_6", not 106.
    """
    if text.isascii():
        return text.casefold()
    plain = search_text(text)
    if plain != text:
        plain = search_text(_raised().sub("_", text))
    return plain.casefold()


@cache
def _raised() -> re.Pattern[str]:
    """Where a digit meets a number that NFKC would write as digits behind or before it."""
    raised = "".join(
        letter
        for letter in map(chr, chain(range(0xB0, 0x3400), range(0x1F100, 0x1F110)))
        if unicodedata.category(letter) == "No" and search_text(letter) != letter
    )
    return re.compile(rf"(?<=\d)(?=[{raised}])|(?<=[{raised}])(?=\d)")


def codes_of(text: str) -> npt.NDArray[np.uint32]:
    """(c,) code point of each character."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def kinds_of(code: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """(c,) bits of what each character is."""
    return classify_letters(code, _kind)


def classify_letters(
    code: npt.NDArray[np.uint32], kind_of: Callable[[str], int]
) -> npt.NDArray[np.uint8]:
    """(c,) what a function says of each character, asked once of the common ones."""
    highest = int(code.max(initial=0))
    if highest < COMMON:
        return _kinds(kind_of, highest.bit_length())[code]
    kind = _kinds(kind_of, COMMON.bit_length() - 1)[np.minimum(code, COMMON - 1)]
    rare = np.flatnonzero(code >= COMMON)
    kind[rare] = [kind_of(chr(letter)) for letter in code[rare].tolist()]
    return kind


@cache
def _kinds(kind_of: Callable[[str], int], bits: int) -> npt.NDArray[np.uint8]:
    """What every character whose code point has at most so many bits is."""
    return np.fromiter(map(kind_of, map(chr, range(1 << bits))), np.uint8, 1 << bits)


def _kind(letter: str) -> int:
    return (
        WORD * (letter.isalnum() or letter == "_")
        | DECIMAL * letter.isdecimal()
        | DIGIT * letter.isdigit()
        | JOINER * (letter in "-./")
        | POINT * (letter in ".,")
    )


def token_strings(code: npt.NDArray[np.uint32], starts: Places) -> pa.Array:
    """(n,) large_string out of code points.

    Args:
        starts: (n + 1,) int64 first code point of each string, and the end of the last.
    """
    data = code.tobytes().decode("utf-32-le").encode()
    if len(data) != len(code):
        first = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
        starts = np.append(np.flatnonzero(first), len(data))[starts]
    buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_string(), len(starts) - 1, buffers)


def token_spans(starts: Places, lengths: Places) -> Places:
    """Every position of spans that begin at `starts`, one span after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def _edges(inside: Flags) -> tuple[Places, Places]:
    """First position of each run, and the one behind it; nothing lies at either border."""
    turns = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return turns[::2], turns[1::2]
