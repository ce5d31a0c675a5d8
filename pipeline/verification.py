"""Pairs of pictures looked at by geometry: is one the other, edited, and how? SHELL.

What was found is kept with the catalog: two pictures are laid upon each other once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL.Image import Image
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import reverse_cuthill_mckee
from threadpoolctl import threadpool_limits

from pipeline import progress
from pipeline.alignments import Found
from pipeline.context import RunContext
from pipeline.encoders import ImageRef
from pipeline.encoders.picture_loader import read_picture
from pipeline.images import ImageError
from pipeline.indexes.blocks import Pairs, Positions
from pipeline.lookup import places, sorted_places
from pipeline.pictures import Pictures
from pipeline.schemas import ALIGNMENTS
from pipeline.threads import in_order
from pipeline.units import IMAGE, Candidates, Units

if TYPE_CHECKING:
    from pipeline.keypoints import Keypoints

LOOKED_AT = "looked_at"  # what a run has looked at before its candidates
METHOD = 1  # another way of looking looks at all again
SIZE = 224  # pixels that pictures are read for: half as many again a side, no fewer than 336
AT_A_TIME = 1024  # pictures of a portion, 150 KB each; those of two portions are in memory


def look_at_candidates(context: RunContext, units: Units, kept: Candidates) -> int | None:
    """Look at every pair of pictures that images proposed; what was looked at before stands.

    Returns:
        The version of the table `alignments`; None where geometry is off or there is no pair.
    """
    if not context.config.judge.geometry:
        return None
    if noted := context.work.facts("geometry"):
        return int(noted["version"])
    left, right = _proposed(units, kept)
    if not len(left):
        return None
    before = _before(context)
    known = pa.concat_tables([before, context.work.read_shards(LOOKED_AT, ALIGNMENTS)])
    place = _places(known, units.image_hashes, left, right)
    fresh = place < 0
    found = look(context, units.image_hashes, (left[fresh], right[fresh]))
    place[fresh] = len(known) + np.arange(len(found.rows))
    rows = pa.concat_tables([known, found.rows]).take(pa.array(place)).combine_chunks()
    version = context.catalog.tables.replace("alignments", rows)
    context.work.keep_shard("alignments", "all", rows)
    context.work.save("alignments", key=left * len(units.image_hashes) + right)
    facts = {
        "looked_at": len(rows),
        "fresh": int((place >= len(before)).sum()),
        "verified": int(Found.of(rows).verified.sum()),
    }
    context.work.note("geometry", {"version": version, **facts})
    return version


def _proposed(units: Units, kept: Candidates) -> Pairs:
    """Pairs of contents that images proposed, left < right, each once, sorted."""
    count = max(len(units.image_hashes), 1)
    rows = np.divmod(kept.key[(kept.stage & IMAGE) > 0], len(units.rows))
    one, other = (units.image[side] for side in rows)
    both = (one >= 0) & (other >= 0) & (one != other)
    low, high = np.minimum(one[both], other[both]), np.maximum(one[both], other[both])
    key = np.unique(low * count + high)
    return key // count, key % count


def _before(context: RunContext) -> pa.Table:
    """What the night before found."""
    run = context.base_run
    noted = run.summary.get("state", {}).get("geometry") if run else None
    if run is None or not noted or noted["method"] != METHOD:
        return ALIGNMENTS.empty_table()
    return context.catalog.read("alignments", run=run)


def _places(rows: pa.Table, hashes: pa.Array, left: Positions, right: Positions) -> Positions:
    """(p,) row of each pair of places in `hashes`, -1: not among the rows."""
    one, other = (places(rows[name], hashes) for name in ("left_hash", "right_hash"))
    key = np.where((one >= 0) & (other >= 0), one * len(hashes) + other, -1)
    order = np.argsort(key, kind="stable")
    at = sorted_places(left * len(hashes) + right, key[order])
    return np.where(at >= 0, np.append(order, -1)[at], -1)


def look(context: RunContext, hashes: pa.Array, pairs: Pairs) -> Found:
    """Lay the pictures of each pair upon each other; those that cannot be read are not aligned.

    Args:
        hashes: sorted. pairs: (p,) places in them, left < right.
    """
    used, place = np.unique(np.concatenate(pairs), return_inverse=True)
    if not len(used):
        return Found.of(ALIGNMENTS.empty_table())
    digests, sides = hashes.take(pa.array(used)), np.split(place, 2)
    rows = _looked_at(context, Pictures(context, digests), sides[0], sides[1])
    table = pa.Table.from_pylist(
        [
            {"left_hash": digests[one].as_py(), "right_hash": digests[other].as_py(), **row}
            for one, other, row in zip(sides[0].tolist(), sides[1].tolist(), rows, strict=True)
        ],
        schema=ALIGNMENTS,
    )
    return Found.of(table)


def _looked_at(
    context: RunContext, pictures: Pictures, left: Positions, right: Positions
) -> list[dict[str, Any]]:
    """What geometry says of each pair of places among the pictures."""
    import cv2

    rows, done = [dict[str, Any]()] * len(left), 0
    keys: dict[int, Keypoints | None] = {}
    # Pairs are worked on side by side; threads inside each cost more than they bring.
    cv2.setNumThreads(1)
    with threadpool_limits(limits=1, user_api="blas"):
        for part, held in _portions(left, right, len(pictures.hashes)):
            new = np.array([place for place in held if place not in keys], np.int64)
            made = dict(zip(new.tolist(), _described(context, pictures, new), strict=True))
            keys = {place: made[place] if place in made else keys[place] for place in held}
            couples = [(keys[int(left[at])], keys[int(right[at])]) for at in part]
            found = in_order(_aligned, couples, workers=context.threads)
            for at, row in zip(part, found, strict=True):
                rows[at] = row
            done += len(part)
            progress.report("verify", done, len(rows))
    return rows


def _portions(
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


def _described(
    context: RunContext, pictures: Pictures, places: Positions
) -> Iterator[Keypoints | None]:
    from pipeline.keypoints import Keypoints

    def described(job: tuple[ImageRef | None, tuple[int, int]]) -> Keypoints | None:
        picture = read(context, job[0])
        return None if picture is None else Keypoints.of(picture, size=job[1])

    sizes = [(int(width), int(height)) for width, height in pictures.size[places]]
    jobs = zip(pictures.take(places), sizes, strict=True)
    return in_order(described, jobs, workers=context.threads)


def _aligned(pair: tuple[Keypoints | None, Keypoints | None]) -> dict[str, Any]:
    from pipeline.geometry import align, reverse, unlike, verified
    from pipeline.geometry_edits import edits

    left, right = pair
    if left is None or right is None:
        return {"verified": False, "unlike": False, "inliers": 0}
    found = align(left, right)
    if found is None:
        return {"verified": False, "unlike": unlike(left, right, None), "inliers": 0}
    return {
        "verified": verified(found),
        "unlike": unlike(left, right, found),
        "edit": ", ".join(edits(found)),
        "back": ", ".join(edits(reverse(found))),
        "transform": found.transform.astype(np.float32).ravel().tolist(),
        "inliers": found.inliers,
        "agreement": found.agreement,
    }


def read(context: RunContext, ref: ImageRef | None) -> Image | None:
    """A picture at a working size; None where it cannot be read any more."""
    if ref is None:
        return None
    try:
        return read_picture(ref, size=SIZE, settings=context.config.images)
    except ImageError:
        return None
