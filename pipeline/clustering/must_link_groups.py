"""Must-link groups: nodes that persons called the same, seen as one; their links, what was cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.arrays import Rows, pair_key, pair_sides, positions_in_sorted
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.clustering.cover.star_clustering import CHAIN, Grouping
from pipeline.labels import LABELS, Verdicts
from pipeline.storage import CUT_LINKS


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


def cut_links(
    ids: pa.Array, bound: ConstrainedLinks, grouping: Grouping, verdicts: Verdicts
) -> pa.Table:
    """The accepted links that ended between two clusters, or that a verdict barred, and why."""
    of_node = grouping.cluster[bound.entity]
    links, barred = bound.links, bound.barred
    between = np.flatnonzero(of_node[links.left] != of_node[links.right])
    left = np.concatenate([links.left[between], barred.left])
    right = np.concatenate([links.right[between], barred.right])
    probability = np.concatenate([links.probability[between], barred.probability])
    by = np.concatenate([_part(of_node, between, bound, grouping), bound.barred_by])
    names = [f"verdict: {LABELS[code]}" for code in verdicts.label.tolist()]
    reasons = [f"{names[v]} ({verdicts.said[v]})" if v >= 0 else CHAIN for v in by.tolist()]
    order = np.lexsort((right, left))
    return pa.table(
        {
            "left_id": ids.take(pa.array(bound.rows[left[order]])),
            "right_id": ids.take(pa.array(bound.rows[right[order]])),
            "probability": pa.array(probability[order].astype(np.float32)),
            "reason": pa.array([reasons[place] for place in order.tolist()], pa.string()),
        },
        schema=CUT_LINKS,
    )


def _part(of_node: Rows, between: Rows, bound: ConstrainedLinks, grouping: Grouping) -> Rows:
    """For each cut link the verdict that keeps its two clusters apart, -1: the chain guard."""
    count = len(grouping.cluster)
    one, other = grouping.cluster[bound.apart_left], grouping.cluster[bound.apart_right]
    known, first = np.unique(pair_key(one, other, count), return_index=True)
    links = bound.links
    sought = pair_key(of_node[links.left[between]], of_node[links.right[between]], count)
    return np.append(bound.apart_by[first], -1)[positions_in_sorted(sought, known)]
