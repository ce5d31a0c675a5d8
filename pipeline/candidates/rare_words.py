"""Pairs of texts that share a rare word: a name, a code or a title that an embedding blurs.

A word is rare if few of the texts have it. Words are case-folded and have three characters or a
digit; a code is a word whatever joins its parts ('DSC-W-120'), and so are two adjacent words
written as one ('Cafe Roma', 'caferoma'), which helps texts whose words are all common. Each text
uses its rarest words while they bring at most so many partners, and a pair is proposed by every
word that one of its two texts uses. So the pairs are at most proportional to the texts, and which
they are depends on the texts alone, not on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa

from pipeline.arrays import (
    Flags,
    Ints,
    Positions,
    chunk_bounds,
    iter_chunks,
    map_in_order,
    pair_key,
    pair_sides,
    positions_in_sorted,
    repeat_each,
    sorted_unique,
)
from pipeline.candidates.word_keys import Keys, WordKeys
from pipeline.config import RareWordSettings

Made = TypeVar("Made")

# Bytes of the texts whose words are looked at in one go: what is made of them, some fifty times as
# much, still fits the processor's caches.
PORTION = 1 << 20
WORKERS = 4  # portions looked at side by side at most
PAIRED = 1 << 20  # pairs made at a time
SIEVE = 24  # bits of a word's key that are looked up before the key itself


@dataclass(frozen=True)
class RareWordPairs:
    """Pairs of texts that share a rare word.

    Attributes:
        left, right: (p,) rows of the texts, left < right, each pair once, sorted.
        rare, common: distinct words that few enough texts share, and that too many do.
        without: texts that have no rare word, of which nothing is proposed.
    """

    left: Positions
    right: Positions
    rare: int
    common: int
    without: int


@dataclass(frozen=True)
class RareWords:
    """The words that some texts share, but not many, numbered from the rarest.

    Attributes:
        keys: (w,) ascending. number: (w,) of each. texts: by number, how many have the word.
        sieve: by the first bits of a key, whether a word may be rare.
    """

    keys: Keys
    number: Ints
    texts: Ints
    sieve: Flags

    @classmethod
    def of(cls, keys: Keys, texts: Ints) -> RareWords:
        """Number the words in the order of how many texts have them, then of their keys."""
        order = np.argsort(texts, kind="stable")
        number = np.empty(len(keys), np.int64)
        number[order] = np.arange(len(keys))
        sieve = np.zeros(1 << SIEVE, bool)
        sieve[_first_bits(keys)] = True
        return cls(keys, number, texts[order], sieve)

    def numbers(self, keys: Keys) -> Ints:
        """(o,) number of each word, -1: it is not rare."""
        out = np.full(len(keys), -1, np.int64)
        likely = np.flatnonzero(self.sieve[_first_bits(keys)])
        place = positions_in_sorted(keys[likely], self.keys)
        out[likely] = np.append(self.number, -1)[place]
        return out


def _first_bits(keys: Keys) -> Ints:
    return (keys >> np.uint64(64 - SIEVE)).astype(np.int64)


def rare_word_pairs(
    texts: pa.Array, settings: RareWordSettings, *, threads: int = 1
) -> RareWordPairs:
    """Find the pairs of distinct texts that share a rare word; see the module.

    The texts are read twice, a bounded portion at a time: to count the words, and to find again
    those that turned out to be rare. What is held is the distinct words and the pairs.
    """
    keys, counts = _count_words(texts, threads)
    shared = (counts >= 2) & (counts <= settings.max_texts)
    common = int((counts > settings.max_texts).sum())
    rare = RareWords.of(keys[shared], counts[shared])
    del keys, counts
    number, text, used = _occurrences(texts, rare, settings.partners, threads)
    having = np.zeros(len(texts), bool)
    having[text] = True
    key = sorted_unique(list(_pair_keys(number, text, used, rare, len(texts))))
    return RareWordPairs(
        *pair_sides(key, len(texts)),
        rare=len(rare.keys), common=common, without=int((~having).sum()),
    )  # fmt: skip


def _in_portions(make: Callable[[pa.Array], Made], texts: pa.Array, threads: int) -> Iterator[Made]:
    return map_in_order(make, iter_chunks(texts, limit=PORTION), workers=min(threads, WORKERS))


def _count_words(texts: pa.Array, threads: int) -> tuple[Keys, Ints]:
    """The distinct words of all texts, ascending, and how many texts have each."""
    total: tuple[Keys, Ints] = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    waiting: list[tuple[Keys, Ints]] = []
    for counted in _in_portions(lambda part: WordKeys.of(part).count(), texts, threads):
        waiting.append(counted)
        # So every word is moved a few times at most, however many portions there are.
        if sum(len(keys) for keys, _ in waiting) > len(total[0]):
            total, waiting = _add_up([total, *waiting]), []
    return _add_up([total, *waiting])


def _add_up(parts: list[tuple[Keys, Ints]]) -> tuple[Keys, Ints]:
    keys, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys)
    keys, counts = keys[order], counts[order]
    if not len(keys):
        return keys, counts
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], np.add.reduceat(counts, first)


def _occurrences(
    texts: pa.Array, rare: RareWords, partners: int, threads: int
) -> tuple[Ints, Positions, Flags]:
    """Every rare word of every text: its number, the text, and whether the text uses it.

    Words that no text uses are left out.
    """

    def find(part: pa.Array) -> tuple[Ints, Positions, Flags]:
        return _use(WordKeys.of(part), rare, partners)

    parts, start = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))], 0
    sizes = [len(part) for part in iter_chunks(texts, limit=PORTION)]
    found = _in_portions(find, texts, threads)
    for size, (number, text, uses) in zip(sizes, found, strict=True):
        parts.append((number, text + start, uses))
        start += size
    number, text, uses = (np.concatenate(column) for column in zip(*parts, strict=True))
    used = np.zeros(len(rare.keys), bool)
    used[number[uses]] = True
    kept = used[number]
    return number[kept], text[kept], uses[kept]


def _use(words: WordKeys, rare: RareWords, partners: int) -> tuple[Ints, Positions, Flags]:
    """The rare words of a portion of the texts, rarest first, and which of them each text uses.

    A text uses its words from the rarest on, the first in any case, while all of them together
    are in at most `partners` other texts; of adjacent words half as many.
    """
    number, count = rare.numbers(words.key), max(len(rare.keys), 1)
    kept = np.flatnonzero(number >= 0)
    # A word that a text has several times stays once, as a word of its own if it is that anywhere.
    each = (words.text[kept] * count + number[kept]) * 2 + words.adjacent[kept]
    each.sort()
    each = each[np.diff(each >> 1, prepend=-1) != 0]
    text, number = pair_sides(each >> 1, count)
    order = (text * 2 + (each & 1)) * count + number
    order.sort()
    group, number = pair_sides(order, count)
    others = rare.texts[number] - 1
    total = np.cumsum(others)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(np.append(first, len(group)))
    within = total - np.repeat(total[first] - others[first], sizes)
    uses = within <= np.where(group % 2, partners // 2, partners)
    uses[first] = True
    return number, group // 2, uses


def _pair_keys(
    number: Ints, text: Positions, used: Flags, rare: RareWords, count: int
) -> Iterator[Ints]:
    """Keys of the pairs of texts with the same word, a bounded number at a time, each sorted."""
    order = np.argsort(number * max(count, 1) + text)
    number, text, used = number[order], text[order], used[order]
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    sizes = rare.texts[number[starts]]
    for part in chunk_bounds(sizes * (sizes - 1) // 2, limit=PAIRED):
        first, size = starts[part], sizes[part]
        # Every text of a word with every later one of it.
        place, rank = repeat_each(first, size)
        left, step = repeat_each(place + rank, np.repeat(size, size) - 1 - rank)
        right = left + 1 + step
        wanted = used[left] | used[right]
        yield sorted_unique([pair_key(text[left[wanted]], text[right[wanted]], count)])
