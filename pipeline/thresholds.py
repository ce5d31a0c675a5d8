"""Thresholds with a bound: the lowest score that still meets a target, given what was labelled.

Scores that are equal are accepted together, as in scikit-learn's `precision_recall_curve`. Bounds
are one-sided Clopper-Pearson (1934). Looking at many thresholds and taking the best-looking one
would make its bound too good, so precision is tested in fixed sequences (multi-start fixed-sequence
testing as in Learn then Test: Angelopoulos et al., 2021): a sequence starts at a number of accepted
pairs set beforehand, goes to ever lower scores, and ends at its first failure. STARTS sequences
share the allowed error, so that with probability `confidence` the chosen threshold's precision is
at least its bound. Recall only falls as the score rises, so it needs one sequence, from the bottom.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from pipeline.errors import ConfigError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Where the sequences start: accepted pairs as shares of the labelled duplicates.
STARTS = (0.25, 0.5, 0.75)
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

    def to_json(self) -> dict[str, Any]:
        """Plain values; `Threshold(**…)` reads them back."""
        return asdict(self)


class UnreachableTarget(ConfigError):  # noqa: N818
    """No threshold meets the target; `best` is the best reachable one, if there is any."""

    def __init__(self, message: str, best: Threshold | None) -> None:
        super().__init__(message)
        self.best = best


def lower_bound(hits: Floats, trials: Floats, *, confidence: float) -> Floats:
    """One-sided Clopper-Pearson lower bound of a proportion; 0 of nothing. Counts may be broken."""
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    some = hits > 0
    found = beta.ppf(1 - confidence, np.where(some, hits, 1), np.maximum(trials - hits, 0) + 1)
    return np.asarray(np.where(some, found, 0.0), np.float64)


def accept_threshold(
    probability: Floats,
    same: Flags,
    *,
    target: float,
    confidence: float = 0.95,
    weight: Floats | None = None,
) -> Threshold:
    """Find the lowest score whose precision's lower bound meets the target; see the module.

    Args:
        probability: (p,) scores, higher is more alike.
        same: (p,) true for duplicates.
        weight: (p,) how many pairs each stands for (a sample drawn unevenly); bounds then use the
            effective number of pairs (Kish, 1965), which is an approximation.

    Raises:
        UnreachableTarget: no threshold does; the message says what is reachable.
    """
    looks = _Looks.of(probability, same, weight)
    place = looks.lowest(target, confidence)
    if place is None:
        best = best_reachable(probability, same, confidence=confidence, weight=weight)
        raise UnreachableTarget(_unreachable(looks, best, target, confidence), best)
    return looks.threshold(place, "precision", target, confidence)


def best_reachable(
    probability: Floats, same: Flags, *, confidence: float = 0.95, weight: Floats | None = None
) -> Threshold | None:
    """The threshold for the highest target precision that `accept_threshold` could meet.

    None when no duplicate is among the labels. Its `met` is false and its target is that bound.
    """
    looks = _Looks.of(probability, same, weight)
    starts = looks.starts()
    if not len(starts):
        return None
    target = float(looks.bound(confidence)[starts].max())
    place = looks.lowest(target, confidence)
    if place is None or target <= 0:
        return None
    found = looks.threshold(place, "precision", target, confidence)
    return Threshold(**{**found.to_json(), "met": False})


def review_threshold(
    probability: Floats,
    same: Flags,
    *,
    target: float,
    confidence: float = 0.95,
    weight: Floats | None = None,
) -> Threshold:
    """Find the highest score at or above which the recall's lower bound meets the target.

    Raises:
        UnreachableTarget: there are too few labelled duplicates to show it at any score.
    """
    looks = _Looks.of(probability, same, weight)
    low = looks.recall_bound(confidence)
    meets = np.flatnonzero(low >= target)
    if not len(meets):
        best = None
        if looks.positives:
            best = looks.threshold(int(np.argmax(low)), "recall", target, confidence)
        needed = int(np.ceil(np.log(1 - confidence) / np.log(target)))
        raise UnreachableTarget(
            f"no review threshold shows a recall of {target:.4g} at {confidence:.0%} confidence: "
            f"{looks.positives} labelled duplicates are too few, even with all of them found the "
            f"bound is {max(low, default=0.0):.3f}; it takes {needed} labelled duplicates, "
            "or a lower judge.target_recall",
            None if best is None else Threshold(**{**best.to_json(), "met": False}),
        )
    return looks.threshold(int(meets[0]), "recall", target, confidence)


@dataclass(frozen=True)
class _Looks:
    """Every distinct score, descending, and what accepting down to it gives.

    Attributes:
        value: (d,) distinct scores.
        hits, accepted: (d,) weighted duplicates and pairs at or above each.
        effective: (d,) effective number of accepted pairs.
        count: (d,) pairs accepted, unweighted.
        total: (weighted duplicates, effective number of duplicates).
    """

    value: Floats
    hits: Floats
    accepted: Floats
    effective: Floats
    count: npt.NDArray[np.int64]
    total: tuple[float, float]
    positives: int
    n: int

    @classmethod
    def of(cls, probability: Floats, same: Flags, weight: Floats | None) -> _Looks:
        probability, same = np.asarray(probability, np.float64), np.asarray(same, bool)
        if np.isnan(probability).any():
            raise ConfigError("scores hold NaN; a threshold needs a score for every pair")
        order = np.argsort(-probability, kind="stable")
        score, hit = probability[order], same[order]
        w = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)[order]
        ends = np.flatnonzero(np.diff(score, append=-np.inf))
        accepted, squares = np.cumsum(w)[ends], np.cumsum(w**2)[ends]
        square = float((w[hit] ** 2).sum())
        positive = float(w[hit].sum())
        return cls(
            value=score[ends],
            hits=np.cumsum(w * hit)[ends],
            accepted=accepted,
            effective=accepted**2 / np.maximum(squares, 1e-300),
            count=ends + 1,
            total=(positive, positive**2 / square if square else 0.0),
            positives=int(hit.sum()),
            n=len(score),
        )

    def bound(self, confidence: float) -> Floats:
        """(d,) lower bound of the precision, at the level of one of the sequences."""
        share = self.hits / np.maximum(self.accepted, 1e-300)
        level = 1 - (1 - confidence) / len(STARTS)
        return lower_bound(share * self.effective, self.effective, confidence=level)

    def recall_bound(self, confidence: float) -> Floats:
        """(d,) lower bound of the recall; it rises as the score falls."""
        positive, effective = self.total
        share = self.hits / max(positive, 1e-300)
        low = lower_bound(share * effective, np.full(len(share), effective), confidence=confidence)
        return np.asarray(np.maximum.accumulate(low)) if len(low) else low

    def starts(self) -> npt.NDArray[np.int64]:
        """Places where sequences start: enough pairs accepted, whatever their labels say."""
        if not self.positives:
            return np.zeros(0, np.int64)
        wanted = np.ceil(np.array(STARTS) * self.positives)
        places = np.searchsorted(self.count, np.minimum(wanted, self.n))
        return np.asarray(np.unique(places), np.int64)

    def lowest(self, target: float, confidence: float) -> int | None:
        """The place of the lowest threshold that a sequence reaches; None when all fail at once."""
        failing = np.append(np.flatnonzero(self.bound(confidence) < target), len(self.value))
        reached = [
            int(failing[np.searchsorted(failing, start)]) - 1
            for start in self.starts()
            if failing[np.searchsorted(failing, start)] > start
        ]
        return max(reached, default=None)

    def threshold(
        self,
        place: int,
        measure: Literal["precision", "recall"],
        target: float,
        confidence: float,
    ) -> Threshold:
        """What is known of the threshold at a place."""
        return Threshold(
            value=float(self.value[place]),
            measure=measure,
            precision=float(self.hits[place] / self.accepted[place]),
            precision_low=float(self.bound(confidence)[place]),
            recall=float(self.hits[place] / self.total[0]) if self.positives else 0.0,
            recall_low=float(self.recall_bound(confidence)[place]),
            accepted=int(self.count[place]),
            positives=self.positives,
            n=self.n,
            target=target,
            confidence=confidence,
        )


def _unreachable(looks: _Looks, best: Threshold | None, target: float, confidence: float) -> str:
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
        f"{best.accepted} accepted pairs ({best.precision:.3f} of them right, recall "
        f"{best.recall:.3f}); {labels} more correctly accepted labelled pairs would reach it. "
        f"Label more pairs, lower the target to {np.floor(best.target * 1000) / 1000:.3f}, or "
        "train a better model"
    )


def more_correct(best: Threshold, target: float) -> int | None:
    """How many more accepted labelled pairs, all correct, would lift the bound to the target."""
    level = 1 - (1 - best.confidence) / len(STARTS)
    hits = best.precision * best.accepted

    def reached(more: int) -> bool:
        low = lower_bound(
            np.array([hits + more]), np.array([best.accepted + more]), confidence=level
        )
        return bool(low[0] >= target)

    if not reached(MOST_LABELS):
        return None
    low, high = 0, MOST_LABELS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low
