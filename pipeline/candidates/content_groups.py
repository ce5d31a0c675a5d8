"""Content groups: the distinct full contents of a run, and the pairs that contents propose.

Records with equal text and equal picture are one content group, its smallest record id the leader.
Only leaders are embedded, searched and judged; the others rejoin their leader as a star.
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
    """The groups of a run.

    Attributes:
        leader: (n,) for each record the row of its group's leader.
        rows: (g,) rows of the leaders, ascending; a group's number is its place here.
        text, image: (g,) place in `text_hashes` / `image_hashes`, -1 without, or with a picture
            too poor to match by embedding.
        text_hashes, image_hashes: distinct hashes, sorted.
        short: (g,) the text is too short for its embedding to decide.
        pictured: (g,) there is a picture, poor or not.
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
    def group_of_record(self) -> Positions:
        """(n,) group number of each record."""
        return np.searchsorted(self.rows, self.leader)


def make_groups(
    records: pa.Table, leader: Positions, *, min_tokens: int, min_detail: float
) -> ContentGroups:
    """Number the groups of `records` (sorted by record_id) given each record's leader."""
    rows, _ = factorize(leader)
    group = records.select(["text_hash", "image_hash", "word_count", "image_detail"]).take(
        pa.array(rows)
    )
    poor = pc.less(pc.fill_null(group["image_detail"], 0.0), min_detail)
    images = pc.if_else(poor, pa.scalar(None, pa.string()), group["image_hash"])
    text_hashes, text = factorize_strings(group["text_hash"])
    image_hashes, image = factorize_strings(images)
    short = pc.less(pc.fill_null(group["word_count"], 0), min_tokens)
    pictured = pc.is_valid(group["image_hash"]).to_numpy().astype(bool)
    small = short.to_numpy().astype(bool)
    return ContentGroups(leader, rows, text, image, text_hashes, image_hashes, small, pictured)


def restrict(
    groups: ContentGroups, chosen: Positions
) -> tuple[ContentGroups, Positions, Positions]:
    """Some groups as if they were all, their contents numbered anew.

    Args:
        chosen: (k,) ascending numbers of groups.

    Returns:
        The groups, each its own leader, and the places of their texts and of their pictures in
        `groups.text_hashes` and `groups.image_hashes`.
    """
    text, texts = _renumber(groups.text[chosen])
    image, images = _renumber(groups.image[chosen])
    rows = groups.rows[chosen]
    some = ContentGroups(
        rows, rows, text, image,
        groups.text_hashes.take(pa.array(texts)), groups.image_hashes.take(pa.array(images)),
        groups.short[chosen], groups.pictured[chosen],
    )  # fmt: skip
    return some, texts, images


def _renumber(content: Positions) -> tuple[Positions, Positions]:
    """(k,) places in the list of those that occur, -1 kept, and that list."""
    used = np.unique(content[content >= 0])
    return positions_in_sorted(content, used), used
