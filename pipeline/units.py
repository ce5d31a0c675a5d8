"""Units: the distinct full contents of a run, and the pairs of units that contents propose.

Records with equal text and equal picture are one unit, its smallest record id the leader. Only
leaders are embedded, searched and judged; the others rejoin their leader as a star.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.indexes.blocks import Positions
from pipeline.lookup import numbered, places

# What proposed a pair; a pair can have several.
TEXT, LEXICAL, IMAGE = 1, 2, 4
STAGES = ("exact", "text", "lexical", "text+lexical", "image", "text+image", "image+lexical",
          "text+lexical+image")  # fmt: skip

# Two contents shared by so many units that their product exceeds this meet through their hubs: each
# side's hub with every unit of the other.
EXPAND_LIMIT = 64


@dataclass(frozen=True)
class Units:
    """The units of a run.

    Attributes:
        leader: (n,) for each record the row of its unit's leader.
        rows: (u,) rows of the leaders, ascending; a unit's number is its place here.
        text, image: (u,) place in `text_hashes` / `image_hashes`, -1 without, or with a picture
            too poor to match by embedding.
        text_hashes, image_hashes: distinct hashes, sorted.
        short: (u,) the text is too short for its embedding to decide.
        pictured: (u,) there is a picture, poor or not.
    """

    leader: Positions
    rows: Positions
    text: Positions
    image: Positions
    text_hashes: pa.Array
    image_hashes: pa.Array
    short: npt.NDArray[np.bool_]
    pictured: npt.NDArray[np.bool_]

    @property
    def of_record(self) -> Positions:
        """(n,) unit number of each record."""
        return np.searchsorted(self.rows, self.leader)


def make_units(
    records: pa.Table, leader: Positions, *, min_tokens: int, min_detail: float
) -> Units:
    """Number the units of `records` (sorted by record_id) given each record's leader."""
    rows, _ = numbered(leader)
    unit = records.select(["text_hash", "image_hash", "text_tokens", "image_detail"]).take(
        pa.array(rows)
    )
    poor = pc.less(pc.fill_null(unit["image_detail"], 0.0), min_detail)
    images = pc.if_else(poor, pa.scalar(None, pa.string()), unit["image_hash"])
    text_hashes, text = _numbered(unit["text_hash"])
    image_hashes, image = _numbered(images)
    short = pc.less(pc.fill_null(unit["text_tokens"], 0), min_tokens)
    pictured = pc.is_valid(unit["image_hash"]).to_numpy().astype(bool)
    small = short.to_numpy().astype(bool)
    return Units(leader, rows, text, image, text_hashes, image_hashes, small, pictured)


def restricted(units: Units, chosen: Positions) -> tuple[Units, Positions, Positions]:
    """Some units as if they were all, their contents numbered anew.

    Args:
        chosen: (k,) ascending numbers of units.

    Returns:
        The units, each its own leader, and the places of their texts and of their pictures in
        `units.text_hashes` and `units.image_hashes`.
    """
    text, texts = _renumbered(units.text[chosen])
    image, images = _renumbered(units.image[chosen])
    rows = units.rows[chosen]
    some = Units(
        rows, rows, text, image,
        units.text_hashes.take(pa.array(texts)), units.image_hashes.take(pa.array(images)),
        units.short[chosen], units.pictured[chosen],
    )  # fmt: skip
    return some, texts, images


def _renumbered(content: Positions) -> tuple[Positions, Positions]:
    """(k,) places in the list of those that occur, -1 kept, and that list."""
    used = np.unique(content[content >= 0])
    return np.where(content >= 0, np.searchsorted(used, content), -1), used


def _numbered(hashes: pa.ChunkedArray) -> tuple[pa.Array, Positions]:
    distinct = pc.drop_null(pc.unique(hashes))
    distinct = distinct.take(pc.sort_indices(distinct))
    if isinstance(distinct, pa.ChunkedArray):
        distinct = distinct.combine_chunks()
    return distinct, places(hashes, distinct)


@dataclass(frozen=True)
class Candidates:
    """Pairs of units, each once, sorted.

    Attributes:
        key: (p,) left unit * number of units + right unit, left < right.
        stage: (p,) bits TEXT, LEXICAL, IMAGE.
        lexical: (p,) Jaccard of the long texts' shingles, NaN where not computed.
    """

    key: Positions
    stage: npt.NDArray[np.uint8]
    lexical: npt.NDArray[np.float32]

    def part(self, rows: slice | npt.NDArray[np.bool_]) -> Candidates:
        """Some of the pairs."""
        return Candidates(self.key[rows], self.stage[rows], self.lexical[rows])


