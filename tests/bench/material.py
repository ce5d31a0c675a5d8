"""What several sections of the benchmark work on: real texts, the student, its vectors."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from processes import called

THRESHOLD = 0.9


def material(data: Path, out: Path, rows: int) -> dict[str, Any]:
    """Paths of the texts and their vectors, and a run's `settings`, made where they lack."""
    return called(made, data=data, out=out, rows=rows)


def made(data: str, out: str, rows: int) -> dict[str, Any]:
    from million import config, static_encoder, write_texts

    folder, student = Path(out), static_encoder(Path(out))
    texts, vectors = folder / f"texts-{rows}.parquet", folder / f"student-vectors-{rows}.npy"
    # Under another name until whole, so that an interrupted file is not taken for one.
    partial = folder / "partial.npy"
    if not texts.exists():
        write_texts(Path(data), partial, rows)
        partial.rename(texts)
    if not vectors.exists():
        write_vectors(texts, student, partial)
        partial.rename(vectors)
    source = {"type": "parquet", "name": "t", "path": str(texts),
              "columns": {"id": "id", "text": "text"}}  # fmt: skip
    settings = {
        **config(folder, rows),
        "sources": [source],
        "candidates": {"text_floor": THRESHOLD},
    }
    return {"texts": str(texts), "vectors": str(vectors), "student": str(student),
            "settings": settings}  # fmt: skip


def write_vectors(texts: Path, student: Path, path: Path) -> None:
    """Write (rows, dimension) float32 unit vectors of the texts."""
    import numpy as np
    import pyarrow.parquet as pq
    from sentence_transformers import SentenceTransformer

    given = pq.read_table(texts)["text"].to_pylist()
    encoder = SentenceTransformer(str(student), device="cpu")
    np.save(path, encoder.encode(given, batch_size=4096, normalize_embeddings=True))


def first_run(settings: dict[str, Any], students: Path | None = None) -> dict[str, Any]:
    """A complete run of a catalog that does not exist yet, with what its summary tells.

    Args:
        students: a folder of distilled students that the catalog begins with.
    """
    catalog = Path(settings["catalog"])
    shutil.rmtree(catalog, ignore_errors=True)
    if students:
        shutil.copytree(students, catalog / "students")
    return called(run, settings=settings)


def run(settings: dict[str, Any]) -> dict[str, Any]:
    from pipeline import run
    from pipeline.config.run import RunConfig

    return told(run(RunConfig.model_validate(settings)))


def told(summary: dict[str, Any]) -> dict[str, Any]:
    """What the benchmark keeps of a run's summary."""
    return {
        "status": summary.status,
        "counts": {name: summary.told_counts[name] for name in ("candidates", "clusters")},
        "stages": {entry.stage: round(entry.seconds, 1) for entry in summary.stages},
        "candidate_recall": summary.recall.text and asdict(summary.recall.text),
        "cascade": summary.cascade and asdict(summary.cascade),
    }
