"""Cluster stage: the clusters of this run as the heirs of the previous one. SHELL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Flags, as_strings, positions_in
from pipeline.catalog import Changes, ClusterSizes, Run, SourceMatches, VerdictCounts, retired_ids
from pipeline.clustering import (
    NIGHT,
    Links,
    cluster_changes,
    cluster_events,
    cluster_tables,
    cluster_touched,
    count_matches,
    stable_ids,
)
from pipeline.config import duplicate_free_names
from pipeline.errors import CatalogError
from pipeline.evaluation import ExpectedQuality, expected_quality
from pipeline.labels import (
    Verdicts,
    changed_pairs,
    kept_records,
    no_verdicts,
    settle_verdicts,
)
from pipeline.matching import TransferredRule
from pipeline.nightly.stages.settle import IngestResult
from pipeline.nightly.state.contents import edited_records
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.rules import rules_of
from pipeline.nightly.state.run_records import bare_records, groups_of, read_records
from pipeline.nightly.state.stage import StageResult, stage
from pipeline.outputs import is_removed
from pipeline.storage import from_plain

COLUMNS = [
    "record_id", "source", "text", "image_width", "image_height", "image_effective_side",
    "timestamp", "problem", "origin", "image_file", "image_hash", "image_frames", "image_bits",
    "image_alpha", "image_quality", "image_raw",
]  # fmt: skip
RULES = ("clustering", "text", "images")  # settings that decide about clusters of equal links


@dataclass(frozen=True, kw_only=True)
class ClusterResult(StageResult):
    """The clusters in figures, and what happened to them since last night."""

    clusters: int
    duplicate_clusters: int
    removable: int
    removable_in_review: int
    largest_cluster: int
    cut_links: int
    cluster_sizes: ClusterSizes
    changes: Changes
    verdicts: VerdictCounts
    sources: tuple[SourceMatches, ...]
    expected: ExpectedQuality | None


@dataclass(frozen=True)
class ClusteredRecords:
    """What the cluster stage writes and tells."""

    clusters: pa.Table
    cut_links: pa.Table
    events: pa.Table
    changes: Changes
    verdicts: VerdictCounts
    sources: tuple[SourceMatches, ...]
    labels: int | None  # version of the verdicts that were read


def cluster_records(context: RunContext, links: Links) -> ClusteredRecords:
    """Cluster what changed, give clusters their ids, and tell what happened to them."""
    tables, base = context.catalog.tables, context.base_run
    version = tables.version("labels")
    labels = None if version is None else tables.read("labels", version=version)
    records = read_records(context, COLUMNS)
    records = records.append_column("bare", pa.array(bare_records(context)))
    records = records.append_column("edited", pa.array(edited_records(context, records)))
    ids = as_strings(records["record_id"])
    chosen = pa.array(sorted(kept_records(labels)) if labels is not None else [], pa.string())
    records = records.append_column("chosen", pc.is_in(ids, value_set=chosen))
    verdicts = no_verdicts() if labels is None else settle_verdicts(labels, ids)
    before, touched = NIGHT.empty_table(), None
    if base is not None:
        before = context.catalog.read("clusters", run=base)
        known = as_strings(before["record_id"])
        gone = known.filter(pc.invert(pc.is_in(known, value_set=ids)))
        touched = _touched_components(context, base, ids, labels, gone)
    clusters, group, cut = _group(context, records, links, verdicts, touched, before)
    names = stable_ids(before, ids, group, retired=retired_ids(context.catalog, base))
    at = clusters.schema.get_field_index("cluster_id")
    clusters = clusters.set_column(at, clusters.schema.field(at), names)
    told = cluster_events(before, clusters, run=context.run)
    changes = Changes(
        base=context.base,
        records=context.work.require(IngestResult).changes,
        clusters=cluster_changes(told),
        events=dict(sorted(Counter(told["event"].to_pylist()).items())),
    )
    counts = from_plain(VerdictCounts, verdicts.facts)
    matches = count_matches(
        records["source"], groups_of(context), links, duplicate_free=context.config.duplicate_free
    )
    return ClusteredRecords(clusters, cut, told, changes, counts, matches, version)


def _group(
    context: RunContext,
    records: pa.Table,
    links: Links,
    verdicts: Verdicts,
    touched: Flags | None,
    before: pa.Table,
) -> tuple[pa.Table, npt.NDArray[np.int64], pa.Table]:
    """The clusters table, the number of each record's cluster, and the cut links."""
    groups, settings = groups_of(context), context.config.clustering
    if touched is not None and context.base_run:
        cut = context.catalog.read("cut_links", run=context.base_run)
        return cluster_touched(
            records, groups, links, settings, verdicts,
            touched=touched, previous=before, previous_cut=cut,
            duplicate_free=context.config.duplicate_free,
        )  # fmt: skip
    clusters, cut = cluster_tables(
        records, groups, links, settings, verdicts, duplicate_free=context.config.duplicate_free
    )
    code = as_strings(clusters["cluster_id"]).dictionary_encode().indices
    return clusters, np.asarray(code, np.int64), cut


