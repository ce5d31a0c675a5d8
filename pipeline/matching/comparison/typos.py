"""Typos and abbreviations: which words are one word, for many pairs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from pipeline.arrays import Flags, chunk_bounds
from pipeline.ingestion import DIGIT, codes_of, kinds_of, token_spans

Places = npt.NDArray[np.int64]

# Above this indel similarity (0 … 100) two words are one word and a typo. 'male' and 'female' have
# 80, 'men' and 'women' 75; a dropped letter in a word of five leaves 89.
TYPO = 82.0
SHORTEST = 3  # letters of a word that may be a typo or abbreviate another
# Words beside words that are compared in one go.
COMPARED = 1 << 20


@dataclass(frozen=True)
class UnmatchedWords:
    """Words that one text of a pair has and the other lacks, ascending by pair.

    Attributes:
        pair: (w,) int64. word: (w,) int64. side: (w,) false: only the left text has it.
    """

    pair: Places
    word: Places
    side: Flags

    def take(self, rows: Flags) -> UnmatchedWords:
        """Some of them."""
        return UnmatchedWords(self.pair[rows], self.word[rows], self.side[rows])

    def counts(self, pairs: int) -> Places:
        """(2, p) words of the left and of the right text of each pair."""
        keys = self.pair + self.side * pairs
        return np.bincount(keys, minlength=2 * pairs).reshape(2, pairs)


class Spelling:
    """Distinct words and what is seen of each before two are compared.

    Attributes:
        words: (k,) large_string. length: (k,) int64 letters.
        able: (k,) may be a typo or an abbreviation: long enough, and without a digit.
        stem: (k,) int64 number of its first `SHORTEST` letters.
    """

    def __init__(self, words: pa.Array) -> None:
        self.words = words
        self.length = np.asarray(pc.utf8_length(words), np.int64)
        digit = np.flatnonzero(kinds_of(codes_of("".join(words.to_pylist()))) & DIGIT)
        self.able = self.length >= SHORTEST
        self.able[np.searchsorted(np.cumsum(self.length), digit, side="right")] = False
        stems = pc.utf8_slice_codeunits(words, 0, SHORTEST).dictionary_encode()
        self.stem = stems.indices.to_numpy().astype(np.int64)

    def strings(self, numbers: Places) -> list[str]:
        """Some of the words."""
        return list(self.words.take(pa.array(numbers)).to_pylist())

    def alike(self, first: Places, second: Places) -> Flags:
        """(c,) whether both words differ by a typo, or one begins with the other."""
        length = self.length[first], self.length[second]
        # No similarity of so unlike lengths reaches TYPO; a point of slack for its rounding.
        near = 200 * np.minimum(*length) > (TYPO - 1) * (length[0] + length[1])
        chosen = np.flatnonzero(near | (self.stem[first] == self.stem[second]))
        count = len(self.words)
        both, back = np.unique(first[chosen] * count + second[chosen], return_inverse=True)
        alike = np.zeros(len(first), bool)
        alike[chosen] = self._compared(*np.divmod(both, count))[back]
        return alike

    def _compared(self, first: Places, second: Places) -> Flags:
        one, other = self.strings(first), self.strings(second)
        ratio = process.cpdist(one, other, scorer=fuzz.ratio, score_cutoff=TYPO, dtype=np.float64)
        alike = ratio > TYPO
        for place in np.flatnonzero(~alike & (self.stem[first] == self.stem[second])).tolist():
            short, long = sorted((one[place], other[place]), key=len)
            alike[place] = long.startswith(short)
        return np.asarray(alike)


def match_spellings(words: pa.Array, lone: UnmatchedWords, pairs: int) -> Places:
    """(p,) words of the left text that have a word of their own in the right one.

    Each word in its order takes the first that is still free.

    Args:
        words: (k,) what `lone` numbers.
    """
    spelling = Spelling(words)
    lone = lone.take(spelling.able[lone.word])
    edges = _edges(spelling, lone.take(~lone.side), lone.take(lone.side), pairs)
    count = np.bincount(edges[0], minlength=pairs)
    several = count[edges[0]] > 1
    count[count > 1] = 0
    pair, first, second = (column[several] for column in edges)
    found = _one_to_one(pair, spelling.strings(first), spelling.strings(second))
    return count + np.bincount(found, minlength=pairs)


def _edges(
    spelling: Spelling, left: UnmatchedWords, right: UnmatchedWords, pairs: int
) -> tuple[Places, Places, Places]:
    """(e,) pair, left word and right word of all that are alike."""
    beside = right.counts(pairs)[1]
    starts = np.cumsum(beside) - beside
    found = [(np.zeros(0, np.int64),) * 3]
    for part in chunk_bounds(beside[left.pair], limit=COMPARED):
        count = beside[left.pair[part]]
        pair, first = (np.repeat(of[part], count) for of in (left.pair, left.word))
        second = right.word[token_spans(starts[left.pair[part]], count)]
        alike = spelling.alike(first, second)
        found.append((pair[alike], first[alike], second[alike]))
    pair, first, second = (np.concatenate(column) for column in zip(*found, strict=True))
    return pair, first, second


def _one_to_one(pair: Places, first: list[str], second: list[str]) -> Places:
    """The pair of every match once each word has one counterpart at most."""
    taken: set[tuple[int, bool, str]] = set()
    matches = []
    for number, one, other in sorted(zip(pair.tolist(), first, second, strict=True)):
        sides = {(number, False, one), (number, True, other)}
        if not sides & taken:
            taken |= sides
            matches.append(number)
    return np.array(matches, np.int64)
