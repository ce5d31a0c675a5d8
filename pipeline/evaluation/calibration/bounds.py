"""Every threshold that labelled pairs allow, and the bounds that hold although all are looked at.

Bounds are one-sided Clopper-Pearson (1934) for as many independent pairs as the accepted ones are
worth: fewer where the pairs of an entity fail together (`design_effect`), never more than
there are, so the more careful of both bounds is stated. Simulated with pairs of 30 entities and
more, correlated by 0.1 to 1, the bound then broke in at most 5 % of the trials, that of as many
independent pairs in up to 40 %; with 20 entities of 30 pairs each it broke in up to 10 %.

Looking at every threshold and taking the lowest that passes makes its bound too good. Precision is
therefore looked at only where at least an eighth as many pairs are accepted as there are labelled
duplicates (a precision near the target ends the looks at about as many as there are duplicates),
and each look is tested at a stricter level: a fifth of the allowed error from one half on, a
twentieth below. In the least favourable case, a precision just below the target at every look, all
looks together then pass about as often as is allowed, or less: the crossing of a boundary by a
random walk (Siegmund, 1985), simulated for targets of 0.8 to 0.98 and up to 6,000 duplicates. So
the chosen threshold's bound holds with `confidence`. Recall only falls as the score rises, so its
one sequence of tests from the bottom up needs no correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from pipeline.arrays import Flags, Floats, Ints
from pipeline.errors import ConfigError
from pipeline.evaluation.calibration.design_effect import (
    ClusteredSample,
    effective_sample_size,
    rank_correlation,
    residual_correlation,
)

# Accepted pairs, as a share of the labelled duplicates, from which a look is tested at the allowed
# error over the divisor.
LOOKS = ((0.5, 5), (0.125, 20))


def lower_bound(hits: Floats, trials: Floats, *, confidence: float | Floats) -> Floats:
    """One-sided Clopper-Pearson lower bound of a proportion; 0 of nothing. Counts may be broken."""
    hits, trials = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    some = hits > 0
    successes, failures = np.where(some, hits, 1), np.maximum(trials - hits, 0) + 1
    found = betaincinv(successes, failures, 1 - confidence)
    return np.asarray(np.where(some, found, 0.0), np.float64)


def test_level(count: Ints, positives: int, confidence: float) -> Floats:
    """The confidence of each look, by how many pairs it accepts; see LOOKS."""
    (half, less), (_, more) = LOOKS
    return 1 - (1 - confidence) / np.where(count >= half * positives, less, more)


@dataclass(frozen=True)
class ThresholdScan:
    """Every distinct score, descending, and what accepting down to it gives.

    Attributes:
        value: (d,) distinct scores.
        hits, accepted: (d,) weighted duplicates and pairs at or above each.
        effective: (d,) independent pairs that the accepted ones are worth.
        count: (d,) pairs accepted, unweighted.
        total: (weighted duplicates, independent duplicates that they are worth).
    """

    value: Floats
    hits: Floats
    accepted: Floats
    effective: Floats
    count: Ints
    total: tuple[float, float]
    positives: int
    n: int

    @classmethod
    def of(
        cls, probability: Floats, same: Flags, weight: Floats | None, sides: Ints | None
    ) -> ThresholdScan:
        """Args: as `pipeline.evaluation.calibration.thresholds.accept_threshold`.

        Raises:
            ConfigError: a score is NaN.
        """
        probability, same = np.asarray(probability, np.float64), np.asarray(same, bool)
        if np.isnan(probability).any():
            raise ConfigError("scores hold NaN; a threshold needs a score for every pair")
        order = np.argsort(-probability, kind="stable")
        score, hit = probability[order], same[order]
        w = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)[order]
        ends = np.flatnonzero(np.diff(score, append=-np.inf))
        accepted = np.cumsum(w)[ends]
        kish = accepted**2 / np.maximum(np.cumsum(w**2)[ends], 1e-300)
        pairs, duplicates = _worth(score, hit, None if sides is None else np.asarray(sides)[order])
        positive, square = float(w[hit].sum()), float((w[hit] ** 2).sum())
        return cls(
            value=score[ends],
            hits=np.cumsum(w * hit)[ends],
            accepted=accepted,
            effective=kish * pairs[ends],
            count=ends + 1,
            total=(positive, positive**2 / square * duplicates if square else 0.0),
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
        found = test_level(self.count, self.positives, confidence)
        return lower_bound(share * self.effective, self.effective, confidence=found)

    def recall_bound(self, confidence: float) -> Floats:
        """(d,) lower bound of the recall; it rises as the score falls."""
        positive, effective = self.total
        trials = np.full(len(self.hits), effective)
        share = self.hits / max(positive, 1e-300)
        low = lower_bound(share * trials, trials, confidence=confidence)
        return np.asarray(np.maximum.accumulate(low)) if len(low) else low

    def lowest(self, target: float, confidence: float) -> int | None:
        """The place of the lowest threshold whose bound meets the target; None if none does."""
        meets = np.flatnonzero((self.bound(confidence) >= target) & self.looked)
        return int(meets[-1]) if len(meets) else None


def _worth(score: Floats, same: Flags, sides: Ints | None) -> tuple[Floats, float]:
    """(p,) independent pairs per pair among the first 1, 2, …, and independent duplicates per one.

    Args:
        score: (p,) descending.
    """
    count = np.arange(1.0, len(score) + 1)
    if sides is None or not len(score):
        return np.ones(len(score)), 1.0
    correlation = residual_correlation(score, same, sides)
    pairs = effective_sample_size(count, ClusteredSample.of(sides).couples(), correlation) / count
    if not same.any():
        return pairs, 1.0
    of = ClusteredSample.of(sides[same])
    together = rank_correlation(score[same], sides[same])
    found = effective_sample_size(np.array([float(of.count)]), of.couples()[-1:], together)
    return pairs, float(found[0]) / of.count
