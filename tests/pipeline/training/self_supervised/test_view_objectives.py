"""Objectives of two views, each against its formula written out or what it must prefer."""

import math

import pytest
import torch
from torch.nn import functional

from pipeline.training.self_supervised.objectives import (
    VectorMemory,
    barlow_twins,
    entropy,
    joint_embedding_prediction,
    self_distillation,
    vicreg,
    view_info_nce,
)

torch.manual_seed(0)
A, B = (functional.normalize(torch.randn(6, 8), dim=1) for _ in range(2))
GROUP = torch.tensor([0, 1, 2, 2, 3, 4])
NONE = VectorMemory.empty(8)


def test_info_nce_is_its_formula_without_the_own_group() -> None:
    memory = VectorMemory(functional.normalize(torch.randn(3, 8), dim=1), torch.tensor([0, 9, 2]))
    views, groups = torch.cat([A, B]), torch.cat([GROUP, GROUP])
    terms = []
    for i in range(12):
        positive = math.exp(float(views[i] @ views[(i + 6) % 12]) / 0.1)
        others = [j for j in range(12) if groups[j] != groups[i]]
        past = [j for j in range(3) if memory.group[j] != groups[i]]
        total = positive + sum(math.exp(float(views[i] @ views[j]) / 0.1) for j in others)
        total += sum(math.exp(float(views[i] @ memory.vectors[j]) / 0.1) for j in past)
        terms.append(-math.log(positive / total))
    found = view_info_nce(A, B, GROUP, memory, temperature=0.1)
    assert float(found) == pytest.approx(sum(terms) / 12, rel=1e-4)


def test_info_nce_of_one_group_alone_has_nothing_to_tell_apart() -> None:
    same = torch.zeros(6, dtype=torch.int64)
    assert float(view_info_nce(A, B, same, NONE, temperature=0.1)) == 0


def test_the_memory_forgets_the_oldest_and_holds_no_gradient() -> None:
    memory = NONE
    for step in range(4):
        vectors = torch.full((3, 8), float(step), requires_grad=True)
        memory = memory.with_latest(vectors, torch.full((3,), step), size=7)
    assert memory.group.tolist() == [1, 2, 2, 2, 3, 3, 3]
    assert memory.vectors[:, 0].tolist() == [1, 2, 2, 2, 3, 3, 3]
    assert not memory.vectors.requires_grad
    assert len(NONE.with_latest(A, GROUP, size=0).group) == 0


def test_entropy_is_the_log_distance_to_the_nearest_stranger() -> None:
    terms = []
    for i in range(6):
        distances = [float((A[i] - A[j]).norm()) for j in range(6) if GROUP[j] != GROUP[i]]
        terms.append(-math.log(min(distances)))
    assert float(entropy(A, GROUP)) == pytest.approx(sum(terms) / 6, rel=1e-4)
    assert float(entropy(A, torch.zeros(6, dtype=torch.int64))) == 0
    crowded = functional.normalize(torch.ones(6, 8) + 0.01 * torch.randn(6, 8), dim=1)
    assert float(entropy(crowded, torch.arange(6))) > float(entropy(A, torch.arange(6)))


def test_barlow_twins_wants_equal_views_and_coordinates_that_differ() -> None:
    wide = torch.randn(4000, 4)
    assert float(barlow_twins(wide, wide, redundancy=1.0)) == pytest.approx(0, abs=0.01)
    copied = wide[:, [0, 0, 2, 3]]
    assert float(barlow_twins(copied, copied, redundancy=1.0)) == pytest.approx(0.5, abs=0.02)
    unrelated = barlow_twins(wide, torch.randn(4000, 4), redundancy=1.0)
    assert float(unrelated) == pytest.approx(1, abs=0.1)


def test_vicreg_is_the_sum_of_its_three_terms() -> None:
    wide = 2 * torch.randn(4000, 4)
    weights = {"invariance": 0.0, "variance": 0.0, "covariance": 0.0}
    shifted = vicreg(wide, wide + 3, **{**weights, "invariance": 2.0})
    assert float(shifted) == pytest.approx(18, rel=1e-4)
    flat = torch.zeros(50, 4)
    assert float(vicreg(flat, flat, **{**weights, "variance": 1.0})) == pytest.approx(
        1.98, abs=0.01
    )
    assert float(vicreg(wide, wide, **{**weights, "variance": 1.0})) == 0
    copied = wide[:, [0, 0, 2, 3]]
    pair = vicreg(copied, copied, **{**weights, "covariance": 1.0})
    assert float(pair) == pytest.approx(2 * 2 * 16 / 4, rel=0.1)


def test_self_distillation_is_the_cross_entropy_to_the_other_view() -> None:
    student, teacher = torch.randn(2, 5, 7), torch.randn(2, 5, 7)
    centre = torch.randn(7)
    wanted = ((teacher - centre) / 0.04).softmax(dim=2)
    said = (student / 0.1).log_softmax(dim=2)
    expected = -((wanted[1] * said[0]).sum(1).mean() + (wanted[0] * said[1]).sum(1).mean()) / 2
    found = self_distillation(
        (student[0], student[1]), (teacher[0], teacher[1]), centre,
        temperature=0.1, teacher_temperature=0.04,
    )  # fmt: skip
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_prediction_is_of_the_other_view_and_moves_no_target() -> None:
    target = torch.randn(2, 5, 8, requires_grad=True)
    perfect = joint_embedding_prediction((target[1], target[0]), (target[0], target[1]))
    assert float(perfect) == pytest.approx(0, abs=1e-6)
    opposite = joint_embedding_prediction((-target[1], -target[0]), (target[0], target[1]))
    assert float(opposite) == pytest.approx(4, abs=1e-5)
    own = torch.randn(2, 5, 8, requires_grad=True)
    joint_embedding_prediction((own[0], own[1]), (target[0], target[1])).backward()
    assert own.grad is not None
    assert target.grad is None


@pytest.mark.parametrize("loss", ["info_nce", "entropy", "barlow", "vicreg"])
def test_every_objective_has_gradients_that_are_numbers(loss: str) -> None:
    vectors = torch.randn(2, 6, 8, requires_grad=True)
    a, b = functional.normalize(vectors, dim=2)
    value = {
        "info_nce": lambda: view_info_nce(a, b, GROUP, NONE, temperature=0.05),
        "entropy": lambda: entropy(torch.cat([a, a]), torch.cat([GROUP, GROUP])),
        "barlow": lambda: barlow_twins(a, b, redundancy=0.005),
        "vicreg": lambda: vicreg(a, b, invariance=25, variance=25, covariance=1),
    }[loss]()
    value.backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()
