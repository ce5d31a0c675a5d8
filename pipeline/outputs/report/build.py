"""The report's content, from the run's tables. Only sampled rows ever become Python objects."""

from __future__ import annotations

import math
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.catalog import RunSummary, Thresholds
from pipeline.config import ReportSettings
from pipeline.outputs import run_facts
from pipeline.outputs.change_words import changed_ids, choose_changes
from pipeline.outputs.exporters.groups import UNLIKE, doubts, least_sure
from pipeline.outputs.report import gallery, selection
from pipeline.outputs.report.changes import show_changes
from pipeline.outputs.report.listing import list_clusters
from pipeline.outputs.report.members import Row, Thumbnails, show_evidence, show_side
from pipeline.outputs.report.overlays import alignments_of, edit_between, edit_words, show_overlay
from pipeline.outputs.report.view import OverlayPicture, PairRow, ReasonRow, ReportData
from pipeline.outputs.visible import make_visible

RECORD_COLUMNS = [
    "record_id", "source", "text", "text_hash", "image_hash", "image_width", "image_height",
    "image_effective_side", "thumbnail", "attributes", "image_uri", "location",
]  # fmt: skip
GROUPS = ("gate", "largest", "weakest", "random")
CUTS = 300  # cut links listed
REASONS = 40  # quarantine reasons listed
RANKED = 8  # clusters in the lists of the largest and the weakest


def build_report(
    *,
    summary: RunSummary,
    records: pa.Table | ds.Dataset,
    pairs: pa.Table | ds.Dataset,
    clusters: pa.Table,
    cut_links: pa.Table,
    quarantine: pa.Table,
    settings: ReportSettings,
    seed: int,
    events: pa.Table | None = None,
    alignments: pa.Table | ds.Dataset | None = None,
) -> ReportData:
    """Choose what the report shows of a run, and count what it leaves out.

    The tables have the schemas of `storage.schemas`; `summary` is the run's. The same tables in any
    row order, with the same seed, give the same report. The long ones, `records`, `pairs` and
    `alignments`, may be datasets: they are streamed.
    """
    chosen = selection.choose_clusters(
        clusters, n=settings.clusters, seed=seed, named=run_facts.responsible(summary)
    )
    members = selection.leading_members(clusters, ids=list(chosen.groups), n=settings.members)
    ids = pa.array(list(chosen.groups), pa.string())
    whole = clusters.filter(pc.is_in(clusters["cluster_id"], value_set=ids))
    kept, pairs_total = _kept_pairs(pairs, members, whole, summary.thresholds, n=settings.pairs)
    cuts = gallery.cuts_by_cluster(cut_links, clusters, ids=list(chosen.groups))
    strongest = _strongest(cut_links)
    borderline = _borderline(kept, thresholds=summary.thresholds, n=settings.pairs)
    # On the first night everything is new: no change to show.
    told = events if summary.changes.base else None
    changes = choose_changes(told, clusters)
    cut = [*strongest, *(row for of in cuts.values() for row in of)]
    rows = _records(records, ids=_ids(members, borderline, cut, changed_ids(changes)))
    aligned = alignments_of(alignments, rows)
    evidence = gallery.evidence_to_representative(kept, members)
    thumbnails = Thumbnails(max_bytes=settings.max_bytes)
    shown = gallery.show_clusters(
        members,
        chosen=chosen,
        rows=rows,
        evidence=evidence,
        cuts=cuts,
        alignments=aligned,
        thumbnails=thumbnails,
        doubted=_doubted(whole, kept, cut_links),
    )
    near = [
        _pair(*item, rows=rows, alignments=aligned, thumbnails=thumbnails) for item in borderline
    ]
    moved = show_changes(changes, rows, thumbnails)
    # Last: a picture of every record before a second one of any.
    shown = gallery.add_overlays(
        shown,
        members,
        chosen=chosen,
        rows=rows,
        evidence=evidence,
        alignments=aligned,
        thumbnails=thumbnails,
    )
    near = [
        replace(pair, overlay=_overlay(row, rows=rows, alignments=aligned, thumbnails=thumbnails))
        for pair, (_, _, row) in zip(near, borderline, strict=True)
    ]
    return ReportData(
        summary=summary,
        clusters=shown,
        clusters_total=chosen.total,
        listed=list_clusters(clusters, records, shown, n=settings.listed),
        sampling=tuple((group, chosen.count(group)) for group in GROUPS if chosen.count(group)),
        largest=tuple(c for c in shown if "largest" in c.groups)[:RANKED],
        weakest=tuple(
            sorted((c for c in shown if "weakest" in c.groups), key=lambda c: c.cohesion)
        )[:RANKED],
        pairs=tuple(near),
        pairs_total=pairs_total,
        cuts=tuple(gallery.show_cut(row, rows) for row in strongest),
        cuts_total=cut_links.num_rows,
        quarantine=_quarantine(quarantine, n=settings.quarantine),
        quarantine_total=quarantine.num_rows,
        thumbnails=thumbnails.shown,
        thumbnails_left_out=thumbnails.left_out,
        seed=seed,
        changes=moved,
    )


