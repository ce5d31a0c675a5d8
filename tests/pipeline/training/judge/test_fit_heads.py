"""The judge's heads: blind out-of-fold scores, the same for the same seed, simple where it ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pipeline.errors import TrainingError
from pipeline.matching.rules.heads import save_head
from pipeline.training.judge.fit_heads import KINDS, JudgePairs, fit_head

TRAINED = tuple(kind for kind in KINDS if kind != "similarity")


def pairs(entities: int = 60, each: int = 6, *, seed: int = 0, noise: float = 0.4) -> JudgePairs:
    """Four columns: a cosine, two that tell, one unknown for a third of the pairs."""
    rng = np.random.default_rng(seed)
    count = entities * each
    same = np.arange(count) % 2 == 0
    values = rng.normal(scale=noise, size=(count, 4)).astype(np.float32)
    values[:, 0] = np.clip(0.5 + 0.2 * same + rng.normal(scale=0.2, size=count), -1, 1)
    values[:, 1] += same
    values[:, 2] -= same
    values[rng.random(count) < 0.3, 3] = np.nan
    return JudgePairs(values, same, np.arange(count) // each)


def random_labels(entities: int = 80, each: int = 8) -> JudgePairs:
    """Every entity has its place in the features, and a label drawn at random.

    Who has seen the entity knows the label; nobody else can.
    """
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(entities), each)
    label = rng.permutation(entities) % 2 == 0
    centre = rng.normal(size=(entities, 6))
    values = (centre[group] + rng.normal(scale=0.02, size=(len(group), 6))).astype(np.float32)
    return JudgePairs(values, label[group], group)


def test_out_of_fold_scores_are_blind_to_the_entity() -> None:
    train = random_labels()
    fit = fit_head(train, train, cosine=-1, kind="boosted", seed=0)
    assert average_precision_score(train.same, fit.out_of_fold) < 0.65
    # The head itself has seen every entity, in four of its five models.
    assert average_precision_score(train.same, fit.head.score(train.features)) > 0.9
    assert fit.tried["boosted"].out_of_fold < 0.65 < fit.tried["boosted"].validation


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRAINED)
def test_out_of_fold_scores_are_honest_where_there_is_something_to_learn(kind: str) -> None:
    fit = fit_head(pairs(), pairs(seed=1), cosine=0, kind=kind, seed=0)
    honest, fresh = fit.tried[kind].out_of_fold, fit.tried[kind].validation
    assert honest > 0.9
    assert fresh > 0.9
    assert len(fit.out_of_fold) == 360
    assert (fit.out_of_fold != 0).all(), "every pair is held out once"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_head(kind: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit = fit_head(pairs(30), pairs(30, seed=1), cosine=0, kind=kind, seed=7)
        assert fit.head.kind == kind
        save_head(fit.head, tmp_path / name)
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}


def test_auto_tries_every_kind_and_keeps_the_best() -> None:
    fit = fit_head(pairs(), pairs(seed=1), cosine=0, kind="auto", seed=0)
    assert set(fit.tried) == set(KINDS)
    best = max(row.validation for row in fit.tried.values())
    assert fit.tried[fit.head.kind].validation == pytest.approx(best, abs=1e-3)
    assert fit.head.kind != "similarity"


@pytest.mark.slow
def test_the_simpler_head_wins_a_tie() -> None:
    easy = pairs(30)
    easy.features[:, 0] = np.where(easy.same, 0.9, 0.1)
    fit = fit_head(easy, easy, cosine=0, kind="auto", seed=0)
    assert fit.tried["boosted"].validation > 0.999
    assert fit.head.kind == "similarity"
    without = fit_head(easy, easy, cosine=-1, kind="auto", seed=0)
    assert without.head.kind == "linear"
    assert "similarity" not in without.tried


def test_the_similarity_never_falls_with_the_cosine() -> None:
    turned = pairs(30)
    turned.features[:, 0] *= -1
    head = fit_head(turned, turned, cosine=0, kind="similarity", seed=0).head
    scores = head.score(np.linspace(-1, 1, 9, dtype=np.float32)[:, None].repeat(4, axis=1))
    assert (np.diff(scores) >= 0).all()


@pytest.mark.parametrize(("value", "words"), [(True, "all duplicates"), (False, "all different")])
def test_one_class_is_refused_with_words(value: bool, words: str) -> None:
    both = pairs(10)
    one = JudgePairs(both.features, np.full(60, value), both.group)
    with pytest.raises(TrainingError, match=f"training pairs are {words}.*labels of the other"):
        fit_head(one, both, cosine=0, kind="linear", seed=0)
    with pytest.raises(TrainingError, match=f"validation pairs are {words}"):
        fit_head(both, one, cosine=0, kind="linear", seed=0)


def test_too_little_is_refused_with_words() -> None:
    both = pairs(10)
    nothing = JudgePairs(both.features[:0], both.same[:0], both.group[:0])
    with pytest.raises(TrainingError, match="no validation pairs"):
        fit_head(both, nothing, cosine=0, kind="linear", seed=0)
    single = JudgePairs(both.features, both.same, np.zeros(60, np.int64))
    with pytest.raises(TrainingError, match="duplicates of 1 and different pairs of 1 entities"):
        fit_head(single, both, cosine=0, kind="linear", seed=0)
    with pytest.raises(TrainingError, match="similarity needs an encoder"):
        fit_head(both, both, cosine=-1, kind="similarity", seed=0)


def test_a_handful_of_pairs_is_enough_for_every_kind() -> None:
    tiny = pairs(2, each=4)
    fit = fit_head(tiny, tiny, cosine=0, kind="auto", seed=0)
    assert np.isfinite(fit.head.score(tiny.features)).all()
