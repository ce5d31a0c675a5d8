"""Vocabulary: which words exist, by the shipped encoder's word list and by the corpus."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.matching.comparison.document_frequencies import FEATURES
from pipeline.matching.comparison.folding import fold, plain, regional
from pipeline.matching.differences.language.word_lists import lines as list_lines

SHORTEST = 3  # letters; below, the encoder's list is mostly syllables


class Counts(Protocol):
    """In how many texts each hashed word occurs, as `DocumentFrequencies`."""

    @property
    def texts(self) -> int: ...
    @property
    def places(self) -> npt.NDArray[np.int64]: ...
    @property
    def counts(self) -> npt.NDArray[np.int64]: ...


class Vocabulary:
    """The words that exist.

    Args:
        counts: document counts of the corpus' words; None: only the encoder's list is asked.
    """

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts
        self._found: dict[str, int] = {}

    def count(self, word: str) -> int:
        """Texts of the corpus that have a folded word; 0 too where that is not known."""
        if self._counts is None:
            return 0
        found = self._found.get(word)
        if found is None:
            found = self._found[word] = self._looked_up(self._counts, word)
        return found

    def exists(self, word: str) -> bool:
        """Whether a folded word is listed, or stands in two texts at least."""
        bare = plain(word)
        return bare in listed_words() or regional(bare) in listed_words() or self.count(word) >= 2

    def counted(self, word: str) -> bool:
        """Whether the corpus' counts can hold a word: they part words at combining marks."""
        return self._counts is not None and not any(
            unicodedata.category(letter)[0] == "M" for letter in word
        )

    @staticmethod
    def _looked_up(counts: Counts, word: str) -> int:
        from sklearn.utils import murmurhash3_32

        place = abs(int(murmurhash3_32(word))) % FEATURES
        at = int(np.searchsorted(counts.places, place))
        there = at < len(counts.places) and int(counts.places[at]) == place
        return int(counts.counts[at]) if there else 0


@cache
def listed_words() -> frozenset[str]:
    """Whole words of the encoder's word list, and some more; folded and plain."""
    from pipeline.encoders import verify_folder

    lines = (verify_folder() / "vocab.txt").read_text("utf-8").splitlines()
    words = [line for line in lines if line.isalpha() and len(line) >= SHORTEST]
    words += [word for line in list_lines("confusable") for word in line.split()]
    return frozenset(plain(fold(word)) for word in words)
