"""Alignment of two pictures: where one lies in the other, and whether both are one picture.

A second look at two pictures that the embedding finds alike but not surely. Keypoints say where the
one would lie in the other; laid upon each other, the pixels say whether they are one photograph or
two of one scene. All is computed on working copies of at most 320 pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.matching.geometry.keypoints import Keypoints
from pipeline.matching.geometry.pixels import (
    Matrix,
    PixelComparison,
    area_of,
    compare_pixels,
    inverse_transform,
    linear_part,
    move_pixels,
    outlines,
)
from pipeline.matching.geometry.transform import TransformFit, fit_transform

Outline = NDArray[np.float64]


@dataclass(frozen=True)
class _Query:
    """What `verified` asks for; the names are those of `Alignment`."""

    inliers: int
    tight: float
    agreement: float
    agreeing: float
    differing: float


# Measured on the sets of tests/bench/pictures/geometry.py, and on the 142 pairs of one garment or
# shelf that looser rules took for copies: ten are left. A cut, scaled, framed or mirrored copy is
# upright to a fifth of a degree; a hand that takes a second shot is not.
_TILTED = 0.25  # degrees
# Half of what has texture may be covered by bands or blurred by noise.
_UPRIGHT = _Query(inliers=8, tight=0.3, agreement=0.55, agreeing=0.4, differing=0.4)
# Two garments on one floor reach an agreement of 0.90, but an agreeing of 0.67; heaps of fruit seen
# twice, not being flat, reach an agreeing of 0.95, but rarely a tight of 0.75.
_TURNED = _Query(inliers=8, tight=0.75, agreement=0.9, agreeing=0.7, differing=0.3)
# One picture lies in the other, all of it; two shots each show what the other does not.
_LEAST_SHARED = 0.9  # of one of both
# Whole pictures that are equal but for a part: written over, or one template around two contents.
# On AugLy's montages geometry cannot tell which, so it is left to a person.
_FRAMED, _CONTENT, _FEWEST = 0.9, 0.05, 12  # share of both, share that differs, inliers
# Keypoints of both from which one would be found in the other, were it there: of 496 copies among
# AugLy's no one was accepted by its cosine that geometry, seeing so much, did not confirm.
_ENOUGH = 100


@dataclass(frozen=True, eq=False)
class Alignment:
    """How the left picture became the right one.

    inliers: keypoints that fit the transform.
    tight: share of the matches near the transform's place that are within a pixel of it, 0 … 1.
    transform: (3, 3), homography from relative coordinates of left (0 … 1 from the upper left
        corner) to those of right.
    mirrored: whether one of them is a mirror image.
    rotation: degrees in -180 … 180, anticlockwise as it is seen, that the shared part was turned
        by; in a mirror image after swapping left and right.
    tilt: degrees in 0 … 45 by which its sides miss the nearest multiples of 90 degrees; near 0 for
        cuts, scaling, padding and quarter turns, hardly ever for two shots by hand.
    scale: how many times as long the shared part is in right's own pixels as in left's.
    stretch: how many times as much one direction was enlarged as the other, from 1.
    left_outline, right_outline: (n, 2), corners of the shared part, relative coordinates.
    left_share, right_share: of each picture's area that is shared, 0 … 1.
    agreement, agreeing, differing: of the shared pixels, 0 … 1; see `Comparison`.
    gain, offset: right's grey (0 … 255) = gain * left's + offset.
    sharpness: right's finest detail over left's at the coarser one's size; below 1: blurred.
    left_chroma, right_chroma: mean difference of the largest and the smallest of red, green and
        blue in the shared part, 0 … 255; 0 for grey.
    colour_shift: mean distance of the colours once brightness is taken away, 0 … 255.
    """

    inliers: int
    tight: float
    transform: Matrix
    mirrored: bool
    rotation: float
    tilt: float
    scale: float
    stretch: float
    left_outline: Outline
    right_outline: Outline
    left_share: float
    right_share: float
    agreement: float
    agreeing: float
    differing: float
    gain: float
    offset: float
    sharpness: float
    left_chroma: float
    right_chroma: float
    colour_shift: float


def align(left: Keypoints, right: Keypoints) -> Alignment | None:
    """Lay `left` upon `right`; None where no transform is found that several matches share.

    Mutual nearest descriptors that pass the ratio test (Lowe 2004) give an affine transform by
    RANSAC (Fischler & Bolles 1981), refined to a homography where that is clearly better. The same
    with mirrored descriptors; the better of both counts. Deterministic; align(a, b) is the inverse
    of align(b, a), as both are computed in one order.
    """
    if _order(left) > _order(right):
        back = align(right, left)
        return None if back is None else reverse_transform(back)
    fits = [fit_transform(left, right, flipped=flipped) for flipped in (False, True)]
    found = [one for one in fits if one is not None]
    if not found:
        return None
    return _describe(max(found, key=lambda one: len(one.fine)), left, right)


def is_verified(alignment: Alignment | None) -> bool:
    """Say whether both are one picture, edited.

    The pixels must agree, and the matches must lie where the transform takes them. How much of it
    is asked for depends on `tilt`: an edit by cutting, scaling, framing or mirroring keeps the
    sides exactly upright, which a hand that takes a second shot of the same thing does not.
    """
    if alignment is None or max(alignment.left_share, alignment.right_share) < _LEAST_SHARED:
        return False
    if _frame(alignment):
        return False
    asked = _UPRIGHT if alignment.tilt < _TILTED else _TURNED
    return (
        alignment.inliers >= asked.inliers
        and alignment.tight >= asked.tight
        and alignment.agreement >= asked.agreement
        and alignment.agreeing >= asked.agreeing
        and alignment.differing <= asked.differing
    )


def are_unlike(left: Keypoints, right: Keypoints, alignment: Alignment | None) -> bool:
    """Say whether both have enough to compare and one is yet not found in the other, edited.

    Two photographs of like things or of one scene, or a template, frame or ground around two
    contents; also a copy that was edited beyond recognition.
    """
    if is_verified(alignment):
        return False
    if alignment is not None and _frame(alignment):
        return True
    return min(len(left.points), len(right.points)) >= _ENOUGH


def _frame(one: Alignment) -> bool:
    whole = min(one.left_share, one.right_share) > _FRAMED
    return whole and one.differing > _CONTENT and one.inliers >= _FEWEST


def _order(one: Keypoints) -> tuple[tuple[int, int], bytes]:
    return one.size, one.grey.tobytes()


def _describe(found: TransformFit, left: Keypoints, right: Keypoints) -> Alignment | None:
    fine, coarse = (right, left) if found.swapped else (left, right)
    pixels = compare_pixels(fine.grey, coarse.grey, found.matrix)
    if pixels is None:
        return None
    try:
        forward = inverse_transform(found.matrix) if found.swapped else found.matrix
        transform = inverse_transform(_to_pixels(right)) @ forward @ _to_pixels(left)
        transform = transform / transform[2, 2]
    except np.linalg.LinAlgError:
        return None
    shared = outlines(transform)
    if shared is None:
        return None
    left_outline, right_outline = shared
    flip = found.swapped
    colours = _colours(pixels, found.matrix, fine, coarse)
    # In the pixels of the pictures themselves, not of the working copies.
    part = linear_part(transform, left_outline.mean(axis=0))
    part = np.diag(right.size) @ part @ np.diag([1 / side for side in left.size])
    motion = _motion(part)
    return Alignment(
        inliers=len(found.fine), tight=found.tight, transform=transform,
        mirrored=motion.mirrored, rotation=motion.rotation, tilt=motion.tilt, scale=motion.scale,
        stretch=motion.stretch,
        left_outline=left_outline, right_outline=right_outline,
        left_share=min(1.0, area_of(left_outline)), right_share=min(1.0, area_of(right_outline)),
        agreement=pixels.agreement, agreeing=pixels.agreeing, differing=pixels.differing,
        gain=1 / pixels.gain if flip else pixels.gain,
        offset=-pixels.offset / pixels.gain if flip else pixels.offset,
        sharpness=1 / pixels.sharpness if flip else pixels.sharpness,
        left_chroma=colours[1 if flip else 0], right_chroma=colours[0 if flip else 1],
        colour_shift=colours[2],
    )  # fmt: skip


def _to_pixels(one: Keypoints) -> Matrix:
    """Return the (3, 3) matrix from relative coordinates to working pixels, centres at integers."""
    height, width = one.grey.shape
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], np.float64)


class _Motion(NamedTuple):
    mirrored: bool
    rotation: float
    tilt: float
    scale: float
    stretch: float


def _motion(part: Matrix) -> _Motion:
    """Take a (2, 2) map of pixels, y downwards, apart."""
    large, low = np.linalg.svd(part, compute_uv=False)
    flipped = bool(np.linalg.det(part) < 0)
    turn = part @ np.diag([-1, 1]) if flipped else part
    sides = np.degrees(np.arctan2(turn[1], turn[0])) % 90
    return _Motion(
        mirrored=flipped,
        rotation=-math.degrees(math.atan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])),
        tilt=float(np.minimum(sides, 90 - sides).max()),
        scale=math.sqrt(large * low),
        stretch=float(large / low),
    )


def _colours(
    pixels: PixelComparison, matrix: Matrix, fine: Keypoints, coarse: Keypoints
) -> tuple[float, float, float]:
    """Return the chroma of fine and of coarse, and how far their colours lie apart."""
    spots = pixels.places[pixels.trusted]
    seen = [_pick(fine, move_pixels(inverse_transform(matrix), spots)), _pick(coarse, spots)]
    pale = [part - part.mean(axis=1, keepdims=True) for part in seen]
    chroma = [float(np.ptp(part, axis=1).mean()) for part in seen]
    return chroma[0], chroma[1], float(np.linalg.norm(pale[0] - pale[1], axis=1).mean())


def _pick(one: Keypoints, places: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = one.colour.shape[:2]
    scale = np.array([width / one.grey.shape[1], height / one.grey.shape[0]])
    at = np.clip(np.floor((places + 0.5) * scale), 0, (width - 1, height - 1)).astype(np.intp)
    picked: NDArray[np.float64] = one.colour[at[:, 1], at[:, 0]].astype(np.float64)
    return picked


def reverse_transform(one: Alignment) -> Alignment:
    """How the right picture became the left one."""
    transform = inverse_transform(one.transform)
    return replace(
        one,
        transform=transform / transform[2, 2],
        # Mirroring and then turning is undone by the same once more.
        rotation=one.rotation if one.mirrored else -one.rotation,
        scale=1 / one.scale,
        left_outline=one.right_outline, right_outline=one.left_outline,
        left_share=one.right_share, right_share=one.left_share,
        gain=1 / one.gain, offset=-one.offset / one.gain, sharpness=1 / one.sharpness,
        left_chroma=one.right_chroma, right_chroma=one.left_chroma,
    )  # fmt: skip
