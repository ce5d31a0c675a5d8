"""Levels of sources: what it says of two records that they are of one source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.arrays import Floats, Positions, factorize_strings


@dataclass(frozen=True)
class SourceLevels:
    """The source of each of u groups, that of its first record.

    Attributes:
        names: of the sources, ascending. code: (u,) places in them.
        inside: (u,) log-odds that a pair inside the group's source has by that alone.
    """

    names: tuple[str, ...]
    code: Positions
    inside: Floats

    @classmethod
    def of(cls, sources: pa.ChunkedArray, known: Mapping[str, float]) -> SourceLevels:
        """From the source of each group; one that is not known adds nothing."""
        names, code = factorize_strings(sources)
        listed = tuple(names.to_pylist())
        levels = np.array([known.get(name, 0.0) for name in listed])
        return cls(listed, code, levels[code])

    def compare(self, left: Positions, right: Positions) -> Floats:
        """(p,) log-odds that the sources add; 0 across sources."""
        return np.where(self.code[left] == self.code[right], self.inside[left], 0.0)
