"""Levels of columns: what it says of two alike records that they differ in a column, or do not.

Learned from the corpus without labels, in the manner of Fellegi and Sunter (1969), on pairs that
the judge would accept between two lists that hold a thing once: m is the share of best partners
that differ in the column, u that of pairs of which a record has a better partner. Two lists write a
venue differently, whatever it is; but where best partners hardly ever differ in the house number,
two records that do are two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats

Bits = npt.NDArray[np.int64]

LEVELS = (-3.0, 1.0)  # log-odds that all columns together may add: it is a correction
FEWEST = 50  # pairs of either kind below which nothing is learned
SMOOTHED = 2.0  # pairs that are assumed on both sides, with the share of all


@dataclass(frozen=True)
class ColumnLevels:
    """Log-odds by column.

    Attributes:
        names: of the c columns, in the order of their bits.
        differ, agree: (c,) what a difference in it adds, and that there is none.
    """

    names: tuple[str, ...]
    differ: Floats
    agree: Floats

    @classmethod
    def of(cls, names: Sequence[str], known: Mapping[str, tuple[float, float]]) -> ColumnLevels:
        """Those of some columns; one that is not known adds nothing."""
        levels = np.array([known.get(name, (0.0, 0.0)) for name in names], float).reshape(-1, 2)
        return cls(tuple(names), levels[:, 0], levels[:, 1])

    def told(self, differing: Bits) -> Floats:
        """(p,) log-odds of pairs that differ in the columns of these bits."""
        differ = _flags(differing, len(self.names))
        found = np.where(differ, self.differ, self.agree).sum(axis=1)
        return np.asarray(np.clip(found, *LEVELS))


def learn_column_levels(
    names: Sequence[str], best: Bits, others: Bits
) -> dict[str, tuple[float, float]]:
    """Log-odds of each column, of a difference and of none; empty where too few pairs are known.

    Args:
        best: (k,) bits of the columns in which best partners differ. others: (m,) likewise of
            pairs of which a record has a better partner.
    """
    if min(len(best), len(others)) < FEWEST:
        return {}
    flags = [_flags(bits, len(names)) for bits in (best, others)]
    usual = np.concatenate(flags).mean(axis=0)
    m, u = ((one.sum(axis=0) + SMOOTHED * usual + 0.5) / (len(one) + SMOOTHED + 1) for one in flags)
    differ, agree = np.log(m / u), np.log((1 - m) / (1 - u))
    return {
        name: (round(float(a), 3), round(float(b), 3))
        for name, a, b in zip(names, differ, agree, strict=True)
    }


def _flags(bits: Bits, count: int) -> Flags:
    """(p, c) the bits one by one."""
    return np.asarray(bits[:, None] >> np.arange(count) & 1, bool)
