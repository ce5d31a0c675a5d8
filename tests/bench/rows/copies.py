"""Manipulated copies of photographs beside imagehash: phash and brute force over 64-bit distances.

A complete first run of Gemel with its default network against the hashes of all pictures and every
pair of them within a distance of 8. Both are asked which query was made from which reference.
Seconds are without imports.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from processes import called, peer
from results import Measured, Way

SET = "augly_copies_open"
DISTANCE = 8


def ways(data: Path, out: Path, rows: int) -> list[Way]:
    return [
        Way("gemel", partial(_gemel, data, out, rows)),
        Way(f"imagehash 4.3.2, phash ≤ {DISTANCE}", partial(_imagehash, data, out, rows)),
    ]


def rows_of(data: Path) -> int:
    return int(called(counted, data=data)["rows"])


def counted(data: str) -> dict[str, Any]:
    import pyarrow.parquet as pq

    paths = [Path(data) / SET / f"{name}.parquet" for name in ("queries", "references")]
    return {"rows": sum(pq.read_metadata(path).num_rows for path in paths)}


def _gemel(data: Path, out: Path, rows: int) -> Measured:
    return _measured(called(by_gemel, data=data, catalogs=out / "bench-catalogs"), rows)


def _imagehash(data: Path, out: Path, rows: int) -> Measured:
    pictures, found = out / "pictures.json", out / "phash-pairs.npy"
    called(write_paths, data=data, path=pictures)
    done = peer(out, "imagehash", pictures, DISTANCE, found)
    quality = called(scored, data=data, pictures=pictures, found=found)
    return _measured({**quality, **done}, rows)


def _measured(done: dict[str, Any], rows: int) -> Measured:
    said = (
        f"{rows / done['seconds']:.0f} images/s; precision {done['precision']:.3f}, "
        f"recall {done['recall']:.3f}, F1 {_f1(done['precision'], done['recall']):.3f}"
    )
    return Measured(done["seconds"], done["peak_gb"], said, done)


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / max(precision + recall, 1e-9)


def by_gemel(data: str, catalogs: str) -> dict[str, Any]:
    from real_data import measure

    shutil.rmtree(Path(catalogs) / SET, ignore_errors=True)
    return measure(SET, Path(data), Path(catalogs), {})


def write_paths(data: str, path: str) -> dict[str, Any]:
    """Write the ids and the files of all pictures."""
    import json

    import pyarrow.parquet as pq

    folder, listed = Path(data) / SET, []
    for name, key in (("queries", "query_id"), ("references", "reference_id")):
        table = pq.read_table(folder / f"{name}.parquet")
        files = [str(folder / file) for file in table["path"].to_pylist()]
        listed += list(zip(table[key].to_pylist(), files, strict=True))
    Path(path).write_text(json.dumps(listed))
    return {}


def scored(data: str, pictures: str, found: str) -> dict[str, Any]:
    """Precision and recall of the pairs of a query and a reference."""
    import json

    from real_data import SETS, ordered

    truth = SETS[SET][1](Path(data) / SET)
    ids = [key for key, _ in json.loads(Path(pictures).read_text())]
    pairs = ordered((ids[a], ids[b]) for a, b in np.load(found).T.tolist())
    pairs = {pair for pair in pairs if truth.comparable(*pair)}
    right = len(pairs & truth.positive)
    return {
        "precision": right / max(len(pairs), 1),
        "recall": right / len(truth.positive),
        "predicted": len(pairs),
    }
