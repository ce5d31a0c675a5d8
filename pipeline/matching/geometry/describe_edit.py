"""Description of an edit: what was done to a picture, in words and as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.matching.geometry.alignment import Alignment
from pipeline.matching.geometry.close_look import Box, moved_boxes
from pipeline.matching.geometry.keypoints import shrink
from pipeline.matching.geometry.pixels import (
    STEP,
    Matrix,
    compare_pixels,
    inverse_transform,
    linear_part,
    move_pixels,
    outlines,
)

# Above what an unedited copy measures after JPEG at quality 75 and above.
_TURNED = 1.5  # degrees
_WHOLE = 0.96  # share of a picture from which it counts as all of it
_SAME_SIZE = 0.04  # relative change of length
_STRETCHED = 1.05
_COVERED = 0.02  # share that differs
_GREY = 6.0  # chroma below which a picture is grey, and
_COLOURED = 12.0  # from which it is not
_RECOLOURED = 12.0  # distance of colours
_GAIN, _BRIGHTER = 1.2, 16.0  # contrast, and grey levels at mid grey
_BLURRED, _SHARPENED = 0.75, 1.4  # finest detail
_NOTHING = "no visible change"
_REPORT = 240  # pixels of each picture's longer side in the overlay
_GAP = 6
# Seldom colours of a photograph, and told apart by those who see no red or no green.
_LINE, _TINT = (0, 190, 90), (235, 0, 200)
_GROUND = (128, 128, 128)  # neither the light nor the dark page's


def describe_edits(alignment: Alignment, *, parts: int = 0) -> tuple[str, ...]:
    """Say what makes the right picture out of the left one, in a fixed order.

    Args:
        parts: in how many places a close look found them to differ.
    """
    one = alignment
    turned = round(one.rotation)
    upside_down = one.mirrored and abs(abs(one.rotation) - 180) < _TURNED
    side = "anticlockwise" if turned > 0 else "clockwise"
    grey = one.right_chroma < _GREY and one.left_chroma > _COLOURED
    ungrey = one.left_chroma < _GREY and one.right_chroma > _COLOURED
    brighter = 128 * (one.gain - 1) + one.offset
    toned = not 1 / _GAIN < one.gain < _GAIN or abs(brighter) > _BRIGHTER
    recoloured = one.colour_shift > _RECOLOURED or toned
    told = (
        (parts > 0, f"differs in {parts} place{'s' if parts > 1 else ''}"),
        (upside_down, "flipped top to bottom"),
        (one.mirrored and not upside_down, "mirrored"),
        (abs(one.rotation) > 180 - _TURNED and not one.mirrored, "rotated by 180°"),
        (_TURNED < abs(one.rotation) <= 180 - _TURNED, f"rotated by {abs(turned)}° {side}"),
        (one.left_share < _WHOLE, f"cropped to {_percent(one.left_share)}"),
        (
            one.right_share < _WHOLE,
            f"set into a larger picture ({_percent(one.right_share)} of it)",
        ),
        (one.stretch > _STRETCHED, f"stretched {one.stretch:.2g} times"),
        (one.scale > 1 + _SAME_SIZE, f"enlarged {one.scale:.2g} times"),
        (one.scale < 1 - _SAME_SIZE, f"reduced to {_percent(one.scale)}"),
        (one.differing > _COVERED, f"overlaid on {_percent(one.differing)}"),
        (grey, "grey"),
        (ungrey, "coloured"),
        (recoloured and not grey and not ungrey, "recoloured"),
        (one.sharpness < _BLURRED, "recompressed or blurred"),
        (one.sharpness > _SHARPENED, "sharpened or noisy"),
    )
    return tuple(words for holds, words in told if holds) or (_NOTHING,)


def overlay_outlines(
    left: Image.Image, right: Image.Image, *, transform: Matrix, parts: Sequence[Box] = ()
) -> bytes | None:
    """Return a JPEG of both pictures side by side, each at most 240 pixels long.

    The shared part is outlined in green, what differs in it is tinted magenta, or boxed where a
    close look found it. None where the transform is degenerate or nothing is shared.

    Args:
        parts: boxes in relative coordinates of left.
        transform: (3, 3), from relative coordinates of left to those of right, see `Alignment`.
    """
    shared = outlines(transform)
    if shared is None:
        return None
    small = [shrink(image.convert("RGB"), _REPORT) for image in (left, right)]
    spots = _spots(small, transform, middle=shared[0].mean(axis=0))
    height = max(part.height for part in small)
    sheet = Image.new("RGB", (small[0].width + _GAP + small[1].width, height), _GROUND)
    start, boxes = 0, (parts, moved_boxes(parts, transform))
    for part, outline, own, boxed in zip(small, shared, spots, boxes, strict=True):
        drawn = _draw(part, outline, own if not parts else own[:0])
        _box(drawn, boxed)
        sheet.paste(drawn, (start, (height - part.height) // 2))
        start += part.width + _GAP
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=85)
    return file.getvalue()


def _spots(
    small: list[Image.Image], transform: Matrix, *, middle: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the squares that differ as (n, 4, 2) corners, in pixels of left and of right."""
    scales = [np.diag([*part.size, 1.0]) for part in small]
    matrix = scales[1] @ transform @ inverse_transform(scales[0])
    swapped = bool(abs(np.linalg.det(linear_part(matrix, middle * small[0].size))) > 1)
    back = inverse_transform(matrix)
    fine, coarse = (np.asarray(part.convert("L")) for part in (small[::-1] if swapped else small))
    to_centres = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    found = compare_pixels(
        fine, coarse, to_centres @ (back if swapped else matrix) @ inverse_transform(to_centres)
    )
    if found is None:
        return [np.zeros((0, 4, 2))] * 2
    reach = STEP / 2 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64)
    squares = found.places[found.differs][:, None] + 0.5 + reach
    other = move_pixels(matrix if swapped else back, squares.reshape(-1, 2)).reshape(-1, 4, 2)
    # `places` are of the coarser one: left where the transform enlarges.
    return [squares, other] if swapped else [other, squares]


def _draw(
    picture: Image.Image, outline: NDArray[np.float64], spots: NDArray[np.float64]
) -> Image.Image:
    tinted = picture.copy()
    draw = ImageDraw.Draw(tinted)
    for spot in spots:
        draw.polygon([(float(x), float(y)) for x, y in spot], fill=_TINT)
    done = Image.blend(picture, tinted, 0.45)
    corners = outline * np.array([picture.width - 1, picture.height - 1])
    closed = [(float(x), float(y)) for x, y in [*corners, corners[0]]]
    ImageDraw.Draw(done).line(closed, fill=_LINE, width=2)
    return done


def _box(picture: Image.Image, parts: Sequence[Box]) -> None:
    """Draw boxes around parts, with room for them to be seen."""
    draw = ImageDraw.Draw(picture)
    for left, top, right, bottom in parts:
        sides = (left * picture.width - 3, top * picture.height - 3,
                 right * picture.width + 3, bottom * picture.height + 3)  # fmt: skip
        draw.rectangle(sides, outline=_TINT, width=2)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1f} %"
