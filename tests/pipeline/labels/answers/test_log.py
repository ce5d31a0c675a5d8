"""The log of answers against a plain model: what counts, what is undone, what each person says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.errors import PipelineError
from pipeline.labels import (
    Answer,
    AnswerLog,
    find_disagreements,
    kept_records,
    latest_verdicts,
    measure_agreement,
    table_of,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]


def say(log: AnswerLog, pair: tuple[str, str], label: str, by: str = "ann") -> list[Answer]:
    rows = log.new_step([Answer(*pair, label, by, START)])
    log.add(rows)
    return rows


def stands(log: AnswerLog) -> dict[tuple[str, str], str]:
    return {one.pair: one.label for one in log.standing()}


moves = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(PAIRS), st.sampled_from(["same", "different"])),
        st.tuples(st.just("undo"), st.none(), st.none()),
        st.tuples(st.just("redo"), st.none(), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(moves)
def test_undo_and_redo_are_those_of_a_list_of_states(
    done: list[tuple[str, object, object]],
) -> None:
    log = AnswerLog()
    states: list[dict[tuple[str, str], str]] = [{}]
    place = 0
    for what, pair, label in done:
        if what == "say":
            say(log, pair, label)  # type: ignore[arg-type]
            states = [*states[: place + 1], {**states[place], pair: label}]  # type: ignore[dict-item]
            place += 1
        elif what == "undo" and place:
            log.add(log.undo("ann"))
            place -= 1
        elif what == "redo" and place + 1 < len(states):
            log.add(log.redo("ann"))
            place += 1
        assert stands(log) == states[place]
        assert log.depth("ann") == (place, len(states) - 1 - place)
    # Read back from the table, in any order of its rows, the log is the same.
    table = table_of(log.answers)
    again = AnswerLog(table.take(pa.array(range(len(table) - 1, -1, -1), pa.int64())))
    assert stands(again) == stands(log)
    assert again.depth("ann") == log.depth("ann")
    counted = {
        (row["left_id"], row["right_id"]): row["label"]
        for row in latest_verdicts(table).to_pylist()
    }
    assert counted == stands(log), "runs see what the page shows"


def test_nothing_to_undo_says_so() -> None:
    log = AnswerLog()
    for turn in (log.undo, log.redo):
        with pytest.raises(PipelineError, match="nothing"):
            turn("ann")
    say(log, PAIRS[0], "same", by="bob")
    with pytest.raises(PipelineError, match="nothing"):
        log.undo("ann")


def test_what_somebody_said_since_is_not_undone() -> None:
    log = AnswerLog()
    say(log, PAIRS[0], "same")
    say(log, PAIRS[0], "different", by="bob")
    log.add(log.undo("ann"))
    assert stands(log) == {PAIRS[0]: "different"}
    assert set(log.by_person(PAIRS[0])) == {"bob"}


def test_a_step_of_many_is_undone_as_one_by_anybody_who_names_it() -> None:
    log = AnswerLog()
    rows = log.new_step([Answer(*pair, "same", "ann", START) for pair in PAIRS])
    log.add(rows)
    assert len({row.step for row in rows}) == len({row.at for row in rows}) == 1
    log.add(log.undo("bob", step=rows[0].step))
    assert stands(log) == {}
    assert log.depth("ann") == (0, 1)


def test_a_clock_that_goes_back_changes_no_order() -> None:
    late = datetime.now(UTC) + timedelta(hours=5)
    log = AnswerLog(table_of([Answer("a", "b", "same", "bob", late)]))
    say(log, ("a", "b"), "different")
    assert stands(log) == {("a", "b"): "different"}


def test_persons_agree_as_cohen_counts() -> None:
    log = AnswerLog()
    assert measure_agreement(log) is None
    for number in range(50):  # Cohen's own kind of table: 20 and 15 agree, 5 and 10 do not
        pair = (f"x{number:02d}", f"y{number:02d}")
        say(log, pair, "same" if number < 25 else "different")
        say(log, pair, "same" if number < 20 or number >= 40 else "different", by="bob")
    found = measure_agreement(log)
    assert found is not None
    assert (found.pairs, found.agreed) == (50, 35)
    assert found.kappa == pytest.approx(0.4)
    assert len(find_disagreements(log)) == 15
    assert "0.40" in found.sentence


def test_unsure_is_no_disagreement() -> None:
    log = AnswerLog()
    say(log, PAIRS[0], "same")
    say(log, PAIRS[0], "unsure", by="bob")
    assert find_disagreements(log) == []
    assert measure_agreement(log) is None


def test_the_kept_records_are_the_latest_said() -> None:
    log = AnswerLog()
    for record, label in (("a", "keep"), ("b", "keep"), ("a", "withdrawn")):
        say(log, (record, record), label)
    say(log, ("a", "b"), "same")
    assert kept_records(table_of(log.answers)) == {"b"}
    assert log.keeper("a") is None
    assert log.keeper("b") is not None
    assert len(latest_verdicts(table_of(log.answers))) == 1
