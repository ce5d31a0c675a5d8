"""From evidence to a judge: fusion, background and search floor, and what they must not do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.config.finetune import JudgeTraining
from pipeline.errors import TrainingError
from pipeline.matching.evidence import UNSEEN, ImageEvidence, TextEvidence
from pipeline.matching.rules.learned import JudgeModel
from pipeline.outputs.model_results import SearchFloor
from pipeline.training.judge import learn
from pipeline.training.judge.learn import (
    EvidentPairs,
    Learner,
    blank_judge,
    cosine_floor,
    learn_judge,
)
from tests.worlds.vectors import random_vectors

NAMES = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel")


def learner(modality: Any = "text", *, kind: str = "linear", trained: bool = False) -> Learner:
    return Learner(modality, JudgeTraining.model_validate({"kind": kind}), trained, 0)


def of_text(count: int, **known: Any) -> TextEvidence:
    nothing, no = np.full(count, np.nan), np.zeros(count, bool)
    names = ("cosine", "lexical", "token_overlap", "edit_similarity", "length_ratio",
             "code_agreement", "verbatim", "background")  # fmt: skip
    blank = {
        **dict.fromkeys(names, nothing),
        **dict.fromkeys(("exact", "short"), no),
        "difference": np.full(count, UNSEEN, np.int8),
        "kinds": np.zeros(count, np.int32),
        "spans": np.full(count, None, object),
        "features": np.zeros((count, 0), np.float32),
        "sources": np.zeros(count),
        "differing": np.zeros(count, np.int64),
        "telling": np.zeros(count),
    }
    return TextEvidence(**{**blank, **known})


def of_image(count: int, **known: Any) -> ImageEvidence:
    nothing, no = np.full(count, np.nan), np.zeros(count, bool)
    blank = dict.fromkeys(("sides", "geometry"), nothing)
    features = np.zeros((count, 0), np.float32)
    return ImageEvidence(**blank, exact=no, beyond=no, features=features, **known)


def texts(count: int = 120, seed: int = 0) -> list[str]:
    """Rows 2e and 2e + 1 are one entity: its words in another order."""
    rng = np.random.default_rng(seed)
    out = []
    for number in range(count // 2):
        words = [*rng.choice(NAMES, 3, replace=False), f"m{100 + number}"]
        out += [" ".join(words), " ".join(rng.permutation(words))]
    return out


def of_texts(
    blank: JudgeModel, rows: list[str], cosine: Any, seed: int = 0, **more: Any
) -> tuple[TextEvidence, np.ndarray, np.ndarray]:
    """Every entity's duplicate, and two pairs with other entities for each."""
    rng = np.random.default_rng(seed)
    even = np.arange(0, len(rows), 2)
    left = np.concatenate([even, even, even])
    right = np.concatenate([even + 1, np.roll(even, 1) + 1, np.roll(even, 2)])
    same = np.arange(len(left)) < len(even)
    features = blank.features(rows, {}, threads=1)
    assert features is not None
    found = of_text(
        len(left),
        cosine=np.clip(cosine(same, rng), -1, 1),
        features=features.compare(left, right),
        **more,
    )
    return found, same, left // 2


