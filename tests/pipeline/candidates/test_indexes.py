"""Every index against brute force over the same vectors."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.candidates.indexes import Index, build_index
from pipeline.config.candidates import ExactIndex, FaissIndex, IndexConfig
from tests.worlds.vectors import normalise

MEMBERS: dict[str, tuple[IndexConfig, float]] = {
    "exact": (ExactIndex(type="exact"), 1.0),
    "faiss flat": (FaissIndex(), 1.0),
    "faiss lists": (FaissIndex(exact_below=0), 0.99),
}
FLOOR = 0.8


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """3,000 unit vectors with planted neighbours: some pairs, some groups, some exact copies."""
    random = np.random.default_rng(7)
    base = random.standard_normal((1500, 32)).astype(np.float32)
    near = base[:1000] + 0.25 * random.standard_normal((1000, 32)).astype(np.float32)
    group = base[:1] + 0.1 * random.standard_normal((400, 32)).astype(np.float32)
    out = np.concatenate([base, near, group, base[100:200]])
    return normalise(out)


@pytest.fixture(scope="module")
def oracle(vectors: np.ndarray) -> set[tuple[int, int]]:
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    left, right = np.nonzero(np.triu(np.round(scores, 5) >= FLOOR, 1))
    return set(zip(left.tolist(), right.tolist(), strict=True))


def found(parts: object) -> list[tuple[int, int]]:
    return [
        pair
        for left, right in parts  # type: ignore[attr-defined]
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    ]


def joined(index: Index) -> list[tuple[int, int]]:
    return [pair for part in range(index.parts) for pair in found(index.self_join(FLOOR, part))]


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_self_join_finds_what_brute_force_finds(
    name: str, vectors: np.ndarray, oracle: set[tuple[int, int]]
) -> None:
    config, recall = MEMBERS[name]
    pairs = joined(build_index(config, vectors, floor=FLOOR))
    assert len(pairs) == len(set(pairs)), "a pair came twice"
    assert set(pairs) <= oracle, "a pair below the floor, or not left < right"
    assert len(set(pairs)) >= recall * len(oracle)


@pytest.mark.parametrize("name", MEMBERS)
def test_search_finds_what_brute_force_finds(name: str, vectors: np.ndarray) -> None:
    config, recall = MEMBERS[name]
    queries = vectors[:200].copy()
    scores = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    expected = set(
        zip(*map(np.ndarray.tolist, np.nonzero(np.round(scores, 5) >= FLOOR)), strict=True)
    )
    pairs = found(build_index(config, vectors, floor=FLOOR).search(queries, FLOOR))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) <= expected
    assert len(pairs) >= recall * len(expected)


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "exact"])
def test_saved_index_opens_in_faiss_and_answers(
    name: str, vectors: np.ndarray, tmp_path: Path
) -> None:
    import faiss

    build_index(MEMBERS[name][0], vectors, floor=FLOOR).save(tmp_path)
    index = faiss.read_index(str(tmp_path / "index.faiss"))
    assert index.ntotal == len(vectors)
    _, nearest = index.search(vectors[1000:1010], 1)
    assert (nearest[:, 0] == np.arange(1000, 1010)).mean() >= 0.9


def test_lists_do_not_depend_on_threads(vectors: np.ndarray) -> None:
    import faiss
    from threadpoolctl import threadpool_limits

    results = []
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        with threadpool_limits(threads):
            index = build_index(FaissIndex(exact_below=0), vectors, floor=FLOOR)
            results.append(sorted(joined(index)))
    assert results[0] == results[1]


@pytest.mark.slow
def test_lists_that_have_no_room_in_memory_find_the_same(
    vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.arrays import matrix

    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    results = []
    for room in (matrix.ROOM, 0):
        monkeypatch.setattr(matrix, "ROOM", room)
        monkeypatch.setattr(matrix, "MAPPED", room)
        index = build_index(FaissIndex(exact_below=0), mapped, floor=FLOOR)
        results.append((sorted(joined(index)), sorted(found(index.search(vectors[:50], FLOOR)))))
    assert results[0] == results[1]
