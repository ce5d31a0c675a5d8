"""Effective resolution of a picture: an enlarged copy has more pixels, but no more detail.

Photographs have a power that falls about as one over the squared frequency (Field 1987), so that
each octave of detail counts alike once the spectrum is weighted with the frequency squared, that
is: for the picture's gradient. Enlarging shifts all of that to the low frequencies and adds hardly
any above; blur and strong compression take the upper part away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Share of its longer side up to which a picture has detail, below which it counts as enlarged: of
# 70 published photographs half were above it, and none of them enlarged by half; pictures made
# smaller for the web come near 1.
ENLARGED = 0.75

_LINES = 48  # rows and columns looked at: 256 take four times as long and agree within 5 %
_NOISE = 1.0  # grey levels squared per frequency; what rounding to whole levels and JPEG leave
_SHARE = 0.8  # of the gradient's power, taken as the place where detail ends
_SHARP = (
    0.9  # that place in a sharp photograph, share of the highest frequency; sqrt(0.8) in theory
)
_FLATTEST = 4  # lowest frequencies, cycles a picture, that are light and not detail
_SHORTEST = 16  # pixels on a side below which there is no spectrum to speak of


def effective_resolution(image: Image.Image) -> float:
    """Estimate the longer side, in pixels, up to which a picture has detail; at most its own.

    0 for one colour. Comparable only between pictures that show the same; a copy enlarged by any
    smooth filter comes out at or below its source, and a blurred one below it. Blocks (enlarging by
    repeated pixels), drawn-over text and noise count as detail.
    """
    if min(image.size) < _SHORTEST:
        return float(max(image.size)) if _varies(image) else 0.0
    width, height = image.size
    across = _end_of_detail(_grey(image, (width, min(_LINES, height))))
    down = _end_of_detail(_grey(image, (min(_LINES, width), height)).T)
    return max(image.size) * min(1.0, float(np.sqrt(across * down)) / _SHARP)


def _grey(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Some rows, or some columns, of a picture as they are: the other side is its own."""
    return np.asarray(image.resize(size, Image.Resampling.NEAREST).convert("L"))


def _end_of_detail(grey: NDArray[np.uint8]) -> float:
    """Return the frequency, along rows, below which lies 80 % of the gradient's power; 0 … 1."""
    lines = grey.astype(np.float32)
    window = np.hanning(lines.shape[1] + 2)[1:-1].astype(np.float32)
    lines = (lines - lines.mean(axis=1, keepdims=True)) * window
    found = np.fft.rfft(lines, axis=1)
    power = (found.real**2 + found.imag**2).mean(axis=0) / np.sum(window**2)
    frequency = np.arange(len(power))
    gradient = np.maximum(power - _NOISE, 0) * frequency**2
    gradient[:_FLATTEST] = 0
    total = np.cumsum(gradient)
    if total[-1] <= 0:
        return 0.0
    return float(np.interp(_SHARE * total[-1], total, frequency)) / (len(power) - 1)


def _varies(image: Image.Image) -> bool:
    low, high = np.asarray(image.convert("L")).min(), np.asarray(image.convert("L")).max()
    return bool(high > low)
