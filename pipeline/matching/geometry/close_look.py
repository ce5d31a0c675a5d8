"""A close look at two pictures that lie upon each other: parts that differ, however small.

In a document the meaning is in a thousandth of its area: an amount, a name, a tick. So agreement is
not averaged. Windows of both pictures are compared at up to a thousand pixels, each at its best
within two pixels; where a patch with as much contrast as the picture's own drawing disagrees, the
two are not one picture, whatever the rest says.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from pipeline.matching.geometry.keypoints import shrink
from pipeline.matching.geometry.pixels import (
    Field,
    Matrix,
    inverse_transform,
    linear_part,
    move_pixels,
)

LONGEST = 1000  # pixels of the longer side that is looked at
WINDOW, STEP = 15, 4  # pixels of a window's side, and from one to the next
SHIFT = 2  # pixels by which a window may lie elsewhere than the transform says
# Chosen on 168 minimal pairs of pictures: of those that differ 91 % have such a patch, of the same
# ones, saved, scaled, scanned or marked anew, 1 %.
_AGREES = 0.85  # correlation below which a window disagrees
_DRAWN = 0.5  # share of the picture's own strong contrast that a disagreeing window must have
_STRONG, _FAINT = 90, 6.0  # percentile of the contrasts that counts as strong; grey levels
_FEWEST = 4  # windows side by side that make a patch
# A hue that differs by so many degrees, in windows that are coloured in both.
_HUE, _CHROMA, _FEWEST_HUES = 40.0, 25.0, 12
_CLIPPED, _CAST = 8.0, 1.3  # grey levels from black and white; most that a tone changes a channel
_BLURRED = 1.3  # ratio of finest details from which the sharper one is blurred like the other
_BLURS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)  # deviations, pixels, that are tried for it
_SMOOTH = 0.7  # deviation, pixels, of the blur that takes noise away
_STEPS, _CLOSE = 30, 1e-5  # of the refinement of the transform

Box = tuple[float, float, float, float]  # left, top, right, bottom, relative coordinates
Colours = NDArray[np.float32]


def differing_parts(left: Image, right: Image, transform: Matrix) -> list[Box]:
    """Patches in which two aligned pictures differ, in relative coordinates of left.

    Args:
        left, right: RGB. transform: (3, 3), from relative coordinates of left to those of right.

    Returns:
        Their boxes, the largest first; empty where nothing differs.
    """
    one, two = (np.asarray(shrink(side, LONGEST), np.float32) for side in (left, right))
    matrix = _to_pixels(two) @ transform @ inverse_transform(_to_pixels(one))
    turned = _scale(matrix, one) > 1
    if turned:
        one, two, matrix = two, one, inverse_transform(matrix)
    laid, inside = _lay(one, two, matrix)
    rows, columns = (
        np.arange(WINDOW // 2 + SHIFT, side - WINDOW // 2 - SHIFT, STEP) for side in two.shape[:2]
    )
    if not len(rows) or not len(columns):
        return []
    pick = np.ix_(rows, columns)
    used = _box(inside)[pick] > 0.999
    differs = used & (_drawn_otherwise(laid, two, pick, used))
    patches = _patches(differs, _FEWEST) + _patches(
        used & _coloured_otherwise(laid, two, pick), _FEWEST_HUES
    )
    boxes = [_as_box(patch, two) for patch in sorted(patches, key=_area, reverse=True)]
    return boxes if turned else moved_boxes(boxes, inverse_transform(transform))


def moved_boxes(boxes: Sequence[Box], transform: Matrix) -> list[Box]:
    """Boxes around what a transform of relative coordinates makes of some, inside 0 … 1."""
    moved = []
    for left, top, right, bottom in boxes:
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        found = np.clip(move_pixels(transform, corners), 0, 1)
        (low_x, low_y), (high_x, high_y) = found.min(axis=0), found.max(axis=0)
        moved.append((float(low_x), float(low_y), float(high_x), float(high_y)))
    return moved


def _drawn_otherwise(
    laid: Colours, other: Colours, pick: tuple[NDArray[np.intp], ...], used: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Windows with contrast that do not correlate, wherever within `SHIFT` they are laid."""
    one, two = _equally_sharp(_grey(laid), _grey(other))
    mean, deviation = _moments(two)
    best = np.full(used.shape, -1.0, np.float32)
    contrast = deviation[pick]
    for down in range(-SHIFT, SHIFT + 1):
        for along in range(-SHIFT, SHIFT + 1):
            moved = np.roll(one, (down, along), (0, 1))
            middle, spread = _moments(moved)
            product = _box(moved * two) - middle * mean
            # The floor keeps a flat window's noise from deciding.
            found = product / (np.maximum(spread, 3) * np.maximum(deviation, 3))
            best = np.maximum(best, found[pick])
            if not down and not along:
                contrast = np.maximum(contrast, spread[pick])
    drawn = contrast[used & (contrast > _FAINT)]
    if not len(drawn):
        return np.zeros(used.shape, bool)
    least = max(_FAINT, _DRAWN * float(np.percentile(drawn, _STRONG)))
    return np.asarray((best < _AGREES) & (contrast > least))


