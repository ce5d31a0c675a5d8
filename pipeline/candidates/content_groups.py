"""Content groups: the distinct full contents of a run, and the pairs that contents propose.

Records with equal text and equal picture are one unit, its smallest record id the leader. Only
leaders are embedded, searched and judged; the others rejoin their leader as a star.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import (
    Positions,
    factorize,
    factorize_strings,
    positions_in_sorted,
)


@dataclass(frozen=True)
class ContentGroups:
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


def make_groups(
    records: pa.Table, leader: Positions, *, min_tokens: int, min_detail: float
) -> ContentGroups:
    """Number the units of `records` (sorted by record_id) given each record's leader."""
    rows, _ = factorize(leader)
    unit = records.select(["text_hash", "image_hash", "text_tokens", "image_detail"]).take(
        pa.array(rows)
    )
    poor = pc.less(pc.fill_null(unit["image_detail"], 0.0), min_detail)
    images = pc.if_else(poor, pa.scalar(None, pa.string()), unit["image_hash"])
    text_hashes, text = factorize_strings(unit["text_hash"])
    image_hashes, image = factorize_strings(images)
    short = pc.less(pc.fill_null(unit["text_tokens"], 0), min_tokens)
    pictured = pc.is_valid(unit["image_hash"]).to_numpy().astype(bool)
    small = short.to_numpy().astype(bool)
    return ContentGroups(leader, rows, text, image, text_hashes, image_hashes, small, pictured)


def restrict(units: ContentGroups, chosen: Positions) -> tuple[ContentGroups, Positions, Positions]:
    """Some units as if they were all, their contents numbered anew.

    Args:
        chosen: (k,) ascending numbers of units.

    Returns:
        The units, each its own leader, and the places of their texts and of their pictures in
        `units.text_hashes` and `units.image_hashes`.
    """
    text, texts = _renumber(units.text[chosen])
    image, images = _renumber(units.image[chosen])
    rows = units.rows[chosen]
    some = ContentGroups(
        rows, rows, text, image,
        units.text_hashes.take(pa.array(texts)), units.image_hashes.take(pa.array(images)),
        units.short[chosen], units.pictured[chosen],
    )  # fmt: skip
    return some, texts, images


def _renumber(content: Positions) -> tuple[Positions, Positions]:
    """(k,) places in the list of those that occur, -1 kept, and that list."""
    used = np.unique(content[content >= 0])
    return positions_in_sorted(content, used), used
