"""Steps on a whole cluster: accepted, members drawn out, split, another record kept.

Each is written as verdicts on pairs, which later runs follow whatever model judges: *same* between
the kept record and each member ties a cluster, one *different* between two tied parts keeps them
apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.labels import KEEP, WITHDRAWN, Answer
from pipeline.reviewing.acting.answering import explain
from pipeline.reviewing.errors import bad_request
from pipeline.reviewing.show.clusters import cluster_number, show_brief

if TYPE_CHECKING:
    from pipeline.reviewing.desk import Desk

Plain = dict[str, Any]
Verdict = tuple[str, str, str]  # two records and what is said of them


def act_on_cluster(
    desk: Desk, name: str, act: str, *, by: str, records: Sequence[str] = (),
    parts: Sequence[Sequence[str]] = (), record: str = "",
) -> Plain:  # fmt: skip
    """Do one step on a cluster.

    Args:
        act: accept (all but `records`, which are drawn out), draw_out (`records`), split (into
            `parts`; who is in none stays with the kept record), keep (`record`).

    Raises:
        ReviewError: read-only, no such cluster or record, or nothing would be done.
    """
    desk.require_writable()
    cluster = cluster_number(desk, name)
    tables = desk.tables
    ids = tables.ids.take(pa.array(desk.members_by_distance(cluster))).to_pylist()
    named = [*records, *(one for part in parts for one in part), *([record] if record else [])]
    strange = sorted(set(named) - set(ids))
    if strange:
        raise bad_request(f"{strange[0]} is no member of cluster {name}")
    if len(named) != len(set(named)):
        raise bad_request("a record is named twice")
    match act:
        case "accept":
            verdicts = _accepted(ids, records)
        case "draw_out":
            verdicts = _drawn_out(desk, ids, records)
        case "split":
            verdicts = _split(ids, parts)
        case "keep":
            verdicts = _kept(desk, ids, record)
        case _:
            raise bad_request(f"the act {act!r} is none of accept, draw_out, split, keep")
    if not verdicts:
        raise bad_request("this would say nothing: name the records it is about")
    return _write(desk, cluster, act, verdicts, by=by)


def _write(desk: Desk, cluster: int, act: str, verdicts: list[Verdict], *, by: str) -> Plain:
    model = desk.run.summary.models.judge
    note = f"whole cluster: {act.replace('_', ' ')}"
    answers = [
        Answer(
            min(one, other), max(one, other), label, by, desk.run.started, note=note,
            run=desk.run.run, model=model,
        )
        for one, other, label in verdicts
    ]  # fmt: skip
    with desk.book.lock:
        desk.book.refresh(now=True)
        rows = desk.book.log.new_step(answers)
        desk.book.write(rows)
        told = (desk.book.graph.explain(row) for row in rows[:200])
        against = next((one for one in told if one is not None), None)
    desk.learner.wake()
    counted = {label: sum(row.label == label for row in rows) for label in
               ("same", "different", KEEP)}  # fmt: skip
    said = ", ".join(f"{count:,} {label}" for label, count in counted.items() if count)
    return {
        "words": f"{len(rows):,} answers written: {said or 'taken back'}.",
        "answers": len(rows),
        "progress": desk.progress(by),
        "contradiction": against and explain(desk, against),
        "cluster": show_brief(desk, cluster),
    }


def _accepted(ids: list[str], out: Sequence[str]) -> list[Verdict]:
    """All the same as the kept record but those that are drawn out; should it be one of these, the
    nearest of the others stands for them.
    """
    gone = set(out)
    stay = [one for one in ids if one not in gone]
    if not stay:
        raise bad_request("every member is drawn out; split the cluster instead")
    tied = [(stay[0], one, "same") for one in stay[1:]]
    return [*tied, *((stay[0], one, "different") for one in out)]


def _drawn_out(desk: Desk, ids: list[str], out: Sequence[str]) -> list[Verdict]:
    """Different from the kept record, and from every other member that it is linked to.

    The others are not tied: nobody said that they are the same.
    """
    if not out:
        return []
    gone = set(out)
    stay = [one for one in ids if one not in gone]
    if not stay:
        raise bad_request("every member is drawn out; split the cluster instead")
    verdicts: dict[tuple[str, str], Verdict] = {}
    for one in out:
        for other in [stay[0], *(name for name in stay[1:] if _linked(desk, one, name))]:
            verdicts[min(one, other), max(one, other)] = (one, other, "different")
    return list(verdicts.values())


def _linked(desk: Desk, one: str, other: str) -> bool:
    """Whether two records are one content or a judged pair that was accepted."""
    number = int(desk.tables.numbers_of([(min(one, other), max(one, other))])[0])
    return number >= 0 and desk.tables.pairs["decision"][number].as_py() == "duplicate"


def _split(ids: list[str], parts: Sequence[Sequence[str]]) -> list[Verdict]:
    """Each part tied, and every two parts apart."""
    named = {one for part in parts for one in part}
    rest = [one for one in ids if one not in named]
    every = [part for part in (rest, *(list(part) for part in parts)) if part]
    if len(every) < 2:
        raise bad_request("a split needs two parts")
    tied = [(part[0], one, "same") for part in every for one in part[1:]]
    apart = [
        (one[0], other[0], "different")
        for place, one in enumerate(every)
        for other in every[place + 1 :]
    ]
    return [*tied, *apart]


def _kept(desk: Desk, ids: list[str], record: str) -> list[Verdict]:
    """This record is the one to keep, and none that was chosen before."""
    if not record:
        return []
    before = [one for one in ids if one != record and desk.book.log.keeper(one) is not None]
    return [(record, record, KEEP), *((one, one, WITHDRAWN) for one in before)]
