"""Each objective against values worked out by hand or by plain loops, and against its original."""

from __future__ import annotations

import math
import typing
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.config.finetune import Objective
from pipeline.training.siamese.objectives import (
    StepLabels,
    build_objective,
    pair_info_nce,
    supervised_contrastive,
)

NAMES = typing.get_args(Objective)


def labels(entity: list[int], pairs: list[tuple[int, int, float]]) -> StepLabels:
    left, right, grade = zip(*pairs, strict=True) if pairs else ((), (), ())
    return StepLabels(
        torch.tensor(entity),
        torch.tensor(left, dtype=torch.int64),
        torch.tensor(right, dtype=torch.int64),
        torch.tensor(grade, dtype=torch.float64),
    )


def unit(count: int, seed: int, dimension: int = 12) -> Tensor:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension))
    return torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def angles(*degrees: float) -> Tensor:
    radians = [math.radians(x) for x in degrees]
    return torch.tensor([[math.cos(x), math.sin(x)] for x in radians], dtype=torch.float64)


def test_info_nce_by_hand() -> None:
    # Cosines: duplicates 0.5; the other is at 0 from the first and at 0.866 from the second.
    vectors, known = angles(0, 60, 90), labels([7, 7, 8], [(0, 1, 1.0)])
    first = -math.log(math.exp(0.5) / (math.exp(0.5) + 1))
    second = -math.log(math.exp(0.5) / (math.exp(0.5) + math.exp(math.cos(math.pi / 6))))
    value = float(pair_info_nce(vectors, known, temperature=1.0))
    assert value == pytest.approx((first + second) / 2)


def test_info_nce_is_multiple_negatives_ranking_in_both_directions() -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    vectors = unit(10, 0)
    known = labels([0, 1, 2, 3, 4] * 2, [(at, at + 5, 1.0) for at in range(5)])
    nothing: Any = None
    original = MultipleNegativesRankingLoss(
        nothing, scale=1 / 0.1, directions=("query_to_doc", "query_to_query")
    )
    there = original.compute_loss_from_embeddings([vectors[:5], vectors[5:]], nothing)
    back = original.compute_loss_from_embeddings([vectors[5:], vectors[:5]], nothing)
    value = float(pair_info_nce(vectors, known, temperature=0.1))
    assert value == pytest.approx(float(there + back) / 2, rel=1e-6)


def test_supervised_contrastive_by_loops() -> None:
    entity, vectors = [0, 0, 0, 1, 1, 2], unit(6, 1)
    scores = (vectors @ vectors.T / 0.2).numpy()
    terms = []
    for i in range(6):
        members = [p for p in range(6) if p != i and entity[p] == entity[i]]
        others = sum(math.exp(scores[i, k]) for k in range(6) if entity[k] != entity[i])
        if members:
            shares = [math.exp(scores[i, p]) / (math.exp(scores[i, p]) + others) for p in members]
            logs = [math.log(share) for share in shares]
            terms.append(-sum(logs) / len(members))
    value = float(supervised_contrastive(vectors, torch.tensor(entity), temperature=0.2))
    assert value == pytest.approx(sum(terms) / len(terms))


def test_contrastive_by_hand() -> None:
    vectors = angles(0, 60, 90, 150)  # distances 0.5 (duplicates), 1 - cos 60°, and 1
    known = labels([0, 0, 1, 2], [(0, 1, 1.0), (2, 3, 0.0), (0, 2, 0.0)])
    loss = build_objective("contrastive", margin=0.75, temperature=1.0)
    assert float(loss(vectors, known)) == pytest.approx((0.5**2 + 0.25**2 + 0) / 2 / 3)


def test_online_contrastive_sums_the_hard_pairs() -> None:
    # Duplicates at distances 0.5 and 0, others at 0.134 and 1: only the first of each is hard.
    vectors = angles(0, 60, 200, 200, 30, 90)
    known = labels([0, 0, 1, 1, 2, 3], [(0, 1, 1.0), (2, 3, 1.0), (0, 4, 0.0), (0, 5, 0.0)])
    loss = build_objective("online_contrastive", margin=0.5, temperature=1.0)
    near = 1 - math.cos(math.radians(30))
    assert float(loss(vectors, known)) == pytest.approx(0.5**2 + (0.5 - near) ** 2, rel=1e-5)


