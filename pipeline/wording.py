"""Words that two near-identical texts do not share: what tells a variant from a copy.

"…, 1 TB, black" and "…, 2 TB, white" are as close as a copy with a typo to every average of words.
The difference is that each side has a word that nothing on the other side accounts for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz

WORD = re.compile(r"\w+(?:[.,]\d+)*")
# Above this indel similarity (0 … 100) two words are one word and a typo. 'male' and 'female' have
# 80, 'men' and 'women' 75; a dropped letter in a word of five leaves 89.
TYPO = 82.0
# Near-verbatim copies of long texts always have some words edited: beyond the length of a short
# text (a title, a message out of a template), one word in this many may differ.
SHORT_TEXT = 40
WORDS_PER_EDIT = 12


@dataclass(frozen=True)
class Wording:
    """The words of one text, looked at once however many pairs it is in."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Wording:
        """The case-folded words of a text."""
        return cls(tuple(WORD.findall(text.casefold())))

    @cached_property
    def distinct(self) -> frozenset[str]:
        """Each word once."""
        return frozenset(self.words)

    @cached_property
    def joined(self) -> frozenset[str]:
        """Every two neighbouring words written as one."""
        return frozenset(a + b for a, b in pairwise(self.words))


def conflicting_words(left: Wording, right: Wording) -> int:
    """Distinct words without a counterpart, on the side that has fewer of them.

    A word has a counterpart when the other text has the same word, or, words with a digit aside,
    one that differs by a typo or that it abbreviates (three letters at least), or when it is two
    neighbouring words of the other text written as one. 0 when one text only adds to the other.
    """
    first = left.distinct - right.distinct
    if not first:
        return 0
    second = right.distinct - left.distinct
    if not second:
        return 0
    first, second = _alone(first, left, right), _alone(second, right, left)
    if not first or not second:
        return 0
    open_words = sorted(second)
    unmatched = [word for word in sorted(first) if not _take_typo(word, open_words)]
    return min(len(unmatched), len(open_words))


def added_words(text: Wording, kept: Wording) -> int:
    """Distinct words of `text` that `kept` cannot account for, by the same rules; 0: it adds none.

    What is lost of `text` when only `kept` stays.
    """
    added = text.distinct - kept.distinct
    if not added:
        return 0
    others = sorted(_alone(kept.distinct - text.distinct, kept, text))
    return sum(not _take_typo(word, others) for word in sorted(_alone(added, text, kept)))


def _alone(words: frozenset[str], own: Wording, other: Wording) -> frozenset[str]:
    """Words left once those are gone that one text writes as one word and the other as two."""
    halves = other.distinct & own.joined
    split = frozenset(
        word for a, b in pairwise(own.words) if a + b in halves for word in (a, b)
    ) if halves else frozenset()  # fmt: skip
    return words - other.joined - split


def _take_typo(word: str, others: list[str]) -> bool:
    """Remove the counterpart of `word` from `others`, when there is one."""
    if len(word) < 3 or _has_digit(word):
        return False
    for place, other in enumerate(others):
        if _is_typo(word, other):
            del others[place]
            return True
    return False


# The same few words differ in pair after pair of a template, so both answers are remembered.
@lru_cache(maxsize=1 << 17)
def _has_digit(word: str) -> bool:
    return any(character.isdigit() for character in word)


@lru_cache(maxsize=1 << 17)
def _is_typo(word: str, other: str) -> bool:
    if _has_digit(other):
        return False
    if fuzz.ratio(word, other) > TYPO:
        return True
    short, long = (word, other) if len(word) <= len(other) else (other, word)
    return len(short) >= 3 and long.startswith(short)


def allowed_conflicts(words: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Conflicting words that a text of so many words may have and still be a copy."""
    return np.maximum(words - SHORT_TEXT, 0) // WORDS_PER_EDIT
