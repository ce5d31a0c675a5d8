"""Fine-tuned models: trained on labelled data, calibrated, measured once, gated and registered."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.catalog import JUDGE, Catalog, GateCheck, judge_fingerprint
from pipeline.config import TrainConfig
from pipeline.encoders import fingerprint_of
from pipeline.evaluation import calibrate, compare_models, measure_error_rates
from pipeline.outputs import FinetunePlan, FinetuneSummary, ModelComparison, Thresholds
from pipeline.training import steps
from pipeline.training.data.training_data import LabelledData, read_training_data
from pipeline.training.distillation import distil
from pipeline.training.few_labels import check_not_worse, correct_shipped
from pipeline.training.held_out import (
    Baseline,
    MeasuredModel,
    TrainedModel,
    baseline_of,
    measure_model,
)
from pipeline.training.judge.shipped import ShippedJudge
from pipeline.training.model_facts import governance_facts, write_reports
from pipeline.training.model_files import fill
from pipeline.training.promotion import GatedModel, check_passes, check_promotion


def finetune(config: TrainConfig) -> FinetuneSummary:
    """Fine-tune, calibrate, evaluate, register and, when the gate passes, promote.

    Raises:
        PipelineError: nothing was registered.
    """
    data = read_training_data(config)
    catalog = Catalog.of(config)
    with catalog.trainer():
        if data.shipped is not None:
            return _correct(config, data, data.shipped, catalog)
        config = steps.train_student(config)
        work = catalog.training_folder(_task(config, data))
        model, data = learn_model(config, data, work=work)
        summary = register_model(config, data, model, catalog)
        shutil.rmtree(work, ignore_errors=True)
    return summary


def _correct(
    config: TrainConfig, data: LabelledData, shipped: ShippedJudge, catalog: Catalog
) -> FinetuneSummary:
    """Correct the shipped judge by few labels, register it, promote it when its gate passes."""
    work = catalog.training_folder(_task(config, data))
    made, data = correct_shipped(config, data, shipped, work=work)
    checks = [check_not_worse(made.comparison.metrics[config.gate.metric], config.gate.metric)]
    summary = _register(config, data, made, checks, catalog)
    shutil.rmtree(work, ignore_errors=True)
    return summary


def _task(config: TrainConfig, data: LabelledData) -> str:
    """Name of the scratch folder: the same settings and labels go on where they were killed."""
    pairs = data.pairs
    contents = [pairs.records["text_hash"].to_pylist(), pairs.records["image_hash"].to_pylist()]
    rows = [array.tolist() for array in (pairs.left, pairs.right, pairs.grade, pairs.split)]
    digest = fingerprint_of(config=config.model_dump(mode="json"), data=contents, rows=rows)
    return f"{config.name}-{digest}"


def plan_finetune(config: TrainConfig) -> FinetunePlan:
    """Read and check the labels, and say what a fine-tune would work on; nothing is written.

    Raises:
        ConfigError: the labels cannot be used.
    """
    data = read_training_data(config)
    return FinetunePlan(
        name=config.name,
        purpose=config.purpose,
        records=len(data.pairs.records),
        splits=data.pairs.sizes(),
        leaks=data.leaks,
        labels=data.pairs.facts,
        encoder=config.encoder.start.type,
        trains_encoder=config.encoder.train and data.shipped is None,
        corrects=data.shipped is not None,
        catalog=config.catalog,
    )


def learn_model(
    config: TrainConfig, data: LabelledData, *, work: Path
) -> tuple[TrainedModel, LabelledData]:
    """Train the encoder, fit the judge, calibrate; score the held-out pairs, once, at the end.

    Returns:
        The model, and the data with mined pairs and with the vectors of its encoder.
    """
    data = steps.add_pictures(config, steps.add_negatives(config, data))
    begun, distillation = distil(config, data, work=work)
    trained = (
        steps.train_encoder_step(begun, data, work=work)
        if begun.encoder.train
        else steps.open_start(begun)
    )
    trained = replace(trained, distillation=distillation)
    blind = steps.blind_cosines(begun, data, work=work)
    data, encoder = steps.embed_labelled(config, data, trained)
    judge, facts = steps.learn_judge_step(config, data, trained=config.encoder.train, blind=blind)
    shutil.rmtree(work / JUDGE, ignore_errors=True)  # of a killed run: it would be counted in
    judge.save(work / JUDGE)
    bound = judge_fingerprint(encoder, work)
    valid = data.pairs.part("valid")
    calibration = calibrate(
        steps.score_labelled(data, judge, "valid"),
        data.pairs.same[valid],
        model=config.name,
        version=bound,
        fingerprint=bound,
        target_precision=config.judge.target_precision,
        target_recall=config.judge.target_recall,
        confidence=config.judge.confidence,
        on_unreachable=config.judge.on_unreachable,
        seed=config.seed,
        group=data.group[valid],
        sides=data.sides[valid],
        rule=config.judge.accept,
    )
    held_out = "test" if len(data.pairs.part("test")) else "valid"
    probability = calibration.calibrator(steps.score_labelled(data, judge, held_out))
    return TrainedModel(trained, judge, calibration, encoder, held_out, probability, facts), data


def register_model(
    config: TrainConfig, data: LabelledData, model: TrainedModel, catalog: Catalog
) -> FinetuneSummary:
    """Measure, compare with the baseline, register, check the gate, promote when it passes."""
    metrics = measure_model(config, data, model)
    pairs, part = data.pairs, data.pairs.part(model.held_out)
    baseline = baseline_of(config, data, model.held_out, catalog)
    differences = compare_models(
        pairs.same[part],
        (baseline.probability, baseline.accept),
        (model.probability, model.calibration.accept.value),
        data.sides[part],
        seed=config.seed,
    )
    comparison = ModelComparison(baseline.reference or "zero-shot", differences)
    bound = model.calibration.fingerprint
    checks = check_promotion(
        GatedModel(config.name, bound, metrics.errors, model.calibration),
        _champion(config, data, model, baseline),
        differences[config.gate.metric],
        config.gate,
        min_slice=config.min_slice,
    )
    return _register(config, data, MeasuredModel(model, metrics, comparison), checks, catalog)


def _register(
    config: TrainConfig,
    data: LabelledData,
    made: MeasuredModel,
    checks: list[GateCheck],
    catalog: Catalog,
) -> FinetuneSummary:
    """Write a version, and promote it when every check holds."""
    model, metrics, comparison = made.model, made.metrics, made.comparison
    registry = catalog.models
    facts = governance_facts(config, data, model, metrics, comparison, checks)
    version = registry.register(
        config.name,
        lambda folder: fill(folder, config, data, model, metrics),
        tell=lambda folder, number: write_reports(folder, facts, number),
    )
    promoted = check_passes(checks) and config.gate.promote
    if promoted:
        registry.promote(
            version.name,
            version.version,
            by="gemel finetune",
            reason=f"passed the gate against {comparison.against}",
            gate=checks,
        )
    assert metrics.balanced is not None
    chosen = model.calibration
    return FinetuneSummary(
        model=version.reference,
        folder=str(version.folder),
        promoted=promoted,
        gate=tuple(checks),
        held_out=metrics.split,
        metrics=metrics.metrics,
        balanced=metrics.balanced,
        calibration=metrics.calibration,
        errors=metrics.errors,
        thresholds=Thresholds(chosen.accept, chosen.review, chosen.rule, chosen.unreachable),
        judge=model.facts,
        comparison=comparison,
        encoder=model.trained.facts,
        distillation=model.trained.distillation,
        report=str(version.folder / "governance.html"),
    )


def _champion(
    config: TrainConfig, data: LabelledData, model: TrainedModel, baseline: Baseline
) -> GatedModel | None:
    """The champion as the gate looks at it; None without one."""
    if baseline.reference is None or baseline.calibration is None:
        return None
    pairs, part = data.pairs, data.pairs.part(model.held_out)
    rates = measure_error_rates(
        pairs.same[part],
        baseline.probability >= baseline.accept,
        slices={name: values[part] for name, values in pairs.slices.items()},
        min_slice=config.min_slice,
    )
    calibration = baseline.calibration
    return GatedModel(baseline.reference, calibration.fingerprint, rates, calibration)
