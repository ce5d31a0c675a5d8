"""Scores → probabilities: isotonic or Platt, chosen by cross-validation.

A calibrator is monotone and strictly rising over the scores it was fitted on, so a threshold on
the probability is a threshold on the score. The score +inf is a copy's: its probability is 1, and
nothing is learned from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pipeline.arrays import Flags, Floats
from pipeline.errors import ConfigError
from pipeline.evaluation.reliability import CalibrationError, calibration_error

Kind = Literal["isotonic", "platt"]
KINDS: tuple[Kind, ...] = ("isotonic", "platt")
FOLDS = 5
MOST = 1e9  # a finite score beyond it is cut, so that no flat curve is multiplied by infinity


@dataclass(frozen=True)
class Calibrator:
    """Score → probability, non-decreasing.

    Attributes:
        kind: 'platt': expit(slope * score + offset) (Platt, 1999). 'isotonic': straight lines
            between knots, the centres of the blocks of an isotonic regression (centred isotonic
            regression: Oron and Flournoy, 2017), flat outside the scores seen.
        knots: ((score, probability), …) ascending in both; of 'isotonic'.
        slope, offset: of 'platt'.
    """

    kind: Kind
    knots: tuple[tuple[float, float], ...] = ()
    slope: float = 0.0
    offset: float = 0.0

    @classmethod
    def fit(
        cls, score: Floats, same: Flags, *, kind: Kind, weight: Floats | None = None
    ) -> Calibrator:
        """Fit on labelled scores; both kinds use Platt's targets, so that none is ever sure.

        Raises:
            ConfigError: one class only, or a score that is no number.
        """
        score, same = np.asarray(score, np.float64), np.asarray(same, bool)
        score, same, weight = _without_copies(score, same, weight)
        if not np.isfinite(score).all():
            raise ConfigError("calibration: scores hold NaN or -inf")
        if same.all() or not same.any():
            raise ConfigError(
                f"calibration: {len(same)} labelled pairs of one class only; it needs both"
            )
        w = np.ones(len(score)) if weight is None else np.asarray(weight, np.float64)
        if (w <= 0).any():
            raise ConfigError("calibration: weights must be above 0; leave pairs of none out")
        target = np.where(same, (w[same].sum() + 1) / (w[same].sum() + 2), 1 / (w[~same].sum() + 2))
        return _isotonic(score, target, w) if kind == "isotonic" else _platt(score, target, w)

    def __call__(self, score: npt.ArrayLike) -> Floats:
        """The probability of each score, in [0, 1]."""
        values = np.asarray(score, np.float64)
        if self.kind == "platt":
            likely = expit(self.slope * np.minimum(values, MOST) + self.offset)
        else:
            x, y = np.array(self.knots).T
            likely = np.interp(values, x, y)
        return np.where(values == np.inf, 1.0, np.asarray(likely, np.float64))


@dataclass(frozen=True)
class CalibratorChoice:
    """How a calibrator was chosen: each kind's errors on scores that it was not fitted on."""

    chosen: Kind
    by: str
    folds: int
    kinds: dict[Kind, CalibrationError]


def _without_copies(
    score: Floats, same: Flags, weight: Floats | None
) -> tuple[Floats, Flags, Floats | None]:
    """The pairs that were judged; where they are of one class, copies just above them stay in."""
    copies = score == np.inf
    if not copies.any() or copies.all():
        return np.where(copies, 0.0, score), same, weight
    if same[~copies].all() or not same[~copies].any():
        return np.where(copies, score[~copies].max() + 1, score), same, weight
    return score[~copies], same[~copies], None if weight is None else weight[~copies]


def _isotonic(score: Floats, target: Floats, weight: Floats) -> Calibrator:
    x, place = np.unique(score, return_inverse=True)
    mass = np.bincount(place, weights=weight)
    from scipy.optimize import isotonic_regression

    fitted = isotonic_regression(np.bincount(place, weights=weight * target) / mass, weights=mass)
    starts = np.flatnonzero(np.diff(fitted.x, prepend=-1.0) > 1e-12)
    ends = np.append(starts[1:], len(x)) - 1
    centre = np.add.reduceat(mass * x, starts) / np.add.reduceat(mass, starts)
    centre = np.clip(centre, x[starts], x[ends])  # rounding must not carry it into a neighbour
    knots = list(zip(centre.tolist(), fitted.x[starts].tolist(), strict=True))
    # The end blocks rise a little too, so that no two scores that were seen become one.
    little = 1 / (len(score) + 2)
    if x[0] < knots[0][0]:
        knots.insert(0, (float(x[0]), knots[0][1] * (1 - little)))
    if x[-1] > knots[-1][0]:
        knots.append((float(x[-1]), 1 - (1 - knots[-1][1]) * (1 - little)))
    return Calibrator("isotonic", knots=tuple(knots))


def _platt(score: Floats, target: Floats, weight: Floats) -> Calibrator:
    middle, width = float(score.mean()), float(score.std()) or 1.0
    x = (score - middle) / width

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * x + parameters[1]
        slip = weight * (expit(z) - target)
        value = float((weight * (np.logaddexp(0, z) - target * z)).sum())
        return value / weight.sum(), np.array([slip @ x, slip.sum()]) / weight.sum()

    start = np.zeros(2)
    from scipy.optimize import minimize

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    slope = float(found.x[0]) / width
    return Calibrator("platt", slope=slope, offset=float(found.x[1]) - slope * middle)


def choose_calibrator(
    score: Floats,
    same: Flags,
    *,
    seed: int,
    group: npt.NDArray[np.int64] | None = None,
    weight: Floats | None = None,
) -> tuple[Calibrator, CalibratorChoice]:
    """Choose isotonic or Platt by log loss in cross-validation (5 folds, groups kept whole).

    Returns:
        The calibrator fitted on everything, and what the choice rests on.
    """
    score, same = np.asarray(score, np.float64), np.asarray(same, bool)
    fold = _folds(same, seed=seed, group=group)
    kinds: dict[Kind, CalibrationError] = {}
    for kind in KINDS:
        blind = _blind(score, same, fold, kind=kind, weight=weight)
        kinds[kind] = calibration_error(blind, same)
    best: Kind = "platt" if kinds["platt"].log_loss <= kinds["isotonic"].log_loss else "isotonic"
    how = CalibratorChoice(best, "cross-validated log loss", FOLDS, kinds)
    return Calibrator.fit(score, same, kind=best, weight=weight), how


def _folds(same: Flags, *, seed: int, group: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    """(p,) fold of each pair: whole groups, those with duplicates and those without dealt out."""
    numbers = np.arange(len(same)) if group is None else np.unique(group, return_inverse=True)[1]
    count = int(numbers.max(initial=-1)) + 1
    luck = np.random.default_rng(seed).permutation(count)
    size = np.bincount(numbers, weights=same, minlength=count)
    fold = np.empty(count, np.int64)
    fold[np.lexsort((luck, -size))] = np.arange(count) % FOLDS
    return fold[numbers]


def _blind(
    score: Floats,
    same: Flags,
    fold: npt.NDArray[np.int64],
    *,
    kind: Kind,
    weight: Floats | None,
) -> Floats:
    """(p,) probability of each pair by a calibrator that did not see its fold."""
    found = np.empty(len(score))
    for number in range(FOLDS):
        out = fold == number
        seen = ~out
        if same[seen].all() or not same[seen].any():
            found[out] = (same[seen].sum() + 1) / (seen.sum() + 2)
            continue
        part = None if weight is None else weight[seen]
        found[out] = Calibrator.fit(score[seen], same[seen], kind=kind, weight=part)(score[out])
    return found
