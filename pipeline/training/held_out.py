"""A candidate on its held-out pairs, once, and the champion or zero-shot beside it. SHELL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.catalog import Catalog, champion_purpose, open_registered
from pipeline.config import TrainConfig
from pipeline.evaluation import Calibration, balanced_value, evaluate_pairs, histogram
from pipeline.matching import JudgeModel
from pipeline.training import steps
from pipeline.training.data.training_data import LabelledData, modality_of
from pipeline.training.steps import TrainedEncoderFolder


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model that is not registered yet.

    Attributes:
        trained: its encoder. judge, calibration: its judge.
        fingerprint: of the encoder.
        held: split that it is evaluated on, and probability (p,) of its pairs.
        facts: how the judge was fitted, JSON-able.
    """

    trained: TrainedEncoderFolder
    judge: JudgeModel
    calibration: Calibration
    fingerprint: str
    held: str
    probability: Floats
    facts: dict[str, Any]


def measure_model(
    config: TrainConfig, lesson: LabelledData, candidate: TrainedModel
) -> dict[str, Any]:
    """Metrics on the held-out pairs, at the accept threshold and at the balanced one."""
    pairs, part = lesson.pairs, lesson.pairs.part(candidate.held)
    same, slices = pairs.same[part], {n: v[part] for n, v in pairs.slices.items()}
    sides = lesson.sides[part]
    accept = candidate.calibration.accept.value
    valid = candidate.calibration.calibrator(steps.score_labelled(lesson, candidate.judge, "valid"))
    balanced = balanced_value(valid)
    vectors = lesson.study.vectors(candidate.judge.modality)
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)

    def measured(probability: Floats, threshold: float) -> dict[str, Any]:
        return evaluate_pairs(
            same, probability, threshold, sides, seed=config.seed, slices=slices,
            min_slice=config.min_slice,
        )  # fmt: skip

    everything = np.concatenate([valid, candidate.probability])
    at_accept = measured(candidate.probability, accept)
    at_balanced = measured(candidate.probability, balanced)
    similar = measured(np.clip(cosine.astype(np.float64), 0, 1), 0.5)["metrics"]
    return {
        "split": candidate.held,
        **at_accept,
        "balanced": {"threshold": balanced, "metrics": at_balanced["metrics"]},
        "cosine": {name: similar[name] for name in ("average_precision",)},
        "histogram": histogram(_above_floor(lesson, candidate, everything)),
    }


def _above_floor(lesson: LabelledData, candidate: TrainedModel, probability: Floats) -> Floats:
    """The held-out probabilities of pairs that a run would have found: what drift is told by."""
    pairs, vectors = lesson.pairs, lesson.study.vectors(candidate.judge.modality)
    part = np.concatenate([pairs.part("valid"), pairs.part(candidate.held)])
    cosine = (vectors[pairs.left[part]] * vectors[pairs.right[part]]).sum(axis=1)
    return np.asarray(probability[cosine >= candidate.judge.floor])


@dataclass(frozen=True)
class Baseline:
    """What a candidate must beat, on the same held-out pairs.

    Attributes:
        reference: the champion; None: zero-shot.
        probability: (p,) of the held-out pairs. accept: its accept threshold.
        precision_low: the champion's stated lower bound of the precision at that threshold.
    """

    reference: str | None
    probability: Floats
    accept: float
    precision_low: float | None = None


def baseline_of(config: TrainConfig, lesson: LabelledData, held: str, catalog: Catalog) -> Baseline:
    """The champion on the held-out pairs, or, without one, the cosine of the untrained encoder."""
    pairs, part = lesson.pairs, lesson.pairs.part(held)
    modality = modality_of(config)
    champion = catalog.models.champion(champion_purpose(config.purpose, modality))
    if champion is not None:
        rival = open_registered(champion)
        study = lesson.study.seen_by(rival, catalog, config.images)
        evidence = study.evidence(pairs.left[part], pairs.right[part], rival.rule.model)
        probability = rival.rule.calibration.calibrator(rival.rule.model.score(evidence))
        accept = rival.rule.calibration.accept
        return Baseline(champion.reference, probability, accept.value, accept.precision_low)
    study, _ = steps.zero_shot(config, lesson)
    vectors = study.vectors(modality)
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
