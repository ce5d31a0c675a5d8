"""Error rates: false match and false non-match, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags
from pipeline.evaluation.intervals import share_interval

TOO_SMALL = "too small to tell"
RATES = ("false_match_rate", "false_non_match_rate")


def measure_error_rates(
    same: Flags,
    accepted: Flags,
    *,
    slices: Mapping[str, npt.NDArray[np.str_]] | None = None,
    min_slice: int = 30,
) -> dict[str, Any]:
    """Error rates at the operating threshold.

    The false match rate is the share of different pairs that were accepted, the false non-match
    rate the share of duplicates that were not. Each is {value, low, high (95 % Wilson), errors, n,
    note}; the note is 'too small to tell' where n, the pairs the rate is a share of, is below
    `min_slice`.

    Args:
        same, accepted: (p,) truth and decision.
        slices: attribute -> (p,) value of each pair; '' is shown as '(unknown)'.

    Returns:
        'overall': both rates and the pairs; 'slices': attribute -> {'values': value -> the same,
        'worst_to_best': rate -> {ratio, worst, best, absolute gap}, None where fewer than two
        slices are large enough; ratio None where the best has no error; 'too_small': values}.
    """
    found: dict[str, Any] = {"min_slice": min_slice, "slices": {}}
    found["overall"] = _both(same, accepted, np.ones(len(same), bool), min_slice)
    for name, values in (slices or {}).items():
        known, code = np.unique(values, return_inverse=True)
        each = {
            str(value) or "(unknown)": _both(same, accepted, code == number, min_slice)
            for number, value in enumerate(known)
        }
        found["slices"][name] = {
            "values": each,
            "worst_to_best": {rate: _ratio(each, rate) for rate in RATES},
            "too_small": [
                value for value, row in each.items() if any(row[rate]["note"] for rate in RATES)
            ],
        }
    return found


def _both(same: Flags, accepted: Flags, here: Flags, min_slice: int) -> dict[str, Any]:
    rates = {
        "false_match_rate": _rate(accepted & ~same & here, ~same & here, min_slice),
        "false_non_match_rate": _rate(~accepted & same & here, same & here, min_slice),
    }
    return {"pairs": int(here.sum()), "positives": int((same & here).sum()), **rates}


def _rate(wrong: Flags, of: Flags, min_slice: int) -> dict[str, Any]:
    errors, n = int(wrong.sum()), int(of.sum())
    value, low, high = share_interval(errors, n)
    note = TOO_SMALL if n < min_slice else ""
    return {"value": value, "low": low, "high": high, "errors": errors, "n": n, "note": note}


def _ratio(each: dict[str, Any], rate: str) -> dict[str, Any] | None:
    enough = {value: row[rate]["value"] for value, row in each.items() if not row[rate]["note"]}
    if len(enough) < 2:
        return None
    worst = max(enough, key=lambda value: (enough[value], value))
    best = min(enough, key=lambda value: (enough[value], value))
    ratio = enough[worst] / enough[best] if enough[best] else None
    gap = enough[worst] - enough[best]
    return {"ratio": ratio, "worst": worst, "best": best, "gap": gap}
