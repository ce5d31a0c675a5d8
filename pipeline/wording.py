"""Words that two near-identical texts do not share: what tells a variant from a copy.

"…, 1 TB, black" and "…, 2 TB, white" are as close as a copy with a typo to every average of words.
The difference is that each side has a word that nothing on the other side accounts for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
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


def conflicting_words(left: str, right: str) -> int:
    """Words without a counterpart, on the side that has fewer of them.

    A word has a counterpart when the other text has the same word, or, words with a digit aside,
    one that differs by a typo or that it abbreviates (three letters at least), or when it is two
    neighbouring words of the other text written as one. 0 when one text only adds to the other.
    """
    first, second = WORD.findall(left.casefold()), WORD.findall(right.casefold())
    counts = Counter(first), Counter(second)
    alone = _alone(counts[0] - counts[1], second), _alone(counts[1] - counts[0], first)
    if not alone[0] or not alone[1]:
        return 0
    unmatched = [word for word in alone[0] if not _take_typo(word, alone[1])]
    return min(len(unmatched), len(alone[1]))


def _alone(words: Counter[str], other: Sequence[str]) -> list[str]:
    """Words left over once those that are two of the other text's written as one are gone."""
    if not words:
        return []
    joined = {a + b for a, b in pairwise(other)}
    split = {word for word in words if word in joined}
    return [word for word in words.elements() if word not in split]


def _take_typo(word: str, others: list[str]) -> bool:
    """Remove the counterpart of `word` from `others`, when there is one."""
    if len(word) < 3 or any(character.isdigit() for character in word):
        return False
    for place, other in enumerate(others):
        if any(character.isdigit() for character in other):
            continue
        short, long = sorted((word, other), key=len)
        if fuzz.ratio(word, other) > TYPO or (len(short) >= 3 and long.startswith(short)):
            del others[place]
            return True
    return False


def allowed_conflicts(words: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Conflicting words that a text of so many words may have and still be a copy."""
    return np.maximum(words - SHORT_TEXT, 0) // WORDS_PER_EDIT
