"""Words that two near-identical texts do not share: what tells a variant from a copy.

"…, 1 TB, black" and "…, 2 TB, white" are as close as a copy with a typo to every average of words.
The difference is that each side has a word that nothing on the other side accounts for.

A word has a counterpart when the other text has the same word, or, words with a digit aside, one
that differs by a typo or that it abbreviates (three letters at least), or when it is two
neighbouring words of the other text written as one, or half of a word of the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix

from pipeline.arrays import (
    chunk_bounds,
    factorize,
    positions_in,
    positions_in_sorted,
    sorted_unique,
    value_bytes,
)
from pipeline.ingestion import Letters, Tokens, codes_of, token_spans
from pipeline.matching.comparison.typos import UnmatchedWords, match_spellings

Places = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]

# Bytes of the texts of pairs that are looked at in one go, both sides counted for every pair.
WORDED_BYTES = 1 << 24
# Places of a table of sums; a tenth of a percent of those of a batch's words are taken by chance.
SUMS = 1 << 22


def unmatched_words(texts: pa.Array, left: Places, right: Places) -> tuple[Counts, Counts]:
    """(p,) and (p,) distinct words of either side that the other cannot account for.

    The first is what is lost of the left texts when only the right ones stay.

    Args:
        texts: (n,) strings without nulls. left, right: (p,) rows of them.
    """
    found = np.zeros((2, len(left)), np.int64)
    sizes = value_bytes(texts)
    for part in chunk_bounds(sizes[left] + sizes[right], limit=WORDED_BYTES):
        rows, place = factorize(np.concatenate([left[part], right[part]]))
        tokens = Letters(texts.take(pa.array(rows))).wording()
        found[:, part] = _unmatched(tokens, *np.split(place, 2))
    return found[0], found[1]


def _unmatched(tokens: Tokens, left: Places, right: Places) -> npt.NDArray[np.int64]:
    """(2, p) for pairs of texts whose words are known."""
    width = len(tokens.words)
    owned = sorted_unique([tokens.text * width + tokens.number])
    lone = _lone_words(owned, len(tokens.count), width, left, right)
    gone = sorted_unique([np.concatenate([*_rewritten_words(tokens, owned, left, right)])])
    lone = lone.take(positions_in_sorted((2 * lone.pair + lone.side) * width + lone.word, gone) < 0)
    return lone.counts(len(left)) - match_spellings(tokens.words, lone, len(left))


def _lone_words(
    owned: Places, texts: int, width: int, left: Places, right: Places
) -> UnmatchedWords:
    """The words that only one text of a pair has.

    Args:
        owned: text · width + word of every distinct word of every text, ascending.
    """
    starts = np.searchsorted(owned, np.arange(texts + 1) * width)
    ones = np.ones(len(owned), np.int8)
    words = csr_matrix((ones, (owned % width).astype(np.int32), starts), shape=(texts, width))
    difference = words[left] - words[right]
    pair = np.repeat(np.arange(len(left)), np.diff(difference.indptr))
    return UnmatchedWords(pair, difference.indices.astype(np.int64), difference.data < 0)


def _rewritten_words(
    tokens: Tokens, owned: Places, left: Places, right: Places
) -> Iterator[npt.NDArray[np.int64]]:
    """Words that one text writes as one word and the other as two, as (2 · pair + side) · width
    + word; with them some that are not lone.
    """
    text, first, second, whole = _halves(tokens)
    width = len(tokens.words)
    starts = np.searchsorted(text, np.arange(len(tokens.count) + 1))
    for side, own, other in ((0, left, right), (1, right, left)):
        count = starts[own + 1] - starts[own]
        pair, found = np.repeat(np.arange(len(own)), count), token_spans(starts[own], count)
        yield (2 * pair + 1 - side) * width + whole[found]
        there = positions_in_sorted(other[pair] * width + whole[found], owned) >= 0
        for half in (first, second):
            yield (2 * pair[there] + side) * width + half[found[there]]


def _halves(tokens: Tokens) -> tuple[Places, Places, Places, Places]:
    """Neighbouring words that are one word in some text: (h,) text, both words, the one word."""
    text, number = tokens.text, tokens.number.astype(np.int64)
    at = np.flatnonzero(text[1:] == text[:-1])
    sums = _sums(tokens.words)
    known = np.zeros(SUMS, bool)
    known[sums % SUMS] = True
    at = at[known[(sums[number[at]] + sums[number[at + 1]]) % SUMS]]
    first, second = number[at], number[at + 1]
    both = (tokens.words.take(pa.array(half)) for half in (first, second))
    none = pa.scalar("", tokens.words.type)
    whole = positions_in(pc.binary_join_element_wise(*both, none), tokens.words)
    kept = whole >= 0
    return text[at][kept], first[kept], second[kept], whole[kept]


def _sums(words: pa.Array) -> npt.NDArray[np.uint64]:
    """(k,) sum of a number drawn for each letter: that of two words is that of both as one."""
    code = codes_of("".join(words.to_pylist())).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    drawn = (code ^ (code >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(32)
    length = np.asarray(pc.utf8_length(words), np.int64)
    total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(drawn)])
    ends = np.cumsum(length)
    return np.asarray(total[ends] - total[ends - length])
