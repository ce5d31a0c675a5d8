"""A close look: a part that differs decides, however small; an edit of all of it does not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont
from sklearn.datasets import load_sample_image

from pipeline.matching.geometry.close_look import differing_parts, moved_boxes

SAME = np.eye(3)
Picture = Image.Image


def invoice(total: str = "1 440.00", name: str = "Alva Berg") -> Picture:
    page = Image.new("RGB", (700, 900), "white")
    draw = ImageDraw.Draw(page)
    for line in range(12):
        draw.text((60, 60 + 48 * line), f"{line} hours of work and travel", "black", font(22))
    draw.text((60, 680), f"Total {total} EUR", "black", font(22))
    draw.text((60, 740), f"to {name}", "black", font(22))
    return page


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def product(colour: str) -> Picture:
    page = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(page)
    draw.rounded_rectangle((90, 60, 310, 350), 30, fill=colour, outline="black", width=3)
    draw.line((200, 60, 200, 350), "black", 2)
    return page


def photograph() -> Picture:
    return Image.fromarray(load_sample_image("china.jpg"))


def saved(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def smaller(picture: Picture) -> Picture:
    size = picture.width * 6 // 10, picture.height * 6 // 10
    return picture.resize(size, Image.Resampling.LANCZOS)


HARMLESS: dict[str, Callable[[Picture], Picture]] = {
    "saved": lambda one: saved(one, 40),
    "smaller": smaller,
    "smaller and saved": lambda one: saved(smaller(one), 60),
    "grey": lambda one: one.convert("L").convert("RGB"),
    "brighter": lambda one: ImageEnhance.Brightness(one).enhance(0.8),
    "more contrast": lambda one: ImageEnhance.Contrast(one).enhance(1.3),
    "256 colours": lambda one: one.quantize(256).convert("RGB"),
    "blurred": lambda one: one.filter(ImageFilter.GaussianBlur(1.2)),
}


@pytest.mark.parametrize("edit", HARMLESS)
@pytest.mark.parametrize("made", [invoice, photograph], ids=["page", "photograph"])
def test_what_is_done_to_all_of_a_picture_is_no_part_that_differs(
    made: Callable[[], Picture], edit: str
) -> None:
    assert differing_parts(made(), HARMLESS[edit](made()), SAME) == []


@pytest.mark.parametrize("edit", ["saved", "smaller", "grey"])
@pytest.mark.parametrize(
    ("other", "place"), [(invoice(total="9 120.50"), 680), (invoice(name="Olaf Dahl"), 740)]
)
def test_an_amount_or_a_name_that_differs_is_found_and_boxed(
    other: Picture, place: int, edit: str
) -> None:
    parts = differing_parts(invoice(), HARMLESS[edit](other), SAME)
    assert parts
    for left, top, right, bottom in parts:
        assert 0 <= left < right <= 0.6
        assert place - 25 < top * 900 < bottom * 900 < place + 50


def test_another_part_of_a_photograph_is_found() -> None:
    other = photograph()
    other.paste(photograph().crop((10, 10, 60, 70)), (300, 200))
    (box, *_) = differing_parts(photograph(), other, SAME)
    width, height = other.size
    assert 280 < box[0] * width < box[2] * width < 370
    assert 180 < box[1] * height < box[3] * height < 280


def test_another_hue_is_a_difference_and_a_tone_is_none() -> None:
    assert differing_parts(product("firebrick"), product("royalblue"), SAME)
    warm = [band.point(lambda v, k=k: int(min(255, v * k))) for band, k in
            zip(product("firebrick").split(), (1.0, 0.95, 0.85), strict=True)]  # fmt: skip
    assert differing_parts(product("firebrick"), Image.merge("RGB", warm), SAME) == []


def test_boxes_are_of_the_left_picture_whichever_is_the_finer() -> None:
    page, other = invoice(), smaller(invoice(total="9 120.50"))
    one, two = (differing_parts(*sides, SAME) for sides in ((page, other), (other, page)))
    assert np.allclose(one, two, atol=0.02)
    shifted = np.array([[1.0, 0, 0.1], [0, 1.0, 0], [0, 0, 1.0]])
    assert np.allclose(moved_boxes([(0.2, 0.1, 0.4, 0.3)], shifted), [(0.3, 0.1, 0.5, 0.3)])
