"""The edits a picture of the sample went through, each a small pure function on a Pillow image.

A recipe is written as `crop 5 5 95 95|grey|quality 60`: names and numbers, applied in order.
`quality` is no edit but the setting the result is saved with.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from pipeline.errors import SourceError

FORMATS = {
    "bmp": "BMP",
    "jpg": "JPEG",
    "png": "PNG",
    "tiff": "TIFF",
    "webp": "WEBP",
}
QUALITY = 90
ORIENTATION = 0x0112  # EXIF tag; 6 means: turn a quarter clockwise for display


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut out a box given in percent of width and height."""
    width, height = image.size
    box = (left * width, top * height, right * width, bottom * height)
    return image.crop(tuple(round(side / 100) for side in box))  # type: ignore[arg-type]


def width(image: Image.Image, pixels: float) -> Image.Image:
    """Resize to a width in pixels, keeping the aspect ratio."""
    size = (round(pixels), round(image.height * pixels / image.width))
    return image.resize(size, Image.Resampling.LANCZOS)


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    """Turn anticlockwise on a white ground, growing the canvas to hold all of it."""
    turned = image.convert("RGB")
    return turned.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(255, 255, 255))


def orient(image: Image.Image) -> Image.Image:
    """Store the pixels a quarter turn off with the EXIF tag that says so, as telephones do."""
    turned = image.convert("RGB").transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[ORIENTATION] = 6
    return turned


def hue(image: Image.Image, degrees: float) -> Image.Image:
    """Shift every hue around the colour circle."""
    shift = round(degrees / 360 * 256)
    tone, saturation, value = image.convert("HSV").split()
    moved = tone.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def flatten(image: Image.Image) -> Image.Image:
    """Lay a transparent picture on white."""
    top = image.convert("RGBA")
    ground = Image.new("RGBA", top.size, (255, 255, 255, 255))
    return Image.alpha_composite(ground, top).convert("RGB")


def text(image: Image.Image, *words: str) -> Image.Image:
    """Write a caption on a dark bar over the lower edge."""
    captioned = image.convert("RGB")
    draw = ImageDraw.Draw(captioned)
    top = captioned.height * 0.88
    draw.rectangle((0, top, captioned.width, captioned.height), fill=(20, 20, 20))
    draw.text((12, top + 8), " ".join(words), fill=(255, 255, 255), font_size=24)
    return captioned


def speck(image: Image.Image, x: float, y: float) -> Image.Image:
    """Put one grain of dust on an empty page."""
    page = image.copy()
    ImageDraw.Draw(page).ellipse((x, y, x + 3, y + 3), fill=(190, 190, 190))
    return page


# By name in a recipe; every value is a number.
NUMERIC: dict[str, Callable[..., Image.Image]] = {
    "border": lambda image, pixels: ImageOps.expand(image.convert("RGB"), round(pixels), "#f4f1ea"),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "crop": crop,
    "flatten": flatten,
    "grey": ImageOps.grayscale,
    "hue": hue,
    "mirror": ImageOps.mirror,
    "orient": orient,
    "rotate": rotate,
    "speck": speck,
    "width": width,
}


def apply(image: Image.Image, recipe: str) -> tuple[Image.Image, int]:
    """Return the edited picture and the quality to save it with.

    Raises:
        SourceError: the recipe names an edit that does not exist.
    """
    quality = QUALITY
    for step in filter(None, recipe.split("|")):
        name, *values = step.split()
        if name == "quality":
            quality = int(values[0])
        elif name == "text":
            image = text(image, *values)
        elif name in NUMERIC:
            image = NUMERIC[name](image, *map(float, values))
        else:
            raise SourceError(f"no edit {name!r}; there are {', '.join(sorted(NUMERIC))} and text")
    return image, quality


def encode(image: Image.Image, *, suffix: str, quality: int) -> bytes:
    """Return the picture as a file of the format that the suffix stands for."""
    target = BytesIO()
    options = {"quality": quality} if suffix in ("jpg", "webp") else {}
    exif = image.getexif()
    if ORIENTATION in exif:
        options["exif"] = exif.tobytes()  # type: ignore[assignment]
    image.save(target, FORMATS[suffix], **options)
    return target.getvalue()
