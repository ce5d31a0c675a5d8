"""Validation of the encoder on held pairs, which decides when to stop and what to keep."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.arrays import Rows
from pipeline.config import Objective
from pipeline.training.siamese.objectives import Loss, StepLabels
from pipeline.training.siamese.pairs import TrainingPairs

Monitor = Literal["valid_average_precision", "valid_loss", "none"]


def monitored_metric(valid: TrainingPairs, objective: Objective) -> Monitor:
    """Say what decides when to stop: average precision where there are pairs of both kinds.

    What learns the grades themselves is measured by its loss.
    """
    if not len(valid):
        return "none"
    if objective == "cosine":
        return "valid_loss"
    same = valid.same
    return "valid_loss" if same.all() or not same.any() else "valid_average_precision"


def measure_validation(
    vectors: NDArray[np.float32],
    entity: Rows,
    pairs: TrainingPairs,
    *,
    loss: Loss,
    batch_size: int,
    monitor: Monitor,
) -> dict[str, float]:
    """Return valid_loss and, where it is the `monitor`, valid_average_precision of the cosine.

    Args:
        vectors: (c, d) unit-norm float32.
        entity: (c,).
        pairs: over the rows of `vectors`.
        loss: the objective, taken over steps of `batch_size` pairs in their order.
    """
    starts = range(0, len(pairs), batch_size)
    parts = [pairs.take(np.arange(at, min(at + batch_size, len(pairs)))) for at in starts]
    losses = [_step_loss(vectors, entity, part, loss=loss) for part in parts]
    result = {"valid_loss": float(np.mean(losses))}
    if monitor == "valid_average_precision":
        from sklearn.metrics import average_precision_score

        cosine = np.einsum("ij,ij->i", vectors[pairs.left], vectors[pairs.right])
        score = average_precision_score(pairs.same, np.nan_to_num(cosine))
        result["valid_average_precision"] = float(score)
    return result


def _step_loss(
    vectors: NDArray[np.float32], entity: Rows, pairs: TrainingPairs, *, loss: Loss
) -> float:
    rows, places = pairs.contents()
    labels = StepLabels(
        torch.from_numpy(entity[rows]),
        torch.from_numpy(places.left),
        torch.from_numpy(places.right),
        torch.from_numpy(pairs.grade.astype(np.float32)),
    )
    return float(loss(torch.from_numpy(vectors[rows]), labels))
