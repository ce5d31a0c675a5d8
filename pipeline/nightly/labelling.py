"""Verdicts in and out of a catalog: suggest pairs to label, take filled-in labels. SHELL."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog, Run
from pipeline.errors import ConfigError
from pipeline.labels import (
    DIFFERENT,
    SAME,
    blank_rows,
    estimate_run,
    is_enough,
    latest_verdicts,
    read_filled,
    suggest_pairs,
)
from pipeline.matching import judged_across
from pipeline.storage import LABELS, conform

PAIR = ["left_id", "right_id"]
SHOWN = ["record_id", "text", "image_uri", "word_count", "fields"]
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
TARGET = 0.95
FEW = 20  # labels of accepted pairs below which nothing is said of the precision


def format_of(path: Path) -> Any:
    """The format of a label file, by its ending.

    Raises:
        ConfigError: another ending.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"{path} must end in {', '.join(FORMATS)}, not {path.suffix!r}")
    return FORMATS[path.suffix]


def suggest_labels(catalog: Catalog, run: Run, *, n: int, seed: int, out: Path) -> dict[str, Any]:
    """Write a sheet of the pairs most worth labelling, the most worth first.

    Returns:
        rows, why -> count, and whether more labels would move the precision's bound much.
    """
    from pipeline.outputs import open_exporter

    chosen = format_of(out)
    pairs = judged_across(catalog.read("pairs", run=run))
    labels = catalog.tables.labels()
    thresholds = run.summary.thresholds
    sheet = suggest_pairs(
        pairs,
        labels,
        n=n,
        accept=thresholds.accept,
        review=thresholds.review,
        seed=seed,
        clusters=catalog.read("clusters", run=run, columns=["record_id", "cluster_id"]),
        records=catalog.read("records", run=run, columns=SHOWN),
    )
    open_exporter(chosen).write(iter(sheet.to_batches()), sheet.schema, str(out))
    return {
        "rows": len(sheet),
        "path": str(out),
        "why": dict(sorted(Counter(sheet["why"].to_pylist()).items())),
        "enough": _enough(pairs, labels),
    }


def _enough(pairs: pa.Table, labels: pa.Table | None) -> list[str]:
    """One sentence on whether more labels are worth it, by each accepted pair's last label."""
    if labels is None:
        return ["no labels yet: the precision of this catalog's clusters is not known"]
    accepted = pairs.filter(pc.equal(pairs["decision"], "duplicate"))
    last = latest_verdicts(labels)
    decided = last.filter(pc.is_in(last["code"], value_set=pa.array([SAME, DIFFERENT])))
    known = decided.join(accepted.select(PAIR), keys=PAIR, join_type="left semi")
    if len(known) < FEW:
        return [f"{len(known)} accepted pairs have a label: too few to say what precision is"]
    same = np.asarray(pc.equal(known["code"], SAME).to_pylist(), bool)
    return [is_enough(same, target=TARGET).sentence]


def estimate_labels(catalog: Catalog, run: Run, *, target: float) -> dict[str, Any]:
    """What the catalog's labels say of the precision of a run's accepted pairs.

    Returns:
        `run_precision.estimate_run`, and the run.
    """
    columns = ["left_id", "right_id", "probability", "threshold", "reason"]
    pairs = judged_across(catalog.read("pairs", run=run, columns=columns))
    return {"run": run.run, **asdict(estimate_run(pairs, catalog.tables.labels(), target=target))}


def add_labels(catalog: Catalog, path: Path, *, by: str) -> dict[str, Any]:
    """Append the labels of a filled-in file to the catalog's labels table.

    Raises:
        PipelineError: a row cannot be used; nothing is added.
    """
    filled = read_filled(path, format_of(path), by=by)
    rows = conform(filled, LABELS)
    if len(rows):
        catalog.tables.append("labels", rows)
    counts = Counter(rows["label"].to_pylist())
    return {
        "rows": len(rows),
        "blank": blank_rows(filled),
        "labels": dict(sorted(counts.items())),
    }
