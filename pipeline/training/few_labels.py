"""A fine-tune with few labels: the shipped judge, corrected by the answers; no encoder is trained.

All answers are learned from. What is told of the judge is told of answers that it did not see, by
cross-validation, and beside the judge without labels on the same answers. SHELL.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Floats, as_array
from pipeline.catalog import JUDGE, Catalog, GateCheck, judge_fingerprint
from pipeline.config import TrainConfig
from pipeline.encoders import open_encoder
from pipeline.evaluation import (
    BalancedMetrics,
    Calibration,
    Calibrator,
    CalibratorChoice,
    Difference,
    ModelMetrics,
    Threshold,
    balanced_value,
    calibration_error,
    compare_models,
    evaluate_pairs,
    histogram,
    lower_bound,
)
from pipeline.matching import (
    TextEvidence,
)
from pipeline.outputs import (
    HeadScore,
    JudgeFacts,
    ModelComparison,
    NormalisationChoice,
    SearchFloor,
)
from pipeline.training.data.rivals import beaten_pairs
from pipeline.training.data.training_data import LabelledData
from pipeline.training.held_out import MeasuredModel, TrainedModel
from pipeline.training.judge.correct import CorrectionFacts
from pipeline.training.judge.shipped import ShippedJudge
from pipeline.training.refitting import KnownPairs, refit
from pipeline.training.steps import TrainedEncoderFolder

SPLIT = "train"  # all answers are in it
WITHOUT_LABELS = "the judge without labels"


def correct_shipped(
    config: TrainConfig, data: LabelledData, shipped: ShippedJudge, *, work: Path
) -> tuple[MeasuredModel, LabelledData]:
    """Correct the shipped judge by all labelled pairs, and measure it on them by cross-validation.

    Returns:
        The model, and the data with the vectors of its encoder.
    """
    catalog = Catalog.of(config)
    encoder = open_encoder(shipped.encoder, images=config.images, threads=config.threads)
    store = catalog.vectors(encoder.fingerprint)
    data = replace(data, labelled=data.labelled.embedded(encoder, store))
    pairs = data.pairs
    evidence = data.labelled.evidence(pairs.left, pairs.right, shipped.model)
    assert isinstance(evidence, TextEvidence)
    ids = as_array(pairs.records["record_id"])
    beaten = beaten_pairs(
        catalog.read("pairs", run=shipped.run),
        catalog.read("clusters", run=shipped.run, columns=["record_id", "cluster_id"]),
        ids.take(pa.array(pairs.left)),
        ids.take(pa.array(pairs.right)),
    )
    known = KnownPairs.of(evidence, shipped.model.extras, beaten)
    found = refit(shipped, known, pairs.same, config.judge, seed=config.seed)
    model, facts, before, after = found.model, found.facts, found.before, found.after
    shutil.rmtree(work / JUDGE, ignore_errors=True)
    model.save(work / JUDGE)
    bound = judge_fingerprint(encoder.fingerprint, work)
    calibration = _calibration(config, shipped, after, pairs.same, fingerprint=bound)
    sides, accept = data.sides, shipped.accept
    measured = evaluate_pairs(
        pairs.same, after, accept, sides, seed=config.seed, slices=pairs.slices,
        min_slice=config.min_slice,
    )  # fmt: skip
    balanced = balanced_value(after)
    at_balance = evaluate_pairs(pairs.same, after, balanced, sides, seed=config.seed)
    metrics = ModelMetrics(
        **vars(measured),
        split="cross-validated",
        balanced=BalancedMetrics(balanced, at_balance.metrics),
        histogram=histogram(after),
    )
    differences = compare_models(
        pairs.same, (before, accept), (after, accept), sides, seed=config.seed
    )
    trained = TrainedEncoderFolder(shipped.encoder, _folder(shipped.encoder))
    told = _facts(facts, pairs.same, before, after, model=len(model.names), floor=model.floor)
    return (
        MeasuredModel(
            TrainedModel(trained, model, calibration, encoder.fingerprint, SPLIT, after, told),
            metrics,
            ModelComparison(WITHOUT_LABELS, differences),
        ),
        data,
    )


def _folder(encoder: object) -> Path | None:
    path = getattr(encoder, "path", None)
    return Path(path) if path else None


def _calibration(
    config: TrainConfig,
    shipped: ShippedJudge,
    probability: Floats,
    same: Flags,
    *,
    fingerprint: str,
) -> Calibration:
    """The thresholds of the judge without labels, and what the answers show there.

    The answers have moved the judge's own threshold already, as far as its prior lets them: see
    `pipeline.training.judge.correct`. What they show is told and changes nothing.
    """
    accept = _threshold(probability, same, shipped.accept, "precision", config)
    review = _threshold(probability, same, shipped.review, "recall", config)
    error = calibration_error(probability, same)
    return Calibration(
        config.name,
        fingerprint,
        fingerprint,
        Calibrator("platt", slope=1.0),
        accept,
        review,
        CalibratorChoice("platt", "the shipped judge's, corrected", 5, {"platt": error}),
        "few_labels",
        () if accept.met else (_not_shown(accept),),
    )


def _threshold(
    probability: Floats,
    same: Flags,
    value: float,
    measure: Literal["precision", "recall"],
    config: TrainConfig,
) -> Threshold:
    """What answers show of a threshold; the bounds are those of one look."""
    yes, level = probability >= value, config.judge.confidence
    right, accepted, positives = (
        float(part.sum()) for part in (yes & same, yes, np.asarray(same, bool))
    )
    low = [float(lower_bound(np.array([right]), np.array([of]), confidence=level)[0])
           for of in (accepted, positives)]  # fmt: skip
    wanted = config.judge.target_precision if measure == "precision" else config.judge.target_recall
    return Threshold(
        value=value,
        measure=measure,
        precision=right / accepted if accepted else 0.0,
        precision_low=low[0],
        recall=right / positives if positives else 0.0,
        recall_low=low[1],
        accepted=int(accepted),
        positives=int(positives),
        n=len(same),
        target=wanted,
        confidence=level,
        met=low[0 if measure == "precision" else 1] >= wanted,
    )


def _not_shown(accept: Threshold) -> str:
    return (
        f"{accept.accepted} of the answers are accepted and {accept.precision:.0%} of them right: "
        f"too few to show a precision of {accept.target:.4g}. The threshold does not wait for "
        "that: it is the one of the judge without labels, corrected by the answers"
    )


def _facts(
    facts: CorrectionFacts,
    same: Flags,
    before: Floats,
    after: Floats,
    *,
    model: int,
    floor: float,
) -> JudgeFacts:
    from sklearn.metrics import average_precision_score

    first, second = (float(average_precision_score(same, p)) for p in (before, after))
    return JudgeFacts(
        kind="corrected",
        tried={"shipped": HeadScore(first, first), "corrected": HeadScore(second, second)},
        validation_average_precision=second,
        background=NormalisationChoice(False, (second,), "not looked at"),
        features=model,
        attributes=(),
        geometry=False,
        fusion=None,
        search_floor=SearchFloor(floor, 1.0),
        penalty=facts.penalty,
    )


def check_not_worse(difference: Difference, metric: str) -> GateCheck:
    """The gate of few labels: that they are not shown to have made the judge worse."""
    passed = difference.high >= 0
    message = (
        f"{difference.difference:+.4f} on answers that it did not see, interval "
        f"{difference.low:+.4f} to {difference.high:+.4f}"
    )
    name = f"{metric.replace('_', ' ')} not worse than without labels"
    return GateCheck(name, passed, difference.difference, 0.0, message)
