"""Thresholds with a bound: the lowest score that still meets a target, given what was labelled.

Scores that are equal are accepted together, as in scikit-learn's `precision_recall_curve`. Bounds
are one-sided Clopper-Pearson (1934).

Looking at every threshold and taking the lowest that passes makes its bound too good. Precision is
therefore looked at only where at least an eighth as many pairs are accepted as there are labelled
duplicates (a precision near the target ends the looks at about as many as there are duplicates),
and each look is tested at a stricter level: a fifth of the allowed error from one half on, a
twentieth below. In the least favourable case, a precision just below the target at every look, all
looks together then pass about as often as is allowed, or less: the crossing of a boundary by a
random walk (Siegmund, 1985), simulated for targets of 0.8 to 0.98 and up to 6,000 duplicates. So
the chosen threshold's bound holds with `confidence`. Recall only falls as the score rises, so its
one sequence of tests from the bottom up needs no correction.

Pairs count as independent; where a few entities have many pairs each, bounds are too good, and the
intervals by entity (`pipeline.intervals`) say by how much.
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

# Accepted pairs, as a share of the labelled duplicates, from which a look is tested at the allowed
# error over the divisor.
LOOKS = ((0.5, 5), (0.125, 20))
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


def lower_bound(hits: Floats, trials: Floats, *, confidence: float | Floats) -> Floats:
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
    target = float(np.max(looks.bound(confidence), initial=0.0, where=looks.looked))
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

    @property
    def looked(self) -> Flags:
        """(d,) where enough pairs are accepted to look, whatever their labels say."""
        return np.asarray(self.count >= min(share for share, _ in LOOKS) * self.positives)

    def bound(self, confidence: float) -> Floats:
        """(d,) lower bound of the precision, at the level of each look."""
        share = self.hits / np.maximum(self.accepted, 1e-300)
        level = _level(self.count, self.positives, confidence)
        return lower_bound(share * self.effective, self.effective, confidence=level)

    def recall_bound(self, confidence: float) -> Floats:
        """(d,) lower bound of the recall; it rises as the score falls."""
        positive, effective = self.total
        share = self.hits / max(positive, 1e-300)
        low = lower_bound(share * effective, np.full(len(share), effective), confidence=confidence)
        return np.asarray(np.maximum.accumulate(low)) if len(low) else low

    def lowest(self, target: float, confidence: float) -> int | None:
        """The place of the lowest threshold whose bound meets the target; None if none does."""
        meets = np.flatnonzero((self.bound(confidence) >= target) & self.looked)
        return int(meets[-1]) if len(meets) else None

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


def _level(count: npt.NDArray[np.int64], positives: int, confidence: float) -> Floats:
    """The confidence of each look, by how many pairs it accepts; see LOOKS."""
    (half, less), (_, more) = LOOKS
    return 1 - (1 - confidence) / np.where(count >= half * positives, less, more)


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
    hits = best.precision * best.accepted

    def reached(more: int) -> bool:
        accepted = np.array([best.accepted + more])
        level = _level(accepted, best.positives + more, best.confidence)
        low = lower_bound(np.array([hits + more]), accepted, confidence=level)
        return bool(low[0] >= target)

    if not reached(MOST_LABELS):
        return None
    low, high = 0, MOST_LABELS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low
