"""Verdicts of persons: the latest counts, contradictions are found, and clusters obey."""

from datetime import UTC, datetime, timedelta
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.candidates.content_groups import ContentGroups
from pipeline.clustering.clusters import cluster_tables
from pipeline.clustering.links import Links
from pipeline.config.labels import VerdictLabels
from pipeline.config.run import ClusterSettings
from pipeline.labels.conflicts import resolve_conflicts
from pipeline.labels.entries import read_entry, tie_pairs
from pipeline.labels.verdicts import changed_pairs, latest_verdicts, settle_verdicts
from pipeline.storage.schemas import LABELS
from tests.worlds.scored_pairs import ACCEPT, scored_pairs

START = datetime(2026, 1, 1, tzinfo=UTC)
Said = tuple[int, int, str]


def labels(*said: Said, at: list[int] | None = None) -> pa.Table:
    """One verdict a minute on records s:0, s:1 …, or at given minutes."""
    minutes = at or list(range(len(said)))
    rows = [
        {"left_id": f"s:{left}", "right_id": f"s:{right}", "label": label, "by": "ann",
         "at": START + timedelta(minutes=minute), "origin": "import", "note": None}
        for (left, right, label), minute in zip(said, minutes, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, LABELS)


def ids(count: int) -> pa.Array:
    return pa.array([f"s:{n}" for n in range(count)], pa.string())


def units(leader: list[int], *, tiny: bool = False) -> ContentGroups:
    leaders = np.array(leader, np.int64)
    rows = np.unique(leaders)
    text = np.zeros(len(rows), np.int64) if tiny else np.full(len(rows), -1)
    none, no = pa.array([], pa.string()), np.zeros(len(rows), bool)
    return ContentGroups(leaders, rows, text, np.full(len(rows), -1), none, none, no | tiny, no)


def links(*pairs: tuple[int, int, float]) -> Links:
    return scored_pairs(pairs)


def clustered(
    leader: list[int], accepted: Links, said: pa.Table, *, tiny: bool = False
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    count = len(leader)
    records = pa.table(
        {
            "record_id": ids(count),
            "source": ["s"] * count,
            "text": [f"text {leader[n]}" for n in range(count)],
            "image_width": pa.array([None] * count, pa.int32()),
            "image_height": pa.array([None] * count, pa.int32()),
            "image_effective_side": pa.array([None] * count, pa.float32()),
            "timestamp": pa.array([None] * count, pa.timestamp("us", tz="UTC")),
        }
    )
    found, cut = cluster_tables(
        records,
        units(leader, tiny=tiny),
        accepted,
        ClusterSettings(),
        settle_verdicts(said, ids(count)),
    )
    return found.to_pylist(), cut.to_pylist()


def together(rows: list[dict[str, Any]]) -> list[list[int]]:
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        found.setdefault(row["cluster_id"], []).append(number)
    return sorted(found.values())


TRIANGLE = links((0, 1, 0.9), (0, 2, 0.95), (1, 2, 0.99))


def test_the_latest_verdict_of_a_pair_counts_whichever_way_round() -> None:
    said = labels(
        (0, 1, "different"), (1, 0, "same"), (2, 3, "same"), (3, 2, "unsure"), (4, 4, "same")
    )
    found = settle_verdicts(said, ids(5))
    assert found.facts["same"] == 1
    assert found.facts["unsure"] == 1
    assert found.facts["different"] == 0
    # At the same time, what keeps them apart.
    tie = labels((0, 1, "same"), (0, 1, "different"), (0, 1, "related"), at=[5, 5, 5])
    assert latest_verdicts(tie)["code"].to_pylist() == [3]


def test_verdicts_on_records_that_are_gone_are_counted_and_do_nothing() -> None:
    found = settle_verdicts(labels((0, 9, "different"), (0, 1, "same")), ids(3))
    assert (found.facts["unknown"], found.facts["same"], found.facts["different"]) == (1, 1, 0)


def test_a_pair_called_different_is_apart_whatever_ties_it() -> None:
    rows, cut = clustered([0, 1, 2], TRIANGLE, labels((1, 2, "different")))
    assert together(rows) in ([[0, 1], [2]], [[0, 2], [1]])
    # The third could be with either: a person should look.
    assert {row["status"] for row in rows} == {"review"}
    reasons = {(c["left_id"], c["right_id"]): c["reason"] for c in cut}
    assert reasons["s:1", "s:2"] == "verdict: different (by ann, at 2026-01-01 00:00Z)"
    assert len(reasons) == 2
    assert len(set(reasons.values())) == 1


def test_a_link_that_a_person_refused_is_no_doubt_about_the_others() -> None:
    near = links((0, 1, 0.9), (1, 2, 0.95))
    rows, cut = clustered([0, 1, 2], near, labels((1, 2, "different")))
    assert together(rows) == [[0, 1], [2]]
    assert {row["status"] for row in rows} == {"confirmed"}
    assert [c["reason"].split(" (")[0] for c in cut] == ["verdict: different"]


def test_records_called_the_same_are_one_cluster_without_any_link() -> None:
    rows, _ = clustered([0, 1, 2, 3], links(), labels((0, 1, "same"), (1, 2, "same")))
    assert together(rows) == [[0, 1, 2], [3]]
    one = rows[0]
    assert (one["evidence"], one["status"], one["cohesion"]) == ("verdict", "confirmed", 1.0)


def test_what_is_near_to_one_of_the_tied_joins_them() -> None:
    rows, cut = clustered([0, 1, 2], links((1, 2, 0.93)), labels((0, 1, "same")))
    assert together(rows) == [[0, 1, 2]]
    assert {r["evidence"] for r in rows} == {"text+verdict"}
    assert round(rows[2]["probability_to_representative"], 4) in (0.93, 1.0)
    assert {round(r["cohesion"], 4) for r in rows} == {0.93}
    assert cut == []


def test_different_holds_for_exact_copies_of_either_record() -> None:
    # 0 and 1 are copies, 2 and 3 are copies; a person saw 1 and 3.
    rows, cut = clustered([0, 0, 2, 2], links((0, 1, 0.99)), labels((1, 3, "different")))
    assert together(rows) == [[0, 1], [2, 3]]
    assert {r["status"] for r in rows} == {"confirmed"}
    assert len(cut) == 1


def test_two_identical_records_can_be_different_and_the_third_copy_is_in_doubt() -> None:
    rows, cut = clustered([0, 0, 0], links(), labels((0, 1, "different")))
    assert together(rows) == [[0, 2], [1]]
    assert {r["status"] for r in rows} == {"review"}
    assert sorted((c["left_id"], c["right_id"]) for c in cut) == [("s:0", "s:1"), ("s:1", "s:2")]
    assert all(c["reason"].startswith("verdict: different") for c in cut)
    two, _ = clustered([0, 0], links(), labels((0, 1, "different")))
    assert together(two) == [[0], [1]]
    assert {r["status"] for r in two} == {"confirmed"}


def test_copies_may_be_told_apart_through_a_third_record() -> None:
    # 0, 1 and 3 are copies; 2 is the same as 0 and not the same as 1. Both verdicts hold.
    said = labels((0, 2, "same"), (1, 2, "different"))
    rows, _ = clustered([0, 0, 2, 0], links((0, 1, 0.97)), said)
    assert together(rows) == [[0, 2], [1, 3]]


def test_related_bars_the_pair_s_own_link_only() -> None:
    alone, cut = clustered([0, 1], links((0, 1, 0.95)), labels((0, 1, "related")))
    assert together(alone) == [[0], [1]]
    assert cut[0]["reason"].startswith("verdict: related (by ann")
    # It speaks against the two; what is near enough to both keeps them together, for review.
    rows, _ = clustered([0, 1, 2], TRIANGLE, labels((1, 2, "related")))
    assert together(rows) == [[0, 2], [1]]
    near = links((0, 1, 0.9999), (0, 2, 0.9999), (1, 2, 0.9999))
    rows, _ = clustered([0, 1, 2], near, labels((1, 2, "related")))
    assert together(rows) == [[0, 1, 2]]
    assert {r["status"] for r in rows} == {"review"}


@pytest.mark.parametrize(
    ("said", "lost", "stands", "groups"),
    [
        (((0, 1, "same"), (0, 2, "different"), (1, 2, "same")), (0, 1, "same"),
         (0, 2, "different"), [[0], [1, 2]]),
        (((0, 2, "different"), (0, 1, "same"), (1, 2, "same")), (0, 2, "different"),
         (0, 1, "same"), [[0, 1, 2]]),
    ],
)  # fmt: skip
def test_the_oldest_of_contradicting_verdicts_is_not_followed_and_listed(
    said: tuple[Said, ...], lost: Said, stands: Said, groups: list[list[int]]
) -> None:
    found = settle_verdicts(labels(*said), ids(3))
    (only,) = found.facts["contradictory"]
    assert found.facts["contradictions"] == 1
    for name, (left, right, label) in (("dropped", lost), ("kept", stands)):
        told = {"left": f"s:{left}", "right": f"s:{right}", "label": label}
        assert {key: only[name][key] for key in told} == told
    rows, _ = clustered([0, 1, 2], links(), labels(*said))
    assert together(rows) == groups
    assert {r["status"] for r in rows} == {"review"}


@pytest.mark.parametrize(
    ("said", "status"), [((0, 1, "same"), "confirmed"), ((0, 2, "same"), "review")]
)
def test_copies_of_a_tiny_text_are_sure_once_persons_say_so(said: Said, status: str) -> None:
    rows, _ = clustered([0, 0, 2], links(), labels(said), tiny=True)
    assert rows[0]["status"] == rows[1]["status"] == status


def test_whose_verdicts_changed() -> None:
    before = labels((0, 1, "same"), (2, 3, "different"))
    after = pa.concat_tables([before, labels((1, 0, "different"), (4, 5, "same"), at=[90, 91])])
    assert sorted(changed_pairs(before, after).to_pylist()) == ["s:0", "s:1", "s:4", "s:5"]
    assert len(changed_pairs(after, after)) == 0
    assert sorted(changed_pairs(None, before).to_pylist()) == ["s:0", "s:1", "s:2", "s:3"]


@st.composite
def nights(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int, float]], pa.Table]:
    """Records with exact copies, scored pairs of their units, and verdicts."""
    count = draw(st.integers(2, 10))  # one digit: ids ascend with their numbers
    leader = list(range(count))
    for n in range(1, count):
        leader[n] = leader[draw(st.integers(0, n - 1))] if draw(st.booleans()) else n
    number = sorted(set(leader))
    every = [(a, b) for a in range(len(number)) for b in range(a + 1, len(number))]
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    pairs = [(a, b, draw(st.sampled_from([0.6, 0.9, 0.95, 0.9999]))) for a, b in chosen]
    pair = st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)
    words = st.sampled_from(["same", "different", "same", "different", "related", "unsure"])
    said = draw(st.lists(st.tuples(pair, words), max_size=8))
    minutes = draw(st.lists(st.integers(0, 5), min_size=len(said), max_size=len(said)))
    return leader, pairs, labels(*((a, b, w) for (a, b), w in said), at=minutes or None)


