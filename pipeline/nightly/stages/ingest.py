"""The parts of an ingest: portions of the delivery built once and kept, pictures known already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import progress
from pipeline.catalog import Scratch
from pipeline.config import RunConfig
from pipeline.errors import CatalogError
from pipeline.ingestion import (
    DETAILS,
    DETAILS_SCHEMA,
    CachedDecoder,
    Decoder,
    PictureCache,
    PictureDecoder,
    SourceChunk,
    build_records,
    read_sources,
)
from pipeline.nightly.stages.settle import IngestResult, finish_ingest
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.stage import stage

# What an ingest keeps of every portion. The records come last: with them the portion is done.
SHARDS = ("quarantine", "image_bytes", "pictures", "records")
DETAIL_ROWS = 16_384


def source_names(config: RunConfig) -> list[str]:
    """The names of the sources."""
    return [source.name for source in config.sources]


def keep_chunk(
    context: RunContext,
    portion: SourceChunk,
    *,
    decoder: PictureDecoder,
    known: PictureCache | None,
) -> int:
    """Build a portion's records unless a run that was stopped left them; return bytes written."""
    work, key = context.work, portion.key
    if work.shard_done("records", key):
        return 0
    reader = CachedDecoder(decoder, known, portion.stamps)
    built = build_records(
        portion.batch.rows,
        source=portion.source.name,
        images=context.config.images,
        now=context.started,
        decoder=reader,
        storage_options=portion.source.storage_options,
        files=[stamp.file for stamp in portion.stamps],
    )
    shards = {
        "quarantine": pa.concat_tables([portion.batch.rejected, built.rejected]),
        "image_bytes": built.image_bytes,
        "pictures": reader.entries,
        "records": built.records,
    }
    needed = [name for name in SHARDS if len(shards[name]) or name == "records"]
    return sum(work.keep_shard(name, key, shards[name]) for name in needed)


def arrange(work: Scratch, keys: Sequence[str]) -> None:
    """Put the shards of all portions in the order of the delivery, and drop those of no portion."""
    for name in SHARDS[:-1]:
        work.arrange(name, [key for key in keys if work.shard_done(name, key)])
    work.arrange("records", keys)


def picture_cache(context: RunContext) -> PictureCache | None:
    """The pictures that the last published run decoded; None without them, and for a full run.

    They are derived: pictures that cannot be read from the catalog are decoded again.
    """
    base = context.base_run
    if context.full or base is None or "pictures" not in base.versions:
        return None
    try:
        pictures = context.catalog.read("pictures", run=base)
        records = context.catalog.dataset("records", run=base)
        batches = records.to_batches(
            columns=list(DETAILS),
            # Null without a picture, and in a record carried over from an older Gemel.
            filter=pc.field("image_quality").is_valid(),
            batch_size=DETAIL_ROWS,
        )
        details = context.work.map_table("known", _conform(batches), DETAILS_SCHEMA)
        return PictureCache(pictures, details)
    except (CatalogError, pa.ArrowException, OSError):
        return None


def _conform(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.cast(DETAILS_SCHEMA)


def iter_records(context: RunContext) -> bool:
    """Whether the sources still hold what a stopped run had read of them, as far as it had."""
    work = context.work
    done = [path.stem for path in work.shards("records")]
    finished = work.kept(IngestResult) is not None
    left = set(done)
    fresh: list[str] = []
    if not finished and not left:
        return True
    for portion in read_sources(context.config, run=context.run):
        fresh.append(portion.key)
        left.discard(portion.key)
        if not finished and not left:
            return True
    return finished and fresh == done


@stage("ingest", IngestResult)
def ingest(context: RunContext) -> IngestResult:
    """Sources → records and quarantine, one portion at a time; then one row per record id.

    Raises:
        SourceError: a source declared complete is empty, or went away.
        CheckError: a row was lost.
    """
    config, rows, size = context.config, dict.fromkeys(source_names(context.config), 0), 0
    keys: list[str] = []
    left_out: dict[str, dict[str, int]] = {}
    with Decoder(config.images) as decoder:
        known = picture_cache(context)
        for portion in read_sources(config, run=context.run, left_out=left_out):
            size += keep_chunk(context, portion, decoder=decoder, known=known)
            keys.append(portion.key)
            rows[portion.source.name] += portion.batch.rows_in
            progress.report("ingest", sum(rows.values()))
    arrange(context.work, keys)
    return finish_ingest(context, rows, size=size, left_out=left_out)
