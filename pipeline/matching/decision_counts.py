"""Counts of judged pairs: what is told of them and what clustering needs, batch by batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Floats, pair_sides
from pipeline.candidates import CandidatePairs
from pipeline.matching.duplicate_free import alike_in_one_source, in_one_source
from pipeline.matching.judge import DISTINCT, DUPLICATE, log_odds

TELLING = pa.array(["doubtful", "decisive"])
# Log-odds of a pair that a difference holds: what agrees in it has no say beside that.
HELD = -4.0


@dataclass
class DecisionCounts:
    """What is told of the pairs once all have gone by, and what clustering needs of them."""

    histogram: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(50, np.int64))
    decisions: Counter[str] = field(default_factory=Counter)
    links: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, part: CandidatePairs, rows: pa.RecordBatch, count: int) -> None:
        """Count a batch of judged candidates; `count` groups number them."""
        # As the table has it, so that a pair that stands and one judged tonight cluster alike.
        probability = np.asarray(rows["probability"]).astype(np.float64).round(4)
        self.histogram += np.histogram(probability, bins=50, range=(0, 1))[0]
        decision = rows["decision"].dictionary_encode()
        kinds, kind = decision.dictionary.to_pylist(), decision.indices.to_numpy()
        counts = np.bincount(kind, minlength=len(kinds)).tolist()
        self.decisions.update(dict(zip(kinds, counts, strict=True)))
        accepted, distinct = (
            np.array([k == word for k in kinds], bool)[kind] for word in (DUPLICATE, DISTINCT)
        )
        alike = alike_in_one_source(rows)
        threshold: Floats = np.asarray(rows["threshold"], np.float64)
        odds = log_odds(probability) - log_odds(threshold)
        contradicts = rows["contradicts"].to_numpy(zero_copy_only=False).astype(bool)
        confirmed = rows["confirmed"].to_numpy(zero_copy_only=False).astype(bool)
        # Differences are looked at where the scores accept: a pair that is not accepted was held.
        differs = pc.fill_null(pc.is_in(rows["difference"], value_set=TELLING), False)
        held = differs.to_numpy(zero_copy_only=False).astype(bool) & ~accepted
        self.links.append(
            (
                *pair_sides(part.key, count),
                probability,
                part.proposed_by,
                accepted | alike,
                (distinct & ~in_one_source(rows)) | contradicts | held,
                np.where(contradicts, -np.inf, np.where(held, HELD, odds)).astype(np.float32),
                accepted & ~confirmed,
            )
        )

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The scored pairs: left, right, probability, proposed_by, accepted, apart, odds, unsure.

        The odds are log-odds, counted from the accept threshold of the rule that decided the pair;
        -inf where text and picture contradict each other.
        """
        names = ("left", "right", "probability", "proposed_by", "accepted", "apart", "odds",
                 "unsure")  # fmt: skip
        kinds = (np.int64, np.int64, float, np.uint8, bool, bool, np.float32, bool)
        columns = list(zip(*self.links, strict=True)) or [()] * len(names)
        return {
            name: np.concatenate([np.zeros(0, kind), *column]).astype(kind)
            for name, kind, column in zip(names, kinds, columns, strict=True)
        }
