"""What a picture's file holds beside the pixels that are shown of it.

A picture is decoded to RGB in eight bits: other frames, pages, transparency and depth are not in
it. They are part of its content all the same: two files are identical only where these are, too,
and of two that look alike the one that holds more is the one to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from PIL import Image, ImageSequence

from pipeline.ingestion.pictures.deep_grey import DeepGrey

LOSSLESS = 100

# Formats whose further images are frames or pages; those of others are previews and icon sizes.
_MANY = ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF", "JXL")
_EXACT = ("BMP", "DIB", "GIF", "ICO", "PCX", "PNG", "PPM", "QOI", "SGI", "TGA")
_DELIVERED = 60  # quality of formats that pictures are written in to be shown, not to be kept
_CAMERA, _UNKNOWN = 90, 75  # of one that a camera wrote and of one that does not tell
_JPEG_50 = 3688  # sum of the luminance table that the standard's annex K gives for quality 50
# Files of cameras that are read by their preview.
RAW = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos",
     ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf",
     ".srw", ".x3f"}
)  # fmt: skip
_DNG, _SUBFILE, _REDUCED, _MAKE, _BITS, _COMPRESSION = 50706, 254, 1, 271, 258, 259
_LOSSY_TIFF = (6, 7, 34892)  # compressions of a TIFF that are JPEG's
_FRAME_PIXELS = 100_000_000  # of further frames that are decoded; beyond, the file's bytes count
_ROUNDED = 2  # levels between the channels of grey that went through a colour transform
_INK, _ALIKE, _SOME = 16, 8, 0.0005  # alpha of ink, levels from the background, share of pixels


@dataclass(frozen=True)
class Holdings:
    """What one file holds.

    Attributes:
        frames: frames or pages, from 1.
        bits: of one pixel as it is stored, transparency not counted; of a grey picture that is
            stored in three channels those of one.
        alpha: some of it is transparent.
        quality: `LOSSLESS`, or how well it was compressed, 0 … 99.
        raw: a camera's raw picture, of which only the preview was read.
        unseen: digest of all that the decoded pixels do not tell; None: they tell all.
        beyond: words `what=digest`, by which two files that look alike can yet be known to be
            others: their frames, white ink on a white ground, the values shown as black and white.
    """

    frames: int = 1
    bits: int = 24
    alpha: bool = False
    quality: int = LOSSLESS
    raw: bool = False
    unseen: str | None = None
    beyond: str | None = None


def holdings_of(
    image: Image.Image,
    data: bytes,
    *,
    ending: str,
    deep: DeepGrey | None,
    background: tuple[int, int, int],
) -> Holdings:
    """Tell what a loaded picture's file holds.

    Args:
        image: at its first frame; it is left at another one.
        data: the whole file. ending: of its name, in lower case; '' where it has none.
        deep: what became of a deep grey picture.
        background: laid under transparent pixels.
    """
    kind = image.format or ""
    digests: dict[str, str] = {}  # of what is not seen
    beyond: dict[str, str] = {}
    bits = _bits(image, data)
    if deep is not None:
        if not deep.whole:
            digests["depth"] = _digest(repr((deep.values.dtype.str, deep.values.shape)).encode(),
                                       deep.values.tobytes())  # fmt: skip
        if deep.levels:
            beyond["levels"] = deep.levels.replace(" ", "..")
    elif bits > 24 or (bits > 8 and image.mode in ("L", "LA")):
        digests["depth"] = _digest(data)  # Pillow has dropped it
    grey = _is_grey(image)  # of the first frame, as what follows reads the others
    alpha, ink = _transparency(image, background)
    if alpha:
        digests["alpha"] = alpha
    if ink:
        beyond["ink"] = alpha or ""
    raw = _is_raw(image, ending)
    quality = _quality(image, data)
    if raw:
        digests["raw"] = _digest(data)
    frames, further = _further_frames(image, data) if kind in _MANY and not raw else (1, None)
    if further:
        digests["frames"] = beyond["frames"] = further
    if bits >= 24 and grey:
        bits //= 3
    return Holdings(
        frames=frames, bits=bits, alpha=bool(alpha), quality=quality, raw=raw,
        unseen=_digest(*(f"{name}={value}".encode() for name, value in sorted(digests.items())))
        if digests else None,
        beyond=" ".join(f"{name}={value}" for name, value in sorted(beyond.items())) or None,
    )  # fmt: skip


def of_pages(held: Holdings, data: bytes, pages: int) -> Holdings:
    """The same of a document of several pages, of which the first was read."""
    others = _digest(data)
    return replace(held, frames=pages, unseen=others, beyond=f"frames={others}")


def _bits(image: Image.Image, data: bytes) -> int:
    """Bits of one pixel; of a palette those of its numbers."""
    if image.format == "PNG" and len(data) > 25:
        depth, colour = data[24], data[25]
        return depth * (3 if colour in (2, 6) else 1)
    tags: Any = getattr(image, "tag_v2", None) or {}
    if image.format == "TIFF" and (stated := tags.get(_BITS)):
        per = stated if isinstance(stated, tuple) else (stated,)
        return int(sum(per[:3] if len(per) >= 3 else per[:1]))
    if image.mode.startswith("I;16"):
        return 16
    sizes = {"1": 1, "L": 8, "LA": 8, "P": 8, "PA": 8, "I": 32, "F": 32}
    stored = image.info.get("bit_depth")  # HEIF's
    many = stored * 3 if isinstance(stored, int) and stored > 8 else 24
    return sizes.get(image.mode, many)


def _is_grey(image: Image.Image) -> bool:
    """Whether the three channels of a picture in colour are one, but for what rounding does."""
    if image.mode not in ("RGB", "RGBA"):
        return False
    pixels = np.asarray(image)[..., :3]
    for part in (pixels[::16, ::16], pixels):  # few pixels tell that most pictures have colours
        if np.ptp(part, axis=2).max(initial=0) > _ROUNDED:
            return False
    return True


def _transparency(image: Image.Image, background: tuple[int, int, int]) -> tuple[str | None, bool]:
    """Digest of the transparency and of what is under it; and whether there is ink like the ground.

    None where nothing is transparent.
    """
    if not image.has_transparency_data:
        return None, False
    layer = np.asarray(image.convert("RGBA"))
    alpha = layer[..., 3]
    if alpha.min() == 255:
        return None, False
    shown = np.where(alpha[..., None] > 0, layer, 0).astype(np.uint8)
    near = np.abs(layer[..., :3].astype(np.int16) - np.array(background)).max(axis=2) <= _ALIKE
    ink = float(np.mean((alpha > _INK) & near))
    return _digest(repr(layer.shape).encode(), shown.tobytes()), ink > _SOME


def _further_frames(image: Image.Image, data: bytes) -> tuple[int, str | None]:
    """How many frames or pages there are, and a digest of those after the first."""
    count = 1
    try:
        count = int(getattr(image, "n_frames", 1))
        if count < 2:
            return 1, None
        digest, found, pixels = blake2b(digest_size=16), 1, 0
        for frame in _frames(image):
            found += 1
            pixels += frame.width * frame.height
            if pixels > _FRAME_PIXELS:
                return count, _digest(data)
            digest.update(f"{frame.width}x{frame.height}\n".encode())
            whole = frame if frame.mode.startswith(("I", "F")) else frame.convert("RGBA")
            digest.update(whole.tobytes())
    except (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, MemoryError):
        return max(count, 2), _digest(data)  # what is broken is told apart by its bytes
    return found, digest.hexdigest() if found > 1 else None


def _frames(image: Image.Image) -> Iterator[Image.Image]:
    """Those after the first; not the smaller versions that a TIFF has of its first page."""
    for number, frame in enumerate(ImageSequence.Iterator(image)):
        tags: Any = getattr(frame, "tag_v2", None) or {}
        if number and not int(tags.get(_SUBFILE) or 0) & _REDUCED:
            frame.load()
            yield frame


def _is_raw(image: Image.Image, ending: str) -> bool:
    if image.format != "TIFF":
        return ending in RAW
    tags: Any = getattr(image, "tag_v2", None) or {}
    return ending in RAW or _DNG in tags or bool(int(tags.get(_SUBFILE) or 0) & _REDUCED)


def _quality(image: Image.Image, data: bytes) -> int:
    kind = image.format or ""
    if kind in ("JPEG", "MPO"):
        tables = getattr(image, "quantization", None) or {}
        return _jpeg_quality(sum(tables[min(tables)])) if tables else _UNKNOWN
    if kind in _EXACT or (kind == "WEBP" and b"VP8L" in data[12:64]):
        return LOSSLESS
    if kind == "TIFF":
        tags: Any = getattr(image, "tag_v2", None) or {}
        return _UNKNOWN if tags.get(_COMPRESSION) in _LOSSY_TIFF else LOSSLESS
    if kind == "HEIF":
        return _CAMERA if image.getexif().get(_MAKE) else _DELIVERED
    return _DELIVERED if kind in ("WEBP", "AVIF") else _UNKNOWN


def _jpeg_quality(total: int) -> int:
    """The quality, as libjpeg counts it, of which the luminance table has this sum."""
    scale = 100 * total / _JPEG_50
    return int(np.clip(round((200 - scale) / 2 if scale <= 100 else 5000 / scale), 1, 99))


def _digest(*parts: bytes) -> str:
    found = blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()
