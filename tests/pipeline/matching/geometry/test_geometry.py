"""Geometry: an edit is found with what it did, and two photographs are not one."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from pipeline.matching.geometry.alignment import Alignment, align, are_unlike, is_verified
from pipeline.matching.geometry.describe_edit import describe_edits, overlay_outlines
from pipeline.matching.geometry.keypoints import Keypoints, mirror_keypoints, shrink
from pipeline.matching.geometry.pixels import Matrix, move_pixels
from pipeline.sample.pictures import photograph

PHOTOS = ("skimage/chelsea.png", "skimage/coffee.png", "skimage/astronaut.png", "sklearn/china.jpg")
Edit = Callable[[Image.Image], Image.Image]


@cache
def photo(name: str = "skimage/coffee.png") -> Image.Image:
    return shrink(Image.open(photograph(name)).convert("RGB"), 400)


@cache
def points(name: str = "skimage/coffee.png") -> Keypoints:
    return Keypoints.of(photo(name))


def aligned(edit: Edit, name: str = "skimage/coffee.png") -> Alignment:
    found = align(points(name), Keypoints.of(edit(photo(name))))
    assert found is not None
    return found


def jpeg(quality: int) -> Edit:
    def make(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return make


def cropped(image: Image.Image) -> Image.Image:
    """Keep 80 % of each side."""
    width, height = image.size
    return image.crop((width // 10, height // 10, width - width // 10, height - height // 10))


def resized(by: float) -> Edit:
    return lambda image: image.resize((round(image.width * by), round(image.height * by)))


def covered(image: Image.Image) -> Image.Image:
    """Lay a box over 12 % of it."""
    copy = image.copy()
    box = (40, 60, 40 + round(image.width * 0.4), 60 + round(image.height * 0.3))
    ImageDraw.Draw(copy).rectangle(box, fill=(250, 250, 60))
    return copy


def labelled(image: Image.Image) -> Image.Image:
    """Lay a small box over it."""
    copy = image.copy()
    box = (40, 60, 40 + round(image.width * 0.2), 60 + round(image.height * 0.12))
    ImageDraw.Draw(copy).rectangle(box, fill=(250, 250, 60))
    return copy


def perspective(image: Image.Image) -> Image.Image:
    rows = (1.0, 0.08, 0.0, 0.03, 1.0, 0.0, 0.0003, 0.0004)
    return image.transform(image.size, Image.Transform.PERSPECTIVE, rows, Image.Resampling.BICUBIC)


def onto(image: Image.Image) -> Image.Image:
    ground = photo("skimage/chelsea.png").resize((600, 500))
    ground.paste(image, (100, 60))
    return ground


BICUBIC = Image.Resampling.BICUBIC
EDITED: dict[str, Edit] = {
    "no visible change": jpeg(90),
    "mirrored": ImageOps.mirror,
    "flipped top to bottom": ImageOps.flip,
    "rotated by 180°": lambda image: image.rotate(180),
    "rotated by 25° anticlockwise": lambda image: image.rotate(25, BICUBIC, expand=True),
    "rotated by 90° clockwise": lambda image: image.rotate(-90, expand=True),
    "cropped to 64 %": cropped,
    "enlarged 2 times": resized(2),
    "reduced to 50 %": resized(0.5),
    "overlaid on 3 %": labelled,
    "recoloured": lambda image: ImageEnhance.Color(image).enhance(2.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "recompressed or blurred": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "set into a larger picture (": lambda image: ImageOps.expand(image, 50, (20, 40, 90)),
    "stretched 1.3 times": lambda image: image.resize((image.width, round(image.height * 1.3))),
    "sharpened": lambda image: ImageEnhance.Sharpness(image).enhance(4),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", EDITED)
@pytest.mark.parametrize("name", PHOTOS[1:3])
def test_an_edit_is_verified_and_named(words: str, name: str) -> None:
    found = aligned(EDITED[words], name)
    assert is_verified(found)
    assert any(one.startswith(words) for one in describe_edits(found)), describe_edits(found)


@pytest.mark.parametrize("name", PHOTOS[1:3])
def test_one_ground_around_two_contents_is_unlike(name: str) -> None:
    other, found = Keypoints.of(covered(photo(name))), aligned(covered, name)
    assert are_unlike(points(name), other, found)
    assert not is_verified(found)


def test_what_has_enough_to_compare_and_is_not_found_is_unlike() -> None:
    one, other = points(PHOTOS[1]), points(PHOTOS[2])
    assert are_unlike(one, other, align(one, other))
    crop = Keypoints.of(cropped(photo(PHOTOS[1])))
    assert not are_unlike(one, crop, align(one, crop))
    flat = Keypoints.of(Image.new("RGB", (300, 200), "red"))
    assert not are_unlike(one, flat, align(one, flat))


@pytest.mark.parametrize("edit", [perspective, onto, jpeg(15)])
@pytest.mark.parametrize("name", PHOTOS[1:])
def test_harder_edits_are_verified(edit: Edit, name: str) -> None:
    assert is_verified(aligned(edit, name))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    angle=st.floats(-170, 170), scale=st.floats(0.6, 2.0), mirror=st.booleans(),
    name=st.sampled_from(PHOTOS[1:3]),
)  # fmt: skip
def test_angle_scale_and_mirroring_are_measured(
    angle: float, scale: float, mirror: bool, name: str
) -> None:
    def edit(image: Image.Image) -> Image.Image:
        image = ImageOps.mirror(image) if mirror else image
        return resized(scale)(image.rotate(angle, Image.Resampling.BICUBIC, expand=True))

    found = aligned(edit, name)
    assert found.mirrored == mirror
    assert abs((found.rotation - angle + 180) % 360 - 180) < 1
    assert found.scale == pytest.approx(scale, rel=0.03)
    assert found.left_share > 0.97


def test_the_transform_and_the_outlines_are_relative() -> None:
    found = aligned(cropped)
    corners = np.array([(0.1, 0.1), (0.9, 0.9), (0.5, 0.5)])
    inside = np.array([(0, 0), (1, 1), (0.5, 0.5)])
    np.testing.assert_allclose(move_pixels(found.transform, corners), inside, atol=0.01)
    low, high = found.left_outline.min(axis=0), found.left_outline.max(axis=0)
    np.testing.assert_allclose([low, high], [(0.1, 0.1), (0.9, 0.9)], atol=0.01)
    assert found.right_share > 0.99
    assert found.agreement > 0.95


def test_the_size_of_the_file_counts_for_the_scale() -> None:
    small = Keypoints.of(photo().resize((200, 133)), size=(2000, 1330))
    found = align(points(), small)
    assert found is not None
    assert found.scale == pytest.approx(2000 / photo().width, rel=0.02)


@pytest.mark.parametrize("edit", [cropped, ImageOps.mirror, perspective, resized(0.5), onto])
def test_both_orders_say_the_same(edit: Edit) -> None:
    other = Keypoints.of(edit(photo()))
    one, two = align(points(), other), align(other, points())
    assert one is not None
    assert two is not None
    assert is_verified(one) == is_verified(two)
    assert (one.inliers, one.agreement) == (two.inliers, two.agreement)
    np.testing.assert_allclose(one.transform @ two.transform, np.eye(3) *
                               (one.transform @ two.transform)[2, 2], atol=1e-6)  # fmt: skip
    assert (one.left_share, one.right_share) == (two.right_share, two.left_share)
    turn = one.rotation if one.mirrored else -one.rotation
    assert two.rotation == turn
    assert one.scale * two.scale == pytest.approx(1)


def test_it_is_deterministic() -> None:
    first, second = aligned(perspective), aligned(perspective)
    assert first.transform.tobytes() == second.transform.tobytes()
    assert first.agreement == second.agreement


def test_different_photographs_are_not_verified() -> None:
    for place, left in enumerate(PHOTOS):
        for right in PHOTOS[place + 1 :]:
            assert not is_verified(align(points(left), points(right)))


def test_a_second_view_of_one_scene_is_not_verified() -> None:
    views = [Keypoints.of(photo(f"skimage/motorcycle_{side}.png")) for side in ("left", "right")]
    found = align(*views)
    assert found is not None
    assert not is_verified(found)


def test_a_common_frame_or_sticker_is_no_copy() -> None:
    def framed(name: str) -> Image.Image:
        page = photo("sklearn/china.jpg").resize((420, 320))
        page.paste(photo(name).resize((330, 240)), (45, 40))
        return page

    def with_sticker(name: str) -> Image.Image:
        picture = photo(name).resize((400, 300))
        picture.paste(photo("sklearn/china.jpg").resize((160, 110)), (20, 20))
        return picture

    for make in (framed, with_sticker):
        left, right = (Keypoints.of(make(name)) for name in PHOTOS[1:3])
        assert not is_verified(align(left, right))


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (15, 15), (17, 17), (200, 100)])
def test_blank_and_tiny_pictures_give_nothing(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    for image in (Image.new("RGB", size, "teal"), Image.fromarray(noise)):
        made = Keypoints.of(image)
        assert align(made, points()) is None
        assert not is_verified(align(points(), made))
    blank = Keypoints.of(Image.new("RGB", size))
    assert align(blank, blank) is None


def test_descriptors_are_mirrored_as_the_picture_is() -> None:
    assert (mirror_keypoints(mirror_keypoints(points().descriptors)) == points().descriptors).all()
    same = mirror_keypoints(points().descriptors).astype(float)
    other = Keypoints.of(ImageOps.mirror(photo())).descriptors.astype(float)
    cosine = (same @ other.T) / 512**2
    assert np.median(cosine.max(axis=1)) > 0.99


def test_a_picture_takes_little_memory() -> None:
    assert points().nbytes < 160_000
    assert len(points().points) <= 400


def sheet_of(left: Image.Image, right: Image.Image, transform: Matrix) -> Image.Image:
    made = overlay_outlines(left, right, transform=transform)
    assert made is not None
    return Image.open(io.BytesIO(made))


@pytest.mark.parametrize("edit", [covered, cropped, ImageOps.mirror, onto, resized(0.3)])
def test_the_overlay_is_a_picture_of_report_size(edit: Edit) -> None:
    right = edit(photo())
    found = align(points(), Keypoints.of(right))
    assert found is not None
    sheet = sheet_of(photo(), right, found.transform)
    assert sheet.format == "JPEG"
    assert max(sheet.size) <= 2 * 240 + 6
    pixels = np.asarray(sheet.convert("RGB")).astype(int)
    green = (pixels[..., 1] - pixels[..., 0] > 90) & (pixels[..., 1] - pixels[..., 2] > 40)
    assert green.sum() > 100


def test_what_differs_is_tinted_in_its_place() -> None:
    right = covered(photo())
    found = align(points(), Keypoints.of(right))
    assert found is not None
    before, after = (
        np.asarray(sheet_of(photo(), other, found.transform)).astype(int)
        for other in (photo(), right)
    )
    changed = np.abs(after - before).sum(axis=-1)[:, :240] > 60  # the left picture is the same
    rows, columns = np.nonzero(changed)
    scale = 240 / photo().width
    assert abs(columns.mean() - (40 + 0.2 * photo().width) * scale) < 12
    assert abs(rows.mean() - (60 + 0.15 * photo().height) * scale) < 12


@pytest.mark.parametrize("edit", [cropped, ImageOps.mirror, perspective, onto])
def test_the_overlay_needs_no_more_than_the_kept_transform(edit: Edit) -> None:
    found = aligned(edit)
    kept = np.asarray(found.transform.astype(np.float32), np.float64)
    one, other = (sheet_of(photo(), edit(photo()), part) for part in (found.transform, kept))
    assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean() < 0.5
    back = np.linalg.inv(kept).astype(np.float64)
    turned = sheet_of(edit(photo()), photo(), back)
    assert turned.size == one.size


@pytest.mark.parametrize(
    "transform",
    [
        np.zeros((3, 3)),
        np.full((3, 3), np.nan),
        np.diag([1.0, 0.0, 1.0]),
        np.array([[1, 0, 3], [0, 1, 0], [0, 0, 1]], float),  # beside the picture
        np.array([[1, 0, 0], [0, 1, 0], [-2, 0, 1]], float),  # a corner beyond the horizon
    ],
)
def test_a_degenerate_transform_has_no_overlay(transform: Matrix) -> None:
    assert overlay_outlines(photo(), photo(), transform=transform) is None
