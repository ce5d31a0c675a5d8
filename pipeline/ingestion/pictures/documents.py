"""Pictures that Pillow alone does not read, where a light library is installed: SVG, PDF, JPEG XL.

A drawing is rasterised, of a PDF its first page is.
"""

from __future__ import annotations

import importlib.util
import io
from contextlib import suppress

from PIL import Image

with suppress(ImportError):
    import pillow_jxl  # noqa: F401 - registers itself with Pillow

_LONGEST = 1600  # pixels of the longer side that a drawing or page is made at
_START = 1 << 16  # bytes in which a drawing names itself, behind comments and declarations
_POINTS = 72  # a PDF's units in an inch

# Endings by what reads them; the first module found does.
READERS = {
    ".jxl": ("pillow_jxl",),
    ".svg": ("resvg_py", "cairosvg"),
    ".pdf": ("pypdfium2",),
}


def readable(ending: str) -> bool:
    """Say whether files with this ending, in lower case, can be read here."""
    return any(importlib.util.find_spec(name) for name in READERS.get(ending, ()))


def is_document(data: bytes) -> bool:
    """Say whether these are the bytes of a drawing or of a PDF."""
    return data.startswith(b"%PDF-") or _is_drawing(data)


def rasterised(data: bytes) -> tuple[bytes, int] | None:
    """A drawing or first page as PNG, and how many pages there are; None where nothing reads it.

    Raises:
        ValueError: it is damaged.
    """
    try:
        if data.startswith(b"%PDF-"):
            return _page(data)
        return _drawing(data)
    except ImportError:
        return None
    except Exception as error:
        raise ValueError(f"cannot be drawn: {error}") from error


def _is_drawing(data: bytes) -> bool:
    start = data[:_START].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<") and b"<svg" in start


def _page(data: bytes) -> tuple[bytes, int]:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    try:
        page = document[0]
        longest = max(page.get_size())
        drawn = page.render(scale=min(_LONGEST / max(longest, 1), _LONGEST / _POINTS))
        return _png(drawn.to_pil().convert("RGB")), len(document)
    finally:
        document.close()


def _drawing(data: bytes) -> tuple[bytes, int]:
    if importlib.util.find_spec("resvg_py"):
        import resvg_py

        # Nothing outside the drawing is read: it names no folder to read from.
        return bytes(resvg_py.svg_to_bytes(svg_string=data.decode("utf-8"), width=_LONGEST)), 1
    import cairosvg

    return bytes(cairosvg.svg2png(bytestring=data, output_width=_LONGEST, unsafe=False)), 1


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
