"""Read and decode the pictures that rows name, in processes of their own.

A damaged picture can crash a native decoder, and decoding is most of the time of an ingest.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Any

from PIL.Image import Image

from pipeline.arrays import start_processes
from pipeline.config import ImageSettings
from pipeline.errors import PipelineError
from pipeline.ingestion.effective_resolution import effective_resolution
from pipeline.ingestion.images import ImageError, decode_whole, detail, pixel_hash, thumbnail
from pipeline.ingestion.pictures.holdings import Holdings

FILE_LIMIT = 1 << 28  # bytes of one encoded picture
UNREADABLE = "picture cannot be read"  # begins the reasons that are not the picture's own


@dataclass(frozen=True)
class DecodedPicture:
    """What a record keeps of its picture; see `pictures.holdings.Holdings` for the last ones."""

    hash: str  # 32 hex digits, of the decoded pixels and of all that they do not tell
    width: int
    height: int
    detail: float  # 0 … 1
    true_side: float  # pixels; see pipeline.ingestion.effective_resolution
    thumbnail: bytes  # JPEG
    frames: int
    bits: int
    alpha: bool
    quality: int
    raw: bool
    beyond: str | None


def image_reader(
    uri: str, storage_options: Mapping[str, Any] | None = None, *, limit: int = FILE_LIMIT
) -> bytes:
    """Read one encoded picture from a local path or any fsspec URL.

    Raises:
        ImageError: it cannot be read, is no regular file, or has more than `limit` bytes.
    """
    try:
        data = _read(uri, options=dict(storage_options or {}), limit=limit)
    except ImageError:
        raise
    except Exception as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(f"{UNREADABLE}: {words or type(error).__name__}") from error
    if len(data) > limit:
        raise ImageError(f"picture file too large: over {limit:,} bytes")
    return data


class Decoder:
    """Reads and decodes pictures in `settings.workers` processes, or in this one for 0.

    A context manager; the processes start with the first picture and end with the context.
    """

    def __init__(self, settings: ImageSettings) -> None:
        self.workers = settings.workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def decode(
        self,
        uris: Sequence[str | None],
        data: Sequence[bytes | None],
        *,
        settings: ImageSettings,
        storage_options: Mapping[str, Any] | None = None,
    ) -> list[DecodedPicture | str]:
        """Decode n pictures, each from its bytes or else from its uri; a str is the reason not.

        Raises:
            PipelineError: a decoder process was killed or could not start.
        """
        work = partial(_picture, settings=settings, storage_options=dict(storage_options or {}))
        if self.workers == 0 or not uris:
            return [work(uri, item) for uri, item in zip(uris, data, strict=True)]
        try:
            self._pool = self._pool or start_processes(self.workers)
            return list(self._pool.map(work, uris, data, chunksize=8))
        except BrokenProcessPool as error:
            self._pool = None
            raise PipelineError(
                "a decoder process was killed or crashed, most often for lack of memory: lower "
                f"images.workers (now {self.workers}) or images.max_pixels (now "
                f"{settings.max_pixels:,}); images.workers: 0 decodes in this process"
            ) from error


def _picture(
    uri: str | None,
    data: bytes | None,
    *,
    settings: ImageSettings,
    storage_options: Mapping[str, Any],
) -> DecodedPicture | str:
    try:
        if data is None:
            data = image_reader(uri or "", storage_options)
        ending = posixpath.splitext(uri or "")[1].lower()
        image, held = decode_whole(data, settings=settings, ending=ending)
        return DecodedPicture(
            hash=_content_hash(image, held),
            width=image.width,
            height=image.height,
            detail=detail(image),
            true_side=effective_resolution(image),
            thumbnail=thumbnail(image, longest=settings.thumbnail),
            frames=held.frames,
            bits=held.bits,
            alpha=held.alpha,
            quality=held.quality,
            raw=held.raw,
            beyond=held.beyond,
        )
    except ImageError as error:
        return str(error)


def _content_hash(image: Image, held: Holdings) -> str:
    """Hash the pixels, and what the file holds beside them."""
    pixels = pixel_hash(image)
    if held.unseen is None:
        return pixels
    return blake2b(f"{pixels} {held.unseen}".encode(), digest_size=16).hexdigest()


def _read(uri: str, *, options: Mapping[str, Any], limit: int) -> bytes:
    path = uri.removeprefix("file://")
    if "://" not in path:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ImageError(f"{UNREADABLE}: not a regular file")
        with open(path, "rb") as file:
            return file.read(limit + 1)
    import fsspec

    if path.startswith(("http://", "https://")):
        options = {}  # those of the source's own storage do not fit
    with fsspec.open(path, "rb", **options) as file:
        content: bytes = file.read(limit + 1)
        return content
