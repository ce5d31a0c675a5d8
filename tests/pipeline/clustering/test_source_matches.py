"""Records with partners by source, against a plain loop."""

from itertools import combinations

import numpy as np
import pyarrow as pa
from hypothesis import given, strategies as st

from pipeline.candidates.content_groups import ContentGroups
from pipeline.catalog import SourceMatches
from pipeline.clustering.source_matches import count_matches
from tests.worlds.scored_pairs import scored

records = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=10)
linked = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda p: p[0] < p[1]))


@given(records, linked)
def test_partners_are_counted_as_a_plain_loop_does(
    given_records: list[tuple[str, int]], given_links: set[tuple[int, int]]
) -> None:
    texts = [one for _, one in given_records]
    leader = np.array([texts.index(one) for one in texts], np.int64)
    rows = np.unique(leader)
    number = {texts[row]: n for n, row in enumerate(rows)}
    ends = sorted(
        tuple(sorted((number[a], number[b])))
        for a, b in given_links if a in number and b in number
    )  # fmt: skip
    left, right = (np.array([end[n] for end in ends], np.int64) for n in (0, 1))
    no, nothing = np.zeros(len(rows), bool), np.full(len(rows), -1)
    strings = pa.array([], pa.string())
    groups = ContentGroups(leader, rows, nothing, nothing, strings, strings, no, no)
    links = scored(left, right, np.ones(len(left)))
    sources = pa.chunked_array([pa.array([source for source, _ in given_records], pa.string())])
    found = count_matches(sources, groups, links, duplicate_free=("b",))

    inside: dict[str, set[int]] = {"a": set(), "b": set(), "c": set()}
    across, same = ({name: set[int]() for name in "abc"} for _ in range(2))
    for (one, (s, t)), (other, (u, v)) in combinations(enumerate(given_records), 2):
        if t == v or (min(t, v), max(t, v)) in given_links:
            where = inside if s == u else across
            where[s].add(one)
            where[u].add(other)
        if t == v and s == u:
            same[s] |= {one, other}
    assert found == tuple(
        SourceMatches(
            name, name == "b", sum(source == name for source, _ in given_records),
            len(inside[name]), len(across[name]), len(same[name]),
        )
        for name in sorted({source for source, _ in given_records})
    )  # fmt: skip
