"""Pictures in their seven other orientations: turned by quarters, mirrored, or both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.fingerprint import fingerprint_of
from pipeline.encoders.image.base import PictureEncoder
from pipeline.encoders.image.loader import Pixels

OTHERS = 7  # beside the one that a picture comes in


def orient(pixels: Pixels, number: int) -> Pixels:
    """Square pictures (n, 3, s, s), turned by `number` quarters and, from 4 on, then mirrored."""
    turned = np.rot90(pixels, number % 4, axes=(2, 3))
    return np.ascontiguousarray(turned[..., ::-1] if number >= 4 else turned)


def open_turned(encoder: PictureEncoder) -> PictureEncoder:
    """The same network over each picture's other orientations, decoded once.

    A vector is that of the seven orientations one after the other, 7 d long; each part has the norm
    1 / √7, as the whole has unit norm.
    """

    def network(pixels: Pixels) -> NDArray[Any]:
        parts = []
        for number in range(1, OTHERS + 1):
            raw = np.asarray(encoder.network(orient(pixels, number)), np.float64)
            norms = np.sqrt(np.square(raw).sum(axis=1, keepdims=True))
            parts.append(raw / np.maximum(norms, np.finfo(np.float32).tiny))
        return np.concatenate(parts, axis=1)

    return replace(
        encoder,
        network=network,
        name=f"{encoder.name}, turned and mirrored",
        fingerprint=fingerprint_of(of=encoder.fingerprint, orientations=OTHERS),
        dimension=OTHERS * encoder.dimension,
    )
