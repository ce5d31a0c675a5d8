"""Objectives of self-supervised training: pure functions of two views' vectors.

Row i of both matrices is one record in two edited views. Records of one group may show the same
scene, so they are never each other's negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.training.siamese.objectives import info_nce

_TINY = 1e-6


@dataclass(frozen=True)
class VectorMemory:
    """Vectors of past steps that serve as negatives.

    vectors: unit-norm float32 (m, d), without gradient. group: int64 (m,).
    """

    vectors: Tensor
    group: Tensor

    @staticmethod
    def empty(dimension: int, *, device: torch.device | None = None) -> VectorMemory:
        """No vectors yet."""
        return VectorMemory(
            torch.zeros(0, dimension, device=device),
            torch.zeros(0, dtype=torch.int64, device=device),
        )

    def with_latest(self, vectors: Tensor, group: Tensor, *, size: int) -> VectorMemory:
        """The same with one step more, the oldest beyond `size` forgotten.

        Wang et al., Cross-batch memory for embedding learning, 2020.
        """
        start = max(0, len(self.vectors) + len(vectors) - size)
        return VectorMemory(
            torch.cat([self.vectors, vectors.detach()])[start:],
            torch.cat([self.group, group])[start:],
        )


def view_info_nce(
    first: Tensor,
    second: Tensor,
    group: Tensor,
    memory: VectorMemory,
    *,
    temperature: float,
    apart: Tensor | None = None,
) -> Tensor:
    """Tell the other view of a record from all views of other groups; scalar >= 0.

    See `info_nce`; both views as anchors as in Chen et al., A simple framework for contrastive
    learning of visual representations, 2020, eq. 1.

    Args:
        first, second: unit-norm float32 (n, d). group: int64 (n,).
        apart: bool (n, n), records that are negatives of each other although they share a group.
    """
    count = len(first)
    vectors, groups = torch.cat([first, second]), torch.cat([group, group])
    against = torch.cat([vectors, memory.vectors])
    known = groups[:, None] == torch.cat([groups, memory.group])[None, :]
    if apart is not None:
        known[:, : 2 * count] &= ~apart.repeat(2, 2)
    scores = vectors @ against.T / temperature
    positive = (first * second).sum(dim=1).repeat(2) / temperature
    return info_nce(scores, positive, known)


def entropy(vectors: Tensor, group: Tensor, *, apart: Tensor | None = None) -> Tensor:
    """Minus the mean log distance to the nearest vector of another group; scalar.

    The Kozachenko-Leonenko estimate of the differential entropy, up to constants: Sablayrolles et
    al., Spreading vectors for similarity search, 2019, eq. 4; in copy detection: Pizzi et al., A
    self-supervised descriptor for image copy detection, 2022, eq. 5.

    Args:
        vectors: unit-norm float32 (n, d). group: int64 (n,). apart: bool (n, n), as there.
    """
    known = group[:, None] == group[None, :]
    if apart is not None:
        known &= ~apart
    nearest = (vectors @ vectors.T).masked_fill(known, -2.0).max(dim=1).values
    nearest = nearest[nearest > -2.0]
    if not len(nearest):
        return vectors.sum() * 0
    return -0.5 * (2 - 2 * nearest).clamp(min=_TINY).log().mean()


def barlow_twins(first: Tensor, second: Tensor, *, redundancy: float) -> Tensor:
    """Correlate each coordinate of both views with itself and with no other; scalar >= 0.

    Σ_i (1 - C_ii)² + redundancy · Σ_i≠j C_ij², C the cross-correlation over the step; divided by
    d. Zbontar et al., Barlow Twins: self-supervised learning via redundancy reduction, 2021, eq. 1.

    Args:
        first, second: float32 (n, d), not normalised.
    """
    a, b = ((x - x.mean(dim=0)) / x.std(dim=0).clamp(min=_TINY) for x in (first, second))
    correlation = a.T @ b / len(first)
    diagonal = torch.diagonal(correlation)
    others = correlation.pow(2).sum() - diagonal.pow(2).sum()
    return ((1 - diagonal).pow(2).sum() + redundancy * others) / first.shape[1]


def vicreg(
    first: Tensor, second: Tensor, *, invariance: float, variance: float, covariance: float
) -> Tensor:
    """Bring both views together; every coordinate varies, none predicts another; scalar >= 0.

    Bardes, Ponce and LeCun, VICReg: variance-invariance-covariance regularization, 2022, eq. 6,
    with a deviation of 1.

    Args:
        first, second: float32 (n, d), not normalised.
    """
    loss = invariance * functional.mse_loss(first, second)
    for vectors in (first, second):
        spread = (vectors.var(dim=0) + 1e-4).sqrt()
        centred = vectors - vectors.mean(dim=0)
        matrix = centred.T @ centred / max(len(vectors) - 1, 1)
        others = matrix.pow(2).sum() - torch.diagonal(matrix).pow(2).sum()
        loss = loss + variance * functional.relu(1 - spread).mean()
        loss = loss + covariance * others / vectors.shape[1]
    return loss


def self_distillation(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    centre: Tensor,
    *,
    temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Cross-entropy of the student's view against the teacher's other view; scalar >= 0.

    The teacher's scores are centred and sharpened, so that no class takes all. Caron et al.,
    Emerging properties in self-supervised vision transformers, 2021, eq. 2 and algorithm 1.

    Args:
        student, teacher: float32 (n, k) scores of both views; the teacher's have no gradient.
        centre: (k,) running mean of the teacher's scores.
    """
    total = student[0].sum() * 0
    for own, other in ((0, 1), (1, 0)):
        wanted = ((teacher[other] - centre) / teacher_temperature).softmax(dim=1).detach()
        said = (student[own] / temperature).log_softmax(dim=1)
        total = total - (wanted * said).sum(dim=1).mean() / 2
    return total


def joint_embedding_prediction(
    predicted: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]
) -> Tensor:
    """Predict the momentum encoder's vector of one view from the other's; scalar in 0 … 4.

    ‖p̂ - t̂‖² of unit vectors. Grill et al., Bootstrap your own latent, 2020, eq. 2; as prediction
    in the space of embeddings: LeCun, A path towards autonomous machine intelligence, 2022,
    section 4.4, and Assran et al., Self-supervised learning from images with a joint-embedding
    predictive architecture, 2023.

    Args:
        predicted: float32 (n, d), from each view the prediction of the other. target: (n, d) of
            the first and of the second view, without gradient.
    """
    losses = [
        (2 - 2 * functional.cosine_similarity(predicted[own], target[other].detach(), dim=1)).mean()
        for own, other in ((0, 1), (1, 0))
    ]
    return (losses[0] + losses[1]) / 2
