"""A run's pictures, to be looked at again: where each is, or its bytes. SHELL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.arrays import Positions
from pipeline.encoders import ImageRef
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.run_records import read_column

SPOOLED_ROWS = 64  # encoded pictures out of rows that are in memory at a time
Spooled = tuple[Path, list[str]]


def spool(context: RunContext, wanted: pa.Array) -> Iterator[Spooled]:
    """The shards of pictures that came inside a row, each with the hashes to take from it."""
    open_hashes = set(wanted.to_pylist())
    for path in context.work.shards("image_bytes"):
        found = pq.read_table(path, columns=["image_hash"])["image_hash"].to_pylist()
        digests = [digest for digest in found if digest in open_hashes]
        open_hashes.difference_update(digests)
        if digests:
            yield path, digests


def from_rows(parts: Sequence[Spooled]) -> Iterator[tuple[str, ImageRef]]:
    """Hashes with their encoded pictures in the order of the shards, few in memory at a time."""
    for path, digests in parts:
        wanted = pa.array(digests)
        for batch in pq.ParquetFile(path).iter_batches(batch_size=SPOOLED_ROWS):
            rows = batch.filter(pc.is_in(batch["image_hash"], value_set=wanted))
            for row in rows.to_pylist():
                yield row["image_hash"], ImageRef(data=row["image_bytes"])


def from_paths(context: RunContext, hashes: pa.Array) -> Iterator[ImageRef]:
    """Where the pictures are that came in files of their own."""
    if not len(hashes):
        return
    uris, names = (
        read_column(context, hashes, modality="image", column=column)
        for column in ("image_uri", "source")
    )
    options = {source.name: source.storage_options for source in context.config.sources}
    for uri, name in zip(uris, names, strict=True):
        yield ImageRef(uri=uri.as_py(), storage_options=options.get(name.as_py(), {}))


class PictureReader:
    """Some pictures of a run by their place among `hashes`, fetched as they are asked for."""

    def __init__(self, context: RunContext, hashes: pa.Array) -> None:
        self.hashes = hashes
        self.parts = list(spool(context, hashes))
        self.inside = {digest for _, digests in self.parts for digest in digests}
        self.refs = list(from_paths(context, hashes))
        sides = (
            read_column(context, hashes, modality="image", column=column)
            for column in ("image_width", "image_height")
        )
        self.size = np.stack([np.asarray(pc.fill_null(side, 0), np.int64) for side in sides], 1)

    def take(self, places: Positions) -> list[ImageRef | None]:
        """The pictures at some places; None of one that came in a row of an earlier delivery."""
        wanted = [self.hashes[place].as_py() for place in places.tolist()]
        asked = set(wanted) & self.inside
        parts = [
            (path, [digest for digest in digests if digest in asked])
            for path, digests in self.parts
        ]
        held = dict(from_rows([part for part in parts if part[1]]))
        found = []
        for place, digest in zip(places.tolist(), wanted, strict=True):
            ref = held.get(digest) or self.refs[place]
            found.append(ref if ref.data is not None or ref.uri is not None else None)
        return found
