"""Crowds against a brute-force oracle, and what they cost."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.arrays.blocks import cosines
from pipeline.candidates import dense_groups
from pipeline.candidates.dense_groups import LADDER, DenseGroups, find_dense_groups
from pipeline.candidates.near_pairs import find_near_pairs
from pipeline.config.candidates import CandidateSettings, ExactIndex, FaissIndex
from tests.worlds.vectors import normalise

FLOOR, COSINE = 0.75, 0.95


def every_cosine(vectors: np.ndarray) -> np.ndarray:
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    return np.round(np.clip(exact, -1, 1), 6).astype(np.float32)


@st.composite
def dense(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Rows around a few centres, some so near that they collapse; and the size of a crowd."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(
        st.lists(st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.02, 0.1, 0.3])), max_size=4)
    )
    wide = draw(st.integers(2, 6))
    parts = [
        random.standard_normal((1, wide)) + spread * random.standard_normal((size, wide))
        for size, spread in groups
    ]
    rows = np.concatenate([random.standard_normal((draw(st.integers(1, 20)), wide)), *parts])
    return normalise(rows[random.permutation(len(rows))]), draw(st.integers(2, 12))


def expected_floors(scores: np.ndarray, crowd: int) -> tuple[np.ndarray, np.ndarray]:
    """The floor of each row, and whether it is in a crowd even at the collapse cosine."""
    steps = np.linspace(FLOOR, COSINE, LADDER, dtype=np.float32)
    floors, densest = np.full(len(scores), steps[0]), np.zeros(len(scores), bool)
    for row, own in enumerate(scores):
        levels = [int((own >= step).sum()) > crowd for step in steps]
        reached = levels.index(False) if False in levels else LADDER
        floors[row] = steps[min(reached, LADDER - 1)]
        densest[row] = reached == LADDER
    return floors, densest


def expected_groups(scores: np.ndarray, rows: list[int], crowd: int) -> dict[int, int]:
    """Leader of each member, by loops and sets."""
    free, leader = set(rows), dict[int, int]()
    near = {a: {b for b in rows if scores[a, b] >= np.float32(COSINE) or a == b} for a in rows}
    while free:
        gain = {row: len(near[row] & free) for row in free}
        most = max(gain.values())
        if most <= crowd:
            break
        head = min(r for r in free if gain[r] > crowd and gain[r] >= dense_groups.NEARLY * most)
        leader |= dict.fromkeys((near[head] & free) - {head}, head)
        free -= near[head]
    return leader


def members(found: DenseGroups) -> dict[int, int]:
    return dict(zip(found.member.tolist(), found.leader.tolist(), strict=True))


@pytest.mark.slow
@given(dense())
@settings(max_examples=150, deadline=None)
def test_floors_and_groups_are_those_of_the_oracle(case: tuple[np.ndarray, int]) -> None:
    vectors, crowd = case
    found = find_dense_groups(vectors, floor=FLOOR, max_neighbours=crowd, cosine=COSINE)
    if len(vectors) <= crowd:
        assert not found.crowded
        return
    scores = every_cosine(vectors)
    floors, densest = expected_floors(scores, crowd)
    groups = expected_groups(scores, np.flatnonzero(densest).tolist(), crowd)
    assert members(found) == groups
    assert (found.floor == floors[found.kept]).all()
    assert found.raised == (floors[found.kept] > np.float32(FLOOR)).sum()


@pytest.mark.slow
@given(dense())
@settings(max_examples=150, deadline=None)
def test_every_member_is_as_near_to_its_leader_as_is_promised(
    case: tuple[np.ndarray, int],
) -> None:
    vectors, crowd = case
    found = find_dense_groups(vectors, floor=FLOOR, max_neighbours=crowd, cosine=COSINE)
    scores = every_cosine(vectors)
    assert (scores[found.member, found.leader] >= np.float32(COSINE)).all()
    assert not np.isin(found.leader, found.member).any(), "a leader is never a member"
    assert (np.sort(np.concatenate([found.kept, found.member])) == np.arange(len(vectors))).all()
    sizes = np.bincount(found.leader)
    assert (sizes[sizes > 0] >= crowd).all(), "smaller crowds are left as they were"


@pytest.mark.slow
@given(dense())
@settings(max_examples=150, deadline=None)
def test_pairs_are_those_that_reach_the_lower_floor_and_every_member_with_its_leader(
    case: tuple[np.ndarray, int],
) -> None:
    vectors, crowd = case
    found = find_near_pairs(
        vectors,
        floor=FLOOR,
        index=ExactIndex(type="exact"),
        settings=CandidateSettings(max_neighbours=crowd, collapse_cosine=COSINE),
        seed=0,
    )
    scores, kept = every_cosine(vectors), found.dense.kept
    wanted = np.minimum.outer(found.dense.floor, found.dense.floor)
    left, right = np.nonzero(np.triu(scores[np.ix_(kept, kept)] >= wanted, 1))
    expected = {(int(kept[a]), int(kept[b])) for a, b in zip(left, right, strict=True)}
    led = {(min(pair), max(pair)) for pair in members(found.dense).items()}
    pairs = list(zip(found.left.tolist(), found.right.tolist(), strict=True))
    assert pairs == sorted(expected | led)
    assert found.recall.recall == 1.0


@pytest.mark.slow
@given(dense())
@settings(max_examples=50, deadline=None)
def test_blocks_change_nothing(case: tuple[np.ndarray, int]) -> None:
    vectors, crowd = case
    whole = find_dense_groups(vectors, floor=FLOOR, max_neighbours=crowd, cosine=COSINE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_groups, "ROWS", 7)
        pieces = find_dense_groups(vectors, floor=FLOOR, max_neighbours=crowd, cosine=COSINE)
    assert members(whole) == members(pieces)
    assert (whole.floor == pieces.floor).all()


def loose(count: int) -> np.ndarray:
    """Rows at cosines of 0.97 to 0.99 to each other: one crowd, in which no leader takes many."""
    random = np.random.default_rng(8)
    centre = random.standard_normal((1, 96))
    return normalise(centre + 0.165 * random.standard_normal((count, 96)))


@pytest.mark.slow
def test_a_loose_crowd_costs_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader of a few rows each would be a scan for every few rows."""
    scores = loose(600)[:300] @ loose(600)[300:].T
    assert 0.01 < (scores >= 0.98).mean() < 0.5
    assert np.quantile(scores, 0.05) > 0.97
    work, within = [], dense_groups._cosines_within

    def counted(scores: np.ndarray, *given: object) -> np.ndarray:
        work.append(scores.size)
        return within(scores, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(dense_groups, "_cosines_within", counted)
    spent = []
    for count in (6000, 12_000, 24_000):
        work.clear()
        find_dense_groups(loose(count), floor=0.9, max_neighbours=100, cosine=0.98)
        spent.append(sum(work) / count)
    most = (
        dense_groups.LADDER * dense_groups.SAMPLE + 2 * dense_groups.ROUNDS * dense_groups.LEADING
    )
    assert max(spent) < most, "the same per row, however many there are"


@pytest.mark.parametrize("spread", [0.01, 0.152], ids=["tight", "loose"])
def test_a_large_crowd_lists_few_pairs_and_records_every_member(spread: float) -> None:
    """What is listed of a row has a bound, however large the crowd it is in."""
    random = np.random.default_rng(4)
    centre = random.standard_normal((1, 96))
    vectors = normalise(centre + spread * random.standard_normal((12_000, 96)))
    chosen = CandidateSettings(max_neighbours=300, collapse_cosine=0.98)
    found = find_near_pairs(
        vectors, floor=0.9, index=ExactIndex(type="exact"), settings=chosen, seed=0
    )
    assert len(found.left) < 2 * 300 * len(vectors)
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    led = members(found.dense)
    assert all((min(pair), max(pair)) in pairs for pair in led.items())
    assert (cosines(vectors, found.dense.member, found.dense.leader) >= 0.98).all()
    assert found.recall.recall == 1.0
    if spread < 0.1:
        assert len(led) > 11_900
        assert len(found.left) < 13_000


def test_a_crowd_that_is_all_there_is_has_its_pairs_in_order_and_is_told_of() -> None:
    random = np.random.default_rng(6)
    vectors = normalise(random.standard_normal((1, 16)) + 0.005 * random.standard_normal((400, 16)))
    chosen = CandidateSettings(max_neighbours=100)
    found = find_near_pairs(
        vectors, floor=0.9, index=ExactIndex(type="exact"), settings=chosen, seed=0
    )
    assert len(found.dense.member) == 399
    assert (found.left < found.right).all()
    assert (np.diff(found.left * 400 + found.right) > 0).all()
    assert found.description == "one leader of 399 members"


@pytest.mark.slow
def test_lists_search_each_row_down_to_its_own_floor_and_without_the_collapsed() -> None:
    random = np.random.default_rng(12)
    centre = random.standard_normal((2, 32))
    rows = [
        centre[:1] + 0.01 * random.standard_normal((800, 32)),
        centre[1:] + 0.25 * random.standard_normal((1500, 32)),
        random.standard_normal((1500, 32)),
    ]
    vectors = normalise(random.permutation(np.concatenate(rows)))
    found = find_near_pairs(
        vectors,
        floor=0.8,
        index=FaissIndex(exact_below=0),
        settings=CandidateSettings(max_neighbours=200),
        seed=0,
    )
    kept, led = found.dense.kept, members(found.dense)
    assert len(led) == 799
    assert found.dense.raised > 1000
    wanted = np.minimum.outer(found.dense.floor, found.dense.floor)
    scores = every_cosine(vectors)[np.ix_(kept, kept)]
    left, right = np.nonzero(np.triu(scores >= wanted, 1))
    expected = set(zip(kept[left].tolist(), kept[right].tolist(), strict=True))
    pairs = set(zip(found.left.tolist(), found.right.tolist(), strict=True))
    pairs -= {(min(pair), max(pair)) for pair in led.items()}
    assert pairs <= expected
    assert len(pairs) >= 0.99 * len(expected)
    assert found.recall.recall >= 0.99
