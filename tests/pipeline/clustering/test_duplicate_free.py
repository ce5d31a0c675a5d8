"""No two records of a duplicate-free source are joined; the better links win, all are told."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings, strategies as st

from pipeline.arrays import components
from pipeline.candidates.content_groups import ContentGroups
from pipeline.clustering.clusters import cluster_tables
from pipeline.config.run import ClusterSettings
from pipeline.labels.verdicts import settle_verdicts
from pipeline.storage.schemas import LABELS
from tests.worlds.scored_pairs import ACCEPT, scored

Content = dict[str, int]  # record -> its text's number
Pairs = dict[tuple[int, int], float]  # texts -> probability of the pair
Rows = list[dict[str, Any]]


def clustered(
    content: Content, pairs: Pairs, free: str, said: list[tuple[str, str, str]] | None = None
) -> tuple[Rows, Rows]:
    """The clusters and the cut links of records; their ids begin with their sources."""
    ids = sorted(content)
    first = {content[i]: n for n, i in reversed(list(enumerate(ids)))}
    leader = np.array([first[content[i]] for i in ids], np.int64)
    rows = np.unique(leader)
    number = {text: int(np.searchsorted(rows, row)) for text, row in first.items()}
    found = sorted(
        (*sorted((number[a], number[b])), p)
        for (a, b), p in pairs.items() if a in number and b in number
    )  # fmt: skip
    left, right, probability = (
        np.array([f[n] for f in found], kind) for n, kind in enumerate((np.int64, np.int64, float))
    )
    none = pa.array([], pa.string())
    links = scored(left, right, probability)
    nothing, short = np.full(len(rows), -1), np.zeros(len(rows), bool)
    groups = ContentGroups(leader, rows, np.arange(len(rows)), nothing, none, none, short, short)
    records = pa.table(
        {
            "record_id": pa.array(ids, pa.string()),
            "source": pa.array([i[0] for i in ids], pa.string()),
            "text": pa.array([f"the text {content[i]}" for i in ids], pa.string()),
            "image_width": pa.nulls(len(ids), pa.int32()),
            "image_height": pa.nulls(len(ids), pa.int32()),
            "image_effective_side": pa.nulls(len(ids), pa.float32()),
            "timestamp": pa.nulls(len(ids), pa.timestamp("us", tz="UTC")),
        }
    )
    told = [
        {"left_id": a, "right_id": b, "label": w, "by": "ann", "at": n, "origin": "import",
         "note": None}
        for n, (a, b, w) in enumerate(said or ())
    ]  # fmt: skip
    verdicts = settle_verdicts(
        pa.Table.from_pylist(told, LABELS), records["record_id"].combine_chunks()
    )
    clusters, cut = cluster_tables(
        records, groups, links, ClusterSettings(), verdicts, duplicate_free=tuple(free)
    )
    return clusters.to_pylist(), cut.to_pylist()


def together(clusters: Rows) -> dict[str, str]:
    """Record -> its cluster."""
    return {row["record_id"]: row["cluster_id"] for row in clusters}


def grouped(clusters: Rows) -> set[frozenset[str]]:
    """The clusters of two records or more."""
    of = together(clusters)
    sets = {frozenset(r for r in of if of[r] == one) for one in of.values()}
    return {one for one in sets if len(one) > 1}


names = st.sampled_from([f"{'abc'[n % 3]}:{n:02}" for n in range(12)])
text = st.integers(0, 8)
contents = st.dictionaries(names, text, max_size=12)
likely = st.sampled_from([0.8, 0.9, 0.95, 0.99])
possible = likely | st.just(0.6)  # the latter is refused
pairings = st.dictionaries(
    st.tuples(text, text).filter(lambda p: p[0] < p[1]), possible, max_size=16
)
said = st.lists(
    st.tuples(names, names, st.sampled_from(["same", "different", "related"])), max_size=4
)


def tied(content: Content, verdicts: list[tuple[str, str, str]]) -> dict[str, int]:
    """Record -> what persons called the same, whatever else they said."""
    ids = sorted(content)
    ends = [(a, b) for a, b, w in verdicts if w == "same" and a in content and b in content]
    left, right = (np.array([ids.index(e[n]) for e in ends], np.int64) for n in (0, 1))
    return dict(zip(ids, components(len(ids), left, right).tolist(), strict=True))


@given(contents, pairings, st.sampled_from(["a", "ab", "abc"]), said)
@settings(max_examples=300, deadline=None)
def test_no_two_records_of_one_source_are_together_and_every_cut_is_told(
    content: Content, pairs: Pairs, free: str, verdicts: list[tuple[str, str, str]]
) -> None:
    clusters, cut = clustered(content, pairs, free, verdicts)
    of, ties = together(clusters), tied(content, verdicts)
    for one, other in combinations(sorted(content), 2):
        if one[0] == other[0] and one[0] in free and of[one] == of[other]:
            assert ties[one] == ties[other]
    told = {(row["left_id"], row["right_id"]) for row in cut}
    assert len(told) == len(cut)
    assert all((a < b and of[a] != of[b]) or "related" in str(verdicts) for a, b in told)
    across = {(of[a], content[a], of[b], content[b]) for a, b in told}
    across |= {(c, d, a, b) for a, b, c, d in across}
    for one, other in combinations(sorted(content), 2):
        key = min(content[one], content[other]), max(content[one], content[other])
        if pairs.get(key, 0) > ACCEPT and of[one] != of[other]:
            assert (of[one], content[one], of[other], content[other]) in across
        if content[one] == content[other] and of[one] != of[other]:
            # A star: copies hang together by what was cut between them.
            copies = sorted({of[r] for r in content if content[r] == content[one]})
            ends = [(copies.index(p), copies.index(q)) for p, s, q, t in across
                    if s == t == content[one]]  # fmt: skip
            left, right = (np.array([e[n] for e in ends], np.int64) for n in (0, 1))
            assert components(len(copies), left, right).max() == 0


@given(st.dictionaries(st.tuples(st.integers(0, 3), st.integers(4, 7)), likely, max_size=12))
@settings(max_examples=200, deadline=None)
def test_between_two_sources_the_most_probable_match_goes_first(pairs: Pairs) -> None:
    content = {f"{'a' if n < 4 else 'b'}:{n}": n for n in range(8)}
    clusters, cut = clustered(content, pairs, "ab")
    expected: set[frozenset[str]] = set()
    for one, other in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        match = frozenset({f"a:{one}", f"b:{other}"})
        if all(match.isdisjoint(taken) for taken in expected):
            expected.add(match)
    assert grouped(clusters) == expected
    assert len(expected) + len(cut) == len(pairs)


def test_the_better_match_wins_and_the_other_is_told() -> None:
    content = {"a:1": 1, "a:2": 2, "b:1": 3}
    clusters, cut = clustered(content, {(1, 3): 0.8, (2, 3): 0.95}, "a")
    assert grouped(clusters) == {frozenset({"a:2", "b:1"})}
    assert [(row["left_id"], row["right_id"], row["reason"]) for row in cut] == [
        ("a:1", "b:1", "source a is duplicate-free: a:2 is the better match")
    ]
    assert {row["status"] for row in clusters} == {"confirmed"}


def test_of_two_equal_matches_the_first_wins_and_waits_for_review() -> None:
    clusters, cut = clustered({"a:1": 1, "a:2": 2, "b:1": 3}, {(1, 3): 0.9, (2, 3): 0.9}, "ab")
    assert grouped(clusters) == {frozenset({"a:1", "b:1"})}
    assert cut[0]["reason"] == "source a is duplicate-free: a:1 matches as well and goes first"
    assert {row["record_id"]: row["status"] for row in clusters} == {
        "a:1": "review", "a:2": "confirmed", "b:1": "review",
    }  # fmt: skip


def test_the_whole_group_decides_where_a_single_link_is_more_probable() -> None:
    content = {"a:1": 1, "a:2": 2, "b:1": 3, "c:1": 4}
    pairs = {(1, 4): 0.9999, (3, 4): 0.99, (1, 3): 0.9, (2, 3): 0.95}
    clusters, cut = clustered(content, pairs, "a")
    assert grouped(clusters) == {frozenset({"a:1", "b:1", "c:1"})}
    assert [row["reason"] for row in cut] == [
        "source a is duplicate-free: a:1 is taken: the whole group is nearer"
    ]


def test_several_records_of_a_source_with_duplicates_join_one() -> None:
    content = {"a:1": 1, "a:2": 2, "b:1": 3, "b:2": 4}
    pairs = {(1, 3): 0.9, (1, 4): 0.9, (2, 4): 0.85, (3, 4): 0.9}
    assert grouped(clustered(content, pairs, "a")[0]) == {frozenset({"a:1", "b:1", "b:2"})}
    assert grouped(clustered(content, pairs, "ab")[0]) == {
        frozenset({"a:1", "b:1"}), frozenset({"a:2", "b:2"}),
    }  # fmt: skip


def test_a_third_record_does_not_bring_two_together() -> None:
    content = {"a:1": 1, "a:2": 2, "c:1": 3, "c:2": 4}
    clusters, cut = clustered(content, {(1, 3): 0.9, (1, 4): 0.6, (3, 4): 0.95, (2, 4): 0.85}, "a")
    assert frozenset({"a:1", "c:1", "c:2"}) in grouped(clusters)
    assert cut[0]["reason"] == "source a is duplicate-free: it would join a:1 and a:2"


def test_a_person_who_says_same_is_followed() -> None:
    content = {"a:1": 1, "a:2": 1, "a:3": 2}
    said = [("a:1", "a:2", "same")]
    assert grouped(clustered(content, {(1, 2): 0.9}, "a")[0]) == set()
    clusters, cut = clustered(content, {(1, 2): 0.9}, "a", said)
    assert grouped(clusters) == {frozenset({"a:1", "a:2"})}
    assert "two records of it" in cut[0]["reason"]


def test_identical_records_are_parted_by_turns_and_wait_for_review() -> None:
    content = dict.fromkeys(("a:1", "a:2", "b:5", "b:6", "c:1", "c:2"), 1)
    clusters, cut = clustered(content, {}, "ab")
    assert grouped(clusters) == {
        frozenset({"a:1", "b:5", "c:1", "c:2"}), frozenset({"a:2", "b:6"}),
    }  # fmt: skip
    assert {row["status"] for row in clusters} == {"review"}
    assert [(row["left_id"], row["right_id"], row["reason"]) for row in cut] == [
        ("a:1", "a:2", "source a is duplicate-free: a:1 and a:2 are two records of it, though "
         "identical"),
        ("a:1", "b:6", "source b is duplicate-free: b:5 is identical and goes first"),
    ]  # fmt: skip


def test_a_source_with_the_same_content_many_times_stays_small() -> None:
    content = {f"a:{n:04}": n % 2 for n in range(3000)} | {f"b:{n}": 0 for n in range(40)}
    clusters, cut = clustered(content, {(0, 1): 0.9}, "ab")
    assert len(cut) < 10_000
    for one in grouped(clusters):
        assert sorted(record[0] for record in one) == ["a", "b"]
    assert len(grouped(clusters)) == 40


def test_a_hundred_sources_and_more() -> None:
    content = {f"{chr(300 + n)}:{turn}": 2 * n + turn for n, turn in product(range(80), range(2))}
    pairs = {(n, n + 2): 0.9 for n in range(158)} | {(0, 159): 0.95}
    clusters, _ = clustered(content, pairs, "".join(chr(300 + n) for n in range(80)))
    for one in grouped(clusters):
        assert len({record[0] for record in one}) == len(one)