def _ids(
    members: pa.Table, borderline: list[tuple[str, str, Row]], cut: list[Row], moved: set[str]
) -> pa.Array:
    ids = moved | set(members["record_id"].to_pylist()) | set(members["representative"].to_pylist())
    ids |= {row[side] for _, _, row in borderline for side in ("left_id", "right_id")}
    ids |= {row[side] for row in cut for side in ("left_id", "right_id")}
    return pa.array(sorted(ids), pa.string())


def _kept_pairs(
    pairs: pa.Table | ds.Dataset,
    members: pa.Table,
    whole: pa.Table,
    thresholds: Thresholds,
    *,
    n: int,
) -> tuple[pa.Table, int]:
    """The pairs that can be shown, and how many there are: one batch at a time."""
    total, kept = 0, []
    for batch in pairs.to_batches():
        part = pa.Table.from_batches([batch])
        total += len(part)
        near = [row for _, _, row in _borderline(part, thresholds=thresholds, n=n)]
        direct = gallery.evidence_to_representative(part, members).values()
        doubted = least_sure(whole, part).to_pylist()
        rows = {(row["left_id"], row["right_id"]): row for row in (*near, *direct, *doubted)}
        kept += [{name: row[name] for name in part.column_names} for row in rows.values()]
    schema = pairs.schema
    return pa.Table.from_pylist(kept, schema=schema), total


def _records(records: pa.Table | ds.Dataset, *, ids: pa.Array) -> dict[str, Row]:
    source = records if isinstance(records, ds.Dataset) else ds.dataset(records)
    found = source.to_table(columns=RECORD_COLUMNS, filter=ds.field("record_id").isin(ids))
    return {row["record_id"]: row for row in found.to_pylist()}


def _borderline(pairs: pa.Table, *, thresholds: Thresholds, n: int) -> list[tuple[str, str, Row]]:
    """(threshold, side, pair row): for each pair its nearer threshold, a quarter of `n` a side."""
    accept, review = thresholds.accept, thresholds.review
    middle = (accept + review) / 2
    sides = (
        ("accept", "above", accept, (accept, math.inf)),
        ("accept", "below", accept, (middle, accept)),
        ("review", "above", review, (review, middle)),
        ("review", "below", review, (-math.inf, review)),
    )
    return [
        (name, side, row)
        for name, side, threshold, between in sides
        for row in selection.nearest_pairs(
            pairs, threshold=threshold, between=between, n=max(n // 4, 1)
        ).to_pylist()
    ]


def _pair(
    threshold: str,
    side: str,
    row: Row,
    *,
    rows: dict[str, Row],
    alignments: dict[tuple[str, str], Row],
    thumbnails: Thumbnails,
) -> PairRow:
    left, right = rows.get(row["left_id"]), rows.get(row["right_id"])
    edit = edit_between(alignments, left, right)
    return PairRow(
        threshold=threshold,
        side=side,
        distance=f"{row['distance']:.4f}",
        left=show_side(left, record_id=row["left_id"], beside=right, thumbnails=thumbnails),
        right=show_side(right, record_id=row["right_id"], beside=left, thumbnails=thumbnails),
        evidence=show_evidence(row, edit=edit_words(edit, row, forward=True)),
    )


def _overlay(
    row: Row,
    *,
    rows: dict[str, Row],
    alignments: dict[tuple[str, str], Row],
    thumbnails: Thumbnails,
) -> OverlayPicture | None:
    sides = rows.get(row["left_id"]), rows.get(row["right_id"])
    return show_overlay(
        edit_between(alignments, *sides),
        sides,
        pair=row,
        caption="Both pictures in the order of the records",
        thumbnails=thumbnails,
    )


def _doubted(whole: pa.Table, kept: pa.Table, cut_links: pa.Table) -> dict[str, str]:
    """Why each of some clusters is in review."""
    found = doubts(whole, kept, cut_links)
    review = whole.filter(pc.equal(whole["status"], "review"))
    return {name: found.get(name, UNLIKE) for name in pc.unique(review["cluster_id"]).to_pylist()}


def _strongest(cut_links: pa.Table) -> list[Row]:
    """The most probable of the cut links."""
    keys = [("probability", "descending"), ("left_id", "ascending"), ("right_id", "ascending")]
    at = pc.sort_indices(cut_links, sort_keys=keys)[:CUTS]
    rows: list[Row] = cut_links.take(at).to_pylist()
    return rows


def _quarantine(quarantine: pa.Table, *, n: int) -> tuple[ReasonRow, ...]:
    """The most frequent reasons first, the rows shown shared out evenly among them."""
    counts = pc.value_counts(quarantine["reason"].combine_chunks()).to_pylist()
    counts = sorted(counts, key=lambda item: (-item["counts"], item["values"]))
    listed = counts[: min(REASONS, n)]
    each = max(n // max(len(listed), 1), 1)
    found = []
    for item in listed:
        rows = selection.quarantine_rows(quarantine, reason=item["values"], n=each).to_pylist()
        shown = tuple(
            (
                make_visible(row["source"]),
                make_visible(row["location"], limit=200),
                make_visible(row["raw"] or "", limit=300),
            )
            for row in rows
        )
        found.append(ReasonRow(make_visible(item["values"], limit=300), item["counts"], shown))
    return tuple(found)
