"""The clusters table and the cut links, from a grouping of records and their verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, Floats, Positions, as_strings
from pipeline.candidates import ContentGroups, ProposedBy
from pipeline.clustering.cover.constraints import constrain
from pipeline.clustering.cover.grouping import Grouping, group_entities
from pipeline.clustering.cover.must_link_groups import MustLinkGroups
from pipeline.clustering.cut_links import cut_links
from pipeline.clustering.duplicate_free import DuplicateFree
from pipeline.clustering.lineage import new_ids
from pipeline.clustering.links import Links
from pipeline.clustering.review import clusters_in_review
from pipeline.clustering.survivorship import preference
from pipeline.config import ClusterSettings
from pipeline.labels import Verdicts, no_verdicts
from pipeline.storage import CLUSTERS

EVIDENCE = (
    "exact", "text", "image", "text+image",
    "verdict", "text+verdict", "image+verdict", "text+image+verdict",
)  # fmt: skip


def cluster_tables(
    records: pa.Table,
    groups: ContentGroups,
    links: Links,
    settings: ClusterSettings,
    verdicts: Verdicts | None = None,
    *,
    duplicate_free: Sequence[str] = (),
) -> tuple[pa.Table, pa.Table]:
    """Cluster every record.

    Args:
        records: sorted by record_id, with `source` and the columns the keeper policy needs;
            `bare`, where it is there, says which say too little to be known by it, `chosen` which
            a person wants to be kept, and `problem` what of one could not be read.
        duplicate_free: names of the sources of which no two records may be together.

    Returns:
        The clusters table (every record once, sorted by record_id, under a new cluster id each
        time: a hash of the smallest record id) and the cut links.
    """
    verdicts = verdicts or no_verdicts()
    free = DuplicateFree.of(records["source"], duplicate_free)
    bound = constrain(groups, links, verdicts, free.source)
    entities = MustLinkGroups.of(bound)
    of_record = bound.entity[bound.of_record]
    rank, rules = preference(records, bound, settings)
    best = _best_record(of_record, rank)
    holdings = free.holdings(of_record, nodes=len(entities.rows))
    chosen = _flags(records, "chosen")
    grouping = group_entities(
        entities, rank[best].argsort().argsort(), bound=bound, holdings=holdings,
        chosen=chosen[best],
    )  # fmt: skip
    kept = best[grouping.representative[of_record]]
    cluster = grouping.cluster[of_record]
    size = np.bincount(cluster)
    cohesion = np.ones(len(size))
    to_kept = grouping.probability[of_record]
    np.minimum.at(cohesion, cluster, to_kept)
    ids = records["record_id"].combine_chunks()
    losing = free.losing_links(ids, groups, bound, entities, grouping.cluster)
    doubted = clusters_in_review(
        grouping, bound, entities, groups=groups, texts=records["text"], verdicts=verdicts,
        losing=losing, bare=_flags(records, "bare"),
    )  # fmt: skip
    if "problem" in records.column_names:  # it was judged by half of what it holds
        half = np.asarray(records["problem"].is_valid(), bool)
        doubted[cluster[half]] |= size[cluster[half]] > 1
    why = _reasons(kept, cluster, rules, rank, grouping.scored[of_record], chosen)
    table = pa.table(
        {
            "record_id": ids,
            "cluster_id": _cluster_ids(ids, cluster),
            "size": pa.array(size[cluster].astype(np.int32)),
            "representative": ids.take(pa.array(kept)),
            "probability_to_representative": pa.array(to_kept.astype(np.float32)),
            "cohesion": pa.array(cohesion[cluster].astype(np.float32)),
            "status": _of_members(np.where(doubted, "review", "confirmed"), cluster),
            "evidence": _of_members(_evidence(grouping, entities, size), cluster),
            "keeper_reason": _of_members(why, cluster),
            "same_thing": same_thing(records, kept),
        },
        schema=CLUSTERS,
    )
    return table, cut_links(ids, bound, grouping, verdicts, losing)


def same_thing(records: pa.Table, kept: Positions) -> pa.Array:
    """(n,) true of records that are the kept one under another name.

    That is a row read twice, or a picture file that both name, where one of both is the file: rows
    with texts may show one picture.
    """
    if "origin" not in records.column_names:
        return pa.array(np.zeros(len(records), bool))
    origin, file, text = (as_strings(records[name]) for name in ("origin", "image_file", "text"))
    at = pa.array(kept)
    row, picture = (
        np.asarray(pc.fill_null(pc.equal(one, one.take(at)), False), bool) for one in (origin, file)
    )
    bare = np.asarray(pc.is_null(text), bool)
    same = row | (picture & (bare | bare[kept]))
    return pa.array(same & (kept != np.arange(len(records))))


def _flags(records: pa.Table, name: str) -> Flags:
    """(n,) a column of yes and no; no where it is not told."""
    if name in records.column_names:
        return np.asarray(records[name], bool)
    return np.zeros(len(records), bool)


def _of_members(words: npt.NDArray[Any], cluster: Positions) -> pa.Array:
    """(n,) what is said of each record's cluster; numpy would hold each at the longest's width."""
    return pa.array(words, pa.string()).take(pa.array(cluster))


def _best_record(of_record: Positions, rank: Positions) -> Positions:
    """The preferred record of each entity."""
    order = np.lexsort((rank, of_record))
    return order[np.searchsorted(of_record[order], np.arange(int(of_record.max(initial=-1)) + 1))]


def _cluster_ids(ids: pa.Array, cluster: Positions) -> pa.Array:
    """A hash of the smallest record id: the same whatever the order of the input."""
    _, first = np.unique(cluster, return_index=True)
    return new_ids(ids.take(pa.array(first)), taken=ids[:0]).take(pa.array(cluster))


def _evidence(grouping: Grouping, links: MustLinkGroups, size: Positions) -> npt.NDArray[np.str_]:
    """What holds each cluster together: its pairs with the representative, and verdicts."""
    by = np.zeros(len(size), np.uint8)
    np.bitwise_or.at(by, grouping.cluster, grouping.proposed_by)
    image = (by & ProposedBy.IMAGE) > 0
    text = (by & ~np.uint8(ProposedBy.IMAGE)) > 0
    verdict = np.zeros(len(size), bool)
    verdict[grouping.cluster[links.tied]] = True
    return np.where(size == 1, "single", np.array(EVIDENCE)[text + 2 * image + 4 * verdict])


def _reasons(
    kept: Positions,
    cluster: Positions,
    rules: list[tuple[str, Floats, str]],
    rank: Positions,
    scored: Flags,
    chosen: Flags,
) -> npt.NDArray[np.object_]:
    """(c,) why it represents: the first rule in which it leads its cluster, or that all tie.

    Args:
        scored: (n,) records whose content has a scored pair with that of their representative.
        chosen: (n,) records that a person wants to be kept.
    """
    count = int(cluster.max(initial=-1)) + 1
    size = np.bincount(cluster, minlength=count)
    head = kept[np.unique(cluster, return_index=True)[1]] if count else kept
    reason = np.full(count, "first by record id: every rule ties", dtype=object)
    preferred = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(preferred, cluster, rank)
    open_clusters = np.ones(count, bool)
    for _, value, phrase in rules:
        most = np.full(count, -np.inf)
        least = np.full(count, np.inf)
        np.maximum.at(most, cluster, value)
        np.minimum.at(least, cluster, value)
        decides = open_clusters & (value[head] == most) & (most > least)
        reason[decides] = phrase
        open_clusters &= ~decides
    reason[preferred != rank[head]] = "linked directly to every member; the preferred record is not"
    reason[cluster[~scored & ~chosen[kept]]] = "scored against the most members"
    reason[size == 1] = "single"
    return reason
