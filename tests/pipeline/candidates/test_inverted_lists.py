"""Which lists a row looks into, in every order in which it is asked."""

import numpy as np
from hypothesis import given, settings, strategies as st

from pipeline.candidates.indexes.inverted_lists import Probes, assign_lists

LISTS = 7

looked = st.lists(st.sets(st.integers(0, LISTS - 1), min_size=1), min_size=1, max_size=12)


def probes(rows: list[set[int]]) -> Probes:
    starts = np.cumsum([0, *(len(row) for row in rows)])
    numbers = [number for row in rows for number in sorted(row)]
    return Probes(starts, np.array(numbers, np.uint8))


@given(looked, st.integers(0, LISTS), st.integers(0, LISTS))
@settings(max_examples=200, deadline=None)
def test_by_list_names_every_row_that_looks_into_it(
    rows: list[set[int]], first: int, last: int
) -> None:
    found = {number: places.tolist() for number, places in probes(rows).by_list(range(first, last))}
    expected = {n: [r for r, row in enumerate(rows) if n in row] for n in range(first, last)}
    assert found == {number: places for number, places in expected.items() if places}


@given(looked, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_rows_in_another_order_and_the_keys_of_some(rows: list[set[int]], random) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    taken = probes(rows).take(np.array(order))
    expected = probes([rows[row] for row in order])
    assert taken.starts.tolist() == expected.starts.tolist()
    assert taken.numbers.tolist() == expected.numbers.tolist()
    low, high = sorted(random.choices(range(len(rows) + 1), k=2))
    keys = [(at - low) * LISTS + n for at in range(low, high) for n in sorted(rows[order[at]])]
    assert taken.keys(low, high, LISTS).tolist() == keys


def test_a_vector_looks_into_the_lists_within_the_gap_of_its_best() -> None:
    random = np.random.default_rng(1)
    vectors = random.standard_normal((20_000, 12)).astype(np.float32)
    centroids = random.standard_normal((300, 12)).astype(np.float32)
    own, found = assign_lists(vectors, centroids, 0.5)
    scores = vectors @ centroids.T
    assert (own == scores.argmax(axis=1)).all()
    assert found.numbers.dtype == np.uint16
    near = (scores.max(axis=1, keepdims=True) - scores <= 0.5).sum()
    assert abs(len(found.numbers) - near) <= 2, "but for the last digits of a product"
