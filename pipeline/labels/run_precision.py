"""Precision of a run from the catalog's labels, and how many more would say enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, as_strings, positions_in
from pipeline.labels.precision import (
    Cell,
    PrecisionEstimate,
    effective_count,
    estimate_strata,
    needed_labels,
)
from pipeline.labels.verdicts import LABELS, latest_verdicts

_SCORES = ("probability", "threshold")


@dataclass(frozen=True, kw_only=True)
class RunPrecision(PrecisionEstimate):
    """What labels say of a run's precision.

    Attributes:
        random: answered labels of pairs that were drawn at random.
        target: the precision that more labels should show.
        needed: how many more would show it if the share stays, 0 when they do, None when none
            would.
        advice: the same in words.
    """

    random: int
    target: float
    needed: int | None
    advice: str


def estimate_run(
    pairs: pa.Table, labels: pa.Table | None, *, target: float, confidence: float = 0.95
) -> RunPrecision:
    """Estimate the precision of a run's accepted pairs from the labels drawn at random.

    Pairs somebody chose to label (near a threshold, a disagreement, an imported file) speak for
    themselves alone. All other accepted pairs are counted in two strata, up to and from halfway
    between the threshold and 1, and each stratum's share is that of its random labels: those of
    `label suggest`, which draws within the same bounds (post-stratification: Holt and Smith, 1979).
    Labels of earlier nights count while their pair is still accepted. The latest label on a pair
    wins; pairs of one entity count as independent.

    Args:
        pairs: left_id, right_id, probability and threshold of the run's pairs; accepted are those
            that the judge put at or above the threshold, whatever a verdict made of them.
        labels: schemas.LABELS.
        target: the precision that more labels should show.
    """
    accepted = pairs.filter(pc.greater_equal(pairs["probability"], pairs["threshold"]))
    verdict, drawn = latest_of_pairs(accepted, labels)
    p, threshold = (accepted[name].to_numpy().astype(np.float64) for name in _SCORES)
    chosen = (verdict != "") & ~drawn
    place = np.where(chosen, 0, np.where(p >= (1 + threshold) / 2, 1, 2))
    answered, same = (verdict != "") & (verdict != "unsure"), verdict == "same"
    cells = [
        Cell(float(part.sum()), int((part & answered).sum()), int((part & same).sum()))
        for part in (place == number for number in range(3))
        if part.any()
    ]
    found = estimate_strata(cells, rows=len(accepted), confidence=confidence)
    random = int((answered & drawn).sum())
    needed = _more(cells, found.precision, target=target, confidence=confidence)
    advice = _advice(found, random=random, needed=needed, target=target)
    return RunPrecision(**vars(found), random=random, target=target, needed=needed, advice=advice)


def latest_of_pairs(pairs: pa.Table, labels: pa.Table | None) -> tuple[npt.NDArray[np.str_], Flags]:
    """(p,) the latest label of each pair, '' without; (p,) whether it was ever drawn at random."""
    verdict, drawn = np.full(len(pairs), "", dtype="U9"), np.zeros(len(pairs), bool)
    if labels is None or not len(labels) or not len(pairs):
        return verdict, drawn
    keys = as_strings(_pair_keys(pairs))
    last = latest_verdicts(labels)
    at = positions_in(_pair_keys(last), keys)
    verdict[at[at >= 0]] = np.array(LABELS)[last["code"].to_numpy()[at >= 0]]
    asked = latest_verdicts(labels.filter(pc.equal(labels["origin"], "audit")))
    at = positions_in(_pair_keys(asked), keys)
    drawn[at[at >= 0]] = True
    return verdict, drawn


def _pair_keys(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["left_id"], table["right_id"], "\0")


def _more(
    cells: list[Cell], precision: float | None, *, target: float, confidence: float
) -> int | None:
    """Labels drawn at random until the one-sided bound meets the target; see `needed_labels`."""
    known = [cell for cell in cells if cell.answered]
    if precision is None or not known:
        return None
    trials = effective_count(known, sum(cell.pairs for cell in known))
    if math.isinf(trials):  # everything is labelled
        return 0 if precision >= target else None
    return needed_labels(precision, round(trials), target=target, confidence=confidence)


def _advice(found: PrecisionEstimate, *, random: int, needed: int | None, target: float) -> str:
    if found.precision is None or not random:
        return (
            "None of these pairs was drawn at random and labelled: fill in all rows of "
            "`gemel label suggest`, those that say random most of all, and import them."
        )
    if needed == 0:
        return f"Enough: {random:,} random labels show a precision of {target:.3f}."
    if needed is None and found.high >= target:
        return (
            f"Too early to tell: {random:,} random labels neither show a precision of "
            f"{target:.3f} nor rule it out; label more."
        )
    if needed is None:
        return (
            f"More labels would not show a precision of {target:.3f}: it is about "
            f"{found.precision:.3f}; raise the threshold or improve the model."
        )
    return (
        f"About {needed:,} more random labels of accepted pairs would show a precision of "
        f"{target:.3f} if the share stays ({random:,} so far)."
    )
