"""Pictures laid upon each other in pairs: each described once, in portions that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL.Image import Image
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee
from threadpoolctl import threadpool_limits

from pipeline.arrays import Positions, map_in_order, progress
from pipeline.config import ImageSettings
from pipeline.encoders import ImageRef, read_picture
from pipeline.ingestion import ImageError

if TYPE_CHECKING:
    from pipeline.matching.geometry.close_look import Box
    from pipeline.matching.geometry.keypoints import Keypoints

# Another way of looking looks at all again, and judges learn anew what it finds. 2: a close look at
# what is verified. 3: which of both is the edited one.
GEOMETRY_METHOD = 3
SIZE = 224  # pixels that pictures are read for: half as many again a side, no fewer than 336
CLOSE = 667  # the same for a close look: pictures of 1,000 pixels a side and more
# What geometry says of a pair: one picture, edited; not one picture; one lies upon the other and a
# part of it differs; it was looked at and cannot be told.
EDITED, UNLIKE, PART_DIFFERS, UNTOLD = 1.0, 0.0, -1.0, 2.0
PARTS = 20  # boxes kept of a pair, the largest
AT_A_TIME = 1024  # pictures of a portion, 150 KB each; those of two portions are in memory

AlignmentRow = dict[str, Any]  # a row of `schemas.ALIGNMENTS` without its hashes


@dataclass(frozen=True)
class PictureSet:
    """Pictures by their place, fetched as they are asked for.

    Attributes:
        take: the pictures at some places; None: there is none to be read.
        size: (n, 2) width and height in pixels; 0: not known.
        settings: how they are decoded.
        threads: that work side by side.
    """

    take: Callable[[Positions], Sequence[ImageRef | None]]
    size: npt.NDArray[np.int64]
    settings: ImageSettings
    threads: int


def decode_for_geometry(
    ref: ImageRef | None, settings: ImageSettings, *, size: int = SIZE
) -> Image | None:
    """A picture at a working size; None where it cannot be read any more."""
    if ref is None:
        return None
    try:
        return read_picture(ref, size=size, settings=settings)
    except ImageError:
        return None


def align_pairs(gallery: PictureSet, left: Positions, right: Positions) -> list[AlignmentRow]:
    """What geometry says of each pair of places, as columns of `schemas.ALIGNMENTS`.

    A pair of which one picture cannot be read is not aligned.
    """
    import cv2

    rows, done = [AlignmentRow()] * len(left), 0
    keys: dict[int, Keypoints | None] = {}
    # Pairs are worked on side by side; threads inside each cost more than they bring.
    cv2.setNumThreads(1)
    with threadpool_limits(limits=1, user_api="blas"):
        for part, held in _batches(left, right, len(gallery.size)):
            new = np.array([place for place in held if place not in keys], np.int64)
            made = dict(zip(new.tolist(), _describe(gallery, new), strict=True))
            keys = {place: made[place] if place in made else keys[place] for place in held}
            couples = [
                _Couple(
                    keys[int(left[at])], keys[int(right[at])], (int(left[at]), int(right[at])),
                    gallery,
                )
                for at in part
            ]  # fmt: skip
            found = map_in_order(_align, couples, workers=gallery.threads)
            for at, row in zip(part, found, strict=True):
                rows[at] = row
            done += len(part)
            progress.report("verify", done, len(rows))
    return rows


def geometry_findings(
    verified: npt.NDArray[np.bool_], unlike: npt.NDArray[np.bool_], parts: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """(p,) EDITED, UNLIKE, PART_DIFFERS or UNTOLD, of rows of alignments.

    Args:
        parts: those in which a part differs.
    """
    told = [verified, parts, unlike]
    return np.select(told, [EDITED, PART_DIFFERS, UNLIKE], UNTOLD)


def _batches(
    left: Positions, right: Positions, count: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Pairs a portion at a time, with the pictures that it needs: AT_A_TIME at most.

    In an order that brings the two of a pair near each other (Cuthill and McKee, 1969, reversed)
    a portion needs few pictures that neither it nor the one before it has: of 4,053 in 17,397
    pairs each was described once, by their places three times.
    """
    sides = np.concatenate([left, right]), np.concatenate([right, left])
    graph = csr_matrix((np.ones(2 * len(left), np.int8), sides), shape=(count, count))
    rank = np.empty(count, np.int64)
    rank[reverse_cuthill_mckee(graph, symmetric_mode=True)] = np.arange(count)
    low, high = np.minimum(rank[left], rank[right]), np.maximum(rank[left], rank[right])
    part: list[int] = []
    held: set[int] = set()
    for at in np.lexsort((high, low)).tolist():
        both = {int(left[at]), int(right[at])}
        if part and len(held | both) > AT_A_TIME:
            yield part, sorted(held)
            part, held = [], set()
        part.append(at)
        held |= both
    yield part, sorted(held)


def _describe(gallery: PictureSet, places: Positions) -> Iterator[Keypoints | None]:
    from pipeline.matching.geometry.keypoints import Keypoints

    def described(job: tuple[ImageRef | None, list[int]]) -> Keypoints | None:
        picture = decode_for_geometry(job[0], gallery.settings)
        size = (job[1][0], job[1][1]) if all(job[1]) else None
        return None if picture is None else Keypoints.of(picture, size=size)

    jobs = zip(gallery.take(places), gallery.size[places].tolist(), strict=True)
    return map_in_order(described, jobs, workers=gallery.threads)


@dataclass(frozen=True)
class _Couple:
    """Two described pictures and their places in a set."""

    left: Keypoints | None
    right: Keypoints | None
    places: tuple[int, int]
    gallery: PictureSet

    def look_closely(self, transform: npt.NDArray[np.float64]) -> list[Box]:
        """What differs between both at full size; nothing where one cannot be read any more."""
        from pipeline.matching.geometry.close_look import differing_parts

        settings = self.gallery.settings
        refs = self.gallery.take(np.array(self.places, np.int64))
        seen = [decode_for_geometry(ref, settings, size=CLOSE) for ref in refs]
        left, right = seen
        return [] if left is None or right is None else differing_parts(left, right, transform)


def _align(pair: _Couple) -> AlignmentRow:
    from pipeline.matching.geometry.alignment import (
        align,
        are_unlike,
        is_verified,
        reverse_transform,
    )
    from pipeline.matching.geometry.describe_edit import describe_edits
    from pipeline.matching.geometry.edited_side import UNTOLD as NEITHER, edited_side

    left, right = pair.left, pair.right
    if left is None or right is None:
        return {"verified": False, "unlike": False, "edited": 0, "inliers": 0}
    found = align(left, right)
    if found is None:
        unlike = are_unlike(left, right, None)
        return {"verified": False, "unlike": unlike, "edited": NEITHER, "inliers": 0}
    verified = is_verified(found)
    parts = pair.look_closely(found.transform) if verified else []
    return {
        "verified": verified and not parts,
        "unlike": are_unlike(left, right, found),
        "edited": edited_side(found, left, right) if verified else NEITHER,
        "edit": ", ".join(describe_edits(found, parts=len(parts))),
        "back": ", ".join(describe_edits(reverse_transform(found), parts=len(parts))),
        "transform": found.transform.astype(np.float32).ravel().tolist(),
        "parts": [side for box in parts[:PARTS] for side in box] or None,
        "inliers": found.inliers,
        "agreement": found.agreement,
    }
