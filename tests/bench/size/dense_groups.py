"""Dense groups: what a night costs when all texts come out of one template, and how it grows.

    python tests/bench/size/dense_groups.py [--rows 12500 25000 50000] [--kinds notice order]

`notice`: a page of boilerplate in which an order number, a name and a city differ, so that all are
nearly identical and collapse to leaders. `order`: two sentences in which more differs, so that each
text has its nearest copies listed. Every text is another one; the encoder is MiniLM's static
student. Each size is a complete first night in a process of its own, with a catalog of its own.
Every collapsed text is looked up in the table of pairs, where its cosine to its leader must be the
exact one, to the four decimals that the table has.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1]))
from million import one_run, static_encoder
from real_data import Report

from pipeline.arrays.blocks import cosines
from pipeline.arrays.lookup import positions_in
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig

FIRST = ("Anna", "Bela", "Carlos", "Dora", "Emil", "Fatima", "Georg", "Hanna", "Ivan")
LAST = ("Smith", "Jones", "Garcia", "Novak", "Kim", "Tanaka", "Okafor", "Silva", "Rossi")
CITY = ("Berlin", "Paris", "London", "Madrid", "Rome", "Vienna", "Prague", "Oslo", "Lisbon")
ITEM = ("red shoes", "garden chair", "coffee maker", "phone case", "desk lamp", "yoga mat")
PAGE = (
    "You can follow your parcel on our website at any time with the number above. Deliveries are "
    "made from Monday to Saturday between eight in the morning and six in the evening; if nobody "
    "is at home, the carrier leaves a card and brings the parcel to the nearest shop, where it is "
    "kept for seven days. Please check the parcel for damage before you sign. You may return goods "
    "within thirty days of receipt without giving reasons; use the label in the parcel, and keep "
    "the proof of postage until the amount has been refunded. If you have questions about your "
    "delivery, your invoice or a return, our customer service will be happy to help by telephone, "
    "by mail or in the chat on our website. Thank you for shopping with us."
)


def notice(draw: random.Random) -> str:
    return (
        f"Dear {draw.choice(FIRST)} {draw.choice(LAST)}, your order {draw.randrange(10**8)} has "
        f"been shipped to {draw.choice(CITY)}. {PAGE}"
    )


def order(draw: random.Random) -> str:
    return (
        f"Dear {draw.choice(FIRST)} {draw.choice(LAST)}, your order {draw.randrange(10**8)} of "
        f"{draw.randrange(1, 9)} {draw.choice(ITEM)} has been shipped to {draw.choice(CITY)}. "
        "You can follow your parcel on our website. Thank you for shopping with us."
    )


KINDS = {"notice": notice, "order": order}


def write(path: Path, kind: str, rows: int) -> list[str]:
    """Write as many distinct texts of one kind."""
    draw, texts = random.Random(1), dict[str, None]()
    while len(texts) < rows:
        texts[KINDS[kind](draw)] = None
    ids = pc.cast(pa.array(np.arange(rows)), pa.string())
    pq.write_table(pa.table({"id": ids, "text": list(texts)}), path)
    return list(texts)


def recorded(catalog: Path, texts: list[str], encoder: Path) -> tuple[int, int]:
    """Collapsed texts, and how many of them are in the table of pairs with their leader and the
    exact cosine."""
    from sentence_transformers import SentenceTransformer

    kept = Catalog(str(catalog))
    run = kept.runs()[0]
    near = kept.read("near_pairs", run=run)
    near = near.filter(
        pc.and_(pc.equal(near["kind"], "text crowd"), pc.invert(pc.is_valid(near["score"])))
    )
    records = kept.read("records", run=run, columns=["record_id", "text", "text_hash"])
    records = records.sort_by("text_hash")
    pairs = kept.read("pairs", run=run, columns=["left_id", "right_id", "text_cosine"])
    ids = records["record_id"].combine_chunks()
    left, right = (positions_in(pairs[side], ids) for side in ("left_id", "right_id"))
    known = np.minimum(left, right) * len(ids) + np.maximum(left, right)
    by_key = np.argsort(known)
    member, leader = (near[side].to_numpy().astype(np.int64) for side in ("left", "right"))
    key = np.minimum(member, leader) * len(ids) + np.maximum(member, leader)
    at = np.minimum(np.searchsorted(known[by_key], key), max(len(known) - 1, 0))
    found = known[by_key][at] == key
    vectors = SentenceTransformer(str(encoder), device="cpu").encode(
        records["text"].to_pylist(), batch_size=4096, normalize_embeddings=True
    )
    exact = cosines(vectors, member, leader)
    stored = pairs["text_cosine"].to_numpy()[by_key[at]]
    return len(member), int((found & (np.abs(stored - exact) < 6e-5)).sum())


def measure(kind: str, rows: int, out: Path) -> dict[str, Any]:
    path, catalog = out / f"dense-{kind}-{rows}.parquet", out / f"dense-catalog-{kind}-{rows}"
    shutil.rmtree(catalog, ignore_errors=True)
    texts, encoder = write(path, kind, rows), static_encoder(out)
    settings = {
        "catalog": str(catalog),
        "sources": [{"type": "parquet", "name": "t", "path": str(path),
                     "columns": {"id": "id", "text": "text"}}],
        "text_encoder": {"type": "sentence_transformers", "path": str(encoder)},
        "judge": {"text": {"accept": 0.95, "review": 0.92}},
        "candidates": {"text_floor": 0.9},
    }  # fmt: skip
    RunConfig.model_validate(settings)
    summary, seconds, peak = one_run(settings)
    stages = {entry.stage: entry.seconds for entry in summary.stages}
    collapsed, exact = recorded(catalog, texts, encoder)
    shutil.rmtree(catalog)
    counts = summary.counts
    return {
        "kind": kind, "rows": rows, "seconds": seconds, "peak_gb": peak,
        "stages": stages, "pairs": counts.candidates, "collapsed": collapsed, "exact": exact,
        "clusters": counts.duplicate_clusters, "largest": counts.largest_cluster,
        "recall": summary.recall.text.recall,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[12_500, 25_000, 50_000])
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    report = Report(
        "| kind | texts | pairs | a text | collapsed | exact cosine kept | recall |"
        " largest cluster | candidates s | judging s | clusters s | all s | × half | peak GB |"
    )
    results: list[dict[str, Any]] = []
    for kind in chosen.kinds:
        before = None
        for rows in chosen.rows:
            row = measure(kind, rows, out)
            results.append(row)
            grown = f"{row['seconds'] / before:.1f}" if before else ""
            before = row["seconds"]
            stages = row["stages"]
            report.add(
                f"| {kind} | {rows:,} | {row['pairs']:,} | {row['pairs'] / rows:.0f} | "
                f"{row['collapsed']:,} | {row['exact']:,} | {row['recall']:.4f} | "
                f"{row['largest']:,} | {stages['candidates']:.1f} | {stages['score']:.1f} | "
                f"{stages['cluster']:.1f} | {row['seconds']:.1f} | {grown} | {row['peak_gb']:.2f} |"
            )
            if row["exact"] < row["collapsed"]:
                raise SystemExit(f"{row['collapsed'] - row['exact']} members are not recorded")
    report.write(out / "dense_groups", rows=results)
    print(json.dumps({row["kind"]: row["clusters"] for row in results}))


if __name__ == "__main__":
    main()
