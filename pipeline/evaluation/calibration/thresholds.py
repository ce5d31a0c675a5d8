"""Thresholds with a bound: the lowest score that still meets a target, given what was labelled.

Scores that are equal are accepted together, as in scikit-learn's `precision_recall_curve`. The
bounds are those of `calibration.bounds`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit, logit

from pipeline.arrays import Flags, Floats, Ints
from pipeline.errors import ConfigError
from pipeline.evaluation.calibration.bounds import ThresholdScan, lower_bound, test_level

MOST_LABELS = 1_000_000


@dataclass(frozen=True)
class Threshold:
    """A score at or above which pairs are accepted, and what is known of it.

    Attributes:
        value: the lowest accepted score.
        measure: what the target is about.
        precision, recall: shares among the labelled pairs.
        precision_low, recall_low: one-sided lower bounds; that of the measure holds with
            `confidence` although many thresholds were looked at.
        accepted, positives, n: accepted pairs, labelled duplicates, labelled pairs.
        independent: effective sample size of the accepted pairs, on which the bound rests; None:
            not known.
        target, confidence: what was asked for.
        met: whether the target is met; false for the best that was reachable.
    """

    value: float
    measure: Literal["precision", "recall"]
    precision: float
    precision_low: float
    recall: float
    recall_low: float
    accepted: int
    positives: int
    n: int
    target: float
    confidence: float
    met: bool = True
    independent: float | None = None

    def foreseen(self, more: int) -> float:
        """The precision's lower bound after so many more answers of which as many are accepted and
        right as of these: an expectation, with the bound of one look.
        """
        grown = 1 + more / max(self.n, 1)
        hits = np.array([self.precision * self.accepted * grown])
        trials = np.array([self.accepted * grown])
        return float(lower_bound(hits, trials, confidence=self.confidence)[0])


class UnreachableTarget(ConfigError):  # noqa: N818
    """No threshold meets the target; `best` is the best reachable one, if there is any."""

    def __init__(self, message: str, best: Threshold | None) -> None:
        super().__init__(message)
        self.best = best


def accept_threshold(
    probability: Floats,
    same: Flags,
    *,
    target: float,
    confidence: float = 0.95,
    weight: Floats | None = None,
    sides: Ints | None = None,
) -> Threshold:
    """Find the lowest score whose precision's lower bound meets the target; see the module.

    Args:
        probability: (p,) scores, higher is more alike.
        same: (p,) true for duplicates.
        weight: (p,) how many pairs each stands for (a sample drawn unevenly); bounds then use the
            effective number of pairs (Kish, 1965), which is an approximation.
        sides: (p,) entity of each pair, or (p, 2) those of both sides; None: all independent.

    Raises:
        UnreachableTarget: no threshold does; the message says what is reachable.
    """
    looks = ThresholdScan.of(probability, same, weight, sides)
    place = looks.lowest(target, confidence)
    if place is None:
        best = best_reachable(probability, same, confidence=confidence, weight=weight, sides=sides)
        raise UnreachableTarget(_unreachable(looks, best, target, confidence), best)
    return _threshold(looks, place, "precision", target, confidence)


def best_reachable(
    probability: Floats,
    same: Flags,
    *,
    confidence: float = 0.95,
    weight: Floats | None = None,
    sides: Ints | None = None,
) -> Threshold | None:
    """The threshold for the highest target precision that `accept_threshold` could meet.

    None when no duplicate is among the labels. Its `met` is false and its target is that bound.
    """
    looks = ThresholdScan.of(probability, same, weight, sides)
    target = float(np.max(looks.bound(confidence), initial=0.0, where=looks.looked))
    place = looks.lowest(target, confidence)
    if place is None or target <= 0:
        return None
    found = _threshold(looks, place, "precision", target, confidence)
    return replace(found, met=False)


def review_threshold(
    probability: Floats,
    same: Flags,
    *,
    target: float,
    confidence: float = 0.95,
    weight: Floats | None = None,
    sides: Ints | None = None,
) -> Threshold:
    """Find the highest score at or above which the recall's lower bound meets the target.

    Raises:
        UnreachableTarget: there are too few labelled duplicates to show it at any score.
    """
    looks = ThresholdScan.of(probability, same, weight, sides)
    low = looks.recall_bound(confidence)
    meets = np.flatnonzero(low >= target)
    if not len(meets):
        best = None
        if looks.positives:
            best = _threshold(looks, int(np.argmax(low)), "recall", target, confidence)
        needed = int(np.ceil(np.log(1 - confidence) / np.log(target)))
        raise UnreachableTarget(
            f"no review threshold shows a recall of {target:.4g} at {confidence:.0%} confidence: "
            f"{looks.positives} labelled duplicates are too few, even with all of them found the "
            f"bound is {max(low, default=0.0):.3f}; it takes {needed} labelled duplicates, "
            "or a lower judge.target_recall",
            None if best is None else replace(best, met=False),
        )
    return _threshold(looks, int(meets[0]), "recall", target, confidence)


def _threshold(
    looks: ThresholdScan,
    place: int,
    measure: Literal["precision", "recall"],
    target: float,
    confidence: float,
) -> Threshold:
    """What is known of the threshold at a place."""
    return Threshold(
        value=float(looks.value[place]),
        measure=measure,
        precision=float(looks.hits[place] / looks.accepted[place]),
        precision_low=float(looks.bound(confidence)[place]),
        recall=float(looks.hits[place] / looks.total[0]) if looks.positives else 0.0,
        recall_low=float(looks.recall_bound(confidence)[place]),
        accepted=int(looks.count[place]),
        positives=looks.positives,
        n=looks.n,
        target=target,
        confidence=confidence,
        independent=round(float(looks.effective[place]), 3),
    )


def balanced_value(probability: Floats) -> float:
    """The threshold with the greatest expected F1 on calibrated probabilities.

    F1 of accepting the k likeliest pairs is expected to be 2 Σ p(accepted) / (k + Σ p): smoother
    than the best F1 on the labels themselves, and as honest. The threshold lies halfway, in
    log-odds, between the last pair accepted and the first that is not.
    """
    ranked = np.sort(probability)[::-1]
    expected = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    # Equal probabilities are accepted together.
    ends = np.append(ranked[:-1] != ranked[1:], True)
    last = int(np.flatnonzero(ends)[expected[ends].argmax()])
    around = np.clip(ranked[last : last + 2], 1e-6, 1 - 1e-6)
    return float(expit(logit(around).mean())) if len(around) == 2 else float(ranked[last])


def balanced_threshold(
    probability: Floats,
    same: Flags,
    *,
    target: float,
    confidence: float = 0.95,
    weight: Floats | None = None,
    sides: Ints | None = None,
) -> Threshold:
    """Accept at `balanced_value`, with what the labels show there; `met` by the target precision.

    Args:
        probability: (p,) calibrated. The others: as `accept_threshold`.
    """
    looks = ThresholdScan.of(probability, same, weight, sides)
    value = balanced_value(np.asarray(probability, np.float64))
    place = max(int((looks.value >= value).sum()) - 1, 0)
    found = _threshold(looks, place, "precision", target, confidence)
    return replace(found, value=value, met=found.precision_low >= target)


def _unreachable(
    looks: ThresholdScan, best: Threshold | None, target: float, confidence: float
) -> str:
    start = f"no accept threshold shows a precision of {target:.4g} at {confidence:.0%} confidence"
    if best is None:
        return (
            f"{start}: of {looks.n} labelled pairs {looks.positives} are duplicates and none is "
            "among the highest scores; label more duplicates or train a better model"
        )
    more = more_correct(best, target)
    labels = "over a million" if more is None else f"about {more:,}"
    return (
        f"{start}; reachable is {best.target:.3f}, at the threshold {best.value:.4f} with "
        f"{best.accepted} accepted pairs{_fewer(best)} ({best.precision:.3f} of them right, recall "
        f"{best.recall:.3f}); {labels} more correctly accepted labelled pairs would reach it. "
        f"Label more pairs, lower the target to {np.floor(best.target * 1000) / 1000:.3f}, or "
        "train a better model"
    )


def more_correct(best: Threshold, target: float) -> int | None:
    """How many more accepted labelled pairs, all correct, would lift the bound to the target.

    They are of entities that have no labelled pair yet.
    """
    independent = best.accepted if best.independent is None else best.independent

    def reached(more: int) -> bool:
        accepted = np.array([best.accepted + more])
        at = test_level(accepted, best.positives + more, best.confidence)
        trials = np.array([independent, more], np.float64)
        right = np.array([best.precision * independent, more])
        low = lower_bound(right.sum(keepdims=True), trials.sum(keepdims=True), confidence=at)
        return bool(low[0] >= target)

    if not reached(MOST_LABELS):
        return None
    low, high = 0, MOST_LABELS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def _fewer(best: Threshold) -> str:
    """Says so where the pairs of an entity go together."""
    if best.independent is None or best.independent > 0.9 * best.accepted:
        return ""
    return f", worth {best.independent:.0f} independent ones"
