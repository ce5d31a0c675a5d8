"""The self-join beside FAISS's own, on the same vectors, at the same measured recall.

    python tests/bench/size/self_join.py --data ../shared/data [--rows 10000 1000000] [--floor 0.9]
    python tests/bench/size/self_join.py --rows 10000000 --ways gemel candidates

The vectors are real short texts through a static encoder, 256 dimensions. Where more are wanted
than --originals (a million), the others are those of the distinct texts turned: rotated in the
plane of the vector and a random direction, by an angle whose cosine is drawn from 0.85 to 0.97,
each row by its own.

Each way runs in a process of its own: `gemel` is the list join of this project, training and tuning
included; `candidates` is the whole search of a night: crowds, the join, recall, the sorted pairs;
`range_search` is FAISS's, with 4·√n lists and the fewest probes, doubled from --probes, that reach
the recall asked for on a sample (its training is counted, the choice of probes not). FAISS's
big-batch search answers for the k nearest only, which a crowd of copies overflows, and is left out.
Recall is measured on 2,000 rows against brute force. Peak memory is the process's largest resident
set; beside it the largest without the pages of files, which the system may take back.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))
from real_data import Report

TARGET = 0.99
WAYS = ("gemel", "range_search")
OWN = ("gemel", "candidates")


def vectors_of(data: Path, out: Path, rows: int, originals: int) -> Path:
    """(rows, 256) float32 unit vectors of real texts, in a file."""
    real = min(rows, originals)
    path = out / (f"student-vectors-{rows}.npy" if real == rows else f"turned-{real}-{rows}.npy")
    if path.exists():
        return path
    import pyarrow.parquet as pq
    from million import static_encoder, write_texts
    from sentence_transformers import SentenceTransformer

    texts = out / f"texts-{real}.parquet"
    write_texts(data, texts, real)
    encoder = SentenceTransformer(str(static_encoder(out)), device="cpu")
    given = pq.read_table(texts)["text"].to_pylist()
    if real < rows:
        given = list(dict.fromkeys(given))
    base = encoder.encode(given, batch_size=4096, normalize_embeddings=True)
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, 256))
    made[: len(base)] = base
    generator = np.random.default_rng(0)
    for start in range(len(base), rows, 65_536):
        count = min(65_536, rows - start)
        made[start : start + count] = turned(base, start + np.arange(count), generator)
    made.flush()
    return path


def turned(base: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows of `base`, taken round and round, each rotated a little towards a random direction."""
    real = base[rows % len(base)]
    aside = generator.standard_normal(real.shape, np.float32)
    aside -= (aside * real).sum(axis=1, keepdims=True) * real
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    cosine = generator.uniform(0.85, 0.97, (len(rows), 1)).astype(np.float32)
    return cosine * real + np.sqrt(1 - cosine**2) * aside


def gemel(vectors: np.ndarray, floor: float) -> tuple[np.ndarray, str]:
    from pipeline.arrays.lookup import sorted_unique
    from pipeline.candidates.indexes import build_index
    from pipeline.config.candidates import FaissIndex

    index = build_index(FaissIndex(exact_below=0), vectors, floor=floor)
    keys = [
        left * len(vectors) + right
        for part in range(index.parts)
        for left, right in index.self_join(floor, part)
    ]
    return sorted_unique(keys), index.description


def candidates(vectors: np.ndarray, floor: float) -> tuple[np.ndarray, str]:
    from pipeline.candidates.near_pairs import find_near_pairs
    from pipeline.config.candidates import CandidateSettings, FaissIndex

    found = find_near_pairs(
        vectors, floor=floor, index=FaissIndex(), settings=CandidateSettings(), seed=0
    )
    told = f"{found.description}, {found.dense.crowded} crowded"
    return found.left * len(vectors) + found.right, told


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
    from pipeline.candidates.near_pairs import measure_recall

    floors = np.full(len(vectors), floor)
    return measure_recall(vectors, keys, floor=floors, sample=2000, seed=7).recall


def memory(field: str) -> float:
    """GB of this process: VmHWM, the most there were, or RssAnon, those that are no file's.

    The `ru_maxrss` of a child begins with what its parent had.
    """
    found = re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1e6 if found else float("nan")


@contextmanager
def watched() -> Iterator[list[float]]:
    """The most of RssAnon while something runs, as the one item of a list."""
    most, done = [memory("RssAnon")], Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], memory("RssAnon"))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def child(way: str, path: str, floor: float, probes: int) -> dict[str, Any]:
    vectors = np.load(path, mmap_mode="r")
    if way not in OWN:
        vectors = np.ascontiguousarray(vectors)
    began = time.perf_counter()
    with watched() as own:
        match way:
            case "gemel":
                keys, told = gemel(vectors, floor)
            case "candidates":
                keys, told = candidates(vectors, floor)
            case _:
                keys, told = faiss_join(vectors, floor, probes)
    seconds = time.perf_counter() - began
    peak = memory("VmHWM")
    found = recall(vectors, keys, floor)
    return {"way": way, "seconds": seconds, "peak_gb": peak, "own_gb": own[0], "pairs": len(keys),
            "recall": found, "told": told}  # fmt: skip


def measured(way: str, path: Path, floor: float, probes: int) -> dict[str, Any]:
    """One way; FAISS's with more probes until the recall is reached."""
    while True:
        command = [sys.executable, __file__, "--child", way, str(path), str(floor), str(probes)]
        row: dict[str, Any] = json.loads(
            subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
        )
        if way in OWN or row["recall"] >= TARGET or probes >= 64:
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
    parser.add_argument("--originals", type=int, default=1_000_000)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=[*WAYS, "candidates"])
    parser.add_argument("--probes", type=int, default=1, help="The fewest that FAISS tries.")
    parser.add_argument("--floor", type=float, default=0.9)
    chosen = parser.parse_args()
    out = chosen.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    report = Report(
        "| rows | way | seconds | × the first | peak GB | without the file | pairs | recall | |"
    )
    results = []
    for rows in chosen.rows:
        path = vectors_of(chosen.data, out, rows, chosen.originals)
        first = None
        for way in chosen.ways:
            row = {"rows": rows, **measured(way, path, chosen.floor, chosen.probes)}
            first = first or row["seconds"]
            results.append(row)
            report.add(
                f"| {rows:,} | {way} | {row['seconds']:.1f} | {row['seconds'] / first:.1f} | "
                f"{row['peak_gb']:.2f} | {row['own_gb']:.2f} | {row['pairs']:,} | "
                f"{row['recall']:.4f} | {row['told']} |"
            )
    report.write(out / "self_join", floor=chosen.floor, rows=results)


if __name__ == "__main__":
    main()
