"""A small luminance grid: a deterministic image encoder without a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.config import ImageSettings, ToyImage
from pipeline.encoders.fingerprint import fingerprint_of
from pipeline.encoders.image.base import PictureEncoder
from pipeline.encoders.image.loader import PREPARED, Pixels

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_FLAT = 0.05  # keeps blank pictures from having no direction; they are all alike


def luminance_grid(pixels: Pixels) -> NDArray[np.float64]:
    """Return luminance in [-1, 1] about its own mean, and a small constant: (n, s * s + 1)."""
    luminance = np.einsum("nchw,c->nhw", pixels, _LUMA).reshape(len(pixels), -1) / 255
    centred = luminance - luminance.mean(axis=1, keepdims=True)
    return np.hstack([centred, np.full((len(pixels), 1), _FLAT)])


def open_toy_image(config: ToyImage, *, images: ImageSettings) -> PictureEncoder:
    """Make the encoder: dimension grid² + 1, no files."""
    return PictureEncoder(
        network=luminance_grid,
        image_size=config.grid,
        name="toy-luminance",
        fingerprint=fingerprint_of(
            encoder="toy_image", grid=config.grid, prepared=PREPARED, version=1
        ),
        dimension=config.grid**2 + 1,
        batch_size=256,
        images=images,
        threads=1,
        prepare_thread=int,
    )
