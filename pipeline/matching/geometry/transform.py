"""A transform that the matches of two pictures' keypoints share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.matching.geometry.keypoints import (
    Keypoints,
    Points,
    match_keypoints,
    mirror_keypoints,
)
from pipeline.matching.geometry.pixels import Matrix, linear_part, move_pixels

NEAR = 3.0  # pixels of the coarser working copy within which a match is an inlier
_TIGHT = 1.0  # those within which it is exact
_FEWEST = 6  # inliers from which a transform is looked at
_FEWEST_CURVED = 10  # and a homography, which has two degrees of freedom more
_LARGEST, _SMALLEST, _NEEDLE = 3.0, 0.1, 3.0  # scales, fine to coarse, and their ratio
_GROWING = (4 * NEAR, 3 * NEAR, 2 * NEAR, 1.5 * NEAR, NEAR)


@dataclass(frozen=True, eq=False)
class TransformFit:
    """A transform from the finer to the coarser picture and the distinct matches that fit it.

    matrix: (3, 3), working pixels; swapped: the finer one is the right one.
    fine, coarse: (n, 2), the places of the inliers.
    tight: share of the matches within 9 pixels that are within 1, 0 … 1.
    """

    matrix: Matrix
    swapped: bool
    fine: Points
    coarse: Points
    tight: float


def fit_transform(left: Keypoints, right: Keypoints, *, flipped: bool) -> TransformFit | None:
    """Fit an affine transform by RANSAC, or a homography where many more matches fit that.

    flipped: whether right is looked at as a mirror image.
    """
    import cv2

    if min(len(left.points), len(right.points)) < _FEWEST:
        return None
    own = mirror_keypoints(left.descriptors) if flipped else left.descriptors
    rows, columns = match_keypoints(own, right.descriptors)
    if len(rows) < _FEWEST:
        return None
    start, end = left.points[rows], right.points[columns]
    # From the finer to the coarser one, whose pixels limit how exact a place can be.
    swapped = bool(np.median(right.extent[columns] / left.extent[rows]) > 1)
    if swapped:
        start, end = end, start
    cv2.setRNGSeed(0)
    affine, _ = cv2.estimateAffine2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=NEAR, maxIters=4000, confidence=0.999
    )
    if affine is None:
        return None
    matrix: Matrix = np.vstack([affine, [0, 0, 1]])
    away = _distances(matrix, start, end)
    if (away < NEAR).sum() >= _FEWEST_CURVED:
        for found in _homographies(matrix, start, end):
            other = _distances(found, start, end)
            fewer = (away < NEAR).sum()
            if (other < NEAR).sum() >= max(1.15 * fewer, fewer + 4):
                matrix, away = found, other
    near = away < NEAR
    # A point of several directions counts once.
    _, once = np.unique(start[near], axis=0, return_index=True)
    shape = (right if swapped else left).grey.shape
    if len(once) < _FEWEST or not _is_possible(matrix, start[near], shape, flipped=flipped):
        return None
    return TransformFit(
        matrix, swapped, start[near][once], end[near][once],
        tight=float((away < _TIGHT).sum() / (away < 3 * NEAR).sum()),
    )  # fmt: skip


def _homographies(matrix: Matrix, start: Points, end: Points) -> Iterator[Matrix]:
    """Find one grown out of what nearly fits the affine transform, and one by RANSAC.

    Growing does with few matches; RANSAC finds strong perspective.
    """
    import cv2

    drawn, _ = cv2.findHomography(start, end, cv2.RANSAC, NEAR, maxIters=1000)
    for guess, reaches in ((matrix, _GROWING), (drawn, _GROWING[-2:])):
        found: NDArray[Any] | None = guess
        for reach in reaches:
            if found is None:
                break
            near = _distances(np.asarray(found, np.float64), start, end) < reach
            enough = near.sum() >= _FEWEST_CURVED
            found = cv2.findHomography(start[near], end[near], 0)[0] if enough else None
        if found is not None:
            yield np.asarray(found, np.float64)


def _distances(matrix: Matrix, start: Points, end: Points) -> NDArray[np.float64]:
    """Return how far from its match each point falls, in pixels of the coarser one."""
    away: NDArray[np.float64] = np.linalg.norm(move_pixels(matrix, start) - end, axis=1)
    return away


def _is_possible(matrix: Matrix, points: Points, shape: tuple[int, ...], *, flipped: bool) -> bool:
    """Whether a picture may have undergone it: no fold, no needle, mirrored only where asked."""
    height, width = shape
    edge = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    if not np.isfinite(move_pixels(matrix, edge)).all():
        return False
    part = linear_part(matrix, points.mean(axis=0))
    large, low = np.linalg.svd(part, compute_uv=False)
    if low < _SMALLEST or large > min(_LARGEST, _NEEDLE * low):
        return False
    return bool((np.linalg.det(part) < 0) == flipped)
