"""Pictures drawn from a number: two numbers, two pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw


def drawn(number: int) -> Image.Image:
    """A picture of many shapes."""
    generator = np.random.default_rng(number)
    picture = Image.new("RGB", (120, 90), tuple(generator.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        corners = generator.uniform(-10, 130, (int(generator.integers(3, 6)), 2))
        draw.polygon([*corners.ravel()], fill=tuple(generator.integers(0, 256, 3).tolist()))
    return picture


def smooth(number: int, size: tuple[int, int] = (48, 48), *, cells: int = 6) -> Image.Image:
    """A picture of `cells` × `cells` colours that run into each other."""
    grid = np.random.default_rng(number).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)


def png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def save(folder: Path, **pictures: Image.Image) -> None:
    """Write each picture as photos/<name>.png."""
    (folder / "photos").mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / "photos" / f"{name}.png")
