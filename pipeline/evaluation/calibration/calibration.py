"""Calibration: a calibrator and its thresholds, bound to one version of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats
from pipeline.errors import ConfigError
from pipeline.evaluation.calibration.calibrator import (
    Calibrator,
    CalibratorChoice,
    choose_calibrator,
)
from pipeline.evaluation.calibration.thresholds import (
    Threshold,
    UnreachableTarget,
    accept_threshold,
    balanced_threshold,
    review_threshold,
)

AcceptRule = Literal["target_precision", "balanced", "few_labels"]


@dataclass(frozen=True)
class Calibration:
    """A calibrator and its thresholds, which belong to one version of one model.

    Attributes:
        model, version, fingerprint: the model; another fingerprint is refused.
        accept, review: thresholds on the probability, review.value <= accept.value.
        chosen: the calibrator's kinds compared.
        rule: how the accept threshold was chosen.
        unreachable: what could not be met, in words.
    """

    model: str
    version: str
    fingerprint: str
    calibrator: Calibrator
    accept: Threshold
    review: Threshold
    chosen: CalibratorChoice
    rule: AcceptRule
    unreachable: tuple[str, ...]

    def require_model(self, fingerprint: str) -> None:
        """Refuse another model.

        Raises:
            ConfigError: the fingerprint is not the one calibrated.
        """
        if fingerprint != self.fingerprint:
            raise ConfigError(
                f"the thresholds of {self.model} version {self.version} belong to the fingerprint "
                f"{self.fingerprint}, not to {fingerprint}; run `gemel calibrate` for that model"
            )


def calibrate(
    score: Floats,
    same: Flags,
    *,
    model: str,
    version: str,
    fingerprint: str,
    target_precision: float,
    target_recall: float,
    confidence: float,
    on_unreachable: Literal["error", "best"],
    seed: int,
    group: npt.NDArray[np.int64] | None = None,
    weight: Floats | None = None,
    sides: npt.NDArray[np.int64] | None = None,
    rule: AcceptRule = "target_precision",
) -> Calibration:
    """Calibrate a model's raw scores on held-out labelled pairs, and choose both thresholds.

    A review threshold above the accept threshold is lowered to it: nothing is left to review.

    Args:
        group: (p,) pairs that the calibrator's cross-validation keeps together.
        sides: (p, 2) entities of both sides: pairs that share one count as dependent.
        rule: how the accept threshold is chosen: for the target precision, or `balanced`, for the
            greatest F1, wherever the precision's bound then lies.

    Raises:
        UnreachableTarget: the target precision is, and `on_unreachable` is 'error', or nothing is
            reachable. A recall that too few labels can show is never fatal: the lowest duplicate's
            score is taken and `review.met` is false.
        ConfigError: one class only, or scores that are no numbers.
    """
    calibrator, chosen = choose_calibrator(score, same, seed=seed, group=group, weight=weight)
    probability = calibrator(score)
    unreachable: list[str] = []
    known: Any = {"confidence": confidence, "weight": weight, "sides": sides}
    choose = accept_threshold if rule == "target_precision" else _balance
    accept = _reach(
        lambda: choose(probability, same, target=target_precision, **known),
        unreachable,
        target=target_precision,
        fatal=on_unreachable == "error",
    )
    review = _reach(
        lambda: review_threshold(probability, same, target=target_recall, **known),
        unreachable,
        target=target_recall,
        fatal=False,
    )
    if review.value > accept.value:
        review = replace(accept, measure="recall", target=target_recall, met=review.met)
    return Calibration(
        model, version, fingerprint, calibrator, accept, review, chosen, rule, tuple(unreachable)
    )


def _balance(probability: Floats, same: Flags, *, target: float, **known: Any) -> Threshold:
    """The balanced threshold, or, where it does not show the target precision, why."""
    found = balanced_threshold(probability, same, target=target, **known)
    if found.met:
        return found
    raise UnreachableTarget(
        f"the balanced threshold {found.value:.4f} does not show a precision of {target:.4g}: "
        f"{found.precision:.3f} of {found.accepted} accepted pairs are right, at least "
        f"{found.precision_low:.3f} with {found.confidence:.0%} confidence; for that precision set "
        "judge.accept: target_precision",
        found,
    )


def _reach(
    choose: Callable[[], Threshold], unreachable: list[str], *, target: float, fatal: bool
) -> Threshold:
    """The threshold chosen, or the best that can be shown, which keeps the target it misses."""
    try:
        return choose()
    except UnreachableTarget as error:
        if fatal or error.best is None:
            raise
        unreachable.append(str(error))
        return replace(error.best, target=target)
