"""The best assignment against scipy's, parts of links against a plain loop, both in any order."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import linear_sum_assignment

from pipeline.clustering.cover import best_assignment as module
from pipeline.clustering.cover.best_assignment import CERTAIN, best_assignment
from pipeline.clustering.cover.one_to_one import Holdings, parts_of

Weighted = dict[tuple[int, int], float]

probabilities = st.integers(5000, 10_000).map(lambda p: p / 10_000) | st.sampled_from([0.9, 0.95])
sides = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 7)), probabilities, min_size=1, max_size=30
)
linked = st.dictionaries(
    st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda p: p[0] < p[1]),
    probabilities,
    max_size=30,
)


def arrays(links: Weighted) -> tuple[Any, Any, Any]:
    listed = sorted(links)
    left, right = (np.array([link[n] for link in listed], np.int64) for n in (0, 1))
    return left, right, np.array([links[link] for link in listed])


def worth(probability: Any) -> Any:
    return -np.log1p(-np.minimum(probability, CERTAIN))


@pytest.mark.parametrize("dense", [0, 1_000_000])
@given(links=sides)
@settings(max_examples=150, deadline=None)
def test_the_sum_is_that_of_the_hungarian_method(dense: int, links: Weighted) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DENSE", dense)
        left, right, probability = arrays(links)
        chosen = best_assignment(left, right, probability)
    matrix = np.zeros((8, 8))
    matrix[left, right] = worth(probability)
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    assert worth(probability[chosen]).sum() == pytest.approx(matrix[rows, columns].sum())
    assert len(set(left[chosen])) == len(set(right[chosen])) == chosen.sum()


@given(sides)
def test_too_large_a_component_takes_the_best_link_first(links: Weighted) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DENSE", 0)
        patch.setattr(module, "EXACT", 0)
        left, right, probability = arrays(links)
        chosen = best_assignment(left, right, probability)
    for link in np.flatnonzero(~chosen):  # each has lost to one that is as good
        rivals = chosen & ((left == left[link]) | (right == right[link]))
        assert probability[rivals].max() >= probability[link]


@given(sides, sides)
def test_what_is_chosen_depends_on_nothing_outside_its_component(
    one: Weighted, other: Weighted
) -> None:
    alone = [best_assignment(*arrays(links)) for links in (one, other)]
    moved = {(left + 8, right + 8): p for (left, right), p in other.items()}
    assert best_assignment(*arrays({**one, **moved})).tolist() == np.concatenate(alone).tolist()


def grown(links: Weighted, source: list[int]) -> list[set[int]]:
    """Parts by a plain loop over the links, the most probable first."""
    part = [{node} for node in range(len(source))]
    for one, other in sorted(links, key=lambda link: (-links[link], link)):
        both = part[one] | part[other]
        held = [source[node] for node in both if source[node] >= 0]
        if len(held) == len(set(held)):
            for node in both:
                part[node] = both
    return part


def parts(links: Weighted, source: list[int]) -> Any:
    sources = np.array(source)
    holdings = Holdings.of(
        np.arange(len(source)), sources, nodes=len(source), sources=int(sources.max()) + 1
    )
    return parts_of(*arrays(links), holdings)


@given(linked, st.lists(st.sampled_from([-1, 0]), min_size=12, max_size=12))
@settings(max_examples=300, deadline=None)
def test_with_one_such_source_the_most_probable_link_goes_first(
    links: Weighted, source: list[int]
) -> None:
    found, expected = parts(links, [0, *source[1:]]), grown(links, [0, *source[1:]])
    for node in range(12):
        assert set(np.flatnonzero(found == found[node])) == expected[node]


@given(
    linked, st.lists(st.integers(-1, 2), min_size=12, max_size=12), st.permutations(range(12)),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_the_numbers_of_nodes_and_sources_decide_nothing_but_ties(
    links: Weighted, source: list[int], order: list[int]
) -> None:
    # No two probabilities are equal, so that no number has to decide.
    apart = {link: 0.5 + 0.4 * n / 31 + links[link] / 1e3 for n, link in enumerate(links)}
    renamed = {(min(order[a], order[b]), max(order[a], order[b])): p for (a, b), p in apart.items()}
    sources = [0] * 12
    for node, held in enumerate(source):
        sources[order[node]] = held if held < 0 else 2 - held
    found, other = parts(apart, [*source]), parts(renamed, sources)
    for node in range(12):
        together = {order[n] for n in np.flatnonzero(found == found[node])}
        assert together == set(np.flatnonzero(other == other[order[node]]))
