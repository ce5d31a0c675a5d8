"""Answers given, undone and done again; what they contradict; and all that was ever answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.labels import Answer, Contradiction, overruled_pairs
from pipeline.reviewing.errors import ReviewError, bad_request, not_found
from pipeline.reviewing.show.pairs import answer_words, show_answer, show_pair
from pipeline.reviewing.show.records import title_of, told_time

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
VERDICTS = ("same", "related", "different", "unsure")
ORIGINS = ("review", "audit")
SIGNS = {"same": "=", "different": "≠"}


def give_answer(
    desk: Desk, left: str, right: str, label: str, *, by: str, seen: str | None,
    note: str | None = None, origin: str = "review", force: bool = False, blind: bool = False,
) -> Plain:  # fmt: skip
    """Save an answer about a pair of records.

    Args:
        seen: when the pair's newest answer was given, as the page was told. force: save although
            somebody else has answered since. blind: the judge's opinion was not shown.

    Raises:
        ReviewError: read-only, not a pair of the run, no such label, or answered since.
    """
    desk.require_writable()
    left, right = min(left, right), max(left, right)
    if label not in VERDICTS:
        raise bad_request(f"the label {label!r} is none of {', '.join(VERDICTS)}")
    if left == right:
        raise bad_request(f"{left} and {right} are one record; name two")
    for name in (left, right):
        if desk.tables.place_of(name) < 0:
            raise not_found(f"record {name}")
    with desk.book.lock:
        desk.book.refresh(now=True)
        last = desk.book.log.last_row((left, right))
        if last and told_time(last.at) != seen and last.by != by and not force:
            raise ReviewError(
                409, "changed", f"meanwhile {answer_words(last)}; answer again to overrule it",
                latest=show_answer(last),
            )  # fmt: skip
        model = None if blind else desk.run.summary.models.judge
        answer = Answer(
            left, right, label, by, desk.run.started, note=note or None,
            origin=origin if origin in ORIGINS else "review", run=desk.run.run, model=model,
        )  # fmt: skip
        rows = desk.book.log.new_step([answer])
        desk.book.write(rows)
        against = desk.book.graph.explain(rows[0])
    desk.learner.wake()
    return {
        "saved": {"left": left, "right": right, **show_answer(rows[0])},
        "progress": desk.progress(by),
        "version": desk.queues.version,
        "contradiction": against and explain(desk, against),
    }


def explain(desk: Desk, found: Contradiction) -> Plain:
    """A contradiction in words, with what each of its answers rests on."""
    answer = found.answer
    chain = " and ".join(f"{_stated(one)} ({one.by}, {one.at:%d %b})" for one in found.chain[:6])
    more = f" and {len(found.chain) - 6} more" if len(found.chain) > 6 else ""
    lost = ", ".join(_stated(one) for one in found.dropped[:3])
    after = (
        f"The newest stand: {lost} is no longer followed"
        if lost
        else "The newest stand, and all are still followed"
    )
    return {
        "sentence": f"You say {_stated(answer)}, but {chain}{more}. {after}.",
        "chain": [
            {
                "left": one.left, "right": one.right, **show_answer(one),
                "rests_on": _rests_on(desk, one),
            }
            for one in found.chain
        ],
        "dropped": [{"left": one.left, "right": one.right, **show_answer(one)}
                    for one in found.dropped],
    }  # fmt: skip


def _stated(answer: Answer) -> str:
    return f"{answer.left} {SIGNS.get(answer.label, '~')} {answer.right}"


def _rests_on(desk: Desk, answer: Answer) -> str:
    """What the run saw of a pair, or the titles of its records, and the person's own note."""
    number = int(desk.tables.numbers_of([answer.pair])[0])
    said = [answer.note] if answer.note else []
    if number >= 0:
        row = desk.tables.pairs.slice(number, 1).to_pylist()[0]
        said.append(f"{row['reason']} ({row['probability']:.0%} duplicate)")
    else:
        places = [desk.tables.place_of(name) for name in answer.pair]
        known = [place for place in places if place >= 0]
        said += [title_of(row) for row in desk.tables.record_rows(known)]
    return "; ".join(said)


