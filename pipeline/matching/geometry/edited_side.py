"""Which of two pictures, of which one is the other, edited, is the edited one.

An edit leaves traces: colour is gone, a frame around it ends where no photograph does, a letter
drawn over it has edges, brightening burns out what was light. Mirroring and turning leave none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.matching.geometry.alignment import Alignment
from pipeline.matching.geometry.keypoints import Keypoints
from pipeline.matching.geometry.pixels import (
    WINDOW,
    Matrix,
    compare_pixels,
    inverse_transform,
    lay_upon,
    linear_part,
    move_pixels,
)

# The left one; neither, or it cannot be told; the right one; the smaller or an enlarged one, which
# their true resolutions tell.
LEFT, UNTOLD, RIGHT, BY_SIZE = -1, 0, 1, 2

_WHOLE, _SAME_SIZE = 0.97, 0.04  # share that is all of it; relative change of length
_GREY, _COLOURED = 6.0, 12.0  # chroma of a grey picture and of one that is not
_BURNT, _LIGHT, _DARK = 0.02, 252, 3  # more of it at the ends of the scale
_BLURRED = 0.75  # finest detail of the one over the other's
_PATCH, _EDGES = 0.002, 1.3  # share that differs; how much stronger edges drawn over it are
_NEAR, _FAR, _BORDER = 2.0, 5.0, 3.0  # pixels from the outline; from the picture's own end
_JUMP, _FLOOR, _FLAT = 2.0, 3.0, 2.0  # step over the outline, levels; deviation of one colour
_FEWEST = 12  # places on the outline to tell by


def edited_side(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    """Return LEFT, RIGHT, UNTOLD or BY_SIZE for two pictures that geometry found to be one."""
    for trace in (_coloured, _surrounded, _drawn_over, _burnt, _blurred):
        if found := trace(one, left, right):
            return found
    if min(one.left_share, one.right_share) > _WHOLE and abs(one.scale - 1) > _SAME_SIZE:
        return BY_SIZE
    return UNTOLD


def _coloured(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    if one.right_chroma < _GREY and one.left_chroma > _COLOURED:
        return RIGHT
    return LEFT if one.left_chroma < _GREY and one.right_chroma > _COLOURED else UNTOLD


def _surrounded(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    """One has something around what both share: a frame, or what was cut off the other."""
    framed = [
        share < _WHOLE and _is_framed(side, outline)
        for side, share, outline in (
            (left, one.left_share, one.left_outline),
            (right, one.right_share, one.right_outline),
        )
    ]
    if framed[0] != framed[1]:
        return LEFT if framed[0] else RIGHT
    if framed[0]:
        return UNTOLD
    more = one.left_share < _WHOLE, one.right_share < _WHOLE
    if more[0] == more[1]:
        return UNTOLD
    return RIGHT if more[0] else LEFT  # the one from which nothing is missing is a part


def _is_framed(side: Keypoints, outline: NDArray[np.float64]) -> bool:
    """Whether a picture ends at an outline within it: beyond, it is another one or one colour."""
    grey = side.grey.astype(np.float32)
    height, width = grey.shape
    corners = outline * (width, height) - 0.5
    middle = corners.mean(axis=0)
    inner, outer, deep = [], [], []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        length = float(np.hypot(*along))
        if length < 2 * _FAR:
            continue
        normal = np.array([along[1], -along[0]]) / length
        if normal @ (middle - start) > 0:
            normal = -normal
        spots = start + np.linspace(0.05, 0.95, max(int(length / 3), 2))[:, None] * along
        beyond = spots + _NEAR * normal
        ends = np.array([width - 1, height - 1]) - _BORDER
        there = ((beyond > _BORDER) & (beyond < ends)).all(axis=1)
        outer.append(_values(grey, beyond[there]))
        inner.append(_values(grey, spots[there] - _NEAR * normal))
        deep.append(_values(grey, spots[there] - (_NEAR + 2 * _NEAR) * normal))
    if not outer or sum(map(len, outer)) < _FEWEST:
        return False
    out, inside, further = (np.concatenate(part) for part in (outer, inner, deep))
    if out.std() < _FLAT and inside.std() > _FLAT:
        return True
    usual = float(np.median(np.abs(inside - further)))
    return bool(np.median(np.abs(out - inside)) > _JUMP * usual + _FLOOR)


def _values(grey: NDArray[np.float32], spots: NDArray[np.float64]) -> NDArray[np.float32]:
    at = np.clip(np.rint(spots), 0, np.array(grey.shape[::-1]) - 1).astype(np.intp)
    return np.asarray(grey[at[:, 1], at[:, 0]], np.float32)


def _drawn_over(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    """Something lies over a part of one: it has more edges there than the other has."""
    if one.differing < _PATCH:
        return UNTOLD
    matrix = _working(right) @ one.transform @ inverse_transform(_working(left))
    turned = _scale(matrix, left) > 1
    fine, coarse = (right, left) if turned else (left, right)
    if turned:
        matrix = inverse_transform(matrix)
    found = compare_pixels(fine.grey, coarse.grey, matrix)
    if found is None or not found.differs.any():
        return UNTOLD
    laid = lay_upon(fine.grey.astype(np.float32), matrix, coarse.grey.shape)[0]
    spots = found.places[found.differs]
    edges = [
        float(_edges(part, spots)) + 1.0
        for part in (found.gain * laid, coarse.grey.astype(np.float32))
    ]
    if max(edges) < _EDGES * min(edges):
        return UNTOLD
    of_coarse = edges[1] > edges[0]
    return LEFT if of_coarse == turned else RIGHT


def _edges(grey: NDArray[np.float32], spots: NDArray[np.float64]) -> float:
    """Mean strength of the edges in windows around some places."""
    import cv2

    steps = [cv2.Sobel(grey, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    strength = cv2.boxFilter(np.hypot(*steps), -1, (WINDOW, WINDOW))
    return float(_values(np.asarray(strength, np.float32), spots).mean())


def _burnt(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    """One is at the ends of the scale where the other is not."""
    parts = [float(np.mean((side.grey >= _LIGHT) | (side.grey <= _DARK))) for side in (left, right)]
    if min(one.left_share, one.right_share) < _WHOLE or abs(parts[0] - parts[1]) < _BURNT:
        return UNTOLD
    return LEFT if parts[0] > parts[1] else RIGHT


def _blurred(one: Alignment, left: Keypoints, right: Keypoints) -> int:
    """One has lost the finest detail that the other has at the same size."""
    if abs(one.scale - 1) > _SAME_SIZE:
        return UNTOLD
    if one.sharpness < _BLURRED:
        return RIGHT
    return LEFT if one.sharpness > 1 / _BLURRED else UNTOLD


def _working(one: Keypoints) -> Matrix:
    height, width = one.grey.shape
    return np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1]], np.float64)


def _scale(matrix: Matrix, one: Keypoints) -> float:
    height, width = one.grey.shape
    middle = move_pixels(np.eye(3), np.array([[width / 2, height / 2]]))[0]
    return float(np.sqrt(abs(np.linalg.det(linear_part(matrix, middle)))))
