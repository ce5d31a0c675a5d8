"""Links between content groups, as the judge left them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Positions


@dataclass(frozen=True)
class Links:
    """Scored pairs of groups: the accepted ones, which are links, and the refused ones.

    Attributes:
        left, right: (m,) group numbers, left < right, each once, sorted.
        probability: (m,) judge's probability.
        proposed_by: (m,) flags of `ProposedBy`.
        odds: (m,) log-odds, counted from the threshold at which the pair's judge accepts.
        unsure: (m,) true where a person should look before such a pair is confirmed.
        refused_left, refused_right: (r,) pairs of groups that were not accepted.
        apart: (r,) true where such a pair was judged distinct, or text and picture contradict.
        refused_probability, refused_by, refused_odds: (r,) of such a pair; NaN and -inf where only
            a person said something of it.
    """

    left: Positions
    right: Positions
    probability: npt.NDArray[np.float64]
    proposed_by: npt.NDArray[np.uint8]
    odds: npt.NDArray[np.float32]
    unsure: Flags
    refused_left: Positions
    refused_right: Positions
    apart: Flags
    refused_probability: npt.NDArray[np.float64]
    refused_by: npt.NDArray[np.uint8]
    refused_odds: npt.NDArray[np.float32]

    @classmethod
    def of(
        cls,
        *,
        left: Positions,
        right: Positions,
        probability: npt.NDArray[np.float64],
        proposed_by: npt.NDArray[np.uint8],
        odds: npt.NDArray[np.float32],
        accepted: Flags,
        apart: Flags,
        unsure: Flags | None = None,
    ) -> Links:
        """From all scored pairs (p,), sorted, and which of them were accepted."""
        unsure = np.zeros(len(left), bool) if unsure is None else unsure
        yes, no = accepted, ~accepted
        return cls(
            left[yes], right[yes], probability[yes], proposed_by[yes], odds[yes], unsure[yes],
            left[no], right[no], apart[no], probability[no], proposed_by[no], odds[no],
        )  # fmt: skip

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
            odds=self.odds[here],
            unsure=self.unsure[here],
            refused_left=number[self.refused_left[refused]],
            refused_right=number[self.refused_right[refused]],
            apart=self.apart[refused],
            refused_probability=self.refused_probability[refused],
            refused_by=self.refused_by[refused],
            refused_odds=self.refused_odds[refused],
        )
