"""Word keys: 64-bit hashes of the words of texts, of codes and of two adjacent words as one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Ints, Positions, sorted_unique
from pipeline.ingestion import Letters, Spelling

Keys = npt.NDArray[np.uint64]

SHORT = 3  # a shorter word counts only with a digit
# Only the first words of a text are joined in pairs: what a long text is about stands there, it
# has rare words enough, and so the distinct pairs stay proportional to the texts.
JOINED_WORDS = 64
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2⁶⁴
INVERSE = pow(BASE, -1, 1 << 64)


@dataclass(frozen=True)
class WordKeys:
    """The words of n texts as they come, one that a text repeats each time.

    Attributes:
        key: (o,) hash. text: (o,) number of the text.
        adjacent: (o,) it is two adjacent words as one.
    """

    key: Keys
    text: Positions
    adjacent: Flags

    @classmethod
    def of(cls, texts: pa.Array) -> WordKeys:
        """Hash the words of some texts, together not much more than `ingestion.PORTION` bytes."""
        spelled = Letters(texts).spelling()
        first, after, adjacent = _spans(spelled)
        text = np.repeat(np.arange(len(texts)), spelled.count)[first]
        key = span_keys(spelled.letters, spelled.bounds[first], spelled.bounds[after])
        return cls(key, text, adjacent)

    def count(self) -> tuple[Keys, Ints]:
        """The distinct keys, ascending, and how many texts have each."""
        order = np.argsort(self.key)
        key = self.key[order]
        starts = np.diff(key, prepend=~key[:1]) != 0
        texts = int(self.text.max(initial=0)) + 1
        found = sorted_unique([(np.cumsum(starts) - 1) * texts + self.text[order]])
        return key[starts], np.bincount(found // texts, minlength=int(starts.sum()))


def _spans(spelled: Spelling) -> tuple[Positions, Positions, Flags]:
    """First word of each key, the one after its last, and whether it is two adjacent words."""
    length = np.diff(spelled.bounds)
    alone = np.flatnonzero((length >= SHORT) | spelled.numeric)
    ends = np.cumsum(spelled.count)
    rank = np.arange(len(length)) - np.repeat(ends - spelled.count, spelled.count)
    last = np.zeros(len(length), bool)
    last[ends[spelled.count > 0] - 1] = True
    pair = np.flatnonzero(~last & (rank < JOINED_WORDS))
    joined, behind = spelled.joined
    first = np.concatenate([alone, joined, pair])
    after = np.concatenate([alone + 1, behind, pair + 2])
    return first, after, np.arange(len(first)) >= len(alone) + len(joined)


def span_keys(letters: npt.NDArray[np.uint32], starts: Positions, ends: Positions) -> Keys:
    """(s,) hash of each span of the letters, the same wherever the span stands.

    A polynomial in the code points, modulo 2⁶⁴: differences of its running sum, taken back to
    where the span begins (Rabin and Karp), and its bits spread.
    """
    power, back = _powers(len(letters).bit_length())
    running = np.zeros(len(letters) + 1, np.uint64)
    np.multiply(power[: len(letters)], letters, out=running[1:])
    np.cumsum(running[1:], out=running[1:])
    return _spread((running[ends] - running[starts]) * back[starts])


@cache
def _powers(bits: int) -> tuple[Keys, Keys]:
    """Powers of the base and of its inverse, for up to 2^bits letters."""
    return _power(BASE, bits), _power(INVERSE, bits)


def _power(base: int, bits: int) -> Keys:
    factors = np.full(1 << bits, base, np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _spread(values: Keys) -> Keys:
    """Spread the bits over the whole number (SplitMix64's finaliser)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= values >> np.uint64(shift)
        values *= np.uint64(factor)
    return values ^ (values >> np.uint64(31))
