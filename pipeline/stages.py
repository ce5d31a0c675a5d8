"""The stages of a run: read → pure call → write. The map of the pipeline on one page.

Each stage takes the run's context and leaves its result in the run's scratch or in the catalog, so
that any orchestrator can call them one after another, in any process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import progress
from pipeline.contents import frequencies_of
from pipeline.context import RunContext, stage
from pipeline.decisions import judge_key, judged, standing
from pipeline.decoding import Decoder
from pipeline.delivery import delivered
from pipeline.embedding import embed_modality, embed_turned
from pipeline.exporters.contents import removed
from pipeline.ingestion import arrange, keep_portion, known_pictures, names
from pipeline.judging import exact_batch
from pipeline.last_night import near_rows
from pipeline.late import chosen, passed, taught
from pipeline.links import Links
from pipeline.proposals import floored, nearby, once, verbatim
from pipeline.self_calibration import self_calibrated
from pipeline.settling import settle_records
from pipeline.side_by_side import METHOD
from pipeline.state import floors_of, make_judge, modalities, record_ids, units_of
from pipeline.succession import tonight
from pipeline.tally import Tally
from pipeline.units import Candidates, propose
from pipeline.verification import look_at_candidates


@stage("ingest")
def ingest(context: RunContext) -> dict[str, Any]:
    """Sources → records and quarantine, one portion at a time; then one row per record id.

    Raises:
        SourceError: a source declared complete is empty, or went away.
        CheckError: a row was lost.
    """
    config, rows, size = context.config, dict.fromkeys(names(context.config), 0), 0
    keys: list[str] = []
    with Decoder(config.images) as decoder:
        known = known_pictures(context)
        for portion in delivered(config, run=context.run):
            size += keep_portion(context, portion, decoder=decoder, known=known)
            keys.append(portion.key)
            rows[portion.source.name] += portion.batch.rows_in
            progress.report("ingest", sum(rows.values()))
    arrange(context.work, keys)
    return {"rows": sum(rows.values()), "bytes": size, **settle_records(context, rows)}


@stage("embed_text")
def embed_text(context: RunContext) -> dict[str, Any]:
    """Embed the distinct texts that have no vector yet."""
    return embed_modality(context, "text", units_of(context).text_hashes)


@stage("embed_images")
def embed_images(context: RunContext) -> dict[str, Any]:
    """Embed the distinct pictures that have no vector yet, on request turned and mirrored too."""
    hashes = units_of(context).image_hashes
    facts = embed_modality(context, "image", hashes)
    return {**facts, **embed_turned(context, hashes)}


@stage("candidates")
def candidates(context: RunContext) -> dict[str, Any]:
    """Vectors and long texts → candidate pairs of units, with their measured recall.

    Only contents that last night did not know are searched, against everything; the other near
    pairs are last night's.
    """
    units = units_of(context)
    backgrounds = self_calibrated(context, units)
    floors = floors_of(context)
    choice = chosen(context, units)
    floor = choice.floor if choice else floors["text"]
    text = once(context, "text", lambda: nearby(context, "text", floor))
    image = once(context, "image", lambda: nearby(context, "image", floors["image"]))
    lexical = once(context, "lexical", lambda: verbatim(context, units))
    long = floored(lexical.near, context.config.candidates.lexical.floor)
    near = passed(context, units, text.pairs, choice) if choice else text.pairs
    proposed = propose(units, text=near, lexical=long, image=image.pairs)
    late = None
    if choice:
        proposed, late = taught(context, units, proposed, choice, len(text.near.left))
    context.work.save(
        "candidates", key=proposed.key, stage=proposed.stage, lexical=proposed.lexical
    )
    kinds = {"text": text, "image": image, "lexical": lexical}
    rows = [near_rows(kind, found.near) for kind, found in kinds.items()]  # type: ignore[arg-type]
    rows += [found.crowds for found in kinds.values() if found.crowds is not None]
    return {
        "rows": len(proposed.key),
        "crowded": sum(found.facts.get("crowded", 0) for found in (text, image)),
        "lexical_pairs": len(long[0]),
        "text": text.facts or None,
        "image": image.facts or None,
        "searched_all": {kind: found.why for kind, found in kinds.items() if found.why},
        "cascade": late,
        "state": {
            **{kind: found.state for kind, found in kinds.items()},
            "cascade": context.work.facts("cascade"),
            "synthetic": context.work.facts("synthetic")["kinds"],
        },
        "versions": {
            "near_pairs": context.catalog.tables.replace("near_pairs", rows),
            **({} if backgrounds is None else {"backgrounds": backgrounds}),
        },
    }


@stage("score")
def score(context: RunContext) -> dict[str, Any]:
    """Candidate pairs → evidence, probability, decision; accepted links kept for clustering.

    Only pairs with a record that is new or changed are judged; the other rows are last night's.
    """
    work, units = context.work, units_of(context)
    kept = Candidates(**work.load("candidates"))
    alignments = look_at_candidates(context, units, kept)
    judge, ids = make_judge(context), record_ids(context)
    frequencies, counted = frequencies_of(context, units)
    key = judge_key(context, judge, frequencies)
    stand = standing(context, units, kept, ids=ids, key=key)
    tally = Tally()

    star = exact_batch(units.leader, ids=ids, has=modalities(context), judge=judge, run=context.run)
    size = work.keep_shard("pairs", "exact", pa.Table.from_batches([star]))
    done, names = 0, ["exact"]
    rows = judged(
        context, units, kept, stand, judge=judge, frequencies=frequencies, ids=ids, key=key
    )
    for part, batch, name in rows:
        names.append(name)
        size += batch.nbytes
        tally.add(part, batch, len(units.rows))
        done += len(part.key)
        progress.report("score", done, len(kept.key))
    work.arrange("pairs", names)
    versions = {
        "pairs": context.catalog.tables.replace("pairs", work.iter_shards("pairs")),
        "word_counts": counted,
        **({} if alignments is None else {"alignments": alignments}),
    }
    work.save("links", **tally.arrays())
    if stand.touched is not None:
        work.save("touched", touched=stand.touched)
    fresh, looked = int((stand.row < 0).sum()), work.facts("geometry")
    return {
        "rows": len(kept.key),
        "bytes": size,
        "decisions": dict(tally.decisions),
        "exact_duplicates": int((units.leader != np.arange(len(units.leader))).sum()),
        "histogram": tally.histogram.tolist(),
        "judged": fresh,
        "standing": len(kept.key) - fresh,
        "judged_all": stand.why,
        "geometry": looked,
        "state": {
            "judge": {"key": key, "texts": frequencies.texts},
            "geometry": looked and {"method": METHOD},
        },
        "versions": versions,
    }


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
