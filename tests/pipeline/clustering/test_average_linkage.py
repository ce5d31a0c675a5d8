"""Average linkage against a plain loop over all pairs of groups, in any order, at what cost."""

import heapq
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.arrays import components
from pipeline.clustering.cover import average_linkage as module
from pipeline.clustering.cover.average_linkage import (
    FINE,
    MISSING,
    MOST,
    UNIT,
    average_linkage,
    in_units,
)
from pipeline.clustering.cover.holdings import Holdings

Odds = dict[tuple[int, int], int]  # nodes -> log-odds in units
COUNT = 9

pairs = st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(
    lambda p: p[0] < p[1]
)
some = st.sampled_from([-50_000, -20_000, -3, 0, 10_000, 20_000, 60_000]) | st.integers(
    -50_000, 60_000
)
odds_of = st.dictionaries(pairs, some, max_size=30)
sources_of = st.lists(st.integers(-1, 2), min_size=COUNT, max_size=COUNT)


def arrays(odds: Odds) -> tuple[Any, Any, Any]:
    listed = sorted(odds)
    left, right = (np.array([pair[n] for pair in listed], np.int64) for n in (0, 1))
    return left, right, np.array([odds[pair] for pair in listed], np.int64)


def holdings(source: list[int]) -> Holdings:
    held = np.array(source)
    nodes = np.arange(len(source))
    return Holdings.of(nodes, held, nodes=len(source), sources=int(held.max()) + 1)


def grouped(odds: Odds, apart: Any = (), source: list[int] | None = None) -> list[int]:
    """The smallest node of each node's group, component by component."""
    left, right, values = arrays(odds)
    home = components(COUNT, left[values >= 0], right[values >= 0])
    here = home[left] == home[right]
    one, other = (np.array([pair[n] for pair in sorted(apart)], np.int64) for n in (0, 1))
    found: list[int] = average_linkage(
        home, left[here], right[here], values[here],
        apart=(one, other),
        holdings=holdings(source or [-1] * COUNT),
    ).tolist()  # fmt: skip
    return found


def by_hand(odds: Odds, apart: Any = (), source: list[int] | None = None) -> list[int]:
    """Every pair of groups looked at in every round."""
    held = source or [-1] * COUNT
    groups = [{node} for node in range(COUNT)]
    missing = round(MISSING / UNIT)

    def mean(one: set[int], other: set[int]) -> Fraction:
        ends = [(min(a, b), max(a, b)) for a in one for b in other]
        exact = Fraction(sum(odds.get(end, missing) for end in ends), len(ends))
        return exact if exact < 0 else Fraction(int(exact * FINE))

    def allowed(one: set[int], other: set[int]) -> bool:
        there = [{held[n] for n in group} - {-1} for group in (one, other)]
        ends = {(min(a, b), max(a, b)) for a in one for b in other}
        return not there[0] & there[1] and not ends & set(apart)

    while True:
        open_pairs = [
            (-mean(one, other), min(one), min(other), one, other)
            for one, other in combinations(sorted(groups, key=min), 2)
            if mean(one, other) >= 0 and allowed(one, other)
        ]
        if not open_pairs:
            of = {node: min(group) for group in groups for node in group}
            return [of[node] for node in range(COUNT)]
        *_, one, other = min(open_pairs, key=lambda entry: entry[:3])
        groups = [group for group in groups if group not in (one, other)] + [one | other]


@given(odds_of)
@settings(max_examples=300, deadline=None)
def test_it_is_what_a_plain_loop_finds(odds: Odds) -> None:
    assert grouped(odds) == by_hand(odds)


@given(odds_of, st.sets(pairs, max_size=6), sources_of)
@settings(max_examples=300, deadline=None)
def test_what_must_stay_apart_and_what_sources_promise_holds(
    odds: Odds, apart: set[tuple[int, int]], source: list[int]
) -> None:
    found = grouped(odds, apart, source)
    assert found == by_hand(odds, apart, source)
    for one, other in combinations(range(COUNT), 2):
        if found[one] == found[other]:
            assert (one, other) not in apart
            assert source[one] != source[other] or source[one] < 0


@given(odds_of, st.permutations(range(COUNT)))
@settings(max_examples=200, deadline=None)
def test_the_numbers_of_nodes_decide_nothing_but_ties(odds: Odds, order: list[int]) -> None:
    # No two sums of these are equal, so that no number has to decide.
    odds = {pair: (odds[pair] << 32) + (1000 << n) for n, pair in enumerate(sorted(odds))}
    moved = {pair: (min(ends), max(ends)) for pair in odds for ends in [[order[n] for n in pair]]}
    found, other = grouped(odds), grouped({moved[pair]: worth for pair, worth in odds.items()})
    assert as_sets(found, order) == as_sets(other, range(COUNT))


def as_sets(group: list[int], name: Any) -> set[frozenset[int]]:
    return {frozenset(name[n] for n in range(COUNT) if group[n] == one) for one in group}


@given(odds_of, st.randoms(use_true_random=False), st.sampled_from([1, 3]))
@settings(max_examples=100, deadline=None)
def test_the_order_and_the_batches_of_pairs_change_nothing(
    odds: Odds, random: Any, batch: int
) -> None:
    left, right, values = arrays(odds)
    home = components(COUNT, left[values >= 0], right[values >= 0])
    here = np.flatnonzero(home[left] == home[right])
    random.shuffle(order := here.tolist())
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    free = holdings([-1] * COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", batch)
        found = average_linkage(
            home, left[order], right[order], values[order], apart=none, holdings=free
        )
    assert found.tolist() == grouped(odds)


def test_a_bridge_that_the_groups_contradict_joins_nothing() -> None:
    near = {pair: 30_000 for group in ((0, 1, 2), (3, 4, 5)) for pair in combinations(group, 2)}
    assert grouped(near | {(2, 3): 20_000})[:6] == [0, 0, 0, 3, 3, 3]
    # Where the other pairs between them are only just refused they are one group.
    unsure = {(a, b): -2_000 for a in (0, 1, 2) for b in (3, 4, 5)}
    assert grouped(near | unsure | {(2, 3): 20_000})[:6] == [0] * 6


def test_log_odds_in_units() -> None:
    odds = np.array([-np.inf, np.nan, -9, -1e-9, 0, 1e-9, 2.5, 99], np.float32)
    assert in_units(odds, False).tolist()[:4] == [-50_000, -50_000, -50_000, -1]
    assert in_units(odds, True).tolist()[4:] == [0, 0, 25_000, round(MOST / UNIT)]
    assert in_units(odds[4:5], False).tolist() == [-1]  # refused at the threshold
    assert in_units(np.array([-1e-3]), True).tolist() == [0]


@pytest.mark.parametrize("size", [200, 400])
def test_each_pair_of_groups_is_looked_at_about_as_often_as_there_are_pairs(
    monkeypatch: Any, size: int
) -> None:
    pushed = []
    push = heapq.heappush

    def counted(heap: list[Any], entry: Any) -> None:
        pushed.append(entry)
        push(heap, entry)

    monkeypatch.setattr("heapq.heappush", counted)
    left, right = np.triu_indices(size, 1)
    odds = np.random.default_rng(1).integers(1, 60_000, len(left))
    none = np.zeros(0, np.int64), np.zeros(0, np.int64)
    home, free = np.zeros(size, np.int64), holdings([-1] * size)
    found = average_linkage(home, left, right, odds, apart=none, holdings=free)
    assert not found.any()
    assert len(pushed) <= len(left)
