"""The star cover of many components at once, against choosing one centre after the other."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.sparse import csr_matrix

from pipeline.clustering.cover import star_cover as stars
from pipeline.clustering.cover.constrained_star_cover import cover_component
from pipeline.clustering.cover.star_cover import star_cover

Graph = tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Some links between some nodes: chains, stars and thickets, with ties in all that decides."""
    count = draw(st.integers(2, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    left, right = np.nonzero(np.triu(random.random((count, count)) < draw(st.floats(0.02, 0.6)), 1))
    chain = np.arange(draw(st.integers(0, count - 1)))
    key = np.unique(np.concatenate([left * count + right, chain * count + chain + 1]))
    weight = random.choice([0.9, 0.95, 0.9999, 1.0], len(key))
    in_order = draw(st.booleans())
    preference = np.arange(count) if in_order else random.permutation(count)
    return count, key // count, key % count, weight, preference


def expected(graph: Graph) -> np.ndarray:
    count, left, right, weight, preference = graph
    rows, columns = np.concatenate([left, right]), np.concatenate([right, left])
    matrix = csr_matrix((np.concatenate([weight, weight]), (rows, columns)), (count, count))
    centre = np.arange(count)
    cover_component(matrix, np.unique(rows), preference, {}, centre)
    return centre


def found(graph: Graph) -> np.ndarray:
    centre = np.arange(graph[0])
    nodes, centres = star_cover(*graph[1:])
    assert sorted(nodes) == sorted({*graph[1].tolist(), *graph[2].tolist()})
    centre[nodes] = centres
    return centre


@pytest.mark.slow
@pytest.mark.parametrize("links", [0, stars.LINKS, 10**9], ids=["one by one", "both", "at once"])
@given(graph=graphs())
@settings(max_examples=200, deadline=None)
def test_the_cover_is_the_one_that_a_loop_finds(links: int, graph: Graph) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stars, "LINKS", links)
        assert found(graph).tolist() == expected(graph).tolist()


@pytest.mark.slow
def test_a_long_chain_whose_order_gives_no_two_stars_at_once_is_covered_in_time() -> None:
    count = 100_000
    left = np.arange(count - 1)
    centre = found((count, left, left + 1, np.full(count - 1, 0.95), np.arange(count)))
    assert (np.abs(centre - np.arange(count)) <= 1).all()
    assert (centre[:7] == [1, 1, 1, 4, 4, 4, 7]).all()


@pytest.mark.slow
def test_a_thicket_is_covered_in_time() -> None:
    """3,000 records of one crowd, each linked to a third of the others."""
    random = np.random.default_rng(2)
    left, right = np.nonzero(np.triu(random.random((3000, 3000)) < 1 / 3, 1))
    weight = np.round(random.uniform(0.9, 1, len(left)), 4)
    centre = found((3000, left, right, weight, random.permutation(3000)))
    links = set(zip(left.tolist(), right.tolist(), strict=True))
    assert all(n == c or (min(n, c), max(n, c)) in links for n, c in enumerate(centre.tolist()))
    assert len(np.unique(centre)) < 60
