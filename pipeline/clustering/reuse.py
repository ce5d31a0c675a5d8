"""Reuse of clusters: only the part of a run that can differ from the previous one is made anew.

Clusters depend on nothing outside their connected component over links and verdicts. So a component
in which nothing changed, and which has lost nothing, has last night's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.arrays import Flags, Rows, as_strings, components, positions_in
from pipeline.candidates import ContentGroups
from pipeline.clustering.clusters import cluster_tables, same_thing
from pipeline.clustering.links import Links
from pipeline.config import ClusterSettings
from pipeline.labels import Verdicts
from pipeline.storage import CLUSTERS, CUT_LINKS


def cluster_touched(
    records: pa.Table,
    groups: ContentGroups,
    links: Links,
    settings: ClusterSettings,
    verdicts: Verdicts,
    *,
    touched: Flags,
    previous: pa.Table,
    previous_cut: pa.Table,
    duplicate_free: Sequence[str] = (),
) -> tuple[pa.Table, Rows, pa.Table]:
    """Cluster every record, taking over what is as it was last night.

    Args:
        records, duplicate_free: as `cluster_tables` takes them.
        touched: (g,) groups whose records, contents, pairs or verdicts are not last night's.
        previous, previous_cut: last night's clusters and cut links.

    Returns:
        What `cluster_tables` gives, but for the cluster ids, with the (n,) number of each record's
        cluster: those of last night's rows and of new ones may clash.
    """
    ids = as_strings(records["record_id"])
    place = positions_in(ids, as_strings(previous["record_id"]))
    open_groups = _spread(ids, groups, links, verdicts, touched, place, previous, previous_cut)
    anew = open_groups[groups.group_of_record]
    fresh, cut = cluster_tables(
        records.filter(pa.array(anew)),
        _restrict_groups(groups, anew, open_groups),
        links.among(open_groups),
        settings,
        verdicts.among(anew),
        duplicate_free=duplicate_free,
    )
    kept = np.flatnonzero(~anew)
    rows = pa.concat_tables([fresh, previous.take(pa.array(place[kept])).select(CLUSTERS.names)])
    order = np.empty(len(ids), np.int64)
    order[np.concatenate([np.flatnonzero(anew), kept])] = np.arange(len(ids))
    old_cut = previous_cut.filter(pa.array(_links_among(previous_cut["left_id"], ids, ~anew)))
    cuts = pa.concat_tables([cut, old_cut.select(CUT_LINKS.names)])
    clusters = rows.take(pa.array(order)).combine_chunks()
    # What is one file is asked of all: a link may have taken a copy's place since last night.
    kept_now = positions_in(as_strings(clusters["representative"]), ids)
    at = clusters.schema.get_field_index("same_thing")
    clusters = clusters.set_column(at, clusters.schema.field(at), same_thing(records, kept_now))
    return (
        clusters,
        _numbers(rows, len(fresh))[order],
        cuts.sort_by([("left_id", "ascending"), ("right_id", "ascending")]),
    )


def _numbers(rows: pa.Table, fresh: int) -> Rows:
    """(n,) cluster numbers; equal ids among the fresh and among the kept rows are two clusters."""
    code = np.asarray(as_strings(rows["cluster_id"]).dictionary_encode().indices, np.int64)
    apart = np.where(np.arange(len(code)) < fresh, code, code + len(code))
    return np.unique(apart, return_inverse=True)[1]


def _links_among(column: pa.ChunkedArray, ids: pa.Array, chosen: Flags) -> Flags:
    place = positions_in(column, ids)
    there: Flags = (place >= 0) & np.append(chosen, False)[place]
    return there


def _spread(
    ids: pa.Array,
    groups: ContentGroups,
    links: Links,
    verdicts: Verdicts,
    touched: Flags,
    place: Rows,
    previous: pa.Table,
    previous_cut: pa.Table,
) -> Flags:
    """(g,) groups in a component that something touched.

    What was together last night, or would have been but for a cut, hangs together here too: so what
    has lost a member or a link is found by what is left of it.
    """
    group_of_record, count = groups.group_of_record, len(groups.rows)
    old = np.asarray(as_strings(previous["cluster_id"]).dictionary_encode().indices, np.int64)
    known = np.flatnonzero(place >= 0)
    ends = [
        positions_in(previous_cut[side], as_strings(previous["record_id"]))
        for side in ("left_id", "right_id")
    ]
    left = [
        links.left,
        group_of_record[verdicts.left],
        group_of_record[known],
        count + old[ends[0]],
    ]
    right = [
        links.right,
        group_of_record[verdicts.right],
        count + old[place[known]],
        count + old[ends[1]],
    ]
    total = count + int(old.max(initial=-1)) + 1
    part = components(total, np.concatenate(left), np.concatenate(right))
    gone = np.ones(len(previous), bool)
    gone[place[known]] = False
    seeds = np.concatenate(
        [np.flatnonzero(touched), group_of_record[place < 0], count + old[np.flatnonzero(gone)]]
    )
    opened = np.zeros(total, bool)
    opened[part[seeds]] = True
    found: Flags = opened[part[:count]]
    return found


def _restrict_groups(groups: ContentGroups, records: Flags, kept: Flags) -> ContentGroups:
    """The kept groups of the kept records, numbered anew."""
    row = np.cumsum(records) - 1
    return replace(
        groups,
        leader=row[groups.leader[records]],
        rows=row[groups.rows[kept]],
        **{name: getattr(groups, name)[kept] for name in ("text", "image", "short", "pictured")},
    )
