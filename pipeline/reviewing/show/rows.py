"""The columns of two records, aligned, with what differs in them marked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.outputs import Mark, make_visible, mark_sides
from pipeline.reviewing.show.records import texts_of
from pipeline.reviewing.tables import Row

Plain = dict[str, Any]
ATTRIBUTE = 2_000  # characters of one attribute


def align_rows(left: Row, right: Row) -> list[Plain]:
    """Texts, then attributes, those that differ first; a side that lacks one has no stretches."""
    one, other = texts_of(left), texts_of(right)
    if ("text" in one) != ("text" in other) and one and other:
        # The one has columns and the other none: only the whole texts can be compared.
        one, other = ({"text": str(row["text"] or "")} for row in (left, right))
    texts = _rows(one, other, "text")
    attributes = _rows(_attributes(left), _attributes(right), "attribute")
    return [*texts, *attributes]


def _attributes(row: Row) -> dict[str, str]:
    told = {name: value for name, value in row.get("attributes") or () if value}
    if row.get("timestamp"):
        told.setdefault("timestamp", row["timestamp"].isoformat(sep=" ", timespec="seconds"))
    return {name: value[:ATTRIBUTE] for name, value in told.items()}


def _rows(one: dict[str, str], other: dict[str, str], what: str) -> list[Plain]:
    rows = [_row(name, one.get(name), other.get(name), what) for name in {**one, **other}]
    return sorted(rows, key=lambda row: row["same"])


def _row(name: str, left: str | None, right: str | None, what: str) -> Plain:
    if left is None or right is None:
        alone = [[Mark(make_visible(text), "differs")] if text else [] for text in (left, right)]
        return _told(name, what, *alone, same=False)
    return _told(name, what, *mark_sides(left, right), same=left == right)


def _told(
    name: str, what: str, left: Iterable[Mark], right: Iterable[Mark], *, same: bool
) -> Plain:
    return {
        "name": make_visible(name, limit=100),
        "what": what,
        "same": same,
        "left": [_mark(mark) for mark in left],
        "right": [_mark(mark) for mark in right],
    }


def _mark(mark: Mark) -> Plain:
    told: Plain = {"text": mark.text, "mark": mark.mark}
    return {**told, "fold": True, "words": mark.words} if mark.fold else told
