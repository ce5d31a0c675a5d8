"""Expected quality: what a run without labels may say of the pairs in its clusters, and how surely.

The precision is the mean probability of the pairs that share a cluster; the recall what is left
when of each record outside every cluster the best refused pair is counted as missed by its
probability. How far either may be wrong is no matter of the number of pairs but of the corpus: the
judge was trained on others. So the intervals are those within which the truth lay on every open set
that the judge was not trained on (`tests/bench/texts/without_labels.py`), in log-odds, widened by
half: a prediction interval over corpora, not over samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Flags, Floats, Positions
from pipeline.evaluation.intervals import Estimate

LEAST = 1e-3  # a share is held between it and 1 - it before its log-odds are taken
MARGIN = 0.5  # log-odds beyond what was seen on any open set

Reach = tuple[float, float]  # log-odds downwards and upwards
# Seen on the open sets: records of several columns, texts of one (lists of names are the hardest).
PRECISION: dict[bool, Reach] = {True: (1.1, 5.2), False: (2.6, 1.0)}
# Two sources and more, and one: its groups may be in several clusters, whose pairs all are missed.
RECALL: dict[bool, Reach] = {True: (2.1, 2.2), False: (6.0, 5.0)}


@dataclass(frozen=True)
class ExpectedQuality:
    """Pairwise precision and recall of a run's clusters of 2 and more, as far as it can know."""

    precision: Estimate
    recall: Estimate


def expected_quality(
    cluster: Positions,
    accepted: tuple[Positions, Positions, Floats],
    refused: tuple[Positions, Positions, Floats],
    *,
    columns: bool,
    sources: bool,
) -> ExpectedQuality | None:
    """Estimate both from the judge's probabilities; None where no two contents share a cluster.

    Args:
        cluster: (g,) number of each distinct content's cluster.
        accepted, refused: left and right content and probability 0 … 1 of each scored pair; NaN
            where only a person said something of it.
        columns: whether texts are made of several columns.
        sources: whether the records are of several sources.
    """
    left, right, probability = (
        np.concatenate(parts) for parts in zip(accepted, refused, strict=True)
    )
    known = ~np.isnan(probability)
    left, right, probability = left[known], right[known], probability[known]
    together = cluster[left] == cluster[right]
    if not together.any():
        return None
    size = np.bincount(cluster)
    pairs = float((size * (size - 1) // 2).sum())
    precision = float(probability[together].mean())
    right_ones = pairs * precision
    missed = _missed(size[cluster] == 1, left, right, np.where(together, 0.0, probability))
    return ExpectedQuality(
        _within(precision, PRECISION[columns]),
        _within(right_ones / (right_ones + missed), RECALL[sources]),
    )


def _missed(alone: Flags, left: Positions, right: Positions, probability: Floats) -> float:
    """Matches that contents outside every cluster are expected to have; each pair has two ends."""
    best = np.zeros(len(alone))
    for end in (left, right):
        np.maximum.at(best, end, probability)
    return float(best[alone].sum()) / 2


def _within(value: float, reach: Reach) -> Estimate:
    held = min(max(value, LEAST), 1 - LEAST)
    odds = math.log(held / (1 - held))
    low, high = (
        1 / (1 + math.exp(-end)) for end in (odds - reach[0] - MARGIN, odds + reach[1] + MARGIN)
    )
    # A share of 1 is possible wherever one next to it is.
    high = 1.0 if high > 1 - LEAST else high
    return Estimate(round(held, 4), round(low, 4), round(high, 4))
