"""Cut links: accepted links that ended between two clusters or that a verdict barred, and why."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.arrays import Rows, pair_key, positions_in_sorted
from pipeline.clustering.cover.constraints import ConstrainedLinks
from pipeline.clustering.cover.grouping import Grouping
from pipeline.clustering.duplicate_free import LosingLinks
from pipeline.labels import LABELS, Verdicts
from pipeline.storage import CUT_LINKS

AGAINST = "all scored pairs of the two groups, taken together, speak against it"


def cut_links(
    ids: pa.Array,
    bound: ConstrainedLinks,
    grouping: Grouping,
    verdicts: Verdicts,
    losing: LosingLinks,
) -> pa.Table:
    """The table of the cut links: by average linkage, verdicts and duplicate-free sources."""
    of_node = grouping.cluster[bound.entity]
    links, barred = bound.links, bound.barred
    between = np.flatnonzero((of_node[links.left] != of_node[links.right]) & ~losing.at)
    left = bound.rows[np.concatenate([links.left[between], barred.left])]
    right = bound.rows[np.concatenate([links.right[between], barred.right])]
    by = np.concatenate([_part(of_node, between, bound, grouping), bound.barred_by])
    names = [f"verdict: {LABELS[code]}" for code in verdicts.label.tolist()]
    said = [*(f"{name} ({how})" for name, how in zip(names, verdicts.said, strict=True)), AGAINST]
    reason = pa.array(said, pa.string()).take(pa.array(by % len(said)))
    left, right = np.concatenate([left, losing.left]), np.concatenate([right, losing.right])
    probability = np.concatenate(
        [links.probability[between], barred.probability, losing.probability]
    )
    order = np.lexsort((right, left))
    return pa.table(
        {
            "left_id": ids.take(pa.array(left[order])),
            "right_id": ids.take(pa.array(right[order])),
            "probability": pa.array(probability[order].astype(np.float32)),
            "reason": pa.concat_arrays([reason, losing.reason]).take(pa.array(order)),
        },
        schema=CUT_LINKS,
    )


def _part(of_node: Rows, between: Rows, bound: ConstrainedLinks, grouping: Grouping) -> Rows:
    """For each cut link the verdict that keeps its two clusters apart, -1: average linkage."""
    count = len(grouping.cluster)
    one, other = grouping.cluster[bound.apart_left], grouping.cluster[bound.apart_right]
    known, first = np.unique(pair_key(one, other, count), return_index=True)
    links = bound.links
    sought = pair_key(of_node[links.left[between]], of_node[links.right[between]], count)
    return np.append(bound.apart_by[first], -1)[positions_in_sorted(sought, known)]
