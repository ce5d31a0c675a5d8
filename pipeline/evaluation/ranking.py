"""Ranking metrics of scores on labelled pairs, for many weightings of the pairs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats

RECALLS = {"recall_at_precision_90": 0.90, "recall_at_precision_95": 0.95,
           "recall_at_precision_99": 0.99}  # fmt: skip
METRICS = ("precision", "recall", "f1", "average_precision", *RECALLS)


@dataclass(frozen=True)
class CurvePoint:
    """One threshold of the precision-recall curve."""

    threshold: float
    precision: float
    recall: float


class Ranking:
    """Pairs sorted once by score, measured under any weights.

    Equal scores are accepted together (scikit-learn's `precision_recall_curve`).
    """

    def __init__(self, same: Flags, probability: Floats) -> None:
        self.order = np.argsort(-np.asarray(probability, np.float64), kind="stable")
        self.score = np.asarray(probability, np.float64)[self.order]
        self.same = np.asarray(same, bool)[self.order]
        self.ends = np.flatnonzero(np.diff(self.score, append=-np.inf))

    def curve(self, weight: Floats) -> tuple[Floats, Floats]:
        """Precision and recall (b, d) at every distinct score, descending; 0 / 0 is NaN.

        Args:
            weight: (b, p), in the order the pairs were given.
        """
        sorted_ = weight[:, self.order]
        hits = np.cumsum(sorted_ * self.same, axis=1)[:, self.ends]
        accepted = np.cumsum(sorted_, axis=1)[:, self.ends]
        with np.errstate(invalid="ignore"):
            return hits / accepted, hits / hits[:, -1:]

    def recall_at(self, precision: float) -> float:
        """The most recall at a threshold of at least this precision, all pairs alike."""
        found, recall = (part[0] for part in self.curve(np.ones((1, len(self.score)))))
        return float(recall[found >= precision - 1e-12].max(initial=0.0))

    def metrics(self, weight: Floats, *, accept: float) -> dict[str, Floats]:
        """METRICS, (b,) each; NaN where no duplicate has weight."""
        if not len(self.ends):
            return {name: np.full(len(weight), np.nan) for name in METRICS}
        precision, recall = self.curve(weight)
        place = int(np.searchsorted(-self.score[self.ends], -accept, side="right")) - 1
        here = np.nan_to_num(precision[:, place]), recall[:, place]
        if place < 0:  # nothing is accepted
            here = np.zeros(len(weight)), 0 * recall[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            f1 = np.where(here[1] > 0, 2 * here[0] * here[1] / (here[0] + here[1]), here[1])
        known = np.nan_to_num(precision)
        steps = np.diff(recall, axis=1, prepend=0.0)
        found = {
            "precision": here[0],
            "recall": here[1],
            "f1": f1,
            "average_precision": (steps * known).sum(axis=1),
        }
        for name, wanted in RECALLS.items():
            best = np.where(known >= wanted - 1e-12, recall, 0.0).max(axis=1)
            found[name] = np.where(np.isnan(recall[:, -1]), np.nan, best)
        return found

    def points(self, count: int = 200) -> tuple[CurvePoint, ...]:
        """The curve thinned to `count` points for a plot, evenly over its length, ends kept."""
        precision, recall = (part[0] for part in self.curve(np.ones((1, len(self.score)))))
        length = np.cumsum(
            np.abs(np.diff(recall, prepend=0)) + np.abs(np.diff(precision, prepend=1))
        )
        wanted = np.linspace(0, length[-1], min(count, len(length))) if len(length) else length
        places = np.unique(np.minimum(np.searchsorted(length, wanted), len(length) - 1))
        if len(places):
            places = np.union1d(places, [0, len(length) - 1])
        return tuple(
            CurvePoint(
                float(self.score[self.ends[i]]),
                float(precision[i]),
                float(np.nan_to_num(recall[i])),
            )
            for i in places
        )
