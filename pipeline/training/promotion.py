"""The gate between a trained model and the nightly run: what must hold before it is champion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.catalog import GateCheck
from pipeline.config import PromotionSettings
from pipeline.evaluation import Calibration, Difference, ErrorRates, GroupRates


@dataclass(frozen=True)
class GatedModel:
    """A model as the gate looks at it.

    Attributes:
        fingerprint: of its encoder and judge.
        errors: its rates on the held-out pairs, which are the same for both models.
    """

    reference: str
    fingerprint: str
    errors: ErrorRates
    calibration: Calibration


def check_promotion(
    model: GatedModel,
    champion: GatedModel | None,
    difference: Difference,
    settings: PromotionSettings,
    *,
    min_slice: int = 30,
) -> list[GateCheck]:
    """Check a model against the champion, or against zero-shot when there is none.

    Args:
        champion: None: the first champion.
        difference: of the configured metric on the same held-out pairs, the champion (zero-shot
            when there is none) first, the model second.
        min_slice: pairs below which a slice is too small to tell.
    """
    return [
        _gain(champion, difference, settings),
        *_slice_losses(model, champion, settings, min_slice=min_slice),
        _bound(model),
        _target(model, champion, settings),
    ]


def check_passes(checks: Sequence[GateCheck]) -> bool:
    """Whether every check holds."""
    return all(check.passed for check in checks)


def _gain(
    champion: GatedModel | None, difference: Difference, settings: PromotionSettings
) -> GateCheck:
    baseline = f"the champion {champion.reference}" if champion else "zero-shot"
    gain, low, high = difference.difference, difference.low, difference.high
    # Without a gain asked for, a tie does not replace a champion; a negative min_gain allows it.
    passed = gain >= settings.min_gain and (gain > 0 or settings.min_gain < 0)
    message = f"{gain:+.4f} against {baseline}, interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        message += "; the pairs are too few to tell it from no difference"
    name = f"gain in {settings.metric.replace('_', ' ')}"
    return GateCheck(name, passed, gain, settings.min_gain, message)


def _slice_losses(
    model: GatedModel, champion: GatedModel | None, settings: PromotionSettings, *, min_slice: int
) -> Iterator[GateCheck]:
    """One check per attribute the champion was measured on, by its worst slice."""
    limit = settings.max_slice_loss
    for attribute, measured in champion.errors.slices.items() if champion else ():
        found = model.errors.slices.get(attribute)
        before = measured.values
        after: dict[str, GroupRates] = found.values if found else {}
        enough = {value for value, rates in before.items() if rates.pairs >= min_slice}
        name = f"loss of F1 by {attribute}"
        if missing := sorted(enough - set(after)):
            message = f"the model was not measured on {_list(missing)}"
            yield GateCheck(name, False, 1.0, limit, message)
            continue
        losses = {value: before[value].f1 - after[value].f1 for value in enough}
        if not losses:
            message = f"no slice has {min_slice} pairs: too small to tell"
            yield GateCheck(name, True, 0.0, limit, message)
            continue
        worst = max(sorted(losses), key=lambda value: losses[value])
        loss = float(losses[worst])
        message = (
            f"worst of {len(losses)} slices: {worst!r}, F1 {before[worst].f1:.3f} to "
            f"{after[worst].f1:.3f} over {before[worst].pairs:,} pairs"
        )
        # Rounded: 0.90 - 0.85 must not exceed 0.05.
        yield GateCheck(name, round(loss, 9) <= limit, loss, limit, message)


def _bound(model: GatedModel) -> GateCheck:
    """A threshold belongs to one model: the calibration must name this encoder and judge."""
    found = model.calibration.fingerprint
    name = "calibration bound to this model"
    if found != model.fingerprint:
        message = f"calibrated for {found!r}, but the model's encoder and judge are "
        return GateCheck(name, False, 0.0, 1.0, f"{message}{model.fingerprint!r}")
    return GateCheck(name, True, 1.0, 1.0, f"calibrated for {model.fingerprint}")


def _target(
    model: GatedModel, champion: GatedModel | None, settings: PromotionSettings
) -> GateCheck:
    """A threshold out of reach of its target must not be weaker than the champion's, or than set.

    A model that shows its own target passes, unless the gate asks for more.
    """
    accept = model.calibration.accept
    name = "precision bound at the accept threshold"
    low, target = accept.precision_low, accept.target
    at = f"at {accept.value:.4f} the precision is at least {low:.3f}"
    shown = low >= target
    if not shown and accept.met:
        return GateCheck(name, False, low, target, f"{at}, too low for the target {target:.3f}")
    if not shown:
        at += f"; the target of {target:.3f} was NOT shown"
    least, whose = _least(champion, settings, target=target, shown=shown)
    message = at if low >= least else f"{at}, below {whose}; see gate.min_precision_low"
    return GateCheck(name, low >= least, low, least, message)


def _least(
    champion: GatedModel | None, settings: PromotionSettings, *, target: float, shown: bool
) -> tuple[float, str]:
    """The least bound that the gate lets pass, and whose it is."""
    if settings.min_precision_low is not None:
        return settings.min_precision_low, f"the {settings.min_precision_low:.3f} asked for"
    if shown or champion is None:
        return (target if shown else 0.0), "the target"
    own = champion.calibration.accept.precision_low
    return min(own, target), f"the {own:.3f} that the champion {champion.reference} shows"


def _list(values: list[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:3])
    return shown if len(values) <= 3 else f"{shown} and {len(values) - 3} more"
