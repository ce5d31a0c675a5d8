"""The self-join of vectors beside plain FAISS and sentence-transformers' paraphrase mining.

The vectors are the student's of real texts; seconds are of the join alone, training and tuning of
an index included, imports not. FAISS takes the fewest probes, doubled from one, that reach a recall
of 0.99; paraphrase mining compares all with all and keeps the nearest 100 of each and 500,000 in
all, its defaults. Recall is measured on 2,000 rows against brute force.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from material import THRESHOLD, material
from processes import called, peak_gb
from results import Measured, Way

MINED_ROWS = 100_000  # it takes the square of the rows
TARGET, MOST_PROBES = 0.99, 64
WARM = 2_000  # rows joined before the clock starts, so that libraries are loaded

Vectors = npt.NDArray[np.float32]
Found = tuple[npt.NDArray[np.int64], str]  # sorted keys left * n + right, and what is told of them


def ways(data: Path, out: Path, rows: int) -> list[Way]:
    path = material(data, out, rows)["vectors"]
    found = [Way("gemel", partial(_one, by_gemel, path)),
             Way("FAISS IVF range_search", partial(_faiss, path))]  # fmt: skip
    if rows <= MINED_ROWS:
        found.append(Way("paraphrase_mining_embeddings", partial(_one, by_mining, path)))
    return found


def _one(join: Callable[..., dict[str, Any]], path: str) -> Measured:
    return _measured(called(join, path=path))


def _faiss(path: str) -> Measured:
    probes = 1
    while True:
        done = called(by_faiss, path=path, probes=probes)
        if done["recall"] >= TARGET or probes >= MOST_PROBES:
            return _measured(done)
        probes *= 2


def _measured(done: dict[str, Any]) -> Measured:
    said = f"recall {done['recall']:.4f}; {done['pairs']:,} pairs, {done['told']}"
    return Measured(done["seconds"], done["peak_gb"], said, done)


def by_gemel(path: str) -> dict[str, Any]:
    from self_join import gemel

    return _timed(np.load(path, mmap_mode="r"), lambda vectors: gemel(vectors, THRESHOLD))


def by_faiss(path: str, probes: int) -> dict[str, Any]:
    from self_join import faiss_join

    return _timed(np.load(path), lambda vectors: faiss_join(vectors, THRESHOLD, probes))


def by_mining(path: str) -> dict[str, Any]:
    return _timed(np.load(path), mined)


def mined(vectors: Vectors) -> Found:
    """The mined pairs that reach the threshold."""
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    found = paraphrase_mining_embeddings(torch.from_numpy(vectors))
    pairs = np.array([(i, j) for score, i, j in found if score >= THRESHOLD], np.int64)
    left, right = pairs.reshape(-1, 2).T
    keys = np.minimum(left, right) * len(vectors) + np.maximum(left, right)
    return np.unique(keys), f"of {len(found):,} mined"


def _timed(vectors: Vectors, join: Callable[[Vectors], Found]) -> dict[str, Any]:
    from self_join import recall

    join(np.ascontiguousarray(vectors[:WARM]))
    began = time.perf_counter()
    keys, told = join(vectors)
    took = {"seconds": time.perf_counter() - began, "peak_gb": peak_gb()}
    return {**took, "pairs": len(keys), "recall": recall(vectors, keys, THRESHOLD), "told": told}
