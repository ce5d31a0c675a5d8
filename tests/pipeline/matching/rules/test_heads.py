"""Heads are kept without pickle, come back bit for bit, and score each pair by itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.matching.rules.heads import (
    LIMIT,
    Blend,
    Boosted,
    Head,
    Linear,
    LinearModel,
    Scaler,
    Similarity,
    load_head,
    save_head,
)

KINDS = ("similarity", "linear", "boosted", "blend")


def features(count: int = 200, seed: int = 0) -> np.ndarray:
    """Six columns; the last two are unknown for some pairs."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, 6)).astype(np.float32)
    values[:, 4:][rng.random((count, 2)) < 0.3] = np.nan
    return values


def line(seed: int) -> LinearModel:
    rng = np.random.default_rng(seed)
    scaler = Scaler.learn(features(seed=seed))
    return LinearModel(scaler, rng.normal(size=6 + len(scaler.gaps)), float(rng.normal()))


def trees(seed: int) -> str:
    import lightgbm

    values = features(seed=seed)
    same = np.nan_to_num(values[:, 0]) + np.nan_to_num(values[:, 5]) > 0
    settings = {"objective": "binary", "num_leaves": 5, "num_threads": 1, "verbose": -1}
    return str(lightgbm.train(settings, lightgbm.Dataset(values, same), 12).model_to_string())


@pytest.fixture(scope="module")
def heads() -> dict[str, Head]:
    linear, boosted = Linear((line(1), line(2))), Boosted((trees(1), trees(2)))
    return {
        "similarity": Similarity(2, 7.25, -3.5),
        "linear": linear,
        "boosted": boosted,
        "blend": Blend((boosted, linear)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_comes_back_bit_for_bit(heads: dict[str, Head], tmp_path: Path, kind: str) -> None:
    save_head(heads[kind], tmp_path / "judge")
    back = load_head(tmp_path / "judge")
    assert back.kind == kind
    assert np.array_equal(back.score(features()), heads[kind].score(features()))
    save_head(back, tmp_path / "again")
    written = sorted(path.name for path in (tmp_path / "judge").iterdir())
    assert written == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in written:
        assert (tmp_path / "judge" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_pickled(heads: dict[str, Head], tmp_path: Path, kind: str) -> None:
    save_head(heads[kind], tmp_path)
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            size = int.from_bytes(content[:8], "little")
            assert json.loads(content[8 : 8 + size])
        else:
            assert path.suffix in {".json", ".txt"}
            content.decode()


@pytest.mark.parametrize("kind", KINDS)
def test_the_company_of_a_pair_does_not_move_its_score(heads: dict[str, Head], kind: str) -> None:
    values, head = features(), heads[kind]
    whole = head.score(values)
    assert whole.dtype == np.float64
    assert whole.std() > 0.1
    order = np.random.default_rng(1).permutation(len(values))
    assert np.array_equal(head.score(values[order]), whole[order])
    single = np.concatenate([head.score(values[place : place + 1]) for place in range(40)])
    assert np.array_equal(single, whole[:40])
    assert head.score(values[:0]).shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_evidence_gives_a_number(heads: dict[str, Head], kind: str) -> None:
    nothing = np.full((3, 6), np.nan, np.float32)
    assert np.isfinite(heads[kind].score(nothing)).all()


def test_an_unknown_cosine_scores_as_the_lowest() -> None:
    head = Similarity(0, 5.0, -1.0)
    unknown, lowest, better = head.score(np.array([[np.nan], [-1.0], [0.5]]))
    assert unknown == lowest < better


def test_the_scaler_against_numpy() -> None:
    values = features()
    scaler = Scaler.learn(values)
    assert scaler.mean == pytest.approx(np.nanmean(values.astype(float), axis=0))
    assert scaler.scale == pytest.approx(np.nanstd(values.astype(float), axis=0))
    assert scaler.gaps.tolist() == [4, 5]
    scaled = scaler(values)
    assert scaled.shape == (200, 8)
    missing = np.isnan(values)
    assert (scaled[:, :6][missing] == 0).all()
    assert np.array_equal(scaled[:, 6:], missing[:, 4:].astype(float))
    constant = Scaler.learn(np.ones((5, 1)))
    assert constant(np.array([[1.0], [3.0]])).ravel().tolist() == [0, 2]


def test_one_odd_number_is_clipped() -> None:
    scaler = Scaler(np.zeros(1), np.ones(1), np.zeros(0, np.int64))
    assert scaler(np.array([[1e9], [-1e9]])).ravel().tolist() == [LIMIT, -LIMIT]


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_or_damaged_file_is_a_model_error(
    heads: dict[str, Head], tmp_path: Path, kind: str
) -> None:
    save_head(heads[kind], tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for damaged in (None, b"", b"[1]", whole[: len(whole) // 2]):
            path.unlink(missing_ok=True)
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(ModelError, match="cannot be read"):
                load_head(tmp_path)
        path.write_bytes(whole)
    assert load_head(tmp_path).kind == kind


def test_an_unknown_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "head.json").write_text('{"kind": "oracle", "texts": {}}')
    with pytest.raises(ModelError, match="oracle"):
        load_head(tmp_path)
