"""A small catalogue of products with pictures, near copies, a cut link and bad rows."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from pipeline.candidates import Recall
from pipeline.catalog import (
    ClusterSizes,
    Gate,
    PerModality,
    RunCounts,
    RunSummary,
    StageRow,
    Thresholds,
    UsedEncoder,
    UsedModels,
)
from pipeline.evaluation.cluster_metrics import ClusterMetrics
from pipeline.evaluation.drift import ScoreHistogram
from pipeline.evaluation.intervals import Estimate
from pipeline.evaluation.pair_metrics import RunQuality
from pipeline.storage.schemas import CLUSTERS, CUT_LINKS, PAIRS, QUARANTINE, RECORDS

LONG = " ".join(f"Sentence {n} of a longer article about the harbour." for n in range(90))


def jpeg(colour, *, square=40):
    image = Image.new("RGB", (160, 120), colour)
    ImageDraw.Draw(image).rectangle((20, 20, 20 + square, 20 + square), fill="white")
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=80)
    return sink.getvalue()


def record(record_id, text=None, *, colour=None, **values):
    row = dict.fromkeys(RECORDS.names) | {"record_id": record_id, "text": text}
    row |= {"source": record_id.split(":")[0], "location": "feed.csv:1"}
    if colour:
        row |= {"thumbnail": jpeg(colour), "image_hash": colour, "image_width": 1600}
        row |= {"image_height": 1200}
    return row | {"last_seen": datetime(2026, 3, 1, tzinfo=UTC)} | values


def pair(left, right, *, probability, decision="duplicate", **values):
    row = dict.fromkeys(PAIRS.names) | {"left_id": left, "right_id": right}
    row |= {"exact_text": False, "exact_image": False, "probability": probability}
    row |= {"text_cosine": 0.93, "token_overlap": 0.8, "edit_similarity": 0.88}
    row |= {"decision": decision, "reason": "text above the threshold", "proposed_by": "text"}
    row |= {"confirmed": decision == "duplicate"}
    return row | {"model": "minilm", "threshold": 0.9, "run": "r"} | values


def cluster(representative, members, *, evidence="text", status="confirmed"):
    every = {representative: 1.0, **members}
    common = {"cluster_id": f"c-{representative}", "size": len(every), "evidence": evidence}
    common |= {"representative": representative, "cohesion": min(every.values())}
    common |= {"status": status, "keeper_reason": "longest text", "same_thing": False}
    return [
        common | {"record_id": one, "probability_to_representative": probability}
        for one, probability in every.items()
    ]


def tables_of(*, records, pairs=(), clusters=(), cut_links=(), quarantine=()):
    return {
        "records": pa.Table.from_pylist(list(records), RECORDS),
        "pairs": pa.Table.from_pylist(list(pairs), PAIRS),
        "clusters": pa.Table.from_pylist(list(clusters), CLUSTERS),
        "cut_links": pa.Table.from_pylist(list(cut_links), CUT_LINKS),
        "quarantine": pa.Table.from_pylist(list(quarantine), QUARANTINE),
    }


@pytest.fixture
def tables():
    lamp = "Desk lamp LX-200, brass, 40 cm, warm white LED, 8 W. Two year guarantee."
    attributes = [("brand", "Lumo"), ("price", "39.90")]
    records = [
        record("shop:1", lamp, colour="navy", attributes=attributes, text_hash="t1"),
        record("shop:2", lamp, colour="navy", attributes=attributes, text_hash="t1"),
        record(
            "feed:3", lamp.replace("brass", "polished brass").replace("8 W", "9 W"),
            colour="midnightblue", attributes=[("brand", "Lumo"), ("price", "41.00")],
        ),
        record("feed:4", LONG),
        record("feed:5", LONG.replace("Sentence 44 of a longer", "Paragraph 44 of a shorter")),
        record("pics:a/6.jpg", colour="darkgreen"),
        record("pics:b/7.jpg", colour="green"),
        record("shop:8", "Desk lamp LX-300, brass, 60 cm", colour="navy"),
    ]  # fmt: skip
    pairs = [
        pair("feed:3", "shop:1", probability=0.953, image_cosine=0.97, code_agreement=0.5),
        pair("feed:4", "feed:5", probability=0.991, lexical=0.97),
        pair(
            "pics:a/6.jpg", "pics:b/7.jpg", probability=0.905, text_cosine=None,
            token_overlap=None, edit_similarity=None, image_cosine=0.91, proposed_by="image",
        ),
        pair("shop:1", "shop:8", probability=0.88, decision="review", code_agreement=-1.0),
        pair("feed:3", "shop:8", probability=0.47, decision="distinct"),
    ]  # fmt: skip
    clusters = [
        *cluster("shop:1", {"feed:3": 0.953, "shop:2": 1.0}, evidence="text+image"),
        *cluster("feed:4", {"feed:5": 0.991}),
        *cluster("pics:a/6.jpg", {"pics:b/7.jpg": 0.905}, evidence="image", status="review"),
        *cluster("shop:8", {}, evidence="single"),
    ]
    cut = {"left_id": "shop:1", "right_id": "shop:8", "probability": 0.88}
    bad = {"source": "shop", "location": "shop.csv:17", "raw": "17,,"}
    return tables_of(
        records=records,
        pairs=pairs,
        clusters=clusters,
        cut_links=[cut | {"reason": "no direct evidence to the representative"}],
        quarantine=[
            bad | {"reason": "neither text nor image"},
            bad | {"reason": "neither text nor image", "location": "shop.csv:21"},
            bad | {"reason": "id used twice"},
        ],
    )


@pytest.fixture
def summary():
    recall = Recall(recall=0.996, low=0.981, high=0.999, pairs=812, sampled=500)
    counts = RunCounts(
        rows=120_345, records=120_342, quarantined=3, with_text=120_340,
        with_image=48_112, exact_duplicates=2210, texts_embedded=118_000,
        images_embedded=47_001, texts_chunked=320, short_texts=1200,
        low_detail_images=44, crowded=0, candidates=98_221, duplicates=9120,
        review=812, distinct=88_289, clusters=111_000, duplicate_clusters=7420,
        removable=9342, removable_in_review=215, largest_cluster=61, cut_links=17,
    )  # fmt: skip
    stages = ["ingest", "embed text", "embed images", "index", "candidates", "score", "cluster"]
    edges = [n / 40 for n in range(41)]
    scored = [int(9000 * abs(n - 22) ** 2 / 400) for n in range(40)]
    sizes, clusters = (1, 2, 3, 5, 9, 61), (103_580, 6000, 900, 400, 119, 1)
    return RunSummary(
        run="2026-03-01T02-00-00Z",
        name="nightly",
        status="published",
        started="2026-03-01T02:00:00+00:00",
        finished="2026-03-01T02:11:42+00:00",
        seconds=702.4,
        calibrated=False,
        models=UsedModels(
            judge="default-1",
            text=UsedEncoder("all-MiniLM-L6-v2", "53aa5117", 0.6),
            image=UsedEncoder("efficientnet-lite0", "9c1be02d", 0.75),
        ),
        thresholds=Thresholds(0.9, 0.5),
        counts=counts,
        recall=PerModality(recall, replace(recall, recall=0.983)),
        index=PerModality("IVF1024,Flat", "Flat"),
        stages=tuple(
            StageRow(name, 12.5 * n**2 + 0.4, 120_342, 10**n * 120) for n, name in enumerate(stages)
        ),
        gates=(
            Gate("recall", "candidate recall", True, 0.983, 0.95, "lowest of text and image"),
            Gate("quarantined", "quarantined", True, 0.000025, 0.2, "3 of 120,345 rows"),
        ),
        versions={"gemel": "0.1.0", "pyarrow": "25.0"},
        histogram=ScoreHistogram(tuple(edges), tuple(scored)),
        cluster_sizes=ClusterSizes(sizes, clusters),
        quarantine_reasons={"neither text nor image": 2, "id used twice": 1},
    )


@pytest.fixture
def held(summary):
    failed = replace(
        summary.gates[1], passed=False, value=0.31,
        message="31 % of the rows could not be read; the feed may have changed its columns",
    )  # fmt: skip
    some = Estimate(0.97, 0.95, 0.99)
    return replace(
        summary,
        status="held",
        gates=(summary.gates[0], failed),
        calibrated=True,
        report="/data/catalog/reports/r.html",
        labels=RunQuality(
            pairs=900, positives=300, precision=Estimate(0.991, 0.978, 1.0),
            recall=Estimate(0.93, 0.9, 0.95), f1=0.96, average_precision=0.985,
            candidate_recall=0.99, unknown=4,
            clusters=ClusterMetrics(
                some, some, some, some, some, some,
                records=600, clusters=290, entities=280, resamples=200, seed=0,
            ),
        ),
    )  # fmt: skip


@pytest.fixture
def failed(summary):
    """What `publication.record_failure` leaves of a run that stopped while it scored."""
    return RunSummary(
        run=summary.run, name="nightly", status="failed", started=summary.started,
        finished=summary.finished, seconds=summary.seconds, stage="score",
        error="OSError: [Errno 28] No space left", stages=summary.stages[:5],
    )  # fmt: skip


@pytest.fixture
def unwritten(summary):
    """A published run of which an export could not be written."""
    reasons = {"/out/removals.csv": "cannot write /out/removals.csv: No space left on device"}
    return replace(summary, exports={"/out/clusters.csv": 12}, exports_failed=reasons)


@pytest.fixture
def build():
    """Give the tests the builders, since test folders are not packages."""
    return {"record": record, "pair": pair, "cluster": cluster, "tables_of": tables_of}
