"""Pictures for the page: read from where a run read them, decoded, and encoded anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import ImageSettings
from pipeline.ingestion import ImageError, decode, image_reader
from pipeline.outputs import edit_between, is_jpeg, lay_over
from pipeline.reviewing.errors import not_found

if TYPE_CHECKING:
    from PIL.Image import Image

    from pipeline.reviewing.desk import Desk

LONGEST = 2_400  # pixels of the longer side
PIXELS = 100_000_000  # of a picture that is decoded for the page
SHARP = 1_000_000  # pixels up to which a picture is encoded without loss


def full_picture(desk: Desk, record: str) -> tuple[bytes, str, str]:
    """A record's picture as large as the page shows it.

    Returns:
        The bytes, their media type, and whether it is the `full` picture or the stored `preview`.

    Raises:
        ReviewError: the record has none.
    """
    place = desk.tables.place_of(record)
    row = desk.tables.records.slice(place, 1).to_pylist()[0] if place >= 0 else None
    if row is not None and row["image_uri"]:
        source = next((one for one in desk.sources if one["name"] == row["source"]), None)
        if source is not None and _allowed(row["image_uri"], source):
            try:
                data = image_reader(row["image_uri"], source.get("storage_options"))
                settings = ImageSettings(max_pixels=PIXELS)
                image = decode(data, settings=settings, at_least=LONGEST)
            except ImageError:
                pass  # gone, or changed since: the preview is what the run saw
            else:
                return (*_encoded(image), "full")
    return (*small_picture(desk, record), "preview")


def small_picture(desk: Desk, record: str) -> tuple[bytes, str]:
    """The stored preview of a record's picture, encoded anew.

    Raises:
        ReviewError: the record has none.
    """
    preview = desk.tables.preview(record)
    if not preview or not is_jpeg(preview):
        raise not_found(f"picture of {record}")
    try:
        return _encoded(decode(preview, settings=ImageSettings(max_pixels=PIXELS)))
    except ImageError as error:
        raise not_found(f"readable picture of {record}") from error


def overlay(desk: Desk, left: str, right: str) -> bytes:
    """The previews of two records laid upon each other, as a JPEG.

    Raises:
        ReviewError: geometry does not tell how, or one has no preview.
    """
    places = [desk.tables.place_of(name) for name in (left, right)]
    if min(places) < 0:
        raise not_found(f"record {left if places[0] < 0 else right}")
    one, other = desk.tables.record_rows(places)
    edit = edit_between(desk.tables.alignment(one, other), one, other)
    previews = [desk.tables.preview(name) for name in (left, right)]
    made = None
    if edit is not None and edit.transform is not None and previews[0] and previews[1]:
        made = lay_over(previews[0], previews[1], edit=edit)
    if made is None:
        raise not_found(f"overlay of {left} and {right}")
    return made


def _allowed(uri: str, source: Mapping[str, Any]) -> bool:
    """Whether a picture lies where its source keeps pictures.

    A row may name any path of this machine, or any address of a network: those are not opened for
    a browser, only what lies below the source's own folders.
    """
    roots = [source.get("image_root"), source.get("path")]
    if "://" in uri:
        return any(
            root and "://" in root and uri.startswith(_folder(root).rstrip("/") + "/")
            for root in roots
        )
    path = Path(uri).resolve()
    return any(
        root and "://" not in root and path.is_relative_to(Path(_folder(root)).resolve())
        for root in roots
    )


def _folder(root: str) -> str:
    """The folder of a source: of a file or a pattern the one that it lies in."""
    fixed = root
    for sign in "*?[":
        fixed = fixed.partition(sign)[0]
    if fixed != root:
        return fixed.rpartition("/")[0] or "."
    if "://" not in root and Path(root).is_dir():
        return root
    return root.rpartition("/")[0] if "." in root.rpartition("/")[2] else root


def _encoded(image: Image) -> tuple[bytes, str]:
    """A picture in the sizes and formats that are given to a browser."""
    if max(image.size) > LONGEST:
        image.thumbnail((LONGEST, LONGEST), reducing_gap=3.0)
    out = io.BytesIO()
    if image.width * image.height <= SHARP:
        image.save(out, format="PNG", compress_level=1)
        return out.getvalue(), "image/png"
    image.save(out, format="JPEG", quality=90)
    return out.getvalue(), "image/jpeg"
