"""Delivery: the rows of all sources, a bounded portion at a time, each with its digest."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import RunConfig, SourceConfig
from pipeline.errors import SourceError
from pipeline.ingestion.file_stamps import FileStamp, Stamper
from pipeline.ingestion.sources import SourceBatch, open_source

# Pictures are decoded a bounded batch at a time.
IMAGE_ROWS = 1024
# Why a file that was there when the run began cannot be read: its storage is gone, not its content.
GONE = tuple(
    os.strerror(code)
    for code in (
        errno.ENOENT, errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENODEV, errno.ENXIO,
        errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
        errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED, errno.EPIPE,
    )
)  # fmt: skip
# How a source begins its reason for a whole file, or its rest, that could not be read.
UNREAD = ("file cannot be read", "file ends early", "folder cannot be read")


@dataclass(frozen=True)
class SourceChunk:
    """Some rows of a source.

    Attributes:
        stamps: of the pictures that the rows name, in the order of the rows.
        key: 32 hex digits, of all that the records of these rows depend on.
    """

    source: SourceConfig
    batch: SourceBatch
    stamps: tuple[FileStamp, ...]
    key: str


def read_sources(
    config: RunConfig, *, run: str, left_out: dict[str, dict[str, int]] | None = None
) -> Iterator[SourceChunk]:
    """Yield all that the sources hold, in their order.

    Args:
        left_out: filled with the files of each source that are no input of it, by ending.

    Raises:
        SourceError: a source declared complete is empty, or a source went away while it was read.
    """
    stamper = Stamper(config.images, run=run)
    for source in config.sources:
        rows = 0
        opened = open_source(source)
        most = IMAGE_ROWS if source.has_images else config.shard_rows
        for batch in opened.batches(rows=most):
            _refuse_gone(source, batch.rejected)
            rows += batch.rows_in
            yield _chunk(source, batch, stamper)
        if not rows and source.complete:
            raise SourceError(
                f"source {source.name!r} has no rows ({source.path}): an empty delivery "
                "is usually an upstream failure; set complete: false if it may be empty"
            )
        if left_out is not None and (others := opened.left_out()):
            left_out[source.name] = others
        try:
            opened.check()
        except SourceError as error:
            raise SourceError(
                f"source {source.name!r} went away while it was read: {error}; nothing is "
                "published, run again when it is back"
            ) from error


def _refuse_gone(source: SourceConfig, rejected: pa.Table) -> None:
    """Raise when a file disappeared: its rows would pass for deleted."""
    for row in rejected.filter(pc.starts_with(rejected["reason"], "file ")).to_pylist():
        reason = row["reason"].removesuffix("; rows after it are lost")
        if reason.startswith(UNREAD) and reason.endswith(GONE):
            raise SourceError(
                f"source {source.name!r} went away while it was read: {row['location']}: "
                f"{row['reason']}; nothing is published, run again when it is back"
            )


def _chunk(source: SourceConfig, batch: SourceBatch, stamper: Stamper) -> SourceChunk:
    rows = batch.rows
    named = rows.filter(
        pc.or_(pc.is_valid(rows["image_uri"]), pc.is_valid(rows["image_bytes"]))
    ).select(["image_uri", "image_bytes"])
    stamps = stamper.stamps(
        named["image_uri"].to_pylist(),
        named["image_bytes"].to_pylist(),
        storage_options=source.storage_options,
    )
    digest = blake2b(f"{source.name}\0{stamper.rules}\0".encode(), digest_size=16)
    for table in (rows, batch.rejected):
        for part in table.combine_chunks().to_batches():
            digest.update(part.serialize())
    for stamp in stamps:
        digest.update(stamp.key.encode())
    return SourceChunk(source, batch, tuple(stamps), digest.hexdigest())
