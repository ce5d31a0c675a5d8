"""Keys and cross joins against loops over all pairs."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.arrays.pair_keys import cross_join, pair_key, pair_sides


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))))
def test_a_key_is_that_of_the_unordered_pair_and_sorts_as_pairs_do(n, pairs):
    left = np.array([one % n for one, _ in pairs], np.int64)
    right = np.array([other % n for _, other in pairs], np.int64)
    keys = pair_key(left, right, n)
    wanted = [(min(a, b), max(a, b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    assert list(zip(*(side.tolist() for side in pair_sides(keys, n)), strict=True)) == wanted
    assert keys.tolist() == pair_key(right, left, n).tolist()
    assert [wanted[at] for at in np.argsort(keys, kind="stable")] == sorted(wanted)


def test_keys_of_no_rows_and_of_more_rows_than_32_bits_hold():
    none = np.zeros(0, np.int64)
    assert [len(side) for side in pair_sides(pair_key(none, none, 0), 0)] == [0, 0]
    n = 3_037_000_499
    key = pair_key(np.array([n - 1]), np.array([n - 2]), n)
    assert [side.tolist() for side in pair_sides(key, n)] == [[n - 2], [n - 1]]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=6),
)
def test_a_cross_join_is_the_loop_over_all_members(sizes, pairs):
    sizes = np.array(sizes)
    starts = np.cumsum(sizes) - sizes
    pairs = [(a % len(sizes), b % len(sizes)) for a, b in pairs]
    left, right = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    one, other, source = cross_join(left, right, starts=starts, sizes=sizes)
    wanted = [
        (int(starts[a]) + i, int(starts[b]) + j, place)
        for place, (a, b) in enumerate(pairs)
        for i in range(sizes[a])
        for j in range(sizes[b])
    ]
    assert list(zip(one.tolist(), other.tolist(), source.tolist(), strict=True)) == wanted
