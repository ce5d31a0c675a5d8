"""Each gate on both sides of its limit, on the first night, and where nothing can be said."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.candidates import Recall
from pipeline.catalog import Gate, PerModality, RunCounts
from pipeline.config.gates import GateSettings
from pipeline.nightly.gates.against_previous_run import (
    FIRST,
    cluster_gates,
    removal_gates,
    review_gate,
    source_gates,
)
from pipeline.nightly.gates.audit import Audit, WrongPair
from pipeline.nightly.gates.differences import ClusterGrowth, RemovalCounts
from pipeline.nightly.gates.gates import (
    audit_gate,
    closed_gates,
    count_gates,
    model_gate,
    recall_gates,
)


def limits(**changes: Any) -> GateSettings:
    return GateSettings.model_validate({"ignore_below": 10, "small_cluster": 20, **changes})


def one(gates: Any, name: str) -> Gate:
    (found,) = (gate for gate in gates if gate.title == name)
    assert isinstance(found, Gate)
    return found


def removal(name: str, *, first: bool = False, settings: Any = None, **changes: Any) -> Gate:
    facts: dict[str, Any] = {
        "listed": 60, "listed_before": 50, "newly": 20, "arrived": 5,
        "by_source": {"a": 15, "b": 5}, "clusters": {"": ("c1", "c2"), "a": ("c2",), "b": ("c3",)},
    }  # fmt: skip
    tonight = RemovalCounts(**(facts | changes))
    records = {"a": 500, "b": 500}
    return one(removal_gates(tonight, records, first=first, settings=settings or limits()), name)


def test_a_check_that_cannot_be_made_fails_closed() -> None:
    def damaged() -> list[Gate]:
        raise OSError("the table is damaged")

    (gate,) = closed_gates("removals", "removals", damaged)
    assert not gate.passed
    assert (gate.value, gate.limit) == (None, None)
    assert gate.message == "could not be computed: the table is damaged"


def test_rows_must_come_out_even() -> None:
    even = RunCounts(rows=10, records=9, quarantined=1)
    assert all(gate.passed for gate in count_gates(even, limits()))
    lost = count_gates(replace(even, records=8), limits())
    assert [gate.passed for gate in lost] == [False, True]
    assert not count_gates(replace(even, records=5, quarantined=5), limits())[1].passed


def test_recall_is_checked_where_there_are_near_pairs() -> None:
    measured = Recall(recall=0.9, low=0.8, high=0.95, pairs=40, sampled=500)
    (gate,) = recall_gates(PerModality(measured, None), limits())
    assert (gate.id, gate.title) == ("candidate-recall-text", "candidate recall, text")
    assert not gate.passed
    assert not list(recall_gates(PerModality(replace(measured, pairs=0)), limits()))


def test_a_source_that_shrank_holds_and_one_that_vanished() -> None:
    def missing(rows: dict[str, int], before: dict[str, int] | None, **kw: Any) -> Gate:
        found = source_gates(
            rows, {}, before, **{"complete": ["a", "b"], "settings": limits(), **kw}
        )
        return one(found, "rows missing against last night")

    before = {"a": 100, "b": 1000}
    assert missing({"a": 81, "b": 900}, before).passed
    gate = missing({"a": 79, "b": 999}, before)
    assert not gate.passed
    assert gate.value == pytest.approx(0.21)
    assert gate.message == "a: 79 rows, 100 last night"
    assert missing({"a": 79, "b": 999}, before, complete=["b"]).passed, "a is append-only"
    assert missing({"a": 79, "b": 999}, before, settings=limits(ignore_below=21)).passed
    gone = missing({"b": 1000}, before)
    assert not gone.passed
    assert "it is not among tonight's sources" in gone.message
    assert missing({"a": 1}, None).message == FIRST
    assert missing({"a": 500, "b": 2000, "new": 3}, before).passed, "growth is no loss"


def test_a_small_bad_source_is_not_hidden_by_a_large_good_one() -> None:
    name = "share of rows quarantined, worst source"
    found = source_gates(
        {"a": 10_000, "b": 40}, {"a": 5, "b": 20}, None, complete=[], settings=limits()
    )
    gate = one(found, name)
    assert (gate.passed, gate.value) == (False, 0.5)
    assert gate.message.startswith("b: 20 of 40 rows")
    alone = source_gates({"a": 40}, {"a": 20}, None, complete=[], settings=limits())
    assert name not in [gate.title for gate in alone], "one source is the whole"


def test_newly_removable_records_against_all_records() -> None:
    name = "newly removable, share of records"
    assert removal(name).passed
    gate = removal(name, newly=51)
    assert (gate.passed, gate.value, gate.clusters) == (False, 0.051, ("c1", "c2"))
    assert "51 not named last night, 5 of them new records" in gate.message
    assert removal(name, newly=51, settings=limits(ignore_below=51)).passed
    first = removal(name, newly=900, first=True)
    assert (first.passed, first.message) == (True, FIRST)


def test_newly_removable_records_of_one_source() -> None:
    name = "newly removable, worst source"
    assert removal(name, by_source={"a": 50, "b": 50}).passed
    gate = removal(name, by_source={"a": 11, "b": 60})
    assert (gate.passed, gate.value, gate.clusters) == (False, 0.12, ("c3",))
    assert removal(name, by_source={"b": 10}, settings=limits(max_newly_removed_of_source=0)).passed


def test_newly_removable_records_against_last_night_s_list_and_as_a_number() -> None:
    name = "newly removable against last night's list"
    assert removal(name, newly=50).passed
    assert not removal(name, newly=51).passed
    assert not removal(name, newly=11, listed_before=0).passed
    name = "newly removable records"
    assert removal(name, settings=limits(max_newly_removed_records=20)).passed
    assert not removal(name, settings=limits(max_newly_removed_records=19)).passed


def test_a_list_that_names_most_records_holds_on_the_first_night_too() -> None:
    name = "share of records removable"
    assert removal(name, listed=500, first=True).passed
    gate = removal(name, listed=501, first=True)
    assert (gate.passed, gate.clusters) == (False, ("c1", "c2"))


def clusters(name: str, large: list[ClusterGrowth], **kw: Any) -> Gate:
    largest = max((growth.size for growth in large), default=1)
    given = {"largest": largest, "records": 1000, "first": False, "settings": limits(), **kw}
    return one(cluster_gates(large, **given), name)


def test_the_largest_cluster_is_a_bounded_share() -> None:
    name = "largest cluster, share of records"
    assert clusters(name, [ClusterGrowth("c1", 200, 200)]).passed
    gate = clusters(name, [ClusterGrowth("c1", 201, 201), ClusterGrowth("c2", 50, 50)], first=True)
    assert (gate.passed, gate.value, gate.clusters) == (False, 0.201, ("c1",))
    assert clusters(name, [], largest=20, records=25).passed, "small clusters hold nothing"
    assert not clusters(name, [ClusterGrowth("c1", 21, 0)], records=25).passed


def test_no_cluster_more_than_doubles() -> None:
    name = "growth of a cluster"
    assert clusters(name, [ClusterGrowth("c1", 100, 50)]).passed
    gate = clusters(
        name,
        [ClusterGrowth("c1", 180, 120), ClusterGrowth("c2", 101, 50), ClusterGrowth("c3", 90, 40)],
    )
    assert (gate.passed, gate.value, gate.clusters) == (False, 2.25, ("c3", "c2"))
    assert gate.message == "c3: 90 records, 40 last night"
    assert clusters(name, [ClusterGrowth("new", 40, 0)]).passed
    assert not clusters(name, [ClusterGrowth("new", 41, 0)]).passed
    assert clusters(name, [ClusterGrowth("c1", 100, 0)], first=True).message == FIRST
    assert clusters(name, []).passed


def test_too_much_in_review() -> None:
    assert review_gate(500, ("c1",), records=1000, settings=limits()).passed
    gate = review_gate(501, ("c1",), records=1000, settings=limits())
    assert (gate.passed, gate.clusters) == (False, ("c1",))
    assert review_gate(10, (), records=10, settings=limits()).passed


def test_model_and_threshold_belong_together() -> None:
    assert model_gate({"m/v0001": None}, limits()).passed
    gate = model_gate({"m/v0001": None, "n/v0002": "embedded by x, calibrated with y"}, limits())
    assert not gate.passed
    assert gate.message == "n/v0002: embedded by x, calibrated with y"
    assert model_gate({}, limits()).passed
    assert not model_gate({}, limits(require_calibrated=True)).passed


def test_audit_pairs_must_be_decided_right() -> None:
    wrong = (WrongPair("a", "b", "different", "c1"), WrongPair("c", "d", "same", "c2"))
    assert audit_gate(Audit(40, 0, wrong), limits()).passed
    gate = audit_gate(Audit(39, 2, wrong), limits())
    assert (gate.passed, gate.clusters) == (False, ("c1", "c2"))
    assert "1 joined, 1 kept apart; such as a | b (different), c | d (same)" in gate.message
    assert "2 name records that are not there" in gate.message
    unknown = audit_gate(Audit(0, 3, ()), limits())
    assert (unknown.passed, unknown.value) == (False, None), "nothing known is nothing shown"
