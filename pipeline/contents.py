"""The contents behind a run's units: their texts, their vectors, and embedding what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline import progress
from pipeline.context import RunContext
from pipeline.embeddings import gather, missing, to_table
from pipeline.encoders import Encoder, ImageRef, open_encoder
from pipeline.evidence import TextComparer
from pipeline.judging import Contents
from pipeline.units import Units

# Contents embedded between two writes: what a killed run loses at most.
SHARD = 8192

Modality = Literal["text", "image"]


def embed_modality(context: RunContext, modality: Modality, hashes: pa.Array) -> dict[str, Any]:
    """Embed the contents that the catalog has no vector for, and lay all vectors out as a matrix.

    Args:
        hashes: distinct content hashes, sorted; row i of the matrix is the vector of hash i, zeros
            when the content could not be embedded (such a row is near nothing).
    """
    if not len(hashes):
        context.work.matrix(modality, (0, 1))
        return {"embedded": 0, "chunked": 0, "failed": 0}
    encoder = _encoder(context, modality)
    store = context.catalog.vectors(encoder.fingerprint)
    wanted = missing(hashes, store.hashes())
    facts = {"rows": len(hashes), "embedded": 0, "chunked": 0, "failed": 0, "bytes": 0}
    reasons: dict[str, int] = {}
    for start in range(0, len(wanted), SHARD):
        part = hashes.take(pa.array(wanted[start : start + SHARD]))
        tables = []
        for encoded in encoder.encode(_items(context, modality, part)):
            tables.append(to_table(part, encoded))
            facts["embedded"] += len(encoded.positions)
            facts["chunked"] += int((encoded.chunks > 1).sum())
            facts["failed"] += len(encoded.failed)
            for _, reason in encoded.failed:
                reasons[reason] = reasons.get(reason, 0) + 1
            progress.report(f"embed_{modality}", facts["embedded"], len(wanted))
        table = pa.concat_tables(tables)
        if len(table):
            facts["bytes"] += store.append(table.sort_by("content_hash"))
    matrix = context.work.matrix(modality, (len(hashes), encoder.dimension))
    gather(store.parts(), hashes=hashes, out=matrix)
    return {
        **facts,
        "cached": len(hashes) - len(wanted),
        "reasons": reasons,
        "name": encoder.name,
        "fingerprint": encoder.fingerprint,
    }


def _encoder(context: RunContext, modality: Modality) -> Encoder:
    config = context.config
    chosen = config.text_encoder if modality == "text" else config.image_encoder
    return open_encoder(chosen, images=config.images, threads=context.threads)


def _items(context: RunContext, modality: Modality, hashes: pa.Array) -> Sequence[Any]:
    """What the encoder is given for each hash, in the order of `hashes`."""
    if modality == "text":
        return list(_text_column(context, hashes, "text").to_pylist())
    return _pictures(context, hashes)


def _text_column(context: RunContext, hashes: pa.Array, column: str) -> pa.Array:
    records = _records(context, ["text_hash", column])
    place = pc.index_in(hashes, value_set=records["text_hash"].combine_chunks())
    return records[column].combine_chunks().take(place)


def _pictures(context: RunContext, hashes: pa.Array) -> list[ImageRef]:
    records = _records(context, ["image_hash", "image_uri", "source"])
    place = pc.index_in(hashes, value_set=records["image_hash"].combine_chunks())
    rows = records.take(place)
    options = {source.name: source.storage_options for source in context.config.sources}
    spooled = _spooled(context, hashes)
    return [
        ImageRef(
            uri=None if digest in spooled else uri,
            data=spooled.get(digest),
            storage_options=options.get(source, {}),
        )
        for digest, uri, source in zip(
            hashes.to_pylist(),
            rows["image_uri"].to_pylist(),
            rows["source"].to_pylist(),
            strict=True,
        )
    ]


def _spooled(context: RunContext, hashes: pa.Array) -> dict[str, bytes]:
    """Pictures that came inside a row, by hash."""
    shards = context.work.shards("image_bytes")
    if not shards:
        return {}
    rows = ds.dataset([str(path) for path in shards]).to_table(
        filter=ds.field("image_hash").isin(hashes)
    )
    found = zip(rows["image_hash"].to_pylist(), rows["image_bytes"].to_pylist(), strict=True)
    return dict(found)


def _records(context: RunContext, columns: list[str]) -> pa.Table:
    version = context.work.facts("ingest")["versions"]["records"]
    return context.catalog.tables.read("records", version=version, columns=columns)


def read_texts(context: RunContext, units: Units) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """The distinct texts and their numbers of words, by row of the units' hashes."""
    texts = _text_column(context, units.text_hashes, "text")
    words = _text_column(context, units.text_hashes, "text_tokens").to_numpy().astype(np.int64)
    return texts, words


def vectors_of(context: RunContext, units: Units) -> Contents:
    """Everything judging needs of the contents; the vectors stay on disk."""
    comparer = None
    if len(units.text_hashes):
        comparer = TextComparer(read_texts(context, units)[0], threads=context.threads)
    return Contents(units, context.work.matrix("text"), context.work.matrix("image"), comparer)
