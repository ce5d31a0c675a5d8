"""Cluster events: what changed between two runs, its replay, and counts of it.

An event tells of one cluster: which records it gained and lost, which of last night's clusters the
records it has came from, and which of tonight's the records it had went to. A record alone is a
cluster of one and has events like any other; what did not change has none. In the words *merged*
and *split* clusters of one do not count: a cluster that takes in a record that was alone has grown.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Ints, as_strings, positions_in
from pipeline.errors import PipelineError
from pipeline.storage import EVENTS

KINDS = ("born", "grown", "shrunk", "merged", "split", "changed", "died")


def cluster_events(before: pa.Table, after: pa.Table, *, run: str) -> pa.Table:
    """Tell by events how last night's clusters became tonight's.

    Args:
        before, after: record_id and cluster_id, every record once, in any order.

    Returns:
        `EVENTS`, one row per cluster that gained or lost a record, sorted by cluster_id.
    """
    names = as_strings(
        pc.unique(pa.chunked_array([*_chunks(before), *_chunks(after)], pa.string()))
    )
    names = names.take(pc.sort_indices(names))
    old, new = positions_in(before["cluster_id"], names), positions_in(after["cluster_id"], names)
    records, earlier = as_strings(after["record_id"]), as_strings(before["record_id"])
    place = positions_in(records, earlier)
    gone = np.flatnonzero(positions_in(earlier, records) < 0)
    was = np.concatenate([np.where(place >= 0, old[place], -1) if len(old) else place, old[gone]])
    now = np.concatenate([new, np.full(len(gone), -1)])
    records = pa.concat_arrays([records, earlier.take(pa.array(gone))])
    moved = was != now
    touched = np.unique(np.concatenate([was[moved], now[moved]]))
    touched = touched[touched >= 0]
    told = _EventWriter(names, touched)
    return pa.table(
        {
            "run": pa.array([run] * len(touched), pa.string()),
            "cluster_id": names.take(pa.array(touched)),
            "event": pa.array(_kinds(was, now, moved, touched, len(names)), pa.string()),
            "size_before": pa.array(_sizes(was, touched, len(names)), pa.int32()),
            "size_after": pa.array(_sizes(now, touched, len(names)), pa.int32()),
            "from_clusters": told.clusters(now, was),
            "to_clusters": told.clusters(was, now),
            "added": told.records(now, records, moved),
            "removed": told.records(was, records, moved),
        },
        schema=EVENTS,
    )


def _chunks(table: pa.Table) -> list[pa.Array]:
    return [chunk.cast(pa.string()) for chunk in table["cluster_id"].chunks]


def _sizes(cluster: Ints, touched: Ints, count: int) -> Ints:
    return np.bincount(cluster[cluster >= 0], minlength=count)[touched]


class _EventWriter:
    """Lists of records and of clusters, one list per touched cluster."""

    def __init__(self, names: pa.Array, touched: Ints) -> None:
        self.names, self.count = names, len(touched)
        self.slot = np.full(len(names) + 1, -1)  # the last place is that of "no cluster", -1
        self.slot[touched] = np.arange(len(touched))

    def records(self, owner: Ints, records: pa.Array, moved: Flags) -> pa.Array:
        """The records that moved, by owner, ascending."""
        at = np.flatnonzero(moved & (owner >= 0))
        table = pa.table({"slot": self.slot[owner[at]], "record": records.take(pa.array(at))})
        table = table.sort_by([("slot", "ascending"), ("record", "ascending")])
        return self._listed(table["slot"].to_numpy(), as_strings(table["record"]))

    def clusters(self, owner: Ints, other: Ints) -> pa.Array:
        """The other night's clusters that share a record with the owner, ascending."""
        at = np.flatnonzero((self.slot[owner] >= 0) & (other >= 0))
        key = np.unique(self.slot[owner[at]] * len(self.names) + other[at])
        slot, name = np.divmod(key, max(len(self.names), 1))
        return self._listed(slot, self.names.take(pa.array(name)))

    def _listed(self, slot: Ints, values: pa.Array) -> pa.Array:
        offsets = np.searchsorted(slot, np.arange(self.count + 1)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), values)


