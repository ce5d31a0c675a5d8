"""Verdicts in and out of a catalog: suggest pairs to label, take filled-in labels. SHELL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Catalog
from pipeline.catalog.champions import champions
from pipeline.catalog.runs import Run
from pipeline.errors import ConfigError
from pipeline.label_estimates import enough
from pipeline.label_sheet import blank_rows, read_filled
from pipeline.labelling import suggest_pairs
from pipeline.run_precision import estimate_run
from pipeline.schemas import LABELS, conform
from pipeline.verdicts import DIFFERENT, SAME, latest

PAIR = ["left_id", "right_id"]
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
    """Write a sheet of pairs worth labelling.

    Returns:
        rows, why -> count, and whether more labels would move the precision's bound much.
    """
    from pipeline.exporters import open_exporter

    chosen = format_of(out)
    pairs = catalog.read("pairs", run=run)
    labels = catalog.tables.labels()
    thresholds = run.summary["thresholds"]
    sheet = suggest_pairs(
        pairs,
        labels,
        n=n,
        accept=thresholds["accept"],
        review=thresholds["review"],
        seed=seed,
        records=catalog.read("records", run=run),
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
    last = latest(labels)
    decided = last.filter(pc.is_in(last["code"], value_set=pa.array([SAME, DIFFERENT])))
    known = decided.join(accepted.select(PAIR), keys=PAIR, join_type="left semi")
    if len(known) < FEW:
        return [f"{len(known)} accepted pairs have a label: too few to say what precision is"]
    same = np.asarray(pc.equal(known["code"], SAME).to_pylist(), bool)
    return [str(enough(same, target=TARGET)["sentence"])]


def estimate_labels(catalog: Catalog, run: Run, *, target: float) -> dict[str, Any]:
    """What the catalog's labels say of the precision of a run's accepted pairs.

    Returns:
        `run_precision.estimate_run`, and the run.
    """
    pairs = catalog.read(
        "pairs", run=run, columns=["left_id", "right_id", "probability", "threshold"]
    )
    return {"run": run.run, **estimate_run(pairs, catalog.tables.labels(), target=target)}


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


def model_rows(catalog: Catalog) -> list[dict[str, Any]]:
    """What `gemel models list` shows, the newest version of each name last, damaged ones too."""
    registry = catalog.models
    problems = registry.problems()
    stacks = champions(registry.history())
    in_use = {stack[-1].after: purpose for purpose, stack in stacks.items() if stack}
    sound = {model.reference: model for model in registry.list()}
    rows = []
    for reference in sorted(sound.keys() | problems.keys()):
        model = sound.get(reference)
        problem = problems.get(reference)
        measured = model.read("metrics.json") if model and not problem else {}
        metrics = measured.get("metrics", {})
        rows.append(
            {
                "model": reference,
                "champion": reference in in_use,
                "purpose": model.purpose if model else in_use.get(reference),
                "created": model.facts["created"] if model else None,
                "average_precision": metrics["average_precision"]["value"] if metrics else None,
                # Of another threshold it says nothing of this version.
                "f1": metrics["f1"]["value"]
                if metrics and not measured.get("measured_at")
                else None,
                "problem": problem,
            }
        )
    return rows
