"""Links between content groups, as the judge left them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Positions


@dataclass(frozen=True)
class Links:
    """Accepted links between groups.

    Attributes:
        left, right: (m,) group numbers, left < right, each once, sorted.
        probability: (m,) judge's probability.
        proposed_by: (m,) flags of `ProposedBy`.
        refused_left, refused_right: (r,) pairs of groups that were not accepted.
        apart: (r,) true where such a pair was judged distinct, or text and picture contradict.
    """

    left: Positions
    right: Positions
    probability: npt.NDArray[np.float64]
    proposed_by: npt.NDArray[np.uint8]
    refused_left: Positions
    refused_right: Positions
    apart: Flags

    def among(self, kept: Flags) -> Links:
        """The links between groups of a subset (g,), by their numbers in it.

        A link has both ends in the subset or none.
        """
        number = np.cumsum(kept) - 1
        here, refused = kept[self.left], kept[self.refused_left] & kept[self.refused_right]
        return replace(
            self,
            left=number[self.left[here]],
            right=number[self.right[here]],
            probability=self.probability[here],
            proposed_by=self.proposed_by[here],
            refused_left=number[self.refused_left[refused]],
            refused_right=number[self.refused_right[refused]],
            apart=self.apart[refused],
        )
