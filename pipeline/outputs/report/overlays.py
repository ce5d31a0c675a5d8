"""The pictures of a shown pair laid upon each other: what was done to the one, and where."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.outputs.report.members import Row, Thumbnails, is_jpeg
from pipeline.outputs.report.view import OverlayPicture
from pipeline.outputs.visible import make_visible

if TYPE_CHECKING:
    from pipeline.matching import Box, Matrix

Key = tuple[str, str]
LEFT_OUT = "overlay left out: the report's size limit is reached"
PART = "a part of one differs, boxed"
SAME_THINGS = "not one picture; outlined is where the one would lie in the other"


@dataclass(frozen=True, slots=True, eq=False)
class ShownEdit:
    """What geometry found from one picture to another.

    words: of the edit; None where it is not one picture.
    transform: (3, 3), homography in relative coordinates, see `geometry.alignment`.
    parts: boxes in which they differ, in relative coordinates of the one.
    """

    words: str | None
    transform: Matrix | None
    parts: tuple[Box, ...] = ()


def alignments_of(
    alignments: pa.Table | ds.Dataset | None, records: dict[str, Row]
) -> dict[Key, Row]:
    """The alignments between pictures of the shown records, by (left_hash, right_hash)."""
    if alignments is None:
        return {}
    shown = sorted({row["image_hash"] for row in records.values() if row["image_hash"]})
    hashes = pa.array(shown, pa.string())
    source = alignments if isinstance(alignments, ds.Dataset) else ds.dataset(alignments)
    inside = ds.field("left_hash").isin(hashes) & ds.field("right_hash").isin(hashes)
    found = source.to_table(filter=inside).to_pylist()
    return {(row["left_hash"], row["right_hash"]): row for row in found}


def edit_between(
    alignments: dict[Key, Row], one: Row | None, other: Row | None
) -> ShownEdit | None:
    """What makes the picture of record `other` out of that of `one`; None: not looked at."""
    left, right = ((row or {}).get("image_hash") or "" for row in (one, other))
    turned = left > right
    row = alignments.get((right, left) if turned else (left, right))
    if row is None:
        return None
    words = row["back" if turned else "edit"] if row["verified"] else None
    transform = _transform(row, turned=turned)
    return ShownEdit(words, transform, _parts(row, None if not turned else transform))


def edit_words(edit: ShownEdit | None, pair: Row | None, *, forward: bool) -> str | None:
    """An edit in words; where the alignment is not at hand, those of the pair row.

    Args:
        forward: the way asked for is that of the pair row, left to right.
    """
    if edit is not None:
        return edit.words
    if not pair or not forward or not pair.get("image_verified"):
        return None
    words: str | None = pair.get("image_edit")
    return words


def show_overlay(
    edit: ShownEdit | None,
    records: tuple[Row | None, Row | None],
    *,
    pair: Row | None,
    caption: str,
    thumbnails: Thumbnails,
) -> OverlayPicture | None:
    """Lay the previews of two records upon each other, where geometry says how.

    That is for one picture, edited, and for the same things seen twice; what geometry cannot tell
    apart from chance is not drawn.
    """
    same_things = bool(pair) and (pair or {}).get("image_verified") is False
    if edit is None or edit.transform is None or not (edit.words or same_things):
        return None
    left, right = records
    if not left or not right:
        return None
    previews = left["thumbnail"], right["thumbnail"]
    if not all(preview and is_jpeg(preview) for preview in previews):
        return None
    # It takes more than both previews: without room for them it need not be drawn.
    room = thumbnails.left >= sum(map(len, previews))
    made = lay_over(*previews, edit=edit) if room else None
    if room and made is None:
        return None
    uri = thumbnails.uri(made) if made else None
    thumbnails.left_out += not room
    ids = [make_visible(row["record_id"], limit=200) for row in (left, right)]
    unlike = PART if edit.parts else SAME_THINGS
    what = make_visible(edit.words, limit=300) if edit.words else unlike
    return OverlayPicture(
        image=uri,
        alt=f"The pictures of {ids[0]} (left) and {ids[1]} (right): {what}. "
        "The part they share is outlined, what differs in it is tinted.",
        caption=f"{caption}{'' if edit.words else f'; {unlike}'}" if uri else LEFT_OUT,
    )


def _parts(row: Row, back: Matrix | None) -> tuple[Box, ...]:
    """The boxes of an alignment; with `back`, from right to left, those of the right picture."""
    sides = [float(side) for side in row["parts"] or ()]
    boxes = list(zip(sides[::4], sides[1::4], sides[2::4], sides[3::4], strict=True))
    if not boxes or back is None:
        return tuple(boxes)
    from pipeline.matching import moved_boxes

    return tuple(moved_boxes(boxes, np.asarray(np.linalg.inv(back), np.float64)))


def _transform(row: Row, *, turned: bool) -> Matrix | None:
    if row["transform"] is None:
        return None
    matrix = np.array(row["transform"], np.float64).reshape(3, 3)
    try:
        return np.asarray(np.linalg.inv(matrix) if turned else matrix, np.float64)
    except np.linalg.LinAlgError:
        return None


def lay_over(left: bytes, right: bytes, *, edit: ShownEdit) -> bytes | None:
    """Two JPEG previews laid upon each other, as a JPEG; None where one cannot be read.

    Args:
        edit: with a transform.
    """
    from PIL import Image

    from pipeline.matching import overlay_outlines

    try:
        pictures = [Image.open(io.BytesIO(part)).convert("RGB") for part in (left, right)]
    except OSError:
        return None
    assert edit.transform is not None
    return overlay_outlines(*pictures, transform=edit.transform, parts=edit.parts)
