"""One record as the page shows it."""

from __future__ import annotations

import posixpath
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pipeline.outputs import make_visible
from pipeline.reviewing.tables import Row, RunTables

TITLE = 90  # characters of a title
Plain = dict[str, Any]


def show_record(row: Row, tables: RunTables, place: int) -> Plain:
    """A record without its texts, which stand in the rows of its pair."""
    location = row["location"] or ""
    cluster = tables.cluster_names[int(tables.cluster_of[place])].as_py()
    return {
        "id": row["record_id"],
        "source": row["source"],
        "key": row["record_id"].partition(":")[2],
        "location": make_visible(location, limit=300),
        "folder": make_visible(folder_of(row), limit=300),
        "title": title_of(row),
        "time": told_time(row["timestamp"]),
        "cluster": cluster,
        "problem": row["problem"] and make_visible(row["problem"], limit=300),
        "deleted": bool(row["deleted"]),
        "picture": show_picture(row),
    }


def show_picture(row: Row) -> Plain | None:
    """Where the page finds a record's picture; None: it has none."""
    if not row["image_hash"] and not row["image_uri"]:
        return None
    name = quote(row["record_id"], safe="")
    width, height = row["image_width"], row["image_height"]
    return {
        "small": f"/api/picture?record={name}&size=small",
        "full": f"/api/picture?record={name}&size=full",
        "width": width,
        "height": height,
        "note": f"{width} × {height} px" if width else "a picture that could not be read",
        "uri": row["image_uri"] and make_visible(row["image_uri"], limit=300),
    }


def title_of(row: Row) -> str:
    """The first words of a record, else its id."""
    text = row.get("text")
    filled = [value for _, value in row.get("fields") or () if value]
    words = " ".join((filled[0] if filled else text or row["record_id"])[:400].split())
    short = words if len(words) <= TITLE else f"{words[:TITLE].rstrip()}…"
    return make_visible(short)


def folder_of(row: Row) -> str:
    """The folder of a record's picture, else of the file of its row."""
    return posixpath.dirname(row["image_uri"] or row["location"] or "")


def texts_of(row: Row) -> dict[str, str]:
    """The texts of a record by column; one without columns is called text."""
    fields = {name: value for name, value in (row.get("fields") or ()) if value}
    if not fields and row.get("text"):
        return {"text": str(row["text"])}
    return fields


def told_time(at: datetime | None) -> str | None:
    """A time as ISO 8601 in UTC, to the microsecond."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")