def helpful(same: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.5 + 0.3 * same + rng.normal(scale=0.1, size=len(same))


def harmful(same: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return 0.5 - 0.3 * same + rng.normal(scale=0.1, size=len(same))


# --- the fusion --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("cosine", [helpful, harmful])
def test_the_weights_of_the_fusion_are_not_negative(cosine: Any) -> None:
    of = learner(trained=True)
    blank = blank_judge(of, texts(), {}, vectors=random_vectors(120, 8))
    train = EvidentPairs(*of_texts(blank, texts(), helpful))
    valid = EvidentPairs(*of_texts(blank, texts(seed=1), cosine, seed=1))
    judge, facts = learn_judge(blank, train, valid, of)
    assert judge.fusion is not None
    assert judge.extras == (), "the head is not given the cosines of a trained encoder"
    assert judge.fusion.head > 0
    assert min(judge.fusion.weights) >= 0
    if cosine is harmful:
        assert judge.fusion.weights[0] == pytest.approx(0, abs=1e-6)
    assert facts.fusion == judge.fusion


def test_a_head_over_an_untrained_encoder_has_no_fusion() -> None:
    of = learner()
    blank = blank_judge(of, texts(), {}, vectors=random_vectors(120, 8))
    pairs = EvidentPairs(*of_texts(blank, texts(), helpful))
    judge, _ = learn_judge(blank, pairs, pairs, of)
    assert judge.fusion is None
    assert judge.extras[0] == "text: cosine"
    assert judge.names[-len(judge.extras) :] == judge.extras


def test_blind_cosines_take_the_place_of_those_the_encoder_gives() -> None:
    of = learner(trained=False)
    blank = blank_judge(of, texts(), {}, vectors=random_vectors(120, 8))
    found, same, group = of_texts(blank, texts(), helpful)
    blind = EvidentPairs(found, same, group, np.zeros(len(same)))
    column = blind.pairs(("text: cosine",)).features[:, -1]
    assert (column == 0).all()
    honest = EvidentPairs(found, same, group).pairs(("text: cosine",)).features[:, -1]
    assert honest == pytest.approx(found.cosine, abs=1e-6)


# --- the background ----------------------------------------------------------------------------


def dense(count: int, *, telling: bool, seed: int) -> tuple[ImageEvidence, np.ndarray, np.ndarray]:
    """Pictures in neighbourhoods of any density; `telling`: the background says how dense."""
    rng = np.random.default_rng(seed)
    same = np.arange(count) % 2 == 0
    base = rng.uniform(0.1, 0.7, count)
    cosine = base + 0.15 * same + rng.normal(scale=0.02, size=count)
    level = base if telling else rng.permutation(base)
    found = of_image(count, cosine=cosine, background=level)
    return found, same, np.arange(count) // 4


@pytest.mark.parametrize("telling", [True, False])
def test_the_background_is_used_only_where_it_pays(telling: bool) -> None:
    of = learner("image")
    blank = blank_judge(of, [], {}, vectors=random_vectors(120, 8))
    assert blank.background is not None
    judge, facts = learn_judge(
        blank,
        EvidentPairs(*dense(240, telling=telling, seed=0)),
        EvidentPairs(*dense(240, telling=telling, seed=1)),
        of,
    )
    plain, normalised = facts.background.average_precision
    assert facts.background.used is telling
    assert (judge.background is not None) is telling
    assert ("image: cosine above background" in judge.extras) is telling
    assert (normalised > plain + 0.1) is telling
    assert facts.validation_average_precision == max(plain, normalised if telling else plain)


def test_a_corpus_of_few_contents_has_no_background() -> None:
    few = np.repeat(random_vectors(5, 8), 30, axis=0)
    assert blank_judge(learner(), ["a"], {}, vectors=few).background is None
    found = blank_judge(learner(), ["a"], {}, vectors=random_vectors(50, 8)).background
    assert found is not None
    assert found.vectors.dtype == np.float16
    assert len(found.vectors) == 50


def test_the_level_of_the_background_against_brute_force() -> None:
    vectors = random_vectors(60, 8)
    found = blank_judge(learner(), ["a"], {}, vectors=vectors).background
    assert found is not None
    background = replace(found, neighbours=3)
    level = background.level(vectors)
    sample = background.vectors.astype(np.float32)
    for row in (0, 17, 59):
        cosine = np.sort([c for c in sample @ vectors[row] if c < background.nearer])
        assert level[row] == pytest.approx(cosine[-3:].mean(), abs=1e-3)
    order = np.random.default_rng(0).permutation(60)
    assert np.array_equal(background.level(vectors[order]), level[order])


# --- the judge ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_seed_gives_the_same_judge() -> None:
    of = learner(kind="boosted")
    found = []
    for _ in range(2):
        blank = blank_judge(of, texts(), {}, vectors=random_vectors(120, 8))
        pairs = EvidentPairs(*of_texts(blank, texts(), helpful))
        judge, facts = learn_judge(blank, pairs, pairs, of)
        found.append((judge.score(pairs.evidence).tolist(), facts.tried))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["linear", "boosted", "similarity"])
def test_a_copy_scores_above_every_other_record(kind: str) -> None:
    of = learner(kind=kind)
    rows = texts()
    blank = blank_judge(of, rows, {}, vectors=random_vectors(120, 8))
    pairs = EvidentPairs(*of_texts(blank, rows, helpful))
    judge, _ = learn_judge(blank, pairs, pairs, of)
    left = np.zeros(len(rows), np.int64)
    right = np.arange(len(rows))
    features = blank.features(rows, {}, threads=1)
    assert features is not None
    score = judge.score(
        of_text(
            len(rows),
            cosine=np.where(right == 0, 1.0, 0.5),
            background=np.full(len(rows), 0.2),
            features=features.compare(left, right),
        )
    )
    assert score[0] == score.max()
    assert score[0] > np.median(score)


def test_one_class_is_refused() -> None:
    of = learner()
    blank = blank_judge(of, texts(), {}, vectors=random_vectors(120, 8))
    found, same, group = of_texts(blank, texts(), helpful)
    pairs, one = (
        EvidentPairs(found, same, group),
        EvidentPairs(found, np.zeros(len(same), bool), group),
    )
    with pytest.raises(TrainingError, match="all different"):
        learn_judge(blank, pairs, one, of)


# --- the search floor --------------------------------------------------------------------------


def test_the_floor_keeps_nearly_all_duplicates_of_a_small_corpus() -> None:
    cosine = np.concatenate([np.linspace(0.5, 0.9, 200), np.full(50, -0.9)])
    same = np.arange(250) < 200
    found = cosine_floor(cosine, same, random_vectors(300, 8), seed=0)
    assert found.floor == pytest.approx(np.quantile(cosine[:200], 0.01), abs=1e-4)
    assert 0.985 <= found.duplicates_above < 1


def test_the_floor_is_never_so_high_that_copies_are_missed() -> None:
    found = cosine_floor(np.full(20, 0.999), np.ones(20, bool), random_vectors(100, 8), seed=0)
    assert found == SearchFloor(0.95, 1.0)


def test_the_floor_bounds_the_neighbours_of_a_large_corpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learn, "FEW_PAIRS", 1)
    monkeypatch.setattr(learn, "CROWDED", 20)
    vectors = random_vectors(900, 8)
    found = cosine_floor(np.full(20, -0.5), np.ones(20, bool), vectors, seed=0)
    neighbours = ((vectors @ vectors.T) >= found.floor).sum() / len(vectors)
    assert 15 <= neighbours <= 21
    assert found.duplicates_above == 0


def test_unknown_cosines_and_no_duplicates_leave_a_floor() -> None:
    cosine = np.array([np.nan, 0.6, 0.7, 0.1])
    same = np.array([True, True, True, False])
    assert cosine_floor(cosine, same, random_vectors(20, 8), seed=0).floor >= 0.6
    without = cosine_floor(cosine, np.zeros(4, bool), random_vectors(20, 8), seed=0)
    assert -1 <= without.floor <= 0.95
    assert without.duplicates_above == 1.0
    assert cosine_floor(cosine, same, random_vectors(1, 8), seed=0).floor <= 0.95
