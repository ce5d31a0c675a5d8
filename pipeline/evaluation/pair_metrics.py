"""Pair metrics: how right a run or a model is on labelled pairs, or two models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Floats
from pipeline.errors import ConfigError
from pipeline.evaluation.cluster_metrics import ClusterMetrics
from pipeline.evaluation.drift import ScoreHistogram
from pipeline.evaluation.error_rates import ErrorRates, measure_error_rates
from pipeline.evaluation.intervals import Estimate, bootstrap_interval, pair_weights, share_interval
from pipeline.evaluation.ranking import METRICS, CurvePoint, Ranking
from pipeline.evaluation.reliability import (
    CalibrationError,
    ReliabilityBin,
    calibration_error,
    reliability_bins,
)


@dataclass(frozen=True)
class GoldPairs:
    """Labelled pairs by record id; `same` (p,) is true for duplicates."""

    left: pa.Array
    right: pa.Array
    same: Flags


@dataclass(frozen=True)
class RunQuality:
    """A run on labelled pairs, after clustering.

    Attributes:
        pairs, positives: labelled pairs and duplicates among the run's records.
        unknown: pairs that name no record of the run; they count in nothing else.
        precision, recall: with 95 % intervals.
        average_precision: of the scores (scikit-learn's step-wise definition).
        candidate_recall: share of the duplicates that were candidates.
        clusters: B-cubed and pairwise figures, where the labels form entities.
    """

    pairs: int
    positives: int
    unknown: int
    precision: Estimate
    recall: Estimate
    f1: float
    average_precision: float
    candidate_recall: float
    clusters: ClusterMetrics | None = None


def measure_pairs(
    labels: GoldPairs,
    *,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    cluster: npt.NDArray[np.int64],
    score: Floats,
    candidate: Flags,
) -> RunQuality:
    """Precision, recall and average precision of a run on labelled pairs.

    Args:
        left, right: (p,) record rows of each labelled pair, -1 where the id is unknown.
        cluster: (n,) cluster number of each record; a pair is predicted when both share one.
        score: (p,) probability of each pair, 0 where it never was a candidate.
        candidate: (p,) whether the pair was a candidate or an exact copy.
    """
    from sklearn.metrics import average_precision_score

    known = (left >= 0) & (right >= 0)
    same, score = labels.same[known], score[known]
    predicted = cluster[left[known]] == cluster[right[known]]
    hits = int((predicted & same).sum())
    positives = int(same.sum())
    return RunQuality(
        pairs=int(known.sum()),
        positives=positives,
        unknown=int((~known).sum()),
        precision=share_interval(hits, int(predicted.sum())),
        recall=share_interval(hits, positives),
        f1=2 * hits / max(int(predicted.sum()) + positives, 1),
        average_precision=float(average_precision_score(same, score)) if same.any() else 0.0,
        candidate_recall=share_interval(int((candidate[known] & same).sum()), positives).value,
    )


# --- models on labelled pairs ------------------------------------------------------------------


@dataclass(frozen=True)
class PairMetrics:
    """A model's figures on labelled pairs; precision, recall and F1 at its accept threshold."""

    precision: Estimate
    recall: Estimate
    f1: Estimate
    average_precision: Estimate
    recall_at_precision_90: Estimate
    recall_at_precision_95: Estimate
    recall_at_precision_99: Estimate


@dataclass(frozen=True, kw_only=True)
class PairEvaluation:
    """A model on labelled pairs: what every report shows.

    Attributes:
        entities: distinct ones among the pairs; intervals resample them.
        accept: probability at or above which a pair is accepted.
        curve: points of the precision-recall curve.
        confidence, resamples, seed: of the intervals.
    """

    pairs: int
    positives: int
    negatives: int
    entities: int
    accept: float
    metrics: PairMetrics
    errors: ErrorRates
    calibration: CalibrationError
    reliability: tuple[ReliabilityBin, ...]
    curve: tuple[CurvePoint, ...]
    confidence: float
    resamples: int
    seed: int


@dataclass(frozen=True)
class BalancedMetrics:
    """A model's figures at the threshold of the greatest expected F1."""

    threshold: float
    metrics: PairMetrics


@dataclass(frozen=True)
class MeasuredAt:
    """The version and accept threshold that figures are of, where they are not this one's."""

    model: str
    accept: float


@dataclass(frozen=True, kw_only=True)
class ModelMetrics(PairEvaluation):
    """A registered model on its held-out pairs: metrics.json.

    Attributes:
        split: that it was evaluated on.
        histogram: of the held-out probabilities; what a run's drift is told by.
        balanced, cosine_average_precision: of the same pairs at the balanced threshold, and by the
            cosine alone; None after a recalibration.
        measured_at: set where the figures are those of another threshold.
    """

    split: str
    histogram: ScoreHistogram
    balanced: BalancedMetrics | None = None
    cosine_average_precision: Estimate | None = None
    measured_at: MeasuredAt | None = None


@dataclass(frozen=True)
class Difference:
    """One metric of two models on the same pairs.

    Attributes:
        difference: second - first, low and high its interval.
        better: share of resamples in which the second was ahead, ties counted half.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    better: float


def evaluate_pairs(
    same: Flags,
    probability: Floats,
    accept: float,
    entity: npt.NDArray[np.int64],
    *,
    seed: int,
    resamples: int = 1000,
    slices: Mapping[str, npt.NDArray[np.str_]] | None = None,
    min_slice: int = 30,
    confidence: float = 0.95,
) -> PairEvaluation:
    """Measure a model on labelled pairs.

    Args:
        same: (p,) true for duplicates.
        probability: (p,) calibrated.
        accept: probability at or above which a pair is accepted.
        entity: (p,) entity of each pair, or (p, 2) of both its sides; intervals resample these.
        slices: attribute -> (p,) value of each pair.
    """
    same, probability = _check_scores(same, probability)
    ranking = Ranking(same, probability)
    value = ranking.metrics(np.ones((1, len(same))), accept=accept)
    drawn = [
        ranking.metrics(weight, accept=accept)
        for weight in pair_weights(entity, resamples=resamples, seed=seed)
    ]
    metrics = {}
    for name in METRICS:
        values = np.concatenate([part[name] for part in drawn])
        low, high = bootstrap_interval(values, confidence=confidence)
        metrics[name] = Estimate(float(np.nan_to_num(value[name][0])), low, high)
    return PairEvaluation(
        pairs=len(same),
        positives=int(same.sum()),
        negatives=int((~same).sum()),
        entities=len(np.unique(entity)),
        accept=float(accept),
        metrics=PairMetrics(**metrics),
        errors=measure_error_rates(same, probability >= accept, slices=slices, min_slice=min_slice),
        calibration=calibration_error(probability, same),
        reliability=reliability_bins(probability, same),
        curve=ranking.points(),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


def compare_models(
    same: Flags,
    first: tuple[Floats, float],
    second: tuple[Floats, float],
    entity: npt.NDArray[np.int64],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> dict[str, Difference]:
    """Compare two models on the same pairs by a paired bootstrap over entities.

    Args:
        first, second: each model's (p,) probabilities and its own accept threshold.
        entity: as in `evaluate_pairs`.

    Returns:
        Each of `ranking.METRICS` by name.
    """
    models = [(Ranking(*_check_scores(same, scores)), accept) for scores, accept in (first, second)]
    ones = np.ones((1, len(same)))
    values = [ranking.metrics(ones, accept=accept) for ranking, accept in models]
    drawn = [
        [ranking.metrics(weight, accept=accept) for ranking, accept in models]
        for weight in pair_weights(entity, resamples=resamples, seed=seed)
    ]
    found = {}
    for name in METRICS:
        gain = np.concatenate([theirs[name] - ours[name] for ours, theirs in drawn])
        gain = gain[~np.isnan(gain)]
        low, high = bootstrap_interval(gain, confidence=confidence) if len(gain) else (0.0, 0.0)
        ahead = (gain > 0).mean() + (gain == 0).mean() / 2 if len(gain) else 0.5
        ours, theirs = (float(np.nan_to_num(value[name][0])) for value in values)
        found[name] = Difference(ours, theirs, theirs - ours, low, high, float(ahead))
    return found


def _check_scores(same: Flags, probability: Floats) -> tuple[Flags, Floats]:
    same, probability = np.asarray(same, bool), np.asarray(probability, np.float64)
    if not len(same):
        raise ConfigError("evaluation: there is no labelled pair; check the labels and their split")
    if np.isnan(probability).any():
        raise ConfigError(
            f"evaluation: {int(np.isnan(probability).sum())} of {len(same)} scores are NaN"
        )
    return same, probability
