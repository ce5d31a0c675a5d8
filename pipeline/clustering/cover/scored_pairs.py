"""Scored pairs of entities: accepted and refused ones, each pair of entities once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Flags, Floats, Rows, pair_key, pair_sides
from pipeline.clustering.cover.average_linkage import in_units
from pipeline.clustering.cover.constraints import ConstrainedLinks

ACCEPTED, NEAR, DISTINCT = 2, 1, 0


@dataclass(frozen=True, kw_only=True)
class ScoredPairs:
    """Scored pairs of entities.

    Attributes:
        left, right: (m,) entities, left < right, each pair once, sorted.
        odds: (m,) log-odds in units, as `in_units` has them.
        probability: (m,) NaN where the pair was not scored.
        proposed_by: (m,) flags of `ProposedBy`.
        standing: (m,) ACCEPTED, NEAR where the judge left the pair for review, or DISTINCT.
    """

    left: Rows
    right: Rows
    odds: Rows
    probability: Floats
    proposed_by: npt.NDArray[np.uint8]
    standing: npt.NDArray[np.int8]

    def take(self, at: Rows | Flags) -> ScoredPairs:
        """Those at some places."""
        return ScoredPairs(**{name: values[at] for name, values in vars(self).items()})


def pairs_within(home: Rows, bound: ConstrainedLinks) -> ScoredPairs:
    """The pairs of entities with one home; of several between the same two the best.

    Args:
        home: (e,) component of each entity, -1 where its pairs are not wanted.
    """
    links, entity, count = bound.links, bound.entity, len(home)
    yes, left, right = _with_one_home(home, entity[links.left], entity[links.right])
    no, *ends = _with_one_home(home, entity[links.refused_left], entity[links.refused_right])
    odds = np.concatenate(
        [in_units(links.odds[yes], True), in_units(links.refused_odds[no], False)]
    )
    key = pair_key(np.append(left, ends[0]), np.append(right, ends[1]), count)
    order = np.lexsort((-odds, key))
    at = order[np.flatnonzero(np.diff(key[order], prepend=-1))]
    low, high = pair_sides(key[at], count)
    refused = np.where(links.apart[no], DISTINCT, NEAR)
    standing = np.append(np.full(len(yes), ACCEPTED), refused).astype(np.int8)
    return ScoredPairs(
        left=low,
        right=high,
        odds=odds[at],
        probability=np.append(links.probability[yes], links.refused_probability[no])[at],
        proposed_by=np.append(links.proposed_by[yes], links.refused_by[no])[at],
        standing=standing[at],
    )


def _with_one_home(home: Rows, left: Rows, right: Rows) -> tuple[Rows, Rows, Rows]:
    """The places of those pairs, and their ends."""
    at = np.flatnonzero((home[left] == home[right]) & (home[left] >= 0) & (left != right))
    return at, left[at], right[at]
