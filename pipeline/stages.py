"""The stages of a run: read → pure call → write. The map of the pipeline on one page.

Each stage takes the run's context and leaves its result in the run's scratch or in the catalog, so
that any orchestrator can call them one after another, in any process.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import progress
from pipeline.contents import embed_modality, vectors_of
from pipeline.context import RunContext, stage
from pipeline.decoding import Decoder
from pipeline.errors import SourceError
from pipeline.exporters.contents import removed
from pipeline.ingestion import settle_records
from pipeline.judging import Scored, exact_batch, judge_candidates, pairs_batch, says
from pipeline.links import Links
from pipeline.proposals import described, nearby, verbatim
from pipeline.records import build_records
from pipeline.scoring import DISTINCT
from pipeline.sources import open_source
from pipeline.state import make_judge, modalities, record_ids, rules_of, units_of
from pipeline.succession import tonight
from pipeline.units import Candidates, propose

# Pictures are decoded a bounded batch at a time.
IMAGE_ROWS = 1024


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
            most = IMAGE_ROWS if source_config.has_images else config.shard_rows
            for batch in source.batches(rows=most):
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
    return {"rows": rows, "bytes": size, **settle_records(context, rows)}


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
    units = units_of(context)
    rules = rules_of(context)
    text = nearby(context, "text", rules["text"].floor)
    image = nearby(context, "image", rules["image"].floor)
    lexical = verbatim(context, units)
    proposed = propose(
        units, text=(text.left, text.right), lexical=lexical, image=(image.left, image.right)
    )
    context.work.save(
        "candidates", key=proposed.key, stage=proposed.stage, lexical=proposed.lexical
    )
    return {
        "rows": len(proposed.key),
        "crowded": text.crowds.crowded + image.crowds.crowded,
        "lexical_pairs": len(lexical[0]),
        "text": described(text),
        "image": described(image),
    }


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
    star = exact_batch(units.leader, ids=ids, has=modalities(context), judge=judge, run=context.run)
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
    names = ("left", "right", "probability", "found_by", "accepted", "apart")
    empty = [np.zeros(0, kind) for kind in (np.int64, np.int64, float, np.uint8, bool, bool)]
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
    """What clustering needs of a batch: the links, and the pairs that were not accepted."""
    return (
        scored.left,
        scored.right,
        scored.judgement.probability,
        says(scored.stage),
        scored.accepted,
        (scored.judgement.decision == DISTINCT) | scored.judgement.contradicts,
    )


@stage("cluster")
def cluster(context: RunContext) -> dict[str, Any]:
    """Accepted links and verdicts → clusters under last night's ids, cut links, events."""
    stored = context.work.load("links")
    yes = stored["accepted"]
    links = Links(
        stored["left"][yes],
        stored["right"][yes],
        stored["probability"][yes],
        stored["found_by"][yes],
        stored["left"][~yes],
        stored["right"][~yes],
        stored["apart"][~yes],
    )
    found = tonight(context, links)
    clusters, tables = found.clusters, context.catalog.tables
    heads = clusters.filter(pc.equal(clusters["record_id"], clusters["representative"]))
    sizes = pc.value_counts(heads["size"].combine_chunks()).to_pylist()
    sizes.sort(key=lambda entry: entry["values"])
    removable = pc.sum(removed(clusters)).as_py() or 0
    return {
        "rows": len(clusters),
        "clusters": len(heads),
        "duplicate_clusters": sum(e["counts"] for e in sizes if e["values"] > 1),
        "removable": removable,
        "removable_in_review": len(clusters) - len(heads) - removable,
        "largest_cluster": max((e["values"] for e in sizes), default=0),
        "cut_links": len(found.cut_links),
        "changes": found.changes,
        "verdicts": found.verdicts,
        "cluster_sizes": {
            "size": [e["values"] for e in sizes],
            "clusters": [e["counts"] for e in sizes],
        },
        "versions": {
            "clusters": tables.replace("clusters", clusters),
            "cut_links": tables.replace("cut_links", found.cut_links),
            "events": tables.replace_run("events", found.events, run=context.run),
            **({"labels": found.labels} if found.labels is not None else {}),
        },
    }
