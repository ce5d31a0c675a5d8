"""Verdicts in and out of a catalog: suggest pairs to label, take filled-in labels. SHELL."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_strings
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
    exporter = open_exporter(chosen, spreadsheet_safe=True)
    exporter.write(iter(sheet.to_batches()), sheet.schema, str(out))
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

    An id without its source is completed where one record of the last run has that key.

    Returns:
        rows, blank, labels -> count, and unknown: ids that the last run does not have. Their
        verdicts are kept, and count when the records come.

    Raises:
        PipelineError: a row cannot be used, or a key is that of several records; nothing is added.
    """
    filled = read_filled(path, format_of(path), by=by)
    rows, unknown = _completed(catalog, conform(filled, LABELS), path)
    if len(rows):
        catalog.tables.append("labels", rows)
    counts = Counter(rows["label"].to_pylist())
    return {
        "rows": len(rows),
        "blank": blank_rows(filled),
        "labels": dict(sorted(counts.items())),
        "unknown": unknown,
    }


def _completed(catalog: Catalog, rows: pa.Table, path: Path) -> tuple[pa.Table, list[str]]:
    """Verdicts under the ids of the last published run, and the ids that it does not have."""
    published = catalog.published()
    if published is None or not len(rows):
        return rows, []
    ids = as_strings(catalog.read("records", run=published, columns=["record_id"])["record_id"])
    named = pc.unique(pa.chunked_array([as_strings(rows[side]) for side in PAIR]))
    strange = named.filter(pc.invert(pc.is_in(named, value_set=ids)))
    if not len(strange):
        return rows, []
    keys = pc.replace_substring_regex(ids, r"^[^:]*:", "")
    wanted = pc.is_in(keys, value_set=strange)
    found: dict[str, list[str]] = {}
    for key, whole in zip(*(part.filter(wanted).to_pylist() for part in (keys, ids)), strict=True):
        found.setdefault(key, []).append(whole)
    if several := sorted(key for key, of in found.items() if len(of) > 1):
        raise ConfigError(
            f"{path}: {several[0]!r} is the key of {' and '.join(sorted(found[several[0]])[:3])}; "
            "write the id with its source"
        )
    whole = {key: of[0] for key, of in found.items()}
    told = rows.to_pylist()
    for row in told:
        ends = sorted(whole.get(row[side], row[side]) for side in PAIR)
        row.update(zip(PAIR, ends, strict=True))
    unknown = sorted(set(strange.to_pylist()) - whole.keys())
    table = pa.Table.from_pylist(told, schema=rows.schema)
    return table.sort_by([(side, "ascending") for side in PAIR]), unknown
