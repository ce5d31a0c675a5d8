"""The self-join beside FAISS's own, on the same vectors, at the same measured recall.

    python tests/bench/self_join.py --data ../shared/data [--rows 10000 1000000] [--floor 0.9]

The vectors are real short texts through a static encoder, 256 dimensions. Each way runs in a
process of its own: `gemel` is the list join of this project, training and tuning included;
`range_search` is FAISS's, with 4·√n lists and the fewest probes, doubled from --probes, that reach
the recall asked for on a sample (its training is counted, the choice of probes not). FAISS's
big-batch search answers for the k nearest only, which a crowd of copies overflows, and is left out.
Recall is measured on 2,000 rows against brute force.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from real_data import Report

TARGET = 0.99
WAYS = ("gemel", "range_search")


def vectors_of(data: Path, out: Path, rows: int) -> Path:
    """(rows, 256) float32 unit vectors of real texts, in a file; more rows than there are real
    ones are small rotations of them."""
    path = out / f"student-vectors-{rows}.npy"
    if path.exists():
        return path
    import pyarrow.parquet as pq
    from million import static_encoder, write_texts
    from sentence_transformers import SentenceTransformer

    real = min(rows, 1_000_000)
    texts = out / f"texts-{real}.parquet"
    write_texts(data, texts, real)
    encoder = SentenceTransformer(str(static_encoder(out)), device="cpu")
    given = pq.read_table(texts)["text"].to_pylist()
    base = encoder.encode(given, batch_size=4096, normalize_embeddings=True)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, 256))
    generator = np.random.default_rng(0)
    for start in range(0, rows, real):
        if start:
            # A plane at random per copy: neighbourhoods stay, the vectors are others.
            plane = np.linalg.qr(generator.standard_normal((256, 2)))[0].astype(np.float32)
            turn = 0.7
            along = base @ plane
            turned = along @ np.array(
                [[np.cos(turn) - 1, np.sin(turn)], [-np.sin(turn), np.cos(turn) - 1]], np.float32
            )
            copy = base + turned @ plane.T
        else:
            copy = base
        made[start : start + real] = copy[: rows - start]
    made.flush()
    return path


def gemel(vectors: np.ndarray, floor: float) -> tuple[np.ndarray, str]:
    from pipeline.config import FaissIndex
    from pipeline.indexes import build_index

    index = build_index(FaissIndex(exact_below=0), vectors, floor=floor)
    keys = [
        left * len(vectors) + right
        for part in range(index.parts)
        for left, right in index.self_join(floor, part)
    ]
    return np.sort(np.concatenate(keys)), index.description


def faiss_join(vectors: np.ndarray, floor: float, probes: int) -> tuple[np.ndarray, str]:
    import faiss

    lists = 1 << round(np.log2(4 * np.sqrt(len(vectors))))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:: max(1, len(vectors) // (lists * 48))])
    index.add(vectors)
    index.nprobe = probes
    limits, _, column = index.range_search(vectors, floor)
    row = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
    kept = row != column
    low, high = np.minimum(row, column)[kept], np.maximum(row, column)[kept]
    return np.unique(low * len(vectors) + high), f"IVF{lists}, {probes} probes"


def recall(vectors: np.ndarray, keys: np.ndarray, floor: float) -> float:
    from pipeline.candidates import measure_recall

    floors = np.full(len(vectors), floor)
    return measure_recall(vectors, keys, floor=floors, sample=2000, seed=7).recall


def child(way: str, path: str, floor: float, probes: int) -> dict[str, Any]:
    vectors = np.load(path, mmap_mode="r")
    if way != "gemel":
        vectors = np.ascontiguousarray(vectors)
    began = time.perf_counter()
    if way == "gemel":
        keys, told = gemel(vectors, floor)
    else:
        keys, told = faiss_join(vectors, floor, probes)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found = recall(vectors, keys, floor)
    return {"way": way, "seconds": seconds, "peak_gb": peak, "pairs": len(keys), "recall": found,
            "told": told}  # fmt: skip


def measured(way: str, path: Path, floor: float, probes: int) -> dict[str, Any]:
    """One way; FAISS's with more probes until the recall is reached."""
    while True:
        command = [sys.executable, __file__, "--child", way, str(path), str(floor), str(probes)]
        row: dict[str, Any] = json.loads(
            subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
        )
        if way == "gemel" or row["recall"] >= TARGET or probes >= 64:
            return row
        probes *= 2


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        way, path, floor, probes = sys.argv[2:]
        print(json.dumps(child(way, path, float(floor), int(probes))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--probes", type=int, default=1, help="The fewest that FAISS tries.")
    parser.add_argument("--floor", type=float, default=0.9)
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    report = Report("| rows | way | seconds | × gemel | peak GB | pairs | recall | |")
    results = []
    for rows in chosen.rows:
        path = vectors_of(chosen.data, out, rows)
        own = None
        for way in chosen.ways:
            row = {"rows": rows, **measured(way, path, chosen.floor, chosen.probes)}
            own = own or row["seconds"]
            results.append(row)
            report.add(
                f"| {rows:,} | {way} | {row['seconds']:.1f} | {row['seconds'] / own:.1f} | "
                f"{row['peak_gb']:.2f} | {row['pairs']:,} | {row['recall']:.4f} | {row['told']} |"
            )
    report.write(out / "self_join", floor=chosen.floor, rows=results)


if __name__ == "__main__":
    main()
