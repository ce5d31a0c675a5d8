"""Contradicting labels: what is settled is consistent, by the stated rule, in any order."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import given, settings, strategies as st

from pipeline.arrays import Words
from pipeline.arrays.graph import components
from pipeline.labels.conflicts import LabelRows, Settled, find_overruled, resolve_conflicts
from pipeline.labels.labelled_pairs import Overruled, TransitiveConflicts

NAMES = np.array([chr(ord("a") + i) for i in range(10)])


def settled(rows: LabelRows, names: Words) -> tuple[LabelRows, Settled]:
    found = resolve_conflicts(rows, names)
    return found.claims, found


def claims(
    rows: Sequence[tuple[int, int, float, int, int]], split: list[int] | None = None
) -> LabelRows:
    """Rows of (left, right, grade, rank, at)."""
    left, right, grade, rank, at = (np.array(column) for column in zip(*rows, strict=True))
    return LabelRows(
        np.minimum(left, right), np.maximum(left, right), grade.astype(float), rank, at,
        np.array(split or [0] * len(rows)), {"s": np.array([""] * len(rows))},
    )  # fmt: skip


def pairs(found: LabelRows) -> dict[str, float]:
    return {
        f"{NAMES[left]}{NAMES[right]}": grade
        for left, right, grade in zip(found.left, found.right, found.grade, strict=True)
    }


def test_a_pair_labelled_both_ways() -> None:
    found, facts = settled(
        claims(
            [(0, 1, 1, 0, 0), (0, 1, 0, 1, 0),  # given beats cluster
             (1, 2, 1, 1, 0), (1, 2, 0, 2, 5),  # a verdict beats given
             (2, 3, 0, 2, 5), (2, 3, 1, 2, 9),  # the later verdict wins
             (3, 4, 0, 1, 0), (3, 4, 1, 1, 0),  # nothing else decides: different
             (4, 5, 0.8, 1, 0), (4, 5, 1.0, 1, 0)]  # agreeing grades are averaged
        ),
        NAMES,
    )  # fmt: skip
    assert pairs(found) == {"ab": 0, "bc": 0, "cd": 1, "de": 0, "ef": 0.9}
    direct = facts.conflicts.direct
    assert (direct.count, direct.dropped, facts.repeated_pairs) == (4, 4, 5)
    kept = [item.kept for item in direct.examples]
    assert kept == ["different", "different", "same", "different"]


def test_what_is_least_trusted_of_a_contradiction_is_dropped() -> None:
    # Of one rank and time different stands, and of the same the one of the later records goes.
    found, facts = settled(claims([(0, 1, 1, 1, 0), (1, 2, 1, 1, 0), (0, 2, 0, 1, 0)]), NAMES)
    assert pairs(found) == {"ab": 1, "ac": 0}
    assert facts.conflicts.transitive == TransitiveConflicts(0, 1, (Overruled("b = c", "a ≠ c"),))
    # The oldest verdict goes, be it the different; told is the last of what ties its records.
    found, facts = settled(claims([(0, 1, 1, 2, 7), (1, 2, 1, 2, 8), (0, 2, 0, 2, 6)]), NAMES)
    assert pairs(found) == {"ab": 1, "bc": 1}
    (example,) = facts.conflicts.transitive.examples
    assert example == Overruled("a ≠ c", "a = b")
    found, _ = settled(claims([(0, 1, 1, 2, 5), (1, 2, 1, 2, 8), (0, 2, 0, 2, 6)]), NAMES)
    assert pairs(found) == {"ac": 0, "bc": 1}


def test_rank_beats_numbers_and_times() -> None:
    chains = [(0, 1), (1, 2), (0, 3), (3, 2)]
    lower = [(left, right, 1, 0, 0) for left, right in chains]
    found, _ = settled(claims([*lower, (0, 2, 0, 2, 1)]), NAMES)
    assert pairs(found)["ac"] == 0
    assert len(pairs(found)) == 3
    higher = [(0, 1, 1, 2, 1), (1, 2, 1, 2, 1)]
    found, _ = settled(claims([*higher, (0, 2, 0, 1, 0)]), NAMES)
    assert pairs(found) == {"ab": 1, "bc": 1}


def test_a_pair_given_two_splits_is_held_out() -> None:
    found, facts = settled(claims([(0, 1, 1, 1, 0), (0, 1, 1, 1, 0)], split=[3, 1]), NAMES)
    assert (found.split.tolist(), facts.split_twice) == ([3], 1)


claim = st.tuples(
    st.integers(0, 7), st.integers(0, 7), st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    st.integers(0, 2), st.integers(0, 2),
).filter(lambda row: row[0] != row[1])  # fmt: skip
# Only verdicts have a time.
claim = claim.map(lambda row: (*row[:4], row[4] if row[3] == 2 else 0))


@settings(max_examples=150, deadline=None)
@given(st.lists(claim, min_size=1, max_size=30), st.randoms())
def test_what_is_settled_is_consistent_and_knows_no_order(rows: list[Any], random: object) -> None:
    found, facts = settled(claims(rows), NAMES)
    graph = nx.Graph()
    graph.add_nodes_from(range(len(NAMES)))
    graph.add_edges_from(zip(found.left[found.same], found.right[found.same], strict=True))
    assert not any(
        nx.has_path(graph, left, right)
        for left, right in zip(found.left[~found.same], found.right[~found.same], strict=True)
    )
    keys = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert keys == sorted(set(keys))
    random.shuffle(rows)  # type: ignore[attr-defined]
    again, facts_again = settled(claims(rows), NAMES)
    assert pairs(again) == pairs(found)
    assert facts_again.conflicts == facts.conflicts
    once_more, nothing = settled(found, NAMES)
    assert pairs(once_more) == pairs(found)
    assert nothing.conflicts.transitive.examples == ()


def tied(ends: list[tuple[int, int, bool]], places: list[int]) -> nx.Graph:
    graph = nx.Graph([ends[i][:2] for i in places if ends[i][2]])
    graph.add_nodes_from(range(len(NAMES)))
    return graph


@settings(max_examples=150, deadline=None)
@given(st.lists(claim, min_size=1, max_size=30, unique_by=lambda row: (min(row[:2]), max(row[:2]))))
def test_what_stands_is_what_a_loop_with_networkx_keeps(rows: list[Any]) -> None:
    given = claims(rows)
    by = find_overruled(
        len(NAMES), given.left, given.right, same=given.same, rank=given.rank, at=given.at
    )
    ends = list(zip(given.left.tolist(), given.right.tolist(), given.same.tolist(), strict=True))
    kept: list[int] = []
    for place in sorted(
        range(len(ends)), key=lambda i: (-given.rank[i], -given.at[i], ends[i][2], *ends[i][:2])
    ):
        graph = tied(ends, [*kept, place])
        apart = [i for i in [*kept, place] if not ends[i][2]]
        against = [i for i in apart if nx.has_path(graph, *ends[i][:2])]
        if not against:
            kept.append(place)
            assert by[place] == -1
        elif ends[place][2]:  # a tie: told is the first that keeps apart what it would join
            assert by[place] == against[0]
        else:  # told is the statement that first tied the two together
            until = kept.index(by[place]) + 1
            assert nx.has_path(tied(ends, kept[:until]), *ends[place][:2])
            assert not nx.has_path(tied(ends, kept[: until - 1]), *ends[place][:2])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_components_equal_networkx(edges: list[tuple[int, int]]) -> None:
    left, right = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    graph = nx.Graph()
    graph.add_nodes_from(range(10))
    graph.add_edges_from(edges)
    expected = np.empty(10, np.int64)
    for number, part in enumerate(sorted(nx.connected_components(graph), key=min)):
        expected[list(part)] = number
    np.testing.assert_array_equal(components(10, left, right), expected)
