"""The products: a sieve that loses nothing, and pieces of a search that are made once."""

import numpy as np
import pytest

from pipeline.arrays.blocks import block_hits, cosines
from pipeline.arrays.kernel import BFLOAT16, FLOAT32, NUMPY, Kernel
from pipeline.candidates import near_pairs as candidates
from pipeline.candidates.indexes.checkpoint import Arrays
from pipeline.candidates.near_pairs import find_near_pairs
from pipeline.config.candidates import CandidateSettings, ExactIndex, FaissIndex, IndexConfig
from tests.worlds.vectors import normalise


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [FLOAT32, BFLOAT16, NUMPY], ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("floor", [-0.2, 0.0, 0.004, 0.3, 0.9])
def test_the_sieve_lets_every_pair_at_the_floor_pass(kernel: Kernel, floor: float) -> None:
    random = np.random.default_rng(1)
    centre = random.standard_normal((1, 24))
    one = normalise(centre + random.standard_normal((700, 24)) * random.uniform(0.1, 3, (700, 1)))
    other = normalise(
        centre + random.standard_normal((5000, 24)) * random.uniform(0.1, 3, (5000, 1))
    )
    exact = one.astype(np.float64) @ other.T.astype(np.float64)
    found = np.zeros(exact.shape, bool)
    for hits in block_hits(one, other, floor, kernel=kernel):
        row, column = hits.row, hits.column
        assert (exact[row, column][hits.sure] >= floor).all()
        assert not found[row, column].any(), "a pair came twice"
        found[row, column] = True
    assert found[exact >= floor].all()
    assert exact[found].min() >= floor - 2 * kernel.slack - 2**-8, "a sieve, not a door"


def test_the_slack_holds_for_the_worst_vectors() -> None:
    # Every component is rounded down by nearly half a unit of bfloat16's last place.
    worst = np.full((1, 256), np.float32(1 + 2**-8 - 2**-12))
    vector = normalise(worst)
    hits = BFLOAT16.hits(BFLOAT16.of(vector), BFLOAT16.of(vector), 1.0)
    assert len(hits.row) == 1


def test_cosines_do_not_depend_on_the_batch() -> None:
    vectors = normalise(np.random.default_rng(2).standard_normal((400, 96)))
    left, right = np.divmod(np.arange(160_000), 400)
    whole = cosines(vectors, left, right)
    pieces = [cosines(vectors, left[at : at + 777], right[at : at + 777]) for at in (0, 5000)]
    assert (whole[:777] == pieces[0]).all()
    assert (whole[5000:5777] == pieces[1]).all()
    truth = (vectors.astype(np.float64) @ vectors.T.astype(np.float64)).ravel()
    assert np.abs(whole - truth).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("exact_below", [0, 100_000], ids=["lists", "flat"])
def test_the_pairs_do_not_depend_on_the_kernel(
    exact_below: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.candidates.indexes import exact, faiss_index

    random = np.random.default_rng(4)
    base = random.standard_normal((6000, 24))
    spread = random.uniform(0.05, 0.6, (3000, 1))
    vectors = normalise(
        np.concatenate([base, base[:3000] + spread * random.standard_normal((3000, 24))])
    )
    found = []
    for kernel in (FLOAT32, BFLOAT16):
        for module in (candidates, exact, faiss_index):
            monkeypatch.setattr(module, "fastest", lambda products=None, kernel=kernel: kernel)
        pairs = find_near_pairs(
            vectors,
            floor=0.9,
            index=FaissIndex(exact_below=exact_below),
            settings=CandidateSettings(max_neighbours=200),
            seed=0,
        )
        found.append((pairs.left.tolist(), pairs.right.tolist(), pairs.recall, pairs.description))
    assert found[0] == found[1]
    assert len(found[0][0]) > 1000


class StoppedError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    "index", [ExactIndex(type="exact"), FaissIndex(exact_below=0)], ids=["exact", "lists"]
)
def test_a_search_that_was_stopped_makes_no_piece_again(index: IndexConfig) -> None:
    random = np.random.default_rng(3)
    base = random.standard_normal((20_000, 16))
    vectors = normalise(
        np.concatenate([base, base[:3000] + 0.05 * random.standard_normal((3000, 16))])
    )
    kept: dict[str, Arrays] = {}
    made: list[str] = []

    def search(most: int) -> np.ndarray:
        def keep(name: str, make) -> Arrays:
            if name not in kept:
                if len(made) == most:
                    raise StoppedError
                made.append(name)
                kept[name] = make()
            return kept[name]

        found = find_near_pairs(
            vectors, floor=0.98, index=index, settings=CandidateSettings(), seed=0, keep=keep
        )
        return np.stack([found.left, found.right])

    with pytest.raises(StoppedError):
        search(1)
    again = search(99)
    assert len(made) == len(set(made)) >= 2
    kept.clear()
    made.clear()
    assert (search(99) == again).all()
    assert again.shape[1] >= 2900
