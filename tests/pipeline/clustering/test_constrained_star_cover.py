"""The star cover with nodes that must stay apart, against brute force."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.clustering.cover import constrained_star_cover
from pipeline.clustering.cover.constrained_star_cover import are_compatible
from pipeline.clustering.cover.star_clustering import cluster_links

Pairs = set[tuple[int, int]]


def rivals(pairs: Pairs) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for one, other in pairs:
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


def free(nodes: set[int], pairs: Pairs) -> bool:
    return not any(a in nodes and b in nodes for a, b in pairs)


@st.composite
def stars(draw: st.DrawFn) -> tuple[dict[int, float], Pairs]:
    count = draw(st.integers(0, 9))
    weights = st.sampled_from([0.9, 0.95, 1.0])
    star = {node: draw(weights) for node in range(count)}
    every = list(combinations(range(count + 2), 2))  # rivals outside the star are no matter
    return star, set(draw(st.lists(st.sampled_from(every), max_size=14)))


@given(stars())
@settings(max_examples=200, deadline=None)
def test_the_choice_is_the_best_there_is(case: tuple[dict[int, float], Pairs]) -> None:
    star, pairs = case
    chosen = are_compatible(star, rivals(pairs), np.arange(20))
    assert free(set(chosen), pairs)
    sets = (set(c) for n in range(len(star) + 1) for c in combinations(star, n))
    best = max((len(s), round(sum(star[n] for n in s), 6)) for s in sets if free(s, pairs))
    assert (len(chosen), round(sum(chosen.values()), 6)) == best


@given(stars())
@settings(max_examples=100, deadline=None)
def test_the_greedy_choice_is_free_of_rivals_and_cannot_be_added_to(
    case: tuple[dict[int, float], Pairs],
) -> None:
    star, pairs = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constrained_star_cover, "EXACT", 0)
        chosen = set(are_compatible(star, rivals(pairs), np.arange(20)))
    assert free(chosen, pairs)
    assert not any(free(chosen | {node}, pairs) for node in star.keys() - chosen)


def test_many_rivals_are_settled_in_time() -> None:
    """Two hundred records that persons told apart two by two, around one centre."""
    star = {node: 0.9 + node / 10_000 for node in range(200)}
    ring = {(node, (node + 1) % 200) for node in range(200)}
    assert len(are_compatible(star, rivals(ring), np.arange(200))) == 100


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 12))
    every = list(combinations(range(count), 2))
    if not every:
        return count, [], []
    linked = draw(st.lists(st.sampled_from(every), unique=True))
    rest = [pair for pair in every if pair not in linked]
    apart = draw(st.lists(st.sampled_from(rest), unique=True, max_size=5)) if rest else []
    return count, sorted(linked), apart


@given(graphs())
@settings(max_examples=200, deadline=None)
def test_nodes_apart_share_no_cluster_and_members_are_linked_to_their_head(case) -> None:
    count, linked, apart = case
    left, right = (np.array([p[n] for p in linked], np.int64) for n in (0, 1))
    pairs = tuple(np.array([p[n] for p in apart], np.int64) for n in (0, 1))
    weight, rank = np.full(len(linked), 0.95), np.arange(count)
    found = cluster_links(count, left, right, weight, rank, apart=(pairs[0], pairs[1]))
    for one, other in apart:
        assert found.cluster[one] != found.cluster[other]
    for node, head in enumerate(found.representative.tolist()):
        assert node == head or (min(node, head), max(node, head)) in linked


def test_copies_go_with_the_one_of_two_rivals_that_they_are_nearer_to() -> None:
    """0 and 3 are told apart; 1 is nearer to 0 and 2 to 3, though all are alike."""
    linked = [(0, 1, 0.98), (0, 2, 0.91), (1, 2, 0.94), (1, 3, 0.92), (2, 3, 0.97)]
    left, right, weight = (np.array(column) for column in zip(*linked, strict=True))
    found = cluster_links(
        4, left, right, weight, np.arange(4), apart=(np.array([0]), np.array([3]))
    )
    assert found.cluster.tolist() == [0, 0, 1, 1]