def _equally_sharp(one: Field, two: Field) -> tuple[Field, Field]:
    """Both, the sharper one blurred until its finest details are no stronger."""
    import cv2

    def finest(part: Field) -> float:
        return float(np.sqrt(np.mean(np.square(cv2.Laplacian(part, cv2.CV_32F, ksize=1)))) + 0.1)

    sides, details = [one, two], [finest(one), finest(two)]
    sharp = int(details[1] > details[0])
    for sigma in _BLURS:
        if details[sharp] <= _BLURRED * details[1 - sharp]:
            break
        sides[sharp] = _field(cv2.GaussianBlur((one, two)[sharp], (0, 0), sigma))
        details[sharp] = finest(sides[sharp])
    return sides[0], sides[1]


def _coloured_otherwise(
    laid: Colours, other: Colours, pick: tuple[NDArray[np.intp], ...]
) -> NDArray[np.bool_]:
    """Windows that are coloured in both, in another hue."""
    sides = [
        np.stack([_box(side[..., channel])[pick] for channel in range(3)], axis=-1)
        for side in (laid, other)
    ]
    unclipped = np.all([(side > _CLIPPED) & (side < 255 - _CLIPPED) for side in sides], axis=(0, 3))
    neutral = unclipped & (np.maximum(*(np.ptp(side, axis=-1) for side in sides)) < _CHROMA)
    if neutral.sum() >= _FEWEST_HUES:  # a tone over all of a picture is no other colour
        cast = np.median(sides[1][neutral] / np.maximum(sides[0][neutral], 1), axis=0)
        sides[0] = sides[0] * np.clip(cast / cast.mean(), 1 / _CAST, _CAST)
    pale = [side - side.mean(axis=-1, keepdims=True) for side in sides]
    strong = np.minimum(*(np.ptp(part, axis=-1) for part in pale)) > _CHROMA
    lengths = np.maximum(np.prod([np.linalg.norm(part, axis=-1) for part in pale], axis=0), 1e-6)
    cosine = (pale[0] * pale[1]).sum(axis=-1) / lengths
    return np.asarray(unclipped & strong & (cosine < np.cos(np.radians(_HUE))))


def _lay(fine: Colours, coarse: Colours, matrix: Matrix) -> tuple[Colours, Field]:
    """`fine` as it lies on `coarse`, and 1 where it does; the transform is refined first.

    Evangelidis and Psarakis, Parametric image alignment using enhanced correlation coefficient
    maximization, 2008.
    """
    import cv2

    scale = _scale(matrix, fine)
    if scale < 0.95:  # what the coarse one cannot hold would come out as false detail
        fine = _field(cv2.GaussianBlur(fine, (0, 0), 0.45 * np.sqrt(1 / scale**2 - 1)))
    back = inverse_transform(matrix)
    back = (back / back[2, 2]).astype(np.float32)
    # The refinement writes into what it is given, also when it fails.
    limits = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _STEPS, _CLOSE)
    try:
        _, found = cv2.findTransformECC(
            _grey(coarse), _grey(fine), back.copy(), cv2.MOTION_HOMOGRAPHY, limits, None, 5
        )  # type: ignore[call-overload]  # the stubs do not know the last argument
        refined = _field(found)
    except cv2.error:  # it did not come nearer: the transform stays
        refined = back
    size, there = (coarse.shape[1], coarse.shape[0]), np.ones(fine.shape[:2], np.float32)
    laid = cv2.warpPerspective(fine, refined, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    inside = cv2.warpPerspective(
        there, refined, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return _field(laid), _field(inside > 0.999)


def _patches(differs: NDArray[np.bool_], fewest: int) -> list[tuple[slice, slice]]:
    """Rows and columns of windows that differ side by side, `fewest` at least."""
    from scipy import ndimage

    numbers, count = ndimage.label(differs, np.ones((3, 3), int))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    found = ndimage.find_objects(numbers)
    return [found[n] for n in range(count) if sizes[n + 1] >= fewest]


def _as_box(patch: tuple[slice, slice], picture: Colours) -> Box:
    """The pixels of a patch's windows, in relative coordinates."""
    height, width = picture.shape[:2]
    low = [SHIFT + part.start * STEP for part in patch]
    high = [SHIFT + (part.stop - 1) * STEP + WINDOW for part in patch]
    return low[1] / width, low[0] / height, min(high[1] / width, 1), min(high[0] / height, 1)


def _area(patch: tuple[slice, slice]) -> tuple[int, int, int]:
    rows, columns = patch
    return (rows.stop - rows.start) * (columns.stop - columns.start), -rows.start, -columns.start


def _to_pixels(picture: Colours) -> Matrix:
    """(3, 3), from relative coordinates to pixels, centres at integers."""
    height, width = picture.shape[:2]
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], np.float64)


def _scale(matrix: Matrix, picture: Colours) -> float:
    """How many times as long a part becomes in its middle."""
    height, width = picture.shape[:2]
    part = linear_part(matrix, np.array([width / 2, height / 2]))
    return float(np.sqrt(abs(np.linalg.det(part))))


def _grey(picture: Colours) -> Field:
    import cv2

    return _field(cv2.GaussianBlur(_field(picture.mean(axis=2)), (0, 0), _SMOOTH))


def _moments(part: Field) -> tuple[Field, Field]:
    """Mean and deviation of the window around each pixel."""
    mean = _box(part)
    return mean, _field(np.sqrt(np.maximum(_box(part * part) - mean * mean, 0)))


def _box(part: Field) -> Field:
    import cv2

    return _field(cv2.boxFilter(part, -1, (WINDOW, WINDOW)))


def _field(pixels: NDArray[np.generic]) -> Field:
    return np.asarray(pixels, np.float32)
