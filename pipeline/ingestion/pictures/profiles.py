"""Colour profiles: the colours of a picture as its ICC profile means them, in sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # mode -> what the profile must be of
_UNSEEN = 3  # grey levels by which a profile may move a colour and still be taken for sRGB
_STEPS = np.linspace(0, 255, 9).round().astype(np.uint8)


def apply_profile(image: Image.Image) -> Image.Image:
    """Return a loaded picture in sRGB, RGB or, where it is transparent, RGBA.

    Itself where it has no profile, sRGB's, or a broken one.
    """
    profile = image.info.get("icc_profile")
    if not profile or not isinstance(profile, bytes):
        return image
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    base = image
    if image.mode not in _SPACES:
        base = image.convert("L" if image.mode == "LA" else "RGB")
    transform = _transform(profile, base.mode)
    if transform is None:
        return image
    try:
        moved = ImageCms.applyTransform(base, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if moved is None:
        return image
    if alpha is not None:
        moved.putalpha(alpha)
    return moved


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> Any:
    """The way to sRGB; None where there is none, or one that changes next to nothing."""
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if own.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        way = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode == "CMYK":
            return way
        sample = _sample(mode)
        moved = ImageCms.applyTransform(sample, way)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    shift = np.asarray(moved, np.int16) - np.asarray(sample.convert("RGB"), np.int16)
    return None if np.abs(shift).max() <= _UNSEEN else way


def _sample(mode: str) -> Image.Image:
    """Every mixture of some levels."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    colours = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1)
    return Image.fromarray(colours.reshape(len(_STEPS), -1, 3))
