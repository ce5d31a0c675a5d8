"""Pairs of nearly equal pictures, of which what differs says whether they are one, through a run.

    python tests/bench/pictures/minimal_pictures.py --data DATA [--pairs FOLDER]

The pairs of FOLDER/pairs.csv (by default of DATA's minimal_pairs_images) among every eighth
photograph of photos_train but those that the pairs are made of. Told by label: the share joined in
confirmed clusters, joined in any, and joined or for review.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.catalog import Catalog
from pipeline.config import RunConfig
from pipeline.nightly.runner import run

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

EVERY = 8
# What counts in each column, each word once.
OUTCOMES = (("confirmed",), ("confirmed", "joined"), ("confirmed", "joined", "review"))
Pairs = list[tuple[str, str, str, str]]  # kind, label, left, right


def filler(data: Path, pairs: Path, to: Path) -> None:
    """Photographs that none of the pairs is made of."""
    used: set[str] = set()
    if (listed := pairs / "photos_used.csv").is_file():
        used = {row["group"] for row in csv.DictReader(listed.open())}
    photographs = pq.ParquetFile(data / "photos_train" / "photos.parquet")
    number = 0
    for batch in photographs.iter_batches(256, columns=["group", "jpeg"]):
        for group, jpeg in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if number % EVERY == 0 and str(group) not in used:
                (to / f"{number}.jpg").write_bytes(jpeg)
            number += 1


def outcomes(catalog: Catalog, pairs: Pairs) -> dict[str, list[tuple[str, str]]]:
    """Label -> kind and outcome of each pair: confirmed, joined, review or apart."""
    night = catalog.runs()[0]
    clusters = {
        row["record_id"]: (row["cluster_id"], row["status"])
        for row in catalog.read("clusters", run=night).to_pylist()
    }
    waiting = {
        frozenset((row["left_id"], row["right_id"]))
        for row in catalog.read("pairs", run=night).to_pylist()
        if row["decision"] == "review"
    }
    found: dict[str, list[tuple[str, str]]] = {}
    for kind, label, left, right in pairs:
        (one, status), (other, _) = clusters[left], clusters[right]
        word = "review" if frozenset((left, right)) in waiting else "apart"
        if one == other:
            word = "confirmed" if status == "confirmed" else "joined"
        found.setdefault(label, []).append((kind, word))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    folder = chosen.pairs or chosen.data / "minimal_pairs_images"
    rows = list(csv.DictReader((folder / "pairs.csv").open()))
    pairs = [
        (row["kind"], row["label"], f"p:{row['left_path']}", f"p:{row['right_path']}")
        for row in rows
    ]
    with tempfile.TemporaryDirectory() as work:
        others = Path(work) / "others"
        others.mkdir()
        filler(chosen.data, folder, others)
        run(
            RunConfig.model_validate(
                {
                    "catalog": str(Path(work) / "catalog"),
                    "sources": [
                        {"name": "p", "type": "image_folder", "path": str(folder)},
                        {"name": "f", "type": "image_folder", "path": str(others)},
                    ],
                    "image_encoder": {"type": "copy_detection"},
                    "gates": {"max_removed": 1, "max_in_review": 1},
                }
            )
        )
        found = outcomes(Catalog(Path(work) / "catalog"), pairs)
    report = Report("| label | kind | pairs | joined, confirmed | joined | joined or for review |")
    for label, told in sorted(found.items()):
        for kind in ("all", *sorted({kind for kind, _ in told})):
            words = [word for of, word in told if kind in ("all", of)]
            cells = [f"{sum(map(some.count, words)) / len(words):.1%}" for some in OUTCOMES]
            report.add(f"| {label} | {kind} | {len(words)} | {' | '.join(cells)} |")
    chosen.out.mkdir(parents=True, exist_ok=True)
    report.write(chosen.out / "minimal_pictures", outcomes=found)


if __name__ == "__main__":
    main()
