"""Deep grey pictures, of more than eight bits: scaled by what the file holds, white made white."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")  # one channel of more than 8 bits

_BITS, _PHOTOMETRIC, _LEAST, _MOST = 258, 262, 280, 281  # tags of a TIFF
_WHITE_IS_ZERO = 0
_TOP = 99.9  # percentile of the values that must fit: a few hot pixels do not darken the rest
_NARROW = 16  # times that a range is wider than what the file uses of it, from which it is not used
_SAMPLE = 1 << 20  # values that the percentiles are taken of


@dataclass(frozen=True)
class DeepGrey:
    """A deep grey picture in eight bits.

    grey: (h, w) uint8. low, high: the values that became black and white.
    whole: the deep values follow from the grey ones, as in an eight-bit picture stored in 16.
    values: (h, w) as they are in the file, white the highest.
    """

    grey: NDArray[np.uint8]
    low: float
    high: float
    whole: bool
    values: NDArray[np.generic]

    @property
    def levels(self) -> str | None:
        """Which values it shows, where they are not all that its type can hold."""
        usual = (self.low, self.high) in ((0.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
        return None if usual else f"{self.low:g} {self.high:g}"


def scale_deep(image: Image.Image) -> DeepGrey:
    """Scale a loaded picture of one of `MODES` to 0 … 255.

    By the range that the file states (`MinSampleValue`, `MaxSampleValue` of a TIFF), else by the
    smallest number of whole bits that holds its values, so that twelve bits stored in sixteen are
    not dark; floats by 0 … 1, 0 … 255 or 0 … 65535. Where a file uses less than a sixteenth of such
    a range, by its own extremes. Values that are not finite are black.
    """
    tags: Any = getattr(image, "tag_v2", None) or {}
    values = np.asarray(image)
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        full = 2.0 ** _first(tags.get(_BITS), 16) - 1 if values.dtype.kind != "f" else finite.max()
        finite = full - finite
    low, high = _range(finite, values.dtype, tags)
    width = (high - low) or 1.0
    grey = np.rint(np.clip((finite - low) * (255 / width), 0, 255)).astype(np.uint8)
    back = grey * (width / 255) + low
    usual = low == 0 and high in (255.0, 65535.0)
    whole = usual and bool(np.array_equal(back, finite))
    return DeepGrey(grey, low, high, whole, finite.astype(values.dtype))


def _range(grey: NDArray[np.float64], kind: np.dtype[Any], tags: Any) -> tuple[float, float]:
    """Which values are black and white."""
    if (stated := _first(tags.get(_MOST), 0)) > 0:
        return min(_first(tags.get(_LEAST), 0), stated - 1), stated
    seen = grey.ravel()[:: max(1, grey.size // _SAMPLE)]
    bottom, top = (float(np.percentile(seen, part)) for part in (100 - _TOP, _TOP))
    lowest, highest = float(grey.min()), float(grey.max())
    if top <= bottom:  # nearly all is one value: the rest is what there is to see
        bottom, top = lowest, highest
    if lowest < 0:
        return bottom, top
    if kind.kind == "f":
        fits = [full for full in (1.0, 255.0, 65535.0) if top <= full]
    else:
        fits = [2.0**bits - 1 for bits in range(1, 33) if top <= 2.0**bits - 1]
    if not fits or (top - bottom) * _NARROW < fits[0]:
        return bottom, top
    return 0.0, fits[0]


def _first(value: Any, other: float) -> float:
    """The first number of a tag."""
    found = value[0] if isinstance(value, tuple) and value else value
    return float(found) if isinstance(found, int | float) else other
