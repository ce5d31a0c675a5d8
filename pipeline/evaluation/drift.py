"""Drift: how far a run's scores moved from those the model was trained and calibrated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Floats
from pipeline.errors import PipelineError

# The customary readings of the population stability index (Siddiqi, Credit Risk Scorecards, 2006).
STABLE, MOVED = 0.1, 0.25
BINS = 50

Level = Literal["stable", "moved", "drifted", "too few pairs"]


@dataclass(frozen=True)
class ScoreHistogram:
    """Pairs per probability: `edges`, ascending, and `counts`, one fewer, none negative."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Drift:
    """How far two histograms of probabilities are apart.

    Attributes:
        psi: population stability index. ks: Kolmogorov-Smirnov distance, in [0, 1].
        pairs, train_pairs: tonight's and those of training.
        words: what the level means for the reader.
    """

    psi: float
    ks: float
    pairs: int
    train_pairs: int
    level: Level
    words: str


def histogram(probability: npt.NDArray[np.float64]) -> ScoreHistogram:
    """Count probabilities in the bins that every run counts its pairs in."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.histogram(probability, edges)[0]
    return ScoreHistogram(tuple(edges.round(4).tolist()), tuple(counts.tolist()))


def score_drift(train_histogram: ScoreHistogram, tonight_histogram: ScoreHistogram) -> Drift:
    """Compare two histograms of probabilities over the same edges.

    The population stability index is Σ (p − q) ln(p / q) over the bins, each with half a count
    added, so that empty bins count too. Two samples of one distribution differ by about
    (bins − 1)(1/n + 1/m): above the reading's own limit there are too few pairs to tell. The
    Kolmogorov-Smirnov distance is the largest difference of the cumulative shares at an edge, a
    lower bound of the exact one.

    Args:
        train_histogram, tonight_histogram: both of the same population, such as all scored pairs
            of a run.

    Raises:
        PipelineError: edges differ, or counts do not fit them.
    """
    train, tonight = _counts(train_histogram), _counts(tonight_histogram)
    if not np.allclose(train_histogram.edges, tonight_histogram.edges, rtol=0, atol=1e-9):
        raise PipelineError("the histograms have different edges; count both over the same ones")
    n, m = float(train.sum()), float(tonight.sum())
    if not n:  # of a fine-tune on a handful of labels, none of them above the search floor
        return Drift(0.0, 0.0, int(m), 0, "too few pairs", _WORDS["too few pairs"])
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (train, tonight))
    psi = float(((q - p) * np.log(q / p)).sum())
    ks = float(np.abs(np.cumsum(train) / n - np.cumsum(tonight) / max(m, 1)).max()) if m else 0.0
    noise = (len(train) - 1) * (1 / n + 1 / max(m, 1))
    level = _level(psi, noise=noise, pairs=m)
    return Drift(psi if m else 0.0, ks, int(m), int(n), level, _WORDS[level])


_WORDS: dict[Level, str] = {
    "stable": "The scores are distributed as in training: thresholds and probabilities still "
    "apply.",
    "moved": "The scores have moved: look at a sample of tonight's accepted pairs.",
    "drifted": "The scores are no longer those of training: do not rely on the stated precision; "
    "label a sample of tonight's pairs and calibrate again.",
    "too few pairs": "There are too few pairs to tell whether the scores have moved.",
}


def _level(psi: float, *, noise: float, pairs: float) -> Level:
    if not pairs or noise > STABLE:
        return "too few pairs"
    if psi < STABLE:
        return "stable"
    return "moved" if psi < MOVED else "drifted"


def _counts(counted: ScoreHistogram) -> Floats:
    counts = np.asarray(counted.counts, np.float64)
    if len(counted.edges) != len(counts) + 1 or not (counts >= 0).all():
        raise PipelineError(
            f"a histogram needs one edge more than counts, none negative; it has "
            f"{len(counted.edges)} edges and {len(counts)} counts"
        )
    return counts