@pytest.mark.slow
@given(nights())
@settings(max_examples=200, deadline=None)
def test_clusters_obey_every_verdict(night: Any) -> None:
    leader, pairs, said = night
    count = len(leader)
    rows, cut = clustered(leader, links(*pairs), said)
    home = [row["cluster_id"] for row in rows]
    found = settle_verdicts(said, ids(count))
    ends = list(zip(found.left.tolist(), found.right.tolist(), found.label.tolist(), strict=True))
    ties = nx.Graph()
    ties.add_nodes_from(range(count))
    stands = (found.overruled_by < 0).tolist()
    differ = []
    for (left, right, label), followed in zip(ends, stands, strict=True):
        if label == 3 and followed:
            assert home[left] != home[right]
            differ.append((left, right))
        if label == 0 and followed:
            assert home[left] == home[right]
            ties.add_edge(left, right)
    # A verdict is not followed only where it would contradict those that are.
    for (left, right, label), followed in zip(ends, stands, strict=True):
        if not followed and label == 3:
            assert nx.has_path(ties, left, right)
        if not followed and label == 0:
            more = ties.copy()
            more.add_edge(left, right)
            assert any(nx.has_path(more, a, b) for a, b in differ)
    # What is confirmed has accepted evidence to the representative, once copies that share a
    # cluster and records that persons tied together count as one.
    one_thing = ties.copy()
    same_content = [(a, b) for a in range(count) for b in range(a) if leader[a] == leader[b]]
    one_thing.add_edges_from((a, b) for a, b in same_content if home[a] == home[b])
    names = sorted(set(leader))
    linked = {(names[a], names[b]) for a, b, p in pairs if p > ACCEPT}
    for number, row in enumerate(rows):
        mine, kept = (
            nx.node_connected_component(one_thing, n)
            for n in (number, int(row["representative"][2:]))
        )
        between = {tuple(sorted((leader[a], leader[b]))) for a in mine for b in kept}
        assert mine == kept or between & linked or row["status"] == "review"
    # No accepted link and no copy is lost: what is not together is listed.
    listed = {tuple(leader[int(c[side][2:])] for side in ("left_id", "right_id")) for c in cut}
    for a in range(count):
        for b in range(a):
            pair = tuple(sorted((leader[a], leader[b])))
            if pair in linked or leader[a] == leader[b]:
                assert home[a] == home[b] or pair in listed or pair[::-1] in listed


@given(nights(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_verdicts_changes_nothing(night: Any, random: Any) -> None:
    leader, pairs, said = night
    order = list(range(len(said)))
    random.shuffle(order)
    assert clustered(leader, links(*pairs), said.take(pa.array(order, pa.int64()))) == (
        clustered(leader, links(*pairs), said)
    )


@given(nights())
@settings(max_examples=100, deadline=None)
def test_training_reads_from_the_verdicts_what_the_night_follows(night: Any) -> None:
    leader, _, said = night
    names = ids(len(leader))
    found = settle_verdicts(said, names)
    unused: Any = None
    entry = read_entry(
        VerdictLabels(type="verdicts"), unused, (), verdicts=said, decoder=unused, now=START
    )
    claims = tie_pairs(entry, names).claims
    settled = resolve_conflicts(claims, np.array(names.to_pylist())).claims
    for label, same in ((0, True), (3, False)):
        places, rows = found.places_of(label), np.flatnonzero(settled.same == same)
        assert settled.left[rows].tolist() == found.left[places].tolist()
        assert settled.right[rows].tolist() == found.right[places].tolist()
