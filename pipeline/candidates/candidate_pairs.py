"""Candidate pairs of content groups, each with what proposed it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Positions, cross_join, pair_key, positions_in, repeat_each
from pipeline.candidates.content_groups import ContentGroups

Flags8 = npt.NDArray[np.uint8]  # of `ProposedBy`


class ProposedBy(IntFlag):
    """What proposed a pair, by itself or with others; exact copies are found without a search.

    All but `IMAGE` look at the texts.
    """

    EXACT = 0
    TEXT = 1
    LEXICAL = 2  # shingles of long texts
    IMAGE = 4
    RARE_WORD = 8

    @staticmethod
    def to_words(flags: Flags8) -> pa.Array:
        """(p,) uint8 flags → (p,) strings, as column `proposed_by` of the pairs table has them."""
        return WORDS.take(pa.array(flags))

    @staticmethod
    def from_words(words: pa.ChunkedArray) -> Positions:
        """(p,) strings → (p,) flags; -1: another word."""
        return positions_in(words, WORDS)


NAMES = {
    ProposedBy.TEXT: "text",
    ProposedBy.LEXICAL: "lexical",
    ProposedBy.RARE_WORD: "rare_word",
    ProposedBy.IMAGE: "image",
}
WORDS = pa.array(
    ["+".join(name for by, name in NAMES.items() if by & flags) or "exact" for flags in range(16)]
)

# Two contents shared by so many groups that their product exceeds this meet through their hubs:
# each side's hub with every group of the other.
EXPAND_LIMIT = 64


@dataclass(frozen=True)
class CandidatePairs:
    """Pairs of groups, each once, sorted.

    Attributes:
        key: (p,) keys of two groups each, see `arrays.pair_key`.
        proposed_by: (p,) flags of `ProposedBy`.
        lexical: (p,) Jaccard of the long texts' shingles, NaN where not computed.
    """

    key: Positions
    proposed_by: Flags8
    lexical: npt.NDArray[np.float32]

    def part(self, rows: slice | npt.NDArray[np.bool_]) -> CandidatePairs:
        """Some of the pairs."""
        return CandidatePairs(self.key[rows], self.proposed_by[rows], self.lexical[rows])


def propose(
    groups: ContentGroups,
    *,
    text: tuple[Positions, Positions],
    lexical: tuple[Positions, Positions, npt.NDArray[np.float32]],
    rare_words: tuple[Positions, Positions],
    image: tuple[Positions, Positions],
) -> CandidatePairs:
    """Turn pairs of contents into pairs of groups and merge what several sources propose."""
    # The hub of a shared content has the other modality too, so that a record with this content
    # alone cannot tie together what the other modality tells apart.
    texts = _SharedContents(groups.text, fuller=groups.image >= 0)
    images = _SharedContents(groups.image, fuller=groups.text >= 0)
    left, right = texts.siblings()
    # Equal but tiny texts ("n/a") under different pictures say nothing; the pictures decide.
    telling = ~(groups.short[left] & groups.pictured[left] & groups.pictured[right])
    parts = [
        _proposals(left[telling], right[telling], ProposedBy.TEXT),
        _proposals(*images.siblings(), ProposedBy.IMAGE),
        _proposals(*texts.expand(text[0], text[1])[:2], ProposedBy.TEXT),
        _proposals(*texts.expand(*rare_words)[:2], ProposedBy.RARE_WORD),
        _proposals(*images.expand(image[0], image[1])[:2], ProposedBy.IMAGE),
    ]
    first, second, source = texts.expand(lexical[0], lexical[1])
    parts.append(_proposals(first, second, ProposedBy.LEXICAL, lexical[2][source]))
    return _merge(parts, len(groups.rows))


PairPart = tuple[Positions, Positions, Flags8, npt.NDArray[np.float32]]


def _proposals(
    left: Positions,
    right: Positions,
    by: ProposedBy,
    lexical: npt.NDArray[np.float32] | None = None,
) -> PairPart:
    score = np.full(len(left), np.nan, np.float32) if lexical is None else lexical
    return left, right, np.full(len(left), by, np.uint8), score


def _merge(parts: list[PairPart], count: int) -> CandidatePairs:
    key = np.concatenate([pair_key(left, right, count) for left, right, _, _ in parts])
    proposed_by = np.concatenate([part[2] for part in parts])
    lexical = np.concatenate([part[3] for part in parts])
    order = np.argsort(key, kind="stable")
    key, proposed_by, lexical = key[order], proposed_by[order], lexical[order]
    if not len(key):
        return CandidatePairs(key, proposed_by, lexical)
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    return CandidatePairs(
        key[starts], np.bitwise_or.reduceat(proposed_by, starts), np.fmax.reduceat(lexical, starts)
    )


class _SharedContents:
    """Which groups share a content."""

    def __init__(self, content: Positions, *, fuller: npt.NDArray[np.bool_]) -> None:
        having = np.flatnonzero(content >= 0)
        order = having[np.lexsort((having, ~fuller[having], content[having]))]
        self.groups = order
        count = int(content.max(initial=-1)) + 1
        self.bounds = np.searchsorted(content[order], np.arange(count + 1))
        self.sizes = np.diff(self.bounds)

    def siblings(self) -> tuple[Positions, Positions]:
        """(first group, each other group) of every shared content."""
        first = np.repeat(self.bounds[:-1], self.sizes)
        other = np.flatnonzero(np.arange(len(self.groups)) != first)
        return self.groups[first[other]], self.groups[other]

    def expand(self, left: Positions, right: Positions) -> tuple[Positions, Positions, Positions]:
        """Unit pairs of content pairs, with the place of the content pair each comes from."""
        product = self.sizes[left] * self.sizes[right]
        single = np.flatnonzero(product == 1)
        small = np.flatnonzero((product > 1) & (product <= EXPAND_LIMIT))
        large = np.flatnonzero(product > EXPAND_LIMIT)
        starts = self.bounds[:-1]
        one, other, spread = cross_join(left[small], right[small], starts=starts, sizes=self.sizes)
        # Large products: each side's first group with every group of the other, which is linear.
        by_left, at_left = repeat_each(large, self.sizes[left[large]])
        by_right, at_right = repeat_each(large, self.sizes[right[large]])
        source = np.concatenate([single, small[spread], by_left, by_right])
        first, second = starts[left[source]], starts[right[source]]
        ends = np.cumsum([len(single), len(spread), len(by_left)])
        first[ends[0] : ends[1]], second[ends[0] : ends[1]] = one, other
        first[ends[1] : ends[2]] += at_left
        second[ends[2] :] += at_right
        return self.groups[first], self.groups[second], source
