"""Failure rates at the operating threshold, and on whom they fall."""

from __future__ import annotations

from typing import Any

from pipeline.evaluation import share
from pipeline.governance_facts import Counts, FailureFacts
from pipeline.reporting import formats

RATES = {"false_match_rate": ("false_matches", "different"),
         "false_non_match_rate": ("missed", "same")}  # fmt: skip


def failure_rates(facts: FailureFacts) -> dict[str, Any]:
    """Rates overall and per slice, with Wilson's 95 % intervals.

    Returns:
        overall: rate name -> {wrong, n, value, low, high}, where the false match rate is the share
        of the pairs labelled different that are accepted, the false non-match rate the share of
        the pairs labelled the same that are not; value is None of nothing.
        slices: attribute -> value -> the same, each with `small` where n is below min_slice.
        ratios: attribute -> rate name -> {worst, best, ratio} over the slices that are not small;
        ratio is None where the best slice has no failure or there are fewer than two slices.
        warnings: sentences.
    """
    overall = _rates(facts.overall)
    slices = {
        attribute: {
            value: {
                name: {**rate, "small": rate["n"] < facts.min_slice}
                for name, rate in _rates(counts).items()
            }
            for value, counts in sorted(values.items())
        }
        for attribute, values in sorted(facts.slices.items())
    }
    ratios = {
        attribute: {name: _ratio(values, name) for name in RATES}
        for attribute, values in slices.items()
    }
    warnings = [
        warning
        for attribute, values in slices.items()
        for name in RATES
        for warning in _warnings(attribute, values, name, overall, min_slice=facts.min_slice)
    ]
    return {"overall": overall, "slices": slices, "ratios": ratios, "warnings": warnings}


def words(rate: str) -> str:
    """A rate's name as a person writes it."""
    return rate.replace("_", " ").replace("non match", "non-match")


def _rates(counts: Counts) -> dict[str, dict[str, Any]]:
    rates = {}
    for name, (wrong, n) in RATES.items():
        failed, trials = getattr(counts, wrong), getattr(counts, n)
        value, low, high = share(failed, trials)
        rates[name] = {
            "wrong": failed, "n": trials, "value": value if trials else None, "low": low,
            "high": high,
        }  # fmt: skip
    return rates


def _ratio(values: dict[str, Any], name: str) -> dict[str, Any]:
    rates = {value: rates[name]["value"] for value, rates in values.items() if _told(rates[name])}
    if len(rates) < 2:
        return {"worst": None, "best": None, "ratio": None}
    worst, best = max(rates, key=lambda v: rates[v]), min(rates, key=lambda v: rates[v])
    ratio = rates[worst] / rates[best] if rates[best] else None
    return {"worst": worst, "best": best, "ratio": ratio}


def _told(rate: dict[str, Any]) -> bool:
    return not rate["small"] and rate["value"] is not None


def _warnings(
    attribute: str, values: dict[str, Any], name: str, overall: dict[str, Any], *, min_slice: int
) -> list[str]:
    found = []
    small = [value for value, rates in values.items() if rates[name]["small"]]
    if small:
        found.append(
            f"{attribute}: {', '.join(small)} {'has' if len(small) == 1 else 'have'} fewer than "
            f"{min_slice} pairs for the {words(name)}: too small to tell, whatever it shows."
        )
    general = overall[name]["value"] or 0.0
    for value, rates in values.items():
        rate = rates[name]
        if _told(rate) and rate["low"] > general:
            found.append(
                f"{attribute} {value}: the {words(name)} is {formats.share(rate['value'])}, "
                f"overall {formats.share(general)}, below the slice's whole 95 % interval."
            )
    return found
