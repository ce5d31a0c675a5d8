"""What geometry found of pairs of pictures, as judging asks for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.context import RunContext
from pipeline.indexes.blocks import Positions
from pipeline.lookup import sorted_places
from pipeline.side_by_side import verdicts
from pipeline.units import Units


@dataclass(frozen=True)
class Found:
    """What geometry says of pairs of pictures; see `schemas.ALIGNMENTS` for the rows.

    Attributes:
        verified: (p,) one is the other, edited.
        unlike: (p,) there is enough to compare in both, and the one is not found in the other.
        rows: of the pairs.
    """

    verified: npt.NDArray[np.bool_]
    unlike: npt.NDArray[np.bool_]
    rows: pa.Table

    @classmethod
    def of(cls, rows: pa.Table) -> Found:
        """Out of the rows of the table."""
        verified, unlike = (
            np.asarray(rows[name].to_numpy(), bool) for name in ("verified", "unlike")
        )
        return cls(verified, unlike, rows)

    def verdicts(self) -> npt.NDArray[np.float64]:
        """(p,) 1: one picture, edited; 0: not one picture; NaN: it cannot tell."""
        return verdicts(self.verified, self.unlike)


class Looks:
    """What was found, by pairs of some pictures.

    Args:
        key: (p,) ascending, left place * `count` + right place among all of a run's pictures.
        places: of those pictures among all.
    """

    def __init__(self, key: Positions, count: int, found: Found, places: Positions) -> None:
        self.key, self.count, self.places = key, count, np.append(places, -1)
        self.verdict = found.verdicts()
        self.edit, self.back = (found.rows[name].combine_chunks() for name in ("edit", "back"))

    @classmethod
    def of(cls, context: RunContext, units: Units, places: Positions) -> Looks | None:
        """Those of a run, out of its scratch; see the class."""
        if not context.work.has("alignments"):
            return None
        rows = context.work.read_shard("alignments", "all")
        key = context.work.load("alignments")["key"]
        return cls(key, len(units.image_hashes), Found.of(rows), places)

    def verdicts(self, left: Positions, right: Positions) -> npt.NDArray[np.float64]:
        """See `pipeline.judging.Looked`."""
        row = self._rows(left, right)
        return np.where(row >= 0, self.verdict[np.maximum(row, 0)], np.nan)

    def edits(self, left: Positions, right: Positions) -> pa.Array:
        """See `pipeline.judging.Looked`."""
        place = self._rows(left, right)
        row = pa.array(np.maximum(place, 0), mask=place < 0)
        turned = pa.array(self.places[left] > self.places[right])
        return pc.if_else(turned, self.back.take(row), self.edit.take(row))

    def _rows(self, left: Positions, right: Positions) -> Positions:
        """(p,) row of each pair, -1 where it was not looked at."""
        one, other = self.places[left], self.places[right]  # the last is -1, and so is that of -1
        low, high = np.minimum(one, other), np.maximum(one, other)
        return np.where(low >= 0, sorted_places(low * self.count + high, self.key), -1)
