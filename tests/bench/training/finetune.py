"""Fine-tune on the official splits of open labelled sets and print what comes out.

    python tests/bench/training/finetune.py --data DATA [--only Abt-Buy …] [--seeds 0 1 2]

For each task and seed: `finetune` on the official train and valid rows, then, once, every official
test row: F1 at the accept threshold, F1 at the balanced threshold, average precision beside
zero-shot's cosine, expected calibration error, whether the stated precision bound held, seconds.
Mean and spread over the seeds are printed and written to a file with the machine and the versions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.catalog import Catalog
from pipeline.catalog.registry.judge import open_registered
from pipeline.config.finetune import TrainConfig
from pipeline.evaluation import pair_metrics
from pipeline.training import finetuning, model_evaluation

MAGELLAN = ("Abt-Buy", "DBLP-ACM", "Beer", "iTunes-Amazon", "Fodors-Zagats")


@dataclass(frozen=True)
class Task:
    """One benchmark: its labels, and settings that differ from the defaults."""

    labels: Callable[[Path, Path], list[dict[str, Any]]]
    encoder: dict[str, Any] = field(default_factory=lambda: {"train": False})
    more: dict[str, Any] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)


def magellan(name: str) -> Callable[[Path, Path], list[dict[str, Any]]]:
    def labels(data: Path, work: Path) -> list[dict[str, Any]]:
        table = pq.read_table(data / "er_magellan_pairs" / "pairs.parquet")
        path = work / "pairs.parquet"
        pq.write_table(table.filter(pc.equal(table["task"], name)), path)
        sides = {"left_json": "left_json", "right_json": "right_json"}
        return [{"type": "inline", "path": str(path), "split": "split", **sides}]

    return labels


def computers(data: Path, work: Path) -> list[dict[str, Any]]:
    table = pq.read_table(data / "wdc_lspc" / "pairs.parquet")
    path = work / "pairs.parquet"
    pq.write_table(table.filter(pc.equal(table["category"], "computers")), path)
    return [inline(path)]


def inline(path: Path) -> dict[str, Any]:
    return {"type": "inline", "path": str(path), "split": "split", "left_text": ["text_a"],
            "right_text": ["text_b"], "names": ["text"]}  # fmt: skip


def folded(table: pa.Table, group: np.ndarray, fold: int, folds: int = 5) -> pa.Table:
    """The rows with a split: fold `fold` of the groups is test, the next one valid."""
    number = np.random.default_rng(1993).permutation(int(group.max()) + 1)[group] % folds
    held = np.where(number == (fold + 1) % folds, "valid", "train")
    split = np.where(number == fold, "test", held)
    kept = [name for name in table.column_names if name != "split"]
    return table.select(kept).append_column("split", pa.array(split))


def qqp(data: Path, work: Path, fold: int) -> list[dict[str, Any]]:
    table = pq.read_table(data / "qqp_dev_test" / "pairs.parquet")
    path = work / "pairs.parquet"
    pq.write_table(folded(table, np.arange(len(table)), fold), path)
    return [inline(path)]


def jira(data: Path, work: Path, fold: int) -> list[dict[str, Any]]:
    """Duplicate against linked-but-not-duplicate reports, folds by cluster of duplicates."""
    folder = data / "apache_jira"
    records = pq.read_table(folder / "records.parquet")
    same = pq.read_table(folder / "pairs.parquet").select(["left_id", "right_id", "label"])
    other = pq.read_table(folder / "related_not_duplicate.parquet")
    other = other.select(["left_id", "right_id", "label"]).cast(same.schema)
    pairs = pa.concat_tables([same, other])
    ids, clusters = (records[name].to_pylist() for name in ("record_id", "cluster_id"))
    cluster = dict(zip(ids, clusters, strict=True))
    sides = zip(pairs["left_id"].to_pylist(), pairs["right_id"].to_pylist(), strict=True)
    names = [str(cluster.get(a) or cluster.get(b) or a) for a, b in sides]
    group = np.unique(names, return_inverse=True)[1]
    path = work / "pairs.parquet"
    pq.write_table(folded(pairs, group, fold), path)
    return [{"type": "pairs", "path": str(path), "split": "split"}]


# `resolution` and `status` are set by whoever found the duplicate: they would tell the answer.
JIRA_ATTRIBUTES = ["created", "components", "priority"]
JIRA_SOURCE = {
    "type": "parquet", "name": "jira",
    "columns": {"id": "record_id", "text": ["summary", "description"],
                "attributes": ["project", *JIRA_ATTRIBUTES]},
}  # fmt: skip
TRAINED = {
    "train": True, "objective": "supervised_contrastive+cosent", "epochs": 5, "batch_size": 64,
    "learning_rate": 1e-4, "max_tokens": 64, "max_minutes": 35,
}  # fmt: skip
QUESTIONS = {
    "train": True, "objective": "supervised_contrastive+cosent", "epochs": 2, "batch_size": 64,
    "learning_rate": 5e-5, "max_tokens": 64, "max_minutes": 40, "folds": 3,
}  # fmt: skip
TASKS: dict[str, Task] = {name: Task(magellan(name)) for name in MAGELLAN}
TASKS["WDC computers"] = Task(computers, TRAINED, {"negatives": {"mined": 0}})


def config_of(name: str, task: Task, *, data: Path, work: Path, seed: int) -> TrainConfig:
    labels = task.labels(data, work)
    return TrainConfig.model_validate(
        {
            "name": name.lower().replace(" ", "-"),
            "catalog": str(work / "catalog"),
            "labels": labels,
            "encoder": task.encoder,
            "judge": {"target_precision": 0.9, **task.judge},
            "seed": seed,
            **task.more,
        }
    )


def measured(name: str, task: Task, *, data: Path, out: Path, seed: int) -> dict[str, Any]:
    work = out / "work" / f"{name}-{seed}".replace(" ", "-")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    config = config_of(name, task, data=data, work=work, seed=seed)
    began = time.perf_counter()
    summary = finetuning.finetune(config)
    seconds = time.perf_counter() - began
    exam = model_evaluation.evaluation_set(config, split="test")
    opened = open_registered(Catalog(config.catalog).models.find(summary.model))
    probability = opened.rule.calibration.calibrator(
        model_evaluation.score_set(config, exam, opened)
    )
    accept, balanced = opened.rule.accept, summary.balanced.threshold
    evaluated = pair_metrics.evaluate_pairs(exam.same, probability, accept, exam.sides, seed=seed)
    gain = summary.comparison.metrics["average_precision"]
    stated = summary.thresholds.accept
    precision = evaluated.metrics.precision.value
    return {
        "task": name,
        "seed": seed,
        "test_rows": len(exam.same),
        "f1_accept": evaluated.metrics.f1.value,
        "f1_balanced": f1(exam.same, probability >= balanced),
        "average_precision": evaluated.metrics.average_precision.value,
        "zero_shot": gain.first,
        "ece": evaluated.calibration.ece_equal_mass,
        "bound": stated.precision_low,
        "precision": precision,
        "held": bool(precision >= stated.precision_low),
        "judge": summary.judge.kind,
        "seconds": seconds,
    }


def f1(same: np.ndarray, accepted: np.ndarray) -> float:
    return float(2 * (same & accepted).sum() / max(same.sum() + accepted.sum(), 1))


def line(rows: list[dict[str, Any]]) -> str:
    def spread(name: str) -> str:
        values = [row[name] for row in rows]
        return f"{np.mean(values):.3f} ± {np.std(values):.3f}"

    def mean(name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    held = f"{sum(row['held'] for row in rows)} of {len(rows)}"
    kinds = ", ".join(sorted({row["judge"] for row in rows}))
    cells = [
        rows[0]["task"], spread("f1_balanced"), spread("f1_accept"), spread("average_precision"),
        f"{mean('zero_shot'):.3f}", f"{mean('ece'):.3f}", held, kinds, f"{mean('seconds'):.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/bench/finetune"))
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    chosen = parser.parse_args()
    for fold in range(5):
        for name, labels in (("QQP", qqp), ("Jira", jira), ("Jira attributes", jira)):
            more: dict[str, Any] = {"min_positives": 5}
            encoder: dict[str, Any] = {"train": False}
            judge = {"attributes": JIRA_ATTRIBUTES} if name == "Jira attributes" else {}
            if labels is jira:
                records = chosen.data / "apache_jira" / "records.parquet"
                more["sources"] = [{**JIRA_SOURCE, "path": str(records)}]
            else:
                encoder, more["negatives"] = QUESTIONS, {"mined": 0}

            def bound(data: Path, work: Path, *, labels=labels, fold=fold) -> list[dict[str, Any]]:  # type: ignore[no-untyped-def]
                return labels(data, work, fold)

            TASKS[f"{name} fold {fold}"] = Task(bound, encoder, more, judge)
    lines = [
        "| task | F1, balanced | F1, accept | average precision | zero-shot | calibration error | "
        "precision bound held | judge | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    results = []
    for name, task in TASKS.items():
        if chosen.only and not any(name.startswith(wanted) for wanted in chosen.only):
            continue
        seeds = chosen.seeds[:1] if "fold" in name else chosen.seeds
        rows = [measured(name, task, data=chosen.data, out=chosen.out, seed=s) for s in seeds]
        results += rows
        lines.append(line(rows))
        print(lines[-1], flush=True)
    machine = {"system": platform.platform(), "cores": os.cpu_count()}
    (chosen.out / "results.json").write_text(
        json.dumps({"machine": machine, "rows": results}, indent=2) + "\n"
    )
    (chosen.out / "table.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
