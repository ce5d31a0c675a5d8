"""New thresholds for a registered model, on pairs it was not trained on. SHELL."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipeline.arrays import Floats, Rows, Words
from pipeline.catalog import (
    CALIBRATION,
    SPLIT,
    Catalog,
    ModelFacts,
    ModelVersion,
    RegisteredJudge,
    open_registered,
)
from pipeline.config import TrainConfig
from pipeline.errors import ConfigError
from pipeline.evaluation import (
    Calibration,
    MeasuredAt,
    ModelMetrics,
    calibrate,
    evaluate_pairs,
    histogram,
)
from pipeline.labels import LabelledPairs, read_labelled
from pipeline.outputs import (
    GovernanceFacts,
    GovernanceReport,
    LeftOutPairs,
    RecalibrationSummary,
)
from pipeline.storage import to_json
from pipeline.training.data.labelled_records import LabelledRecords
from pipeline.training.data.splits import entities
from pipeline.training.data.trained_pairs import TOUCHES, TrainedPairs
from pipeline.training.data.training_data import labelled_records_of, read_catalog_records
from pipeline.training.model_evaluation import EvaluationSet, find_model, score_set
from pipeline.training.model_facts import (
    GOVERNANCE,
    METRICS,
    REPORTS,
    score_counts,
    worst_errors,
    write_reports,
)


def recalibrate(config: TrainConfig, *, model: str) -> RecalibrationSummary:
    """Make a version of a model with the same encoder and judge and new thresholds.

    Pairs that the model was trained on are left out, new ones that touch a record of its training
    or test too, and so are its test pairs: these measure the new thresholds. It is calibrated on
    its own validation pairs and on pairs it does not know, except those that the labels put in
    another split.

    Raises:
        ConfigError: no pair is left to calibrate on, or the version does not say what it was
            trained on.
        UnreachableTarget: the target precision cannot be shown; nothing is registered.
    """
    catalog = Catalog.of(config, create=False)
    opened = open_registered(find_model(catalog, model))
    published, verdicts = read_catalog_records(config)
    pairs = read_labelled(config, published=published, verdicts=verdicts, now=datetime.now(UTC))
    split = _split_of(opened.model, pairs)
    fit, held = np.flatnonzero(np.isin(split, ["valid", ""])), np.flatnonzero(split == "test")
    counts = Counter(split.tolist())
    left_out = LeftOutPairs(counts["train"], counts[TOUCHES], len(held))
    if not len(fit):
        raise ConfigError(
            f"no pair is left to calibrate {opened.model.reference} on: of {len(split):,} labelled "
            f"pairs it was trained on {counts['train']:,}, {counts[TOUCHES]:,} touch a record of "
            f"its training or test, and {len(held):,} are its test; label other records"
        )
    labelled = labelled_records_of(config, pairs.records)
    data, entity = _evaluation_set(labelled, pairs, fit), entities(pairs)
    score, before = score_set(config, data, opened), opened.rule.calibration
    after = calibrate(
        score,
        data.same,
        model=before.model,
        version=before.version,
        fingerprint=before.fingerprint,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable="error",
        seed=config.seed,
        group=entity[data.left],
        sides=data.sides,
    )
    test = _evaluation_set(labelled, pairs, held)
    facts = _governance_facts(config, opened, after, test, after.calibrator(score))
    made = catalog.models.register(
        opened.model.name,
        lambda folder: _refill(folder, opened.model, after, facts.evaluation),
        tell=lambda folder, version: write_reports(folder, facts, version),
    )
    return RecalibrationSummary(
        model=made.reference,
        parent=opened.model.reference,
        pairs=len(fit),
        left_out=left_out,
        accept=after.accept,
        review=after.review,
        measured_at=facts.evaluation.measured_at,
    )


def _split_of(model: ModelVersion, pairs: LabelledPairs) -> Words:
    """(p,) the split of each pair by what the model was trained on, '' where it is new.

    Raises:
        ConfigError: the version does not say, and the labels name no split.
    """
    if SPLIT in model.facts.files:
        return TrainedPairs.of(pq.read_table(model.folder / SPLIT)).splits(pairs)
    if (pairs.split != "").all():
        return pairs.split
    raise ConfigError(
        f"{model.reference} does not say which pairs it was trained on (it has no {SPLIT}); give "
        "labels with a split column, or fine-tune it again"
    )


def _evaluation_set(labelled: LabelledRecords, pairs: LabelledPairs, part: Rows) -> EvaluationSet:
    slices = {name: values[part] for name, values in pairs.slices.items()}
    return EvaluationSet(
        labelled,
        pairs.left[part],
        pairs.right[part],
        pairs.same[part],
        entities(pairs),
        slices,
        pairs.facts,
    )


def _governance_facts(
    config: TrainConfig,
    opened: RegisteredJudge,
    after: Calibration,
    test: EvaluationSet,
    fitted: Floats,
) -> GovernanceFacts:
    """The facts of the new version: measured anew, or marked as its parent's.

    Args:
        fitted: (p,) probabilities of the pairs it was calibrated on.
    """
    model, facts = opened.model, opened.model.read(GOVERNANCE, GovernanceReport).facts
    facts = facts.model_copy(
        update={
            "model": facts.model.model_copy(update={"parent": model.reference}),
            "calibration": after,
            "gate": (),
            "comparison": None,
        }
    )
    old = model.read(METRICS, ModelMetrics)
    if not test.same.any() or test.same.all():
        evaluation = replace(
            old,
            measured_at=old.measured_at or MeasuredAt(model.reference, old.accept),
            # Drift compares probabilities, and these are the calibrator's of this version.
            histogram=histogram(fitted),
        )
        return facts.model_copy(update={"evaluation": evaluation})
    probability = after.calibrator(score_set(config, test, opened))
    measured = evaluate_pairs(
        test.same, probability, after.accept.value, test.sides, seed=config.seed,
        slices=test.slices, min_slice=config.min_slice,
    )  # fmt: skip
    everything = histogram(np.concatenate([fitted, probability]))
    sides = (test.left, test.right)
    return facts.model_copy(
        update={
            "evaluation": ModelMetrics(**vars(measured), split="test", histogram=everything),
            "errors": worst_errors(
                test.labelled, sides, test.same, probability, after.accept.value
            ),
            "scores": score_counts(test.same, probability),
        }
    )


def _refill(
    folder: Path, model: ModelVersion, calibration: Calibration, metrics: ModelMetrics
) -> ModelFacts:
    """Copy a version's files, those that its thresholds change written anew."""
    for path in model.facts.files:
        if path not in {CALIBRATION, METRICS, *REPORTS}:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(model.folder / path, target)
    (folder / CALIBRATION).write_text(to_json(calibration))
    (folder / METRICS).write_text(to_json(metrics))
    facts = {field.name: getattr(model.facts, field.name) for field in fields(ModelFacts)}
    return replace(ModelFacts(**facts), parent=model.reference, recalibrated=True)