def test_cosent_ranks_the_grades() -> None:
    vectors = angles(0, 60, 90, 0)
    pairs = [(0, 1, 1.0), (0, 2, 0.5), (1, 2, 0.0)]  # cosines 0.5, 0, 0.866
    cosine = {1.0: 0.5, 0.5: 0.0, 0.0: math.cos(math.radians(30))}
    terms = [
        math.exp((cosine[low] - cosine[high]) / 0.5)
        for high, low in product(cosine, cosine)
        if high > low
    ]
    loss = build_objective("cosent", margin=1.0, temperature=0.5)
    value = float(loss(vectors, labels([0, 0, 1, 2], pairs)))
    assert value == pytest.approx(math.log(1 + sum(terms)))


def test_cosine_regression_by_hand() -> None:
    vectors = angles(0, 60, 90)  # cosines 0.5, 0 and 0.866
    known = labels([0, 1, 2], [(0, 1, 0.7), (0, 2, 0.1), (1, 2, 0.866)])
    loss = build_objective("cosine", margin=1.0, temperature=1.0)
    near = math.cos(math.radians(30)) - 0.866
    expected = (0.2**2 + 0.1**2 + near**2) / 3
    assert float(loss(vectors, known)) == pytest.approx(expected, rel=1e-6)


def test_triplets_take_the_nearest_negative_beyond_the_duplicate() -> None:
    entity, vectors = [0, 0, 1, 1, 2, 3], unit(6, 3)
    distance = (1 - vectors @ vectors.T).numpy()
    terms = []
    for a, p in product(range(6), range(6)):
        if a != p and entity[a] == entity[p]:
            others = [distance[a, n] for n in range(6) if entity[n] != entity[a]]
            beyond = [d for d in others if d > distance[a, p]]
            chosen = min(beyond) if beyond else max(others)
            terms.append(max(0.0, distance[a, p] - chosen + 0.3))
    loss = build_objective("triplet", margin=0.3, temperature=1.0)
    value = float(loss(vectors, labels(entity, [])))
    assert value == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_a_plus_b_is_the_sum() -> None:
    vectors, known = unit(5, 4), labels([0, 0, 1, 1, 2], [(0, 1, 1.0), (0, 4, 0.0)])
    parts = [
        float(build_objective(name, margin=0.5, temperature=0.1)(vectors, known))
        for name in ("supervised_contrastive", "cosent", "supervised_contrastive+cosent")
    ]
    assert parts[0] + parts[1] == pytest.approx(parts[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(5))
def test_no_two_rows_of_an_entity_are_pushed_apart(name: Objective, seed: int) -> None:
    """The derivative of the loss by the cosine of two known duplicates is never positive."""
    rng = np.random.default_rng(seed)
    count = 8
    entity = rng.integers(0, 4, count)
    pairs = [
        (i, j, float(entity[i] == entity[j]))
        for i in range(count)
        for j in range(i)
        if rng.random() < 0.4  # most duplicates have no labelled pair
    ]
    known = labels(entity.tolist(), pairs or [(0, 1, float(entity[0] == entity[1]))])
    loss = build_objective(name, margin=1.5, temperature=0.1)
    gram = (unit(count, seed) @ unit(count, seed).T).numpy()

    def at(i: int, j: int, change: float) -> float:
        moved = gram.copy()
        moved[i, j] = moved[j, i] = moved[i, j] + change
        return float(loss(torch.from_numpy(np.linalg.cholesky(moved)), known))

    pushed = 0
    for i in range(count):
        for j in range(i):
            slope = (at(i, j, 1e-5) - at(i, j, -1e-5)) / 2e-5
            if entity[i] == entity[j]:
                assert slope <= 1e-4
            pushed += slope > 1e-4
    assert pushed  # the test sees what is pushed apart


@pytest.mark.parametrize("name", NAMES)
def test_a_step_without_anything_to_learn_is_zero_and_has_a_gradient(name: Objective) -> None:
    vectors = unit(3, 5).float().requires_grad_()
    loss = build_objective(name, margin=0.01, temperature=0.1)
    value = loss(vectors, labels([0, 1, 2], [(0, 1, 0.0)]))
    value.backward()
    if name != "cosine" and ("contrastive" not in name or "supervised" in name):
        assert value.item() == pytest.approx(0.0, abs=1e-6)
    assert vectors.grad is not None
    assert bool(torch.isfinite(vectors.grad).all())


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_one_entity_has_a_finite_gradient(name: Objective) -> None:
    vectors = unit(3, 6).float().requires_grad_()
    loss = build_objective(name, margin=0.5, temperature=0.1)
    value = loss(vectors, labels([4, 4, 4], [(0, 1, 1.0), (1, 2, 1.0)]))
    value.backward()
    assert vectors.grad is not None
    assert bool(torch.isfinite(vectors.grad).all())
