"""The clusters a report shows: members against their representative, and the links cut."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outputs.report.listing import title_of
from pipeline.outputs.report.members import Row, Thumbnails, show_evidence, show_member
from pipeline.outputs.report.overlays import edit_between, edit_words, show_overlay
from pipeline.outputs.report.selection import ChosenClusters
from pipeline.outputs.report.view import ClusterRow, CutRow, MemberRow
from pipeline.outputs.visible import make_visible

Key = tuple[str, str]
CUTS = 20  # cut links shown with one cluster
CUT_TEXT = 160  # characters shown of a record whose link was cut


def show_clusters(
    members: pa.Table,
    *,
    chosen: ChosenClusters,
    rows: dict[str, Row],
    evidence: dict[Key, Row],
    cuts: dict[str, list[Row]],
    alignments: dict[Key, Row],
    thumbnails: Thumbnails,
    doubted: dict[str, str],
) -> tuple[ClusterRow, ...]:
    """Show the chosen clusters in their order; `members` has each one's representative first."""
    grouped = _group(members)
    shown = []
    for number, (cluster_id, groups) in enumerate(chosen.groups.items(), start=1):
        kept = rows.get(grouped[cluster_id][0]["representative"])
        views = tuple(
            _member(
                row,
                kept=kept,
                rows=rows,
                evidence=evidence,
                alignments=alignments,
                thumbnails=thumbnails,
            )
            for row in grouped[cluster_id]
        )
        shown.append(
            _cluster(
                grouped[cluster_id][0],
                number=number,
                groups=groups,
                title=(kept or {}).get("text") or "",
                members=views,
                cuts=tuple(show_cut(row, rows) for row in cuts.get(cluster_id, ())),
                why=doubted.get(cluster_id, ""),
            )
        )
    return tuple(shown)


def add_overlays(
    shown: tuple[ClusterRow, ...],
    members: pa.Table,
    *,
    chosen: ChosenClusters,
    rows: dict[str, Row],
    evidence: dict[Key, Row],
    alignments: dict[Key, Row],
    thumbnails: Thumbnails,
) -> tuple[ClusterRow, ...]:
    """Lay each member's picture of what `show_clusters` made beside its representative's."""

    def laid(member: MemberRow, row: Row) -> MemberRow:
        one, other = row["record_id"], row["representative"]
        kept, record = rows.get(other), rows.get(one)
        overlay = show_overlay(
            edit_between(alignments, kept, record),
            (kept, record),
            pair=evidence.get((min(one, other), max(one, other))),
            caption="Left the representative, right this record",
            thumbnails=thumbnails,
        )
        return replace(member, overlay=overlay) if overlay else member

    grouped = _group(members)
    return tuple(
        replace(cluster, members=tuple(map(laid, cluster.members, grouped[cluster_id])))
        for cluster, cluster_id in zip(shown, chosen.groups, strict=True)
    )


def _group(members: pa.Table) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in members.to_pylist():
        grouped[row["cluster_id"]].append(row)
    return grouped


def evidence_to_representative(pairs: pa.Table, members: pa.Table) -> dict[Key, Row]:
    """Pair rows between shown members and their representatives, by (left_id, right_id)."""
    kept = pa.array(sorted(set(members["representative"].to_pylist())), pa.string())
    others = pa.array(sorted(set(members["record_id"].to_pylist())), pa.string())
    left, right = pairs["left_id"], pairs["right_id"]
    forward = pc.and_(pc.is_in(left, value_set=kept), pc.is_in(right, value_set=others))
    backward = pc.and_(pc.is_in(right, value_set=kept), pc.is_in(left, value_set=others))
    found = pairs.filter(pc.or_(forward, backward)).to_pylist()
    return {(row["left_id"], row["right_id"]): row for row in found}


