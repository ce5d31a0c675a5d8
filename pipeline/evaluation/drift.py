"""Drift: how far a run's scores moved from those the model was trained and calibrated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import PipelineError

# The customary readings of the population stability index (Siddiqi, Credit Risk Scorecards, 2006).
STABLE, MOVED = 0.1, 0.25


BINS = 50


def histogram(probability: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Count probabilities in the bins that every run counts its pairs in."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.histogram(probability, edges)[0]
    return {"edges": edges.round(4).tolist(), "counts": counts.tolist()}


def score_drift(
    train_histogram: Mapping[str, Sequence[float]], tonight_histogram: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Compare two histograms of probabilities over the same edges.

    The population stability index is Σ (p − q) ln(p / q) over the bins, each with half a count
    added, so that empty bins count too. Two samples of one distribution differ by about
    (bins − 1)(1/n + 1/m): above the reading's own limit there are too few pairs to tell. The
    Kolmogorov-Smirnov distance is the largest difference of the cumulative shares at an edge, a
    lower bound of the exact one.

    Args:
        train_histogram, tonight_histogram: `edges`, ascending, and `counts`, one fewer. Both of
            the same population, such as all scored pairs of a run.

    Returns:
        psi, ks, pairs (tonight's), train_pairs, level ('stable', 'moved', 'drifted', 'too few
        pairs'), and `words`.

    Raises:
        PipelineError: edges differ, counts do not fit them, or there is nothing to compare with.
    """
    train, tonight = _counts(train_histogram), _counts(tonight_histogram)
    if not np.allclose(train_histogram["edges"], tonight_histogram["edges"], rtol=0, atol=1e-9):
        raise PipelineError("the histograms have different edges; count both over the same ones")
    n, m = float(train.sum()), float(tonight.sum())
    if not n:
        raise PipelineError("the training histogram is empty: there is nothing to compare with")
    p, q = ((counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (train, tonight))
    psi = float(((q - p) * np.log(q / p)).sum())
    ks = float(np.abs(np.cumsum(train) / n - np.cumsum(tonight) / max(m, 1)).max()) if m else 0.0
    noise = (len(train) - 1) * (1 / n + 1 / max(m, 1))
    level = _level(psi, noise=noise, pairs=m)
    return {
        "psi": psi if m else 0.0,
        "ks": ks,
        "pairs": int(m),
        "train_pairs": int(n),
        "level": level,
        "words": _WORDS[level],
    }


_WORDS = {
    "stable": "The scores are distributed as in training: thresholds and probabilities still "
    "apply.",
    "moved": "The scores have moved: look at a sample of tonight's accepted pairs.",
    "drifted": "The scores are no longer those of training: do not rely on the stated precision; "
    "label a sample of tonight's pairs and calibrate again.",
    "too few pairs": "There are too few pairs to tell whether the scores have moved.",
}


def _level(psi: float, *, noise: float, pairs: float) -> str:
    if not pairs or noise > STABLE:
        return "too few pairs"
    if psi < STABLE:
        return "stable"
    return "moved" if psi < MOVED else "drifted"


def _counts(histogram: Mapping[str, Sequence[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    counts = np.asarray(histogram["counts"], np.float64)
    if len(histogram["edges"]) != len(counts) + 1 or not (counts >= 0).all():
        raise PipelineError(
            f"a histogram needs one edge more than counts, none negative; it has "
            f"{len(histogram['edges'])} edges and {len(counts)} counts"
        )
    return counts
