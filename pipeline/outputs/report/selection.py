"""Selection of clusters, pairs and quarantined rows that are shown, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class ChosenClusters:
    """Cluster ids in the order shown, each with the reasons it was chosen for."""

    groups: dict[str, tuple[str, ...]]
    total: int

    def count(self, group: str) -> int:
        """How many clusters were chosen for this reason."""
        return sum(group in reasons for reasons in self.groups.values())


def choose_clusters(
    clusters: pa.Table, *, n: int, seed: int, named: Sequence[str] = ()
) -> ChosenClusters:
    """Choose up to `n` clusters of two or more: a third largest, a third weakest, rest random.

    Args:
        named: ids that are chosen before all others, those that a failed gate is about.
    """
    heads = clusters.filter(
        pc.and_(
            pc.greater(clusters["size"], 1),
            pc.equal(clusters["record_id"], clusters["representative"]),
        )
    ).select(["cluster_id", "size", "cohesion"])
    third = -(-n // 3)
    there = set(heads["cluster_id"].to_pylist()) if named else set()
    found: dict[str, tuple[str, ...]] = {one: ("gate",) for one in named if one in there}
    for group, column, order in (
        ("largest", "size", "descending"),
        ("weakest", "cohesion", "ascending"),
    ):
        for one in _first(heads, column, order=order, n=third):
            found[one] = (*found.get(one, ()), group)
    for one in _random(heads["cluster_id"], besides=set(found), n=n - len(found), seed=seed):
        found[one] = ("random",)
    return ChosenClusters(groups=dict(list(found.items())[:n]), total=heads.num_rows)


def _first(heads: pa.Table, column: str, *, order: str, n: int) -> list[str]:
    keys = [(column, order), ("cluster_id", "ascending")]
    at = pc.sort_indices(heads, sort_keys=keys)[:n]
    return list(heads["cluster_id"].take(at).to_pylist())


def _random(ids: pa.ChunkedArray, *, besides: set[str], n: int, seed: int) -> list[str]:
    rest = ids.filter(pc.invert(pc.is_in(ids, value_set=pa.array(sorted(besides), pa.string()))))
    rest = rest.take(pc.sort_indices(rest))
    count = min(max(n, 0), len(rest))
    at = np.random.default_rng(seed).choice(len(rest), size=count, replace=False)
    return list(rest.take(pa.array(at, pa.int64())).to_pylist())


def leading_members(clusters: pa.Table, *, ids: list[str], n: int) -> pa.Table:
    """The representative and the most similar members of some clusters, `n` of each at most."""
    rows = clusters.filter(pc.is_in(clusters["cluster_id"], value_set=pa.array(ids, pa.string())))
    first = pc.equal(rows["record_id"], rows["representative"])
    rows = rows.append_column("first", first).sort_by(
        [
            ("cluster_id", "ascending"),
            ("first", "descending"),
            ("probability_to_representative", "descending"),
            ("record_id", "ascending"),
        ]
    )
    return rows.filter(pa.array(_rank(rows["cluster_id"]) < n))


def _rank(groups: pa.ChunkedArray) -> np.ndarray:
    """Position (int64) of each row inside its group, for a column sorted by group."""
    if len(groups) == 0:
        return np.zeros(0, np.int64)
    new = np.concatenate([[True], pc.not_equal(groups[1:], groups[:-1]).to_numpy()])
    at = np.arange(len(groups))
    return at - np.maximum.accumulate(np.where(new, at, 0))


def nearest_pairs(
    pairs: pa.Table, *, threshold: float, between: tuple[float, float], n: int
) -> pa.Table:
    """The `n` pairs closest to `threshold` with low <= probability < high, the closest first."""
    # In float32, as the scores are stored: 0.9 is not below 0.9.
    edge, low, high = (np.float32(value) for value in (threshold, *between))
    probability = pairs["probability"].to_numpy()
    at = np.flatnonzero((probability >= low) & (probability < high))
    distance = np.abs(probability[at] - edge)
    if len(at) > n:
        near = distance <= np.partition(distance, n - 1)[n - 1]
        at, distance = at[near], distance[near]
    rows = pairs.take(pa.array(at)).append_column("distance", pa.array(distance))
    keys = [("distance", "ascending"), ("left_id", "ascending"), ("right_id", "ascending")]
    return rows.sort_by(keys).slice(0, n)


def quarantine_rows(quarantine: pa.Table, *, reason: str, n: int) -> pa.Table:
    """The first `n` rows of one reason by source and place."""
    rows = quarantine.filter(pc.equal(quarantine["reason"], reason))
    return rows.sort_by([("source", "ascending"), ("location", "ascending")]).slice(0, n)
