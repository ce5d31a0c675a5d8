"""Gates on sources, removals and clusters, of this run and against the previous one."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.catalog import Gate
from pipeline.config import GateSettings
from pipeline.nightly.gates.differences import (
    SHOWN,
    ClusterGrowth,
    RemovalCounts,
    RewrittenIds,
)

FIRST = "first night: there is no earlier one to compare with"


def source_gates(
    rows: dict[str, int], bad: dict[str, int], before: dict[str, int] | None,
    *, complete: Iterable[str], settings: GateSettings,
) -> Iterable[Gate]:  # fmt: skip
    """Each source against last night and against what of it could be used.

    Args:
        rows: source -> rows tonight, quarantined ones (`bad`) among them.
        before: the same of last night; None on the first.
        complete: sources declared complete: only there is a missing row a deleted one.
    """
    if len(rows) > 1:
        share, name, count = max((bad.get(n, 0) / max(rows[n], 1), n, bad.get(n, 0)) for n in rows)
        yield Gate(
            "rows-quarantined-worst-source",
            "share of rows quarantined, worst source",
            share <= settings.max_quarantined or count <= settings.ignore_below,
            share,
            settings.max_quarantined,
            f"{name}: {count:,} of {rows[name]:,} rows could not be used",
        )
    limit = settings.max_shrinkage
    if before is None:
        yield Gate("rows-missing", "rows missing against last night", True, 0.0, limit, FIRST)
        return
    watched = set(complete) | (set(before) - set(rows))
    lost = [(n, was, max(was - rows.get(n, 0), 0)) for n, was in before.items() if n in watched]
    name, was, gone = max(
        lost,
        key=lambda one: (one[2] > settings.ignore_below, one[2] / max(one[1], 1), one[0]),
        default=("no source", 0, 0),
    )
    absent = "" if name in rows or not gone else "; it is not among tonight's sources"
    yield Gate(
        "rows-missing",
        "rows missing against last night",
        gone / max(was, 1) <= limit or gone <= settings.ignore_below,
        gone / max(was, 1),
        limit,
        f"{name}: {was - gone:,} rows, {was:,} last night{absent}",
    )


def id_gate(rewritten: RewrittenIds, *, first: bool, settings: GateSettings) -> Gate:
    """Ids are written as last night: else every record is deleted and a new one."""
    share = rewritten.count / max(rewritten.before, 1)
    example = ""
    if rewritten.example:
        was, now = rewritten.example
        example = f", such as {was} as {now}; read the id column as last night, or release the run"
    return Gate(
        "ids-rewritten",
        "ids written otherwise than last night",
        first or share <= settings.max_ids_rewritten,
        share,
        settings.max_ids_rewritten,
        FIRST if first else f"{rewritten.count:,} of {rewritten.before:,} ids{example}",
    )


def removal_gates(
    tonight: RemovalCounts, records: dict[str, int], *, first: bool, settings: GateSettings
) -> Iterable[Gate]:
    """The removal list: how long it is, and what came onto it since last night.

    Args:
        records: source -> records tonight.
    """
    total = sum(records.values())
    share = tonight.listed / max(total, 1)
    yield Gate(
        "records-removable",
        "share of records removable",
        share <= settings.max_removed or tonight.listed <= settings.ignore_below,
        share,
        settings.max_removed,
        f"the removal list names {tonight.listed:,} of {total:,} records",
        tonight.clusters.get("", ()) if first else (),
    )
    few = tonight.newly <= settings.ignore_below
    told = f"{tonight.newly:,} not named last night, {tonight.arrived:,} of them new records"
    growth = tonight.newly / max(tonight.listed_before, 1)
    worst = max(
        ((n / max(records.get(name, 0), 1), name, n) for name, n in tonight.by_source.items()
         if n > settings.ignore_below),
        default=(0.0, "no source", 0),
    )  # fmt: skip
    limits = {
        ("newly-removable", "newly removable, share of records"): (
            tonight.newly / max(total, 1), settings.max_newly_removed, few, told, "",
        ),
        ("newly-removable-worst-source", "newly removable, worst source"): (
            worst[0], settings.max_newly_removed_of_source, False,
            f"{worst[1]}: {worst[2]:,} records not named last night", worst[1],
        ),
        ("newly-removable-growth", "newly removable against last night's list"): (
            growth, settings.max_removal_growth, few,
            f"{told}; the list named {tonight.listed_before:,}", "",
        ),
    }  # fmt: skip
    if settings.max_newly_removed_records is not None:
        most = float(settings.max_newly_removed_records)
        names = ("newly-removable-records", "newly removable records")
        limits[names] = (float(tonight.newly), most, False, told, "")
    for names, (value, limit, exempt, message, source) in limits.items():
        if first:
            yield Gate(*names, True, 0.0, limit, FIRST)
        else:
            responsible = tonight.clusters.get(source, ())
            yield Gate(*names, value <= limit or exempt, value, limit, message, responsible)


def cluster_gates(
    large: list[ClusterGrowth], *, largest: int, records: int, first: bool, settings: GateSettings
) -> Iterable[Gate]:
    """The largest cluster and how clusters grew.

    Args:
        large: tonight's clusters of more than `settings.small_cluster` records, the largest first.
    """
    share = largest / max(records, 1)
    allowed = max(settings.max_cluster * records, settings.small_cluster)
    yield Gate(
        "largest-cluster",
        "largest cluster, share of records",
        largest <= allowed,
        share,
        settings.max_cluster,
        f"{largest:,} of {records:,} records",
        tuple(growth.cluster_id for growth in large if growth.size > allowed)[:SHOWN],
    )
    limit = settings.max_cluster_growth
    if first:
        yield Gate("cluster-growth", "growth of a cluster", True, 1.0, limit, FIRST)
        return
    # A cluster that was small or is new counts as one of the size that is still called small.
    factors = sorted(
        ((g.size / max(g.before, settings.small_cluster), g) for g in large),
        key=lambda item: (-item[0], item[1].cluster_id),
    )
    if not factors:
        said = f"no cluster has more than {settings.small_cluster:,} records"
        yield Gate("cluster-growth", "growth of a cluster", True, 1.0, limit, said)
        return
    factor, most = factors[0]
    yield Gate(
        "cluster-growth",
        "growth of a cluster",
        factor <= limit,
        factor,
        limit,
        f"{most.cluster_id}: {most.size:,} records, {most.before:,} last night",
        tuple(growth.cluster_id for value, growth in factors if value > limit)[:SHOWN],
    )


def review_gate(
    waiting: int, clusters: tuple[str, ...], *, records: int, settings: GateSettings
) -> Gate:
    """Not so much waits for a person that nobody will look at it."""
    share = waiting / max(records, 1)
    return Gate(
        "records-in-review",
        "share of records in review",
        share <= settings.max_in_review or waiting <= settings.ignore_below,
        share,
        settings.max_in_review,
        f"{waiting:,} of {records:,} records are in clusters in review",
        clusters,
    )
