"""A judge of pictures, and the shipped network itself, fine-tuned on labelled copies.

    python tests/bench/pictures/labelled_pictures.py --data DATA [--seeds 0 1 2] [--ways …]

The AugLy copies, clusters of a photograph and its copies, split by cluster: 60 % to train on, 20 %
to choose thresholds on, 20 % that only measure. Three ways, each beside the network's cosine as it
is shipped: the judge alone without geometry, the judge with it, and the network trained too.
Every way judges the same held-out pairs, mined ones (the nearest in the index, all of which count
as different unless labelled: the clusters are complete) among them.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from real_data import augly_sources, keep

from pipeline.config.finetune import TrainConfig
from pipeline.training.finetuning import finetune

SET = "augly_copies_open"
MEASURES = ("average_precision", "precision", "recall")
WAYS: dict[str, tuple[bool, bool]] = {
    "judge alone, no geometry": (False, False),
    "judge alone": (False, True),
    "network and judge": (True, True),
}


def clusters(data: Path, path: Path) -> Path:
    """Write which photograph each picture is a copy of."""
    folder = data / SET
    rows = [
        {"record_id": f"{source}:{row[key]}", "cluster_id": row.get("base_id") or row[key]}
        for source, table, key in (
            ("q", "queries", "query_id"), ("s", "references", "reference_id"),
        )
        for row in pq.read_table(folder / f"{table}.parquet").to_pylist()
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def config(work: Path, data: Path, *, train: bool, geometry: bool, seed: int) -> TrainConfig:
    labels = clusters(data, work / "clusters.parquet")
    return TrainConfig.model_validate(
        {
            "name": "copies",
            "catalog": str(work / "catalog"),
            "labels": [{"type": "clusters", "path": str(labels)}],
            "sources": augly_sources(data / SET),
            "negatives": {"closed_world": True},
            "encoder": {"train": train, "start": {"type": "copy_detection"}, "epochs": 3,
                        "max_minutes": 15},
            "judge": {"geometry": geometry, "target_precision": 0.98},
            "gate": {"min_gain": -1},
            "seed": seed,
        }
    )  # fmt: skip


def shown(found: dict[str, Any], name: str) -> str:
    value = found[name]
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    chosen = parser.parse_args()
    work, rows = chosen.out.resolve() / "labelled-pictures", []
    for seed, way in itertools.product(chosen.seeds, chosen.ways):
        train, geometry = WAYS[way]
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        began = time.monotonic()
        summary = finetune(
            config(work, chosen.data.resolve(), train=train, geometry=geometry, seed=seed)
        )
        seconds, measured = round(time.monotonic() - began), asdict(summary.metrics)
        whole = asdict(summary)
        told = {name: whole[name] for name in ("metrics", "comparison", "thresholds", "judge")}
        rows.append({"way": way, "seed": seed, "seconds": seconds, **told})
        cells = [shown(measured, name) for name in MEASURES]
        print(f"| {way} | {seed} | {' | '.join(cells)} | {seconds} |", flush=True)
    for way in chosen.ways:
        values = [[row["metrics"][name]["value"] for name in MEASURES]
                  for row in rows if row["way"] == way]  # fmt: skip
        mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True)]
        print(f"| {way} | mean | {' | '.join(cells)} |")
    keep(chosen.out / "labelled_pictures.json", rows=rows)


if __name__ == "__main__":
    main()
