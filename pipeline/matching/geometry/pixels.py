"""Two pictures laid upon each other, compared pixel by pixel; and what a homography does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Field = NDArray[np.float32]

WINDOW = 11  # pixels on a side of the window that one correlation is computed in
STEP = 4  # pixels from one window to the next
_FEWEST = 12  # windows below which nothing is said
_TEXTURE = 4.0  # deviation in grey levels from which a window has something to compare
_AGREES = 0.7  # correlation from which a window agrees
_DIFFERS = 0.3  # correlation below which a window with texture clearly differs
_TONE = 40.0  # grey levels after fitting contrast and brightness, beyond which it differs, too
_SQUARE: NDArray[np.float64] = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
_SMOOTH = 0.8  # deviation, pixels, of the blur that takes noise and blocks away before comparing


@dataclass(frozen=True, eq=False)
class PixelComparison:
    """What two aligned pictures have in common, window by window.

    agreement: median over the windows with texture of the correlation of both after taking each
        one's mean away (zero-mean normalised), negative ones as 0; 0 … 1.
    agreeing: share of the windows with texture whose correlation is 0.7 and more, 0 … 1.
    differing: share of all windows that clearly differ: texture with a correlation below 0.3, or a
        brightness 40 levels from what the fitted contrast and brightness foretell, 0 … 1.
    gain, offset: grey of the coarse one = gain * grey of the fine one + offset.
    sharpness: finest detail of the coarse one over that of the fine one, contrast taken out; below
        1 where the coarse one is blurred, above where it is sharpened or noisy.
    places: (windows, 2), centres in pixels of the coarse one; trusted, differs: (windows,) bool.
    """

    agreement: float
    agreeing: float
    differing: float
    gain: float
    offset: float
    sharpness: float
    places: NDArray[np.float64]
    trusted: NDArray[np.bool_]
    differs: NDArray[np.bool_]


def compare_pixels(fine: Grey, coarse: Grey, matrix: Matrix) -> PixelComparison | None:
    """Compare two grey pictures; None where they share too little to say anything.

    matrix: (3, 3), takes pixels of `fine` to those of `coarse`; the shared part should have no more
    pixels in `coarse`, as the comparison is made there.
    """
    import cv2

    rows, columns = (np.arange(WINDOW // 2, side - WINDOW // 2, STEP) for side in coarse.shape)
    laid, inside = lay_upon(fine.astype(np.float32), matrix, coarse.shape)
    pick = np.ix_(rows, columns)
    used = cv2.boxFilter(inside, -1, (WINDOW, WINDOW))[pick] > 0.999
    if used.sum() < _FEWEST:
        return None
    other = coarse.astype(np.float32)
    edges = [_float(cv2.Laplacian(part, cv2.CV_32F, ksize=1)) for part in (laid, other)]
    laid, other = (_float(cv2.GaussianBlur(part, (0, 0), _SMOOTH)) for part in (laid, other))

    def mean(part: Field) -> Field:
        blurred = _float(cv2.boxFilter(part, -1, (WINDOW, WINDOW)))
        return _float(blurred[pick][used])

    means = mean(laid), mean(other)
    deviations = [
        np.sqrt(np.maximum(mean(part * part) - middle**2, 0))
        for part, middle in zip((laid, other), means, strict=True)
    ]
    textured = np.maximum(*deviations) > _TEXTURE
    # The floor keeps a flat window's noise from agreeing with texture.
    one, two = (np.maximum(deviation, _TEXTURE / 4) for deviation in deviations)
    correlation = (mean(laid * other) - means[0] * means[1]) / (one * two)
    agrees = textured & (correlation >= _AGREES)
    trusted = agrees if agrees.sum() >= _FEWEST else np.ones(len(agrees), bool)
    gain, offset = _tone(means[0][trusted], means[1][trusted])
    tone = np.abs(means[1] - gain * means[0] - offset) > _TONE
    differs = (textured & (correlation < _DIFFERS)) | tone
    compared = correlation[textured]
    energy = [float(mean(part * part)[trusted].mean()) for part in edges]
    return PixelComparison(
        agreement=float(np.clip(np.median(compared), 0, 1)) if len(compared) else 0.0,
        agreeing=float(agrees.sum() / max(1, textured.sum())),
        differing=float(differs.mean()),
        gain=gain,
        offset=offset,
        sharpness=float(np.sqrt((energy[1] + 1) / (energy[0] * gain**2 + 1))),
        places=np.stack(np.meshgrid(columns, rows), axis=-1)[used].astype(np.float64),
        trusted=trusted,
        differs=differs,
    )


def move_pixels(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a (3, 3) transform to (n, 2) points; infinite beyond the horizon."""
    flat = np.c_[points, np.ones(len(points))] @ matrix.T
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.asarray(flat[:, :2] / flat[:, 2:], np.float64)
    out[flat[:, 2] <= 1e-9] = np.inf
    return out


