"""Pair metrics: how right a run or a model is on labelled pairs, or two models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Flags, Floats
from pipeline.errors import ConfigError
from pipeline.evaluation.error_rates import measure_error_rates
from pipeline.evaluation.intervals import bootstrap_interval, pair_weights, share_interval
from pipeline.evaluation.ranking import METRICS, Ranking
from pipeline.evaluation.reliability import (
    brier,
    expected_calibration_error,
    log_loss,
    reliability_bins,
)


@dataclass(frozen=True)
class GoldPairs:
    """Labelled pairs by record id; `same` (p,) is true for duplicates."""

    left: pa.Array
    right: pa.Array
    same: Flags


def measure_pairs(
    labels: GoldPairs,
    *,
    left: npt.NDArray[np.int64],
    right: npt.NDArray[np.int64],
    cluster: npt.NDArray[np.int64],
    score: Floats,
    candidate: Flags,
) -> dict[str, float]:
    """Precision, recall and average precision of a run on labelled pairs.

    Args:
        left, right: (p,) record rows of each labelled pair, -1 where the id is unknown.
        cluster: (n,) cluster number of each record; a pair is predicted when both share one.
        score: (p,) probability of each pair, 0 where it never was a candidate.
        candidate: (p,) whether the pair was a candidate or an exact copy.

    Returns:
        Precision and recall after clustering with lower 95 % bounds, F1, average precision of the
        scores (scikit-learn's step-wise definition) and the recall of positives among candidates.
    """
    from sklearn.metrics import average_precision_score

    known = (left >= 0) & (right >= 0)
    same, score = labels.same[known], score[known]
    predicted = cluster[left[known]] == cluster[right[known]]
    hits = int((predicted & same).sum())
    precision, precision_low, _ = share_interval(hits, int(predicted.sum()))
    recall, recall_low, _ = share_interval(hits, int(same.sum()))
    return {
        "pairs": int(known.sum()),
        "positives": int(same.sum()),
        "unknown": int((~known).sum()),
        "precision": precision,
        "precision_low": precision_low,
        "recall": recall,
        "recall_low": recall_low,
        "f1": 2 * hits / max(int(predicted.sum()) + int(same.sum()), 1),
        "average_precision": float(average_precision_score(same, score)) if same.any() else 0.0,
        "candidate_recall": share_interval(int((candidate[known] & same).sum()), int(same.sum()))[
            0
        ],
    }


# --- models on labelled pairs ------------------------------------------------------------------


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
) -> dict[str, Any]:
    """Measure a model on labelled pairs; what every report shows, JSON-able.

    Args:
        same: (p,) true for duplicates.
        probability: (p,) calibrated.
        accept: probability at or above which a pair is accepted.
        entity: (p,) entity of each pair, or (p, 2) of both its sides; intervals resample these.
        slices: attribute -> (p,) value of each pair.

    Returns:
        'metrics': precision, recall, f1 (at `accept`), average_precision and
        recall_at_precision_90 / _95 / _99, each {value, low, high}; 'errors': see `error_rates`;
        'calibration': brier, log_loss, ece_equal_mass, ece_equal_width, reliability; 'curve':
        {threshold, precision, recall} points; pairs, positives, entities, accept, seed, …
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
        low, high = bootstrap_interval(
            np.concatenate([part[name] for part in drawn]), confidence=confidence
        )
        metrics[name] = {"value": float(np.nan_to_num(value[name][0])), "low": low, "high": high}
    return {
        "pairs": len(same),
        "positives": int(same.sum()),
        "negatives": int((~same).sum()),
        "entities": len(np.unique(entity)),
        "accept": float(accept),
        "metrics": metrics,
        "errors": measure_error_rates(
            same, probability >= accept, slices=slices, min_slice=min_slice
        ),
        "calibration": {
            "brier": brier(probability, same),
            "log_loss": log_loss(probability, same),
            "ece_equal_mass": expected_calibration_error(probability, same),
            "ece_equal_width": expected_calibration_error(probability, same, equal="width"),
            "reliability": reliability_bins(probability, same),
        },
        "curve": ranking.points(),
        "confidence": confidence,
        "resamples": resamples,
        "seed": seed,
    }


def compare_models(
    same: Flags,
    first: tuple[Floats, float],
    second: tuple[Floats, float],
    entity: npt.NDArray[np.int64],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Compare two models on the same pairs by a paired bootstrap over entities.

    Args:
        first, second: each model's (p,) probabilities and its own accept threshold.
        entity: as in `evaluate_pairs`.

    Returns:
        metric -> {first, second, difference (second - first), low, high, better}: `better` is the
        share of resamples in which the second was ahead, ties counted half.
    """
    models = [(Ranking(*_check_scores(same, scores)), accept) for scores, accept in (first, second)]
    ones = np.ones((1, len(same)))
    values = [ranking.metrics(ones, accept=accept) for ranking, accept in models]
    drawn = [
        [ranking.metrics(weight, accept=accept) for ranking, accept in models]
        for weight in pair_weights(entity, resamples=resamples, seed=seed)
    ]
    found: dict[str, Any] = {}
    for name in METRICS:
        gain = np.concatenate([theirs[name] - ours[name] for ours, theirs in drawn])
        gain = gain[~np.isnan(gain)]
        low, high = bootstrap_interval(gain, confidence=confidence) if len(gain) else (0.0, 0.0)
        ahead = (gain > 0).mean() + (gain == 0).mean() / 2 if len(gain) else 0.5
        ours, theirs = (float(np.nan_to_num(value[name][0])) for value in values)
        found[name] = {
            "first": ours,
            "second": theirs,
            "difference": theirs - ours,
            "low": low,
            "high": high,
            "better": float(ahead),
        }
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
