"""The gate between a trained model and the nightly run: what must hold before it is champion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.config import PromotionSettings
from pipeline.errors import ModelError

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class PromotionCheck:
    """One condition: its value, the limit in the config, and what it means."""

    name: str
    passed: bool
    value: float
    limit: float
    message: str


def check_promotion(
    candidate: Facts,
    champion: Facts | None,
    comparison: Facts | None,
    settings: PromotionSettings,
    *,
    min_slice: int = 30,
) -> list[PromotionCheck]:
    """Check a candidate against the champion, or against zero-shot when there is none.

    Args:
        candidate: `reference`; `fingerprint` of its encoder and judge; `slices`, see `slice_f1`;
            `calibration`, as `Calibration.to_json` has it: `fingerprint` and `accept` with `value`,
            `precision_low` (one-sided bound), `target` and `met`.
        champion: `reference`, `slices` on the same held-out pairs and `precision_low`, its own
            stated bound (None: not known); None: the first champion.
        comparison: paired bootstrap on the same held-out pairs, candidate minus champion (minus
            zero-shot when there is none): `difference`, `low`, `high`, and `metric`, which must
            be the configured one. None: not compared, which fails.
        min_slice: pairs below which a slice is too small to tell.

    Raises:
        ModelError: the comparison is of another metric than the configured one.
    """
    return [
        _gain(champion, comparison, settings),
        *_slice_losses(candidate, champion, settings, min_slice=min_slice),
        _bound(candidate),
        _target(candidate, champion, settings),
    ]


def slice_f1(errors: Facts) -> dict[str, dict[str, dict[str, float]]]:
    """F1 and pairs of each slice, attribute -> value -> {n, f1}, from `error_rates`."""
    return {
        attribute: {value: _f1(rates) for value, rates in facts["values"].items()}
        for attribute, facts in errors["slices"].items()
    }


def check_passes(checks: list[PromotionCheck]) -> bool:
    """Whether every check holds."""
    return all(check.passed for check in checks)


def check_rows(checks: list[PromotionCheck]) -> list[dict[str, Any]]:
    """The checks as plain dictionaries."""
    return [asdict(check) for check in checks]


def _f1(rates: Facts) -> dict[str, float]:
    wrong, missed = rates["false_match_rate"], rates["false_non_match_rate"]
    hits = missed["n"] - missed["errors"]
    of = 2 * hits + wrong["errors"] + missed["errors"]
    # Nothing to find and nothing found is no failure.
    return {"n": wrong["n"] + missed["n"], "f1": 2 * hits / of if of else 1.0}


def _gain(
    champion: Facts | None, comparison: Facts | None, settings: PromotionSettings
) -> PromotionCheck:
    rival = f"the champion {champion['reference']}" if champion else "zero-shot"
    name = f"gain in {settings.metric.replace('_', ' ')}"
    if comparison is None:
        message = f"not compared with {rival} on the same held-out pairs; evaluate both"
        return PromotionCheck(name, False, 0.0, settings.min_gain, message)
    if comparison.get("metric", settings.metric) != settings.metric:
        raise ModelError(
            f"the comparison is of {comparison['metric']}, the gate asks for {settings.metric}; "
            "compare the models by the configured metric"
        )
    gain, low, high = (float(comparison[key]) for key in ("difference", "low", "high"))
    # Without a gain asked for, a tie does not replace a champion; a negative min_gain allows it.
    passed = gain >= settings.min_gain and (gain > 0 or settings.min_gain < 0)
    message = f"{gain:+.4f} against {rival}, interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        message += "; the pairs are too few to tell it from no difference"
    return PromotionCheck(name, passed, gain, settings.min_gain, message)


def _slice_losses(
    candidate: Facts, champion: Facts | None, settings: PromotionSettings, *, min_slice: int
) -> Iterator[PromotionCheck]:
    """One check per attribute the champion was measured on, by its worst slice."""
    for attribute, before in (champion or {}).get("slices", {}).items():
        after = candidate.get("slices", {}).get(attribute, {})
        enough = {value for value, facts in before.items() if facts["n"] >= min_slice}
        name = f"loss of F1 by {attribute}"
        if missing := sorted(enough - set(after)):
            message = f"the candidate was not measured on {_list(missing)}"
            yield PromotionCheck(name, False, 1.0, settings.max_slice_loss, message)
            continue
        losses = {value: before[value]["f1"] - after[value]["f1"] for value in enough}
        if not losses:
            message = f"no slice has {min_slice} pairs: too small to tell"
            yield PromotionCheck(name, True, 0.0, settings.max_slice_loss, message)
            continue
        worst = max(sorted(losses), key=lambda value: losses[value])
        loss = float(losses[worst])
        message = (
            f"worst of {len(losses)} slices: {worst!r}, F1 {before[worst]['f1']:.3f} to "
            f"{after[worst]['f1']:.3f} over {before[worst]['n']:,} pairs"
        )
        # Rounded: 0.90 - 0.85 must not exceed 0.05.
        passed = round(loss, 9) <= settings.max_slice_loss
        yield PromotionCheck(name, passed, loss, settings.max_slice_loss, message)


def _bound(candidate: Facts) -> PromotionCheck:
    """A threshold belongs to one model: the calibration must name this encoder and judge."""
    calibration = candidate.get("calibration")
    name = "calibration bound to this model"
    if not calibration:
        return PromotionCheck(name, False, 0.0, 1.0, "the model is not calibrated")
    if calibration.get("fingerprint") != candidate["fingerprint"]:
        found = calibration.get("fingerprint")
        message = f"calibrated for {found!r}, but the model's encoder and judge are "
        return PromotionCheck(name, False, 0.0, 1.0, f"{message}{candidate['fingerprint']!r}")
    return PromotionCheck(name, True, 1.0, 1.0, f"calibrated for {candidate['fingerprint']}")


def _target(
    candidate: Facts, champion: Facts | None, settings: PromotionSettings
) -> PromotionCheck:
    """A threshold out of reach of its target must not be weaker than the champion's, or than set.

    A candidate that shows its own target passes, unless the gate asks for more.
    """
    accept = (candidate.get("calibration") or {}).get("accept") or {}
    name = "precision bound at the accept threshold"
    if "precision_low" not in accept:
        return PromotionCheck(name, False, 0.0, 0.0, "the accept threshold has no precision bound")
    low, target = float(accept["precision_low"]), float(accept["target"])
    at = f"at {float(accept['value']):.4f} the precision is at least {low:.3f}"
    shown = low >= target
    if not shown and accept.get("met") is not False:
        return PromotionCheck(
            name, False, low, target, f"{at}, too low for the target {target:.3f}"
        )
    if not shown:
        at += f"; the target of {target:.3f} was NOT shown"
    least, whose = _least(champion, settings, target=target, shown=shown)
    message = at if low >= least else f"{at}, below {whose}; see gate.min_precision_low"
    return PromotionCheck(name, low >= least, low, least, message)


def _least(
    champion: Facts | None, settings: PromotionSettings, *, target: float, shown: bool
) -> tuple[float, str]:
    """The least bound that the gate lets pass, and whose it is."""
    if settings.min_precision_low is not None:
        return settings.min_precision_low, f"the {settings.min_precision_low:.3f} asked for"
    if shown or champion is None or champion.get("precision_low") is None:
        return (target if shown else 0.0), "the target"
    own = float(champion["precision_low"])
    return min(own, target), f"the {own:.3f} that the champion {champion['reference']} shows"


def _list(values: list[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:3])
    return shown if len(values) <= 3 else f"{shown} and {len(values) - 3} more"
