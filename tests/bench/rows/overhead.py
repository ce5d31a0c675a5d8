"""What the catalog and Prefect cost: `gemel run` beside its pure functions called one by one.

The bare stages hold everything in memory: no scratch, no tables, no gates, no report. `--plain` is
the same run with the catalog and without Prefect. All are processes of their own, imports included.
"""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from material import material, told
from processes import called, ended
from results import Measured, Way


def ways(data: Path, out: Path, rows: int) -> list[Way]:
    """The bare stages come first: the others are told as so much more."""
    given = material(data, out, rows)
    catalog = f"{given['settings']['catalog']}-overhead"
    settings = {**given["settings"], "catalog": catalog, "image_encoder": {"type": "toy_image"}}
    config = out / f"overhead-{rows}.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    bare: list[Measured] = []
    return [
        Way("bare stages", partial(_bare, settings, bare)),
        Way("gemel run --plain", partial(_whole, config, catalog, bare, "--no-prefect")),
        Way("gemel", partial(_whole, config, catalog, bare)),
    ]


def _bare(settings: dict[str, Any], bare: list[Measured]) -> Measured:
    done = called(bare_stages, settings=settings)
    found = Measured(done["seconds"], done["peak_gb"], _counted(done["counts"]), done)
    bare.append(found)
    return found


def _whole(config: Path, catalog: str, bare: list[Measured], *options: str) -> Measured:
    shutil.rmtree(catalog, ignore_errors=True)
    done = ended([sys.executable, "-m", "flows.cli.main", "run", str(config), "--json", *options])
    facts = told(done)
    said = _counted(facts["counts"])
    if bare:
        said = f"{done['seconds'] / bare[0].seconds - 1:+.0%} over the bare stages; {said}"
    return Measured(done["seconds"], done["peak_gb"], said, facts)


def _counted(counts: dict[str, int]) -> str:
    return f"{counts['candidates']:,} candidates, {counts['clusters']:,} clusters"


def bare_stages(settings: dict[str, Any]) -> dict[str, Any]:
    """Rows → records → units → vectors → candidates → judgements → clusters."""
    from pipeline.candidates.content_groups import make_groups
    from pipeline.clustering.clusters import cluster_tables
    from pipeline.config.run import RunConfig
    from pipeline.ingestion.records import exact_groups

    config = RunConfig.model_validate(settings)
    records = _records(config)
    units = make_groups(
        records,
        exact_groups(records),
        min_tokens=config.text.min_tokens,
        min_detail=config.images.min_detail,
    )
    texts = _texts_of(records, units.text_hashes)
    vectors = _vectors(config, texts)
    candidates = _candidates(config, units, texts, vectors)
    links = _links(config, candidates, units, texts, vectors)
    clusters, _ = cluster_tables(records, units, links, config.clustering)
    counts = {
        "candidates": len(candidates.key),
        "clusters": len(set(clusters["cluster_id"].to_pylist())),
    }
    return {"counts": counts}


def _records(config: Any) -> Any:
    import pyarrow as pa

    from pipeline.ingestion.decoding import Decoder
    from pipeline.ingestion.records import build_records
    from pipeline.ingestion.sources import open_source

    (source,) = config.sources
    with Decoder(config.images) as decoder:
        built = [
            build_records(
                batch.rows,
                source=source.name,
                images=config.images,
                now=datetime.now(UTC),
                decoder=decoder,
            ).records
            for batch in open_source(source).batches(rows=config.shard_rows)
        ]
    return pa.concat_tables(built).sort_by("record_id")


def _texts_of(records: Any, hashes: Any) -> Any:
    import pyarrow.compute as pc

    first = pc.index_in(hashes, value_set=records["text_hash"].combine_chunks())
    return records["text"].combine_chunks().take(first)


def _vectors(config: Any, texts: Any) -> Any:
    from pipeline.encoders.opening import open_encoder

    encoder = open_encoder(config.text_encoder, images=config.images, threads=config.threads)
    vectors = np.zeros((len(texts), encoder.dimension), np.float32)
    for encoded in encoder.encode(texts.to_pylist()):
        vectors[encoded.positions] = encoded.vectors
    return vectors


def _candidates(config: Any, units: Any, texts: Any, vectors: Any) -> Any:
    import pyarrow.compute as pc

    from pipeline.candidates.candidate_pairs import propose
    from pipeline.candidates.minhash import band_candidates, jaccards, signatures
    from pipeline.candidates.near_pairs import find_near_pairs
    from pipeline.candidates.rare_words import rare_word_pairs
    from pipeline.ingestion.records import count_words

    settings = config.candidates
    near = find_near_pairs(
        vectors,
        floor=settings.text_floor,
        index=config.index,
        settings=settings,
        seed=config.seed,
    )
    words = count_words(texts).to_numpy()
    long = np.flatnonzero(words >= settings.lexical.min_tokens)
    chosen = pc.take(texts, long)
    left, right = band_candidates(signatures(chosen, settings.lexical))
    score = jaccards(chosen, left, right, words=settings.lexical.shingle)
    kept = score >= settings.lexical.floor
    nothing = np.zeros(0, np.int64)
    rare = rare_word_pairs(texts, settings.rare_words, threads=config.threads)
    return propose(
        units,
        text=(near.left, near.right),
        lexical=(long[left[kept]], long[right[kept]], score[kept]),
        rare_words=(rare.left, rare.right),
        image=(nothing, nothing),
    )


def _links(config: Any, candidates: Any, units: Any, texts: Any, vectors: Any) -> Any:
    import os

    import pyarrow.compute as pc

    from pipeline.candidates.candidate_pairs import CandidatePairs
    from pipeline.clustering.links import Links
    from pipeline.matching.comparison.text import TextComparison
    from pipeline.matching.judge import DISTINCT, DUPLICATE, Judge, log_odds
    from pipeline.matching.rules.default_rules import image_default, text_default
    from pipeline.matching.scoring import BATCH, Contents, score_pairs

    judge = Judge(
        text=text_default(config.text_encoder, config.judge).rule,
        image=image_default(config.image_encoder, config.judge).rule,
        name="bare",
    )
    comparer = TextComparison(texts, threads=config.threads or os.cpu_count() or 1)
    contents = Contents(units, vectors, np.zeros((0, 1), np.float32), comparer)
    parts = []
    for start in range(0, len(candidates.key), BATCH):
        part = slice(start, start + BATCH)
        batch = CandidatePairs(
            candidates.key[part], candidates.proposed_by[part], candidates.lexical[part]
        )
        found = score_pairs(batch, contents, judge)
        said = found.judgement
        odds = log_odds(said.probability) - log_odds(said.threshold)
        yes, no = (np.asarray(pc.equal(said.decision, word)) for word in (DUPLICATE, DISTINCT))
        parts.append((found.left, found.right, said.probability, found.proposed_by,
                      yes, no | said.contradicts, odds.astype(np.float32)))  # fmt: skip
    left, right, probability, proposed_by, yes, apart, odds = map(
        np.concatenate, zip(*parts, strict=True)
    )
    return Links.of(left=left, right=right, probability=probability, proposed_by=proposed_by,
                    odds=odds, accepted=yes, apart=apart)  # fmt: skip
