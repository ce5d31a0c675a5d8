"""Rules: many pairs called the same at once, never before a person has seen a sample of them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from pipeline.arrays import Flags, Rows
from pipeline.labels import RULE, Answer
from pipeline.reviewing.desk import Preview
from pipeline.reviewing.errors import ReviewError, bad_request, not_found
from pipeline.reviewing.filters import Filters
from pipeline.reviewing.show.pairs import show_pair
from pipeline.reviewing.show.records import told_time

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
SAMPLE = 10
KEPT = 8  # previews that can be applied
KINDS: tuple[Plain, ...] = (
    {
        "name": "exact_pixels", "title": "Exact pixels", "settings": [],
        "words": "both pictures are pixel for pixel the same, and no text of theirs differs",
    },
    {
        "name": "same_text_and_picture", "title": "Same text and same picture", "settings": [],
        "words": "text and picture are both identical",
    },
    {
        "name": "score_above", "title": "Score above",
        "settings": [{"name": "above", "low": 0.5, "high": 1.0, "default": 0.99}],
        "words": "the judge accepted the pair with at least this probability, and nothing in it "
        "holds it for a person",
    },
)  # fmt: skip


def list_rules(desk: Desk) -> Plain:
    """The rules there are, and those that were applied, the newest first."""
    desk.book.refresh()
    with desk.book.lock:
        applied = [_told(desk, rows) for rows in desk.book.log.rule_steps()]
    return {"kinds": list(KINDS), "applied": applied}


def preview_rule(
    desk: Desk, name: str, settings: dict[str, float], wanted: Filters, *, by: str
) -> Plain:
    """What a rule would do: how many pairs, and a sample of them drawn by chance.

    Raises:
        ReviewError: there is no such rule, or a setting is out of range.
    """
    desk.book.refresh()
    rows = np.flatnonzero(_matched(desk, name, settings) & desk.book.open)
    mask = desk.queues.filtering.pairs(wanted)
    rows = rows if mask is None else rows[mask[rows]]
    words = _words(name, settings, wanted)
    with desk.book.lock:
        count = desk.book.count
    digest = hashlib.sha256(f"{desk.run.run} {words} {count}".encode() + rows.tobytes())
    key = digest.hexdigest()[:16]
    desk.previews[key] = Preview(words, rows)
    while len(desk.previews) > KEPT:
        desk.previews.pop(next(iter(desk.previews)))
    drawn = np.random.default_rng(count).permutation(rows)[:SAMPLE]
    return {
        "pairs": len(rows),
        "words": f"{len(rows):,} open pairs would be called the same: {words}.",
        "sample": [show_pair(desk, *_ids(desk, int(row)), by=by) for row in drawn],
        "key": key,
    }


def apply_rule(desk: Desk, key: str, *, by: str) -> Plain:
    """Call the pairs of a rule that was looked at the same, in one step.

    Raises:
        ReviewError: it was not looked at, one of its pairs was answered since, or it has none.
    """
    desk.require_writable()
    with desk.book.lock:
        desk.book.refresh(now=True)
        found = desk.previews.get(key)
        if found is None:
            raise not_found("rule that was looked at under this key; look at it first")
        if not len(found.rows):
            raise bad_request("the rule fits no open pair")
        if not desk.book.open[found.rows].all():
            raise ReviewError(
                409, "changed", "pairs of this rule were answered meanwhile; look at it again"
            )
        ends = desk.tables.pairs.select(["left_id", "right_id"]).take(found.rows).to_pylist()
        answers = [
            Answer(
                one["left_id"], one["right_id"], "same", by, desk.run.started, origin=RULE,
                note=found.words, run=desk.run.run, model=desk.run.summary.models.judge,
            )
            for one in ends
        ]  # fmt: skip
        rows = desk.book.log.new_step(answers)
        desk.book.write(rows)
        del desk.previews[key]
        told = _told(desk, desk.book.log.rows_of(str(rows[0].step)))
    desk.learner.wake()
    return {"rule": told, "progress": desk.progress(by)}


def withdraw_rule(desk: Desk, step: str, *, by: str) -> Plain:
    """Take back what a rule said; what a person said of its pairs since stays.

    Raises:
        ReviewError: there is no such rule, or it was taken back already.
    """
    desk.require_writable()
    with desk.book.lock:
        desk.book.refresh(now=True)
        log = desk.book.log
        rows = log.rows_of(step)
        if not rows or rows[0].origin != RULE:
            raise not_found(f"rule {step}")
        if not log.is_done(step, rows[0].by):
            raise ReviewError(409, "nothing", "this rule was taken back already")
        desk.book.write(log.undo(by, step=step))
        told = _told(desk, desk.book.log.rows_of(step))
    desk.learner.wake()
    return {"rule": told, "progress": desk.progress(by)}


def _told(desk: Desk, rows: list[Answer]) -> Plain:
    log, first = desk.book.log, rows[0]
    done = log.is_done(str(first.step), first.by)
    standing = sum(
        1 for one in rows if (last := log.latest(one.pair)) and last.origin == RULE and
        last.label == "same"
    ) if done else 0  # fmt: skip
    return {
        "id": first.step,
        "words": first.note,
        "by": first.by,
        "at": told_time(first.at),
        "pairs": len(rows),
        "standing": standing,
        "withdrawn": not done,
    }


def _matched(desk: Desk, name: str, settings: dict[str, float]) -> Flags:
    """(p,) pairs that a rule fits."""
    pairs, records = desk.tables.pairs, desk.tables.records
    if name not in {kind["name"] for kind in KINDS}:
        raise bad_request(f"there is no rule {name!r}")
    if name == "score_above":
        above = settings.get("above", 0.99)
        if not 0.5 <= above <= 1:
            raise bad_request(f"above is {above}; it lies from 0.5 to 1")
        fits = pc.and_(pc.equal(pairs["decision"], "duplicate"), pairs["confirmed"])
        return np.asarray(fits, bool) & (desk.tables.probability >= above)
    left, right = desk.tables.ends.T
    text, image = (_codes(records[f"{kind}_hash"]) for kind in ("text", "image"))
    pixels = (image[left] == image[right]) & (image[left] >= 0)
    words = text[left] == text[right]
    if name == "exact_pixels":  # none of both has a text, or they are the same
        return np.asarray(pixels & words)
    return np.asarray(pixels & words & (text[left] >= 0))


def _codes(column: Any) -> Rows:
    """Numbers of the contents, -1 without."""
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(pc.fill_null(coded.indices, -1), np.int64)


def _words(name: str, settings: dict[str, float], wanted: Filters) -> str:
    words = next(kind["words"] for kind in KINDS if kind["name"] == name)
    if name == "score_above":
        words = f"accepted with a probability of at least {settings.get('above', 0.99):g}"
    usual = vars(Filters())
    said = [f"{key} {value}" for key, value in vars(wanted).items() if value != usual[key]]
    return f"{words}{'; only ' + ', '.join(said) if said else ''}"


def _ids(desk: Desk, number: int) -> tuple[str, str]:
    pairs = desk.tables.pairs
    return pairs["left_id"][number].as_py(), pairs["right_id"][number].as_py()
