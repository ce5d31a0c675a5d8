"""Recall of a run from labels drawn at random among the pairs that it did not accept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.evaluation import Estimate, wilson_interval
from pipeline.labels.precision import Cell, PrecisionEstimate, effective_count
from pipeline.labels.run_precision import latest_of_pairs


@dataclass(frozen=True, kw_only=True)
class RunRecall:
    """What labels say of a run's recall, among the pairs that its search proposed.

    Attributes:
        recall: with its 95 % interval; None: no pair that was not accepted was drawn and answered.
        missed: duplicates among these, estimated. random: answered ones.
        sentence: the same in words.
    """

    recall: Estimate | None
    missed: float
    random: int
    sentence: str


def estimate_recall(
    pairs: pa.Table, labels: pa.Table | None, precision: PrecisionEstimate, *, review: float
) -> RunRecall:
    """Estimate which share of the duplicates among a run's pairs it accepted.

    As `estimate_run` does for the accepted ones: what somebody chose speaks for itself, all other
    pairs in two strata, up to and from the review threshold, each by its random labels. The bounds
    are those of both estimates at once, which is a little wide.

    Args:
        pairs: left_id, right_id, probability and threshold. labels: schemas.LABELS.
        precision: of the accepted pairs.
    """
    rest = pairs.filter(pc.less(pairs["probability"], pairs["threshold"]))
    verdict, drawn = latest_of_pairs(rest, labels)
    chosen = (verdict != "") & ~drawn
    p = rest["probability"].to_numpy().astype(np.float64)
    place = np.where(chosen, 0, np.where(p >= review, 1, 2))
    answered, same = (verdict != "") & (verdict != "unsure"), verdict == "same"
    cells = [
        Cell(float(part.sum()), int((part & answered).sum()), int((part & same).sum()))
        for part in (place == number for number in range(3))
        if part.any()
    ]
    random = int((answered & drawn).sum())
    if not random or precision.precision is None:
        words = "No pair that was not accepted was drawn at random and answered yet."
        return RunRecall(recall=None, missed=0.0, random=random, sentence=words)
    low, value, high = _duplicates(cells)
    found = [precision.pairs * share for share in
             (precision.low, precision.precision, precision.high)]  # fmt: skip
    least, middle, most = (
        right / (right + lost) if right + lost else 0.0
        for right, lost in zip(found, (high, value, low), strict=True)
    )
    words = (
        f"Of the duplicates among the pairs that the search proposed about {middle:.1%} are "
        f"accepted ({least:.1%} to {most:.1%}, from {random:,} random labels of the others)."
    )
    return RunRecall(
        recall=Estimate(middle, least, most), missed=value, random=random, sentence=words
    )


def _duplicates(cells: list[Cell]) -> tuple[float, float, float]:
    """How many of the pairs are duplicates: at least, about, at most."""
    known = [cell for cell in cells if cell.answered]
    covered = sum(cell.pairs for cell in known)
    share = sum(cell.pairs * cell.same / cell.answered for cell in known) / covered
    low, high = wilson_interval(share, effective_count(known, covered))
    rest = sum(cell.pairs for cell in cells) - covered
    return low * covered, share * covered, high * covered + rest
