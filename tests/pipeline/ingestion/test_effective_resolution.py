"""True resolution: enlarging adds none, and damage takes some away."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageFilter

from pipeline.ingestion.effective_resolution import effective_resolution
from pipeline.sample.pictures import photograph

PHOTOS = ("skimage/astronaut.png", "skimage/coffee.png", "sklearn/china.jpg", "sklearn/flower.jpg")
SMOOTH = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@cache
def photo(name: str) -> Image.Image:
    # Half of the camera's pixels, which hold full detail.
    image = Image.open(photograph(name)).convert("RGB")
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def scaled(image: Image.Image, by: float, kind: Image.Resampling) -> Image.Image:
    return image.resize((round(image.width * by), round(image.height * by)), kind)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_sharp_photograph_has_about_its_size(name: str) -> None:
    longest = max(photo(name).size)
    assert 0.6 * longest < effective_resolution(photo(name)) <= longest


@pytest.mark.parametrize("by", [1.5, 2, 4])
@pytest.mark.parametrize("kind", SMOOTH)
@pytest.mark.parametrize("name", PHOTOS)
def test_enlarging_adds_no_detail(name: str, kind: Image.Resampling, by: float) -> None:
    own = effective_resolution(photo(name))
    assert 0.6 * own < effective_resolution(scaled(photo(name), by, kind)) <= 1.06 * own


@pytest.mark.parametrize("name", PHOTOS)
def test_a_smaller_copy_has_less_whatever_its_pixels(name: str) -> None:
    own = effective_resolution(photo(name))
    half = scaled(photo(name), 0.5, Image.Resampling.LANCZOS)
    back = scaled(half, 2, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    back.save(file, "JPEG", quality=85)
    for copy in (half, back, Image.open(file)):
        assert effective_resolution(copy) < 0.7 * own


@pytest.mark.parametrize("name", PHOTOS)
def test_blur_takes_detail_away(name: str) -> None:
    values = [
        effective_resolution(photo(name).filter(ImageFilter.GaussianBlur(radius)))
        for radius in (0, 0.7, 1.5, 3)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.4 * values[0]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (64, 64), (400, 10)])
def test_one_colour_has_none_and_nothing_raises(size: tuple[int, int]) -> None:
    assert effective_resolution(Image.new("RGB", size, "teal")) == 0
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert 0 <= effective_resolution(Image.fromarray(noise)) <= max(size)