def cuts_by_cluster(
    cut_links: pa.Table, clusters: pa.Table, *, ids: list[str]
) -> dict[str, list[Row]]:
    """Cut links that touch one of the clusters `ids`, the most probable first."""
    inside = clusters.filter(pc.is_in(clusters["cluster_id"], value_set=pa.array(ids, pa.string())))
    value_set = inside["record_id"].combine_chunks()
    at = {
        side: pc.index_in(cut_links[side], value_set=value_set) for side in ("left_id", "right_id")
    }
    touching = pa.table(
        {
            **{name: cut_links[name] for name in cut_links.column_names},
            "left_cluster": inside["cluster_id"].take(at["left_id"]),
            "right_cluster": inside["cluster_id"].take(at["right_id"]),
        }
    ).filter(pc.or_(pc.is_valid(at["left_id"]), pc.is_valid(at["right_id"])))
    keys = [("probability", "descending"), ("left_id", "ascending"), ("right_id", "ascending")]
    found: dict[str, list[Row]] = defaultdict(list)
    for row in touching.sort_by(keys).to_pylist():
        for cluster_id in {row["left_cluster"], row["right_cluster"]} - {None}:
            if len(found[cluster_id]) < CUTS:
                found[cluster_id].append(row)
    return found


def show_cut(row: Row, rows: dict[str, Row]) -> CutRow:
    """Show one cut link, with the texts of its records that are known."""
    left, right = ((rows.get(row[side]) or {}).get("text") for side in ("left_id", "right_id"))
    return CutRow(
        left_text=make_visible(left or "", limit=CUT_TEXT),
        right_text=make_visible(right or "", limit=CUT_TEXT),
        left_id=make_visible(row["left_id"], limit=200),
        right_id=make_visible(row["right_id"], limit=200),
        probability=f"{row['probability']:.4f}",
        reason=make_visible(row["reason"], limit=300),
    )


def _member(
    row: Row,
    *,
    kept: Row | None,
    rows: dict[str, Row],
    evidence: dict[Key, Row],
    alignments: dict[Key, Row],
    thumbnails: Thumbnails,
) -> MemberRow:
    one, other = row["record_id"], row["representative"]
    pair = evidence.get((min(one, other), max(one, other)))
    record = rows.get(one)
    edit = edit_between(alignments, kept, record)
    words = edit_words(edit, pair, forward=bool(pair and pair["left_id"] == other))
    note = None if pair or one == other else _hidden_members(record, kept, words)
    return show_member(
        record,
        record_id=one,
        beside=kept if one != other else None,
        thumbnails=thumbnails,
        evidence=show_evidence(pair, edit=words) if pair else None,
        probability="" if one == other else f"{row['probability_to_representative']:.4f}",
        note=note,
    )


def _hidden_members(record: Row | None, kept: Row | None, edit: str | None) -> str:
    """Why a member has no pair row to its representative, and how its picture was edited."""
    same = [
        name
        for name, column in (("text", "text_hash"), ("image", "image_hash"))
        if record and kept and record[column] and record[column] == kept[column]
    ]
    why = (
        f"identical {' and '.join(same)}: grouped before scoring, so no scores"
        if same
        else "tied to the representative through an identical record; no scores of its own"
    )
    return f"{why}; edit of the picture: {make_visible(edit, limit=300)}" if edit else why


def _cluster(
    head: Row,
    *,
    number: int,
    groups: tuple[str, ...],
    title: str,
    members: tuple[MemberRow, ...],
    cuts: tuple[CutRow, ...],
    why: str,
) -> ClusterRow:
    return ClusterRow(
        number=number,
        cluster_id=make_visible(head["cluster_id"]),
        size=head["size"],
        hidden=max(head["size"] - len(members), 0),
        cohesion=f"{head['cohesion']:.4f}",
        status=make_visible(head["status"]),
        evidence=make_visible(head["evidence"]),
        keeper_reason=make_visible(head["keeper_reason"], limit=300),
        groups=groups,
        title=make_visible(title_of(title or head["representative"])),
        members=members,
        cuts=cuts,
        why=make_visible(why, limit=400),
    )
