"""Held-out figures: a trained model on its held-out pairs, once, and its baseline there. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.catalog import Catalog, champion_purpose, open_registered
from pipeline.config import TrainConfig
from pipeline.evaluation import (
    BalancedMetrics,
    Calibration,
    ModelMetrics,
    PairEvaluation,
    balanced_value,
    evaluate_pairs,
    histogram,
)
from pipeline.matching import JudgeModel
from pipeline.outputs import JudgeFacts, ModelComparison
from pipeline.training import steps
from pipeline.training.data.training_data import LabelledData, modality_of
from pipeline.training.steps import TrainedEncoderFolder


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model that is not registered yet.

    Attributes:
        trained: its encoder. judge, calibration: its judge.
        fingerprint: of the encoder.
        held_out: split that it is evaluated on, and probability (p,) of its pairs.
        facts: how the judge was fitted.
    """

    trained: TrainedEncoderFolder
    judge: JudgeModel
    calibration: Calibration
    fingerprint: str
    held_out: str
    probability: Floats
    facts: JudgeFacts


@dataclass(frozen=True)
class MeasuredModel:
    """A fitted model with what is known of it on pairs that it was not fitted on.

    Attributes:
        comparison: with what it must beat, on the same pairs.
    """

    model: TrainedModel
    metrics: ModelMetrics
    comparison: ModelComparison


def measure_model(config: TrainConfig, data: LabelledData, model: TrainedModel) -> ModelMetrics:
    """Metrics on the held-out pairs, at the accept threshold and at the balanced one."""
    pairs, part = data.pairs, data.pairs.part(model.held_out)
    same, slices = pairs.same[part], {n: v[part] for n, v in pairs.slices.items()}
    sides = data.sides[part]
    valid = model.calibration.calibrator(steps.score_labelled(data, model.judge, "valid"))
    balanced = balanced_value(valid)
    vectors = data.labelled.vectors(model.judge.modality)
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)

    def measured(probability: Floats, threshold: float) -> PairEvaluation:
        return evaluate_pairs(
            same, probability, threshold, sides, seed=config.seed, slices=slices,
            min_slice=config.min_slice,
        )  # fmt: skip

    everything = np.concatenate([valid, model.probability])
    similar = measured(np.clip(cosine.astype(np.float64), 0, 1), 0.5).metrics
    return ModelMetrics(
        **vars(measured(model.probability, model.calibration.accept.value)),
        split=model.held_out,
        balanced=BalancedMetrics(balanced, measured(model.probability, balanced).metrics),
        cosine_average_precision=similar.average_precision,
        histogram=histogram(_above_floor(data, model, everything)),
    )


def _above_floor(data: LabelledData, model: TrainedModel, probability: Floats) -> Floats:
    """The held-out probabilities of pairs that a run would have found: what drift compares with."""
    pairs, vectors = data.pairs, data.labelled.vectors(model.judge.modality)
    part = np.concatenate([pairs.part("valid"), pairs.part(model.held_out)])
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)
    return np.asarray(probability[cosine >= model.judge.floor])


@dataclass(frozen=True)
class Baseline:
    """What a trained model must beat, on the same held-out pairs.

    Attributes:
        reference: the champion; None: zero-shot.
        probability: (p,) of the held-out pairs. accept: its accept threshold.
        calibration: the champion's.
    """

    reference: str | None
    probability: Floats
    accept: float
    calibration: Calibration | None = None


def baseline_of(
    config: TrainConfig, data: LabelledData, held_out: str, catalog: Catalog
) -> Baseline:
    """The champion on the held-out pairs, or, without one, the cosine of the untrained encoder."""
    pairs, part = data.pairs, data.pairs.part(held_out)
    modality = modality_of(config)
    champion = catalog.models.champion(champion_purpose(config.purpose, modality))
    if champion is not None:
        opened = open_registered(champion)
        rule = opened.rule
        labelled = data.labelled.embedded_by(opened, catalog, config.images)
        evidence = labelled.evidence(pairs.left[part], pairs.right[part], rule.model)
        probability = rule.calibration.calibrator(rule.model.score(evidence))
        accept = rule.calibration.accept.value
        return Baseline(champion.reference, probability, accept, rule.calibration)
    labelled, _ = steps.zero_shot(config, data)
    vectors = labelled.vectors(modality)
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)
    probability = np.clip((cosine.astype(np.float64) + 1) / 2, 0, 1)
    valid = pairs.part("valid")
    known = (vectors[pairs.left[valid]] * vectors[pairs.right[valid]]).sum(axis=1)
    return Baseline(None, probability, _best_f1((known + 1) / 2, pairs.same[valid]))


def _best_f1(score: npt.NDArray[np.floating[Any]], same: npt.NDArray[np.bool_]) -> float:
    from sklearn.metrics import precision_recall_curve

    precision, recall, thresholds = precision_recall_curve(same, score)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[f1[:-1].argmax()])
