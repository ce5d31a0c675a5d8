"""Clusters against networkx, and the guarantees of the chain guard."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.clustering.cover.star_clustering import cluster_links
from pipeline.clustering.survivorship import keeper_ranks


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 24))
    every = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    edges = np.array(sorted(chosen), np.int64).reshape(-1, 2)
    weight = np.array(draw(st.lists(st.sampled_from([0.9, 0.95, 1.0]), min_size=len(edges),
                                    max_size=len(edges))), float)  # fmt: skip
    preference = np.array(draw(st.permutations(range(count))), np.int64)
    return count, edges[:, 0], edges[:, 1], weight, preference


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_every_member_is_linked_to_its_representative(case) -> None:
    count, left, right, weight, preference = case
    grouping = cluster_links(count, left, right, weight, preference)
    links = set(zip(left.tolist(), right.tolist(), strict=True))
    for node, head in enumerate(grouping.representative.tolist()):
        assert node == head or (min(node, head), max(node, head)) in links
        assert grouping.cluster[node] == grouping.cluster[head]
    assert len(set(grouping.cluster)) == len(set(grouping.representative))


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_clusters_refine_networkx_components_and_no_link_is_lost(case) -> None:
    count, left, right, weight, preference = case
    grouping = cluster_links(count, left, right, weight, preference)
    graph = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(zip(left.tolist(), right.tolist(), strict=True))
    kept = np.setdiff1d(np.arange(len(left)), grouping.cut)
    assert (grouping.cluster[left[kept]] == grouping.cluster[right[kept]]).all()
    assert (grouping.cluster[left[grouping.cut]] != grouping.cluster[right[grouping.cut]]).all()
    for component in nx.connected_components(graph):
        members = sorted(component)
        star = any(graph.degree[node] == len(members) - 1 for node in members)
        clusters = {int(grouping.cluster[node]) for node in members}
        outside = set(range(count)) - component
        assert not clusters & {int(grouping.cluster[node]) for node in outside}
        assert (len(clusters) == 1) == star
        assert all(grouping.split[node] == (not star) for node in members)


@pytest.mark.slow
@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_links_changes_nothing(case, random) -> None:
    count, left, right, weight, preference = case
    first = cluster_links(count, left, right, weight, preference)
    order = list(range(len(left)))
    random.shuffle(order)
    second = cluster_links(count, left[order], right[order], weight[order], preference)
    assert (first.cluster == second.cluster).all()
    assert (first.representative == second.representative).all()


def test_a_bridge_does_not_merge_two_groups() -> None:
    # Two triangles and one wrong link between them.
    left = np.array([0, 0, 1, 2, 3, 3, 4])
    right = np.array([1, 2, 2, 3, 4, 5, 5])
    grouping = cluster_links(6, left, right, np.full(7, 0.95), np.arange(6))
    assert len({int(grouping.cluster[n]) for n in (0, 1)}) == 1
    assert grouping.cluster[4] == grouping.cluster[5]
    assert grouping.cluster[0] != grouping.cluster[5]
    assert len(grouping.cut) >= 1
    assert grouping.split.all()


def test_the_keeper_is_the_preferred_among_those_linked_to_all() -> None:
    # 1 is the centre of a star; 2 is preferred but linked to 1 only.
    star = cluster_links(3, np.array([0, 1]), np.array([1, 2]), np.ones(2), np.array([1, 2, 0]))
    assert set(star.representative) == {1}
    whole = cluster_links(
        3, np.array([0, 0, 1]), np.array([1, 2, 2]), np.ones(3), np.array([1, 2, 0])
    )
    assert set(whole.representative) == {2}


def test_keeper_rules_apply_in_order() -> None:
    rank, phrases = keeper_ranks(
        [("a", np.array([1.0, 2.0, 2.0]), "longest"), ("b", np.array([0.0, 1.0, 5.0]), "newest")], 3
    )
    assert rank.tolist() == [2, 1, 0]
    assert phrases.tolist() == ["longest", "newest"]
