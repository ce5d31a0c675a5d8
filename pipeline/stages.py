"""The stages of a run: read → pure call → write. The map of the pipeline on one page.

Each stage takes the run's context and leaves its result in the run's scratch or in the catalog, so
that any orchestrator can call them one after another, in any process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import progress
from pipeline.candidates import NearPairs, near_pairs
from pipeline.catalog import Catalog
from pipeline.catalog.catalog import carry_first_seen
from pipeline.contents import embed_modality, read_texts, vectors_of
from pipeline.context import RunContext, stage
from pipeline.defaults import image_default, text_default
from pipeline.errors import CheckError, SourceError
from pipeline.judging import Scored, exact_batch, judge_candidates, pairs_batch, says
from pipeline.lexical import lexical_pairs
from pipeline.membership import Links, cluster_tables
from pipeline.records import Decoder, build_records, drop_duplicate_ids, exact_groups
from pipeline.schemas import QUARANTINE, RECORDS
from pipeline.scoring import REVIEW, Judge
from pipeline.sources import open_source
from pipeline.units import Candidates, Units, make_units, propose

# Pictures are decoded a bounded batch at a time.
IMAGE_ROWS = 1024
GATHERED_ROWS = 16_384


@stage("ingest")
def ingest(context: RunContext) -> dict[str, Any]:
    """Sources → records and quarantine, one shard at a time; then one row per record id.

    Raises:
        SourceError: a source declared complete is empty.
        CheckError: a row was lost.
    """
    work, config = context.work, context.config
    work.clear("records", "quarantine", "image_bytes")  # what a failed attempt left
    rows = size = shard = 0
    with Decoder(config.images) as decoder:
        for source_config in config.sources:
            before = rows
            source = open_source(source_config)
            pictures = source_config.type == "image_folder" or (
                source_config.columns.image or source_config.columns.image_bytes
            )
            for batch in source.batches(rows=IMAGE_ROWS if pictures else config.shard_rows):
                built = build_records(
                    batch.rows,
                    source=source.name,
                    images=config.images,
                    now=context.started,
                    decoder=decoder,
                    storage_options=source_config.storage_options,
                )
                rejected = pa.concat_tables([batch.rejected, built.rejected])
                size += work.write_shard("records", shard, built.records)
                size += work.write_shard("quarantine", shard, rejected)
                if len(built.image_bytes):
                    size += work.write_shard("image_bytes", shard, built.image_bytes)
                rows, shard = rows + batch.rows_in, shard + 1
                progress.report("ingest", rows)
            if rows == before and source_config.complete:
                raise SourceError(
                    f"source {source.name!r} has no rows ({source_config.path}): an empty delivery "
                    "is usually an upstream failure; set complete: false if it may be empty"
                )
    return {"rows": rows, "bytes": size, **_settle_records(context, rows)}


def _settle_records(context: RunContext, rows: int) -> dict[str, Any]:
    """Resolve duplicate ids and write both tables; the count of rows must come out even."""
    work, tables = context.work, context.catalog.tables
    records, repeated = drop_duplicate_ids(work.read_shards("records", RECORDS))
    records = carry_first_seen(records, context.catalog.first_seen())
    quarantine = pa.concat_tables([work.read_shards("quarantine", QUARANTINE), repeated])
    quarantine = quarantine.sort_by([("source", "ascending"), ("location", "ascending")])
    if rows != len(records) + len(quarantine):
        raise CheckError(
            f"{rows} rows were read but {len(records)} records and {len(quarantine)} quarantined "
            "rows came out; nothing is published, please report this"
        )
    if not len(records):
        raise SourceError(
            f"none of the {rows} rows could be used; the first reason: "
            f"{quarantine['reason'][0].as_py() if len(quarantine) else 'no rows'}"
        )
    reasons = pc.value_counts(quarantine["reason"].combine_chunks()).to_pylist()
    return {
        "records": len(records),
        "quarantined": len(quarantine),
        "with_text": len(records) - records["text_hash"].null_count,
        "with_image": len(records) - records["image_hash"].null_count,
        "quarantine_reasons": {entry["values"]: entry["counts"] for entry in reasons},
        "versions": {
            "records": tables.replace("records", _by_id(records)),
            "quarantine": tables.replace("quarantine", quarantine),
        },
    }


def _by_id(records: pa.Table) -> Iterator[pa.RecordBatch]:
    """The records in the order of their ids, gathered a bounded batch at a time.

    A whole table cannot be gathered at once: thumbnails pass Arrow's 2 GB per column.
    """
    order = pc.sort_indices(records["record_id"])
    at = records.schema.get_field_index("thumbnail")
    thumbnails = records["thumbnail"].cast(pa.large_binary()).combine_chunks()
    wide = records.set_column(at, "thumbnail", thumbnails).combine_chunks()
    for start in range(0, len(order), GATHERED_ROWS):
        rows = wide.take(order.slice(start, GATHERED_ROWS)).cast(RECORDS)
        yield from rows.combine_chunks().to_batches()


@stage("embed_text")
def embed_text(context: RunContext) -> dict[str, Any]:
    """Embed the distinct texts that have no vector yet."""
    return embed_modality(context, "text", units_of(context).text_hashes)


@stage("embed_images")
def embed_images(context: RunContext) -> dict[str, Any]:
    """Embed the distinct pictures that have no vector yet."""
    return embed_modality(context, "image", units_of(context).image_hashes)


@stage("candidates")
def candidates(context: RunContext) -> dict[str, Any]:
    """Vectors and long texts → candidate pairs of units, with their measured recall."""
    config, units = context.config, units_of(context)
    text = _near(context, "text", text_default(config.text_encoder, config.judge).floor)
    image = _near(context, "image", image_default(config.image_encoder, config.judge).floor)
    lexical = _lexical(context, units)
    proposed = propose(
        units, text=(text.left, text.right), lexical=lexical, image=(image.left, image.right)
    )
    context.work.save(
        "candidates", key=proposed.key, stage=proposed.stage, lexical=proposed.lexical
    )
    return {
        "rows": len(proposed.key),
        "crowded": len(text.crowds.member) + len(image.crowds.member),
        "lexical_pairs": len(lexical[0]),
        "text": _described(text),
        "image": _described(image),
    }


def _near(context: RunContext, modality: str, default_floor: float) -> NearPairs:
    settings, config = context.config.candidates, context.config
    stated = settings.text_floor if modality == "text" else settings.image_floor
    floor = default_floor if stated is None else stated
    vectors = context.work.matrix(modality)
    found = near_pairs(
        vectors, floor=floor, index=config.index, settings=settings, seed=config.seed
    )
    progress.report("candidates", len(found.left))
    if found.index is not None:
        _keep_index(context, modality, found)
    return found


def _keep_index(context: RunContext, modality: str, found: NearPairs) -> None:
    """Save the index with its id map, under the fingerprint of its encoder."""
    import pyarrow.parquet as pq

    units = units_of(context)
    hashes = units.text_hashes if modality == "text" else units.image_hashes
    fingerprint = context.work.facts(f"embed_{'text' if modality == 'text' else 'images'}")
    folder = context.catalog.index_folder(modality, fingerprint["fingerprint"])
    assert found.index is not None
    found.index.save(folder)
    ids = pa.table({"content_hash": hashes.take(pa.array(found.crowds.kept))})
    pq.write_table(ids, folder / "ids.parquet")


def _lexical(context: RunContext, units: Units) -> tuple[Any, Any, Any]:
    settings = context.config.candidates.lexical
    empty = np.zeros(0, np.int64)
    if not settings.enabled or not len(units.text_hashes):
        return empty, empty, np.zeros(0, np.float32)
    texts, words = read_texts(context, units)
    long = np.flatnonzero(words >= settings.min_tokens)
    left, right, score = lexical_pairs(texts.take(pa.array(long)).to_pylist(), settings)
    return long[left], long[right], score


def _described(found: NearPairs) -> dict[str, Any] | None:
    if found.index is None:
        return None
    recall = found.recall
    return {"index": found.index.description, "pairs": len(found.left), "recall": vars(recall)}


@stage("score")
def score(context: RunContext) -> dict[str, Any]:
    """Candidate pairs → evidence, probability, decision; accepted links kept for clustering."""
    work, units = context.work, units_of(context)
    judge, ids = make_judge(context), record_ids(context)
    kept = Candidates(**work.load("candidates"))
    contents = vectors_of(context, units)
    links: list[Any] = []
    histogram = np.zeros(50, np.int64)
    decided: Counter[str] = Counter()

    work.clear("pairs")
    star = exact_batch(units.leader, ids=ids, has=_has(context), judge=judge, run=context.run)
    size = work.write_shard("pairs", 0, pa.Table.from_batches([star]))
    done = 0
    for shard, scored in enumerate(judge_candidates(kept, contents, judge), start=1):
        batch = pairs_batch(scored, ids=ids, units=units, judge=judge, run=context.run)
        size += work.write_shard("pairs", shard, pa.Table.from_batches([batch]))
        links.append(_decided(scored))
        counts, _ = np.histogram(scored.judgement.probability, bins=50, range=(0, 1))
        histogram += counts
        decided.update(scored.judgement.decision.tolist())
        done += len(scored.left)
        progress.report("score", done, len(kept.key))
    version = context.catalog.tables.replace("pairs", work.iter_shards("pairs"))
    names = ("left", "right", "probability", "found_by", "accepted")
    empty = [np.zeros(0, kind) for kind in (np.int64, np.int64, float, np.uint8, bool)]
    columns = zip(*links, strict=True) if links else ([column] for column in empty)
    work.save("links", **{n: np.concatenate(c) for n, c in zip(names, columns, strict=True)})
    return {
        "rows": len(kept.key),
        "bytes": size,
        "decisions": dict(decided),
        "exact_duplicates": int((units.leader != np.arange(len(units.leader))).sum()),
        "histogram": histogram.tolist(),
        "versions": {"pairs": version},
    }


def _decided(scored: Scored) -> tuple[Any, ...]:
    """What clustering needs of a batch: the pairs that were accepted or refused outright."""
    sure = scored.judgement.decision != REVIEW
    return (
        scored.left[sure],
        scored.right[sure],
        scored.judgement.probability[sure],
        says(scored.stage[sure]),
        scored.accepted[sure],
    )


@stage("cluster")
def cluster(context: RunContext) -> dict[str, Any]:
    """Accepted links → clusters with a representative each, and the links the guard cut."""
    columns = [
        "record_id", "source", "text", "image_width", "image_height", "timestamp",
    ]  # fmt: skip
    records = context.catalog.tables.read(
        "records", version=context.work.facts("ingest")["versions"]["records"], columns=columns
    )
    stored = context.work.load("links")
    yes = stored["accepted"]
    links = Links(
        stored["left"][yes],
        stored["right"][yes],
        stored["probability"][yes],
        stored["found_by"][yes],
        stored["left"][~yes],
        stored["right"][~yes],
    )
    clusters, cut = cluster_tables(records, units_of(context), links, context.config.clustering)
    tables = context.catalog.tables
    heads = clusters.filter(pc.equal(clusters["record_id"], clusters["representative"]))
    sizes = pc.value_counts(heads["size"].combine_chunks()).to_pylist()
    sizes.sort(key=lambda entry: entry["values"])
    return {
        "rows": len(clusters),
        "clusters": len(heads),
        "duplicate_clusters": sum(e["counts"] for e in sizes if e["values"] > 1),
        "removable": len(clusters) - len(heads),
        "largest_cluster": max((e["values"] for e in sizes), default=0),
        "cut_links": len(cut),
        "cluster_sizes": {
            "size": [e["values"] for e in sizes],
            "clusters": [e["counts"] for e in sizes],
        },
        "versions": {
            "clusters": tables.replace("clusters", clusters),
            "cut_links": tables.replace("cut_links", cut),
        },
    }


def make_judge(context: RunContext) -> Judge:
    """The default judge for the configured encoders, named after them."""
    config = context.config
    facts = [context.work.facts(f"embed_{name}") for name in ("text", "images")]
    prints = [fact["fingerprint"] for fact in facts if fact.get("fingerprint")]
    return Judge(
        text=text_default(config.text_encoder, config.judge).rule,
        image=image_default(config.image_encoder, config.judge).rule,
        settings=config.judge,
        name="+".join(["default-judge-1 (uncalibrated)", *prints]),
    )


def units_of(context: RunContext) -> Units:
    """The units of the run's records, computed once per process."""
    config = context.config
    return _units(config.catalog, context.run, config.text.min_tokens, config.images.min_detail)


@lru_cache(maxsize=1)
def _units(catalog: str, run: str, min_tokens: int, min_detail: float) -> Units:
    kept = Catalog(catalog)
    version = kept.work(run).facts("ingest")["versions"]["records"]
    columns = ["record_id", "text_hash", "image_hash", "text_tokens", "image_detail"]
    records = kept.tables.read("records", version=version, columns=columns)
    return make_units(records, exact_groups(records), min_tokens=min_tokens, min_detail=min_detail)


def record_ids(context: RunContext) -> pa.Array:
    """The record ids by row."""
    version = context.work.facts("ingest")["versions"]["records"]
    records = context.catalog.tables.read("records", version=version, columns=["record_id"])
    return records["record_id"].combine_chunks()


def _has(context: RunContext) -> dict[str, Any]:
    version = context.work.facts("ingest")["versions"]["records"]
    hashes = context.catalog.tables.read(
        "records", version=version, columns=["text_hash", "image_hash"]
    )
    return {
        name: pc.is_valid(hashes[f"{name}_hash"]).to_numpy().astype(bool)
        for name in ("text", "image")
    }
