"""Near pairs of the previous run that still stand: both contents are there, searched alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Positions, Scores, positions_in


@dataclass(frozen=True)
class Near:
    """Near pairs of contents: places left < right in their sorted hashes, sorted; score (p,)."""

    left: Positions
    right: Positions
    score: Scores


@dataclass(frozen=True)
class ReusedPairs:
    """Last night's near pairs between contents that are still there, in tonight's places.

    Attributes:
        pairs: those pairs, sorted.
        floor: (n,) float32 cosine down to which last night searched each of tonight's contents;
            infinite where it did not: the content is new, or was collapsed into a dense group.
    """

    pairs: Near
    floor: Scores


def reuse_near_pairs(
    current: pa.Array, previous: pa.Array, near: Near, *, again: Flags, floor: Scores
) -> ReusedPairs:
    """Move last night's near pairs to tonight's contents.

    Args:
        current, previous: distinct sorted hashes; near: places in `previous`.
        again: (current,) contents to be looked at as if they were new.
        floor: (previous,) as in `ReusedPairs`, by last night's places.
    """
    place = positions_in(previous, current)
    stayed = place >= 0
    floors = np.full(len(current), np.inf, np.float32)
    floors[place[stayed]] = floor[stayed]
    floors[again] = np.inf
    left, right = place[near.left], place[near.right]
    kept = (left >= 0) & (right >= 0)
    kept[kept] = np.maximum(floors[left[kept]], floors[right[kept]]) < np.inf
    return ReusedPairs(Near(left[kept], right[kept], near.score[kept]), floors)
