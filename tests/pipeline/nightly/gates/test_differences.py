"""Differences between two nights' clusters, against a count by hand."""

import random

import pyarrow as pa
import pytest

from pipeline.nightly.gates.differences import (
    cluster_growths,
    count_in_review,
    count_removals,
    rewritten_ids,
    rows_by_source,
)


def table(clusters: dict[str, list[str]], *, review: tuple[str, ...] = ()) -> pa.Table:
    """Clusters by id, the first member of each its representative."""
    rows = [
        {
            "record_id": member,
            "cluster_id": name,
            "size": len(members),
            "representative": members[0],
            "status": "review" if name in review else "confirmed",
            "same_thing": False,
        }
        for name, members in clusters.items()
        for member in members
    ]
    return pa.Table.from_pylist(rows).cast(
        pa.schema(
            [("record_id", pa.string()), ("cluster_id", pa.string()), ("size", pa.int32()),
             ("representative", pa.string()), ("status", pa.string()), ("same_thing", pa.bool_())]
        )
    )  # fmt: skip


BEFORE = table({"c1": ["a:1", "a:2"], "c2": ["a:3"], "c3": ["b:1", "b:2"], "c4": ["b:9"]})


def test_newly_removed_records_are_counted_once_with_source_and_cluster() -> None:
    tonight = table(
        {"c1": ["a:1", "a:2", "b:9"], "c2": ["a:3", "a:4", "b:5"], "c3": ["b:1", "b:2"]}
    )
    found = count_removals(tonight, BEFORE)
    assert (found.listed, found.listed_before) == (5, 2)
    assert (found.newly, found.arrived) == (3, 2), "b:9 was there, a:4 and b:5 are new"
    assert found.by_source == {"a": 1, "b": 2}
    assert found.clusters == {"": ("c2", "c1"), "a": ("c2",), "b": ("c1", "c2")}


def test_clusters_in_review_remove_nothing_and_a_changed_keeper_does() -> None:
    tonight = table({"c1": ["a:2", "a:1"], "c3": ["b:1", "b:2", "b:9"]}, review=("c3",))
    found = count_removals(tonight, BEFORE)
    assert (found.listed, found.newly, found.arrived) == (1, 1, 0)
    assert count_in_review(tonight) == (3, ("c3",))


def test_the_first_night_has_only_new_records() -> None:
    found = count_removals(BEFORE, BEFORE.slice(0, 0))
    assert (found.listed, found.listed_before, found.newly, found.arrived) == (2, 0, 2, 2)


def test_growth_is_against_the_cluster_with_most_members_in_common() -> None:
    before = table({"x": ["1", "2", "3"], "y": ["4", "5"], "z": ["6"]})
    tonight = table({"n": ["1", "4", "5", "6", "7"], "x": ["2", "3"], "w": ["8", "9", "10"]})
    found = [(g.cluster_id, g.size, g.before) for g in cluster_growths(tonight, before, above=1)]
    assert found == [("n", 5, 2), ("w", 3, 0), ("x", 2, 3)]
    assert [g.cluster_id for g in cluster_growths(tonight, before, above=2)] == ["n", "w"]
    assert [g.before for g in cluster_growths(tonight, None, above=2)] == [0, 0]


def test_the_order_of_rows_changes_nothing() -> None:
    generator = random.Random(3)
    tonight = table({"c1": ["a:1", "b:1"], "c2": ["a:2", "b:2"], "c3": ["a:3", "a:4"]})

    def shuffled(rows: pa.Table) -> pa.Table:
        return rows.take(generator.sample(range(len(rows)), len(rows)))

    for _ in range(20):
        mixed = shuffled(tonight), shuffled(BEFORE)
        assert count_removals(*mixed) == count_removals(tonight, BEFORE)
        assert cluster_growths(*mixed, above=1) == cluster_growths(tonight, BEFORE, above=1)


def test_rows_by_source_adds_columns_up() -> None:
    first, second = pa.chunked_array([["b", "a", "b"]]), pa.chunked_array([["a", "c"]])
    assert rows_by_source(first, second) == {"a": 2, "b": 2, "c": 1}
    assert rows_by_source(pa.chunked_array([[]], pa.string())) == {}


@pytest.mark.parametrize(
    ("before", "tonight", "count"),
    [
        (["s:1", "s:2", "s:3"], ["s:1.0", "s:2.0", "s:3.0"], 3),
        (["s:0012", "s:ab"], ["s:12", "s:AB"], 2),
        (["s:1", "s:2"], ["s:1", "s:3"], 0),  # one went, another came
        (["s:1", "t:2"], ["t:1", "s:2"], 0),  # of another source
        (["s:1"], [], 0),
        (["s:10"], ["s:1"], 0),
    ],
)
def test_ids_that_are_written_otherwise_are_found(
    before: list[str], tonight: list[str], count: int
) -> None:
    found = rewritten_ids(pa.array(before, pa.string()), pa.array(tonight, pa.string()))
    assert (found.count, found.before) == (count, len(before))
    assert (found.example is None) is (count == 0)
