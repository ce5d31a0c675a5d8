"""Objectives of a step: pure functions of its vectors and of what is known about them.

Every function takes unit-norm float32 vectors (c, d) of the distinct contents of a step. Rows of
one entity are duplicates of each other and never negatives, whether their pair was labelled or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.config import Objective


@dataclass(frozen=True)
class StepLabels:
    """What is known about the c contents and p labelled pairs of a step.

    entity: int64 (c,). left, right: int64 (p,), rows of the contents. grade: float32 (p,), 1
    duplicate … 0 different.
    """

    entity: Tensor
    left: Tensor
    right: Tensor
    grade: Tensor

    @property
    def same(self) -> Tensor:
        """Bool (p,), true for duplicates: a grade of at least one half."""
        return self.grade >= 0.5

    def to(self, device: torch.device) -> StepLabels:
        """Return the same on `device`."""
        return StepLabels(*(x.to(device) for x in vars(self).values()))


Loss = Callable[[Tensor, StepLabels], Tensor]


def build_objective(name: Objective, *, margin: float, temperature: float) -> Loss:
    """Return the loss of that name; `a+b` is the sum of both, each a scalar.

    margin: in cosine distance, of the contrastive losses and the triplets. temperature: of the
    softmax losses, and of CoSENT's exponentials.
    """
    match name:
        case "contrastive":
            return _contrastive(margin)
        case "online_contrastive":
            return _online_contrastive(margin)
        case "triplet":
            return _triplet(margin)
        case "info_nce":
            return lambda vectors, labels: pair_info_nce(vectors, labels, temperature=temperature)
        case "supervised_contrastive":
            return lambda vectors, labels: supervised_contrastive(
                vectors, labels.entity, temperature=temperature
            )
        case "cosent":
            return _cosent(temperature)
        case "cosine":
            return cosine_regression
        case "supervised_contrastive+cosent":
            ranked = _cosent(temperature)
            return lambda vectors, labels: (
                supervised_contrastive(vectors, labels.entity, temperature=temperature)
                + ranked(vectors, labels)
            )
        case _:
            assert_never(name)


def needs_duplicates(name: Objective) -> bool:
    """Tell whether a loss learns from the duplicates of a step, with all else as negatives."""
    return name in ("triplet", "info_nce", "supervised_contrastive")


def info_nce(scores: Tensor, positive: Tensor, known: Tensor) -> Tensor:
    """Minus the mean log share that each anchor's positive has beside its negatives; scalar >= 0.

    Van den Oord et al., Representation learning with contrastive predictive coding, 2018, eq. 4.

    Args:
        scores: (a, n) logits of each anchor with all. positive: (a,) those with its positive.
        known: bool (a, n), what is no negative of the anchor.
    """
    negative = scores.masked_fill(known, -torch.inf).logsumexp(dim=1)
    return functional.softplus(negative - positive).mean()


def pair_info_nce(vectors: Tensor, labels: StepLabels, *, temperature: float) -> Tensor:
    """Tell each duplicate from all contents of other entities, in both directions; scalar >= 0.

    For anchor i and its duplicate j: -log(e(i, j) / (e(i, j) + Σ e(i, k))), k over the contents of
    other entities, e(i, k) = exp(cos(i, k) / temperature); the mean over both directions of all
    duplicate pairs, 0 without any; see `info_nce`. In batches: Henderson et al., Efficient natural
    language response suggestion, 2017. sentence-transformers' MultipleNegativesRankingLoss would
    take other members of the anchor's entity for negatives.
    """
    left, right = labels.left[labels.same], labels.right[labels.same]
    anchor, duplicate = torch.cat([left, right]), torch.cat([right, left])
    if not len(anchor):
        return vectors.sum() * 0
    scores = vectors[anchor] @ vectors.T / temperature
    positive = scores.gather(1, duplicate[:, None])
    known = labels.entity[anchor][:, None] == labels.entity[None, :]
    return info_nce(scores, positive[:, 0], known)


def supervised_contrastive(vectors: Tensor, entity: Tensor, *, temperature: float) -> Tensor:
    """Draw the members of each entity together, away from all other entities; scalar >= 0.

    For an anchor i with the other members P(i) of its entity in the step: the mean over p in P(i)
    of -log(e(i, p) / (e(i, p) + Σ e(i, k))), k over the contents of other entities; averaged over
    the anchors that have members, 0 when none has. Khosla et al., Supervised contrastive learning,
    2020, eq. 2, but for its denominator, which holds the other members too and so pushes known
    duplicates apart: left out as in Barbano et al., Unbiased supervised contrastive learning, 2023.
    Both are the same where no entity has more than two members in a step.
    """
    scores = vectors @ vectors.T / temperature
    same = entity[:, None] == entity[None, :]
    together = same & ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    members = together.sum(dim=1)
    if not bool((members > 0).any()):
        return vectors.sum() * 0
    negative = scores.masked_fill(same, -torch.inf).logsumexp(dim=1, keepdim=True)
    terms = functional.softplus(negative - scores)
    mean = (terms * together).sum(dim=1) / members.clamp(min=1)
    return mean[members > 0].mean()


def cosine_regression(vectors: Tensor, labels: StepLabels) -> Tensor:
    """The mean over the pairs of (cosine - grade)²; scalar >= 0.

    Reimers and Gurevych, Sentence-BERT, 2019, the regression objective; with a teacher's cosines
    for grades the student takes over their order and their scale.
    """
    cosine = (vectors[labels.left] * vectors[labels.right]).sum(dim=1)
    return functional.mse_loss(cosine, labels.grade.to(cosine.dtype))


def _contrastive(margin: float) -> Loss:
    """½ d² for duplicates, ½ max(0, margin - d)² for others, d = 1 - cosine; the mean over pairs.

    Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping, 2006.
    """
    from sentence_transformers.sentence_transformer.losses import ContrastiveLoss

    return _of_pairs(ContrastiveLoss(_no_model(), margin=margin), binary=True)


def _online_contrastive(margin: float) -> Loss:
    """The contrastive loss of the hard pairs alone, summed.

    Hard: duplicates farther apart than the nearest others, others nearer than the farthest
    duplicates of the step (sentence-transformers' OnlineContrastiveLoss).
    """
    from sentence_transformers.sentence_transformer.losses import OnlineContrastiveLoss

    return _of_pairs(OnlineContrastiveLoss(_no_model(), margin=margin), binary=True)


def _cosent(temperature: float) -> Loss:
    """log(1 + Σ exp((cos of the lower - cos of the higher grade) / temperature)), pairs of pairs.

    Huang et al., CoSENT: consistent sentence embedding via similarity ranking, 2024. It ranks the
    labelled pairs among themselves and takes nothing else for a negative.
    """
    from sentence_transformers.sentence_transformer.losses import CoSENTLoss

    return _of_pairs(CoSENTLoss(_no_model(), scale=1 / temperature), binary=False)


def _triplet(margin: float) -> Loss:
    """max(0, d(a, p) - d(a, n) + margin): n the nearest other beyond p, or else the farthest.

    Others belong to another entity, d = 1 - cosine; the mean over all (anchor, duplicate) of the
    step, 0 without any. Schroff et al., FaceNet, 2015 (semi-hard negatives), as in
    sentence-transformers' BatchSemiHardTripletLoss.
    """
    from sentence_transformers.sentence_transformer.losses import (
        BatchHardTripletLossDistanceFunction,
        BatchSemiHardTripletLoss,
    )

    semi_hard = BatchSemiHardTripletLoss(
        _no_model(),
        distance_metric=BatchHardTripletLossDistanceFunction.cosine_distance,
        margin=margin,
    )

    def loss(vectors: Tensor, labels: StepLabels) -> Tensor:
        counts = torch.unique(labels.entity, return_counts=True)[1]
        if len(counts) < 2 or int(counts.max()) < 2:
            return vectors.sum() * 0
        return semi_hard.batch_semi_hard_triplet_loss(labels.entity, vectors)

    return loss


def _of_pairs(module: Any, *, binary: bool) -> Loss:
    """Turn a loss of sentence-transformers over labelled pairs into a function of the vectors."""

    def loss(vectors: Tensor, labels: StepLabels) -> Tensor:
        value = labels.same.float() if binary else labels.grade
        pairs = [vectors[labels.left], vectors[labels.right]]
        result: Tensor = module.compute_loss_from_embeddings(pairs, value)
        return result

    return loss


def _no_model() -> Any:
    """The losses are given vectors and never call the model they ask for."""
    return None
