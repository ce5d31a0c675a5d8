"""Reliability of probabilities: Brier score, log loss, reliability by bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.arrays import Flags, Floats


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs of like probability: their mean probability, and the share that are duplicates."""

    pairs: int
    probability: float
    same: float


@dataclass(frozen=True)
class CalibrationError:
    """How far probabilities are from the truth: 0 is perfect in each.

    Attributes:
        brier: mean squared difference. log_loss: in nats.
        ece_equal_mass, ece_equal_width: expected calibration error over bins of as many pairs
            each, and of equal width.
    """

    brier: float
    log_loss: float
    ece_equal_mass: float
    ece_equal_width: float


def calibration_error(probability: Floats, same: Flags) -> CalibrationError:
    """Measure (p,) probabilities against the (p,) truth."""
    return CalibrationError(
        brier(probability, same),
        log_loss(probability, same),
        expected_calibration_error(probability, same),
        expected_calibration_error(probability, same, equal="width"),
    )


def brier(probability: Floats, same: Flags) -> float:
    """Mean squared difference of probability and truth (Brier, 1950)."""
    return float(np.mean((probability - np.asarray(same, np.float64)) ** 2))


def log_loss(probability: Floats, same: Flags) -> float:
    """Mean negative log likelihood in nats; probabilities are kept 1e-12 off 0 and 1."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    truth = np.asarray(same, np.float64)
    from scipy.special import xlogy  # here: who reads a summary needs none of it

    return float(-np.mean(xlogy(truth, p) + xlogy(1 - truth, 1 - p)))


def reliability_bins(
    probability: Floats,
    same: Flags,
    bins: int = 10,
    *,
    equal: Literal["mass", "width"] = "width",
) -> tuple[ReliabilityBin, ...]:
    """Compare probability and truth bin by bin; empty bins are left out.

    Args:
        equal: 'width': bins of equal width on [0, 1]; 'mass': as many pairs in each, ties
            together.
    """
    probability, same = np.asarray(probability, np.float64), np.asarray(same, bool)
    if equal == "width":
        number = np.minimum((probability * bins).astype(np.int64), bins - 1)
    else:
        inner = np.quantile(probability, np.arange(1, bins) / bins) if len(same) else np.zeros(0)
        number = np.searchsorted(inner, probability, side="left")
    count = np.bincount(number, minlength=bins)
    predicted = np.bincount(number, weights=probability, minlength=bins)
    true = np.bincount(number, weights=same, minlength=bins)
    return tuple(
        ReliabilityBin(int(count[i]), float(predicted[i] / count[i]), float(true[i] / count[i]))
        for i in np.flatnonzero(count)
    )


def expected_calibration_error(
    probability: Floats,
    same: Flags,
    bins: int = 10,
    *,
    equal: Literal["mass", "width"] = "mass",
) -> float:
    """Mean distance of probability and truth over bins, weighted by pairs (Naeini et al., 2015)."""
    rows = reliability_bins(probability, same, bins, equal=equal)
    total = sum(row.pairs for row in rows)
    if not total:
        return 0.0
    return sum(row.pairs * abs(row.probability - row.same) for row in rows) / total
