"""Edits of pictures as people make them: what turns a picture into a copy of itself.

Each edit is a small function of an RGB Pillow picture, a generator and, for pastes, another
picture; the generator alone decides how it is done. They make the views of self-supervised
training and the synthetic pairs of a calibration without labels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Picture = Image.Image
Colour = tuple[int, int, int]

_SMALLEST = 24  # pixels of a side that an edit leaves
_WORDS = ("the", "new", "sale", "when", "you", "only", "today", "best", "why", "not", "2024", "50%",
          "look", "free", "wow", "me", "and", "home", "good", "day")  # fmt: skip


@dataclass(frozen=True)
class EditedPicture:
    """A picture after edits, and their names in order."""

    picture: Picture
    edits: tuple[str, ...]


# --- geometry ----------------------------------------------------------------------------------


def crop(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Keep a box of 25 % to 90 % of the area, its aspect up to 1.5 times another."""
    share, aspect = random.uniform(0.25, 0.9), math.exp(random.uniform(-0.4, 0.4))
    width = _within(picture.width * math.sqrt(share * aspect), picture.width)
    height = _within(picture.height * math.sqrt(share / aspect), picture.height)
    left = int(random.integers(0, picture.width - width + 1))
    top = int(random.integers(0, picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def centre_square(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Cut to the square in the middle."""
    side = min(picture.size)
    return ImageOps.fit(picture, (side, side), Image.Resampling.BILINEAR)


def stretch(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Change the aspect by up to a half."""
    factor = math.exp(random.uniform(-0.4, 0.4))
    return picture.resize(
        (max(_SMALLEST, round(picture.width * factor)), picture.height), Image.Resampling.BILINEAR
    )


def shrink(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Scale down to between a fifth and all of the size."""
    factor = random.uniform(0.2, 0.9)
    return picture.resize(
        (max(_SMALLEST, round(picture.width * factor)),
         max(_SMALLEST, round(picture.height * factor))),
        Image.Resampling.BILINEAR,
    )  # fmt: skip


def mirror(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Swap left and right."""
    return ImageOps.mirror(picture)


def flip(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Swap top and bottom."""
    return ImageOps.flip(picture)


def quarter_turn(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Turn by 90, 180 or 270 degrees."""
    turns = [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270]
    return picture.transpose(turns[random.integers(3)])


def rotate(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Turn by up to 45 degrees; corners filled, or cut away with what is beyond the frame."""
    angle = random.uniform(-45, 45)
    if random.random() < 0.5:
        return picture.rotate(
            angle, Image.Resampling.BILINEAR, expand=True, fillcolor=_colour(random)
        )
    turned = picture.rotate(angle, Image.Resampling.BILINEAR)
    keep = 1 / (abs(math.cos(math.radians(angle))) + abs(math.sin(math.radians(angle))))
    width, height = (_within(side * keep, side) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return turned.crop((left, top, left + width, top + height))


def perspective(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Move each corner inwards by up to a fifth of a side."""
    width, height = picture.size
    inset = random.uniform(0, 0.2, (4, 2)) * (width, height)
    corners = np.array([(0, 0), (0, height), (width, height), (width, 0)], float)
    corners += inset * [(1, 1), (1, -1), (-1, -1), (-1, 1)]
    return picture.transform(
        picture.size, Image.Transform.QUAD, corners.reshape(-1).tolist(), Image.Resampling.BILINEAR
    )


# --- pixels ------------------------------------------------------------------------------------


def jpeg(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Compress, at a quality of 5 to 70."""
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=int(random.integers(5, 71)))
    return Image.open(stored).convert("RGB")


def blur(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Blur, by up to a hundredth of the shorter side."""
    return picture.filter(
        ImageFilter.GaussianBlur(random.uniform(0.003, 0.012) * min(picture.size))
    )


def sharpen(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Sharpen, up to strongly."""
    return ImageEnhance.Sharpness(picture).enhance(random.uniform(2, 8))


def noise(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Add Gaussian noise of a deviation of 5 to 40 of 255."""
    pixels = np.asarray(picture, np.float32)
    grain = random.standard_normal(pixels.shape, np.float32) * np.float32(random.uniform(5, 40))
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def pixelate(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Replace blocks of up to a thirtieth of a side by one colour."""
    side = random.uniform(30, 90) / min(picture.size)
    if side >= 1:
        return picture
    small = (max(8, round(picture.width * side)), max(8, round(picture.height * side)))
    return picture.resize(small, Image.Resampling.BOX).resize(
        picture.size, Image.Resampling.NEAREST
    )


def tone(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Change brightness, contrast and saturation, each by up to a half or twice."""
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(math.exp(random.uniform(-0.7, 0.7)))
    return picture


def hue(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Turn all colours around the wheel."""
    parts = list(picture.convert("HSV").split())
    shift = int(random.integers(10, 246))
    parts[0] = parts[0].point([(value + shift) % 256 for value in range(256)])
    return Image.merge("HSV", parts).convert("RGB")


def tint(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Mix with one colour, up to 40 %."""
    flat = Image.new("RGB", picture.size, _colour(random))
    return Image.blend(picture, flat, random.uniform(0.1, 0.4))


def grayscale(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Take the colours away."""
    return picture.convert("L").convert("RGB")


# --- what is laid around, over and under ---------------------------------------------------------


def pad(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Add bands of one colour at the sides, at top and bottom or around."""
    wide, high = ((1, 0), (0, 1), (1, 1))[random.integers(3)]
    x = round(wide * random.uniform(0.05, 0.35) * picture.width)
    y = round(high * random.uniform(0.05, 0.35) * picture.height)
    return ImageOps.expand(picture, (x, y, x, y), fill=_colour(random))


def words(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Write one to four lines of words."""
    picture, draw = _drawing(picture)
    for _ in range(random.integers(1, 5)):
        text = " ".join(random.choice(_WORDS, random.integers(1, 5)))
        draw.text(
            _place(picture, random), text, fill=_colour(random),
            font=_font(random.uniform(0.05, 0.16) * min(picture.size)),
        )  # fmt: skip
    return picture


def face(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Put one to three drawn faces, as emoji are, somewhere."""
    picture, draw = _drawing(picture)
    for _ in range(random.integers(1, 4)):
        radius = random.uniform(0.06, 0.25) * min(picture.size)
        x, y = _place(picture, random)
        fill = (255, int(random.integers(150, 230)), int(random.integers(0, 90)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        for side in (-0.4, 0.4):
            eye, size = (x + side * radius, y - 0.3 * radius), 0.14 * radius
            box = (eye[0] - size, eye[1] - 1.4 * size, eye[0] + size, eye[1] + 1.4 * size)
            draw.ellipse(box, fill=(60, 40, 20))
        mouth = (x - 0.5 * radius, y - 0.2 * radius, x + 0.5 * radius, y + 0.6 * radius)
        start = 0 if random.random() < 0.7 else 180
        draw.arc(mouth, start, start + 180, fill=(60, 40, 20), width=max(1, round(radius / 8)))
    return picture


def shapes(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Draw one to five boxes, ovals or lines."""
    picture, draw = _drawing(picture)
    for _ in range(random.integers(1, 6)):
        x, y = _place(picture, random)
        width, height = random.uniform(0.05, 0.3, 2) * picture.size
        box = (x, y, x + width, y + height)
        kind, colour = random.integers(3), _colour(random)
        thick = max(1, round(0.02 * min(picture.size)))
        if kind == 0:
            draw.rectangle(box, fill=colour if random.random() < 0.5 else None, outline=colour)
        elif kind == 1:
            draw.ellipse(box, fill=colour if random.random() < 0.5 else None, outline=colour)
        else:
            draw.line(box, fill=colour, width=thick)
    return picture


def stripes(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Lay parallel bars over it, a tenth to a half of the area."""
    picture, draw = _drawing(picture)
    count, colour = int(random.integers(3, 12)), _colour(random)
    across = random.random() < 0.5
    step = (picture.width if across else picture.height) / count
    thick = max(1, round(step * random.uniform(0.1, 0.5)))
    slope = random.uniform(-0.5, 0.5) * min(picture.size)
    for number in range(-2, count + 3):
        at = number * step
        ends = (at, 0, at + slope, picture.height) if across else (0, at, picture.width, at + slope)
        draw.line(ends, fill=colour, width=thick)
    return picture


def meme(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Put a band with a caption above it, below it or both."""
    band = round(random.uniform(0.12, 0.35) * picture.height)
    above, below = ((1, 0), (0, 1), (1, 1))[random.integers(3)]
    ground: Colour = (255, 255, 255) if random.random() < 0.7 else (0, 0, 0)
    ink: Colour = (0, 0, 0) if ground[0] else (255, 255, 255)
    size = (picture.width, picture.height + band * (above + below))
    framed = Image.new("RGB", size, ground)
    framed.paste(picture, (0, band * above))
    draw, font = ImageDraw.Draw(framed), _font(0.4 * band)
    for top in [0] * above + [picture.height + band * above] * below:
        text = " ".join(random.choice(_WORDS, random.integers(2, 7)))
        draw.text((0.05 * picture.width, top + 0.25 * band), text, fill=ink, font=font)
    return framed


def screenshot(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Show it on a page with bars, lines of text and margins, as a telephone does."""
    width, height = picture.size
    top, bottom = (round(random.uniform(0.08, 0.5) * height) for _ in range(2))
    side = round(random.uniform(0, 0.15) * width)
    dark = random.random() < 0.4
    ground = int(random.integers(0, 40)) if dark else int(random.integers(225, 256))
    page = Image.new("RGB", (width + 2 * side, height + top + bottom), (ground,) * 3)
    draw = ImageDraw.Draw(page)
    bar = (0, 0, page.width, round(0.35 * top))
    draw.rectangle(bar, fill=_colour(random))
    ink, line = (255 - ground,) * 3, 0.05 * height
    for start, end in ((0.4 * top, top), (top + height, page.height)):
        y = start + 0.3 * line
        while y + line < end:
            text = " ".join(random.choice(_WORDS, random.integers(2, 8)))
            draw.text((0.04 * width, y), text, fill=ink, font=_font(0.7 * line))
            y += 1.3 * line
    page.paste(picture, (side, top))
    return page


def onto(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Paste it onto another picture, of which it covers a quarter to four fifths."""
    share = math.sqrt(random.uniform(0.25, 0.8))
    ground = other.resize(
        (round(picture.width / share), round(picture.height / share)), Image.Resampling.BILINEAR
    )
    left = int(random.integers(0, ground.width - picture.width + 1))
    top = int(random.integers(0, ground.height - picture.height + 1))
    ground.paste(picture, (left, top))
    return ground


def under(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Paste another picture over a twentieth to three tenths of it, wholly or half seen through."""
    share = math.sqrt(random.uniform(0.05, 0.3))
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    patch = other.resize(size, Image.Resampling.BILINEAR)
    left = int(random.integers(0, picture.width - size[0] + 1))
    top = int(random.integers(0, picture.height - size[1] + 1))
    covered = picture.copy()
    if random.random() < 0.3:
        box = (left, top, left + size[0], top + size[1])
        patch = Image.blend(picture.crop(box), patch, random.uniform(0.4, 0.8))
    covered.paste(patch, (left, top))
    return covered


def blend(picture: Picture, random: Generator, other: Picture) -> Picture:
    """Let another picture shine through, up to 40 %."""
    ghost = other.resize(picture.size, Image.Resampling.BILINEAR)
    return Image.blend(picture, ghost, random.uniform(0.1, 0.4))


PictureEdit = Callable[[Picture, Generator, Picture], Picture]
PICTURE_EDITS: Mapping[str, PictureEdit] = {
    edit.__name__: edit
    for edit in (
        crop, centre_square, stretch, shrink, mirror, flip, quarter_turn, rotate, perspective,
        jpeg, blur, sharpen, noise, pixelate, tone, hue, tint, grayscale,
        pad, words, face, shapes, stripes, meme, screenshot, onto, under, blend,
    )
}  # fmt: skip


def edit_picture(
    picture: Picture, random: Generator, other: Picture, *, names: Sequence[str], count: int
) -> EditedPicture:
    """Apply `count` different edits out of `names`, drawn with the order by the generator.

    Args:
        other: for edits that paste. names: of EDITS, drawn with equal chance.

    Raises:
        KeyError: a name is no edit's.
    """
    drawn = random.choice(len(names), min(count, len(names)), replace=False)
    done = []
    for name in (names[number] for number in drawn.tolist()):
        picture = PICTURE_EDITS[name](picture, random, other)
        done.append(name)
    return EditedPicture(picture, tuple(done))


def _within(length: float, most: int) -> int:
    return min(most, max(min(_SMALLEST, most), round(length)))


def _colour(random: Generator) -> Colour:
    """Black, white or any colour."""
    kind = random.integers(4)
    if kind < 2:
        return (255 * int(kind),) * 3
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue


def _place(picture: Picture, random: Generator) -> tuple[float, float]:
    x, y = random.uniform(0, 0.9, 2) * picture.size
    return float(x), float(y)


def _drawing(picture: Picture) -> tuple[Picture, ImageDraw.ImageDraw]:
    picture = picture.copy()
    return picture, ImageDraw.Draw(picture)


_FONTS: dict[int, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    key = max(6, round(size))
    if key not in _FONTS:
        _FONTS[key] = ImageFont.load_default(key)
    return _FONTS[key]
