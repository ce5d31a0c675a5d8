"""Must-link groups: nodes that persons called the same, seen as one, and their links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Rows, pair_key, pair_sides
from pipeline.clustering.cover.constraints import ConstrainedLinks


@dataclass(frozen=True)
class MustLinkGroups:
    """The entities of a run and the accepted links between them.

    Attributes:
        rows: (e,) row of each entity's smallest record.
        tied: entities of several nodes: a person's verdict holds them together.
        left, right: (m,) entity numbers, left < right, each pair once, sorted.
        probability: (m,) of the best link between their nodes.
        proposed_by: (m,) flags of `ProposedBy`, of all links between their nodes.
    """

    rows: Rows
    tied: Rows
    left: Rows
    right: Rows
    probability: npt.NDArray[np.float64]
    proposed_by: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, bound: ConstrainedLinks) -> MustLinkGroups:
        """The entities of constrained nodes; without ties these are the nodes."""
        links = bound.links
        if not bound.tied:
            return cls(
                bound.rows, np.zeros(0, np.int64), links.left, links.right, links.probability,
                links.proposed_by,
            )  # fmt: skip
        rows = bound.rows[np.unique(bound.entity, return_index=True)[1]]
        one, other = bound.entity[links.left], bound.entity[links.right]
        outer = one != other
        keys, at = np.unique(pair_key(one[outer], other[outer], len(rows)), return_inverse=True)
        probability, proposed_by = np.zeros(len(keys)), np.zeros(len(keys), np.uint8)
        np.maximum.at(probability, at, links.probability[outer])
        np.bitwise_or.at(proposed_by, at, links.proposed_by[outer])
        tied = np.flatnonzero(np.bincount(bound.entity) > 1)
        return cls(rows, tied, *pair_sides(keys, len(rows)), probability, proposed_by)
