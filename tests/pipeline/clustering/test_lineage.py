"""Cluster ids that last: largest overlap, one heir each, the same whatever the order."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.clustering.lineage import NIGHT, new_ids, stable_ids

NONE = pa.array([], pa.string())


def night(clusters: dict[str, list[str]]) -> pa.Table:
    """A night's clusters; the first record of each is its representative."""
    rows = [
        {"record_id": record, "cluster_id": name, "representative": members[0]}
        for name, members in clusters.items()
        for record in members
    ]
    return pa.Table.from_pylist(rows, NIGHT)


def tonight(
    before: dict[str, list[str]], groups: list[list[str]], retired: pa.Array = NONE
) -> list[str]:
    """The id of each group."""
    owner = {record: number for number, group in enumerate(groups) for record in group}
    records = sorted(owner)
    group = np.array([owner[record] for record in records], np.int64)
    ids = stable_ids(
        night(before), pa.array(records, pa.string()), group, retired=retired
    ).to_pylist()
    found = dict(zip(records, ids, strict=True))
    assert all(len({found[r] for r in group}) == 1 for group in groups)
    return [found[members[0]] for members in groups]


def fresh(record: str) -> str:
    return str(new_ids(pa.array([record]), taken=NONE)[0])


def test_the_larger_part_keeps_the_id() -> None:
    assert tonight({"X": list("abcde")}, [list("ab"), list("cde")]) == [fresh("a"), "X"]


def test_of_equal_parts_the_one_with_the_representative_keeps_it() -> None:
    assert tonight({"X": list("dabc")}, [list("ab"), list("cd")]) == [fresh("a"), "X"]


def test_of_equal_clusters_that_merge_the_smaller_id_stays() -> None:
    assert tonight({"Y": list("ab"), "X": list("cd")}, [list("abcd")]) == ["X"]


def test_an_id_has_one_heir_and_the_second_best_match_gets_its_own() -> None:
    before = {"X": list("abcdef"), "Y": list("gh")}
    # Both halves are of X; the second has all of Y and must not have X too.
    assert tonight(before, [list("abc"), list("defgh")]) == ["X", "Y"]


def test_a_new_id_is_neither_in_use_nor_that_of_a_dead_cluster() -> None:
    default = fresh("a")
    alone = tonight({}, [["a"]])
    assert alone == [default]
    reborn = tonight({}, [["a"]], retired=pa.array([default]))
    assert reborn == tonight({}, [["a"]], retired=pa.array([default])) != alone
    assert len(reborn[0]) == len(default) == 17
    # The cluster that a's id went to lives on without a.
    assert tonight({default: list("abc")}, [["a"], list("bc")]) == [reborn[0], default]
    twice = tonight({}, [["a"]], retired=pa.array([default, *reborn]))
    assert twice[0] not in {default, *reborn}


partitions = st.dictionaries(st.sampled_from("abcdefghijkl"), st.integers(0, 4), max_size=12)


def grouped(owner: dict[str, int]) -> list[list[str]]:
    return [sorted(r for r in owner if owner[r] == n) for n in sorted(set(owner.values()))]


@pytest.mark.slow
@given(partitions, partitions, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_ids_are_one_to_one_and_do_not_depend_on_any_order(was, now, random) -> None:
    before = {f"c{n}": members for n, members in enumerate(grouped(was))}
    groups = grouped(now)
    ids = tonight(before, groups)
    assert len(set(ids)) == len(groups)
    shuffled = list(before.items())
    random.shuffle(shuffled)
    order = list(range(len(groups)))
    random.shuffle(order)
    again = tonight(dict(shuffled), [groups[n] for n in order])
    assert again == [ids[n] for n in order]
    # No group without an id could have had one that died: the match is maximal.
    alive = {name for name in before if name in ids}
    for members, name in zip(groups, ids, strict=True):
        if name not in before:
            assert all(set(before[o]).isdisjoint(members) for o in before if o not in alive)
        same = [other for other, old in before.items() if sorted(old) == members]
        assert not same or same == [name]


@pytest.mark.parametrize("count", [0, 3])
def test_a_night_without_records(count: int) -> None:
    before = {"X": list("abc")[:count]} if count else {}
    assert tonight(before, []) == []