def _kinds(was: Ints, now: Ints, moved: Flags, touched: Ints, count: int) -> npt.NDArray[np.str_]:
    """(touched,) what happened to each cluster."""
    before, after = (np.bincount(side[side >= 0], minlength=count) for side in (was, now))
    passed = moved & (was >= 0) & (now >= 0)
    source, target = was[passed], now[passed]
    merged, split = np.zeros(count, bool), np.zeros(count, bool)
    merged[target[(before[source] > 1) & (after[source] == 0)]] = True
    split[source[(after[target] > 1) & (before[target] == 0)]] = True
    gained, lost = np.zeros(count, bool), np.zeros(count, bool)
    gained[now[moved & (now >= 0)]] = True
    lost[was[moved & (was >= 0)]] = True
    conditions = [before == 0, after == 0, merged, split, gained & lost, gained]
    kinds = ["born", "died", "merged", "split", "changed", "grown"]
    return np.asarray(np.select([c[touched] for c in conditions], kinds, "shrunk"), np.str_)


def replay(told: pa.Table, mapping: pa.Table) -> pa.Table:
    """Replay one run's events on last night's record_id → cluster_id.

    Returns:
        Tonight's record_id and cluster_id, sorted by record_id.

    Raises:
        PipelineError: the events do not follow on this mapping.
    """
    records, clusters = as_strings(mapping["record_id"]), as_strings(mapping["cluster_id"])
    left, lost = _pairs(told, "removed")
    at = positions_in(left, records)
    if (at < 0).any() or pc.any(pc.not_equal(clusters.take(pa.array(at)), lost)).as_py():
        raise _out_of_order(told)
    stays = np.ones(len(records), bool)
    stays[at] = False
    records, clusters = records.filter(pa.array(stays)), clusters.filter(pa.array(stays))
    came, gained = _pairs(told, "added")
    if (positions_in(came, records) >= 0).any():
        raise _out_of_order(told)
    table = pa.table(
        {
            "record_id": pa.concat_arrays([records, came]),
            "cluster_id": pa.concat_arrays([clusters, gained]),
        }
    )
    return table.sort_by("record_id")


def _pairs(told: pa.Table, column: str) -> tuple[pa.Array, pa.Array]:
    """Records listed in a column, and the cluster of each."""
    lists = told[column].combine_chunks()
    owners = told["cluster_id"].combine_chunks().take(pc.list_parent_indices(lists))
    return as_strings(pc.list_flatten(lists)), as_strings(owners)


def _out_of_order(told: pa.Table) -> PipelineError:
    runs = ", ".join(sorted(set(told["run"].to_pylist())))
    return PipelineError(
        f"the events of run {runs} do not follow on these clusters: apply every published run's "
        "events once, in order, or start anew from `gemel export --what clusters`"
    )


def event_kinds(told: pa.Table) -> npt.NDArray[np.str_]:
    """(m,) what happened to each cluster as a person would tell it, '' where another's event does.

    Only of clusters of two records or more. new: there was no such cluster, at most a record alone;
    dissolved: none is left. A cluster that went into another is told of as that one's *merged*, and
    one that came off another as that one's *split*.
    """
    before, after = (told[f"size_{side}"].to_numpy() for side in ("before", "after"))
    origins, heirs = (
        pc.list_value_length(told[f"{side}_clusters"]).to_numpy() for side in ("from", "to")
    )
    kind = np.asarray(told["event"].to_pylist(), np.str_)
    conditions = [
        np.maximum(before, after) < 2,
        (before == 0) & (origins > 0),
        (after == 0) & (heirs > 0),
        before < 2,
        after < 2,
    ]
    return np.asarray(np.select(conditions, ["", "", "", "new", "dissolved"], kind), np.str_)


def cluster_changes(told: pa.Table) -> dict[str, int]:
    """Count what happened to clusters of two records or more; see `told_as`."""
    words = event_kinds(told)
    names = ("new", "grown", "shrunk", "merged", "split", "changed", "dissolved")
    return {name: int((words == name).sum()) for name in names}
