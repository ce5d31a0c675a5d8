"""What a file holds beside its pixels: frames, pages, alpha, depth, compression, a camera's raw."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.config import ImageSettings
from pipeline.ingestion.images import ImageError, decode, decode_whole
from pipeline.ingestion.pictures.deep_grey import scale_deep
from pipeline.ingestion.pictures.holdings import LOSSLESS, Holdings
from pipeline.ingestion.pictures.profiles import apply_profile

SETTINGS = ImageSettings()


def photo(seed: int = 0, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A smooth picture in colour."""
    y, x = np.mgrid[: size[1], : size[0]]
    waves = [np.sin(x / (5 + n) + seed) + np.cos(y / (7 - n) + seed * n) for n in range(3)]
    return Image.fromarray(np.stack([(60 * wave + 128) for wave in waves], 2).astype(np.uint8))


def held(image: Image.Image, kind: str, *, ending: str = "", **how: Any) -> Holdings:
    sink = io.BytesIO()
    image.save(sink, kind, **how)
    return decode_whole(sink.getvalue(), settings=SETTINGS, ending=ending)[1]


def same_seen(one: Holdings, other: Holdings) -> bool:
    return (one.unseen, one.beyond) == (other.unseen, other.beyond)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_frames_and_pages_after_the_first_count(kind: str) -> None:
    lossless: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}

    def several(*seeds: int) -> Holdings:
        first, *others = map(photo, seeds)
        return held(first, kind, save_all=True, append_images=others, **lossless)

    alone = held(photo(), kind, **lossless)
    assert (alone.frames, alone.unseen) == (1, None)
    two, again, other = several(0, 1), several(0, 1), several(0, 2)
    assert (two.frames, other.frames) == (2, 2)
    assert same_seen(two, again)
    assert two.unseen != other.unseen
    assert two.beyond != other.beyond
    assert two.unseen


def test_what_is_transparent_counts_and_colours_under_nothing_do_not() -> None:
    def cut(hole: tuple[int, int], under: int) -> Holdings:
        pixels = np.asarray(photo().convert("RGBA")).copy()
        pixels[slice(*hole), :10, :3] = under
        pixels[slice(*hole), :10, 3] = 0
        return held(Image.fromarray(pixels), "PNG")

    opaque = held(photo().convert("RGBA"), "PNG")
    assert (opaque.alpha, opaque.unseen) == (False, None)
    assert cut((0, 5), 0).alpha
    assert same_seen(cut((0, 5), 0), cut((0, 5), 200)), "what no viewer shows"
    assert not same_seen(cut((0, 5), 0), cut((5, 10), 0))


def test_two_logos_in_white_ink_are_known_to_be_others() -> None:
    def logo(at: int) -> Holdings:
        pixels = np.full((40, 40, 4), 255, np.uint8)
        pixels[..., 3] = 0
        pixels[at : at + 8, 5:30, 3] = 255
        return held(Image.fromarray(pixels), "PNG")

    assert "ink=" in (logo(3).beyond or "")
    assert logo(3).beyond != logo(20).beyond
    assert logo(3).beyond == logo(3).beyond


def test_depth_tells_masks_of_small_values_apart_and_eight_bits_in_sixteen_not() -> None:
    def deep(top: int, *, spread: bool = False) -> Holdings:
        values = np.arange(1600, dtype=np.uint16).reshape(40, 40) % top
        values = values * 257 if spread else values
        return held(Image.fromarray(values.astype(np.uint16)), "PNG")

    assert deep(5).bits == 16
    assert deep(5).unseen != deep(6).unseen
    assert deep(4096).beyond, "the values that became black and white are told"
    stretched = deep(256, spread=True)
    assert (stretched.unseen, stretched.beyond) == (None, None), "eight bits, written in sixteen"


def test_deep_grey_is_scaled_by_what_the_file_states_or_holds() -> None:
    twelve = np.linspace(0, 4095, 1600).astype(np.uint16).reshape(40, 40)
    found = scale_deep(Image.fromarray(twelve))
    assert (found.low, found.high) == (0.0, 4095.0)
    assert (int(found.grey.min()), int(found.grey.max())) == (0, 255)
    sink = io.BytesIO()
    Image.fromarray(twelve).save(sink, "TIFF", tiffinfo={262: 0, 258: 16})  # white is zero
    inverted = scale_deep(Image.open(io.BytesIO(sink.getvalue())))
    assert inverted.grey[0, 0] > inverted.grey[-1, -1]
    floats = scale_deep(Image.fromarray(np.array([[0.0, 0.5, np.nan, 1.0]], np.float32)))
    assert floats.grey.tolist() == [[0, 128, 0, 255]]


def test_a_grey_picture_in_three_channels_has_the_depth_of_one() -> None:
    grey = photo().convert("L")
    assert held(grey, "PNG").bits == held(grey.convert("RGB"), "PNG").bits == 8
    assert held(grey.convert("RGB"), "JPEG", quality=90).bits == 8
    assert held(photo(), "PNG").bits == 24
    spotted = np.asarray(grey.convert("RGB")).copy()
    spotted[3, 5] = (200, 10, 10)
    assert held(Image.fromarray(spotted), "PNG").bits == 24, "one coloured pixel is a colour"
    assert held(photo().quantize(16), "PNG").bits < 24


def test_quality_is_told_by_the_format_and_a_jpegs_tables() -> None:
    assert held(photo(), "PNG").quality == held(photo(), "BMP").quality == LOSSLESS
    assert held(photo(), "WEBP", lossless=True).quality == LOSSLESS > held(photo(), "WEBP").quality
    steps = [held(photo(), "JPEG", quality=quality).quality for quality in (15, 50, 75, 95)]
    assert steps == sorted(steps)
    assert len(set(steps)) == 4
    assert all(
        abs(step - quality) <= 3 for step, quality in zip(steps, (15, 50, 75, 95), strict=True)
    )
    assert steps[-1] < LOSSLESS


def test_a_cameras_raw_file_is_told_by_its_ending_and_differs_by_its_bytes() -> None:
    one, other = held(photo(), "TIFF", ending=".nef"), held(photo(), "TIFF", ending=".tif")
    assert (one.raw, other.raw) == (True, False)
    assert one.unseen
    assert other.unseen is None


def test_a_profile_moves_the_colours_and_srgb_or_a_broken_one_does_not() -> None:
    picture = photo()
    assert apply_profile(picture) is picture
    for profile in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"broken"):
        picture.info["icc_profile"] = profile
        assert apply_profile(picture) is picture
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture.info["icc_profile"] = lab  # of another space than the picture
    assert apply_profile(picture) is picture


def test_what_a_profile_says_decides_whether_two_files_are_one() -> None:
    # Red and green exchanged: the matrix columns of sRGB's profile, swapped.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    sink, exchanged = io.BytesIO(), io.BytesIO()
    photo().save(sink, "PNG", icc_profile=bytes(profile))
    red_, green_, blue = photo().split()
    Image.merge("RGB", (green_, red_, blue)).save(exchanged, "PNG")
    one, other = (
        np.asarray(decode(data.getvalue(), settings=SETTINGS), np.int16)
        for data in (sink, exchanged)
    )
    assert np.abs(one - other).max() <= 4, "the colours that are meant, not the numbers"


@pytest.mark.parametrize("broken", [b"", b"GIF89a", b"%PDF-1.4 nothing", b"<svg", b"\xff\x0a" * 9])
def test_what_cannot_be_read_is_an_error_of_its_own(broken: bytes) -> None:
    with pytest.raises(ImageError):
        decode_whole(broken, settings=SETTINGS)
