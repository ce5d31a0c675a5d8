"""Near-verbatim long texts beside rensa: the same shingles, permutations, bands and floor.

Articles with 20 labelled pairs of planted copies. Gemel confirms what its bands propose by the
exact Jaccard, rensa (RMinHash and RMinHashLSH, as its pages have it) by the estimate of the
signatures. Seconds are of the work alone: shingles, signatures, bands, confirming.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from processes import called, peak_gb, peer
from results import Measured, Way

SHINGLE, FLOOR = 3, 0.5


def ways(data: Path, out: Path, _rows: int) -> list[Way]:
    found, path = out / "verbatim-pairs.npy", data / "minhash_articles" / "records.parquet"

    def gemel() -> dict[str, Any]:
        return called(by_gemel, path=path, found=found)

    def rensa() -> dict[str, Any]:
        return peer(out, "rensa", path, SHINGLE, FLOOR, found)

    return [
        Way(name, partial(_measured, measure, data, found))
        for name, measure in (("gemel", gemel), ("rensa 0.5.0", rensa))
    ]


def rows_of(data: Path) -> int:
    return int(called(counted, data=data)["rows"])


def counted(data: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    return {"rows": pq.read_metadata(Path(data) / "minhash_articles" / "records.parquet").num_rows}


def _measured(measure: Any, data: Path, found: Path) -> Measured:
    done = measure()
    quality = called(scored, data=data, found=found)
    said = (
        f"precision {quality['precision']:.2f} and recall {quality['recall']:.2f} of "
        f"{quality['labelled']} labelled pairs; recall {quality['jaccard_recall']:.3f} of "
        f"{quality['reaching']} pairs of Jaccard ≥ {FLOOR}"
    )
    return Measured(done["seconds"], done["peak_gb"], said, {**quality, **done})


def by_gemel(path: str, found: str) -> dict[str, Any]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from pipeline.candidates.minhash import band_candidates, jaccards, signatures
    from pipeline.config.candidates import LexicalSettings
    from pipeline.ingestion.records import count_words

    settings = LexicalSettings(shingle=SHINGLE, floor=FLOOR)
    texts = pq.read_table(path)["text"].combine_chunks()
    began = time.perf_counter()
    long = np.flatnonzero(pc.greater_equal(count_words(texts), settings.min_tokens).to_numpy(False))
    chosen = texts.take(long)
    left, right = band_candidates(signatures(chosen, settings))
    kept = jaccards(chosen, left, right, words=settings.shingle) >= settings.floor
    left, right = left[kept], right[kept]
    took = {"seconds": time.perf_counter() - began, "peak_gb": peak_gb()}
    np.save(found, np.stack([long[left], long[right]]))
    return took


def scored(data: str, found: str) -> dict[str, Any]:
    """Precision and recall of the labelled pairs, and recall of all pairs that reach the floor."""
    import pyarrow.parquet as pq
    from real_data import listed, ordered

    folder = Path(data) / "minhash_articles"
    table = pq.read_table(folder / "records.parquet")
    ids = table["record_id"].to_pylist()
    pairs = ordered((ids[a], ids[b]) for a, b in np.load(found).T.tolist())
    labelled = listed(folder / "pairs.parquet", set(ids))
    reaching = ordered((ids[a], ids[b]) for a, b in _reaching(table["text"].to_pylist()))
    return {
        "labelled": len(labelled),
        "precision": len(pairs & labelled) / max(len(pairs), 1),
        "recall": len(pairs & labelled) / len(labelled),
        "reaching": len(reaching),
        "jaccard_recall": len(pairs & reaching) / max(len(reaching), 1),
        "pairs": len(pairs),
    }


def _reaching(texts: list[str]) -> list[tuple[int, int]]:
    """All pairs whose exact Jaccard reaches the floor, from one product of the shingles."""
    from scipy.sparse import csr_matrix

    from pipeline.candidates.minhash import shingles

    number: dict[str, int] = {}
    rows = [[number.setdefault(s, len(number)) for s in shingles(t, words=SHINGLE)] for t in texts]
    size = np.array([len(row) for row in rows])
    places = (np.concatenate(rows), np.append(0, np.cumsum(size)))
    matrix = csr_matrix((np.ones(size.sum(), np.int32), *places), (len(texts), len(number)))
    common = (matrix @ matrix.T).tocoo()
    share = common.data / (size[common.row] + size[common.col] - common.data)
    kept = (common.row < common.col) & (share >= FLOOR)
    return list(zip(common.row[kept].tolist(), common.col[kept].tolist(), strict=True))
