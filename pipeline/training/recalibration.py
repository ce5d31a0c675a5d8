"""New thresholds for a registered model, on pairs it was not trained on. SHELL."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.arrays import Rows
from pipeline.catalog import (
    CALIBRATION,
    SPLIT,
    Catalog,
    ModelVersion,
    RegisteredJudge,
    open_registered,
)
from pipeline.config import TrainConfig
from pipeline.errors import ConfigError
from pipeline.evaluation import Calibration, calibrate, evaluate_pairs, histogram
from pipeline.labels import LabelledPairs, read_labelled
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import entities
from pipeline.training.data.trained_pairs import TOUCHES, TrainedPairs
from pipeline.training.data.training_data import labelled_records_of, read_catalog_records
from pipeline.training.model_evaluation import EvaluationSet, find_model, score_set
from pipeline.training.model_facts import (
    REPORTS,
    score_counts,
    worst_errors,
    write_facts,
    write_reports,
)

METRICS = "metrics.json"


def recalibrate(config: TrainConfig, *, model: str) -> dict[str, Any]:
    """Make a version of a model with the same encoder and judge and new thresholds.

    Pairs that the model was trained on are left out, new ones that touch a record of its training
    or test too, and so are its test pairs: these measure the new thresholds. It is calibrated on
    its own validation pairs and on pairs it does not know, except those that the labels put in
    another split.

    Raises:
        ConfigError: no pair is left to calibrate on, or the version does not say what it has seen.
        UnreachableTarget: the target precision cannot be shown; nothing is registered.
    """
    catalog = Catalog.of(config, create=False)
    opened = open_registered(find_model(catalog, model))
    published, verdicts = read_catalog_records(config)
    pairs = read_labelled(config, published=published, verdicts=verdicts, now=datetime.now(UTC))
    split = _split_of(opened.model, pairs)
    fit, held = np.flatnonzero(np.isin(split, ["valid", ""])), np.flatnonzero(split == "test")
    counts = Counter(split.tolist())
    left_out = {"trained": counts["train"], "touching": counts[TOUCHES], "held_out": len(held)}
    if not len(fit):
        raise ConfigError(
            f"no pair is left to calibrate {opened.model.reference} on: of {len(split):,} labelled "
            f"pairs it was trained on {counts['train']:,}, {counts[TOUCHES]:,} touch a record of "
            f"its training or test, and {len(held):,} are its test; label other records"
        )
    study = labelled_records_of(config, pairs.records)
    exam, entity = _evaluation_set(study, pairs, fit), entities(pairs)
    score, before = score_set(config, exam, opened), opened.rule.calibration
    after = calibrate(
        score,
        exam.same,
        model=before.model,
        version=before.version,
        fingerprint=before.fingerprint,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable="error",
        seed=config.seed,
        group=entity[exam.left],
        sides=exam.sides,
    )
    test = _evaluation_set(study, pairs, held)
    told = _tell(config, opened, after, exam, test, after.calibrator(score))
    made = catalog.models.register(
        opened.model.name,
        lambda folder: _refill(folder, opened.model, after, told["evaluation"]),
        tell=lambda folder, version: write_reports(folder, told, version),
    )
    return {
        "model": made.reference,
        "from": opened.model.reference,
        "pairs": len(fit),
        "left_out": left_out,
        "accept": after.accept.to_json(),
        "review": after.review.to_json(),
        "measured_at": told["evaluation"].get("measured_at"),
        "promoted": False,
    }


def _split_of(model: ModelVersion, pairs: LabelledPairs) -> Any:
    """(p,) the split of each pair by what the model has seen, '' where it is new.

    Raises:
        ConfigError: the version is of before this was kept, and the labels name no split.
    """
    if SPLIT in model.facts["files"]:
        return TrainedPairs.of(pq.read_table(model.folder / SPLIT)).splits(pairs)
    if (pairs.split != "").all():
        return pairs.split
    raise ConfigError(
        f"{model.reference} does not say which pairs it was trained on (it has no {SPLIT}); give "
        "labels with a split column, or fine-tune it again"
    )


def _evaluation_set(study: LabelledRecords, pairs: LabelledPairs, part: Rows) -> EvaluationSet:
    slices = {name: values[part] for name, values in pairs.slices.items()}
    same = pairs.same[part]
    return EvaluationSet(
        study, pairs.left[part], pairs.right[part], same, entities(pairs), slices, {}
    )


def _tell(
    config: TrainConfig,
    opened: RegisteredJudge,
    after: Calibration,
    exam: EvaluationSet,
    test: EvaluationSet,
    fitted: Any,
) -> dict[str, Any]:
    """What the reports of the new version tell: measured anew, or marked as its parent's."""
    told = opened.model.read("governance.json")["facts"]
    told |= {
        "model": {**told["model"], "parent": opened.model.reference},
        "calibration": json.loads(after.to_json()),
        "gate": [],
        "comparison": None,
    }
    old = opened.model.read(METRICS)
    if not test.same.any() or test.same.all():
        evaluation = {
            **old,
            "measured_at": old.get("measured_at")
            or {"model": opened.model.reference, "accept": old["accept"]},
            # Drift compares probabilities, and these are the calibrator's of this version.
            "histogram": histogram(fitted),
        }
        return {**told, "evaluation": evaluation}
    probability = after.calibrator(score_set(config, test, opened))
    measured = evaluate_pairs(
        test.same, probability, after.accept.value, test.sides, seed=config.seed,
        slices=test.slices, min_slice=config.min_slice,
    )  # fmt: skip
    everything = np.concatenate([fitted, probability])
    sides = (test.left, test.right)
    return {
        **told,
        "evaluation": {"split": "test", **measured, "histogram": histogram(everything)},
        "errors": worst_errors(test.study, sides, test.same, probability, after.accept.value),
        "scores": score_counts(test.same, probability),
    }


def _refill(
    folder: Path, model: ModelVersion, calibration: Calibration, evaluation: dict[str, Any]
) -> dict[str, Any]:
    """Copy a version's files, those that its thresholds change written anew."""
    for path in model.facts["files"]:
        if path not in {CALIBRATION, METRICS, *REPORTS}:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(model.folder / path, target)
    (folder / CALIBRATION).write_text(calibration.to_json() + "\n")
    write_facts(folder / METRICS, evaluation)
    own = {"name", "version", "created", "files", "sha256"}  # the registry sets these
    facts = {name: value for name, value in model.facts.items() if name not in own}
    return {**facts, "parent": model.reference, "recalibrated": True}
