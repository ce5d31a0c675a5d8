"""Changes since the run before, as the terminal and the report tell them."""

from __future__ import annotations

from pipeline.outputs.change_words import RECORDS, TEXT, TITLES, records_of
from pipeline.outputs.report.members import Row, Thumbnails, show_image
from pipeline.outputs.report.view import ChangeRow, MovedRecord
from pipeline.outputs.visible import make_visible


def show_changes(
    chosen: list[Row], rows: dict[str, Row], thumbnails: Thumbnails
) -> tuple[ChangeRow, ...]:
    """The chosen changes, each with a record that stays and those that moved."""
    return tuple(_change(row, rows, thumbnails) for row in chosen)


def _change(row: Row, rows: dict[str, Row], thumbnails: Thumbnails) -> ChangeRow:
    others = [c for c in (*row["from_clusters"], *row["to_clusters"]) if c != row["cluster_id"]]
    return ChangeRow(
        kind=row["told_as"],
        title=TITLES[row["told_as"]],
        cluster_id=row["cluster_id"],
        size_before=row["size_before"],
        size_after=row["size_after"],
        others=tuple(sorted(set(others))),
        moved=tuple(_moved(role, record, rows, thumbnails) for role, record in records_of(row)),
        hidden=sum(max(len(row[side]) - RECORDS, 0) for side in ("added", "removed")),
    )


def _moved(role: str, record: str, rows: dict[str, Row], thumbnails: Thumbnails) -> MovedRecord:
    row = rows.get(record)
    text = (row or {}).get("text") or ("" if row else "no longer among the records")
    words = " ".join(text.split())
    shown = words if len(words) <= TEXT else f"{words[:TEXT].rstrip()}…"
    return MovedRecord(
        role=role,
        record_id=make_visible(record, limit=200),
        text=make_visible(shown),
        image=show_image(row or {}, thumbnails)[0],
    )
