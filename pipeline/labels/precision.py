"""Precision of all pairs from a labelled sample, and whether more labels would help."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import Flags
from pipeline.errors import PipelineError
from pipeline.evaluation import lower_bound, wilson_interval


@dataclass(frozen=True)
class Cell:
    """Accepted pairs chosen for one reason: how many there are, were answered, and are the same."""

    pairs: float
    answered: int
    same: int


@dataclass(frozen=True, kw_only=True)
class PrecisionEstimate:
    """What labels say of the precision of accepted pairs.

    Attributes:
        precision: None: nothing is answered. low, high: two-sided interval.
        pairs: accepted ones, estimated. answered, unanswered: of the rows.
        sentence: the same in words.
    """

    precision: float | None
    low: float
    high: float
    pairs: int
    answered: int
    unanswered: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class LabelDemand:
    """Whether more labels would help.

    Attributes:
        labels: so far. precision: share of them that are the same. low: its lower bound.
        expected_low: the bound after 100 more labels that are right as often; gain: its rise.
        needed: more labels until the bound meets the target, 0 when it does, None when none would.
    """

    labels: int
    precision: float
    low: float
    target: float
    expected_low: float
    gain: float
    needed: int | None

    @property
    def enough(self) -> bool:
        """Whether labelling can stop: the bound meets the target, or no label would help."""
        return self.labels > 0 and not self.needed

    @property
    def sentence(self) -> str:
        """The same in words."""
        now = f"{self.labels:,} labels give a precision of at least {self.low:.3f}"
        more = f"100 more would raise that bound by about {max(self.gain, 0):.3f}"
        if not self.labels:
            return "No labelled pair lies at or above the threshold yet: label some there first."
        if self.needed == 0:
            return f"Enough: {now}, the target is {self.target:.3f}; {more}."
        if self.needed is None:
            return (
                f"More labels would not help: {now}, and the precision itself, about "
                f"{self.precision:.3f}, does not exceed the target of {self.target:.3f}; raise the "
                "threshold or improve the model."
            )
        return (
            f"Not yet: {now}, the target is {self.target:.3f}; about {self.needed:,} more labels "
            f"would reach it if the share stays; {more}."
        )


def estimate_strata(cells: list[Cell], *, rows: int, confidence: float) -> PrecisionEstimate:
    """Estimate the precision of all accepted pairs from cells of them.

    Each cell's answers stand for its pairs (Horvitz and Thompson, 1952): unanswered ones are taken
    to be like the answered. The interval is Wilson's with the number of pairs a simple random
    sample would need for the same sampling error; cells with no answer at all widen it by all they
    could be.

    Args:
        rows: accepted pairs on the list.
    """
    known = [cell for cell in cells if cell.answered]
    pairs, covered = (sum(cell.pairs for cell in part) for part in (cells, known))
    answered = sum(cell.answered for cell in cells)
    nothing = PrecisionEstimate(
        precision=None,
        low=0.0,
        high=1.0,
        pairs=round(pairs),
        answered=answered,
        unanswered=rows - answered,
        sentence="No accepted pair has a label yet: nothing can be estimated.",
    )
    if not known:
        return nothing
    value = sum(cell.pairs * cell.same / cell.answered for cell in known) / covered
    low, high = wilson_interval(value, effective_count(known, covered), confidence=confidence)
    low, high = low * covered / pairs, (high * covered + pairs - covered) / pairs
    sentence = (
        f"Of about {pairs:,.0f} accepted pairs {100 * value:.1f} % are the same "
        f"({100 * low:.1f} to {100 * high:.1f} %, from {answered:,} labels)."
    )
    return replace(nothing, precision=value, low=low, high=high, sentence=sentence)


def is_enough(same: Flags, *, target: float, confidence: float = 0.95) -> LabelDemand:
    """Say whether more labels would move the precision's lower bound much.

    The bound is the exact one-sided one (Clopper and Pearson, 1934), for a threshold that was not
    chosen on these labels; calibration, which chooses one, states a little less.

    Args:
        same: (n,) verdicts of the labelled pairs at or above the accept threshold.

    Raises:
        PipelineError: target or confidence is no share between 0 and 1.
    """
    if not 0 < target < 1 or not 0.5 <= confidence < 1:
        raise PipelineError(
            f"the target ({target}) must lie between 0 and 1, the confidence ({confidence}) "
            "from 0.5 to below 1"
        )
    labels, right = len(same), int(np.count_nonzero(same))
    rate = right / labels if labels else 0.0
    low = _bound(right, labels, confidence)
    later = _bound(right + 100 * rate, labels + 100, confidence) if labels else 0.0
    needed = needed_labels(rate, labels, target=target, confidence=confidence)
    return LabelDemand(
        labels=labels,
        precision=rate,
        low=low,
        target=target,
        expected_low=later,
        gain=later - low,
        needed=needed,
    )


def effective_count(cells: list[Cell], pairs: float) -> float:
    """Size of the simple random sample with the same variance, were all cells alike."""
    variance = sum(
        (cell.pairs / pairs) ** 2 / cell.answered * max(1 - cell.answered / cell.pairs, 0)
        for cell in cells
    )
    return 1 / variance if variance > 0 else math.inf


def _bound(right: float, labels: float, confidence: float) -> float:
    found = lower_bound(np.array([right]), np.array([labels]), confidence=confidence)
    return float(found[0])


def needed_labels(rate: float, labels: int, *, target: float, confidence: float) -> int | None:
    """More labels until the bound meets the target at the present rate; None above a million."""
    if rate <= target:
        return None
    most = 1_000_000
    if _bound(rate * (labels + most), labels + most, confidence) < target:
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if _bound(rate * (labels + middle), labels + middle, confidence) >= target:
            high = middle
        else:
            low = middle + 1
    return low
