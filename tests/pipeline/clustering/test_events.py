"""Cluster events: replaying them on last night's clusters gives tonight's."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.clustering.events import cluster_changes, cluster_events, replay
from pipeline.clustering.lineage import NIGHT, stable_ids
from pipeline.errors import PipelineError


def mapping(clusters: dict[str, str]) -> pa.Table:
    """Record → cluster out of {"X": "abc"}."""
    pairs = [(record, name) for name, members in clusters.items() for record in members]
    return pa.table(
        {"record_id": [r for r, _ in pairs], "cluster_id": [c for _, c in pairs]},
        schema=pa.schema([("record_id", pa.string()), ("cluster_id", pa.string())]),
    )


def told(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, str, str]]:
    """Cluster → (event, added, removed)."""
    rows = cluster_events(mapping(before), mapping(after), run="r").to_pylist()
    assert [row["cluster_id"] for row in rows] == sorted(row["cluster_id"] for row in rows)
    return {
        row["cluster_id"]: (row["event"], "".join(row["added"]), "".join(row["removed"]))
        for row in rows
    }


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"X": "abc", "Y": "d"}, {"X": "cab", "Y": "d"}, {}),
        ({}, {"X": "ab", "Y": "c"}, {"X": ("born", "ab", ""), "Y": ("born", "c", "")}),
        ({"X": "ab"}, {"X": "abc"}, {"X": ("grown", "c", "")}),
        ({"X": "abc"}, {"X": "ab"}, {"X": ("shrunk", "", "c")}),
        ({"X": "ab"}, {"X": "ac"}, {"X": ("changed", "c", "b")}),
        ({"X": "ab"}, {}, {"X": ("died", "", "ab")}),
        # A cluster of one that is taken in makes no merge; one of two does.
        ({"X": "a", "Y": "b"}, {"X": "ab"}, {"X": ("grown", "b", ""), "Y": ("died", "", "b")}),
        ({"X": "ab", "Y": "cd"}, {"X": "abcd"},
         {"X": ("merged", "cd", ""), "Y": ("died", "", "cd")}),
        ({"X": "abc"}, {"X": "ab", "Z": "c"}, {"X": ("shrunk", "", "c"), "Z": ("born", "c", "")}),
        ({"X": "abcd"}, {"X": "ab", "Z": "cd"},
         {"X": ("split", "", "cd"), "Z": ("born", "cd", "")}),
        # One record changes sides: both go on.
        ({"X": "abc", "Y": "de"}, {"X": "ab", "Y": "cde"},
         {"X": ("shrunk", "", "c"), "Y": ("grown", "c", "")}),
    ],
)  # fmt: skip
def test_each_kind_of_event(
    before: dict[str, str], after: dict[str, str], expected: dict[str, tuple[str, str, str]]
) -> None:
    assert told(before, after) == expected


def test_an_event_says_where_records_came_from_and_went_to() -> None:
    before, after = {"X": "abc", "Y": "de"}, {"X": "ab", "Y": "cdef"}
    rows = {
        r["cluster_id"]: r
        for r in cluster_events(mapping(before), mapping(after), run="n").to_pylist()
    }
    assert (rows["X"]["from_clusters"], rows["X"]["to_clusters"]) == (["X"], ["X", "Y"])
    assert (rows["Y"]["from_clusters"], rows["Y"]["to_clusters"]) == (["X", "Y"], ["Y"])
    assert (rows["Y"]["size_before"], rows["Y"]["size_after"], rows["Y"]["run"]) == (2, 4, "n")


nights = st.lists(
    st.dictionaries(st.sampled_from("abcdefghijklmno"), st.integers(0, 6), max_size=15),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@given(nights, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_replaying_the_events_gives_tonight_exactly(given_nights, random) -> None:
    """Over nights in which records come, go and move; with the ids of `lineage`, dead ones too."""
    current, kept, dead = mapping({}), NIGHT.empty_table(), pa.array([], pa.string())
    ever: set[str] = set()
    for number, owner in enumerate(given_nights):
        records = sorted(owner)
        group = np.unique([owner[r] for r in records], return_inverse=True)[1].astype(np.int64)
        ids = stable_ids(kept, pa.array(records, pa.string()), group, retired=dead)
        after = pa.table({"record_id": pa.array(records, pa.string()), "cluster_id": ids})
        feed = cluster_events(kept.select(["record_id", "cluster_id"]), after, run=str(number))
        rows = feed.to_pylist()
        random.shuffle(rows)
        current = replay(pa.Table.from_pylist(rows, feed.schema), current)
        assert current.equals(after)
        changed = {r for row in rows for r in (*row["added"], *row["removed"])}
        old = dict(zip(*(kept[c].to_pylist() for c in ("record_id", "cluster_id")), strict=True))
        new = dict(zip(records, ids.to_pylist(), strict=True))
        assert changed == {r for r in old.keys() | new.keys() if old.get(r) != new.get(r)}
        born = {row["cluster_id"] for row in rows if row["event"] == "born"}
        assert born.isdisjoint(ever)  # an id never comes back for another cluster
        ever |= set(new.values())
        died = [row["cluster_id"] for row in rows if row["event"] == "died"]
        dead = pa.concat_arrays([dead, pa.array(died, pa.string())])
        heads = {name: min(r for r in new if new[r] == name) for name in new.values()}
        head = pa.array([heads[new[r]] for r in records], pa.string())
        kept = after.append_column("representative", head)


def test_events_out_of_order_are_refused() -> None:
    one, two, three = ({"X": members} for members in ("ab", "abc", "abcd"))
    second = cluster_events(mapping(two), mapping(three), run="2")
    with pytest.raises(PipelineError, match="once, in order"):
        replay(cluster_events(mapping(three), mapping(two), run="b"), mapping(one))
    done = replay(second, mapping(two))
    with pytest.raises(PipelineError, match="run 2 do not follow"):
        replay(second, done)


def test_changes_are_told_as_a_person_would() -> None:
    before = {
        "A": "a",
        "B": "b",
        "C": "cd",
        "D": "ef",
        "E": "gh",
        "F": "ijkl",
        "G": "mno",
        "S": "s",
    }
    after = {"A": "ab", "C": "cdef", "E": "g", "F": "ij", "H": "kl", "G": "mnop", "T": "t"}
    counts = cluster_changes(cluster_events(mapping(before), mapping(after), run="r"))
    assert counts == {
        "new": 1, "grown": 1, "shrunk": 0, "merged": 1, "split": 1, "changed": 0, "dissolved": 1,
    }  # fmt: skip
