"""Scorecard: how a run did on the labels its configuration names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import (
    Flags,
    Rows,
    components,
    pair_key,
    pair_sides,
    positions_in,
    positions_in_sorted,
)
from pipeline.evaluation import GoldPairs, RunQuality, measure_clusters, measure_pairs
from pipeline.labels import read_labels
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.run_records import groups_of, record_ids

RESAMPLES = 200  # of the bootstrap over entities


def label_metrics(context: RunContext, versions: dict[str, int]) -> RunQuality:
    """Precision and recall of the run on the configured labels, B-cubed where they form entities.

    With `labels_complete`, every scored or clustered pair without a label counts as different.
    """
    assert context.config.labels is not None
    labels, ids = read_labels(context.config.labels), record_ids(context)
    tables = context.catalog.tables
    clusters = tables.read(
        "clusters", version=versions["clusters"], columns=["record_id", "cluster_id"]
    ).sort_by("record_id")  # as the ids are
    cluster = pc.rank(clusters["cluster_id"].combine_chunks(), tiebreaker="dense").to_numpy()
    pairs = tables.read(
        "pairs", version=versions["pairs"], columns=["left_id", "right_id", "probability"]
    )
    scored = _keys(pairs["left_id"].combine_chunks(), pairs["right_id"].combine_chunks(), ids)
    if context.config.labels_complete:
        labels = _complete(labels, ids, scored, cluster)
    left, right = positions_in(labels.left, ids), positions_in(labels.right, ids)
    leader = groups_of(context).leader
    # Copies of one content have no pair of their own: their leaders' pair speaks for them.
    key = pair_key(leader[np.maximum(left, 0)], leader[np.maximum(right, 0)], len(ids))
    order = np.argsort(scored)
    place = positions_in_sorted(key, scored[order])
    probability = np.append(pairs["probability"].to_numpy()[order], 0.0)  # -1: no candidate
    same_content = leader[left] == leader[right]
    score = np.where(same_content, 1.0, probability[place])
    found = measure_pairs(
        labels,
        left=left,
        right=right,
        cluster=cluster,
        score=score,
        candidate=(place >= 0) | same_content,
    )
    known = (left >= 0) & (right >= 0)
    entity = entities_of(left[known], right[known], labels.same[known], cluster)
    if entity is None:
        return found
    named = np.flatnonzero(entity >= 0)
    clusters = measure_clusters(cluster[named], entity[named], seed=0, resamples=RESAMPLES)
    return replace(found, clusters=clusters)


def entities_of(left: Rows, right: Rows, same: Flags, cluster: Rows) -> Rows | None:
    """(n,) the entity of each record that a label names, else -1; None where labels form none.

    Entities are the components of the duplicates. Labels form them where of every two that share a
    cluster some label says that they differ: else B-cubed would count as wrong what nobody judged.

    Args:
        left, right, same: (p,) records of each labelled pair, and whether they are duplicates.
        cluster: (n,) of each record.
    """
    count, named = len(cluster), np.union1d(left, right)
    if not same.any():
        return None
    entity = components(count, left[same], right[same])
    held = np.unique(np.stack([cluster[named], entity[named]]), axis=1)
    ends = np.flatnonzero(np.diff(held[0])) + 1
    apart = pair_key(entity[left[~same]], entity[right[~same]], count)
    for members in np.split(held[1], ends):
        first, second = np.triu_indices(len(members), 1)
        if not np.isin(pair_key(members[first], members[second], count), apart).all():
            return None
    out = np.full(count, -1)
    out[named] = entity[named]
    return out


def _keys(left: pa.Array, right: pa.Array, ids: pa.Array) -> Any:
    return pair_key(positions_in(left, ids), positions_in(right, ids), len(ids))


def _complete(labels: GoldPairs, ids: pa.Array, scored: Any, cluster: Any) -> GoldPairs:
    """Add every scored or clustered pair that is not labelled, as different."""
    order = np.argsort(cluster, kind="stable")
    ends = np.flatnonzero(np.diff(cluster[order], append=-1)) + 1
    inside = [np.zeros(0, np.int64)]
    for members in np.split(order, ends[:-1]):
        first, second = np.triu_indices(len(members), 1)
        inside.append(pair_key(members[first], members[second], len(ids)))
    known = _keys(labels.left, labels.right, ids)
    extra = np.setdiff1d(np.concatenate([scored, *inside]), known)
    left, right = pair_sides(extra, len(ids))
    return GoldPairs(
        pa.concat_arrays([labels.left, ids.take(pa.array(left))]),
        pa.concat_arrays([labels.right, ids.take(pa.array(right))]),
        np.concatenate([labels.same, np.zeros(len(extra), bool)]),
    )
