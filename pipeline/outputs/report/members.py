"""One record, or one pair, as the report shows it."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.ingestion import ENLARGED
from pipeline.outputs.report.diff import differences, plain_segments
from pipeline.outputs.report.view import AttributeRow, EvidenceRow, MemberRow
from pipeline.outputs.visible import make_visible

Row = dict[str, Any]
SCORES = {
    "text_cosine": "text cosine",
    "image_cosine": "image cosine",
    "lexical": "shared shingles",
    "token_overlap": "token overlap",
    "edit_similarity": "edit similarity",
    "length_ratio": "length ratio",
    "code_agreement": "code agreement",
}
ATTRIBUTES = 24  # shown per record; the rest is counted
VALUE = 160  # characters shown of one attribute


class Thumbnails:
    """Turns thumbnails into data: URIs until a number of bytes is spent, and counts the rest."""

    def __init__(self, *, max_bytes: int) -> None:
        """Start with the whole budget, in bytes of base64 text."""
        self.left = max_bytes
        self.shown = 0
        self.left_out = 0

    def uri(self, thumbnail: bytes) -> str | None:
        """A data: URI, or None when it does not fit any more."""
        size = (len(thumbnail) + 2) // 3 * 4
        if size > self.left:
            self.left_out += 1
            return None
        self.left -= size
        self.shown += 1
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail).decode()


def show_member(
    row: Row | None,
    *,
    record_id: str,
    beside: Row | None,
    thumbnails: Thumbnails,
    evidence: EvidenceRow | None = None,
    probability: str = "",
    note: str | None = None,
) -> MemberRow:
    """Show a record, its text and attributes against the record `beside` it.

    `row` is None when the record is not in the catalog any more; the report says so.
    """
    row = row or {}
    image, image_note = show_image(row, thumbnails)
    text, other = row.get("text"), (beside or {}).get("text")
    segments = () if not text else differences(text, other=other) if other else plain_segments(text)
    return MemberRow(
        record_id=make_visible(record_id, limit=200),
        source=make_visible(row.get("source") or ""),
        text=segments,
        image=image,
        image_note=image_note,
        attributes=_attributes(row, beside),
        probability=probability,
        evidence=evidence,
        note=note if row else "this record is not in the records table",
        place=make_visible(row.get("location") or "", limit=200),
        link=file_link(row.get("image_uri")),
    )


def file_link(uri: str | None) -> str | None:
    """Where a browser finds a picture's file: of web addresses and paths of this machine alone."""
    if not uri or make_visible(uri) != uri:
        return None
    if uri.startswith(("https://", "http://")):
        return uri
    return Path(uri).as_uri() if uri.startswith("/") else None


def show_side(
    row: Row | None, *, record_id: str, beside: Row | None, thumbnails: Thumbnails
) -> MemberRow:
    """Show one side of a pair: its own words only, as the other side shows the others."""
    member = show_member(row, record_id=record_id, beside=beside, thumbnails=thumbnails)
    return replace(member, text=tuple(s for s in member.text if s.kind != "gone"))


def show_evidence(row: Row, *, edit: str | None = None) -> EvidenceRow:
    """Show a scored pair: exact equality, the scores, and what geometry says of its pictures.

    `edit` says in words what was done to the one picture, see `pipeline.outputs.report.overlays`.
    """
    exact = [
        (name, "identical")
        for column, name in (("exact_text", "text"), ("exact_image", "image"))
        if row[column]
    ]
    scores = [
        (name, str(value) if isinstance(value, int) else f"{value:.3f}")
        for column, name in SCORES.items()
        if (value := row[column]) is not None
    ]
    return EvidenceRow(
        scores=(*exact, *scores, *_differences(row), *_geometry(row, edit)),
        probability=f"{row['probability']:.4f}",
        decision=make_visible(row["decision"]),
        reason=make_visible(row["reason"], limit=300),
        proposed_by=make_visible(row["proposed_by"]),
    )


def _differences(row: Row) -> list[tuple[str, str]]:
    """What differs between the texts, in words; nothing where nobody looked."""
    told = row.get("differences")
    return [("what differs", make_visible(told, limit=400))] if told else []


def _geometry(row: Row, edit: str | None) -> list[tuple[str, str]]:
    """What geometry found; nothing where it did not look, as in older runs."""
    verified = row.get("image_verified")
    told = [("edit", make_visible(edit, limit=300))] if edit else []
    if verified is None:
        return told
    return [("geometry", "one picture, edited" if verified else "not one picture"), *told]


def show_image(row: Row, thumbnails: Thumbnails) -> tuple[str | None, str | None]:
    """A record's preview as a data: URI with its size, or why there is none."""
    thumbnail = row.get("thumbnail")
    if not thumbnail:
        return None, "picture without a preview" if row.get("image_hash") else None
    if not is_jpeg(thumbnail):
        return None, "the preview is not a JPEG"
    size = _size(row)
    uri = thumbnails.uri(thumbnail)
    return (uri, size) if uri else (None, "preview left out: the report's size limit is reached")


def _size(row: Row) -> str | None:
    """A picture's sides, and how large its detail is where it was enlarged or blurred."""
    if not row.get("image_width"):
        return None
    size, true = f"{row['image_width']} × {row['image_height']} px", row.get("image_effective_side")
    if true is None or true >= ENLARGED * max(row["image_width"], row["image_height"]):
        return size
    return f"{size}, detail for {true:.0f}"


def is_jpeg(thumbnail: bytes) -> bool:
    """Whether the pipeline may have written it; nothing else is decoded or given to a browser."""
    return thumbnail.startswith(b"\xff\xd8\xff")


def _attributes(row: Row, beside: Row | None) -> tuple[AttributeRow, ...]:
    mine, theirs = dict(row.get("attributes") or ()), dict((beside or {}).get("attributes") or ())
    shown = tuple(
        AttributeRow(
            name=make_visible(name, limit=60),
            value=make_visible(mine[name] or "", limit=VALUE),
            differs=beside is not None and mine[name] != theirs.get(name),
        )
        for name in sorted(mine)[:ATTRIBUTES]
    )
    more = len(mine) - len(shown)
    return (*shown, AttributeRow("…", f"{more} more", differs=False)) if more > 0 else shown