def propose(
    units: Units,
    *,
    text: tuple[Positions, Positions],
    lexical: tuple[Positions, Positions, npt.NDArray[np.float32]],
    image: tuple[Positions, Positions],
) -> Candidates:
    """Turn pairs of contents into pairs of units and merge what several sources propose."""
    # The hub of a shared content has the other modality too, so that a record with this content
    # alone cannot tie together what the other modality tells apart.
    texts = _Sharing(units.text, fuller=units.image >= 0)
    images = _Sharing(units.image, fuller=units.text >= 0)
    left, right = texts.siblings()
    # Equal but tiny texts ("n/a") under different pictures say nothing; the pictures decide.
    telling = ~(units.short[left] & units.pictured[left] & units.pictured[right])
    parts = [
        _proposed(left[telling], right[telling], TEXT),
        _proposed(*images.siblings(), IMAGE),
        _proposed(*texts.expand(text[0], text[1])[:2], TEXT),
        _proposed(*images.expand(image[0], image[1])[:2], IMAGE),
    ]
    first, second, source = texts.expand(lexical[0], lexical[1])
    parts.append(_proposed(first, second, LEXICAL, lexical[2][source]))
    return _merged(parts, len(units.rows))


Part = tuple[Positions, Positions, npt.NDArray[np.uint8], npt.NDArray[np.float32]]


def _proposed(
    left: Positions, right: Positions, stage: int, lexical: npt.NDArray[np.float32] | None = None
) -> Part:
    score = np.full(len(left), np.nan, np.float32) if lexical is None else lexical
    low, high = np.minimum(left, right), np.maximum(left, right)
    return low, high, np.full(len(left), stage, np.uint8), score


def _merged(parts: list[Part], count: int) -> Candidates:
    key = np.concatenate([left * count + right for left, right, _, _ in parts])
    stage = np.concatenate([part[2] for part in parts])
    lexical = np.concatenate([part[3] for part in parts])
    order = np.argsort(key, kind="stable")
    key, stage, lexical = key[order], stage[order], lexical[order]
    if not len(key):
        return Candidates(key, stage, lexical)
    starts = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    return Candidates(
        key[starts], np.bitwise_or.reduceat(stage, starts), np.fmax.reduceat(lexical, starts)
    )


class _Sharing:
    """Which units share a content."""

    def __init__(self, content: Positions, *, fuller: npt.NDArray[np.bool_]) -> None:
        having = np.flatnonzero(content >= 0)
        order = having[np.lexsort((having, ~fuller[having], content[having]))]
        self.units = order
        count = int(content.max(initial=-1)) + 1
        self.bounds = np.searchsorted(content[order], np.arange(count + 1))
        self.sizes = np.diff(self.bounds)

    def siblings(self) -> tuple[Positions, Positions]:
        """(first unit, each other unit) of every shared content."""
        first = np.repeat(self.bounds[:-1], self.sizes)
        other = np.flatnonzero(np.arange(len(self.units)) != first)
        return self.units[first[other]], self.units[other]

    def expand(self, left: Positions, right: Positions) -> tuple[Positions, Positions, Positions]:
        """Unit pairs of content pairs, with the place of the content pair each comes from."""
        product = self.sizes[left] * self.sizes[right]
        single = np.flatnonzero(product == 1)
        small = np.flatnonzero((product > 1) & (product <= EXPAND_LIMIT))
        large = np.flatnonzero(product > EXPAND_LIMIT)
        spread, within = _counted(small, product[small])
        row, column = np.divmod(within, self.sizes[right[spread]])
        # Large products: each side's first unit with every unit of the other, which is linear.
        by_left, at_left = _counted(large, self.sizes[left[large]])
        by_right, at_right = _counted(large, self.sizes[right[large]])
        source = np.concatenate([single, spread, by_left, by_right])
        offset_left = np.concatenate([np.zeros_like(single), row, at_left, np.zeros_like(at_right)])
        offset_right = np.concatenate(
            [np.zeros_like(single), column, np.zeros_like(at_left), at_right]
        )
        first = self.units[self.bounds[left[source]] + offset_left]
        second = self.units[self.bounds[right[source]] + offset_right]
        return first, second, source


def _counted(values: Positions, counts: Positions) -> tuple[Positions, Positions]:
    """Each value repeated as often as its count says, and 0, 1, 2 … within each repetition."""
    repeated = np.repeat(values, counts)
    return repeated, np.arange(len(repeated)) - np.repeat(np.cumsum(counts) - counts, counts)