def undo(desk: Desk, *, by: str) -> Plain:
    """Take a person's last step back.

    Raises:
        ReviewError: there is none, or the page is read-only.
    """
    return _turn(desk, by, "undone")


def redo(desk: Desk, *, by: str) -> Plain:
    """Do again what a person undid last.

    Raises:
        ReviewError: there is none, or the page is read-only.
    """
    return _turn(desk, by, "redone")


def _turn(desk: Desk, by: str, what: str) -> Plain:
    desk.require_writable()
    with desk.book.lock:
        desk.book.refresh(now=True)
        log = desk.book.log
        try:
            rows = log.undo(by) if what == "undone" else log.redo(by)
        except PipelineError as error:
            raise ReviewError(409, "nothing", str(error)) from error
        before = {row.pair: log.latest(row.pair) for row in rows}
        desk.book.write(rows)
    desk.learner.wake()
    first = rows[0]
    was = before[first.pair]
    told = {
        "left": first.left, "right": first.right, "label": first.label,
        "was": was.label if was else None, "pairs": len(rows),
    }  # fmt: skip
    one = len(rows) == 1
    about = f"{first.left} and {first.right}" if one else f"{len(rows):,} answers of one step"
    about = f"the kept record {first.left}" if one and first.left == first.right else about
    known = (
        one
        and first.left != first.right
        and all(desk.tables.place_of(name) >= 0 for name in first.pair)
    )
    return {
        what: told,
        "pair": show_pair(desk, first.left, first.right, by=by) if known else None,
        "progress": desk.progress(by),
        "words": f"{'Taken back' if what == 'undone' else 'Done again'}: {about}.",
    }


def list_answers(
    desk: Desk, *, q: str = "", by: str = "", label: str = "", pair: tuple[str, str] | None = None,
    offset: int = 0, limit: int = 50,
) -> Plain:  # fmt: skip
    """Past answers, the newest first; `q` is searched in ids, texts and notes."""
    desk.book.refresh()
    with desk.book.lock:
        rows = [one for one in reversed(desk.book.log.answers)
                if (not by or one.by == by) and (not label or one.label == label)
                and (pair is None or one.pair == pair)]  # fmt: skip
        if q:
            rows = _matching(desk, rows, q)
        against = overruled_pairs(desk.book.log)
        page = rows[offset : offset + limit]
        current = {one.pair: desk.book.log.latest(one.pair) for one in page}
    titles = _titles(desk, {name for one in page for name in one.pair})
    items = []
    for one in page:
        is_current = current[one.pair] is one
        other = against.get(one.pair) if is_current else None
        items.append(
            {
                "left": {"id": one.left, "title": titles.get(one.left)},
                "right": {"id": one.right, "title": titles.get(one.right)},
                **{k: v for k, v in show_answer(one).items() if k != "words"},
                "origin": one.origin,
                "model": one.model,
                "run": one.run,
                "step": one.step,
                "current": is_current,
                "followed": other is None,
                "words": f"not followed: newer, {_stated(other)} ({other.by})" if other else "",
            }
        )
    return {"total": len(rows), "items": items}


def _matching(desk: Desk, rows: list[Answer], q: str) -> list[Answer]:
    words = q.casefold()
    texts = desk.queues.filtering.search(q)
    hit = {desk.tables.ids[int(place)].as_py() for place in texts.nonzero()[0]}
    return [
        one for one in rows
        if one.left in hit or one.right in hit or words in (one.note or "").casefold()
        or words in one.left.casefold() or words in one.right.casefold()
    ]  # fmt: skip


def _titles(desk: Desk, names: set[str]) -> dict[str, str]:
    places = {name: desk.tables.place_of(name) for name in sorted(names)}
    known = [place for place in places.values() if place >= 0]
    return {row["record_id"]: title_of(row) for row in desk.tables.record_rows(known)}