def _touched_components(
    context: RunContext, base: Run, ids: pa.Array, labels: pa.Table | None, gone: pa.Array
) -> Flags | None:
    """(u,) groups with a record, a pair or a verdict that is not last night's; None: take all."""
    config = context.config.model_dump(mode="json")
    pairs = _pairs_touched(context)
    if context.full or pairs is None or _rules(base.config) != _rules(config):
        return None
    if labels is None:
        return pairs
    version = base.versions.get("labels")
    read = context.catalog.tables.read
    earlier = None if version is None else read("labels", version=version)
    named = positions_in(changed_pairs(earlier, labels, gone=gone), ids)
    touched = pairs.copy()
    touched[groups_of(context).group_of_record[named[named >= 0]]] = True
    return touched


def _rules(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide about clusters of equal links, with the duplicate-free sources."""
    return {**{name: config.get(name) for name in RULES}, "free": duplicate_free_names(config)}


def _pairs_touched(context: RunContext) -> Flags | None:
    """(u,) groups with a record or pair that is not last night's; None where all were judged."""
    try:
        stored = context.work.load("touched")
    except CatalogError:
        return None
    return np.asarray(stored["touched"], bool)


@stage("cluster", ClusterResult)
def cluster(context: RunContext) -> ClusterResult:
    """Accepted links and verdicts → clusters under last night's ids, cut links, events."""
    links = Links.of(**context.work.load("links"))
    found = cluster_records(context, links)
    clusters, tables = found.clusters, context.catalog.tables
    heads = clusters.filter(pc.equal(clusters["record_id"], clusters["representative"]))
    sizes = pc.value_counts(heads["size"].combine_chunks()).to_pylist()
    sizes.sort(key=lambda entry: entry["values"])
    removable = pc.sum(is_removed(clusters)).as_py() or 0
    return ClusterResult(
        rows=len(clusters),
        versions={
            "clusters": tables.replace("clusters", clusters),
            "cut_links": tables.replace("cut_links", found.cut_links),
            "events": tables.replace_run("events", found.events, run=context.run),
            **({"labels": found.labels} if found.labels is not None else {}),
        },
        clusters=len(heads),
        duplicate_clusters=sum(e["counts"] for e in sizes if e["values"] > 1),
        removable=removable,
        removable_in_review=len(clusters) - len(heads) - removable,
        largest_cluster=max((e["values"] for e in sizes), default=0),
        cut_links=len(found.cut_links),
        cluster_sizes=ClusterSizes(
            tuple(e["values"] for e in sizes), tuple(e["counts"] for e in sizes)
        ),
        changes=found.changes,
        verdicts=found.verdicts,
        sources=found.sources,
        expected=_expected(context, links, found),
    )


def _expected(context: RunContext, links: Links, found: ClusteredRecords) -> ExpectedQuality | None:
    """What the shipped judge of texts expects of its clusters; None: another judge is at work."""
    if context.models or not isinstance(rules_of(context).text.rule, TransferredRule):
        return None
    rows = pa.array(groups_of(context).rows)
    names = as_strings(found.clusters["cluster_id"]).take(rows).dictionary_encode()
    sources = context.config.sources
    return expected_quality(
        np.asarray(names.indices, np.int64),
        (links.left, links.right, links.probability),
        (links.refused_left, links.refused_right, links.refused_probability),
        columns=any(source.has_fields for source in sources),
        sources=len(sources) > 1,
    )
