"""Error rates: false match and false non-match, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags
from pipeline.evaluation.intervals import Estimate, share_interval

TOO_SMALL = "too small to tell"

Rate = Literal["false_match_rate", "false_non_match_rate"]
RATES: tuple[Rate, ...] = ("false_match_rate", "false_non_match_rate")


@dataclass(frozen=True)
class ErrorRate(Estimate):
    """The share of `n` pairs that are errors, with its 95 % Wilson interval.

    `note` is 'too small to tell' where n is below the smallest slice, else ''.
    """

    errors: int
    n: int
    note: str


@dataclass(frozen=True)
class GroupRates:
    """Both rates of one group of pairs.

    Attributes:
        pairs, positives: of the group.
        false_match_rate: share of the different pairs that were accepted.
        false_non_match_rate: share of the duplicates that were not accepted.
    """

    pairs: int
    positives: int
    false_match_rate: ErrorRate
    false_non_match_rate: ErrorRate

    def rate(self, name: Rate) -> ErrorRate:
        """One of both by its name."""
        return self.false_match_rate if name == "false_match_rate" else self.false_non_match_rate

    @property
    def f1(self) -> float:
        """F1 of the decisions; 1 where there was nothing to find and nothing was accepted."""
        wrong, missed = self.false_match_rate, self.false_non_match_rate
        hits = missed.n - missed.errors
        of = 2 * hits + wrong.errors + missed.errors
        return 2 * hits / of if of else 1.0


@dataclass(frozen=True)
class WorstToBest:
    """The worst and the best slice by one rate; no ratio where the best has no error."""

    ratio: float | None
    worst: str
    best: str
    gap: float


@dataclass(frozen=True)
class SliceRates:
    """The slices of one attribute.

    Attributes:
        values: rates by the attribute's value, '(unknown)' where a pair has none.
        worst_to_best: None where fewer than two slices are large enough.
        too_small: values with too few pairs for one of the rates.
    """

    values: dict[str, GroupRates]
    worst_to_best: dict[Rate, WorstToBest | None]
    too_small: tuple[str, ...]


@dataclass(frozen=True)
class ErrorRates:
    """Error rates at the accept threshold, overall and by slice: attribute -> its slices."""

    overall: GroupRates
    slices: dict[str, SliceRates]
    min_slice: int


def measure_error_rates(
    same: Flags,
    accepted: Flags,
    *,
    slices: Mapping[str, npt.NDArray[np.str_]] | None = None,
    min_slice: int = 30,
) -> ErrorRates:
    """Error rates at the operating threshold.

    Args:
        same, accepted: (p,) truth and decision.
        slices: attribute -> (p,) value of each pair; '' is shown as '(unknown)'.
        min_slice: pairs a rate is a share of, below which it is noted as too small to tell.
    """
    return ErrorRates(
        _both(same, accepted, np.ones(len(same), bool), min_slice),
        {
            name: _by_value(same, accepted, values, min_slice)
            for name, values in (slices or {}).items()
        },
        min_slice,
    )


def _by_value(
    same: Flags, accepted: Flags, values: npt.NDArray[np.str_], min_slice: int
) -> SliceRates:
    known, code = np.unique(values, return_inverse=True)
    each = {
        str(value) or "(unknown)": _both(same, accepted, code == number, min_slice)
        for number, value in enumerate(known)
    }
    few = (value for value, row in each.items() if any(row.rate(rate).note for rate in RATES))
    return SliceRates(each, {rate: _ratio(each, rate) for rate in RATES}, tuple(few))


def _both(same: Flags, accepted: Flags, here: Flags, min_slice: int) -> GroupRates:
    return GroupRates(
        int(here.sum()),
        int((same & here).sum()),
        _rate(accepted & ~same & here, ~same & here, min_slice),
        _rate(~accepted & same & here, same & here, min_slice),
    )


def _rate(wrong: Flags, of: Flags, min_slice: int) -> ErrorRate:
    errors, n = int(wrong.sum()), int(of.sum())
    found = share_interval(errors, n)
    note = TOO_SMALL if n < min_slice else ""
    return ErrorRate(found.value, found.low, found.high, errors, n, note)


def _ratio(each: dict[str, GroupRates], rate: Rate) -> WorstToBest | None:
    enough = {value: row.rate(rate).value for value, row in each.items() if not row.rate(rate).note}
    if len(enough) < 2:
        return None
    worst = max(enough, key=lambda value: (enough[value], value))
    best = min(enough, key=lambda value: (enough[value], value))
    ratio = enough[worst] / enough[best] if enough[best] else None
    return WorstToBest(ratio, worst, best, enough[worst] - enough[best])
