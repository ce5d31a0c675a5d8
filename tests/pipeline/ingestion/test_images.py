"""Pictures: every format, damage and bomb ends in RGB pixels or in an ImageError."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.config.sources import ImageSettings
from pipeline.ingestion.images import FORMATS, ImageError, decode, detail, pixel_hash, thumbnail

SETTINGS = ImageSettings(max_pixels=1_000_000)
LOSSLESS = ("BMP", "PNG", "TIFF", "PPM", "TGA", "QOI", "SGI", "PCX")


def photo(width: int = 96, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_decodes_and_every_cut_is_refused(kind: str) -> None:
    try:
        data = encoded(photo(), kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {kind}")
    image = decode(data, settings=SETTINGS)
    assert image.mode == "RGB"
    if kind in LOSSLESS:
        assert pixel_hash(image) == pixel_hash(photo())
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2], settings=SETTINGS)


def test_png_and_bmp_of_one_picture_hash_equal_and_one_pixel_counts() -> None:
    image = photo()
    png, bmp = (decode(encoded(image, kind), settings=SETTINGS) for kind in ("PNG", "BMP"))
    assert pixel_hash(png) == pixel_hash(bmp)
    assert len(pixel_hash(png)) == 32
    image.putpixel((0, 0), (1, 2, 3))
    assert pixel_hash(image) != pixel_hash(png)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello" * 50, "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not a picture"),
        (png_header(12345, 12345), "12345x12345 = 152,399,025 > limit 1,000,000"),
        (png_header(100_000, 100_000), "too many pixels"),
        (png_header(10, 10), "truncated"),
    ],
)
def test_unusable_bytes_say_why(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(data, settings=SETTINGS)


def test_an_icon_that_hides_a_bomb_is_refused_and_pillow_keeps_its_own_limit() -> None:
    before = Image.MAX_IMAGE_PIXELS
    inner = png_header(60_000, 60_000)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    with pytest.raises(ImageError, match="too many pixels"):
        decode(icon, settings=SETTINGS)
    assert before == Image.MAX_IMAGE_PIXELS


def test_our_limit_may_be_above_pillows() -> None:
    big = Image.new("1", (20_000, 10_000))  # 200 million, twice Pillow's limit and more
    data = encoded(big)
    with pytest.raises(ImageError, match="too many pixels"):
        decode(data, settings=ImageSettings())
    small = ImageSettings(max_pixels=200_000_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.ingestion.images._to_rgb", lambda image, **_: image)
        assert decode(data, settings=small).size == (20_000, 10_000)


def test_exif_orientation_turns_the_picture_and_broken_exif_does_not_harm() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(photo(), "JPEG", exif=exif), settings=SETTINGS)
    assert turned.size == (64, 96)
    damaged = encoded(photo(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert decode(damaged, settings=SETTINGS).size == (96, 64)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L"])
def test_transparency_is_laid_on_the_background(mode: str) -> None:
    options: dict[str, Any]
    settings = ImageSettings(background=(10, 20, 30))
    if mode in ("P", "L"):
        image, options = Image.new(mode, (8, 8), 0), {"transparency": 0}
    else:
        image, options = Image.new(mode, (8, 8)), {}
    assert decode(encoded(image, **options), settings=settings).getpixel((4, 4)) == (10, 20, 30)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode(data, settings=SETTINGS).getpixel((8, 8)) == (255, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0, 65535, 256).astype(np.uint16),
        np.linspace(0, 65535, 256).astype(np.int32),
        np.linspace(0, 1, 256).astype(np.float32),
        np.linspace(0, 255, 256).astype(np.float32),
        np.linspace(-5, 1e6, 256).astype(np.float32),
    ],
)
def test_deep_grey_is_scaled_to_eight_bits(values: np.ndarray) -> None:
    data = encoded(Image.fromarray(values.reshape(16, 16)), "TIFF")
    grey = np.asarray(decode(data, settings=SETTINGS))[..., 0].ravel()
    assert (grey[0], grey[-1]) == (0, 255)
    assert np.all(np.diff(grey.astype(int)) >= 0)


def test_float_pictures_may_hold_nan() -> None:
    values = np.full((8, 6), np.nan, np.float32)
    found = decode(encoded(Image.fromarray(values), "TIFF"), settings=SETTINGS)
    assert (found.mode, found.size) == ("RGB", (6, 8))


def test_cmyk_becomes_rgb() -> None:
    assert decode(encoded(photo().convert("CMYK"), "JPEG"), settings=SETTINGS).mode == "RGB"


DAMAGED = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "ICO", "JPEG2000", "AVIF")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", [kind for kind in DAMAGED if kind in FORMATS])
def test_random_damage_is_refused_or_still_a_picture(kind: str) -> None:
    rng = np.random.default_rng(1)
    sound = encoded(photo(48, 32), kind)
    outcomes = Counter[str]()
    for _ in range(40):
        data = bytearray(sound)
        for at in rng.integers(0, min(len(data), int(rng.choice([60, 10_000]))), 8):
            data[at] = int(rng.integers(256))
        try:
            outcomes[decode(bytes(data), settings=SETTINGS).mode] += 1
        except ImageError:
            outcomes["refused"] += 1
    # Every chunk of a PNG has a checksum; the others tell some damage from a picture.
    assert outcomes.keys() == ({"refused"} if kind == "PNG" else {"refused", "RGB"})


def test_detail_tells_photographs_from_nothing() -> None:
    rng = np.random.default_rng(0)
    gradient = np.tile(np.linspace(0, 255, 640), (480, 1)).astype(np.uint8)
    nearly_blank = (255 - rng.integers(0, 4, (300, 300))).astype(np.uint8)
    assert detail(Image.new("RGB", (500, 300), "teal")) == 0
    assert detail(Image.fromarray(gradient)) < 0.05
    assert detail(Image.fromarray(nearly_blank)) < 0.05
    assert detail(photo(15, 15)) < 0.2
    assert detail(photo(6, 6)) == 0
    assert 0.5 < detail(photo(640, 480)) <= 1


def test_thumbnail_is_a_small_jpeg_that_never_grows() -> None:
    wide = Image.open(io.BytesIO(thumbnail(photo(1000, 10), longest=160)))
    assert (wide.format, wide.size) == ("JPEG", (160, 2))
    assert Image.open(io.BytesIO(thumbnail(photo(40, 30), longest=160))).size == (40, 30)
    assert Image.open(io.BytesIO(thumbnail(photo(4000, 2), longest=16))).size == (16, 1)


@pytest.mark.parametrize(
    ("kind", "at_least", "size"),
    [("JPEG", 200, (400, 300)), ("JPEG", 301, (800, 600)), ("JPEG", 1, (100, 75)),
     ("JPEG", 601, (800, 600)), ("PNG", 1, (800, 600))],
)  # fmt: skip
def test_only_a_jpeg_is_reduced_and_never_too_far(
    kind: str, at_least: int, size: tuple[int, int]
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (800, 600), (10, 200, 30)).save(file, kind)
    assert decode(file.getvalue(), settings=SETTINGS, at_least=at_least).size == size
    assert decode(file.getvalue(), settings=SETTINGS).size == (800, 600)
