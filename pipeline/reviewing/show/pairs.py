"""A pair as the page shows it: aligned columns, evidence, pictures, and what persons said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.finding import evidence_of, tell_differences
from pipeline.labels import Answer
from pipeline.outputs import edit_between, make_visible
from pipeline.reviewing.errors import bad_request, not_found
from pipeline.reviewing.show.records import show_record, told_time
from pipeline.reviewing.show.rows import align_rows
from pipeline.reviewing.tables import Row

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
_KIND = re.compile(r"` \(([a-z ]+)\)")
JUDGED = ("probability", "decision", "confirmed", "reason", "differences")


def show_pair(
    desk: Desk, left: str, right: str, *, by: str, why: str = "", blind: bool = False,
    origin: str = "review",
) -> Plain:  # fmt: skip
    """A pair of records by their ids.

    Args:
        why: it is asked. blind: somebody else's answer must not show.
        origin: of the answer that is given, `audit` for a pair drawn at random.

    Raises:
        ReviewError: one of them is not in the run.
    """
    left, right = min(left, right), max(left, right)
    if left == right:
        raise bad_request(f"{left} and {right} are one record; name two")
    tables = desk.tables
    places = [tables.place_of(name) for name in (left, right)]
    for name, place in zip((left, right), places, strict=True):
        if place < 0:
            raise not_found(f"record {name}")
    one, other = tables.record_rows(places)
    number = tables.number_of(*places)
    judged = tables.pairs.slice(number, 1).to_pylist()[0] if number >= 0 else None
    clusters = [int(tables.cluster_of[place]) for place in places]
    with desk.book.lock:
        told = desk.book.log.by_person((left, right))
        last = desk.book.log.last_row((left, right))
    return {
        "kind": "pair",
        "key": f"p{number}" if number >= 0 else f"{left}\t{right}",
        "left": show_record(one, tables, places[0]),
        "right": show_record(other, tables, places[1]),
        "rows": align_rows(one, other),
        **_judged(judged, one, other),
        "now": desk.probability_now(number) if number >= 0 else None,
        "joined": clusters[0] == clusters[1],
        "evidence": _evidence(judged),
        "why": why,
        "origin": origin,
        "pictures": show_pictures(desk, one, other, judged),
        "cluster": {
            "left": tables.cluster_names[clusters[0]].as_py(),
            "right": tables.cluster_names[clusters[1]].as_py(),
            "sizes": [int(tables.sizes[cluster]) for cluster in clusters],
        },
        "answers": [] if blind else [show_answer(one) for _, one in sorted(told.items())],
        "mine": told[by].label if by in told else None,
        "seen": told_time(last.at) if last else None,
        "asked_twice": blind,
    }


def _judged(row: Row | None, one: Row, other: Row) -> Plain:
    """What the judge said; of a pair that it never saw only what differs."""
    told: Plain = dict.fromkeys(JUDGED) if row is None else {name: row[name] for name in JUDGED}
    if told["probability"] is not None:
        told["probability"] = round(told["probability"], 4)
    if told["differences"] is None and one.get("text") and other.get("text"):
        told["differences"] = tell_differences([one, other], [0], [1])[0] or None
    for name in ("reason", "differences"):
        told[name] = told[name] and make_visible(told[name], limit=600)
    return {**told, "kinds": list(dict.fromkeys(_KIND.findall(told["differences"] or "")))}


def _evidence(row: Row | None) -> list[Plain]:
    if row is None:
        return []
    return [
        {"name": name, "value": None if text == "identical" else float(text), "text": text}
        for name, text in evidence_of(row)
    ]


def show_pictures(desk: Desk, one: Row, other: Row, judged: Row | None) -> Plain | None:
    """What geometry found between two pictures; None where neither record has one."""
    if not (one["image_hash"] or other["image_hash"]):
        return None
    told: Plain = {
        "edit": None,
        "verified": judged and judged["image_verified"],
        "same_pixels": one["image_hash"] == other["image_hash"],
        "boxes": {"left": [], "right": []},
        "transform": None,
        "overlay": None,
    }
    found = desk.tables.alignment(one, other) if one["image_hash"] and other["image_hash"] else {}
    edit, back = edit_between(found, one, other), edit_between(found, other, one)
    if edit is None or back is None:
        return told
    told["edit"] = edit.words and make_visible(edit.words, limit=300)
    told["boxes"] = {
        side: [[round(float(edge), 4) for edge in box] for box in way.parts]
        for side, way in (("left", edit), ("right", back))
    }
    if edit.transform is not None:
        told["transform"] = [[round(float(x), 6) for x in row] for row in edit.transform]
        ids = [quote(row["record_id"], safe="") for row in (one, other)]
        told["overlay"] = f"/api/overlay?left={ids[0]}&right={ids[1]}"
    return told


def show_answer(answer: Answer) -> Plain:
    """An answer, and the same in words."""
    return {
        "by": answer.by,
        "label": answer.label,
        "at": told_time(answer.at),
        "note": answer.note,
        "words": answer_words(answer),
    }


def answer_words(answer: Answer) -> str:
    """Who said what, and when."""
    return f"{answer.by} said {answer.label}, {answer.at:%d %b %Y %H:%M} UTC"
