"""Pictures: encoded bytes to RGB pixels, a hash of the pixels, a thumbnail, a detail score.

Colours are those that the file's profile means, in sRGB. HEIC opens where pillow-heif is installed;
AVIF needs no extra; JPEG XL, SVG and PDF see `pipeline.ingestion.pictures.documents`.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, __version__ as pillow_version

from pipeline.config import ImageSettings
from pipeline.errors import PipelineError
from pipeline.ingestion.pictures.deep_grey import MODES as _DEEP, DeepGrey, scale_deep
from pipeline.ingestion.pictures.documents import READERS, is_document, rasterised, readable
from pipeline.ingestion.pictures.holdings import Holdings, holdings_of, of_pages
from pipeline.ingestion.pictures.profiles import apply_profile

with suppress(ImportError):
    import pillow_heif

    pillow_heif.register_heif_opener()

# Raster formats only: Pillow would hand an EPS file to Ghostscript, which runs programs.
_WANTED = (
    "AVIF", "BMP", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "JXL", "MPO", "PCX", "PNG",
    "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip
Image.init()
FORMATS = [name for name in _WANTED if name in Image.OPEN]

# What Pillow's plugins raise on damaged or hostile files; UnidentifiedImageError is an OSError.
_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    NotImplementedError, AssertionError, EOFError, RuntimeError, MemoryError, struct.error,
    zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
_CUT_SHORT = ("truncat", "broken data stream", "unexpected end", "end of file", "not enough")
_ICON = b"\0\0\1\0"
_GRID = 64  # cells per side in `detail`
_NOISE = 2.0 / 255  # luminance a cell may differ from its neighbours without being detail
_FULL_SHARE = 0.5  # share of structured cells at which a picture counts as rich
_FULL_SIDE = 64  # shorter side, pixels, from which size no longer lowers the detail


class ImageError(PipelineError):
    """A picture that cannot be used; the message is the short reason shown in quarantine."""


def decoding_rules(settings: ImageSettings) -> str:
    """Name all that a decoded picture depends on but its bytes."""
    heif = pillow_heif.__version__ if "HEIF" in FORMATS else "none"
    others = " ".join(ending for ending in READERS if readable(ending))
    return (
        f"4 {others} pillow {pillow_version} heif {heif} pixels {settings.max_pixels} "
        f"background {settings.background} thumbnail {settings.thumbnail}"
    )


def decode(data: bytes, *, settings: ImageSettings, at_least: int | None = None) -> Image.Image:
    """Decode one picture to RGB: upright (EXIF), sRGB, first frame, transparency on the background.

    at_least: a JPEG may come at 1/2, 1/4 or 1/8 of its size, but no side below so many pixels. Its
    decoder then computes the smaller picture out of the frequencies: 12 megapixels took a third of
    the time.

    The header's size is checked before any pixel is decoded. The content decides the format, so a
    wrong file extension is harmless. Sixteen-bit and float pictures are scaled to 8 bits, see
    `pipeline.ingestion.pictures.deep_grey`.

    Raises:
        ImageError: nothing else, whatever the bytes are.
    """
    return _decoded(data, settings=settings, at_least=at_least, ending=None)[0]


def decode_whole(
    data: bytes, *, settings: ImageSettings, ending: str = ""
) -> tuple[Image.Image, Holdings]:
    """Decode one picture as `decode` does, and tell what else its file holds.

    Args:
        ending: of the file's name, in lower case.

    Raises:
        ImageError: nothing else, whatever the bytes are.
    """
    image, held = _decoded(data, settings=settings, at_least=None, ending=ending)
    assert held is not None
    return image, held


def _decoded(
    data: bytes, *, settings: ImageSettings, at_least: int | None, ending: str | None
) -> tuple[Image.Image, Holdings | None]:
    """The picture and, with an `ending`, what its file holds."""
    if not data:
        raise ImageError("empty file")
    whole, pages = data, 1
    try:
        if is_document(data):
            drawn = rasterised(data)
            if drawn is None:
                raise ImageError(
                    "not a picture we can decode: a drawing or PDF, and nothing here reads it"
                )
            data, pages = drawn
        # An icon is decoded as it is opened; for the others our own message has the size.
        with _pillow_limit(settings.max_pixels if data.startswith(_ICON) else math.inf):
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image.size, limit=settings.max_pixels)
        with image, _pillow_limit(settings.max_pixels):
            if at_least is not None:
                image.draft(image.mode, (at_least, at_least))
            image.load()
            # An icon may hold a picture of another size than its directory says.
            _check_size(image.size, limit=settings.max_pixels)
            image = _upright(image)
            deep = scale_deep(image) if image.mode in _DEEP else None
            shown = _to_rgb(image, deep=deep, background=settings.background)
            if ending is None:
                return shown, None
            held = holdings_of(
                image, data, ending=ending, deep=deep, background=settings.background
            )
            return shown, of_pages(held, whole, pages) if pages > 1 else held
    except ImageError:
        raise
    except _BROKEN as error:
        raise ImageError(_reason(error)) from error


def pixel_hash(image: Image.Image) -> str:
    """Hash the decoded pixels: 32 hex digits, equal for a PNG and a BMP of one picture."""
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    digest = blake2b(f"RGB {rgb.width}x{rgb.height}\n".encode(), digest_size=16)
    digest.update(rgb.tobytes())
    return digest.hexdigest()


def thumbnail(image: Image.Image, *, longest: int) -> bytes:
    """Return a JPEG (quality 80) whose longer side is at most `longest` pixels; never enlarged."""
    scale = min(1.0, longest / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = image if size == image.size else image.resize(size, reducing_gap=2.0)
    out = io.BytesIO()
    small.convert("RGB").save(out, format="JPEG", quality=80)
    return out.getvalue()


def detail(image: Image.Image) -> float:
    """Say how much a picture offers to a fingerprint: 0 for one colour, near 1 for a photograph.

    On a 64x64 grid of mean luminances in 0 … 1,

        detail = structure * sqrt(entropy) * size, where

    structure = min(1, s / 0.5) with s the share of inner cells that differ from the mean of their
    four neighbours by more than 2/255, which is zero on flat areas and on plain gradients alike;
    entropy = that of the grid's histogram of 32 levels, over its maximum of 5 bits;
    size = (shorter side - 8) / 56 pixels, held within 0 … 1, so that tiny icons stay low.
    """
    small = image.convert("L").resize((_GRID, _GRID), Image.Resampling.BOX, reducing_gap=4.0)
    grid = np.asarray(small, dtype=np.float64) / 255
    around = (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]) / 4
    share = float(np.mean(np.abs(grid[1:-1, 1:-1] - around) > _NOISE))
    counts = np.bincount((grid * 31.999).astype(np.intp).ravel(), minlength=32)
    level = counts[counts > 0] / counts.sum()
    entropy = max(0.0, -float(np.sum(level * np.log2(level)))) / 5
    size = min(1.0, max(0.0, (min(image.size) - 8) / (_FULL_SIDE - 8)))
    return min(1.0, share / _FULL_SHARE) * math.sqrt(entropy) * size


def _check_size(size: tuple[int, int], *, limit: int) -> None:
    width, height = size
    if width * height > limit:
        pixels = width * height
        raise ImageError(f"too many pixels: {width}x{height} = {pixels:,} > limit {limit:,}")
    if width * height == 0:
        raise ImageError(f"picture without pixels: {width}x{height}")


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; a damaged EXIF block leaves readable pixels as they are."""
    with suppress(*_BROKEN):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _to_rgb(
    image: Image.Image, *, deep: DeepGrey | None, background: tuple[int, int, int]
) -> Image.Image:
    if deep is not None:
        return Image.fromarray(deep.grey).convert("RGB")
    image = apply_profile(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, (*background, 255))
        return Image.alpha_composite(canvas, layer).convert("RGB")
    return image.convert("RGB")  # copies even an RGB picture, so the file can be closed


def _reason(error: BaseException) -> str:
    text = str(error).lower()
    if isinstance(error, EOFError) or any(sign in text for sign in _CUT_SHORT):
        return "truncated picture"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture we can decode"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"too many pixels: {error}"
    return f"damaged picture: {str(error)[:200] or type(error).__name__}"


_limit_lock = threading.Lock()
_limits: list[float] = []  # of the decodes under way in any thread
_default_limit = Image.MAX_IMAGE_PIXELS


@contextmanager
def _pillow_limit(pixels: float) -> Iterator[None]:
    """Put our limit in place of Pillow's module-wide one while any thread decodes, then undo it."""
    _set_limit(_limits.append, pixels)
    try:
        yield
    finally:
        _set_limit(_limits.remove, pixels)


def _set_limit(change: Callable[[float], None], pixels: float) -> None:
    with _limit_lock:
        change(pixels)
        top = max(_limits, default=0)
        limit = None if math.isinf(top) else int(top)
        Image.MAX_IMAGE_PIXELS = limit if _limits else _default_limit
