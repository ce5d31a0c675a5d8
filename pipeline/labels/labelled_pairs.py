"""Labelled pairs over records, which training, calibration and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.labels.facts import LabelFacts, SplitSize

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class LabelledPairs:
    """Labelled pairs over the records they name.

    Attributes:
        records: schemas.RECORDS, sorted by record_id. Records of inline labels have the id
            'inline:<hash of their content>'; pairs of one content meet in one record.
        left, right: (p,) int64 rows of `records`, left < right, each pair once, sorted.
        grade: (p,) float64, 1 duplicate … 0 different; between only where labels are graded.
        origin: (p,) str: 'given', 'cluster', 'verdict'.
        split: (p,) str: 'train', 'valid', 'test', or '' where the labels name none.
        slices: attribute name -> (p,) str, '' where unknown; an attribute of the pair's row, or of
            its records ('a' when both say a, 'a | b' sorted when they differ).
        facts: what was read, dropped and settled.
    """

    records: pa.Table
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    grade: npt.NDArray[np.float64]
    origin: npt.NDArray[np.str_]
    split: npt.NDArray[np.str_]
    slices: dict[str, npt.NDArray[np.str_]]
    facts: LabelFacts

    @property
    def same(self) -> npt.NDArray[np.bool_]:
        """(p,) true for duplicates: a grade of at least one half."""
        return np.asarray(self.grade >= 0.5)

    def part(self, split: str) -> npt.NDArray[np.int64]:
        """Places of the pairs in `split`, ascending."""
        return np.flatnonzero(self.split == split)

    def sizes(self) -> dict[str, SplitSize]:
        """Pairs, duplicates and records of each split."""
        found = {}
        for split in SPLITS:
            part = self.part(split)
            rows = np.union1d(self.left[part], self.right[part])
            found[split] = SplitSize(len(part), int(self.same[part].sum()), len(rows))
        return found
