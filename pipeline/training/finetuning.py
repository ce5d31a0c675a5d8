"""Fine-tune from labels to a registered model: train, calibrate, evaluate, compare, gate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.catalog import JUDGE, Catalog, ModelVersion, judge_fingerprint
from pipeline.config import TrainConfig
from pipeline.encoders import fingerprint_of
from pipeline.evaluation import calibrate, compare_models, measure_error_rates
from pipeline.training import steps
from pipeline.training.data.training_data import LabelledData, read_training_data
from pipeline.training.distillation import distil
from pipeline.training.held_out import Baseline, TrainedModel, baseline_of, measure_model
from pipeline.training.model_facts import governance, split_sizes, write_reports
from pipeline.training.model_files import fill
from pipeline.training.promotion import check_passes, check_promotion, check_rows, slice_f1


def finetune(config: TrainConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Fine-tune, calibrate, evaluate, register and, when the gate passes, promote.

    Args:
        dry_run: read and check the labels, say what would be done, write nothing.

    Returns:
        The summary, JSON-able.

    Raises:
        PipelineError: nothing was registered.
    """
    lesson = read_training_data(config)
    if dry_run:
        return plan_finetune(config, lesson)
    catalog = Catalog.of(config)
    with catalog.trainer():
        config = steps.train_student(config)
        work = catalog.training_folder(_task(config, lesson))
        candidate, lesson = learn_encoder(config, lesson, work=work)
        summary = register_model(config, lesson, candidate, catalog)
        shutil.rmtree(work, ignore_errors=True)
    return summary


def _task(config: TrainConfig, lesson: LabelledData) -> str:
    """Name of the scratch folder: the same settings and labels go on where they were killed."""
    pairs = lesson.pairs
    data = [pairs.records["text_hash"].to_pylist(), pairs.records["image_hash"].to_pylist()]
    rows = [array.tolist() for array in (pairs.left, pairs.right, pairs.grade, pairs.split)]
    digest = fingerprint_of(config=config.model_dump(mode="json"), data=data, rows=rows)
    return f"{config.name}-{digest}"


def plan_finetune(config: TrainConfig, lesson: LabelledData) -> dict[str, Any]:
    """What a fine-tune would work on."""
    pairs = lesson.pairs
    return {
        "name": config.name,
        "purpose": config.purpose,
        "records": len(pairs.records),
        "splits": split_sizes(lesson),
        "leaks": lesson.leaks,
        "labels": pairs.facts,
        "encoder": config.encoder.start.type,
        "trains_encoder": config.encoder.train,
        "catalog": config.catalog,
    }


def learn_encoder(
    config: TrainConfig, lesson: LabelledData, *, work: Path
) -> tuple[TrainedModel, LabelledData]:
    """Train, fit and calibrate; the test pairs are scored once, at the end."""
    lesson = steps.add_pictures(config, steps.add_negatives(config, lesson))
    begun, told = distil(config, lesson, work=work)
    trained = (
        steps.train_encoder_step(begun, lesson, work=work)
        if begun.encoder.train
        else steps.open_start(begun)
    )
    trained = replace(trained, facts=trained.facts | told)
    blind = steps.blind_cosines(begun, lesson, work=work)
    lesson, print_ = steps.embed_labelled(config, lesson, trained)
    fitted, facts = steps.learn_judge_step(
        config, lesson, trained=config.encoder.train, blind=blind
    )
    shutil.rmtree(work / JUDGE, ignore_errors=True)  # of a killed run: it would be counted in
    fitted.save(work / JUDGE)
    bound = judge_fingerprint(print_, work)
    valid = lesson.pairs.part("valid")
    calibration = calibrate(
        steps.score_labelled(lesson, fitted, "valid"),
        lesson.pairs.same[valid],
        model=config.name,
        version=bound,
        fingerprint=bound,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable=config.judge.on_unreachable,
        seed=config.seed,
        group=lesson.group[valid],
        sides=lesson.sides[valid],
        rule=config.judge.accept,
    )
    held = "test" if len(lesson.pairs.part("test")) else "valid"
    probability = calibration.calibrator(steps.score_labelled(lesson, fitted, held))
    return TrainedModel(trained, fitted, calibration, print_, held, probability, facts), lesson


def register_model(
    config: TrainConfig, lesson: LabelledData, candidate: TrainedModel, catalog: Catalog
) -> dict[str, Any]:
    """Measure, compare with the rival, register, check the gate, promote when it passes."""
    registry = catalog.models
    metrics = measure_model(config, lesson, candidate)
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    rival = baseline_of(config, lesson, candidate.held, catalog)
    compared = compare_models(
        pairs.same[part],
        (rival.probability, rival.accept),
        (candidate.probability, candidate.calibration.accept.value),
        lesson.sides[part],
        seed=config.seed,
    )
    comparison = {"metric": config.gate.metric, **compared[config.gate.metric]}
    against = _champion(config, lesson, candidate, rival)
    gate = {
        "reference": config.name,
        "fingerprint": candidate.calibration.fingerprint,
        "slices": slice_f1(metrics["errors"]),
        "calibration": json.loads(candidate.calibration.to_json()),
    }
    checks = check_promotion(gate, against, comparison, config.gate, min_slice=config.min_slice)
    compared = {"against": rival.reference or "zero-shot", "metrics": compared}
    facts = governance(config, lesson, candidate, metrics, compared, check_rows(checks))
    model = registry.register(
        config.name,
        lambda folder: fill(folder, config, lesson, candidate, metrics),
        tell=lambda folder, version: write_reports(folder, facts, version),
    )
    promoted = check_passes(checks) and config.gate.promote
    if promoted:
        registry.promote(
            model.name,
            model.version,
            by="gemel finetune",
            reason=f"passed the gate against {compared['against']}",
            gate=check_rows(checks),
        )
    return _summary(model, candidate, metrics, compared, check_rows(checks), promoted)


def _champion(
    config: TrainConfig, lesson: LabelledData, candidate: TrainedModel, rival: Baseline
) -> dict[str, Any] | None:
    """What the gate asks about the champion; None without one."""
    if rival.reference is None:
        return None
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    rates = measure_error_rates(
        pairs.same[part],
        rival.probability >= rival.accept,
        slices={name: values[part] for name, values in pairs.slices.items()},
        min_slice=config.min_slice,
    )
    return {
        "reference": rival.reference,
        "slices": slice_f1(rates),
        "precision_low": rival.precision_low,
    }


def _summary(
    model: ModelVersion,
    candidate: TrainedModel,
    metrics: dict[str, Any],
    compared: dict[str, Any],
    gate: Sequence[dict[str, Any]],
    promoted: bool,
) -> dict[str, Any]:
    return {
        "model": model.reference,
        "folder": str(model.folder),
        "promoted": promoted,
        "gate": list(gate),
        "held": candidate.held,
        "metrics": metrics["metrics"],
        "balanced": metrics["balanced"],
        "calibration": metrics["calibration"],
        "errors": metrics["errors"],
        "thresholds": {
            "accept": candidate.calibration.accept.to_json(),
            "review": candidate.calibration.review.to_json(),
            "rule": candidate.calibration.chosen["rule"],
            "unreachable": candidate.calibration.chosen["unreachable"],
        },
        "judge": candidate.facts,
        "comparison": compared,
        "encoder": candidate.trained.facts,
        "report": str(model.folder / "governance.html"),
    }
