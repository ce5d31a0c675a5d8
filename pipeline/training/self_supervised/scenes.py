"""Pictures of one scene that are no copies of each other: the hardest negatives there are."""

from __future__ import annotations

import numpy as np

from pipeline.arrays import Rows, pair_key, pair_sides
from pipeline.matching import PictureSet, align_pairs
from pipeline.training.self_supervised.picture_views import Photographs
from pipeline.training.self_supervised.views import Floats

NEAREST = 4  # of a picture's own group are laid upon it


def known_strangers(photographs: Photographs, vectors: Floats, *, threads: int) -> Rows:
    """Pairs of one group in which geometry sees enough of both and does not find one in the other.

    Where it cannot say, two pictures of one group may be copies, and are left out.

    Args:
        vectors: float32 (n, d) of the pictures; each is looked at with the NEAREST of its group.

    Returns:
        int64 (p,) keys of the pairs, sorted; see `arrays.pair_key`.
    """
    count = len(photographs.refs)
    left, right = nearest_of_group(vectors, photographs.group)
    gallery = PictureSet(
        lambda places: [photographs.refs[place] for place in places],
        np.zeros((count, 2), np.int64),
        photographs.settings,
        threads,
    )
    unlike = np.array([row["unlike"] for row in align_pairs(gallery, left, right)], bool)
    return np.asarray(pair_key(left, right, count)[unlike], np.int64)


def nearest_of_group(vectors: Floats, group: Rows) -> tuple[Rows, Rows]:
    """Each row with the NEAREST others of its group: left < right, each pair once, sorted."""
    keys = [np.zeros(0, np.int64)]
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        own = vectors[members] / np.linalg.norm(vectors[members], axis=1, keepdims=True)
        cosine = own @ own.T
        np.fill_diagonal(cosine, -2)
        most = min(NEAREST, len(members) - 1)
        near = members[np.argsort(-cosine, axis=1, kind="stable")[:, :most]]
        one, other = np.repeat(members, most), near.ravel()
        keys.append(pair_key(one, other, len(group)))
    return pair_sides(np.unique(np.concatenate(keys)), len(group))


def negatives_beside(apart: Rows, count: int, *, most: int) -> Rows:
    """(count, most) for each row others that it surely differs from, -1 where there are fewer."""
    out = np.full((count, most), -1, np.int64)
    used = np.zeros(count, np.int64)
    for one, other in zip(*pair_sides(apart, count), strict=True):
        for row, near in ((one, other), (other, one)):
            if used[row] < most:
                out[row, used[row]] = near
                used[row] += 1
    return out
