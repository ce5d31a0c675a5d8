"""Keypoints of a picture, their descriptors, and which of two pictures' keypoints match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float32]

LONGEST = 320  # pixels of the working copy's longer side
MOST = 400  # keypoints kept, those of the strongest response
_COLOUR_STEP = 4  # working pixels of which one colour is kept
_RATIO = 0.85  # nearest over second nearest distance (Lowe 2004 has 0.8; RootSIFT bears more)
_SMALLEST = 16  # pixels below which a working copy has no keypoints


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The keypoints of one picture and the small picture they were found on.

    points: (n, 2) float32, x and y in pixels of the working copy, n at most 400.
    extent: (n,) float32, diameter of each keypoint in those pixels.
    descriptors: (n, 128) uint8, RootSIFT (Arandjelovic & Zisserman 2012) times 512, cut at 255.
    grey: (h, w) uint8, the working copy; colour: (h / 4, w / 4, 3) uint8, the same in colour.
    size: (width, height), pixels of the picture itself.

    A 4:3 picture takes at most 147 KB: 56 for the keypoints, 77 for grey, 14 for colour.
    """

    points: Points
    extent: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    grey: NDArray[np.uint8]
    colour: NDArray[np.uint8]
    size: tuple[int, int]

    @staticmethod
    def of(image: Image.Image, *, size: tuple[int, int] | None = None) -> Keypoints:
        """Find the keypoints (SIFT, Lowe 2004) of an RGB picture; none on a blank or tiny one.

        size: (width, height) of the file, where `image` was decoded at a reduced size.
        """
        small = shrink(image, LONGEST)
        step = [max(1, side // _COLOUR_STEP) for side in small.size]
        colour = small.resize((step[0], step[1]), Image.Resampling.BOX)
        grey = np.asarray(small.convert("L"))
        return Keypoints(*_sift(grey), grey, np.asarray(colour), size or image.size)

    @property
    def nbytes(self) -> int:
        """Bytes it takes in memory."""
        parts = (self.points, self.extent, self.descriptors, self.grey, self.colour)
        return sum(part.nbytes for part in parts)


def shrink(image: Image.Image, longest: int) -> Image.Image:
    """Return the picture with its longer side at most `longest` pixels; never enlarged."""
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def match_keypoints(
    left: NDArray[np.uint8], right: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of mutually nearest descriptors that pass the ratio test (Lowe 2004)."""
    one, two = (part.astype(np.float32) / 512 for part in (left, right))
    square = np.sum(one**2, 1)[:, None] + np.sum(two**2, 1)[None, :] - 2 * (one @ two.T)
    rows = np.arange(len(one))
    best = square.argmin(axis=1)
    nearest = square[rows, best]
    mutual = square.argmin(axis=0)[best] == rows
    square[rows, best] = np.inf
    good = mutual & (nearest < _RATIO**2 * square.min(axis=1))
    return rows[good], best[good]


def mirror_keypoints(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the descriptors that the mirror image's keypoints have.

    A descriptor is 4 rows, 4 columns and 8 directions, all relative to the keypoint's own
    direction: its mirror image has the rows reversed and the directions negated.
    """
    parts = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return np.ascontiguousarray(parts[..., (8 - np.arange(8)) % 8]).reshape(-1, 128)


def _sift(grey: NDArray[np.uint8]) -> tuple[Points, NDArray[np.float32], NDArray[np.uint8]]:
    import cv2

    nothing = np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 128), np.uint8)
    if min(grey.shape) < _SMALLEST:
        return nothing
    # A low contrast threshold, as blurred and darkened copies have weak keypoints only.
    finder = cv2.SIFT.create(contrastThreshold=0.02)
    found = finder.detect(grey, None)
    keys = sorted(found, key=lambda key: (-key.response, key.pt, key.angle))[:MOST]
    if not keys:
        return nothing
    _, histograms = finder.compute(grey, keys)
    root = np.sqrt(histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-9))
    return (
        np.array([key.pt for key in keys], np.float32),
        np.array([key.size for key in keys], np.float32),
        np.minimum(np.rint(root * 512), 255).astype(np.uint8),
    )