def inverse_transform(matrix: Matrix) -> Matrix:
    """Return the transform back.

    Raises:
        numpy.linalg.LinAlgError: there is none.
    """
    return np.asarray(np.linalg.inv(matrix), np.float64)


def linear_part(matrix: Matrix, at: NDArray[np.floating]) -> Matrix:
    """Return the (2, 2) derivative of a (3, 3) transform at one point."""
    x, y, depth = matrix @ (float(at[0]), float(at[1]), 1.0)
    part = matrix[:2, :2] * depth - np.outer((x, y), matrix[2, :2])
    return np.asarray(part / depth**2, np.float64)


def area_of(outline: NDArray[np.float64]) -> float:
    """Return the area within (n, 2) corners."""
    x, y = outline.T if len(outline) else np.zeros((2, 1))
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def is_inside(outline: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut an outline to the unit square (Sutherland & Hodgman 1974); (n, 2), n may be 0.

    cv2.intersectConvexConvex finds no area where both are the same but for rounding.
    """
    corners = [np.asarray(corner) for corner in outline]
    for axis, sign, limit in ((0, 1, 0.0), (0, -1, 1.0), (1, 1, 0.0), (1, -1, 1.0)):
        kept = []
        for one, two in zip(corners, corners[1:] + corners[:1], strict=True):
            near, far = sign * (one[axis] - limit), sign * (two[axis] - limit)
            if near >= 0:
                kept.append(one)
            if (near < 0) != (far < 0):
                kept.append(one + (two - one) * near / (near - far))
        corners = kept
    return np.array(corners, np.float64).reshape(-1, 2)


def outlines(transform: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the corners of what two pictures share, in left and in right; None: nothing.

    transform: (3, 3), from relative coordinates of left to those of right.
    """
    try:
        back = inverse_transform(transform)
    except np.linalg.LinAlgError:
        return None
    seen = move_pixels(transform, _SQUARE)
    if not np.isfinite(seen).all():
        return None
    right = is_inside(seen)
    left = move_pixels(back, right)
    if not np.isfinite(left).all() or min(area_of(left), area_of(right)) <= 0:
        return None
    return left, right


def lay_upon(fine: Field, matrix: Matrix, shape: tuple[int, ...]) -> tuple[Field, Field]:
    """Return `fine` as it lies on a picture of that shape, and 1 where it does."""
    import cv2

    middle = np.array([fine.shape[1] / 2, fine.shape[0] / 2])
    shrink = float(np.sqrt(abs(np.linalg.det(linear_part(matrix, middle)))))
    size = (shape[1], shape[0])
    inside = cv2.warpPerspective(np.ones_like(fine), matrix, size)
    if shrink < 0.9:  # what the coarse one cannot hold would come out as false detail
        fine = _float(cv2.GaussianBlur(fine, (0, 0), 0.45 * np.sqrt(1 / shrink**2 - 1)))
    laid = cv2.warpPerspective(fine, matrix, size, flags=cv2.INTER_CUBIC)
    return _float(laid), (inside > 0.999).astype(np.float32)


def _tone(fine: Field, coarse: Field) -> tuple[float, float]:
    """Fit contrast and brightness to the windows' means, which sharpening and blur leave alone."""
    spread = float(fine.std())
    gain = float(np.mean((fine - fine.mean()) * (coarse - coarse.mean()))) / max(spread**2, 1e-6)
    gain = float(np.clip(gain, 0.05, 20)) if spread > _TEXTURE else 1.0
    return gain, float(np.median(coarse - gain * fine))


def _float(pixels: NDArray[Any]) -> Field:
    return np.asarray(pixels, np.float32)
